//! A lock for work of some nanoseconds.
//!
//! One locked instruction to lock, a plain store to unlock: half of what a mutex costs that has to
//! find out, when it is unlocked, whether somebody sleeps. Who finds it taken spins, then lets
//! other threads run, then sleeps a little between looks; so a holder that has lost its CPU, or
//! takes longer than it should, is waited for without being kept from running.
//!
//! It is not fair, and not poisoned: what a panic leaves behind is for the next holder to see.
//! Models are in `tests/loom/waiters.rs`, where [`crate::Monitor`] stands for it.
#![expect(unsafe_code, reason = "the lock is a flag, and guards what is beside it")]

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Backoff, Ordering, UnsafeCell};

/// A value behind a lock for work of some nanoseconds: others spin and yield meanwhile, and do not
/// sleep. See [`crate::Monitor`] for one that can be waited for.
///
/// # Examples
///
/// ```
/// use floodway_queue::Brief;
/// let count = Brief::new(0);
/// std::thread::scope(|scope| {
///     scope.spawn(|| count.with(|n| *n += 1));
///     scope.spawn(|| count.with(|n| *n += 1));
/// });
/// assert_eq!(count.with(|n| *n), 2);
/// ```
// The flag comes first, so that the first fields of the value come with it into a cache.
#[repr(C)]
pub struct Brief<T> {
    /// Invariant: whoever set it, and nobody else, uses `value`, until it is cleared.
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves to another thread with the lock, and is reached through the lock by one
// thread at a time: each may change it, move it out or drop it there. Nobody has `&T` beside
// another, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for Brief<T> {}

impl<T> Brief<T> {
    /// Guards `value`.
    pub fn new(value: T) -> Self {
        Self { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Looks at or changes the value.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock())
    }

    #[inline(always)]
    pub(crate) fn lock(&self) -> Held<'_, T> {
        if !self.try_lock() {
            self.wait();
        }
        Held { lock: self }
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        // Acquire: pairs with the Release of the holder before, whose changes are then seen.
        self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        let mut backoff = Backoff::default();
        loop {
            backoff.snooze();
            // A look that takes the line from the holder only if it may succeed.
            if !self.locked.load(Ordering::Relaxed) && self.try_lock() {
                return;
            }
        }
    }
}

/// The lock, held.
pub(crate) struct Held<'a, T> {
    lock: &'a Brief<T>,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this exists while its thread holds the lock; borrowed shared, it lends shared.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this exists while its thread holds the lock; borrowed alone, it lends alone.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: publishes what the holder changed. A plain store will do: nobody else writes
        // while the flag is set.
        self.lock.locked.store(false, Ordering::Release);
    }
}

impl<T: fmt::Debug> fmt::Debug for Brief<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever prints it may hold it.
        if self.try_lock() {
            return f.debug_tuple("Brief").field(&*Held { lock: self }).finish();
        }
        f.write_str("Brief(<locked>)")
    }
}
