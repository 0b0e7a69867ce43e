//! A queue whose messages may still be dropped, replaced or skipped.
//!
//! It does what an [`Overflow`] says, keeps the [`Account`] of its subscription, and remembers what
//! was lost where, so that the consumer can be told at that place ([`Missed`]). All of it is
//! constant work per message, however many are queued: the first in line is dropped, the last in
//! line is refused, the place of a key is found by its hash, and what has expired is cut off at
//! once. A message that is dropped or replaced leaves its memory to the one that comes.

mod garbage;
mod keys;
mod offer;
mod trim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::budget::Budget;
use crate::end::EndReason;
use crate::message::Message;
use crate::missed::Missed;
use crate::overflow::{Depth, Overflow, Policy};
use crate::run::Run;
use garbage::Garbage;
use keys::Keys;
use offer::Intake;

/// How a backlog holds messages: one, or some in a row.
pub trait Held: Sized {
    /// Takes a message in.
    fn hold(message: &Message<'_>, budget: &Budget) -> Self;

    /// Takes all of a run in, if they can be held together for less than one by one.
    fn hold_all(run: Run<'_>, budget: &Budget) -> Option<Self> {
        let _ = (run, budget);
        None
    }

    /// Takes a message in, in place of what was held so far.
    fn replace(&mut self, message: &Message<'_>, budget: &Budget);

    /// How many it is.
    fn count(&self) -> usize {
        1
    }

    /// Takes off the first `count`, which is not all.
    fn split(&mut self, count: usize) -> Option<Self> {
        let _ = count;
        None
    }

    /// What the first message is about.
    fn subject(&self) -> &[u8];

    /// Bytes that count against limits: [`Message::size`] of each.
    fn size(&self) -> u64;

    /// Memory of its own that dropping it gives back.
    fn own_bytes(&self) -> usize;
}

#[derive(Debug)]
struct Entry<T> {
    held: T,
    /// The sequence number of the first message in the subscription.
    seq: u64,
    /// The place of the first message.
    place: u64,
    /// Bytes of all messages that were ever queued before it; not for keyed queues.
    before: u64,
    at_ms: u32,
    /// How many earlier messages of its key it stands for.
    replaced: u32,
}

impl<T: Held> Entry<T> {
    /// The sequence number of the last message.
    fn last_seq(&self) -> u64 {
        self.seq + self.held.count() as u64 - 1
    }
}

/// A message that left the backlog towards its consumer.
#[derive(Debug)]
pub struct Popped<T> {
    /// The message.
    pub held: T,
    /// Its sequence number in the subscription: from 1, without gaps.
    pub seq: u64,
    /// When it was queued.
    pub at_ms: u32,
    /// How many earlier messages of its key it stands for.
    pub replaced: u32,
    /// What the consumer missed right before it.
    pub missed: Option<Missed>,
}

/// What became of a run of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    /// How many were queued, or took the place of a queued one, if only until the next came.
    pub queued: u64,
    /// How many were lost at once; not what it ended over.
    pub lost: u64,
    /// The subscription is to end, over messages that the account has as lost; nothing of the run
    /// after them was looked at.
    pub end: Option<EndReason>,
}

/// A queue whose messages may still be dropped, replaced or skipped, as an [`Overflow`] says. Times
/// are milliseconds of a clock of its owner.
#[derive(Debug)]
pub struct Backlog<T> {
    overflow: Arc<Overflow>,
    entries: VecDeque<Entry<T>>,
    /// How many messages were ever before the first one, and before the next to come: so each has a
    /// number. While there are keys, every entry is one message.
    first_place: u64,
    end_place: u64,
    /// Bytes queued, and bytes ever queued.
    bytes: u64,
    bytes_ever: u64,
    own_bytes: usize,
    /// Queued messages that stand for others.
    replacers: u64,
    keys: Option<Box<Keys>>,
    /// What was missed right before the entry of that place, in order.
    gaps: VecDeque<(u64, Missed)>,
    /// Memory of a dropped message for the next one.
    spare: Option<T>,
    garbage: Garbage<T>,
}

/// How old something is, on a clock that starts again after 49 days.
#[inline]
fn age(at_ms: u32, now_ms: u32) -> u32 {
    let age = now_ms.wrapping_sub(at_ms);
    // Queued a moment later than now, by a thread that looked at its clock later.
    if age > u32::MAX / 2 { 0 } else { age }
}

impl<T: Held> Backlog<T> {
    /// An empty backlog; allocates nothing.
    pub fn new(overflow: Arc<Overflow>) -> Self {
        Self {
            overflow,
            entries: VecDeque::new(),
            first_place: 0,
            end_place: 0,
            bytes: 0,
            bytes_ever: 0,
            own_bytes: 0,
            replacers: 0,
            keys: None,
            gaps: VecDeque::new(),
            spare: None,
            garbage: Garbage::default(),
        }
    }

    /// Its policy and limits.
    pub fn overflow(&self) -> &Arc<Overflow> {
        &self.overflow
    }

    /// Whether no message is queued. There may be a gap to tell of: [`Backlog::has_gap`].
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is queued.
    pub fn depth(&self) -> Depth {
        Depth { messages: self.end_place - self.first_place, bytes: self.bytes }
    }

    /// Whether the consumer is still to be told of something it missed.
    #[inline]
    pub fn has_gap(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Queued messages that took the place of earlier ones.
    pub fn replacers(&self) -> u64 {
        self.replacers
    }

    /// The number of the first place in line; places behind it count on, also where a key keeps
    /// its place for a later message.
    pub fn first_place(&self) -> u64 {
        self.first_place
    }

    /// The number of the place behind the last: everything queued now has left once this is the
    /// first place.
    pub fn end_place(&self) -> u64 {
        self.end_place
    }

    /// The age of the first message in line.
    pub fn oldest(&self, now_ms: u32) -> Option<Duration> {
        let front = self.entries.front()?;
        Some(Duration::from_millis(age(front.at_ms, now_ms).into()))
    }

    /// Takes a run of messages in, as the policy has it, and books it.
    pub fn offer(
        &mut self,
        run: Run<'_>,
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) -> Offered {
        self.expire_now(account, now_ms);
        let mut offered = Offered::default();
        let mut intake = Intake { account, budget, now_ms, offered: &mut offered };
        match &self.overflow.policy {
            Policy::Conflate(_) | Policy::Custom(_) => self.offer_keyed(run, &mut intake),
            Policy::Disconnect | Policy::DropNewest | Policy::DropOldest => {
                self.offer_all(run, &mut intake);
            }
        }
        // What expires faster than it is freed would be a queue without a limit.
        self.free_garbage(2 * run.len());
        offered
    }

    /// The next message for the consumer, with what it missed before it. The caller books it.
    pub fn pop(&mut self, account: &mut Account, now_ms: u32) -> Option<Popped<T>> {
        self.expire(account, now_ms);
        let first = self.entries.front()?;
        let (seq, at_ms, replaced) = (first.seq, first.at_ms, first.replaced);
        let missed = self.take_gap();
        let held = self.take_first(1)?;
        Some(Popped { held, seq, at_ms, replaced, missed })
    }

    /// What the consumer missed after the last message, if nothing is queued that it could be told
    /// with.
    pub fn take_last_gap(&mut self) -> Option<Missed> {
        if self.entries.is_empty() { self.take_gap() } else { None }
    }

    /// What was popped with a message could not be told with it: it is told with the next.
    pub fn put_gap_back(&mut self, missed: &Missed) {
        self.gap_at(self.first_place, true).merge(missed);
    }

    /// Everything the consumer is still to be told of, wherever it was missed.
    pub(crate) fn take_all_gaps(&mut self) -> Option<Missed> {
        self.gaps.drain(..).map(|(_, missed)| missed).reduce(|mut all, missed| {
            all.merge(&missed);
            all
        })
    }

    fn take_gap(&mut self) -> Option<Missed> {
        let (place, _) = self.gaps.front()?;
        if *place > self.first_place {
            return None;
        }
        self.gaps.pop_front().map(|(_, missed)| missed)
    }
}

#[cfg(test)]
mod tests;
