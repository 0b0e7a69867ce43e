//! What the system and the operator ask a running server for.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator;

/// How the server should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM or SIGINT, or the terminal was closed.
    Stop,
    /// SIGUSR2.
    LameDuck,
}

/// The signals of this process, from [`Signals::listen`] on.
#[derive(Debug)]
pub(super) struct Signals {
    wishes: Receiver<Wish>,
    is_stop_wished: Arc<AtomicBool>,
}

impl Signals {
    /// Starts a thread that takes the signals for the life of the process. `reopen` is called on
    /// it for SIGUSR1 and SIGHUP, `abort` for a stop after the first, when the main thread may
    /// be busy stopping; `abort` is expected to end the process.
    ///
    /// # Errors
    ///
    /// The system refuses a handler or the thread.
    pub(super) fn listen(
        reopen: impl Fn() + Send + 'static,
        abort: impl Fn() + Send + 'static,
    ) -> io::Result<Signals> {
        let mut signals = iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let (sender, wishes) = channel();
        let is_stop_wished = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            // Nobody would know of a server that outlives its terminal; without one, HUP is a
            // request like USR1.
            is_hangup_stop: io::stderr().is_terminal(),
            is_stop_wished: Arc::clone(&is_stop_wished),
            wishes: sender,
        };
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                desk.take(signal, &reopen, &abort);
            }
        })?;
        Ok(Signals { wishes, is_stop_wished })
    }

    /// Waits for the first wish.
    pub(super) fn wait(&self) -> Wish {
        // Without a thread that takes signals nobody could ever ask again.
        self.wishes.recv().unwrap_or(Wish::Stop)
    }

    /// True once a stop was asked for; the next one calls `abort`.
    pub(super) fn is_stop_wished(&self) -> bool {
        self.is_stop_wished.load(Ordering::Relaxed)
    }
}

/// Takes signals one by one and decides what they mean.
struct Desk {
    is_hangup_stop: bool,
    is_stop_wished: Arc<AtomicBool>,
    wishes: Sender<Wish>,
}

impl Desk {
    fn take(&self, signal: i32, reopen: &impl Fn(), abort: &impl Fn()) {
        let wish = match signal {
            SIGUSR2 => Wish::LameDuck,
            SIGUSR1 => return reopen(),
            SIGHUP if !self.is_hangup_stop => return reopen(),
            // The flag carries no other data, so its order to other memory does not matter.
            _ if self.is_stop_wished.swap(true, Ordering::Relaxed) => return abort(),
            _ => Wish::Stop,
        };
        // Nobody listens once the server has ended; then there is nothing to end.
        let _unheard = self.wishes.send(wish);
    }
}

#[cfg(test)]
mod tests;
