//! What the system says about this process. Linux tells it under `/proc`; elsewhere it is unknown.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Ticks of `/proc/self/stat` in a second: part of Linux's interface to programs, not a setting.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of this process in RAM, in bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    parse_resident(&fs::read_to_string("/proc/self/status").ok()?)
}

/// CPU time this process has used, in the system and outside.
pub(super) fn cpu_seconds() -> Option<f64> {
    parse_cpu(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

fn parse_cpu(stat: &str) -> Option<f64> {
    // The second field is the name in parentheses, which may itself contain blanks and ")".
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut ticks = after_name.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

/// CPU use between two looks.
#[derive(Debug)]
pub(super) struct CpuMeter {
    last: Mutex<(Instant, f64)>,
}

impl CpuMeter {
    pub(super) fn start() -> Self {
        Self { last: Mutex::new((Instant::now(), cpu_seconds().unwrap_or_default())) }
    }

    /// Percent of one CPU used since the last call, by all threads together. 0 right after it.
    pub(super) fn percent(&self) -> Option<f64> {
        let (now, used) = (Instant::now(), cpu_seconds()?);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) = std::mem::replace(&mut *last, (now, used));
        let wall = now.saturating_duration_since(since).as_secs_f64();
        let percent = if wall > 0.0 { (used - before).max(0.0) / wall * 100.0 } else { 0.0 };
        Some((percent * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_understood() {
        let status = "Name:\tfloodway\nVmHWM:\t  9000 kB\nVmRSS:\t    5120 kB\nThreads:\t4\n";
        assert_eq!(parse_resident(status), Some(5_242_880));
        assert_eq!(parse_resident("VmRSS:\tmany kB\n"), None);
        let stat = "71 (a) b (c)) S 1 71 71 0 -1 4194304 900 0 0 0 250 175 7 8 20 0 4 0 9 1 2";
        assert_eq!(parse_cpu(stat), Some(4.25));
        assert_eq!(parse_cpu("71 (a) S 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_a_clock() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(cpu_seconds().is_some_and(|seconds| seconds < 86_400.0));
    }
}
