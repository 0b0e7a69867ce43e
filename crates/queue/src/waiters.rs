//! Waiting for an event, from threads and from tasks of any executor: no wake-up is lost.
//!
//! [`Waiters`] is a list of wakers in the order they came, behind a small lock; it holds no memory
//! until somebody waits. A thread waits as a task does, with a waker that unparks it
//! ([`block_until`]), so there is one protocol to get right:
//!
//! | who waits | who changes something |
//! | --- | --- |
//! | 1. registers | 1. makes the change visible |
//! | 2. looks again | 2. wakes |
//! | 3. sleeps | |
//!
//! Either the waker comes second to the list's lock, and finds the registration; or it came first,
//! and the waiter's second look, made after it had the same lock, sees the change.
//!
//! With many waiters there is more to it. A wake-up is meant for one, so it must not be spent on a
//! waiter that has no use for it: one that is dropped (a cancelled future, a deadline), or one that
//! found what it wants by itself while it was in the list. Therefore nobody looks while it is in
//! the list, except for the second look; and whoever finds, or is dropped, and sees that it was
//! woken meanwhile, wakes the next one in its place. [`Wait`] does all of that.
//!
//! Changing something must be cheap while nobody waits, which is what the two ways to wake are
//! about. [`Waiters::wake`] is for owners that already know, from a bit in a word they changed
//! anyway, that somebody waits. [`Waiters::notify`] needs no such bit, and pays for it with a
//! fence. The models in `tests/loom` prove both.
//!
//! [`crate::Monitor`] has a list of its own, under the lock of what is waited for.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, fence};

pub use thread::block_until;

mod thread;

/// Those who wait for one kind of event. See the [module](self) for the protocol.
///
/// # Examples
///
/// ```
/// use floodway_queue::{Wait, Waiters, block_until};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let (stock, arrivals) = (AtomicU32::new(0), Waiters::new());
/// let take = || stock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         stock.fetch_add(1, Ordering::Relaxed);
///         arrivals.notify(1);
///     });
///     let mut wait = Wait::new(&arrivals);
///     let taken = block_until(None, |cx| wait.poll(cx, || take().ok()));
///     assert_eq!(taken, Some(1));
/// });
/// ```
#[derive(Debug)]
pub struct Waiters {
    /// How many are in the list. Written under its lock, read without.
    waiting: AtomicU32,
    /// Absent until somebody waits, so that an idle queue does not pay for it.
    list: Mutex<Option<Box<List>>>,
}

#[derive(Debug, Default)]
struct List {
    queue: VecDeque<(Ticket, Waker)>,
    issued: u64,
}

/// A place in the list; rising with time, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

impl Default for Waiters {
    fn default() -> Self {
        Self::new()
    }
}

impl Waiters {
    /// A list of nobody.
    pub fn new() -> Self {
        Self { waiting: AtomicU32::new(0), list: Mutex::new(None) }
    }

    /// How many wait; as of some moment, which may have passed.
    #[inline]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wakes those who came first, at most `limit` of them, if anybody waits.
    ///
    /// What the caller changed before is seen by whoever does not get this wake-up because it
    /// registered later.
    pub fn notify(&self, limit: u32) {
        // Pairs with the fence in `Wait::poll`: of the change before this one and the
        // registration before that one, at least one is seen by the other side.
        fence(Ordering::SeqCst);
        self.wake(limit);
    }

    /// The same for a caller that knows of the waiters from a word of its own: without a fence.
    ///
    /// It must have seen, with acquire ordering, what the waiter wrote into that word after it had
    /// registered. Without that, a waiter may be missed.
    pub fn wake(&self, limit: u32) {
        if self.waiting() == 0 {
            return;
        }
        // Whoever registers again because of a wake-up gets a later ticket, and is left alone.
        let mut last = None;
        for _ in 0..limit {
            let mut locked = self.lock();
            let Some(list) = locked.as_deref_mut() else { return };
            let last = *last.get_or_insert(list.issued);
            if list.queue.front().is_none_or(|(ticket, _)| ticket.0 > last) {
                return;
            }
            let woken = list.queue.pop_front();
            // Whoever comes to stand there later looks again by itself.
            let is_last = list.queue.front().is_none_or(|(ticket, _)| ticket.0 > last);
            self.note(list);
            drop(locked);
            // Outside of the lock: a waker may run anything, this list's waiters included.
            if let Some((_, waker)) = woken {
                waker.wake();
            }
            if is_last {
                return;
            }
        }
    }

    /// Wakes all who wait now.
    pub fn wake_all(&self) {
        self.wake(u32::MAX);
    }

    /// Registers at the end of the line, or where `ticket` says; an entry that is still there
    /// gets the new waker.
    fn register(&self, ticket: Option<Ticket>, waker: &Waker) -> Ticket {
        let mut locked = self.lock();
        let list = locked.get_or_insert_default();
        let ticket = ticket.unwrap_or_else(|| {
            list.issued += 1;
            Ticket(list.issued)
        });
        match list.queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            Ok(at) => list.queue[at].1.clone_from(waker),
            Err(at) => list.queue.insert(at, (ticket, waker.clone())),
        }
        self.note(list);
        ticket
    }

    /// Takes a registration back; false if it has been woken.
    fn unregister(&self, ticket: Ticket) -> bool {
        let mut locked = self.lock();
        let Some(list) = locked.as_deref_mut() else { return false };
        let Ok(at) = list.queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket) else {
            return false;
        };
        let entry = list.queue.remove(at);
        self.note(list);
        drop(locked);
        // A waker that is the last of its task frees that task, which may run anything.
        drop(entry);
        true
    }

    fn note(&self, list: &List) {
        self.waiting.store(list.queue.len() as u32, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<List>>> {
        // Nothing is left half done if a clone or a drop of a waker panics.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits: keeps its place in the list of [`Waiters`] until it is dropped.
#[derive(Debug)]
pub struct Wait<'a> {
    waiters: &'a Waiters,
    place: Place,
}

/// The registration alone, for an owner whose [`Waiters`] cannot be borrowed as long as it lives.
/// The owner has to give it up before it goes.
#[derive(Debug, Default)]
pub(crate) struct Place {
    ticket: Option<Ticket>,
    /// Whether it was in the list when this last let go of the list's lock.
    listed: bool,
}

impl<'a> Wait<'a> {
    /// Does not register yet.
    pub fn new(waiters: &'a Waiters) -> Self {
        Self { waiters, place: Place::default() }
    }

    /// Ready with what `ready` returns, else pending, and registered to be woken.
    ///
    /// `ready` is called once or twice. It must not wait, nor use the same [`Waiters`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes the registration back; a wake-up that had come already goes to the next.
    pub fn poll<R>(&mut self, cx: &mut Context<'_>, ready: impl FnMut() -> Option<R>) -> Poll<R> {
        self.place.poll(self.waiters, cx, ready)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.place.give_up(self.waiters);
    }
}

impl Place {
    /// As [`Wait::poll`], with the same `waiters` each time.
    pub(crate) fn poll<R>(
        &mut self,
        waiters: &Waiters,
        cx: &mut Context<'_>,
        mut ready: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        self.step_out(waiters);
        if let Some(found) = ready() {
            return Poll::Ready(found);
        }
        self.register(waiters, cx.waker());
        // Pairs with the fence in `Waiters::notify`.
        fence(Ordering::SeqCst);
        match ready() {
            Some(found) => {
                self.give_up(waiters);
                Poll::Ready(found)
            }
            None => Poll::Pending,
        }
    }

    /// Leaves the list for a look. Who was not woken meanwhile keeps its place in the line.
    pub(crate) fn step_out(&mut self, waiters: &Waiters) {
        if std::mem::take(&mut self.listed) {
            self.ticket = self.ticket.filter(|ticket| waiters.unregister(*ticket));
        }
    }

    /// Registers; a second look at what is waited for has to follow.
    pub(crate) fn register(&mut self, waiters: &Waiters, waker: &Waker) {
        self.ticket = Some(waiters.register(self.ticket, waker));
        self.listed = true;
    }

    /// Ends a wait that was not needed: in vain, or because the second look found something. If
    /// it was woken meanwhile, that was about something else, and for somebody else.
    pub(crate) fn give_up(&mut self, waiters: &Waiters) {
        self.step_out_for_good(waiters, true);
    }

    /// Ends a wait that nobody else could take the place of.
    pub(crate) fn leave(&mut self, waiters: &Waiters) {
        self.step_out_for_good(waiters, false);
    }

    fn step_out_for_good(&mut self, waiters: &Waiters, pass_on: bool) {
        if std::mem::take(&mut self.listed)
            && let Some(ticket) = self.ticket.take()
            && !waiters.unregister(ticket)
            && pass_on
        {
            waiters.wake(1);
        }
    }
}

#[cfg(test)]
#[cfg(not(floodway_loom))]
mod tests;
