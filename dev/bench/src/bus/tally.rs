//! What one reader has read, checked to the last message, and how the publisher is paced.
//!
//! Nobody is to be overrun, and contenders differ in what they do then: so the publisher is held
//! back from outside, for all of them in the same way. It publishes in windows, and is at most two
//! windows ahead of the slowest reader, which is what every channel has room for. A reader says
//! once per window that it has read it: one atomic increment for all messages of the window.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

/// Windows in flight.
const AHEAD: u64 = 2;

/// Who has read how much, for the publisher.
#[derive(Debug)]
pub(super) struct Pace {
    window: u64,
    readers: usize,
    /// How many have read the window; those two apart share a counter, and never meet.
    read_by: [AtomicUsize; AHEAD as usize],
    /// Windows that all have read.
    read: AtomicU64,
    broken: AtomicBool,
    publisher: OnceLock<Thread>,
}

impl Pace {
    /// Windows of so many messages for so many readers.
    pub(super) fn new(readers: usize, window: u64) -> Arc<Self> {
        Arc::new(Self {
            window,
            readers,
            read_by: Default::default(),
            read: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            publisher: OnceLock::new(),
        })
    }

    /// What a reader may have to leave unread.
    pub(super) fn capacity(&self) -> usize {
        (self.window * AHEAD) as usize
    }

    /// Before the message of that number is published: waits if it would be too far ahead.
    #[inline]
    pub(super) fn wait(&self, number: u64) -> Result<(), String> {
        if number.is_multiple_of(self.window) {
            self.wait_for((number / self.window + 1).saturating_sub(AHEAD))?;
        }
        Ok(())
    }

    /// Waits until everybody has read all of so many messages.
    pub(super) fn wait_for_all(&self, messages: u64) -> Result<(), String> {
        self.wait_for(messages.div_ceil(self.window))
    }

    fn wait_for(&self, windows: u64) -> Result<(), String> {
        self.publisher.get_or_init(thread::current);
        loop {
            if self.broken.load(Ordering::Acquire) {
                return Err("a reader has given up".to_owned());
            }
            if self.read.load(Ordering::Acquire) >= windows {
                return Ok(());
            }
            thread::park();
        }
    }

    fn has_read(&self, window: u64) {
        let read_by = &self.read_by[(window % AHEAD) as usize];
        if read_by.fetch_add(1, Ordering::AcqRel) + 1 < self.readers {
            return;
        }
        read_by.store(0, Ordering::Relaxed);
        self.read.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// A reader cannot go on.
    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(publisher) = self.publisher.get() {
            publisher.unpark();
        }
    }
}

/// The messages of one reader: all numbers from 0 on, each once.
#[derive(Debug)]
pub(super) struct Tally {
    pace: Arc<Pace>,
    messages: u64,
    next: u64,
    wrong: Option<(u64, u64)>,
}

impl Tally {
    pub(super) fn new(pace: &Arc<Pace>, messages: u64) -> Self {
        Self { pace: pace.clone(), messages, next: 0, wrong: None }
    }

    /// A message of that number was read.
    #[inline]
    pub(super) fn see(&mut self, number: u64) {
        if number != self.next {
            self.wrong.get_or_insert((number, self.next));
        }
        self.next += 1;
        if self.next.is_multiple_of(self.pace.window) || self.next == self.messages {
            self.pace.has_read((self.next - 1) / self.pace.window);
        }
    }

    /// Whether all have been read.
    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.next >= self.messages
    }

    /// Whether it was all, and nothing else.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.wrong {
            Some((number, expected)) => Err(format!("message {number} came instead of {expected}")),
            None if self.next != self.messages => {
                Err(format!("{} messages came instead of {}", self.next, self.messages))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_repeated_or_too_much_is_found() {
        let run = |numbers: &[u64]| {
            let mut tally = Tally::new(&Pace::new(1, 8), 3);
            numbers.iter().for_each(|number| tally.see(*number));
            tally.check()
        };
        assert!(run(&[0, 1, 2]).is_ok());
        for wrong in [&[0, 1][..], &[0, 2, 3], &[0, 1, 1], &[1, 0, 2], &[0, 1, 2, 3]] {
            assert!(run(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_publisher_is_two_windows_ahead_at_most() {
        let pace = Pace::new(2, 4);
        let mut readers = [Tally::new(&pace, 100), Tally::new(&pace, 100)];
        let read = |readers: &mut [Tally], at: usize| {
            (0..4).for_each(|_| {
                let next = readers[at].next;
                readers[at].see(next);
            });
        };
        assert!(pace.wait(0).is_ok() && pace.wait(4).is_ok());
        read(&mut readers, 0);
        assert_eq!(pace.read.load(Ordering::Relaxed), 0, "one of them has not");
        read(&mut readers, 1);
        assert!(pace.wait(8).is_ok());
        assert_eq!(pace.read.load(Ordering::Relaxed), 1);
        pace.give_up();
        assert!(pace.wait(12).is_err());
    }
}
