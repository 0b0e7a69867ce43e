//! The same program under an allocator that counts: built, started, and its figures read.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The program that counts. It differs from this one in its allocator only.
pub(crate) const PROGRAM: &str = "floodway-bench-counting";

/// The JSON of a run of it.
pub(crate) fn run(arguments: &[&str]) -> Result<Value, String> {
    let program = build()?;
    let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let file = folder.path().join("counted.json");
    let status = Command::new(program)
        .args(arguments)
        .arg("--json")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("{PROGRAM} cannot be started: {error}"))?;
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("{PROGRAM} ended with {status} and wrote nothing: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{PROGRAM} wrote what is no JSON: {error}"))
}

/// Builds it like this program, and says where Cargo put it.
fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", env!("CARGO_PKG_NAME"), "--bin", PROGRAM]);
    command.arg("--message-format=json-render-diagnostics");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("building {PROGRAM} ended with {}", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == PROGRAM)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo built no executable called {PROGRAM}"))
}
