//! Ends the program when a run hangs, and says which.
//!
//! A queue that loses a wake-up waits for ever. Nothing can end its threads but the end of the
//! process, and a benchmark that says who hung is worth more than one that hangs too.

use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Far longer than the slowest run takes.
const LIMIT: Duration = Duration::from_secs(100);

/// Watches runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    names: Sender<String>,
}

impl Watchdog {
    pub(crate) fn start() -> Self {
        let (names, begun) = channel::<String>();
        thread::spawn(move || {
            let Ok(mut name) = begun.recv() else { return };
            loop {
                match begun.recv_timeout(LIMIT) {
                    Ok(next) => name = next,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let limit = LIMIT.as_secs();
                        eprintln!("floodway-bench: {name} did not end within {limit} s");
                        process::exit(1);
                    }
                }
            }
        });
        Watchdog { names }
    }

    /// The run that begins now; the one before has ended.
    pub(crate) fn watch(&self, name: &str) {
        // It only goes away with the process.
        let _ = self.names.send(name.to_owned());
    }
}
