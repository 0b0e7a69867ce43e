//! The receiver's side of the work: reads items without any locked instruction.
//!
//! Invariants, beside those of [`super::shared`]:
//!
//! 6. `head <= tail <=` the count in `state`, and this was acquired up to `tail`: the items from
//!    `head` to `tail` are written, visible to this thread, and this reader's.
//! 7. `segment` is null, or the segment whose slot `at` is, or was, that of item `head`; if `at`
//!    is its capacity, the item is the first of its `next`.
#![expect(unsafe_code, reason = "reads what senders wrote, by the rules of `shared`")]

use std::ptr;

use super::limits::Weigh;
use super::owner::Owner;
use super::segment::Segment;
use crate::sync::{Ordering, fence};

/// Senders that wait are looked for once per so many items at most; see `settle`.
const SETTLE_EVERY: u64 = 128;

/// The only reader of a mailbox.
pub(super) struct Reader<T> {
    pub(super) shared: Owner<T>,
    segment: *mut Segment<T>,
    at: u16,
    capacity: u16,
    head: u64,
    tail: u64,
    /// The head from which on waiting senders have to be looked for.
    settle_at: u64,
    /// The head when they were last looked for.
    settled: u64,
    /// The most that were found queued.
    high: u64,
    /// If more than this is queued, `high` or `settle_at` may have to change.
    alarm: u64,
    bytes_taken: u64,
}

// SAFETY: items are moved out, and dropped, on the thread that has the reader, having come from
// the threads of senders: `T: Send`. They are not shared, so it takes no `Sync`.
unsafe impl<T: Send> Send for Reader<T> {}
// SAFETY: a shared reader gives access to no item, only to numbers.
unsafe impl<T: Send> Sync for Reader<T> {}

impl<T> Reader<T> {
    pub(super) fn new(shared: Owner<T>) -> Self {
        Self {
            shared,
            segment: ptr::null_mut(),
            at: 0,
            capacity: 0,
            head: 0,
            tail: 0,
            settle_at: 0,
            settled: 0,
            high: 0,
            alarm: 0,
            bytes_taken: 0,
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// How many items can be taken now; asks the senders only if there is none.
    #[inline]
    pub(super) fn available(&mut self) -> u64 {
        if self.head == self.tail {
            self.refresh();
        }
        self.known()
    }

    /// Learns of everything that has been sent; says how much of it can be taken.
    #[inline]
    pub(super) fn refresh(&mut self) -> u64 {
        self.tail = self.shared.count();
        let queued = self.tail - self.head;
        if queued > self.alarm {
            self.notice(queued);
        }
        queued
    }

    /// More than usual is queued, or the mailbox may have been full.
    #[cold]
    fn notice(&mut self, queued: u64) {
        if queued > self.high {
            self.high = queued;
            self.shared.saw_queued(queued);
        }
        let (limit, every) = self.limit_and_pace();
        // Up to `every` items were taken that senders may not have heard of when they looked.
        if queued + 2 * every >= limit {
            self.settle_at = self.head;
        }
        self.alarm = self.high.min(limit.saturating_sub(2 * every + 1));
    }

    /// The limit, and how many items may be taken before waiting senders are looked for.
    fn limit_and_pace(&self) -> (u64, u64) {
        let limit = u64::from(self.shared.limit());
        let weighed = self.shared.bytes.is_some();
        (limit, if weighed { 1 } else { SETTLE_EVERY.min(limit / 4).max(1) })
    }

    /// How many are known of and not taken, without asking the senders.
    #[inline]
    pub(super) fn known(&self) -> u64 {
        self.tail - self.head
    }

    /// Takes one item. Inlined wherever it is called: an item that is handed on through memory is
    /// written in words and read in wider pieces, which costs as much as all the rest.
    #[inline(always)]
    pub(super) fn take<W: Weigh<T>>(&mut self) -> Option<T> {
        if self.available() == 0 {
            return None;
        }
        let item = self.read::<W>();
        self.publish::<W>();
        if self.head > self.settle_at {
            self.settle();
        }
        Some(item)
    }

    /// Takes up to `limit` of the items known of, and reports all of them at once.
    pub(super) fn drain<W: Weigh<T>>(&mut self, limit: usize, mut each: impl FnMut(T)) -> usize {
        let count = (self.tail - self.head).min(limit as u64);
        // Reports also if `each` panics: what it was given is taken.
        struct Report<'a, T, W: Weigh<T>>(&'a mut Reader<T>, std::marker::PhantomData<W>);
        impl<T, W: Weigh<T>> Drop for Report<'_, T, W> {
            fn drop(&mut self) {
                self.0.publish::<W>();
                self.0.settle();
            }
        }
        if count > 0 {
            let report = Report::<T, W>(self, std::marker::PhantomData);
            for _ in 0..count {
                each(report.0.read::<W>());
            }
        }
        count as usize
    }

    /// Moves the next item out. There must be one.
    #[inline(always)]
    fn read<W: Weigh<T>>(&mut self) -> T {
        debug_assert!(self.head < self.tail, "read past what was sent");
        if self.at == self.capacity {
            self.advance();
        }
        // SAFETY: invariant 7 and `advance`: `segment` is alive and has `capacity > at` slots.
        let slot = unsafe { &*Segment::slot(self.segment, self.at) };
        // SAFETY: invariant 6: the slot holds item `head`. Below, `head` and `at` move on, so it
        // is moved out once; nothing in between can panic.
        let item = slot.with(|slot| unsafe { (*slot).assume_init_read() });
        self.at += 1;
        self.head += 1;
        if W::WEIGHS {
            self.bytes_taken = self.bytes_taken.wrapping_add(W::bytes(&item));
        }
        item
    }

    /// Goes to the next segment; the one before is recycled, or freed if one is kept already.
    #[cold]
    #[inline(never)]
    fn advance(&mut self) {
        let done = self.segment;
        self.segment = if done.is_null() {
            self.shared.first()
        } else {
            // SAFETY: alive, as this reader has not given it away. By invariants 4 and 6 `next`
            // was written before the item that this is about to read.
            unsafe { (*done).next.with(|next| *next) }
        };
        self.at = 0;
        // SAFETY: by invariant 4 not null and alive: it holds an item that is not taken yet.
        self.capacity = unsafe { Segment::capacity(self.segment) };
        if !done.is_null() {
            // SAFETY: invariant 5: an item of a later segment is known, so no sender uses this
            // one, and its own items are all taken. `next` is written anew when it is used again.
            unsafe { self.recycle(done) };
        }
    }

    /// # Safety
    ///
    /// `segment` came from `Segment::new`, is not freed, and is used by nobody.
    unsafe fn recycle(&self, segment: *mut Segment<T>) {
        // SAFETY: by the contract it is alive.
        let capacity = unsafe { Segment::capacity(segment) };
        // Release: our reads come before the writes of the sender that takes it. Acquire: the
        // same for a segment that comes back unused.
        let mut spare = self.shared.front.spare.swap(segment, Ordering::AcqRel);
        // SAFETY: whoever swaps a pointer out owns it alone, and may look at it.
        if !spare.is_null() && unsafe { Segment::capacity(spare) } > capacity {
            // Keeps the larger one: a small one that came back again and again would have a large
            // one freed and allocated each time.
            spare = self.shared.front.spare.swap(spare, Ordering::AcqRel);
        }
        // SAFETY: as above.
        unsafe { Segment::free(spare) };
    }

    /// Tells how far this reader has come.
    #[inline(always)]
    fn publish<W: Weigh<T>>(&self) {
        if W::WEIGHS
            && let Some(bytes) = &self.shared.bytes
        {
            bytes.set_taken(self.bytes_taken);
        }
        // Release: for `Shared::len` only, see there.
        self.shared.front.head.store(self.head, Ordering::Release);
    }

    /// Looks for senders that wait for the room that was made.
    ///
    /// That takes a fence, as expensive as all of the rest. So it is not done for every item, but
    /// after each batch, when the mailbox is found empty or (nearly) full, and at the latest after
    /// 128 items or a quarter of the limit.
    #[cold]
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let (limit, every) = self.limit_and_pace();
        self.settled = self.head;
        let nearly_full = self.tail - self.head + every >= limit;
        self.settle_at = if nearly_full { self.head } else { self.head + every - 1 };
        // The limit may have changed.
        self.alarm = self.high.min(limit.saturating_sub(2 * every + 1));
        // Pairs with the fence in `Shared::announce_sender`.
        fence(Ordering::SeqCst);
        if self.shared.senders_wait() {
            self.shared.admit_waiting();
        }
    }

    /// The same, unless nothing was taken since.
    pub(super) fn settle_rest(&mut self) {
        if self.settled != self.head {
            self.settle();
        }
    }

    /// Called when nothing was queued: gives memory back after a burst, all of it. Otherwise one
    /// small segment is kept, so that a trickle does not allocate.
    pub(super) fn rest(&mut self) {
        if self.capacity > Segment::<T>::SMALL {
            self.release();
        } else {
            self.free_spare();
        }
    }

    /// Gives all memory back, if nothing is queued.
    pub(super) fn release(&mut self) {
        if self.available() > 0 || !self.shared.detach(self.head) {
            return;
        }
        let last = std::mem::replace(&mut self.segment, ptr::null_mut());
        (self.at, self.capacity) = (0, 0);
        // SAFETY: detached, so nobody else knows of it. It is the one that was detached: a segment
        // is made for an item only, and the last item was read from this one.
        unsafe { Segment::free(last) };
        self.free_spare();
    }

    fn free_spare(&self) {
        // Relaxed: only this reader puts one there.
        if self.shared.front.spare.load(Ordering::Relaxed).is_null() {
            return;
        }
        let spare = self.shared.front.spare.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: whoever swaps a pointer out owns it alone.
        unsafe { Segment::free(spare) };
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        // Closed before this by the receiver: what is left now is all there will ever be.
        self.refresh();
        while self.head < self.tail {
            drop(self.read::<super::Unweighed>());
        }
        self.publish::<super::Unweighed>();
        self.release();
        self.free_spare();
    }
}
