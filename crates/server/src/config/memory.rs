//! How much memory this process may use: the machine's, or less if a control group says so.

use std::fs;
use std::path::Path;

/// What is assumed where the system does not say, as on other systems than Linux.
const ASSUMED: u64 = 2 << 30;

/// A percentage of the memory this process may use.
pub(super) fn share(percent: u64) -> u64 {
    let limit = limit_under(Path::new("/")).unwrap_or(ASSUMED);
    u64::try_from(u128::from(limit) * u128::from(percent) / 100).unwrap_or(limit)
}

/// What of a budget for the whole process may be handed out: the rest is for code and tables that
/// are not counted, and for what the allocator cannot give back.
pub(super) fn for_queues(budget: u64) -> u64 {
    budget - (budget / 8 + (32 << 20)).min(budget / 4)
}

/// The smallest of the machine's memory and every control group limit above this process, as
/// the files below `root` tell it.
pub(super) fn limit_under(root: &Path) -> Option<u64> {
    let machine = machine_memory(root);
    let groups = group_limits(root);
    // Version 1 writes "no limit" as a number near 2^63; the minimum takes care of it, and
    // without the machine's own figure such a number must not be believed.
    let groups = groups.into_iter().filter(|limit| *limit < 1 << 60);
    machine.into_iter().chain(groups).min()
}

fn machine_memory(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn group_limits(root: &Path) -> Vec<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in text.lines() {
        // `hierarchy:controllers:path`; version 2 has hierarchy 0 and no controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if controllers.is_empty() {
            collect(&root.join("sys/fs/cgroup"), path, "memory.max", &mut limits);
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let mount = root.join("sys/fs/cgroup/memory");
            collect(&mount, path, "memory.limit_in_bytes", &mut limits);
        }
    }
    limits
}

/// A group is also bound by its parents. In a container the path may be the host's and not exist
/// here; then the mount itself is the container's group, and it is looked at in any case.
fn collect(mount: &Path, path: &str, file: &str, limits: &mut Vec<u64>) {
    let relative = Path::new(path.trim_start_matches('/'));
    for ancestor in relative.ancestors() {
        // "max" means no limit, and is not a number.
        let text = fs::read_to_string(mount.join(ancestor).join(file));
        limits.extend(text.ok().and_then(|text| text.trim().parse::<u64>().ok()));
    }
}

#[cfg(test)]
mod tests;
