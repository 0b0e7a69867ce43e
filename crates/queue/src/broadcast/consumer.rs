//! The handle that reads, and what it has in hand.
#![expect(unsafe_code, reason = "entries are borrowed from the ring")]

use std::fmt;
use std::iter::FusedIterator;
use std::task::{Context, Poll};
use std::time::Instant;

use super::cursor::{Cursor, settle};
use super::shared::{CLOSED, SHIFT, Shared};
use crate::barrier::Arc;
use crate::overwriting::ReadError;
use crate::waiters::{Place, block_until};

/// A consumer that gets fewer entries at a time is quicker than its producers.
const SMALL: u64 = 32;

/// Gets every entry from where it joined on, in order, by reference.
///
/// Made by [`Ring::join`](super::Ring::join). Dropping it, by a panic too, detaches it: nobody
/// waits for it any more.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    cursor: Arc<Cursor>,
    /// Those that get an entry before this one does.
    before: Vec<Arc<Cursor>>,
    /// As in `cursor`.
    position: u64,
    /// The slot of `position`.
    slot: u32,
    /// Entries below can be read, as far as is known.
    limit: u64,
    /// The position when it last looked for entries to wait for.
    rested_at: u64,
    place: Place,
    /// The last registration was among the followers.
    follows: bool,
}

impl<T> Consumer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, before: Vec<Arc<Cursor>>) -> Self {
        let cursor = shared.join();
        let position = cursor.position();
        let slot = (position % u64::from(shared.capacity())) as u32;
        let (limit, rested_at) = (position, position);
        let (place, follows) = (Place::default(), false);
        Self { shared, cursor, before, position, slot, limit, rested_at, place, follows }
    }

    pub(super) fn cursor(&self) -> Arc<Cursor> {
        self.cursor.clone()
    }

    pub(super) fn reads(&self, shared: &Arc<Shared<T>>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Borrows the entries that can be read, up to `limit` of them. Dropping the batch releases
    /// them.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Empty`]: there is none at the moment.
    /// - [`ReadError::Closed`]: there is none and there will be none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::broadcast::{self, ReadError, WaitStrategy};
    /// let (producer, ring) = broadcast::ring(8, WaitStrategy::Park)?;
    /// let (mut first, mut second) = (ring.join(), ring.join());
    /// producer.try_publish_many(&mut vec![1, 2, 3]).unwrap();
    /// for consumer in [&mut first, &mut second] {
    ///     let batch = consumer.try_read(usize::MAX).unwrap();
    ///     assert_eq!(batch.iter().sum::<i32>(), 6);
    /// }
    /// assert_eq!(first.try_read(1).unwrap_err(), ReadError::Empty);
    /// drop(producer);
    /// assert_eq!(first.try_read(1).unwrap_err(), ReadError::Closed);
    /// # Ok::<(), broadcast::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_read(&mut self, limit: usize) -> Result<Batch<'_, T>, ReadError> {
        match self.look(limit) {
            Ok(()) => Ok(self.batch(limit)),
            Err(nothing) => Err(nothing),
        }
    }

    /// The same, waiting for an entry until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Empty`]: nothing came before the deadline.
    /// - [`ReadError::Closed`]: there is none and there will be none.
    ///
    /// # Blocking
    ///
    /// Waits by the ring's [`WaitStrategy`](super::WaitStrategy) until there is an entry, the end,
    /// or the deadline.
    pub fn read_blocking(
        &mut self,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Batch<'_, T>, ReadError> {
        self.wait(limit, deadline)?;
        Ok(self.batch(limit))
    }

    fn wait(&mut self, limit: usize, deadline: Option<Instant>) -> Result<(), ReadError> {
        let mut patience = self.shared.strategy().begin();
        if self.limit == self.position && self.position - self.rested_at < SMALL {
            patience.linger();
        }
        self.rested_at = self.position;
        loop {
            match self.look(limit) {
                Err(ReadError::Empty) => {}
                found => return found,
            }
            if !patience.wait() {
                break;
            }
        }
        block_until(deadline, |cx| self.poll_ready(cx)).unwrap_or_else(|| {
            self.place.leave(self.shared.waiters(self.follows));
            Err(ReadError::Empty)
        })
    }

    /// Ready as soon as there is an entry to read; else pending, and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`ReadError::Closed`]: there is none and there will be none.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        loop {
            let found = self.look(1);
            if found != Err(ReadError::Empty) {
                self.place.leave(self.shared.waiters(self.follows));
                return Poll::Ready(found);
            }
            // Whoever it came after may have gone since it last registered.
            let follows = !self.before.is_empty();
            if follows != self.follows {
                self.place.leave(self.shared.waiters(self.follows));
                self.follows = follows;
            }
            self.place.register(self.shared.waiters(follows), cx.waker());
            if follows {
                self.shared.arm_follower();
                if self.look(1) == Err(ReadError::Empty) && !self.before.is_empty() {
                    return Poll::Pending;
                }
            } else if self.shared.arm_consumer(self.position) {
                return Poll::Pending;
            }
        }
    }

    /// Whether there is an entry to read. Asks the others unless `wanted` of them are known.
    #[inline]
    fn look(&mut self, wanted: usize) -> Result<(), ReadError> {
        if self.limit.saturating_sub(self.position) >= wanted.max(1) as u64 {
            return Ok(());
        }
        let state = self.shared.state();
        self.limit = state >> SHIFT;
        if !self.before.is_empty() {
            settle(&mut self.before);
            let before = self.before.iter().map(|cursor| cursor.position()).min();
            self.limit = before.map_or(self.limit, |before| before.min(self.limit));
        }
        match () {
            () if self.limit > self.position => Ok(()),
            () if state & CLOSED != 0 && state >> SHIFT == self.position => Err(ReadError::Closed),
            () => {
                self.before_rest();
                Err(ReadError::Empty)
            }
        }
    }

    /// With nothing to do: entries that somebody else was about to free when this consumer
    /// released them may be left.
    fn before_rest(&self) {
        if std::mem::needs_drop::<T>() && self.shared.freed() < self.position {
            self.shared.reclaim();
        }
    }

    fn batch(&mut self, limit: usize) -> Batch<'_, T> {
        let count = (self.limit - self.position).min(limit as u64);
        Batch { consumer: self, count }
    }

    /// How many entries are published that it has not released; there may be more by now.
    pub fn lag(&self) -> u64 {
        (self.shared.state() >> SHIFT) - self.position
    }

    /// The number of the next entry it reads. The first entry ever published has 0.
    pub fn next_sequence(&self) -> u64 {
        self.position
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Consumer");
        f.field("next_sequence", &self.position).field("lag", &self.lag()).finish_non_exhaustive()
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.place.leave(self.shared.waiters(self.follows));
        self.shared.leave(&self.cursor, std::mem::take(&mut self.before));
    }
}

/// Entries that a consumer has in hand. Dropping it releases all of them, read or not: producers
/// may have the room, and consumers that come after get them.
pub struct Batch<'a, T> {
    consumer: &'a mut Consumer<T>,
    count: u64,
}

impl<T> Batch<'_, T> {
    /// The number of the first entry in it.
    pub fn first_sequence(&self) -> u64 {
        self.consumer.position
    }

    /// How many entries are in it.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none, which is so only if none was asked for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { shared: &self.consumer.shared, slot: self.consumer.slot, left: self.len() }
    }
}

impl<'a, T> IntoIterator for &'a Batch<'_, T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T> Drop for Batch<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let consumer = &mut *self.consumer;
        if self.count == 0 {
            return;
        }
        let capacity = u64::from(consumer.shared.capacity());
        // At most one round: a batch is not larger than the ring.
        let slot = u64::from(consumer.slot) + self.count;
        consumer.slot = (if slot >= capacity { slot - capacity } else { slot }) as u32;
        let before = consumer.position;
        consumer.position += self.count;
        consumer.cursor.release(consumer.position);
        consumer.shared.released(before);
    }
}

/// The entries of a batch.
pub struct Iter<'a, T> {
    shared: &'a Shared<T>,
    slot: u32,
    left: usize,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        self.left = self.left.checked_sub(1)?;
        let slot = self.slot;
        self.slot = if slot + 1 == self.shared.capacity() { 0 } else { slot + 1 };
        // SAFETY: the batch borrows its consumer exclusively, whose position is raised only when
        // the batch is dropped, and this borrows the batch for as long as the entries. There are
        // `left` entries from the position on below the consumer's limit, which is a count it has
        // acquired, or a position that another consumer released, having acquired it.
        Some(unsafe { self.shared.entry(slot) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}
impl<T> FusedIterator for Iter<'_, T> {}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.left).finish_non_exhaustive()
    }
}
