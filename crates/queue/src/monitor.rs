//! Waiting for a change of shared state, from threads and from tasks of any executor.
//!
//! Who waits registers under the lock of the state, at the end of a look that found nothing; who
//! changes something takes the registrations out under the same lock, and wakes them without it. So
//! there is nothing between the look and the registration that could be missed, and a wait and its
//! wake-up are two locks in all.
//!
//! A change wakes everybody: unlike [`crate::Waiters`], nobody has to pass a wake-up on that it
//! has no use for.

mod waiting;

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::brief::{Brief, Held};
use crate::prefetch::prefetch_to_write;
use crate::waiters::block_until;

use waiting::Waiting;
pub use waiting::{Registration, Woken};

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
/// # Examples
///
/// ```
/// use floodway_queue::Monitor;
/// let door = Monitor::new(Vec::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| door.update(|queue| queue.push(7)));
///     assert_eq!(door.wait(None, |queue| queue.pop()), Ok(7));
/// });
/// ```
#[derive(Debug)]
pub struct Monitor<S> {
    guarded: Brief<Guarded<S>>,
}

#[derive(Debug)]
// In this order: whoever changes the state looks at the waiters as well.
#[repr(C)]
struct Guarded<S> {
    waiting: Waiting,
    state: S,
}

impl<S> Monitor<S> {
    /// Guards `state`.
    pub fn new(state: S) -> Self {
        Self { guarded: Brief::new(Guarded { waiting: Waiting::default(), state }) }
    }

    #[inline]
    fn lock(&self) -> Held<'_, Guarded<S>> {
        self.guarded.lock()
    }

    /// Asks for the lock and the first `bytes` of what is behind it, for a caller that comes back
    /// for them soon.
    #[inline]
    pub fn prefetch(&self, bytes: usize) {
        let start = (&raw const *self).cast::<u8>();
        (0..bytes).step_by(64).for_each(|at| prefetch_to_write(start.wrapping_add(at)));
    }

    /// Looks at the state, or changes it in a way that nobody waits for.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.lock().state)
    }

    /// Changes the state, and wakes all who wait, so that they look at it again.
    #[inline]
    pub fn update<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        let (result, woken) = self.change(f);
        // Without the lock: a waker may run anything, this monitor's waiters included.
        woken.wake();
        result
    }

    /// As [`Monitor::with`], and whether somebody waits, so that there is a use in
    /// [`Monitor::notify`].
    #[inline]
    pub fn with_waiters<R>(&self, f: impl FnOnce(&mut S) -> R) -> (R, bool) {
        let mut guarded = self.lock();
        let result = f(&mut guarded.state);
        (result, guarded.waiting.is_some())
    }

    /// As [`Monitor::update`], for a caller that has to let go of something before others wake.
    #[inline]
    pub fn change<R>(&self, f: impl FnOnce(&mut S) -> R) -> (R, Woken) {
        let mut guarded = self.lock();
        let result = f(&mut guarded.state);
        (result, guarded.waiting.take_all())
    }

    /// Wakes all who wait: for a change that was made before, with [`Monitor::with`] or beside the
    /// state, which their look then sees.
    pub fn notify(&self) {
        self.update(|_| ());
    }

    /// Blocks the thread until `ready` returns something.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] when `deadline` passed first.
    ///
    /// # Blocking
    ///
    /// Blocks until a change satisfies `ready`, or the deadline.
    pub fn wait<R>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Result<R, WaitError> {
        // Mostly there is something, and a thread that need not wait needs nothing to wait with.
        if let Some(result) = self.with(&mut ready) {
            return Ok(result);
        }
        let mut watch = self.watch();
        let waited = block_until(deadline, |cx| watch.poll(cx, &mut ready));
        waited.ok_or(WaitError::TimedOut)
    }

    /// As [`Watch::poll`], for an owner of both the monitor and the registration, who has to give
    /// that up before it goes: [`Monitor::give_up`].
    #[inline]
    pub fn poll<R>(
        &self,
        registration: &mut Registration,
        cx: &mut Context<'_>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Poll<R> {
        let (mut found, old) = self.look(registration, &mut ready);
        drop(old);
        if found.is_none() {
            self.register(registration, cx.waker(), |state| {
                found = ready(state);
                found.is_none()
            });
        }
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// The first half of [`Monitor::poll`], for a caller with a lock of its own: looks, and if
    /// there is something, waits no longer. The caller drops the waker, which may run anything,
    /// without that lock.
    #[inline]
    pub fn look<R>(
        &self,
        registration: &mut Registration,
        ready: impl FnOnce(&mut S) -> Option<R>,
    ) -> (Option<R>, Option<Waker>) {
        let mut guarded = self.lock();
        let found = ready(&mut guarded.state);
        let old = found.as_ref().and_then(|_| guarded.waiting.remove(registration));
        (found, old)
    }

    /// The second half: registers, so that the next change wakes, if there still `is_nothing`;
    /// what that was.
    #[inline]
    pub fn register(
        &self,
        registration: &mut Registration,
        waker: &Waker,
        mut is_nothing: impl FnMut(&mut S) -> bool,
    ) -> bool {
        // Wakers are neither cloned nor dropped under the lock: that may run anything as well.
        let mut cloned = None;
        let (nothing, _old) = loop {
            if cloned.is_none() && !registration.is_some() {
                cloned = Some(waker.clone());
            }
            let mut guarded = self.lock();
            let Guarded { waiting, state } = &mut *guarded;
            if !is_nothing(state) {
                break (false, waiting.remove(registration));
            }
            if waiting.has(registration, waker) {
                break (true, None);
            }
            if let Some(cloned) = cloned.take() {
                break (true, waiting.register(registration, cloned));
            }
            drop(guarded);
            cloned = Some(waker.clone());
        };
        nothing
    }

    /// Ends the wait of a registration.
    pub fn give_up(&self, registration: &mut Registration) {
        if registration.is_some() {
            let old = self.lock().waiting.remove(registration);
            drop(old);
        }
    }

    /// Waits for a task: see [`Watch::poll`].
    pub fn watch(&self) -> Watch<'_, S> {
        Watch { monitor: self, registration: Registration::default() }
    }
}

/// A task's wait for a change of the state of a [`Monitor`].
#[derive(Debug)]
pub struct Watch<'a, S> {
    monitor: &'a Monitor<S>,
    registration: Registration,
}

impl<S> Watch<'_, S> {
    /// Pending, with the task registered, until `ready` returns something. It is called once or
    /// twice.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes the registration back.
    #[inline]
    pub fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Poll<R> {
        self.monitor.poll(&mut self.registration, cx, ready)
    }
}

impl<S> Drop for Watch<'_, S> {
    fn drop(&mut self) {
        self.monitor.give_up(&mut self.registration);
    }
}

#[cfg(test)]
#[cfg(not(floodway_loom))]
mod tests;
