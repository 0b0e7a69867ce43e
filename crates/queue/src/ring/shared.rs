//! What the two ends of a ring share.
//!
//! A position is the sequence number of an item, from 0; position `p` has the slot `p & mask`.
//! There are as many slots as the capacity, rounded up to a power of two.
//!
//! Invariants, which the safety proofs here, in `back.rs` and in `front.rs` refer to by number:
//!
//! 1. There is one [`Back`](super::back::Back), which alone stores `tail`, and one
//!    [`Front`](super::front::Front), which alone stores `head`. Neither can be cloned, and to push
//!    or pop borrows the end exclusively.
//! 2. `head <= tail <= head + capacity`. The slots of the positions from `head` to `tail` hold
//!    items, all others are empty.
//! 3. The slots from `tail` to `room_until` are the back's: `room_until` is the capacity above a
//!    `head` that it has acquired, so the front has left them. The slots from `head` to `known`
//!    are the front's: `known` is a `tail` that it has acquired, so the back has written them.
//! 4. Once the front is gone, everything is the back's as soon as it has acquired `CONSUMER_GONE`.
#![expect(unsafe_code, reason = "two threads share memory by the rules above")]

use std::mem::MaybeUninit;

use crate::barrier::Barrier;
use crate::capacity::{self, CapacityError};
use crate::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use crate::waiters::Waiters;

/// In `flags`: the consumer waits; set by it after it has registered.
pub(super) const CONSUMER_WAITS: u32 = 1;
/// In `flags`: the producer waits; set by it after it has registered.
pub(super) const PRODUCER_WAITS: u32 = 2;
/// In `flags`: the consumer is gone. Set after its last step.
pub(super) const CONSUMER_GONE: u32 = 4;
/// In `flags`: the producer is gone. Set after its last step.
pub(super) const PRODUCER_GONE: u32 = 8;
/// In `flags`: each step has to be followed by a fence. Set from the beginning or never.
const FENCED: u32 = 16;

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// Three cache lines: each end writes one, and neither hardly ever the third.
#[repr(C)]
pub(super) struct Shared<T> {
    /// How many items were ever pushed.
    pub(super) tail: Position,
    /// How many of them were taken.
    pub(super) head: Position,
    quiet: Quiet<T>,
}

/// A counter in a line of its own.
#[repr(C, align(64))]
pub(super) struct Position(pub(super) AtomicU64);

#[repr(C, align(64))]
struct Quiet<T> {
    flags: AtomicU32,
    capacity: u32,
    /// The number of slots, a power of two, less one.
    mask: u64,
    slots: Box<[Slot<T>]>,
    barrier: Barrier,
    consumer: Waiters,
    producer: Waiters,
}

// SAFETY: an item is moved in by the producer's thread and moved out, or dropped, by the
// consumer's; or by the producer's, or by the thread that drops the ring, if the consumer is gone.
// It is neither borrowed nor cloned in between. So `T: Send` is enough.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above. A shared reference gives access to items only by the rules above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(capacity: usize) -> Result<Self, CapacityError> {
        let capacity = capacity::checked(capacity)?;
        // More slots than are used: finding one is a third of what a push would cost otherwise.
        let count = capacity.next_power_of_two();
        let slots = capacity::filled(count, |_| Slot::new(MaybeUninit::uninit()))?;
        let barrier = Barrier::new();
        Ok(Self {
            tail: Position(AtomicU64::new(0)),
            head: Position(AtomicU64::new(0)),
            quiet: Quiet {
                flags: AtomicU32::new(if barrier.is_free() { 0 } else { FENCED }),
                capacity,
                mask: u64::from(count - 1),
                slots,
                barrier,
                consumer: Waiters::new(),
                producer: Waiters::new(),
            },
        })
    }

    #[inline(always)]
    pub(super) fn capacity(&self) -> u32 {
        self.quiet.capacity
    }

    /// How many items are there, as of some moment.
    pub(super) fn len(&self) -> usize {
        // In this order the head cannot have overtaken the tail.
        let head = self.head.0.load(Ordering::Acquire);
        let tail = self.tail.0.load(Ordering::Acquire);
        // This thread may have been away between the two looks.
        (tail - head).min(u64::from(self.quiet.capacity)) as usize
    }

    /// The slot of this position.
    #[inline(always)]
    pub(super) fn slot(&self, position: u64) -> &Slot<T> {
        let slot = (position & self.quiet.mask) as usize;
        debug_assert!(slot < self.quiet.slots.len(), "no such slot");
        // SAFETY: the mask is the number of slots less one, so this is below it.
        unsafe { self.quiet.slots.get_unchecked(slot) }
    }

    /// After each step of an end: those of the flags that are `wanted`, and set.
    #[inline(always)]
    pub(super) fn flags_after_step(&self, wanted: u32) -> u32 {
        // Pairs with the barrier in `arm`: either this sees that the other waits, or the other,
        // which looks again after its barrier, sees the step.
        Barrier::frequent_if_free();
        match self.quiet.flags.load(Ordering::Relaxed) & (wanted | FENCED) {
            0 => 0,
            flags => self.flags_after_fence(wanted, flags),
        }
    }

    #[cold]
    fn flags_after_fence(&self, wanted: u32, seen: u32) -> u32 {
        if seen & FENCED == 0 {
            return seen;
        }
        self.quiet.barrier.frequent();
        self.quiet.flags.load(Ordering::Relaxed) & wanted
    }

    /// Whether this flag is set. Acquire: if an end is gone, all it did comes before.
    pub(super) fn is(&self, flag: u32) -> bool {
        self.quiet.flags.load(Ordering::Acquire) & flag != 0
    }

    /// After an end has registered among the waiters: from now on the other looks for it. A second
    /// look has to follow.
    pub(super) fn arm(&self, waits: u32) {
        // AcqRel: pairs with the exchange in `wake`, which then sees the registration.
        self.quiet.flags.fetch_or(waits, Ordering::AcqRel);
        self.quiet.barrier.rare();
    }

    /// Wakes the end that has set this flag.
    #[cold]
    #[inline(never)]
    pub(super) fn wake(&self, waits: u32) {
        // Acquire: what it registered before it set the flag is seen, so clearing a flag that was
        // just set again wakes it again.
        self.quiet.flags.fetch_and(!waits, Ordering::AcqRel);
        self.waiters(waits).wake(1);
    }

    /// Where an end registers before it sets this flag.
    pub(super) fn waiters(&self, waits: u32) -> &Waiters {
        if waits == CONSUMER_WAITS { &self.quiet.consumer } else { &self.quiet.producer }
    }

    /// An end is gone: tells the other, and wakes it.
    pub(super) fn leave(&self, gone: u32, others_wait: u32) {
        // Release: see `is`. One word for both, so either this sees that the other waits, or the
        // other, which sets its flag and looks again, sees the end.
        let flags = self.quiet.flags.fetch_or(gone, Ordering::AcqRel);
        if flags & others_wait != 0 {
            self.wake(others_wait);
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let head = self.head.0.load(Ordering::Relaxed);
        for position in head..self.tail.0.load(Ordering::Relaxed) {
            // SAFETY: both ends are gone, and by invariant 2 these slots hold items.
            self.slot(position).with_mut(|slot| unsafe { (*slot).assume_init_drop() });
        }
    }
}
