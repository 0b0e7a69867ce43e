//! The reading handle: safe code only.

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error::ReadError;
use super::shared::{Cursor, Shared, WRITERS_GONE};
use crate::barrier::Arc;
use crate::sync::Lull;
use crate::waiters::{Place, block_until};

/// An item, and what was lost right before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// What was pushed.
    pub item: T,
    /// Its number: the first item ever pushed has 0, and every later one the next.
    pub sequence: u64,
    /// How many items between the one read before and this one were overwritten.
    pub lost: u64,
}

impl<T> Entry<T> {
    /// The numbers of the items that were overwritten right before this one.
    pub fn lost_range(&self) -> Range<u64> {
        self.sequence - self.lost..self.sequence
    }
}

/// The only reader of a ring: it cannot be cloned, and reading wants it exclusively.
///
/// Dropping it drops what is there, and makes further pushes fail.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    cursor: Cursor,
    lost: u64,
    place: Place,
}

impl<T> Reader<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, cursor: Cursor::default(), lost: 0, place: Place::default() }
    }

    /// Takes the oldest item, if there is one. A fixed number of steps, whatever writers do.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Empty`]: nothing is there at the moment.
    /// - [`ReadError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::overwriting::{self, ReadError};
    /// let (mut writer, mut reader) = overwriting::ring(2)?;
    /// for n in 10..15 {
    ///     let _overwritten = writer.push(n);
    /// }
    /// let entry = reader.try_read().unwrap();
    /// assert_eq!((entry.item, entry.lost, entry.lost_range()), (13, 3, 0..3));
    /// let entry = reader.try_read().unwrap();
    /// assert_eq!((entry.item, entry.lost), (14, 0));
    /// assert_eq!(reader.try_read(), Err(ReadError::Empty));
    /// drop(writer);
    /// assert_eq!(reader.try_read(), Err(ReadError::Closed));
    /// # Ok::<(), overwriting::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_read(&mut self) -> Result<Entry<T>, ReadError> {
        if !self.has_next() {
            self.none()?;
        }
        Ok(self.take())
    }

    /// Fails, unless there is an item after all. Returns no entry, which would have to go through
    /// memory then: that costs as much as all the rest.
    #[cold]
    fn none(&mut self) -> Result<(), ReadError> {
        if !self.shared.is(WRITERS_GONE) {
            return Err(ReadError::Empty);
        }
        // They left after the last push, which we may have been too early to see.
        if self.has_next() { Ok(()) } else { Err(ReadError::Closed) }
    }

    /// Takes the oldest item, waiting for one until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Empty`]: nothing came before the deadline.
    /// - [`ReadError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is an item, the end, or the deadline.
    pub fn read_blocking(&mut self, deadline: Option<Instant>) -> Result<Entry<T>, ReadError> {
        let mut lull = Lull::default();
        while !self.has_next() {
            if !lull.spin() {
                return block_until(deadline, |cx| self.poll_read(cx)).unwrap_or_else(|| {
                    self.place.leave(self.shared.waiters());
                    Err(ReadError::Empty)
                });
            }
        }
        Ok(self.take())
    }

    /// Takes the oldest item, waiting for one.
    ///
    /// # Errors
    ///
    /// [`ReadError::Closed`]: nothing is there and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken nothing, and its task is not woken any more.
    pub async fn read(&mut self) -> Result<Entry<T>, ReadError> {
        struct Pending<'a, T>(&'a mut Reader<T>);
        impl<T> Drop for Pending<'_, T> {
            fn drop(&mut self) {
                self.0.place.leave(self.0.shared.waiters());
            }
        }
        let pending = Pending(self);
        poll_fn(|cx| pending.0.poll_read(cx)).await
    }

    /// Takes the oldest item, or is pending and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`ReadError::Closed`]: nothing is there and nothing will be.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry<T>, ReadError>> {
        let mut read = self.try_read();
        if matches!(read, Err(ReadError::Empty)) {
            self.place.register(self.shared.waiters(), cx.waker());
            self.shared.arm();
            read = self.try_read();
            if matches!(read, Err(ReadError::Empty)) {
                return Poll::Pending;
            }
        }
        self.place.leave(self.shared.waiters());
        Poll::Ready(read)
    }

    /// Takes what is there, up to `limit` items, and hands it to `each` in order; says how many.
    ///
    /// If `each` panics, the items it was given are gone and the rest is still there.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(Entry<T>)) -> usize {
        let mut taken = 0;
        while taken < limit && self.has_next() {
            taken += 1;
            each(self.take());
        }
        taken
    }

    #[inline(always)]
    fn has_next(&mut self) -> bool {
        if self.cursor.known == self.cursor.next {
            self.cursor.known = self.shared.count();
        }
        self.cursor.known > self.cursor.next
    }

    #[inline(always)]
    fn take(&mut self) -> Entry<T> {
        let expected = self.cursor.next;
        let (sequence, item) = self.shared.take(&mut self.cursor);
        let lost = sequence - expected;
        if lost > 0 {
            self.lost += lost;
        }
        Entry { item, sequence, lost }
    }

    /// How many items were overwritten before they were read, as far as reading has come.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The number of the next item, if it is not overwritten before it is read.
    pub fn next_sequence(&self) -> u64 {
        self.cursor.next
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many items wait to be read: there may be more by now, but not fewer.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether nothing waits to be read; something may by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Reader");
        f.field("len", &self.len()).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.place.leave(self.shared.waiters());
        self.shared.leave_reader();
        // What a writer is in the middle of pushing is dropped with the ring.
        while self.has_next() {
            self.take();
        }
    }
}
