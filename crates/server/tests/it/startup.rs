//! What an operator sees when the server starts, cannot start, and is stopped.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;

use crate::footprint::wait_until;
use crate::server::{Launch, Server, run_to_end};

/// The start is refused: exit code 2, and a short text that holds all of `wanted`.
fn assert_refused(args: &[&str], wanted: &[&str]) -> Vec<String> {
    let (code, lines) = run_to_end(args);
    let text = lines.join("\n");
    assert_eq!(code, 2, "{args:?}: {text}");
    for word in wanted {
        assert!(text.contains(word), "{args:?}: {word:?} is not in {text:?}");
    }
    assert!(!text.contains("panicked"), "{text}");
    lines
}

fn assert_config_refused(toml: &str, wanted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    fs::write(&path, toml).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    let lines = assert_refused(&serve, wanted);
    // One line says it all; the others only show the place.
    assert!(wanted.iter().all(|word| lines[0].contains(word)), "{lines:?}");
    assert!(lines.len() <= 5, "{lines:?}");
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let lines = assert_refused(&["serve", "--listen", &addr], &[&addr, "in use"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--http", &addr];
    let lines = assert_refused(&serve, &[&addr, "in use", "--http"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn an_unreadable_configuration_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.toml"), folder.path().to_path_buf()] {
        let path = path.to_str().unwrap();
        let lines = assert_refused(&["serve", "--config", path], &[path]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_shown_with_their_place() {
    assert_config_refused("[limits]\npayload = \"lots\"\n", &["bad.toml:2:11", "lots"]);
    assert_config_refused("[limits]\nconnections = -1\n", &["bad.toml:2:15"]);
    assert_config_refused("[liveness]\nping_interval = 3\n", &["bad.toml:2:17"]);
    assert_config_refused("listen = \"nowhere\"\n", &["bad.toml:1:10", "nowhere"]);
    assert_config_refused("x = [\n", &["bad.toml:"]);
    let unknown = ["bad.toml:1:1", "unknown key", "`lissten`", "did you mean `listen`"];
    assert_config_refused("lissten = \"127.0.0.1:0\"\n", &unknown);
    let unknown = ["bad.toml:2:1", "payloat", "payload"];
    assert_config_refused("[limits]\npayloat = 1\n", &unknown);
}

#[test]
fn mistakes_on_the_command_line_are_told_with_what_would_be_right() {
    let lines = assert_refused(&["serve", "--lisen", "127.0.0.1:0"], &["--lisen", "--listen"]);
    assert!(lines[0].contains("--lisen"), "{lines:?}");
    assert_refused(&["serve", "--listen", "nowhere"], &["nowhere"]);
    assert_refused(&["serve", "--max-payload", "lots"], &["lots"]);
    assert_refused(&["sreve"], &["sreve", "serve"]);
}

#[test]
fn pid_and_ports_files_hold_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    // The harness always asks for a ports file, and has read the addresses from it.
    let mut server = Launch::new().arg("--pid-file").arg(pid_file.to_str().unwrap()).start();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), server.pid().to_string());
    let ports_file = server.folder().join("ports.json");
    let text = fs::read_to_string(&ports_file).unwrap();
    assert!(text.contains(&format!("nats://{}", server.addr())), "{text}");
    server.client().ping();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(!pid_file.exists() && !ports_file.exists(), "files of a process that is gone");
}

#[test]
fn port_0_is_a_free_port_each_time() {
    let (first, second) = (Server::start(), Server::start());
    assert_ne!(first.addr().port(), 0);
    assert_ne!(first.addr(), second.addr());
    assert_eq!(first.connect().info["port"], first.addr().port());
    assert_ne!(first.connect().info["server_id"], second.connect().info["server_id"]);
}

#[test]
fn term_and_int_exit_with_0_and_release_the_port() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let addr = server.addr();
        let mut client = server.client();
        client.subscribe("a", "1");
        server.signal(signal);
        // No notice line: a plain close.
        client.expect_closed();
        assert_eq!(server.wait_exit().code(), Some(0));
        let next = Launch::new().listen(addr).start();
        assert_eq!(next.addr(), addr);
        next.client().ping();
    }
}

#[test]
fn the_log_file_holds_what_scripts_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("floodway.log");
    fs::write(&path, "an earlier line\n").unwrap();
    let mut server = Launch::new().arg("--log-file").arg(path.to_str().unwrap()).start();
    let wanted = format!("Listening for client connections on {}", server.addr());
    assert_log(&path, &["an earlier line", &wanted, "Server is ready"]);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit().code(), Some(0));
    assert_log(&path, &["an earlier line", "Stop"]);
}

/// The file may be written a moment after standard error, on which the start was awaited.
fn assert_log(path: &Path, wanted: &[&str]) {
    for line in wanted {
        wait_until(&format!("{line:?} is in the log file"), || {
            fs::read_to_string(path).unwrap().contains(line)
        });
    }
}

#[test]
fn what_cannot_be_written_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere: OsString = folder.path().join("no/such/folder/file").into();
    for flag in ["--log-file", "--pid-file", "--ports-file"] {
        let nowhere = nowhere.to_str().unwrap();
        let serve = ["serve", "--listen", "127.0.0.1:0", flag, nowhere];
        assert_refused(&serve, &[nowhere]);
    }
}
