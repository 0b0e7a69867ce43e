//! The names of [`crate::sync`] as loom has them.

pub(crate) use loom::alloc::{alloc, dealloc};
pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence};
pub(crate) use loom::sync::{Mutex, MutexGuard};

use super::Ordering;

/// Lets one thread sleep until another says so. Not with loom's `park`, which forgets that it was
/// unparked while it waited for a lock.
#[derive(Debug)]
pub(crate) struct Parker(loom::sync::Notify);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Notify::new())
    }

    pub(crate) fn unpark(&self) {
        self.0.notify();
    }

    /// Loom has no clock: whoever has a deadline has missed it.
    pub(crate) fn park(&self, deadline: Option<std::time::Instant>) {
        if deadline.is_none() {
            self.0.wait();
        }
    }
}

/// Tells loom that another thread has to run before this one can go on.
#[derive(Debug, Default)]
pub(crate) struct Backoff(());

impl Backoff {
    pub(crate) fn snooze(&mut self) {
        loom::thread::yield_now();
    }
}

/// Spinning changes nothing that loom does not try anyway.
#[derive(Debug, Default)]
pub(crate) struct Lull(());

impl Lull {
    pub(crate) fn spin(&mut self) -> bool {
        false
    }
}

/// Reads a word that is about to be exchanged; by an exchange that fails. Of all accesses to an
/// atomic, loom remembers the last one only: a load just before the exchange would hide from it
/// that the exchange may have come before another thread's load, and it would not try that order.
pub(crate) fn peek(word: &AtomicU64) -> u64 {
    let never = u64::MAX;
    let read = word.compare_exchange(never, never, Ordering::Relaxed, Ordering::Relaxed);
    read.unwrap_or_else(|read| read)
}

/// Reads a word that only this thread stores. Not by a load, for the reason above: it would stand
/// between another thread's load and the store that follows, and hide the one from the other.
#[expect(unsafe_code, reason = "loom wants to be told that nobody stores it meanwhile")]
pub(crate) fn own(word: &AtomicU64) -> u64 {
    // SAFETY: loom checks it: a store by another thread, now or not ordered before, is reported.
    unsafe { word.unsync_load() }
}

/// The same for a smaller word.
#[expect(unsafe_code, reason = "as above")]
pub(crate) fn own_u32(word: &AtomicU32) -> u32 {
    // SAFETY: as above.
    unsafe { word.unsync_load() }
}
