//! What an empty queue with a high limit costs.
//!
//! Bytes of heap are counted by a global allocator, and a counting one would change the figures
//! of everything that allocates. So they are counted by a second program, which differs from this
//! one in its allocator only; this one builds it, lets it do those runs, and reads its figures.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use bytes::Bytes;
use serde_json::Value;

use super::shape::Queue;
use super::work::{Outcome, Work};

/// The limit of the queue, in messages.
const LIMIT: usize = 1_000_000;

/// The program that counts.
const COUNTING: &str = "floodway-bench-counting";

/// Runs something, and says how many bytes of heap it left in use.
pub(crate) type Counter = fn(&mut dyn FnMut()) -> i64;

/// Bytes of heap behind both handles of an empty queue.
pub(crate) fn heap<Q: Queue<Bytes>>(work: &Work) -> Outcome {
    let Some(counter) = work.counter else {
        return Err(format!("only {COUNTING} can count"));
    };
    // What the first of its kind sets up for all, it does not cost itself.
    drop(Q::open(LIMIT));
    let mut held = None;
    let bytes = counter(&mut || held = Some(Q::open(LIMIT)));
    drop(held);
    Ok(bytes as f64)
}

/// Bytes of both handles themselves.
pub(crate) fn handles<Q: Queue<Bytes>>(_: &Work) -> Outcome {
    Ok((size_of::<Q::Producer>() + size_of::<Q::Consumer>()) as f64)
}

/// The case's JSON, as the counting program found it.
pub(crate) fn counted(runs: u32) -> Result<Value, String> {
    let program = build()?;
    let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let file = folder.path().join("memory.json");
    let status = Command::new(program)
        .args(["--cases", "memory", "--runs", &runs.to_string(), "--json"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("{COUNTING} cannot be started: {error}"))?;
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("{COUNTING} ended with {status} and wrote nothing: {error}"))?;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{COUNTING} wrote what is no JSON: {error}"))?;
    Ok(document["cases"][0].clone())
}

/// Builds the counting program like this one, and says where Cargo put it.
fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", env!("CARGO_PKG_NAME"), "--bin", COUNTING]);
    command.arg("--message-format=json-render-diagnostics");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("building {COUNTING} ended with {}", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == COUNTING)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo built no executable called {COUNTING}"))
}
