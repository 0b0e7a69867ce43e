use std::fs;
use std::io::Write;

use tracing::Level;

use super::{LogFile, START, filter};

#[test]
fn a_moved_log_file_is_left_behind_on_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("f.log"), folder.path().join("f.log.1"));
    fs::write(&path, "before\n").unwrap();
    let log = LogFile::open(&path).unwrap();
    (&log).write_all(b"one\n").unwrap();

    fs::rename(&path, &moved).unwrap();
    (&log).write_all(b"two\n").unwrap();
    log.reopen().unwrap();
    (&log).write_all(b"three\n").unwrap();

    assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn a_failed_reopen_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (home, gone) = (folder.path().join("logs"), folder.path().join("gone"));
    fs::create_dir(&home).unwrap();
    let log = LogFile::open(&home.join("f.log")).unwrap();
    fs::rename(&home, &gone).unwrap();
    assert!(log.reopen().is_err());
    (&log).write_all(b"still here\n").unwrap();
    assert_eq!(fs::read_to_string(gone.join("f.log")).unwrap(), "still here\n");
}

#[test]
fn start_lines_pass_at_every_level_and_libraries_stay_quiet() {
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
        assert!(filter(level).would_enable(START, &Level::INFO), "{level}");
        assert!(filter(level).would_enable("floodway_server::server", &level), "{level}");
        assert!(!filter(level).would_enable("mio::poll", &Level::INFO), "{level}");
    }
    assert!(filter(Level::INFO).would_enable("mio::poll", &Level::WARN));
    assert!(!filter(Level::ERROR).would_enable("mio::poll", &Level::WARN));
    assert!(!filter(Level::WARN).would_enable("floodway_server::server", &Level::INFO));
}
