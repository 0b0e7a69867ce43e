//! The end where items come out.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "reads what the other end wrote")]

use super::error::PopError;
use super::shared::{CONSUMER_GONE, PRODUCER_GONE, PRODUCER_WAITS, Shared};
use crate::barrier::Arc;
use crate::sync::Ordering;

/// The consumer's end: there is one.
pub(super) struct Front<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// As in `head`, but while a batch is read.
    position: u64,
    /// There is an item at each position below, as far as is known.
    known: u64,
    /// The slot of `position`.
    slot: u32,
}

impl<T> Front<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, position: 0, known: 0, slot: 0 }
    }

    /// Whether there is an item; looks at the other end only if none is known of.
    #[inline(always)]
    pub(super) fn has_next(&mut self) -> bool {
        self.position < self.known || self.look() > 0
    }

    /// Looks how far the other end has come; says how many items there are.
    #[inline(always)]
    pub(super) fn look(&mut self) -> u64 {
        // Acquire: the items below were written before; pairs with the Release in `Back`.
        self.known = self.shared.tail.0.load(Ordering::Acquire);
        self.known - self.position
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Result<T, PopError> {
        if !self.has_next() {
            self.none()?;
        }
        let item = self.read();
        self.publish();
        Ok(item)
    }

    /// Fails, unless there is an item after all.
    #[cold]
    pub(super) fn none(&mut self) -> Result<(), PopError> {
        if !self.shared.is(PRODUCER_GONE) {
            return Err(PopError::Empty);
        }
        // It left after its last push, which we may have been too early to see.
        if self.look() > 0 { Ok(()) } else { Err(PopError::Closed) }
    }

    /// Takes up to `limit` items and hands them to `each`, in order; says how many.
    #[inline]
    pub(super) fn drain(&mut self, limit: usize, mut each: impl FnMut(T)) -> usize {
        let mut there = self.known - self.position;
        if there < limit as u64 {
            there = self.look();
        }
        let count = there.min(limit as u64);
        if count == 0 {
            return 0;
        }
        /// Gives the room back, also if `each` panics: what it was given is taken.
        struct Taken<'a, T>(&'a mut Front<T>);
        impl<T> Drop for Taken<'_, T> {
            fn drop(&mut self) {
                self.0.publish();
            }
        }
        let taken = Taken(self);
        (0..count).for_each(|_| each(taken.0.read()));
        count as usize
    }

    /// Moves the next item out. There must be one.
    #[inline(always)]
    fn read(&mut self) -> T {
        debug_assert!(self.position < self.known, "read from an empty ring");
        let slot = self.shared.slot(self.slot);
        // SAFETY: invariant 3: the slot of `position`, which is below `known`, holds an item and
        // is this end's. `position` moves on, so it is moved out once.
        let item = slot.with(|slot| unsafe { (*slot).assume_init_read() });
        self.position += 1;
        self.slot = self.shared.after(self.slot);
        item
    }

    /// Lets the other end have the room of what was read, and wakes it if it waits for that.
    #[inline(always)]
    fn publish(&self) {
        // Release: pairs with the Acquire in `Back::look`; the items are out of their slots.
        self.shared.head.0.store(self.position, Ordering::Release);
        if self.shared.flags_after_step() & PRODUCER_WAITS != 0 {
            self.shared.wake(PRODUCER_WAITS);
        }
    }
}

impl<T> Drop for Front<T> {
    fn drop(&mut self) {
        self.shared.leave(CONSUMER_GONE, PRODUCER_WAITS);
    }
}
