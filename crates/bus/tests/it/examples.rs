//! The example programs: each ends by itself, without an error, and says what it is there to say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Where Cargo puts the examples: beside the folder of the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Runs an example, and looks for lines in what it prints; `…` stands for what may differ.
fn check(name: &str, lines: &[&str]) {
    let program = program(name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join(format!("../../examples/{name}.rs"));
    // `cargo test` builds the examples, `cargo test --test it` does not.
    if changed(&program) < changed(&source) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", name]).current_dir(root);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{name} cannot be built");
    }
    let output = Command::new(&program).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}{complaint}", output.status);
    for line in lines {
        let is_it = |said: &str| line.split(" … ").all(|part| said.contains(part));
        assert!(said.lines().any(is_it), "no {line:?} in:\n{said}");
    }
}

#[test]
fn quickstart() {
    check("quickstart", &["kitchen: sensor.kitchen.door = open", "kitchen: server stopped"]);
}

#[test]
fn slow_consumer() {
    let lines = ["the healthy one received 10000", "out of capacity", "missed 9900, then 9900"];
    check("slow_consumer", &lines);
}

#[test]
fn conflated_prices() {
    check("conflated_prices", &["100000 matched = 3 delivered + 99997 replaced"]);
}

#[test]
fn actor_ring() {
    let lines = [
        "chain block … steady",
        "chain unbounded … grows without end",
        "chain throttle … steady",
        "ring block … stuck after",
        "a waits for mailbox b, b waits for mailbox a",
        "ring unbounded … grows without end",
        "ring throttle … steady",
    ];
    check("actor_ring", &lines);
}

#[test]
fn from_threads() {
    check("from_threads", &["everything was done: true", "two workers did 900 of 900"]);
}

#[test]
fn from_tokio() {
    check("from_tokio", &["the store has 200 lines, and its end is: server stopped"]);
}

#[test]
fn observer() {
    check("observer", &["it was late 1 time, and now it has handled 1000"]);
}

#[test]
fn queue_group() {
    check("queue_group", &["the stuck one holds 101"]);
}
