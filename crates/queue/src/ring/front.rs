//! The end where items come out.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "reads what the other end wrote")]

use super::error::PopError;
use super::shared::{CONSUMER_GONE, PRODUCER_GONE, PRODUCER_WAITS, Shared};
use crate::barrier::Arc;
use crate::sync::{Ordering, own};

/// The consumer's end: there is one.
pub(super) struct Front<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// There is an item at each position below, as far as is known.
    known: u64,
}

impl<T> Front<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, known: 0 }
    }

    /// The next position, not copied either.
    #[inline(always)]
    fn position(&self) -> u64 {
        own(&self.shared.head.0)
    }

    /// Whether there is an item; looks at the other end only if none is known of.
    #[inline(always)]
    pub(super) fn has_next(&mut self) -> bool {
        self.has_next_at(self.position())
    }

    #[inline(always)]
    fn has_next_at(&mut self, position: u64) -> bool {
        position < self.known || self.look() > position
    }

    /// Looks how far the other end has come; says up to where there are items.
    #[inline(always)]
    fn look(&mut self) -> u64 {
        // Acquire: the items below were written before; pairs with the Release in `Back`.
        self.known = self.shared.tail.0.load(Ordering::Acquire);
        self.known
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Result<T, PopError> {
        let position = self.position();
        if !self.has_next_at(position) {
            self.none()?;
        }
        let item = self.read(position);
        self.publish(position + 1);
        Ok(item)
    }

    /// Fails, unless there is an item after all.
    #[cold]
    pub(super) fn none(&mut self) -> Result<(), PopError> {
        if !self.shared.is(PRODUCER_GONE) {
            return Err(PopError::Empty);
        }
        // It left after its last push, which we may have been too early to see.
        if self.look() > self.position() { Ok(()) } else { Err(PopError::Closed) }
    }

    /// Takes up to `limit` items and hands them to `each`, in order; says how many.
    #[inline]
    pub(super) fn drain(&mut self, limit: usize, mut each: impl FnMut(T)) -> usize {
        let position = self.position();
        if self.known - position < limit as u64 {
            self.look();
        }
        let count = (self.known - position).min(limit as u64);
        if count == 0 {
            return 0;
        }
        /// Gives the room back, also if `each` panics: what it was given is taken.
        struct Taken<'a, T>(&'a Front<T>, u64);
        impl<T> Drop for Taken<'_, T> {
            fn drop(&mut self) {
                self.0.publish(self.1);
            }
        }
        let mut taken = Taken(self, position);
        for _ in 0..count {
            let item = taken.0.read(taken.1);
            taken.1 += 1;
            each(item);
        }
        count as usize
    }

    /// Moves the item of a position out at which there is one.
    #[inline(always)]
    fn read(&self, position: u64) -> T {
        debug_assert!(position < self.known, "read from an empty ring");
        // SAFETY: invariant 3: called by this end's two ways to take, for each position from
        // `head` on once, below `known`: the slot is this end's and holds an item.
        self.shared.slot(position).with(|slot| unsafe { (*slot).assume_init_read() })
    }

    /// Lets the other end have the slots below `head`, and wakes it if it waits for that.
    #[inline(always)]
    fn publish(&self, head: u64) {
        // Release: pairs with the Acquire in `Back::look`; the items are out of their slots.
        self.shared.head.0.store(head, Ordering::Release);
        if self.shared.flags_after_step(PRODUCER_WAITS) != 0 {
            self.shared.wake(PRODUCER_WAITS);
        }
    }
}

impl<T> Drop for Front<T> {
    fn drop(&mut self) {
        self.shared.leave(CONSUMER_GONE, PRODUCER_WAITS);
    }
}
