//! The popping handle: safe code only.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::error::PopError;
use super::front::Front;
use super::shared::CONSUMER_WAITS;
use crate::sync::Lull;
use crate::waiters::{Place, block_until};

/// The only consumer of a ring: it cannot be cloned, and popping wants it exclusively.
///
/// Waiting and taking are separate. Wait with [`ready`](Self::ready) (a task),
/// [`wait`](Self::wait) (a thread) or [`poll_ready`](Self::poll_ready); then take
/// [one](Self::try_pop), [many](Self::drain_into) or [all](Self::drain), which gives their room
/// back at once, and wakes the producer once. [`pop`](Self::pop) and
/// [`pop_blocking`](Self::pop_blocking) do both, for one item.
///
/// Dropping it drops what is there, and makes further pushes fail. What comes in at that moment is
/// dropped by the producer's next push, or with the producer.
pub struct Consumer<T> {
    front: Front<T>,
    place: Place,
}

impl<T> Consumer<T> {
    pub(super) fn new(front: Front<T>) -> Self {
        Self { front, place: Place::default() }
    }

    /// Takes the oldest item, if there is one. A fixed number of steps, whatever the producer does.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: nothing is there at the moment.
    /// - [`PopError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::ring::{self, PopError};
    /// let (mut producer, mut consumer) = ring::ring(2)?;
    /// assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    /// producer.try_push(7).unwrap();
    /// drop(producer);
    /// assert_eq!(consumer.try_pop(), Ok(7));
    /// assert_eq!(consumer.try_pop(), Err(PopError::Closed));
    /// # Ok::<(), ring::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_pop(&mut self) -> Result<T, PopError> {
        self.front.pop()
    }

    /// Takes the oldest item, waiting for one until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: nothing came before the deadline.
    /// - [`PopError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Blocking
    ///
    /// As [`Consumer::wait`].
    #[inline]
    pub fn pop_blocking(&mut self, deadline: Option<Instant>) -> Result<T, PopError> {
        if !self.front.has_next() {
            self.wait(deadline)?;
        }
        self.front.pop()
    }

    /// Takes the oldest item, waiting for one.
    ///
    /// # Errors
    ///
    /// [`PopError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken nothing, and its task is not woken any more.
    pub async fn pop(&mut self) -> Result<T, PopError> {
        self.ready().await?;
        self.front.pop()
    }

    /// Takes the oldest item, or is pending and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`PopError::Closed`]: nothing is there and nothing will be.
    pub fn poll_pop(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, PopError>> {
        Poll::Ready(ready!(self.poll_ready(cx)).and_then(|()| self.front.pop()))
    }

    /// Takes what is there, up to `limit` items, and hands it to `each` in order; says how many.
    /// The producer has their room when this returns.
    ///
    /// If `each` panics, the items it was given are gone and the rest is still there.
    #[inline]
    pub fn drain(&mut self, limit: usize, each: impl FnMut(T)) -> usize {
        self.front.drain(limit, each)
    }

    /// Takes what is there, up to `limit` items, and appends it to `items`; says how many.
    #[inline]
    pub fn drain_into(&mut self, items: &mut Vec<T>, limit: usize) -> usize {
        // All at once, and before anything is taken: there may be no memory.
        items.reserve(self.len().min(limit));
        self.front.drain(limit, |item| items.push(item))
    }

    /// Waits for an item until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pop_blocking`].
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is an item, the end, or the deadline.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<(), PopError> {
        let mut lull = Lull::default();
        while !self.front.has_next() {
            if !lull.spin() {
                return block_until(deadline, |cx| self.poll_ready(cx)).unwrap_or_else(|| {
                    self.place.leave(self.front.shared.waiters(CONSUMER_WAITS));
                    Err(PopError::Empty)
                });
            }
        }
        Ok(())
    }

    /// Waits for an item.
    ///
    /// # Errors
    ///
    /// [`PopError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// The task of a dropped future is not woken any more.
    pub async fn ready(&mut self) -> Result<(), PopError> {
        struct Pending<'a, T>(&'a mut Consumer<T>);
        impl<T> Drop for Pending<'_, T> {
            fn drop(&mut self) {
                self.0.place.leave(self.0.front.shared.waiters(CONSUMER_WAITS));
            }
        }
        let pending = Pending(self);
        poll_fn(|cx| pending.0.poll_ready(cx)).await
    }

    /// Ready as soon as there is an item; else pending, and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`PopError::Closed`]: nothing is there and nothing will be.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PopError>> {
        let mut found = self.find_item();
        if found == Err(PopError::Empty) {
            self.place.register(self.front.shared.waiters(CONSUMER_WAITS), cx.waker());
            self.front.shared.arm(CONSUMER_WAITS);
            found = self.find_item();
            if found == Err(PopError::Empty) {
                return Poll::Pending;
            }
        }
        self.place.leave(self.front.shared.waiters(CONSUMER_WAITS));
        Poll::Ready(found)
    }

    fn find_item(&mut self) -> Result<(), PopError> {
        if self.front.has_next() { Ok(()) } else { self.front.none() }
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.front.shared.capacity() as usize
    }

    /// How many items are there: there may be more by now, but not fewer.
    pub fn len(&self) -> usize {
        self.front.shared.len()
    }

    /// Whether nothing is there; something may be by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.place.leave(self.front.shared.waiters(CONSUMER_WAITS));
        // What comes in from here on is for the producer to drop, see `Back::clear`.
        self.front.drain(usize::MAX, drop);
    }
}
