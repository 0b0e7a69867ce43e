//! A queue whose messages may still be dropped, replaced or skipped.
//!
//! It does what an [`Overflow`] says, keeps the [`Account`] of its subscription, and remembers what
//! was lost where, so that the consumer can be told at that place ([`Missed`]). All of it is
//! constant work per message, however many are queued: the first in line is dropped, the last in
//! line is refused, the place of a key is found by its hash, and what has expired is cut off at
//! once. A message that is dropped or replaced leaves its memory to the one that comes.

mod fold;
mod keys;
mod lend;
mod offer;
mod trim;

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway_queue::line::{Gap, Item, Line, Stamp};
use foldhash::fast::RandomState;

use crate::account::Account;
use crate::budget::Budget;
use crate::digest::Digest;
use crate::end::EndReason;
use crate::merge::Fold;
use crate::message::Message;
use crate::missed::Missed;
use crate::overflow::{Depth, Overflow, Policy};
use crate::payload::Carried;
use crate::report::Tally;
use crate::run::Run;
use offer::Intake;

/// How a backlog holds messages: one, or some in a row.
pub trait Held: Item {
    /// What the messages carry.
    type Payload: Carried + ?Sized;

    /// Takes a message in.
    fn hold(message: &Message<'_, Self::Payload>, budget: &Budget) -> Self;

    /// Takes all of a run in, if they can be held together for less than one by one.
    fn hold_all(run: Run<'_, Self::Payload>, budget: &Budget) -> Option<Self> {
        let _ = (run, budget);
        None
    }

    /// Takes a message in, in place of what was held so far.
    fn replace(&mut self, message: &Message<'_, Self::Payload>, budget: &Budget);

    /// It is the next to be dropped, soon or never.
    fn will_be_dropped(&self) {}

    /// What the first message is about.
    fn subject(&self) -> &[u8];

    /// What it and a newer message of its key come to, if the fold makes a new payload of theirs.
    fn merged(
        &self,
        newer: &Message<'_, Self::Payload>,
        fold: &Fold,
        budget: &Budget,
    ) -> Option<Self> {
        let _ = (newer, fold, budget);
        None
    }

    /// Where it has the digest of what it stands for, or may have one.
    fn digest(&mut self) -> Option<&mut Option<Box<Digest>>> {
        None
    }
}

impl Gap for Missed {
    fn merge(&mut self, other: &Self) {
        Missed::merge(self, other);
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
    pub missed: Option<Box<Missed>>,
}

/// A queue whose messages may still be dropped, replaced or skipped, as an [`Overflow`] says. Times
/// are milliseconds of a clock of its owner.
#[derive(Debug)]
// In this order: what every message changes comes first, and together, for the sake of caches.
#[repr(C)]
pub struct Backlog<T> {
    overflow: Arc<Overflow>,
    /// When the consumer last took something, or the queue last became non-empty.
    progress_ms: u32,
    /// Room that was promised for messages to come.
    promised: Depth,
    /// What the reader has taken out to receive it from there: all of it or less is still queued.
    lent: Depth,
    /// A key without bytes of its own is the subject.
    line: Line<T, Option<Box<[u8]>>, Missed>,
    /// Memory of a dropped message for the next one.
    spare: Option<T>,
    hasher: RandomState,
}

impl<T: Held> Backlog<T> {
    /// An empty backlog; allocates nothing.
    pub fn new(overflow: Arc<Overflow>) -> Self {
        let hasher = RandomState::default();
        let (promised, lent) = (Depth::default(), Depth::default());
        Self {
            overflow,
            line: Line::default(),
            hasher,
            spare: None,
            progress_ms: 0,
            promised,
            lent,
        }
    }

    /// Its policy and limits.
    pub fn overflow(&self) -> &Arc<Overflow> {
        &self.overflow
    }

    /// Whether no message is queued. There may be a gap to tell of: [`Backlog::has_gap`].
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// What is queued.
    #[inline]
    pub fn depth(&self) -> Depth {
        self.line.depth()
    }

    /// What is queued, and what room is promised for or was lent.
    #[inline]
    pub(crate) fn claimed(&self) -> Depth {
        let (depth, Self { promised, lent, .. }) = (self.depth(), self);
        Depth {
            messages: depth.messages + promised.messages + lent.messages,
            bytes: depth.bytes + promised.bytes + lent.bytes,
        }
    }

    /// Whether a message fits the limits.
    #[inline]
    fn has_room_for(&self, bytes: u64) -> bool {
        self.has_room_for_all(1, bytes)
    }

    /// Whether so many messages fit the limits together.
    #[inline]
    pub(crate) fn has_room_for_all(&self, messages: u64, bytes: u64) -> bool {
        let claimed = self.claimed();
        let after = Depth { messages: claimed.messages + messages, bytes: claimed.bytes + bytes };
        after.is_within(self.overflow.most())
    }

    /// Promises room for a message, if there is some; how long the queue is with it.
    pub(crate) fn promise(&mut self, bytes: u64) -> Option<Depth> {
        if !self.has_room_for(bytes) {
            return None;
        }
        self.promised.messages += 1;
        self.promised.bytes += bytes;
        Some(self.claimed())
    }

    /// The message comes now, or not at all.
    pub(crate) fn take_promise_back(&mut self, bytes: u64) {
        self.promised.messages = self.promised.messages.saturating_sub(1);
        self.promised.bytes = self.promised.bytes.saturating_sub(bytes);
    }

    /// Another policy and other limits, from the next message on.
    pub(crate) fn set_overflow(&mut self, overflow: Arc<Overflow>) {
        if !overflow.policy.makes_wait() {
            self.promised = Depth::default();
        }
        self.overflow = overflow;
    }

    /// Whether the consumer is still to be told of something it missed.
    #[inline]
    pub fn has_gap(&self) -> bool {
        self.line.has_gap()
    }

    /// Queued messages that took the place of earlier ones.
    pub fn replacers(&self) -> u64 {
        self.line.replacers()
    }

    /// The number of the first place in line; places behind it count on, also where a key keeps
    /// its place for a later message.
    pub fn first_place(&self) -> u64 {
        self.line.first_place()
    }

    /// The number of the place behind the last: everything queued now has left once this is the
    /// first place.
    pub fn end_place(&self) -> u64 {
        self.line.end_place()
    }

    /// The age of the first message in line.
    pub fn oldest(&self, now_ms: u32) -> Option<Duration> {
        self.line.oldest(now_ms)
    }

    /// Takes a run of messages in, as the policy has it, and books it; those queued are also those
    /// that took the place of a queued one, if only until the next came. `now_ms` is `now` on the
    /// clock of the owner.
    ///
    /// The subscription is to end for the reason that is returned, over messages that the account
    /// has as lost; nothing of the run after them was looked at.
    pub fn offer(
        &mut self,
        run: Run<'_, T::Payload>,
        account: &mut Account,
        budget: &Budget,
        now: Instant,
        now_ms: u32,
        tally: &mut Tally,
    ) -> Option<EndReason> {
        self.expire_now(account, now_ms);
        if self.line.is_empty() {
            self.progress_ms = now_ms;
        }
        let mut intake = Intake { account, budget, now, now_ms, tally, end: None };
        match &self.overflow.policy {
            Policy::Conflate(_) | Policy::Merge(_) | Policy::Custom(_) => {
                self.offer_keyed(run, &mut intake);
            }
            Policy::Disconnect
            | Policy::DropNewest
            | Policy::DropOldest
            | Policy::Block { .. }
            | Policy::Throttle { .. } => {
                match &*run {
                    // Mostly it is one, and there is room.
                    [only] if self.has_room_for(only.size() as u64) => {
                        self.take_row(run, &mut intake);
                    }
                    _ => self.offer_all(run, &mut intake),
                }
            }
        }
        // What expires faster than it is freed would be a queue without a limit.
        self.line.free_expired(2 * run.len());
        intake.end
    }

    /// The next message for the consumer, with what it missed before it. The caller books it.
    pub fn pop(&mut self, account: &mut Account, now_ms: u32) -> Option<Popped<T>> {
        self.expire(account, now_ms);
        if self.line.is_empty() {
            return None;
        }
        let missed = self.line.take_gap().map(Box::new);
        let (held, stamp) = self.line.take_first(1)?;
        self.progress_ms = now_ms;
        if self.line.is_empty() {
            self.spare = None;
        }
        let Stamp { seq, at_ms, replaced } = stamp;
        Some(Popped { held, seq, at_ms, replaced, missed })
    }

    /// What the consumer missed after the last message, if nothing is queued that it could be told
    /// with.
    pub fn take_last_gap(&mut self) -> Option<Missed> {
        if self.line.is_empty() { self.line.take_gap() } else { None }
    }

    /// What was popped with a message could not be told with it: it is told with the next.
    pub fn put_gap_back(&mut self, missed: &Missed) {
        self.line.gap_at_front().merge(missed);
    }

    /// Everything the consumer is still to be told of, wherever it was missed.
    pub(crate) fn take_all_gaps(&mut self) -> Option<Missed> {
        self.line.take_all_gaps()
    }
}

#[cfg(test)]
mod tests;
