//! What both halves do: look at the clock if they must, drop outside of the lock, wake the others.

use std::time::{Duration, Instant};

use super::Policy;
use super::buffer::Buffer;
use crate::mailbox::Weigh;
use crate::meeting::Meeting;

/// The time since a queue was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self(start)
    }

    /// The time, if the policy looks at it.
    #[inline]
    pub(super) fn now<T, P: Policy<T>>(self) -> Duration {
        if P::TIMED { self.at(Instant::now()) } else { Duration::ZERO }
    }

    #[inline]
    pub(super) fn at(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0)
    }
}

/// Items to be dropped when the lock is given back, for their destructors may use the queue.
pub(super) struct Gone<T> {
    /// Mostly it is one, which then needs no memory.
    one: Option<T>,
    more: Vec<T>,
}

impl<T> Default for Gone<T> {
    fn default() -> Self {
        Self { one: None, more: Vec::new() }
    }
}

impl<T> Gone<T> {
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if !std::mem::needs_drop::<T>() {
            return;
        }
        if self.one.is_none() {
            self.one = Some(item);
        } else {
            self.more.push(item);
        }
    }
}

/// What happened to a queue while it was locked, as far as waiting senders care.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// Nobody waits, so nothing below is known.
    unwatched: bool,
    departed: u64,
    is_empty: bool,
    is_shut: bool,
}

impl Change {
    #[inline]
    pub(super) fn until<T, P: Policy<T>, W: Weigh<T>>(self, buffer: &Buffer<T, P, W>) -> Self {
        let is_shut = buffer.shut().is_some();
        if self.unwatched {
            return Self { is_shut, ..self };
        }
        let departed = buffer.departures() - self.departed;
        Self { departed, is_empty: buffer.depth().messages == 0, is_shut, ..self }
    }

    /// Whether the queue has ended, now or before.
    #[inline]
    pub(super) fn is_end(&self) -> bool {
        self.is_shut
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> Meeting<Buffer<T, P, W>> {
    /// Before something changes. Under the lock it is certain who waits: whoever comes later looks
    /// at the queue later.
    #[inline]
    pub(super) fn before(&self, buffer: &Buffer<T, P, W>) -> Change {
        let unwatched = self.senders.waiting() == 0;
        let departed = if unwatched { 0 } else { buffer.departures() };
        Change { unwatched, departed, is_empty: false, is_shut: false }
    }

    #[inline]
    pub(super) fn tell_receiver(&self, about_something: bool) {
        if about_something && self.receiver.waiting() > 0 {
            self.receiver.wake(1);
        }
    }

    #[inline]
    pub(super) fn tell_senders(&self, change: Change) {
        if !change.unwatched {
            self.wake_senders(change);
        }
    }

    #[cold]
    fn wake_senders(&self, change: Change) {
        // One for each that left. Of those, some may still not fit where a smaller one behind them
        // would; so that nobody waits at an empty queue, then all may try.
        let all = change.is_end() || change.is_empty;
        let limit = if all { u32::MAX } else { change.departed.min(u32::MAX.into()) as u32 };
        self.senders.wake(limit);
    }

    pub(super) fn sweep(&self, now: Duration) {
        loop {
            let mut gone = Gone::default();
            let mut buffer = self.lock();
            let was_shut = buffer.shut().is_some();
            let untidy = buffer.sweep(now, |old| gone.push(old));
            let is_end = !was_shut && buffer.shut().is_some();
            drop(buffer);
            self.tell_receiver(is_end);
            if !untidy {
                break;
            }
        }
        // Their time may be up.
        self.senders.wake_all();
    }
}
