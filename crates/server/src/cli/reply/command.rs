//! Runs a shell command for one request, within a time and an output limit.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::cli::client::TICK;
use crate::cli::client::interrupt::Interrupt;

/// No server takes a larger reply.
const OUTPUT_MAX: u64 = 64 * 1024 * 1024;

/// A command line and how long it may take.
pub(super) struct Shell {
    command: String,
    timeout: Duration,
}

impl Shell {
    pub(super) fn new(command: &str, timeout: Duration) -> Shell {
        Shell { command: command.to_owned(), timeout }
    }

    /// Runs the command on a request and returns what it printed.
    ///
    /// # Errors
    ///
    /// One line: it could not be started, failed, printed too much, or took too long.
    pub(super) fn answer(
        &self,
        subject: &[u8],
        payload: &[u8],
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + self.timeout;
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .env("FLOODWAY_SUBJECT", OsStr::from_bytes(subject))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own, so that what the shell started can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start sh: {error}"))?;
        let output = exchange(&mut child, payload);
        let result = loop {
            match output.recv_timeout(TICK) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Disconnected) => break Err("reader failed".to_owned()),
                Err(RecvTimeoutError::Timeout) if interrupt.is_set() => {
                    break Err("interrupted".to_owned());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    break Err(format!("took longer than {:?}", self.timeout));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let result = result.and_then(|output| {
            let status = wait_until(&mut child, deadline)?;
            if status.success() { Ok(output) } else { Err(format!("ended with {status}")) }
        });
        if result.is_err() {
            end_group(&child);
            // After SIGKILL it is over at once; waiting removes the zombie.
            drop(child.wait());
        }
        result
    }
}

/// Waits for a command that has closed its output, which usually is about to end.
fn wait_until(child: &mut Child, deadline: Instant) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() >= deadline => {
                return Err("closed its output but did not end in time".to_owned());
            }
            // The standard library offers no wait with a deadline.
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(format!("cannot wait for it: {error}")),
        }
    }
}

/// Feeds the payload and collects the output on two threads: a command may print before it has
/// read everything, and doing one after the other would deadlock on full pipes. Both end when the
/// pipes close, which the end of the process group brings about.
fn exchange(child: &mut Child, payload: &[u8]) -> Receiver<Result<Vec<u8>, String>> {
    let (sender, receiver) = channel();
    if let Some(mut input) = child.stdin.take() {
        let payload = payload.to_owned();
        // A command that does not read its input is fine, so a broken pipe is no failure.
        std::thread::spawn(move || drop(input.write_all(&payload)));
    }
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut collected = Vec::new();
            let result = match output.take(OUTPUT_MAX + 1).read_to_end(&mut collected) {
                Err(error) => Err(format!("cannot read its output: {error}")),
                Ok(count) if count as u64 > OUTPUT_MAX => Err("printed too much".to_owned()),
                Ok(_) => Ok(collected),
            };
            drop(sender.send(result));
        });
    }
    receiver
}

fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may have ended by itself just now; then there is nothing to do.
        let _gone = kill_process_group(group, Signal::KILL);
    }
}
