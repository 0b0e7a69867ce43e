//! The count of bytes in a mailbox whose items are weighed.
//!
//! Invariant: `book` is touched only under the lock of the mailbox that this belongs to.
#![expect(unsafe_code, reason = "the books are guarded by the mailbox's lock, a bit elsewhere")]

use super::shared::Refusal;
use crate::sync::{AtomicU64, Ordering, UnsafeCell};

/// Absent from mailboxes whose items are not weighed.
pub(super) struct Bytes {
    book: UnsafeCell<Book>,
    taken: Taken,
}

/// What the receiver has taken, in all; on a line of its own because the receiver writes it often.
#[repr(align(64))]
struct Taken(AtomicU64);

#[derive(Debug)]
struct Book {
    /// What was appended, in all.
    added: u64,
    /// `Bytes::taken` as last looked at: may be behind, so what is queued seems more, never less.
    taken: u64,
    /// Promised to permits.
    reserved: u64,
    limit: u64,
    high: u64,
}

/// The books while the lock is held.
pub(super) struct Guarded<'a> {
    book: &'a mut Book,
    taken: &'a AtomicU64,
}

impl Bytes {
    pub(super) fn new(limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        let book = Book { added: 0, taken: 0, reserved: 0, limit, high: 0 };
        Self { book: UnsafeCell::new(book), taken: Taken(AtomicU64::new(0)) }
    }

    /// Access for whoever holds the lock.
    ///
    /// # Safety
    ///
    /// The mailbox's lock is held as long as the result lives, and this is called no second time
    /// before that.
    pub(super) unsafe fn guarded(&self) -> Guarded<'_> {
        // SAFETY: by the contract nobody else has a reference, on this thread or another.
        let book = self.book.with_mut(|book| unsafe { &mut *book });
        Guarded { book, taken: &self.taken.0 }
    }

    /// For the receiver: what it has taken so far.
    pub(super) fn set_taken(&self, taken: u64) {
        // Release only so that `Mailbox::bytes` is not behind what its caller has seen taken.
        self.taken.0.store(taken, Ordering::Release);
    }
}

impl Guarded<'_> {
    /// Adds an item's weight, if there is room for it.
    pub(super) fn admit(&mut self, weight: u64) -> Result<(), Refusal> {
        self.check(weight)?;
        self.add(weight);
        Ok(())
    }

    /// Adds the weight of an item that has a permit.
    pub(super) fn add(&mut self, weight: u64) {
        self.book.added = self.book.added.wrapping_add(weight);
        let queued = self.book.queued();
        if queued > self.book.high {
            self.refresh();
            self.book.high = self.book.high.max(self.book.queued());
        }
    }

    /// Promises this many bytes, if there is room for them.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.check(bytes)?;
        self.book.reserved += bytes;
        Ok(())
    }

    /// Takes a promise back.
    pub(super) fn unreserve(&mut self, bytes: u64) {
        self.book.reserved -= bytes;
    }

    pub(super) fn limit(&self) -> Option<u64> {
        (self.book.limit != u64::MAX).then_some(self.book.limit)
    }

    pub(super) fn set_limit(&mut self, limit: Option<u64>) {
        self.book.limit = limit.unwrap_or(u64::MAX);
    }

    pub(super) fn high_water(&self) -> u64 {
        self.book.high
    }

    /// What is queued now.
    pub(super) fn queued(&mut self) -> u64 {
        self.refresh();
        self.book.queued()
    }

    fn check(&mut self, weight: u64) -> Result<(), Refusal> {
        if weight > self.book.limit {
            return Err(Refusal::TooLarge);
        }
        if self.book.fits(weight) {
            return Ok(());
        }
        self.refresh();
        if self.book.fits(weight) { Ok(()) } else { Err(Refusal::Full) }
    }

    fn refresh(&mut self) {
        self.book.taken = self.taken.load(Ordering::Relaxed);
    }
}

impl Book {
    fn fits(&self, weight: u64) -> bool {
        let held = self.queued().saturating_add(self.reserved);
        held.saturating_add(weight) <= self.limit
    }

    /// An item that weighs more when it is taken than when it was sent must not look like a
    /// mailbox full to the brim: below nothing is nothing.
    fn queued(&self) -> u64 {
        let queued = self.added.wrapping_sub(self.taken);
        if queued > u64::MAX / 2 { 0 } else { queued }
    }
}
