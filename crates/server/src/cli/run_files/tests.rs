use std::fs;

use super::RunFiles;

#[test]
fn files_are_whole_alone_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pid");
    fs::write(&path, "left by a crash").unwrap();

    let files = RunFiles::default();
    files.create(&path, "123").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "123");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the draft is still there");

    files.remove_all();
    assert!(!path.exists());
    files.create(&path, "123").unwrap();
    drop(files);
    assert!(!path.exists());
}

#[test]
fn a_successors_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pid");
    let files = RunFiles::default();
    files.create(&path, "123").unwrap();
    fs::write(&path, "124").unwrap();
    files.remove_all();
    assert_eq!(fs::read_to_string(&path).unwrap(), "124");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let files = RunFiles::default();
    assert!(files.create(&folder.path().join("none/f.pid"), "123").is_err());
    assert!(files.create(folder.path(), "123").is_err(), "a folder is no file");
}
