//! The project's chores, run as `cargo xtask <chore>`; `cargo xtask test` is everything CI runs.
#![forbid(unsafe_code)]

mod setup;
mod steps;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use steps::Chores;

const USAGE: &str = "\
usage: cargo xtask <chore>
  test    everything below in turn, stopping at the first failure (ci means the same)
  setup   install what the tests need beyond Cargo: nats-server, Python with nats-py
  fmt     cargo fmt --all --check
  lint    cargo clippy, warnings are errors
  loom    every order of the threads in the models of crates/queue and bus
  doc     cargo doc, warnings are errors
  tidy    the rules no other tool knows: sizes, names, crate arrows, citations";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(chore), None) = (args.next(), args.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut chores = Chores::new(workspace_root());
    let done = match chore.as_str() {
        "test" | "ci" => chores.test(),
        "setup" => chores.setup(),
        "fmt" => chores.fmt(),
        "lint" => chores.lint(),
        "loom" => chores.loom(),
        "doc" => chores.doc(),
        "tidy" => chores.tidy(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("xtask: no chore is called '{other}'\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => {
            chores.print_summary();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The folder with the workspace's Cargo.toml: two above this package, as Cargo tells us.
fn workspace_root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.ancestors().nth(2).map_or_else(|| package.clone(), Path::to_path_buf)
}
