//! What the lock of a mailbox guards, and what its holder does.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "the lock is a bit of a word, and guards what is beside it")]

use std::ptr;

use super::bytes::{Bytes, Guarded};
use super::segment::Segment;
use super::shared::{Refusal, Shared};
use crate::sync::Ordering;

/// Somebody is changing `state` and what it guards.
pub(super) const LOCKED: u64 = 1;
/// The receiver waits for an item: whoever appends one clears the bit and wakes it.
pub(super) const RX_WAITS: u64 = 1 << 1;
/// Senders wait for room: whoever makes room wakes as many as there is room for.
pub(super) const TX_WAITS: u64 = 1 << 2;
/// Nothing is appended any more.
pub(super) const CLOSED: u64 = 1 << 3;
/// The count stands above the flags. 2^60 items take 36 years at one a nanosecond.
pub(super) const SHIFT: u32 = 4;
pub(super) const ONE: u64 = 1 << SHIFT;

/// Senders look at the receiver's progress once per this many items, and an eighth of the depth.
pub(super) const LOOK_EVERY: u64 = 256;

/// What the lock guards.
pub(super) struct Back<T> {
    /// The last segment, or null if none is held.
    pub(super) segment: *mut Segment<T>,
    /// `state` from which on the limit and the high water have to be looked at again.
    pub(super) check_at: u64,
    /// How many slots of the segment are written, of how many.
    pub(super) used: u16,
    pub(super) capacity: u16,
    /// Places promised to permits.
    pub(super) reserved: u32,
}

/// The lock, held. Dropping it unlocks with the state it carries.
pub(super) struct Locked<'a, T> {
    pub(super) shared: &'a Shared<T>,
    /// The state without `LOCKED`.
    pub(super) state: u64,
}

impl<T> Locked<'_, T> {
    #[inline(always)]
    pub(super) fn back(&mut self) -> &mut Back<T> {
        // SAFETY: invariant 1: this value exists while this thread holds the lock, and hands out
        // one reference at a time.
        self.shared.back.with_mut(|back| unsafe { &mut *back })
    }

    /// The bytes' books, which this lock guards too.
    pub(super) fn bytes<'b>(&'b mut self, books: &'b Bytes) -> Guarded<'b> {
        // SAFETY: the lock of the mailbox that the books belong to is held, and the result borrows
        // this value, so there is no second one and no unlocking before it is gone.
        unsafe { books.guarded() }
    }

    /// Whether there is room for one item; if so, its bytes are booked.
    #[inline]
    pub(super) fn admit(&mut self, weighs: bool, weight: u64) -> Result<(), Refusal> {
        if self.state >= self.back().check_at {
            self.room(1)?;
        }
        let shared = self.shared;
        if weighs && let Some(books) = &shared.bytes {
            self.bytes(books).admit(weight)?;
        }
        Ok(())
    }

    pub(super) fn admit_weights(
        &mut self,
        books: &Bytes,
        weights: &[u64],
    ) -> Result<usize, Refusal> {
        let mut guarded = self.bytes(books);
        for (at, weight) in weights.iter().enumerate() {
            if let Err(refusal) = guarded.admit(*weight) {
                return if at == 0 { Err(refusal) } else { Ok(at) };
            }
        }
        Ok(weights.len())
    }

    /// How many of `wanted` items there is room for, by messages; and from which state on this has
    /// to be asked again, which costs a cache line that the receiver has to fetch back.
    #[cold]
    #[inline(never)]
    pub(super) fn room(&mut self, wanted: usize) -> Result<usize, Refusal> {
        if self.state & CLOSED != 0 {
            return Err(Refusal::Closed);
        }
        let (depth, shared) = (self.depth(), self.shared);
        let free = u64::from(shared.limit()).saturating_sub(u64::from(self.back().reserved));
        // Ask again at the limit, or after a while, to see how much is queued.
        shared.saw_queued(depth);
        let soon = depth + depth / 8 + LOOK_EVERY;
        self.back().check_at = ((self.state >> SHIFT) - depth + free.min(soon)) << SHIFT;
        let room = usize::try_from(free.saturating_sub(depth)).unwrap_or(usize::MAX);
        if room == 0 && wanted > 0 { Err(Refusal::Full) } else { Ok(room.min(wanted)) }
    }

    pub(super) fn unreserve(&mut self, promised: u64) {
        let shared = self.shared;
        if let Some(books) = &shared.bytes {
            self.bytes(books).unreserve(promised);
        }
        let back = self.back();
        back.reserved -= 1;
        back.check_at = 0;
    }

    /// How many are queued now, as far as the receiver has told.
    pub(super) fn depth(&self) -> u64 {
        // Relaxed: nothing is read or written on the strength of it but these numbers. That the
        // receiver's progress is seen in time is due to the fences named in `announce_sender`.
        (self.state >> SHIFT) - self.shared.front.head.load(Ordering::Relaxed)
    }

    /// Writes an item behind the others; it is the receiver's when the lock is given back.
    #[inline(always)]
    pub(super) fn write(&mut self, item: T) {
        let back = self.back();
        if back.used == back.capacity {
            self.grow();
        }
        let back = self.back();
        let (segment, at) = (back.segment, back.used);
        back.used += 1;
        // SAFETY: `grow` and invariant 5: `segment` is alive and has `capacity > at` slots.
        let slot = unsafe { &*Segment::slot(segment, at) };
        // SAFETY: invariant 3: the count does not cover this slot yet, so it is the holder's.
        slot.with_mut(|slot| unsafe { (*slot).write(item) });
        self.state += ONE;
    }

    /// Makes room for the next item: the spare segment, or a new one.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&mut self) {
        let shared = self.shared;
        // Acquire: pairs with the Release of the receiver that put it there, whose last reads of
        // its items come before our writes.
        let mut segment = shared.front.spare.swap(ptr::null_mut(), Ordering::Acquire);
        if segment.is_null() {
            segment = Segment::new(Segment::<T>::capacity_for(self.depth()));
        }
        let back = self.back();
        if back.segment.is_null() {
            // SAFETY: invariant 1; the receiver holds no segment and knows of no item, so it does
            // not read `first` before this lock is released.
            shared.first.with_mut(|first| unsafe { *first = segment });
        } else {
            // SAFETY: invariant 5: alive, as the receiver has not seen an item of a later one.
            let last = unsafe { &(*back.segment).next };
            // SAFETY: invariant 4: nobody reads it before the count covers an item behind it.
            last.with_mut(|next| unsafe { *next = segment });
        }
        back.segment = segment;
        // SAFETY: from `Segment::new`, here or earlier, and nobody else's.
        back.capacity = unsafe { Segment::capacity(segment) };
        back.used = 0;
    }

    /// Gives the lock back and wakes the receiver, if it waits.
    #[inline(always)]
    pub(super) fn unlock_and_wake(mut self) {
        let shared = self.shared;
        let waits = self.state & RX_WAITS != 0;
        self.state &= !RX_WAITS;
        drop(self);
        if waits {
            // The bit was set after the receiver had registered, under the lock.
            shared.front.receivers.wake(1);
        }
    }
}

impl<T> Drop for Locked<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: publishes the items and the books. Pairs with the Acquire in `lock`, and in
        // `Shared::count`. A plain store will do: nobody else writes while the bit is set.
        self.shared.state.store(self.state, Ordering::Release);
    }
}
