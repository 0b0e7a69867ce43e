//! What the reader of an inbox has taken out of the queue, to receive it one by one.
//!
//! A reader and a publisher that take the lock of the queue in turn, for every message, mostly wait
//! for each other and for what the other has just written. So a reader that comes to the queue
//! takes all of it in its hand, and receives from there under a lock that publishers do not need.
//!
//! Nothing of that is to be noticed: what is in the hand is queued, as before. The queue knows how
//! much it has lent ([`Backlog::lent`]), which is at most what is left; as long as a message has
//! room beside all of that, and time is not up, nobody has to know more. Whoever does, because a
//! limit is reached or something is counted or changed, takes both locks, the hand's first, and has
//! the hand put back what is left: [`Inbox::whole`]. Nothing is lent close to a limit, so that this
//! does not happen for every message there.
//!
//! Only what publishers never touch once it is queued is lent: not what is to be merged or
//! replaced, expires, or makes somebody wait for the room that it takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use floodway_queue::Brief;
use floodway_queue::line::Lent;

use super::State;
use super::clock::Age;
use crate::backlog::{Backlog, Popped};
use crate::overflow::Depth;
use crate::payload::Carried;
use crate::queued::Queued;

/// The hand of an inbox.
// In this order: what a reader changes with every message lies together.
#[repr(C)]
pub(super) struct Hand<P: Carried + ?Sized> {
    held: Brief<Held<P>>,
    left: Left,
    /// The message that was last taken from the queue was the only one.
    came_alone: AtomicBool,
}

/// What is in it, under its lock.
pub(super) struct Held<P: Carried + ?Sized> {
    messages: Lent<Queued<P>>,
    /// When something was last received from it.
    progress: Age,
}

/// How much that is, for those who do not have the lock. Relaxed: whoever is to see that something
/// was received heard of that from its reader, and sees it then.
#[derive(Default)]
struct Left {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Left {
    fn set(&self, depth: Depth) {
        self.messages.store(depth.messages, Ordering::Relaxed);
        self.bytes.store(depth.bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Depth {
        let [messages, bytes] = [&self.messages, &self.bytes].map(|n| n.load(Ordering::Relaxed));
        Depth { messages, bytes }
    }
}

impl<P: Carried + ?Sized> Default for Hand<P> {
    fn default() -> Self {
        let held = Held { messages: Lent::default(), progress: 0 };
        Self { held: Brief::new(held), left: Left::default(), came_alone: AtomicBool::new(false) }
    }
}

impl<P: Carried + ?Sized> Hand<P> {
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Held<P>) -> R) -> R {
        self.held.with(f)
    }

    /// What is left in it, or was a moment ago.
    #[inline]
    pub(super) fn left(&self) -> Depth {
        self.left.get()
    }

    /// Whether its reader is as fast as its publishers: then the next message is about to come.
    #[inline]
    pub(super) fn keeps_up(&self) -> bool {
        self.came_alone.load(Ordering::Relaxed)
    }

    /// Takes the first message out, if there is one.
    #[inline]
    pub(super) fn take(
        &self,
        held: &mut Held<P>,
        age: impl FnOnce() -> Age,
    ) -> Option<Popped<Queued<P>>> {
        let (message, stamp) = held.messages.take_first()?;
        held.progress = held.progress.max(age());
        self.left.set(held.depth());
        let (seq, at_ms, replaced) = (stamp.seq, stamp.at_ms, stamp.replaced);
        Some(Popped { held: message, seq, at_ms, replaced, missed: None })
    }

    /// Takes all that is queued behind a message that was just taken, if that may be lent. The
    /// hand is empty, and that is booked.
    #[inline]
    pub(super) fn fill(&self, held: &mut Held<P>, backlog: &mut Backlog<Queued<P>>) {
        self.came_alone.store(backlog.is_empty(), Ordering::Relaxed);
        if backlog.may_lend() {
            backlog.lend(&mut held.messages);
            held.progress = 0;
            self.left.set(held.depth());
        }
    }

    /// Puts back what is left, and books what was received.
    #[inline]
    pub(super) fn put_back(&self, held: &mut Held<P>, state: &mut State<P>) {
        let (lent, left) = (state.backlog.lent(), held.depth());
        if lent.messages == 0 {
            return;
        }
        state.account.deliver(lent.messages - left.messages, lent.bytes - left.bytes);
        state.progress = state.progress.max(held.progress);
        if left.messages == 0 && !state.backlog.is_empty() {
            // Nobody was behind before there was something again.
            state.progress = state.progress.max(state.since);
        }
        state.backlog.take_back(&mut held.messages);
        self.left.set(Depth::default());
    }
}

impl<P: Carried + ?Sized> Held<P> {
    /// Nothing is queued: the memory of a burst goes back.
    #[inline]
    pub(super) fn settle(&mut self) {
        self.messages.settle();
    }

    #[inline]
    fn depth(&self) -> Depth {
        Depth { messages: self.messages.len() as u64, bytes: self.messages.bytes() }
    }
}
