//! Waiting for a change of shared state, from threads and from tasks of any executor.

use std::task::{Context, Poll};
use std::time::Instant;

use crate::brief::{Brief, Held};
use crate::waiters::{Place, Wait, Waiters, block_until};

/// Why [`Monitor::wait`] gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitError {
    /// The deadline passed; a later call may succeed.
    TimedOut,
}

/// State behind a lock, with waiters that are woken when it has changed.
///
/// The lock is for work of some nanoseconds: others spin and yield meanwhile, and do not sleep.
///
/// A waiter looks at the state under its lock after it has registered, so no change can be missed.
/// [`Monitor::notify`] is one look at a number while nobody waits.
///
/// # Examples
///
/// ```
/// use floodway_queue::Monitor;
/// let door = Monitor::new(Vec::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         door.with(|queue| queue.push(7));
///         door.notify();
///     });
///     assert_eq!(door.wait(None, |queue| queue.pop()), Ok(7));
/// });
/// ```
#[derive(Debug)]
// In this order: whoever locks it looks at the waiters as well.
#[repr(C)]
pub struct Monitor<S> {
    waiters: Waiters,
    state: Brief<S>,
}

impl<S> Monitor<S> {
    /// Guards `state`.
    pub fn new(state: S) -> Self {
        Self { state: Brief::new(state), waiters: Waiters::new() }
    }

    #[inline]
    fn lock(&self) -> Held<'_, S> {
        self.state.lock()
    }

    /// Looks at or changes the state. Does not wake anybody: see [`Monitor::notify`].
    pub fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.lock())
    }

    /// Wakes all who wait, so that they look at the state again. The caller has had the lock
    /// since the change was made, if only to make it.
    pub fn notify(&self) {
        // No fence: either the waiter's look came later under the lock than the change, and saw
        // it; or it came earlier, and its registration before that is seen after the lock.
        self.waiters.wake_all();
    }

    /// Whether somebody waits, so that there is a use in [`Monitor::notify`]. Whoever comes later
    /// sees what the caller has changed under the lock before.
    #[inline]
    pub fn is_waited_for(&self) -> bool {
        self.waiters.waiting() > 0
    }

    /// Blocks the thread until `ready` returns something.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] when `deadline` passed first.
    ///
    /// # Blocking
    ///
    /// Blocks until a notified change satisfies `ready`, or the deadline.
    pub fn wait<R>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Result<R, WaitError> {
        // Mostly there is something, and a thread that need not wait needs nothing to wait with.
        if let Some(result) = ready(&mut self.lock()) {
            return Ok(result);
        }
        let mut watch = self.watch();
        let waited = block_until(deadline, |cx| watch.poll(cx, &mut ready));
        waited.ok_or(WaitError::TimedOut)
    }

    /// As [`Watch::poll`], for an owner of both the monitor and the place, who has to give that up
    /// before it goes: [`Monitor::give_up`].
    pub fn poll<R>(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Poll<R> {
        place.poll(&self.waiters, cx, || ready(&mut self.lock()))
    }

    /// Ends the wait of a place.
    pub fn give_up(&self, place: &mut Place) {
        place.give_up(&self.waiters);
    }

    /// Waits for a task: see [`Watch::poll`].
    pub fn watch(&self) -> Watch<'_, S> {
        Watch { monitor: self, wait: Wait::new(&self.waiters) }
    }
}

/// A task's wait for a change of the state of a [`Monitor`].
#[derive(Debug)]
pub struct Watch<'a, S> {
    monitor: &'a Monitor<S>,
    wait: Wait<'a>,
}

impl<S> Watch<'_, S> {
    /// Pending, with the task registered, until `ready` returns something. It is called once or
    /// twice.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes the registration back.
    pub fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Poll<R> {
        let monitor = self.monitor;
        self.wait.poll(cx, || ready(&mut monitor.lock()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn two_waiters_and_two_changes_wake_both() {
        let monitor = Monitor::new(0_u32);
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        monitor.wait(None, |n| {
                            let taken = n.checked_sub(1);
                            *n = taken.unwrap_or(0);
                            taken
                        })
                    })
                })
                .collect();
            for _ in 0..2 {
                monitor.with(|n| *n += 1);
                monitor.notify();
            }
            waiters.into_iter().for_each(|w| assert!(w.join().unwrap().is_ok()));
        });
        assert_eq!(monitor.with(|n| *n), 0);
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let monitor = Monitor::new(());
        let deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(monitor.wait(Some(deadline), |()| None::<()>), Err(WaitError::TimedOut));
        assert!(Instant::now() >= deadline);
    }
}
