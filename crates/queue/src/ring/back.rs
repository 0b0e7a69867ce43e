//! The end where items go in.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "writes what the other end reads")]

use super::error::PushError;
use super::shared::{CONSUMER_GONE, CONSUMER_WAITS, PRODUCER_GONE, Shared};
use crate::barrier::Arc;
use crate::sync::{Ordering, own};

/// The producer's end: there is one.
pub(super) struct Back<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// Positions below have an empty slot, as far as is known.
    room_until: u64,
}

impl<T> Back<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let room_until = u64::from(shared.capacity());
        Self { shared, room_until }
    }

    /// The next position. A copy in here would be one more store for each item, of which there are
    /// but two.
    #[inline(always)]
    fn position(&self) -> u64 {
        own(&self.shared.tail.0)
    }

    /// Whether there is room for one; looks at the other end only if none is known of.
    #[inline(always)]
    pub(super) fn has_room(&mut self) -> bool {
        self.has_room_at(self.position())
    }

    #[inline(always)]
    fn has_room_at(&mut self, position: u64) -> bool {
        position < self.room_until || self.look() > position
    }

    /// Looks how far the other end has come; says up to where there is room.
    #[cold]
    fn look(&mut self) -> u64 {
        // Acquire: the other end has left the slots below; pairs with the Release in `Front`.
        let head = self.shared.head.0.load(Ordering::Acquire);
        self.room_until = head + u64::from(self.shared.capacity());
        self.room_until
    }

    /// Whether nobody will take anything any more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.is(CONSUMER_GONE)
    }

    #[inline(always)]
    pub(super) fn push(&mut self, item: T) -> Result<(), PushError<T>> {
        let position = self.position();
        if !self.has_room_at(position) {
            return Err(self.refuse(item));
        }
        self.write(position, item);
        match self.publish(position + 1) {
            0 => Ok(()),
            flags => self.attend(flags),
        }
    }

    #[cold]
    fn refuse(&mut self, item: T) -> PushError<T> {
        if !self.is_closed() {
            return PushError::Full(item);
        }
        self.clear();
        PushError::Closed(item)
    }

    /// Pushes as many of the next `items` as there is room for; says how many.
    pub(super) fn push_many(
        &mut self,
        items: &mut impl Iterator<Item = T>,
    ) -> Result<usize, PushError<()>> {
        if self.is_closed() {
            self.clear();
            return Err(PushError::Closed(()));
        }
        let (least, most) = items.size_hint();
        let position = self.position();
        let mut room = self.room_until - position;
        if room < least.max(1) as u64 {
            room = self.look() - position;
        }
        if room == 0 {
            return if most == Some(0) { Ok(0) } else { Err(PushError::Full(())) };
        }
        /// Publishes what was written, also if the iterator panics.
        struct Written<'a, T>(&'a Back<T>, u64);
        impl<T> Drop for Written<'_, T> {
            fn drop(&mut self) {
                if self.0.publish(self.1) & CONSUMER_WAITS != 0 {
                    self.0.shared.wake(CONSUMER_WAITS);
                }
            }
        }
        let mut written = Written(self, position);
        // Not the iterator's word for how many there are, but ours for how many fit.
        items.take(room as usize).for_each(|item| {
            written.0.write(written.1, item);
            written.1 += 1;
        });
        Ok((written.1 - position) as usize)
    }

    /// Writes the item of a position that there is room for.
    #[inline(always)]
    fn write(&self, position: u64, item: T) {
        debug_assert!(position < self.room_until, "wrote into a full ring");
        // SAFETY: invariant 3: called by this end's two ways to push, for each position from
        // `tail` on once, below `room_until`: the slot is this end's and empty.
        self.shared.slot(position).with_mut(|slot| unsafe { (*slot).write(item) });
    }

    /// Lets the other end have what was written below `tail`; says what there is to be done for it.
    #[inline(always)]
    fn publish(&self, tail: u64) -> u32 {
        // Release: pairs with the Acquire in `Front::look`; the items can be read from here on.
        self.shared.tail.0.store(tail, Ordering::Release);
        self.shared.flags_after_step(CONSUMER_WAITS | CONSUMER_GONE)
    }

    /// After a push: the consumer waits for it, or is gone.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, flags: u32) -> Result<(), PushError<T>> {
        if flags & CONSUMER_WAITS != 0 {
            self.shared.wake(CONSUMER_WAITS);
        }
        let back = if flags & CONSUMER_GONE != 0 { self.take_back() } else { None };
        self.clear();
        back.map_or(Ok(()), |item| Err(PushError::Closed(item)))
    }

    /// Drops what came in while the consumer was about to go.
    fn clear(&mut self) {
        while let Some(item) = self.take_back() {
            drop(item);
        }
    }

    /// Takes back the item that was pushed last, if the consumer went without it.
    fn take_back(&mut self) -> Option<T> {
        let tail = self.position();
        // Acquire, in `is`: the consumer's last steps come before.
        if !self.is_closed() || self.shared.head.0.load(Ordering::Relaxed) == tail {
            return None;
        }
        // Relaxed: only this thread reads it until the ring is dropped.
        self.shared.tail.0.store(tail - 1, Ordering::Relaxed);
        let slot = self.shared.slot(tail - 1);
        // SAFETY: invariants 2 and 4: the item was there, between `head` and `tail`, and is this
        // end's. It is not any more as far as `tail` says, so it is moved out once.
        Some(slot.with(|slot| unsafe { (*slot).assume_init_read() }))
    }
}

impl<T> Drop for Back<T> {
    fn drop(&mut self) {
        self.shared.leave(PRODUCER_GONE, CONSUMER_WAITS);
    }
}
