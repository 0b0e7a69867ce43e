//! The writing handles.
#![expect(unsafe_code, reason = "says who may push without a lock")]

use std::fmt;

use super::error::Closed;
use super::shared::{READER_GONE, Shared};
use crate::barrier::Arc;

/// The only writer of a ring made by [`ring`](super::ring). Never waits, for anybody.
///
/// Dropping it ends the ring: the reader gets what is there, and then the end.
pub struct Writer<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Writer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Appends an item; if the ring is full, it takes the place of the oldest, which is handed
    /// back. A fixed number of steps, none of which waits or allocates.
    ///
    /// # Errors
    ///
    /// [`Closed`]: the reader is gone; no later call will succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::overwriting::{self, Closed};
    /// let (mut writer, reader) = overwriting::ring(2)?;
    /// assert_eq!(writer.push("a"), Ok(None));
    /// assert_eq!(writer.push("b"), Ok(None));
    /// assert_eq!(writer.push("c"), Ok(Some("a")));
    /// drop(reader);
    /// assert_eq!(writer.push("d"), Err(Closed("d")));
    /// # Ok::<(), overwriting::CapacityError>(())
    /// ```
    #[inline]
    pub fn push(&mut self, item: T) -> Result<Option<T>, Closed<T>> {
        // SAFETY: there is one `Writer` for a ring, and it is borrowed exclusively. It changes
        // threads by ways that order what comes before and after.
        unsafe { self.shared.push::<false>(item) }
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many items wait to be read: there may be fewer by now, but not more.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether nothing waits to be read. It stays so until the next push.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True once the reader is gone. It stays so.
    pub fn is_closed(&self) -> bool {
        self.shared.is(READER_GONE)
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.shared.leave_writer();
    }
}

/// One of any number of writers of a ring made by [`shared_ring`](super::shared_ring). Never waits
/// for the reader; writers take turns.
///
/// Dropping the last one ends the ring: the reader gets what is there, and then the end.
pub struct SharedWriter<T> {
    shared: Arc<Shared<T>>,
}

impl<T> SharedWriter<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Appends an item; if the ring is full, it takes the place of the oldest, which is handed
    /// back.
    ///
    /// # Errors
    ///
    /// [`Closed`]: the reader is gone; no later call will succeed.
    ///
    /// # Blocking
    ///
    /// Waits while another writer is in its turn: for some nanoseconds, or, if that thread has
    /// lost its CPU just then, until it runs again. Never waits for the reader.
    #[inline]
    pub fn push(&self, item: T) -> Result<Option<T>, Closed<T>> {
        // SAFETY: asks for nothing if pushes are shared.
        unsafe { self.shared.push::<true>(item) }
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many items wait to be read; there may be others by now.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether nothing waits to be read; something may by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True once the reader is gone. It stays so.
    pub fn is_closed(&self) -> bool {
        self.shared.is(READER_GONE)
    }
}

impl<T> Clone for SharedWriter<T> {
    fn clone(&self) -> Self {
        self.shared.add_writer();
        Self { shared: self.shared.clone() }
    }
}

impl<T> fmt::Debug for SharedWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWriter").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Drop for SharedWriter<T> {
    fn drop(&mut self) {
        self.shared.leave_writer();
    }
}
