//! The pushing handle: safe code only.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use super::back::Back;
use super::error::PushError;
use super::shared::PRODUCER_WAITS;
use crate::sync::Lull;
use crate::waiters::{Place, block_until};

/// The only producer of a ring: it cannot be cloned, and pushing wants it exclusively.
///
/// Waiting and pushing are separate. Wait with [`ready`](Self::ready) (a task),
/// [`wait`](Self::wait) (a thread) or [`poll_ready`](Self::poll_ready): as there is no other
/// producer, the next push then finds room. [`push`](Self::push) and
/// [`push_blocking`](Self::push_blocking) do both.
///
/// Dropping it ends the ring: the consumer gets what is there, and then the end.
pub struct Producer<T> {
    back: Back<T>,
    place: Place,
}

impl<T> Producer<T> {
    pub(super) fn new(back: Back<T>) -> Self {
        Self { back, place: Place::default() }
    }

    /// Pushes an item if there is room. A fixed number of steps, whatever the consumer does.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: there is no room at the moment.
    /// - [`PushError::Closed`]: the consumer is gone; no later call will succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::ring::{self, PushError};
    /// let (mut producer, mut consumer) = ring::ring(1)?;
    /// producer.try_push("a").unwrap();
    /// assert_eq!(producer.try_push("b"), Err(PushError::Full("b")));
    /// assert_eq!(consumer.try_pop(), Ok("a"));
    /// drop(consumer);
    /// assert_eq!(producer.try_push("c"), Err(PushError::Closed("c")));
    /// # Ok::<(), ring::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_push(&mut self, item: T) -> Result<(), PushError<T>> {
        self.back.push(item)
    }

    /// Pushes an item, waiting for room until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`PushError::Full`]: still full at the deadline.
    /// - [`PushError::Closed`]: the consumer is gone, now or while this waited.
    ///
    /// # Blocking
    ///
    /// As [`Producer::wait`].
    #[inline]
    pub fn push_blocking(
        &mut self,
        item: T,
        deadline: Option<Instant>,
    ) -> Result<(), PushError<T>> {
        if !self.back.has_room()
            && let Err(refused) = self.wait(deadline)
        {
            return Err(refused.map(|()| item));
        }
        self.back.push(item)
    }

    /// Pushes an item, waiting for room.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`], with the item.
    ///
    /// # Cancel safety
    ///
    /// A dropped future drops the item, not pushed. To keep it, await [`Producer::ready`] and push
    /// it then.
    pub async fn push(&mut self, item: T) -> Result<(), PushError<T>> {
        match self.ready().await {
            Ok(()) => self.back.push(item),
            Err(refused) => Err(refused.map(|()| item)),
        }
    }

    /// Pushes as many of the next `items` as there is room for, and says how many: they become
    /// visible together, by one store and with at most one wake-up. The rest is still in `items`.
    ///
    /// If the iterator panics, what it gave before is pushed.
    ///
    /// # Errors
    ///
    /// As [`Producer::try_push`], if there is not room for one. Nothing was taken from `items`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::ring::{self, PushError};
    /// let (mut producer, mut consumer) = ring::ring(3)?;
    /// let mut items = 1..=4;
    /// assert_eq!(producer.try_push_many(&mut items), Ok(3));
    /// assert_eq!(producer.try_push_many(&mut items), Err(PushError::Full(())));
    /// assert_eq!(items, 4..=4);
    /// assert_eq!(consumer.drain(usize::MAX, |n| assert!(n < 4)), 3);
    /// # Ok::<(), ring::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_push_many(
        &mut self,
        items: &mut impl Iterator<Item = T>,
    ) -> Result<usize, PushError<()>> {
        self.back.push_many(items)
    }

    /// Pushes all `items`, waiting for room.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`]. What is left in `items` was not pushed.
    ///
    /// # Blocking
    ///
    /// As [`Producer::wait`].
    pub fn push_many_blocking(
        &mut self,
        items: &mut impl ExactSizeIterator<Item = T>,
        deadline: Option<Instant>,
    ) -> Result<(), PushError<()>> {
        while items.len() > 0 {
            match self.back.push_many(items) {
                Ok(_) => {}
                Err(PushError::Full(())) => self.wait(deadline)?,
                Err(closed) => return Err(closed),
            }
        }
        Ok(())
    }

    /// Waits for room until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Producer::push_blocking`].
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is room, the consumer is gone, or the
    /// deadline.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<(), PushError<()>> {
        let mut lull = Lull::default();
        while !self.back.has_room() {
            if !lull.spin() {
                return block_until(deadline, |cx| self.poll_ready(cx)).unwrap_or_else(|| {
                    self.place.leave(self.back.shared.waiters(PRODUCER_WAITS));
                    Err(PushError::Full(()))
                });
            }
        }
        Ok(())
    }

    /// Waits for room.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`]: the consumer is gone.
    ///
    /// # Cancel safety
    ///
    /// The task of a dropped future is not woken any more.
    pub async fn ready(&mut self) -> Result<(), PushError<()>> {
        struct Pending<'a, T>(&'a mut Producer<T>);
        impl<T> Drop for Pending<'_, T> {
            fn drop(&mut self) {
                self.0.place.leave(self.0.back.shared.waiters(PRODUCER_WAITS));
            }
        }
        let pending = Pending(self);
        poll_fn(|cx| pending.0.poll_ready(cx)).await
    }

    /// Ready as soon as there is room; else pending, and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`]: the consumer is gone.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PushError<()>>> {
        let mut found = self.find_room();
        if found.is_none() {
            self.place.register(self.back.shared.waiters(PRODUCER_WAITS), cx.waker());
            self.back.shared.arm(PRODUCER_WAITS);
            found = self.find_room();
        }
        let Some(found) = found else { return Poll::Pending };
        self.place.leave(self.back.shared.waiters(PRODUCER_WAITS));
        Poll::Ready(found)
    }

    /// Room, or the end.
    fn find_room(&mut self) -> Option<Result<(), PushError<()>>> {
        match () {
            () if self.back.has_room() => Some(Ok(())),
            () if self.back.is_closed() => Some(Err(PushError::Closed(()))),
            () => None,
        }
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.back.shared.capacity() as usize
    }

    /// How many items are there: there may be fewer by now, but not more.
    pub fn len(&self) -> usize {
        self.back.shared.len()
    }

    /// Whether nothing is there. It stays so until the next push.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True once the consumer is gone. It stays so.
    pub fn is_closed(&self) -> bool {
        self.back.is_closed()
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.place.leave(self.back.shared.waiters(PRODUCER_WAITS));
    }
}
