//! What a server process uses, from /proc.

use std::fs;

/// User and system CPU seconds of the whole process so far.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = cpu_ticks(&stat)?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU seconds of the threads that run now, to the nanosecond: [`cpu_seconds`] counts in ticks,
/// which is too coarse for less than a second. Threads must not end between two looks.
pub(crate) fn cpu_seconds_of_threads(pid: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanos = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(threads.flatten().filter_map(nanos).sum::<u64>() as f64 / 1e9)
}

/// The share of the kernel's memory for TCP that is in use by the whole machine.
pub(crate) fn tcp_memory_share() -> Option<f64> {
    let used = tcp_pages(&fs::read_to_string("/proc/net/sockstat").ok()?)?;
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok()?;
    let most: f64 = limits.split_whitespace().nth(2)?.parse().ok()?;
    Some(used / most)
}

fn tcp_pages(sockstat: &str) -> Option<f64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem").skip(1);
    words.next()?.parse().ok()
}

/// Resident bytes now.
pub(crate) fn resident(pid: u32) -> Option<f64> {
    status_bytes(pid, "VmRSS:")
}

/// The most that was ever resident.
pub(crate) fn resident_peak(pid: u32) -> Option<f64> {
    status_bytes(pid, "VmHWM:")
}

/// Fields 14 and 15 of a stat line; the name in field 2 may contain spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn status_bytes(pid: u32, key: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests;
