//! What both sides of a mailbox share, and the senders' side of the work.
//!
//! Invariants, which the safety proofs below refer to by number:
//!
//! 1. While `LOCKED` is set in `state`, only the thread that set it writes `state`, and only it
//!    touches `back` and writes `first`. Everybody else waits for the bit to be clear.
//! 2. The count in `state` is the number of items ever appended, and rises only by `unlock`, after
//!    the items are written. Item `n` is written once, before the count exceeds `n`.
//! 3. The slots of items below the count belong to the receiver; the rest to the lock's holder.
//! 4. A segment is linked (through `first` or the `next` of the one before it) before the count
//!    exceeds its first item, and its `next` is not written again after that of the last item.
//! 5. `back.segment` is null, or the segment whose slots below `back.used` are written. The
//!    receiver frees or recycles a segment only when it has taken an item of a later one, or has
//!    detached it from `back` under the lock while nothing was queued.
#![expect(unsafe_code, reason = "senders and the receiver share memory by the rules above")]

use std::ptr;

use super::SendError;
use super::bytes::Bytes;
use super::limits::{Limits, Weigh};
use super::locked::{Back, CLOSED, LOCKED, Locked, RX_WAITS, SHIFT, TX_WAITS};
use super::owner::SHARES;
use super::segment::Segment;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Backoff, Ordering, UnsafeCell, peek};
use crate::waiters::Waiters;

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    TooLarge,
    Closed,
}

/// Two cache lines: senders work in the first, the receiver in the second.
#[repr(C, align(64))]
pub(super) struct Shared<T> {
    pub(super) state: AtomicU64,
    pub(super) back: UnsafeCell<Back<T>>,
    /// Changed under the lock; read by anybody who does not mind a change a moment later.
    pub(super) limit: AtomicU32,
    /// The most that were seen queued, by either side.
    pub(super) high: AtomicU32,
    /// How many senders there are, and how many sides; see [`super::owner`].
    pub(super) senders: AtomicU32,
    pub(super) shares: AtomicU32,
    /// Absent unless items are weighed.
    pub(super) bytes: Option<Box<Bytes>>,
    /// The segment of the first item since nothing was held.
    pub(super) first: UnsafeCell<*mut Segment<T>>,
    pub(super) front: Front<T>,
}

/// The receiver's line. What only the receiver needs is in its handle.
#[repr(C, align(64))]
pub(super) struct Front<T> {
    /// How many items have been taken.
    pub(super) head: AtomicU64,
    /// A segment to be used again, or null. The bound of what is recycled is this one place.
    pub(super) spare: AtomicPtr<Segment<T>>,
    pub(super) receivers: Waiters,
    pub(super) senders: Waiters,
}

// SAFETY: an item is moved in by the thread of a sender and out, or dropped, by the thread of the
// receiver; it is neither borrowed nor cloned by anybody in between. So `T: Send` is enough, and
// the pointers inside are used by the rules above from any thread.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above. A shared reference gives access to items only by the rules above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(limits: Limits, weighs: bool) -> Self {
        let back =
            Back { segment: ptr::null_mut(), check_at: 0, used: 0, capacity: 0, reserved: 0 };
        Self {
            state: AtomicU64::new(0),
            back: UnsafeCell::new(back),
            limit: AtomicU32::new(limits.max_messages()),
            high: AtomicU32::new(0),
            senders: AtomicU32::new(1),
            shares: AtomicU32::new(SHARES),
            bytes: weighs.then(|| Box::new(Bytes::new(limits.max_bytes()))),
            first: UnsafeCell::new(ptr::null_mut()),
            front: Front {
                head: AtomicU64::new(0),
                spare: AtomicPtr::new(ptr::null_mut()),
                receivers: Waiters::new(),
                senders: Waiters::new(),
            },
        }
    }

    /// The one locked instruction of a send.
    #[inline]
    fn lock(&self) -> Locked<'_, T> {
        let state = peek(&self.state);
        if state & LOCKED == 0 {
            // Acquire: pairs with the Release in `Locked::drop`.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            let taken = self.state.compare_exchange_weak(state, state | LOCKED, success, failure);
            if taken.is_ok() {
                return Locked { shared: self, state };
            }
        }
        self.lock_contended()
    }

    /// A lock, and no claim of places: its holder may lose the CPU, which makes other senders
    /// yield theirs; but the receiver never waits for it as long as something is queued.
    #[cold]
    fn lock_contended(&self) -> Locked<'_, T> {
        let mut backoff = Backoff::default();
        loop {
            let state = peek(&self.state);
            if state & LOCKED == 0 {
                let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
                let taken =
                    self.state.compare_exchange_weak(state, state | LOCKED, success, failure);
                if taken.is_ok() {
                    return Locked { shared: self, state };
                }
            }
            backoff.snooze();
        }
    }

    /// Appends one item, or hands it back.
    #[inline(always)]
    pub(super) fn append<W: Weigh<T>>(&self, item: T) -> Result<(), SendError<T>> {
        // What a user wrote runs before the lock is taken.
        let weight = if W::WEIGHS { W::bytes(&item) } else { 0 };
        let mut locked = self.lock();
        match locked.admit(W::WEIGHS, weight) {
            Ok(()) => {
                locked.write(item);
                locked.unlock_and_wake();
                Ok(())
            }
            Err(refusal) => {
                drop(locked);
                Err(refusal.of(item))
            }
        }
    }

    /// Appends as many of the first items as fit, and says how many; with one operation.
    pub(super) fn append_many<W: Weigh<T>>(&self, items: &mut Vec<T>) -> Result<usize, Refusal> {
        if W::WEIGHS {
            return self.append_weighed::<W>(items);
        }
        let mut locked = self.lock();
        // A batch that ends below the mark needs no look either.
        let end = locked.state.saturating_add((items.len() as u64) << SHIFT);
        let all = end <= locked.back().check_at;
        let room = if all { items.len() } else { locked.room(items.len())? };
        items.drain(..room).for_each(|item| locked.write(item));
        locked.unlock_and_wake();
        Ok(room)
    }

    /// The same, weighing first: what a user wrote must not run under the lock.
    fn append_weighed<W: Weigh<T>>(&self, items: &mut Vec<T>) -> Result<usize, Refusal> {
        let weights: Vec<u64> = items.iter().map(W::bytes).collect();
        let mut locked = self.lock();
        let mut room = locked.room(items.len())?;
        if let Some(bytes) = &self.bytes {
            room = locked.admit_weights(bytes, weights.get(..room).unwrap_or_default())?;
        }
        items.drain(..room).for_each(|item| locked.write(item));
        locked.unlock_and_wake();
        Ok(room)
    }

    /// Promises a place, and `bytes` for what will be in it.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        let mut locked = self.lock();
        locked.room(1)?;
        if let Some(books) = &self.bytes {
            locked.bytes(books).reserve(bytes)?;
        }
        let back = locked.back();
        back.reserved += 1;
        // The promise counts against the limit, so the next sender has to look.
        back.check_at = 0;
        Ok(())
    }

    /// Makes a promise good, with an item of this weight.
    pub(super) fn append_reserved(
        &self,
        item: T,
        weight: u64,
        promised: u64,
    ) -> Result<(), SendError<T>> {
        let mut locked = self.lock();
        locked.unreserve(promised);
        let closed = locked.state & CLOSED != 0;
        if closed || self.bytes.is_some() && weight > promised {
            self.unlock_and_admit(locked);
            return Err(if closed { Refusal::Closed } else { Refusal::TooLarge }.of(item));
        }
        if let Some(books) = &self.bytes {
            locked.bytes(books).add(weight);
        }
        // What was promised and not used may be what another waits for.
        let admit = locked.state & TX_WAITS != 0 && weight < promised;
        locked.write(item);
        locked.unlock_and_wake();
        if admit {
            self.admit_waiting();
        }
        Ok(())
    }

    /// Takes a promise back, and lets somebody else have the place.
    pub(super) fn unreserve(&self, promised: u64) {
        let mut locked = self.lock();
        locked.unreserve(promised);
        self.unlock_and_admit(locked);
    }

    pub(super) fn limits(&self) -> Limits {
        let mut locked = self.lock();
        let limits = Limits::messages(self.limit.load(Ordering::Relaxed));
        let limits = limits.expect("limits are made by `Limits`, which has none of 0");
        let bytes = self.bytes.as_ref().and_then(|books| locked.bytes(books).limit());
        bytes.and_then(|bytes| limits.and_bytes(bytes).ok()).unwrap_or(limits)
    }

    pub(super) fn set_limits(&self, limits: Limits) {
        let mut locked = self.lock();
        self.limit.store(limits.max_messages(), Ordering::Relaxed);
        locked.back().check_at = 0;
        if let Some(books) = &self.bytes {
            locked.bytes(books).set_limit(limits.max_bytes());
        }
        self.unlock_and_admit(locked);
    }

    /// The limit in messages; a later one may be in force already.
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn high_water(&self) -> u32 {
        self.saw_queued(self.len());
        self.high.load(Ordering::Relaxed)
    }

    /// Keeps the most that were ever seen queued.
    pub(super) fn saw_queued(&self, queued: u64) {
        self.high.fetch_max(u32::try_from(queued).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Bytes queued, and the most that ever were.
    pub(super) fn bytes_now_and_high(&self) -> (u64, u64) {
        let mut locked = self.lock();
        self.bytes.as_ref().map_or((0, 0), |books| {
            let mut books = locked.bytes(books);
            (books.queued(), books.high_water())
        })
    }

    /// How many were appended. Acquire: what was appended can be read.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.state.load(Ordering::Acquire) >> SHIFT
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many are queued, as of some moment.
    pub(super) fn len(&self) -> u64 {
        // In this order the head cannot have overtaken the count.
        let head = self.front.head.load(Ordering::Acquire);
        self.count() - head
    }

    pub(super) fn close(&self) {
        let mut locked = self.lock();
        locked.state |= CLOSED;
        locked.back().check_at = 0;
        locked.state &= !TX_WAITS;
        locked.unlock_and_wake();
        self.front.senders.wake_all();
    }

    /// After a sender has registered: whoever makes room from now on will look for it.
    pub(super) fn announce_sender(&self) {
        self.lock().state |= TX_WAITS;
        // Pairs with the fence in `Receiver`'s `settle`: either the receiver sees the bit, or the
        // sender, which looks again after this, sees how far the receiver has come.
        crate::sync::fence(Ordering::SeqCst);
    }

    /// True if senders wait; for the receiver, after its fence.
    pub(super) fn senders_wait(&self) -> bool {
        self.state.load(Ordering::Relaxed) & TX_WAITS != 0
    }

    /// Wakes as many waiting senders as there is room for.
    pub(super) fn admit_waiting(&self) {
        self.unlock_and_admit(self.lock());
    }

    fn unlock_and_admit(&self, mut locked: Locked<'_, T>) {
        if locked.state & TX_WAITS == 0 {
            return;
        }
        let room = locked.room(usize::MAX).unwrap_or(0).try_into().unwrap_or(u32::MAX);
        let waiting = self.front.senders.waiting();
        // Whoever registers after this look sets the bit again, under the lock and so after us.
        if waiting <= room {
            locked.state &= !TX_WAITS;
        }
        drop(locked);
        self.front.senders.wake(room);
    }

    /// For the receiver, after it has registered: true if it is going to be woken, false if it has
    /// to look again, for an item or the end.
    pub(super) fn arm_receiver(&self, head: u64) -> bool {
        let mut locked = self.lock();
        let waits = locked.state >> SHIFT == head && locked.state & CLOSED == 0;
        if waits {
            locked.state |= RX_WAITS;
        }
        waits
    }

    /// Forgets the last segment if nothing is queued: true if it is the receiver's to free.
    pub(super) fn detach(&self, head: u64) -> bool {
        let mut locked = self.lock();
        let empty = locked.state >> SHIFT == head;
        let back = locked.back();
        let detached = empty && !back.segment.is_null();
        if detached {
            (back.segment, back.used, back.capacity) = (ptr::null_mut(), 0, 0);
        }
        detached
    }

    /// The first segment since nothing was held.
    pub(super) fn first(&self) -> *mut Segment<T> {
        // SAFETY: called by the receiver only, when it holds no segment and knows of an item: by
        // invariants 4 and 5 the pointer was written before the item's count, which it has
        // acquired, and is not written again before the receiver detaches that segment.
        self.first.with(|first| unsafe { *first })
    }
}
