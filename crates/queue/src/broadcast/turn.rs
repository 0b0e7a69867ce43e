//! A producer's turn: the lock of a broadcast ring, and what its holder may do.
//!
//! The invariants are those of [`super::shared`].
#![expect(unsafe_code, reason = "the holder of the lock writes what others read")]

use super::error::PublishError;
use super::shared::{CLOSED, CONSUMERS_WAIT, LOCKED, SHIFT, Shared};
use crate::sync::{Backoff, Ordering, peek};

/// What only the holder of the lock needs.
#[derive(Debug)]
pub(super) struct Back {
    /// The slot of the next position.
    slot: u32,
    /// Positions below this have an empty slot.
    room_until: u64,
}

impl Back {
    pub(super) fn new(room_until: u64) -> Self {
        Self { slot: 0, room_until }
    }
}

impl<T> Shared<T> {
    /// Takes a turn, for which it may have to wait for another's end.
    #[inline]
    pub(super) fn lock(&self) -> Turn<'_, T> {
        let mut backoff = Backoff::default();
        loop {
            let state = peek(&self.state);
            // Acquire: pairs with the Release in `Turn::drop`.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            if state & LOCKED == 0
                && self.state.compare_exchange_weak(state, state | LOCKED, success, failure).is_ok()
            {
                return Turn { shared: self, state };
            }
            backoff.snooze();
        }
    }
}

/// The lock, while it is held; unlocks by storing what is in here.
pub(super) struct Turn<'a, T> {
    shared: &'a Shared<T>,
    /// Without `LOCKED`.
    pub(super) state: u64,
}

impl<T> Turn<'_, T> {
    #[inline(always)]
    fn back<R>(&mut self, f: impl FnOnce(&mut Back) -> R) -> R {
        // SAFETY: invariant 1: this thread holds the lock, and `f` cannot get at a second
        // reference, as that takes this turn.
        self.shared.back.with_mut(|back| f(unsafe { &mut *back }))
    }

    /// Whether there is room for one.
    #[inline(always)]
    pub(super) fn admit(&mut self) -> Result<(), PublishError<()>> {
        self.admit_until((self.state >> SHIFT) + 1)
    }

    /// Whether there is room for one; looks at what was freed if none is known up to `end`.
    #[inline(always)]
    fn admit_until(&mut self, end: u64) -> Result<(), PublishError<()>> {
        if self.state & CLOSED != 0 {
            return Err(PublishError::Closed(()));
        }
        if end <= self.back(|back| back.room_until) {
            return Ok(());
        }
        let position = self.state >> SHIFT;
        // Acquire: pairs with the Release in `Reclaimed`.
        let freed = self.shared.freed();
        let room_until = freed + u64::from(self.shared.capacity());
        self.back(|back| back.room_until = room_until);
        if position < room_until { Ok(()) } else { Err(PublishError::Full(())) }
    }

    /// How many there is room for.
    pub(super) fn room(&mut self) -> Result<usize, PublishError<()>> {
        match self.admit_until(u64::MAX) {
            Err(PublishError::Closed(())) => Err(PublishError::Closed(())),
            _ => {
                let position = self.state >> SHIFT;
                let room = self.back(|back| back.room_until - position);
                Ok(usize::try_from(room).unwrap_or(usize::MAX))
            }
        }
    }

    /// Writes the next entry, for which there must be room.
    #[inline(always)]
    pub(super) fn write(&mut self, item: T) {
        let position = self.state >> SHIFT;
        debug_assert!(self.back(|back| position < back.room_until), "wrote into a full ring");
        let capacity = self.shared.capacity();
        let slot = self.back(|back| {
            let next = if back.slot + 1 == capacity { 0 } else { back.slot + 1 };
            std::mem::replace(&mut back.slot, next)
        });
        // SAFETY: invariants 1 and 2: the lock is held, and there is room, so the slot is empty.
        self.shared.slot(slot).with_mut(|slot| unsafe { (*slot).write(item) });
        self.state += 1 << SHIFT;
    }

    #[inline(always)]
    pub(super) fn unlock_and_wake(mut self) {
        let waits = self.state & CONSUMERS_WAIT != 0;
        self.state &= !CONSUMERS_WAIT;
        let shared = self.shared;
        drop(self);
        if waits {
            shared.waiters(false).wake_all();
        }
    }
}

impl<T> Drop for Turn<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `lock` and in `Shared::state`.
        self.shared.state.store(self.state, Ordering::Release);
    }
}
