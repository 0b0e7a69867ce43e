//! Publishers that wait for room in one queue: one after the other, in the order they came.
//!
//! Whoever waits stays in the line until it has what it wants, or gives up. Only the first in line
//! may take room, so a large message is not overtaken by small ones for ever, and a wake-up that
//! was in vain costs nobody its place. Whoever leaves wakes the one who is first then.
//!
//! A wake-up is not lost: who waits looks at the queue, under its lock, after it has come into the
//! line; who makes room does that under the same lock, and looks at the line afterwards. So either
//! the one sees the room, or the other sees it in the line.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The number of no ticket.
const NOBODY: u64 = u64::MAX;

/// A place in the line; rising with time, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

#[derive(Debug, Default)]
struct Line {
    queue: VecDeque<Waiting>,
    issued: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    /// The size of its message.
    bytes: u64,
    waker: Waker,
}

/// The line of publishers that wait for room in one queue.
#[derive(Debug)]
pub struct Turns {
    /// How many are in the line. This and the next are written under its lock, and read without.
    waiting: AtomicU32,
    /// The ticket of the first of them.
    first: AtomicU64,
    /// Absent until somebody waits, so that an idle queue does not pay for it.
    line: Mutex<Option<Box<Line>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { waiting: AtomicU32::new(0), first: AtomicU64::new(NOBODY), line: Mutex::default() }
    }
}

impl Turns {
    /// How many wait; as of some moment, which may have passed.
    #[inline]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether it is this one's turn.
    pub(crate) fn is_first(&self, ticket: Ticket) -> bool {
        // Relaxed: who becomes the first is woken, or reads what it has written itself.
        self.first.load(Ordering::Relaxed) == ticket.0
    }

    /// The size of the message of the first in line.
    pub(crate) fn first_bytes(&self) -> Option<u64> {
        self.lock().as_deref()?.queue.front().map(|first| first.bytes)
    }

    /// There may be room: wakes the first in line, which stays there.
    #[inline]
    pub fn wake_first(&self) {
        if self.waiting() > 0 {
            self.wake(1);
        }
    }

    /// There is nothing to wait for any more: wakes all.
    pub fn wake_all(&self) {
        if self.waiting() > 0 {
            self.wake(usize::MAX);
        }
    }

    #[cold]
    fn wake(&self, most: usize) {
        let wakers: Vec<_> = match self.lock().as_deref() {
            Some(line) => line.queue.iter().take(most).map(|one| one.waker.clone()).collect(),
            None => return,
        };
        // Outside of the lock: a waker may run anything.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Comes to the end of the line, or stays where it is.
    fn step_in(&self, ticket: Option<Ticket>, bytes: u64, waker: &Waker) -> Ticket {
        let mut locked = self.lock();
        let line = locked.get_or_insert_default();
        let known = ticket.and_then(|ticket| line.position(ticket));
        if let Some((ticket, at)) = ticket.zip(known) {
            line.queue[at].waker.clone_from(waker);
            return ticket;
        }
        line.issued += 1;
        let ticket = Ticket(line.issued);
        line.queue.push_back(Waiting { ticket, bytes, waker: waker.clone() });
        self.note(line);
        ticket
    }

    /// Leaves the line; the next one may have been waiting for just that.
    fn step_out(&self, ticket: Ticket) {
        let mut locked = self.lock();
        let Some(line) = locked.as_deref_mut() else { return };
        let Some(at) = line.position(ticket) else { return };
        let own = line.queue.remove(at);
        self.note(line);
        let next = line.queue.front().filter(|_| at == 0).map(|next| next.waker.clone());
        drop(locked);
        // A waker that is the last of its task frees that task, which may run anything.
        drop(own);
        next.into_iter().for_each(Waker::wake);
    }

    fn note(&self, line: &Line) {
        let first = line.queue.front().map_or(NOBODY, |first| first.ticket.0);
        self.first.store(first, Ordering::Relaxed);
        self.waiting.store(line.queue.len() as u32, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Line>>> {
        // Nothing is left half done if a clone or a drop of a waker panics.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn position(&self, ticket: Ticket) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()
    }
}

/// One who waits: in the line from its first look until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    bytes: u64,
    ticket: Option<Ticket>,
}

impl<'a> Turn<'a> {
    /// Not in the line yet.
    pub(crate) fn new(turns: &'a Turns, bytes: u64) -> Self {
        Self { turns, bytes, ticket: None }
    }

    /// Ready with what `look` returns, else pending, and in the line.
    pub(crate) fn poll<R>(
        &mut self,
        cx: &Context<'_>,
        look: impl FnOnce(Ticket) -> Option<R>,
    ) -> Poll<R> {
        let ticket = self.turns.step_in(self.ticket, self.bytes, cx.waker());
        self.ticket = Some(ticket);
        look(ticket).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.turns.step_out(ticket);
        }
    }
}
