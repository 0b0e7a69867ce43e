//! What writers and the reader of an overwriting ring share, and the work of both.
//!
//! A position is the sequence number of an item, from 0. Position `p` has the slot `p % slots`,
//! and a slot names the node that the item is in. There is one slot more than the capacity, and
//! one node more than slots: the spare.
//!
//! Invariants, which the safety proofs below refer to by number:
//!
//! 1. `back` and `table` are written by the *turn's holder* only: the one writer, or the thread
//!    that set `LOCKED` in `tail`. One turn happens before the next.
//! 2. The positions from `head` to `tail` hold items nobody has taken. Whoever moves `head` past a
//!    position, by its one atomic step, owns the item that was there: it moves it out, once.
//! 3. Only the reader moves `head` without knowing its value, and only when an item is there:
//!    `head < tail` at that moment, because it found `tail` above its own last position, and
//!    a writer moves `head` to `tail - capacity` at most.
//! 4. The reader owns one item at a time, and stores `released` past it when it has moved it out.
//!    So a node belongs to the holder of the turn unless its item is not taken, or is the one the
//!    reader is at.
//! 5. A node the reader is at is not written, nor named by a slot of a later position: the turn's
//!    holder that comes round to its slot leaves it to the reader in `displaced`, and gives the
//!    slot the spare. It becomes the spare in turn, to be used when the reader is next found at a
//!    node; by then it has left this one.
#![expect(unsafe_code, reason = "writers and the reader share memory by the rules above")]

use std::mem::MaybeUninit;

use super::error::Closed;
use crate::barrier::Barrier;
use crate::capacity::{self, CapacityError};
use crate::sync::{AtomicU32, AtomicU64, Backoff, Ordering, UnsafeCell, own, own_u32, peek};
use crate::waiters::Waiters;

/// In `tail`: a writer is at work. The number of items ever pushed stands above it.
const LOCKED: u64 = 1;
const SHIFT: u32 = 1;

/// In `flags`: the reader waits; set by it after it has registered.
pub(super) const READER_WAITS: u32 = 1;
/// In `flags`: the reader is gone.
pub(super) const READER_GONE: u32 = 2;
/// In `flags`: all writers are gone.
pub(super) const WRITERS_GONE: u32 = 4;

/// Stands for no position. A ring would have to run for 200 years to get there.
const NOWHERE: u64 = u64::MAX;

type Node<T> = UnsafeCell<MaybeUninit<T>>;

/// Three cache lines: one the writers work in, one that both sides change, one hardly ever changed.
#[repr(C, align(64))]
pub(super) struct Shared<T> {
    /// How many items were ever pushed, and `LOCKED`.
    tail: AtomicU64,
    back: UnsafeCell<Back>,
    front: Front,
    quiet: Quiet<T>,
}

/// What only the holder of the turn needs.
#[derive(Debug)]
struct Back {
    /// The slot of position `tail`.
    slot: u32,
    spare: u32,
    /// The last position taken by a writer.
    evicted: u64,
    /// Where `head` was, at least.
    head: u64,
    /// Positions below this have a free slot, as far as is known without a look at the reader.
    free_until: u64,
}

#[repr(C, align(64))]
struct Front {
    /// The oldest position that nobody has taken.
    head: AtomicU64,
    /// The reader is past all positions below.
    released: AtomicU64,
}

#[repr(C, align(64))]
struct Quiet<T> {
    flags: AtomicU32,
    /// The node at which the reader was found; see invariant 5.
    displaced: AtomicU32,
    /// The position of the item in it.
    displaced_at: AtomicU64,
    barrier: Barrier,
    capacity: u32,
    writers: AtomicU32,
    /// The node of each slot.
    table: Box<[AtomicU32]>,
    nodes: Box<[Node<T>]>,
    waiters: Waiters,
}

// SAFETY: an item is moved in by a writer's thread, and moved out by another writer's or by the
// reader's, or dropped by whoever drops the ring. It is neither borrowed nor cloned in between. So
// `T: Send` is enough; everything else in here is used from any thread by the rules above.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above. A shared reference gives access to items only by the rules above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(capacity: usize) -> Result<Self, CapacityError> {
        let capacity = capacity::checked(capacity)?;
        let slots = capacity + 1;
        let table = capacity::filled(slots, AtomicU32::new)?;
        let nodes = capacity::filled(slots + 1, |_| UnsafeCell::new(MaybeUninit::uninit()))?;
        let free_until = u64::from(slots);
        let back = Back { slot: 0, spare: slots, evicted: NOWHERE, head: 0, free_until };
        Ok(Self {
            tail: AtomicU64::new(0),
            back: UnsafeCell::new(back),
            front: Front { head: AtomicU64::new(0), released: AtomicU64::new(0) },
            quiet: Quiet {
                flags: AtomicU32::new(0),
                displaced: AtomicU32::new(0),
                displaced_at: AtomicU64::new(NOWHERE),
                barrier: Barrier::new(),
                capacity,
                writers: AtomicU32::new(1),
                table,
                nodes,
                waiters: Waiters::new(),
            },
        })
    }

    pub(super) fn capacity(&self) -> usize {
        self.quiet.capacity as usize
    }

    pub(super) fn waiters(&self) -> &Waiters {
        &self.quiet.waiters
    }

    /// How many items were ever pushed. Acquire: all of them can be read.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.tail.load(Ordering::Acquire) >> SHIFT
    }

    /// How many items are there, as of some moment.
    pub(super) fn len(&self) -> usize {
        // In this order the head cannot have overtaken the count.
        let head = self.front.head.load(Ordering::Acquire);
        // A writer may be about to overwrite one, or this thread was away between the two looks.
        (self.count() - head).min(u64::from(self.quiet.capacity)) as usize
    }

    /// Takes the turn; says the position it is for.
    #[inline]
    fn lock(&self) -> u64 {
        let mut backoff = Backoff::default();
        loop {
            let tail = peek(&self.tail);
            // Acquire: pairs with the Release that ended the turn before.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            if tail & LOCKED == 0
                && self.tail.compare_exchange_weak(tail, tail | LOCKED, success, failure).is_ok()
            {
                return tail >> SHIFT;
            }
            backoff.snooze();
        }
    }

    /// Appends an item. Hands back the oldest if there was no room for it, or the item itself if
    /// there is no reader.
    ///
    /// # Safety
    ///
    /// If not `SHARED`, no other thread pushes at the same time, and earlier pushes of others
    /// happen before.
    #[inline(always)]
    pub(super) unsafe fn push<const SHARED: bool>(&self, item: T) -> Result<Option<T>, Closed<T>> {
        if self.quiet.flags.load(Ordering::Relaxed) & READER_GONE != 0 {
            return Err(Closed(item));
        }
        let position = match SHARED {
            true => self.lock(),
            false => own(&self.tail) >> SHIFT,
        };
        // SAFETY: this thread has the turn: by the lock, or by the contract. The reference ends
        // with this call, below, and with the turn, in `evict`.
        let node = self.back.with_mut(|back| unsafe { self.vacate(&mut *back, position) });
        let node = self.node(node);
        // SAFETY: `vacate` gives a node that is the turn holder's, with no item in it.
        node.with_mut(|node| unsafe { (*node).write(item) });
        let lock = if SHARED { LOCKED } else { 0 };
        // Release: pairs with the Acquire in `count`; the item can be read from here on.
        self.tail.store((position + 1) << SHIFT | lock, Ordering::Release);
        // SAFETY: as above, this thread still has the turn.
        let oldest = self.back.with_mut(|back| unsafe { self.evict(&mut *back, position) });
        if SHARED {
            // Release: ends the turn; pairs with the Acquire in `lock`.
            self.tail.store((position + 1) << SHIFT, Ordering::Release);
        }
        // Pairs with the barrier in `arm`: either this sees that the reader waits, or the reader,
        // which looks again after its barrier, sees the item.
        self.quiet.barrier.frequent();
        if self.quiet.flags.load(Ordering::Relaxed) & READER_WAITS != 0 {
            self.wake_reader();
        }
        Ok(oldest)
    }

    /// A node for position `position`, which is put into its slot. For the holder of the turn.
    #[inline(always)]
    fn vacate(&self, back: &mut Back, position: u64) -> u32 {
        let entry = self.entry(back.slot);
        let mut node = own_u32(entry);
        if position >= back.free_until && back.evicted != position - self.slots() {
            node = self.vacate_behind_reader(back, position, node);
        }
        back.slot = if back.slot == self.quiet.capacity { 0 } else { back.slot + 1 };
        node
    }

    /// The same where the reader took the item that was in the slot, and may be at it still.
    #[cold]
    fn vacate_behind_reader(&self, back: &mut Back, position: u64, node: u32) -> u32 {
        let before = position - self.slots();
        // Acquire: pairs with the Release in `take`; the reader's moves come before our writes.
        let released = self.front.released.load(Ordering::Acquire);
        back.free_until = released + self.slots();
        if released > before {
            return node;
        }
        // Invariant 5. The reader left the spare before it came here: its step past `before` has
        // been seen with Acquire (in `evict`), and comes after its leaving the node before.
        let spare = std::mem::replace(&mut back.spare, node);
        self.quiet.displaced.store(node, Ordering::Relaxed);
        // Release, twice: whoever sees one of these sees what was stored before it. Pairs with the
        // Acquire loads in `find`.
        self.quiet.displaced_at.store(before, Ordering::Release);
        self.entry(back.slot).store(spare, Ordering::Release);
        spare
    }

    /// After position `position` was filled: takes the oldest item if there is one too many. For
    /// the holder of the turn.
    #[inline(always)]
    fn evict(&self, back: &mut Back, position: u64) -> Option<T> {
        let oldest = position.checked_sub(u64::from(self.quiet.capacity))?;
        if back.head > oldest {
            return None;
        }
        // The head is at `oldest` or beyond, as every turn saw to that for the position before.
        // Release: a reader that goes on from here can read all up to `position`, see `take`.
        // Acquire: the reader's step past `oldest` comes after it left what it had before.
        let (success, failure) = (Ordering::Release, Ordering::Acquire);
        match self.front.head.compare_exchange(oldest, oldest + 1, success, failure) {
            Ok(_) => {
                back.head = oldest + 1;
                back.evicted = oldest;
                // `position + 1` has the slot of `oldest`: there is one slot more than items.
                let node = self.entry(back.slot).load(Ordering::Relaxed);
                // SAFETY: invariant 2: the exchange made the item ours. It was written by a turn
                // before this one, or by this one if the capacity is 1 and it is another's.
                Some(self.node(node).with(|node| unsafe { (*node).assume_init_read() }))
            }
            Err(head) => {
                back.head = head;
                None
            }
        }
    }

    /// Takes the oldest item. For the reader, which knows of an item at `cursor.next` or later.
    #[inline(always)]
    pub(super) fn take(&self, cursor: &mut Cursor) -> (u64, T) {
        debug_assert!(cursor.known > cursor.next, "took from an empty ring");
        let (expected, slot) = (cursor.next, cursor.slot);
        // All that does not depend on the step below is done before it, as it would wait for it.
        cursor.next = expected + 1;
        cursor.slot = if slot == self.quiet.capacity { 0 } else { slot + 1 };
        // Relaxed: whoever published the item had stored it.
        let node = self.node(self.entry(slot).load(Ordering::Relaxed));
        // By invariant 3 there is an item, whatever the writers have done since.
        // Acquire: if writers moved the head, the item was written before they did; see `evict`.
        // Release: see there.
        let position = self.front.head.fetch_add(1, Ordering::AcqRel);
        if position != expected {
            return (position, self.take_beyond(cursor, position));
        }
        // SAFETY: invariant 2: the step made the item ours. It was written before `cursor.known`
        // was stored, or before writers moved the head. It is in this node: nobody had taken it
        // before the step, and until then its slot names the node it was written to.
        let item = node.with(|node| unsafe { (*node).assume_init_read() });
        // Release: pairs with the Acquire in `vacate_behind_reader`.
        self.front.released.store(expected + 1, Ordering::Release);
        (expected, item)
    }

    /// The same after the step, where writers had taken what was expected.
    #[cold]
    fn take_beyond(&self, cursor: &mut Cursor, position: u64) -> T {
        debug_assert!(position >= cursor.next, "the head went back");
        let skipped = position + 1 - cursor.next;
        cursor.slot = ((u64::from(cursor.slot) + skipped) % self.slots()) as u32;
        cursor.next = position + 1;
        cursor.known = cursor.known.max(cursor.next);
        let slot = if cursor.slot == 0 { self.quiet.capacity } else { cursor.slot - 1 };
        let node = self.node(self.find(slot, position));
        // SAFETY: invariant 2: the step made the item ours, and 5: it is where `find` says.
        // Writers moved the head, after they had written the item.
        let item = node.with(|node| unsafe { (*node).assume_init_read() });
        // Release: pairs with the Acquire in `vacate_behind_reader`.
        self.front.released.store(position + 1, Ordering::Release);
        item
    }

    /// The node of an item that the reader has just taken from this slot.
    fn find(&self, slot: u32, position: u64) -> u32 {
        // Acquire, twice: if the slot has been given another node since, the next load sees so.
        let node = self.entry(slot).load(Ordering::Acquire);
        if self.quiet.displaced_at.load(Ordering::Acquire) == position {
            return self.quiet.displaced.load(Ordering::Relaxed);
        }
        node
    }

    #[inline(always)]
    fn slots(&self) -> u64 {
        u64::from(self.quiet.capacity) + 1
    }

    #[inline(always)]
    fn entry(&self, slot: u32) -> &AtomicU32 {
        debug_assert!(u64::from(slot) < self.slots(), "no such slot");
        // SAFETY: the table has `slots` entries, and slots are counted modulo that, in `vacate`,
        // `take` and `take_beyond`.
        unsafe { self.quiet.table.get_unchecked(slot as usize) }
    }

    #[inline(always)]
    fn node(&self, node: u32) -> &Node<T> {
        debug_assert!(u64::from(node) <= self.slots(), "no such node");
        // SAFETY: the table and the spare were made as the numbers of all nodes, and are only
        // exchanged among each other.
        unsafe { self.quiet.nodes.get_unchecked(node as usize) }
    }

    /// After the reader has registered: from now on writers look for it. A second look has to
    /// follow.
    pub(super) fn arm(&self) {
        // AcqRel: pairs with the exchange in `wake_reader`, which then sees the registration.
        self.quiet.flags.fetch_or(READER_WAITS, Ordering::AcqRel);
        self.quiet.barrier.rare();
    }

    #[cold]
    #[inline(never)]
    fn wake_reader(&self) {
        // Acquire: what the reader registered before it set the flag is seen, so clearing a flag
        // that was just set again wakes it again.
        self.quiet.flags.fetch_and(!READER_WAITS, Ordering::AcqRel);
        self.quiet.waiters.wake(1);
    }

    pub(super) fn is(&self, flag: u32) -> bool {
        self.quiet.flags.load(Ordering::Acquire) & flag != 0
    }

    pub(super) fn leave_reader(&self) {
        self.quiet.flags.fetch_or(READER_GONE, Ordering::AcqRel);
    }

    pub(super) fn add_writer(&self) {
        // Relaxed: whoever is a writer may make another; passing it on orders the rest.
        let writers = self.quiet.writers.fetch_add(1, Ordering::Relaxed);
        // A count that wraps would end a ring in use. Nobody has 2^31 handles but by leaking.
        assert!(writers < u32::MAX / 2, "more than 2^31 writers");
    }

    /// The last one ends the ring.
    pub(super) fn leave_writer(&self) {
        // AcqRel: the others' pushes come before the end that the reader sees.
        if self.quiet.writers.fetch_sub(1, Ordering::AcqRel) == 1 {
            // One word for both, so either we see that the reader waits, or it sees the end.
            let flags = self.quiet.flags.fetch_or(WRITERS_GONE, Ordering::AcqRel);
            if flags & READER_WAITS != 0 {
                self.wake_reader();
            }
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let (head, tail) = (self.front.head.load(Ordering::Relaxed), self.count());
        for position in head..tail {
            let node = self.entry((position % self.slots()) as u32).load(Ordering::Relaxed);
            // SAFETY: nobody else is left, and by invariant 2 these are the items not taken.
            self.node(node).with_mut(|node| unsafe { (*node).assume_init_drop() });
        }
    }
}

/// Where the reader is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The position after the last one read.
    pub(super) next: u64,
    /// There is something to read as long as this is above `next`.
    pub(super) known: u64,
    /// The slot of `next`.
    slot: u32,
}
