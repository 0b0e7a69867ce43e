use super::*;

#[test]
fn the_system_folders_come_after_the_callers_and_only_once() {
    let path = search_path(Some(OsStr::new("/opt/mine:/usr/bin"))).unwrap();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    assert_eq!(folders[0], Path::new("/opt/mine"));
    assert!(folders.contains(&PathBuf::from("/usr/sbin")));
    assert_eq!(folders.iter().filter(|folder| *folder == Path::new("/usr/bin")).count(), 1);
}

#[test]
fn a_machine_without_path_still_finds_the_system_folders() {
    let path = search_path(None).unwrap();
    assert_eq!(std::env::split_paths(&path).count(), SYSTEM_FOLDERS.len());
    assert!(find("no-such-program-anywhere", &path).is_none());
}
