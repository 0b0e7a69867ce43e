//! Waiting for a change of shared state, from threads and from tasks of any executor.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Why [`Monitor::wait`] gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitError {
    /// The deadline passed; a later call may succeed.
    TimedOut,
}

#[derive(Debug)]
struct Guarded<S> {
    state: S,
    /// Tasks to wake at the next change. Threads wait on the condition variable instead.
    wakers: Vec<Waker>,
    threads_waiting: usize,
}

/// State behind a lock, with waiters that are woken when it has changed.
///
/// A waiter registers under the same lock that it checked the state under, so no change between
/// the two can be missed. [`Monitor::notify`] costs nothing but the lock while nobody waits.
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
pub struct Monitor<S> {
    guarded: Mutex<Guarded<S>>,
    changed: Condvar,
}

impl<S> Monitor<S> {
    /// Guards `state`.
    pub const fn new(state: S) -> Self {
        let guarded = Guarded { state, wakers: Vec::new(), threads_waiting: 0 };
        Self { guarded: Mutex::new(guarded), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Guarded<S>> {
        // A panic under the lock is a defect of the caller's closure, which leaves the state as
        // it was; refusing everybody else for ever would make it a defect of all of them.
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes the state. Does not wake anybody: see [`Monitor::notify`].
    pub fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.lock().state)
    }

    /// Wakes all who wait, so that they look at the state again.
    pub fn notify(&self) {
        let mut guarded = self.lock();
        let wakers = std::mem::take(&mut guarded.wakers);
        let threads = guarded.threads_waiting > 0;
        drop(guarded);
        if threads {
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(Waker::wake);
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
        let mut guarded = self.lock();
        loop {
            if let Some(result) = ready(&mut guarded.state) {
                return Ok(result);
            }
            guarded.threads_waiting += 1;
            guarded = match deadline {
                None => self.changed.wait(guarded).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        guarded.threads_waiting -= 1;
                        return Err(WaitError::TimedOut);
                    }
                    let waited = self.changed.wait_timeout(guarded, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            guarded.threads_waiting -= 1;
        }
    }

    /// The same for a task: pending, with the task registered, until `ready` returns something.
    ///
    /// # Cancel safety
    ///
    /// A task that no longer polls is woken once in vain at most.
    pub fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        ready: impl FnOnce(&mut S) -> Option<R>,
    ) -> Poll<R> {
        let mut guarded = self.lock();
        if let Some(result) = ready(&mut guarded.state) {
            return Poll::Ready(result);
        }
        if !guarded.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            guarded.wakers.push(cx.waker().clone());
        }
        Poll::Pending
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
