//! What producers and consumers of a broadcast ring share, and the producers' side of the work.
//!
//! A position is the sequence number of an entry, from 0; position `p` has the slot `p % capacity`.
//!
//! Invariants, which the safety proofs below refer to by number:
//!
//! 1. While `LOCKED` is set in `state`, only the thread that set it writes `state`, and only it
//!    touches `back` and the slots of positions from the count on. One turn happens before the
//!    next.
//! 2. The slots of positions from `freed` to the count hold entries; all others are empty. The
//!    count rises only by `Turn::drop`, after the entries are written, and never exceeds `freed`
//!    by more than the capacity.
//! 3. `freed` rises only in `reclaim`, by one thread at a time (`Registry::reclaiming`), after the
//!    entries below were dropped; and never above the position of a consumer that has joined.
//! 4. A consumer joins at the count of that moment, under the registry's lock, under which minima
//!    are taken as well: those before are not above its position, those after include it. It reads
//!    entries from its position up to the count as it saw it, and raises its position when it
//!    borrows none of them any more.
#![expect(unsafe_code, reason = "producers and consumers share memory by the rules above")]

use std::mem::MaybeUninit;
use std::sync::PoisonError;

use super::cursor::Cursor;
use super::error::PublishError;
use super::patience::WaitStrategy;
use super::turn::Back;
use crate::barrier::Arc;
use crate::capacity::{self, CapacityError};
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, UnsafeCell, fence, own};
use crate::waiters::Waiters;

/// In `state`: a producer, or a consumer that goes to sleep, is at work.
pub(super) const LOCKED: u64 = 1;
/// In `state`: nothing more will be published.
pub(super) const CLOSED: u64 = 2;
/// In `state`: a consumer waits for the next entry. Set under the lock, after it registered.
pub(super) const CONSUMERS_WAIT: u64 = 4;
/// Above the flags stands the count: how many entries were ever published.
pub(super) const SHIFT: u32 = 3;

/// In `flags`: a producer waits for room. Set after it registered.
const PRODUCERS_WAIT: u32 = 1;
/// In `flags`: a consumer waits for those it comes after. Set after it registered.
const FOLLOWERS_WAIT: u32 = 2;

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

#[repr(C, align(64))]
pub(super) struct Shared<T> {
    pub(super) state: AtomicU64,
    pub(super) back: UnsafeCell<Back>,
    quiet: Quiet<T>,
    waits: Waits,
}

/// Changed seldom: once per batch at most.
#[repr(C, align(64))]
struct Quiet<T> {
    flags: AtomicU32,
    capacity: u32,
    strategy: WaitStrategy,
    slots: Box<[Slot<T>]>,
    producers: AtomicU32,
    freed: AtomicU64,
}

#[repr(C, align(64))]
struct Waits {
    registry: Mutex<Registry>,
    consumers: Waiters,
    followers: Waiters,
    producers: Waiters,
}

#[derive(Debug, Default)]
struct Registry {
    cursors: Vec<Arc<Cursor>>,
    /// Somebody is dropping entries at the moment, and will look again afterwards.
    reclaiming: bool,
}

// SAFETY: entries are moved in by a producer's thread, borrowed by several consumers' at once
// (`T: Sync`), and dropped by whichever thread finds that nobody needs them (`T: Send`). They are
// not cloned, nor moved out.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(capacity: usize, strategy: WaitStrategy) -> Result<Self, CapacityError> {
        let capacity = capacity::checked(capacity)?;
        let slots = capacity::filled(capacity, |_| Slot::new(MaybeUninit::uninit()))?;
        Ok(Self {
            state: AtomicU64::new(0),
            back: UnsafeCell::new(Back::new(u64::from(capacity))),
            quiet: Quiet {
                flags: AtomicU32::new(0),
                capacity,
                strategy,
                slots,
                producers: AtomicU32::new(1),
                freed: AtomicU64::new(0),
            },
            waits: Waits {
                registry: Mutex::new(Registry::default()),
                consumers: Waiters::new(),
                followers: Waiters::new(),
                producers: Waiters::new(),
            },
        })
    }

    pub(super) fn capacity(&self) -> u32 {
        self.quiet.capacity
    }

    pub(super) fn strategy(&self) -> WaitStrategy {
        self.quiet.strategy
    }

    pub(super) fn waiters(&self, followers: bool) -> &Waiters {
        if followers { &self.waits.followers } else { &self.waits.consumers }
    }

    pub(super) fn waiting_producers(&self) -> &Waiters {
        &self.waits.producers
    }

    /// Count and flags. Acquire: all entries below the count can be read.
    #[inline]
    pub(super) fn state(&self) -> u64 {
        self.state.load(Ordering::Acquire)
    }

    /// Publishes, if there is room as far as is known without looking at the consumers.
    #[inline]
    fn append(&self, item: T) -> Result<(), PublishError<T>> {
        let mut turn = self.lock();
        if let Err(refused) = turn.admit() {
            return Err(refused.map(|()| item));
        }
        turn.write(item);
        turn.unlock_and_wake();
        Ok(())
    }

    /// Publishes one entry; looks at the consumers if it must.
    #[inline]
    pub(super) fn publish(&self, mut item: T) -> Result<(), PublishError<T>> {
        loop {
            match self.append(item) {
                Err(PublishError::Full(back)) if self.make_room() => item = back,
                result => return result,
            }
        }
    }

    /// Publishes as many of the first items as there is room for, in one turn; says how many.
    pub(super) fn publish_many(&self, items: &mut Vec<T>) -> Result<usize, PublishError<()>> {
        let mut turn = self.lock();
        let mut room = turn.room()?;
        if room < items.len().max(1) {
            drop(turn);
            self.reclaim();
            turn = self.lock();
            room = turn.room()?;
        }
        if room == 0 {
            return Err(PublishError::Full(()));
        }
        let count = items.len().min(room);
        items.drain(..count).for_each(|item| turn.write(item));
        turn.unlock_and_wake();
        Ok(count)
    }

    /// Looks at the consumers; true if there is room afterwards.
    #[cold]
    fn make_room(&self) -> bool {
        self.reclaim();
        self.room() > 0
    }

    /// How many entries could be published, as of some moment.
    fn room(&self) -> u64 {
        // In this order: entries may be published in between, which makes it less than it is.
        let freed = self.quiet.freed.load(Ordering::Acquire);
        (freed + u64::from(self.quiet.capacity)).saturating_sub(self.state() >> SHIFT)
    }

    /// All entries below are dropped, and no consumer is below.
    #[inline]
    pub(super) fn freed(&self) -> u64 {
        self.quiet.freed.load(Ordering::Acquire)
    }

    /// After a producer has registered: from now on whoever makes room wakes it. A second look has
    /// to follow.
    pub(super) fn arm_producer(&self) {
        self.arm(PRODUCERS_WAIT);
    }

    /// The same for a consumer that waits for others.
    pub(super) fn arm_follower(&self) {
        self.arm(FOLLOWERS_WAIT);
    }

    fn arm(&self, flag: u32) {
        // AcqRel: pairs with the exchange that clears it, which then sees the registration.
        self.quiet.flags.fetch_or(flag, Ordering::AcqRel);
        // Pairs with the fence in `released`: either that sees the flag, or what was changed
        // before it is seen by the second look.
        fence(Ordering::SeqCst);
    }

    /// After a consumer has registered: true if it is going to be woken, false if there are entries
    /// from `position` on, or the end.
    pub(super) fn arm_consumer(&self, position: u64) -> bool {
        let mut turn = self.lock();
        let waits = turn.state >> SHIFT == position && turn.state & CLOSED == 0;
        if waits {
            turn.state |= CONSUMERS_WAIT;
        }
        waits
    }

    /// Ends the ring: nothing more is published, and nobody waits in vain.
    pub(super) fn close(&self) {
        let mut turn = self.lock();
        turn.state |= CLOSED;
        turn.state &= !CONSUMERS_WAIT;
        drop(turn);
        for waiters in [&self.waits.consumers, &self.waits.followers, &self.waits.producers] {
            waiters.notify(u32::MAX);
        }
    }

    pub(super) fn add_producer(&self) {
        // Relaxed: whoever is a producer may make another; passing it on orders the rest.
        let producers = self.quiet.producers.fetch_add(1, Ordering::Relaxed);
        // A count that wraps would end a ring in use. Nobody has 2^31 handles but by leaking.
        assert!(producers < u32::MAX / 2, "more than 2^31 producers");
    }

    /// The last one ends the ring.
    pub(super) fn leave_producer(&self) {
        // AcqRel: what the others published comes before the end.
        if self.quiet.producers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    /// A new consumer, at the end of what is published.
    pub(super) fn join(&self) -> Arc<Cursor> {
        let mut registry = self.registry();
        // Under the lock: see invariant 4.
        let cursor = Arc::new(Cursor::new(self.state() >> SHIFT));
        registry.cursors.push(cursor.clone());
        cursor
    }

    /// A consumer is gone: nobody waits for it any more.
    pub(super) fn leave(&self, cursor: &Arc<Cursor>, before: Vec<Arc<Cursor>>) {
        self.registry().cursors.retain(|other| !Arc::ptr_eq(other, cursor));
        cursor.leave(before);
        self.waits.followers.notify(u32::MAX);
        self.reclaim();
    }

    pub(super) fn consumers(&self) -> usize {
        self.registry().cursors.len()
    }

    /// After a consumer has released its entries from `before` on.
    #[inline]
    pub(super) fn released(&self, before: u64) {
        // Pairs with the fence in `arm`.
        fence(Ordering::SeqCst);
        let flags = self.quiet.flags.load(Ordering::Relaxed);
        if flags & FOLLOWERS_WAIT != 0 {
            // Acquire: what a follower registered before it set the flag is seen.
            self.quiet.flags.fetch_and(!FOLLOWERS_WAIT, Ordering::AcqRel);
            self.waits.followers.wake_all();
        }
        // Only the slowest consumer makes room.
        let needed = std::mem::needs_drop::<T>() || flags & PRODUCERS_WAIT != 0;
        if needed && before <= self.quiet.freed.load(Ordering::Relaxed) {
            self.reclaim();
        }
    }

    /// Drops the entries that every consumer has released, and lets producers have the room.
    ///
    /// If somebody is at it already, that one looks again when it is done.
    #[cold]
    pub(super) fn reclaim(&self) {
        loop {
            let mut registry = self.registry();
            if registry.reclaiming {
                return;
            }
            let lowest = registry.cursors.iter().map(|cursor| cursor.position()).min();
            let lowest = lowest.unwrap_or_else(|| self.state() >> SHIFT);
            // Whoever stored it last had this lock afterwards.
            let freed = own(&self.quiet.freed);
            if lowest <= freed {
                return;
            }
            registry.reclaiming = true;
            drop(registry);
            // Outside of the lock: an entry's drop may run anything, this ring included.
            let done = Reclaimed { shared: self, lowest };
            self.drop_entries(freed, lowest);
            drop(done);
        }
    }

    /// Drops the entries of these positions: for whoever is reclaiming, or is the last.
    fn drop_entries(&self, from: u64, to: u64) {
        if !std::mem::needs_drop::<T>() || from == to {
            return;
        }
        /// Goes on with the rest if a drop panics.
        struct Rest<'a, T>(&'a Shared<T>, u64, u64);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                self.0.drop_entries(self.1, self.2);
            }
        }
        let mut rest = Rest(self, from, to);
        let mut slot = (from % u64::from(self.quiet.capacity)) as u32;
        while rest.1 < to {
            rest.1 += 1;
            let entry = self.slot(slot);
            slot = if slot + 1 == self.quiet.capacity { 0 } else { slot + 1 };
            // SAFETY: invariants 2 and 3: from `freed` to `lowest` there are entries that every
            // consumer has released (Acquire in `position`), producers write none of these slots
            // before `freed` is stored, and nobody else drops entries meanwhile.
            entry.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        }
    }

    #[inline(always)]
    pub(super) fn slot(&self, slot: u32) -> &Slot<T> {
        debug_assert!(slot < self.quiet.capacity, "no such slot");
        // SAFETY: there are `capacity` slots, and slots are counted modulo that: here above, in
        // `Turn::write`, and in `Batch`.
        unsafe { self.quiet.slots.get_unchecked(slot as usize) }
    }

    /// The entry in this slot.
    ///
    /// # Safety
    ///
    /// It is that of a position which is not below that of a consumer that has joined, and below a
    /// count that this thread has acquired, as long as the reference lives.
    #[inline(always)]
    pub(super) unsafe fn entry(&self, slot: u32) -> &T {
        // SAFETY: by the contract and invariants 2 and 3 there is an entry, which is neither
        // written nor dropped as long as the consumer is not past it.
        self.slot(slot).with(|slot| unsafe { (*slot).assume_init_ref() })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Nothing is left half done in there.
        self.waits.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a round of `reclaim`, also if a drop panicked: the entries below are gone.
struct Reclaimed<'a, T> {
    shared: &'a Shared<T>,
    lowest: u64,
}

impl<T> Drop for Reclaimed<'_, T> {
    fn drop(&mut self) {
        let shared = self.shared;
        // Release: pairs with the Acquire in `Turn::admit`. The drops come before the writes.
        shared.quiet.freed.store(self.lowest, Ordering::Release);
        // No fence is needed after it: a producer that sets its flag takes this lock once more for
        // its second look. Either it came before, and the flag is seen below; or it sees the room.
        shared.registry().reclaiming = false;
        if shared.quiet.flags.load(Ordering::Relaxed) & PRODUCERS_WAIT == 0 {
            return;
        }
        // Acquire: what a producer registered before it set the flag is seen.
        shared.quiet.flags.fetch_and(!PRODUCERS_WAIT, Ordering::AcqRel);
        let room = u32::try_from(shared.room()).unwrap_or(u32::MAX);
        if shared.waits.producers.waiting() > room {
            // There is not room for all of them. Whoever registers later sets it itself.
            shared.quiet.flags.fetch_or(PRODUCERS_WAIT, Ordering::AcqRel);
        }
        shared.waits.producers.wake(room.max(1));
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Nobody else is left, so what is not freed is ours.
        self.drop_entries(self.freed(), self.state() >> SHIFT);
    }
}
