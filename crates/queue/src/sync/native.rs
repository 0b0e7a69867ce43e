//! The names of [`crate::sync`] as the standard library has them.

pub(crate) use std::alloc::{alloc, dealloc};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Ordering;

#[cfg(test)]
pub(crate) use super::counted::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence};

/// A cell that hands out pointers through closures, which is how loom watches for data races.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Lets one thread sleep until another, or the clock, says so.
#[derive(Debug)]
pub(crate) struct Parker {
    thread: Thread,
    /// Tells a wake-up from whatever else unparks that thread.
    woken: AtomicBool,
}

impl Parker {
    /// For the thread that calls it, which is the only one to sleep.
    pub(crate) fn new() -> Self {
        Self { thread: thread::current(), woken: AtomicBool::new(false) }
    }

    /// Ends the sleep, or the next one if there is none now.
    pub(crate) fn unpark(&self) {
        // Release: what was changed before is visible to the thread once it has seen the flag.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Sleeps until it is woken, or until the deadline.
    pub(crate) fn park(&self, deadline: Option<Instant>) {
        // Acquire: pairs with the Release in `unpark`.
        while !self.woken.swap(false, Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// Waits a little longer each time: first by spinning, then by letting other threads run, and when
/// that was long enough for each of them to have run, by sleeping.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// 2 + 4 + ... + 64 pauses are about the time of two moves of a cache line to and fro; a
    /// holder that takes longer than that has most likely lost its CPU, and needs one.
    const SPINS: u32 = 6;
    /// A yield takes some 300 ns if nobody else wants to run; a holder that does not run in spite
    /// of so many may be one that yields do not let run, or does what it should not do meanwhile.
    const YIELDS: u32 = 1000;
    const SLEEP: Duration = Duration::from_micros(50);

    pub(crate) fn snooze(&mut self) {
        self.0 += 1;
        if self.0 <= Self::SPINS {
            (0..1_u32 << self.0).for_each(|_| std::hint::spin_loop());
        } else if self.0 <= Self::SPINS + Self::YIELDS {
            thread::yield_now();
        } else {
            self.0 -= 1;
            thread::sleep(Self::SLEEP);
        }
    }
}

/// A reader's patience before it sleeps: sleeping and being woken costs 50 us, looking again one
/// cache line, which the senders then have to fetch back.
#[derive(Debug, Default)]
pub(crate) struct Lull(u32);

impl Lull {
    /// Looking less often leaves the line to the senders, so that each look finds a batch.
    const PAUSES: u32 = 128;
    /// A pause takes 5 to 50 ns: this is some 30 us where it takes 13.
    const LOOKS: u32 = 16;
    /// Then the senders may need this CPU.
    const YIELDS: u32 = 4;

    /// Waits a little; false if it is time to sleep.
    pub(crate) fn spin(&mut self) -> bool {
        self.0 += 1;
        if self.0 <= Self::LOOKS {
            (0..Self::PAUSES).for_each(|_| std::hint::spin_loop());
        } else {
            thread::yield_now();
        }
        self.0 <= Self::LOOKS + Self::YIELDS
    }
}

/// Reads a word that is about to be exchanged.
#[inline(always)]
pub(crate) fn peek(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Reads a word that only this thread stores, or whoever had the right to before.
#[inline(always)]
pub(crate) fn own(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// The same for a smaller word.
#[inline(always)]
pub(crate) fn own_u32(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}
