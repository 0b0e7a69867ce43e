//! The steps of `cargo xtask test`: what runs, in which order, and how a failure is told.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::setup::{self, Prepared};
use crate::tidy;

/// Where tests find a Python that can `import nats`.
const PYTHON_VARIABLE: &str = "FLOODWAY_TEST_PYTHON";

/// Why a step stopped the run; the text is the whole message.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All chores of one invocation, and how many of their steps are done.
#[derive(Debug)]
pub(crate) struct Chores {
    root: PathBuf,
    prepared: Option<Prepared>,
    steps: usize,
    spent: Duration,
}

impl Chores {
    pub(crate) fn new(root: PathBuf) -> Self {
        Chores { root, prepared: None, steps: 0, spent: Duration::ZERO }
    }

    /// Everything CI runs.
    pub(crate) fn test(&mut self) -> Result<(), Failure> {
        self.setup()?;
        self.fmt()?;
        self.lint()?;
        self.run_tests()?;
        self.loom()?;
        self.doc()?;
        self.tidy()
    }

    /// Installs what tests need beyond Cargo, or says exactly what to install.
    pub(crate) fn setup(&mut self) -> Result<(), Failure> {
        let root = self.root.clone();
        let prepared = self.step("setup", || setup::prepare(&root))?;
        self.prepared = Some(prepared);
        Ok(())
    }

    pub(crate) fn fmt(&mut self) -> Result<(), Failure> {
        self.cargo("fmt", &["fmt", "--all", "--check"], &[])
    }

    pub(crate) fn lint(&mut self) -> Result<(), Failure> {
        let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        self.cargo("lint", &args, &[])
    }

    /// The models of the queues and of the bus. In a target folder of their own, because what they
    /// are compiled with would have everything else compiled anew.
    pub(crate) fn loom(&mut self) -> Result<(), Failure> {
        let target = self.target().join("loom");
        let variables =
            [("RUSTFLAGS", "--cfg floodway_loom"), ("CARGO_TARGET_DIR", path(&target)?)];
        let args = [
            "test",
            "--release",
            "--package",
            "floodway-queue",
            "--package",
            "floodway",
            "--test",
            "loom",
        ];
        self.cargo("loom", &args, &variables)
    }

    pub(crate) fn doc(&mut self) -> Result<(), Failure> {
        let args = ["doc", "--workspace", "--no-deps"];
        self.cargo("doc", &args, &[("RUSTDOCFLAGS", "-Dwarnings")])
    }

    pub(crate) fn tidy(&mut self) -> Result<(), Failure> {
        let root = self.root.clone();
        self.step("tidy", || tidy::run(&root))
    }

    pub(crate) fn print_summary(&self) {
        println!("xtask: {} steps passed in {:.1} s", self.steps, self.spent.as_secs_f64());
    }

    fn run_tests(&mut self) -> Result<(), Failure> {
        if self.has_nextest() {
            self.cargo("tests", &["nextest", "run", "--workspace"], &[])?;
        } else {
            // Tests run the examples. `--tests` leaves them out, and the doc tests, which have
            // their own step next.
            self.cargo("examples", &["build", "--workspace", "--examples"], &[])?;
            self.cargo("tests", &["test", "--workspace", "--tests"], &[])?;
        }
        self.cargo("doc tests", &["test", "--doc", "--workspace"], &[])
    }

    /// Where Cargo puts what it builds.
    fn target(&self) -> PathBuf {
        let elsewhere = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        // Cargo takes a relative one from where it runs, which is the root.
        self.root.join(elsewhere.unwrap_or_else(|| "target".into()))
    }

    fn has_nextest(&self) -> bool {
        let mut probe = Command::new(cargo());
        probe.args(["nextest", "--version"]).current_dir(&self.root);
        probe.stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    fn cargo(
        &mut self,
        name: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let mut command = Command::new(cargo());
        command.args(args).current_dir(&self.root).envs(variables.iter().copied());
        if let Some(prepared) = &self.prepared {
            command.env(PYTHON_VARIABLE, &prepared.python).env("PATH", &prepared.path);
        }
        self.step(name, || run(command, &format!("cargo {}", args.join(" "))))
    }

    /// Runs one step, prints its name before and its time after.
    fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, Failure> {
        println!("xtask: {name} ...");
        let start = Instant::now();
        let outcome = work();
        let spent = start.elapsed();
        self.spent += spent;
        match outcome {
            Ok(value) => {
                self.steps += 1;
                println!("xtask: {name} passed in {:.1} s", spent.as_secs_f64());
                Ok(value)
            }
            Err(why) => Err(Failure(format!(
                "xtask: step '{name}' FAILED after {:.1} s: {why}",
                spent.as_secs_f64()
            ))),
        }
    }
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure(format!("xtask: {} is not UTF-8", path.display())))
}

fn run(mut command: Command, text: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{text}` ended with {status}")),
        Err(error) => Err(format!("`{text}` could not be started: {error}")),
    }
}

/// The Cargo that runs us, so that a nested call uses the same toolchain.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests;
