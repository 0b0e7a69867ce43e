use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::limit_under;

const MIB: u64 = 1024 * 1024;

/// A root folder with these files.
fn root(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        1024000 kB\nMemFree: 5 kB\n");

#[test]
fn the_machine_is_the_limit_without_groups() {
    assert_eq!(limit_under(root(&[MEMINFO]).path()), Some(1000 * MIB));
}

#[test]
fn version_2_groups_count_with_their_parents() {
    let files = [
        MEMINFO,
        ("proc/self/cgroup", "0::/a/b\n"),
        ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ("sys/fs/cgroup/a/memory.max", "536870912\n"),
    ];
    assert_eq!(limit_under(root(&files).path()), Some(512 * MIB));
}

#[test]
fn version_1_groups_count_when_the_path_is_the_hosts() {
    let files = [
        MEMINFO,
        ("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
    ];
    assert_eq!(limit_under(root(&files).path()), Some(256 * MIB));
}

#[test]
fn no_limit_is_not_a_limit() {
    let unlimited = [
        ("proc/self/cgroup", "4:memory:/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ];
    assert_eq!(limit_under(root(&unlimited).path()), None);
    let with_machine = [MEMINFO, unlimited[0], unlimited[1]];
    assert_eq!(limit_under(root(&with_machine).path()), Some(1000 * MIB));
}

#[test]
fn nonsense_is_ignored() {
    let files =
        [("proc/meminfo", "MemTotal: lots\n"), ("proc/self/cgroup", "what\n::\n4:memory\n")];
    assert_eq!(limit_under(root(&files).path()), None);
    assert_eq!(limit_under(Path::new("/does/not/exist")), None);
}
