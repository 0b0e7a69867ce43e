//! The end where items go in.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "writes what the other end reads")]

use super::error::PushError;
use super::shared::{CONSUMER_GONE, CONSUMER_WAITS, PRODUCER_GONE, Shared};
use crate::barrier::Arc;
use crate::sync::Ordering;

/// The producer's end: there is one.
pub(super) struct Back<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// As in `tail`, but while a batch is written.
    position: u64,
    /// Positions below have an empty slot, as far as is known.
    room_until: u64,
    /// The slot of `position`.
    slot: u32,
}

impl<T> Back<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let room_until = u64::from(shared.capacity());
        Self { shared, position: 0, room_until, slot: 0 }
    }

    /// Whether there is room for one; looks at the other end only if none is known of.
    #[inline(always)]
    pub(super) fn has_room(&mut self) -> bool {
        self.position < self.room_until || self.look() > 0
    }

    /// Looks how far the other end has come; says how many there is room for.
    pub(super) fn look(&mut self) -> u64 {
        // Acquire: the other end has left the slots below; pairs with the Release in `Front`.
        let head = self.shared.head.0.load(Ordering::Acquire);
        self.room_until = head + u64::from(self.shared.capacity());
        self.room_until - self.position
    }

    /// Whether nobody will take anything any more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.is(CONSUMER_GONE)
    }

    #[inline(always)]
    pub(super) fn push(&mut self, item: T) -> Result<(), PushError<T>> {
        if !self.has_room() {
            return Err(self.refuse(item));
        }
        self.write(item);
        match self.publish() {
            0 => Ok(()),
            flags => self.attend(flags),
        }
    }

    #[cold]
    fn refuse(&self, item: T) -> PushError<T> {
        if self.is_closed() { PushError::Closed(item) } else { PushError::Full(item) }
    }

    /// Pushes as many of the next `items` as there is room for; says how many.
    pub(super) fn push_many(
        &mut self,
        items: &mut impl Iterator<Item = T>,
    ) -> Result<usize, PushError<()>> {
        if self.is_closed() {
            return Err(PushError::Closed(()));
        }
        let (least, most) = items.size_hint();
        let mut room = self.room_until - self.position;
        if room < least.max(1) as u64 {
            room = self.look();
        }
        if room == 0 {
            return if most == Some(0) { Ok(0) } else { Err(PushError::Full(())) };
        }
        /// Publishes what was written, also if the iterator panics.
        struct Written<'a, T>(&'a mut Back<T>);
        impl<T> Drop for Written<'_, T> {
            fn drop(&mut self) {
                let flags = self.0.publish();
                if flags & CONSUMER_WAITS != 0 {
                    self.0.shared.wake(CONSUMER_WAITS);
                }
            }
        }
        let before = self.position;
        let written = Written(self);
        // Not the iterator's word for how many there are, but ours for how many fit.
        items.take(room as usize).for_each(|item| written.0.write(item));
        Ok((written.0.position - before) as usize)
    }

    /// Writes the next item. There must be room.
    #[inline(always)]
    fn write(&mut self, item: T) {
        debug_assert!(self.position < self.room_until, "wrote into a full ring");
        // SAFETY: invariant 3: the slot of `position`, which is below `room_until`, is this end's
        // and empty.
        self.shared.slot(self.slot).with_mut(|slot| unsafe { (*slot).write(item) });
        self.position += 1;
        self.slot = self.shared.after(self.slot);
    }

    /// Lets the other end have what was written; says what there is to be done for it.
    #[inline(always)]
    fn publish(&self) -> u32 {
        // Release: pairs with the Acquire in `Front::look`; the items can be read from here on.
        self.shared.tail.0.store(self.position, Ordering::Release);
        self.shared.flags_after_step() & (CONSUMER_WAITS | CONSUMER_GONE)
    }

    /// After a push: the consumer waits for it, or is gone.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, flags: u32) -> Result<(), PushError<T>> {
        if flags & CONSUMER_WAITS != 0 {
            self.shared.wake(CONSUMER_WAITS);
        }
        if flags & CONSUMER_GONE != 0
            && let Some(item) = self.take_back()
        {
            return Err(PushError::Closed(item));
        }
        Ok(())
    }

    /// Takes back the item that was pushed last, if the consumer went without it.
    fn take_back(&mut self) -> Option<T> {
        // Acquire, in `is`: the consumer's last steps come before.
        if !self.is_closed() || self.shared.head.0.load(Ordering::Relaxed) == self.position {
            return None;
        }
        self.position -= 1;
        self.slot = self.shared.before(self.slot);
        // Relaxed: only this thread reads it until the ring is dropped.
        self.shared.tail.0.store(self.position, Ordering::Relaxed);
        let slot = self.shared.slot(self.slot);
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
