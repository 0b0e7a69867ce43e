//! The threads that listen to a broadcast.

use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};

use super::super::tally::Tally;

/// Threads that listen, each with a tally of its own.
#[derive(Debug)]
pub(crate) struct Listeners {
    threads: Vec<JoinHandle<Tally>>,
}

impl Listeners {
    /// One thread for each receiver; returns when all of them run.
    pub(crate) fn start<R, F>(receivers: Vec<R>, tallies: Vec<Tally>, listen: F) -> Self
    where
        R: Send + 'static,
        F: Fn(R, &mut Tally) + Copy + Send + 'static,
    {
        let running = Arc::new(Barrier::new(receivers.len() + 1));
        let start = |(receiver, mut tally): (R, Tally)| {
            let running = Arc::clone(&running);
            thread::spawn(move || {
                running.wait();
                listen(receiver, &mut tally);
                tally
            })
        };
        let threads = receivers.into_iter().zip(tallies).map(start).collect();
        running.wait();
        Listeners { threads }
    }

    /// What they saw, when the last of them has ended.
    pub(crate) fn join(self) -> Result<Vec<Tally>, String> {
        let broken = |_| "a listener broke down, see above".to_owned();
        self.threads.into_iter().map(|thread| thread.join().map_err(broken)).collect()
    }
}
