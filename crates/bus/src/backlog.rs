//! A queue whose messages may still be dropped, replaced or skipped.
//!
//! It does what an [`Overflow`] says, keeps the [`Account`] of its subscription, and remembers what
//! was lost where, so that the consumer can be told at that place ([`Missed`]). All of it is
//! constant work per message, however many are queued: the first in line is dropped, the last in
//! line is refused, the place of a key is found by its hash, and what has expired is cut off at
//! once. A message that is dropped or replaced leaves its memory to the one that comes.

mod full;
mod garbage;
mod keys;
mod trim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, LossReason};
use crate::admission::{Admit, Offer};
use crate::budget::Budget;
use crate::end::EndReason;
use crate::key::Key;
use crate::message::Message;
use crate::missed::Missed;
use crate::overflow::{Depth, Overflow, Policy, Verdict};
use garbage::Garbage;
use keys::{Keys, PlaceKey};

/// How a backlog holds a message.
pub trait Held: Sized {
    /// Takes a message in.
    fn hold(message: &Message<'_>, budget: &Budget) -> Self;

    /// Takes a message in, in place of the one held so far.
    fn replace(&mut self, message: &Message<'_>, budget: &Budget);

    /// What the message is about.
    fn subject(&self) -> &[u8];

    /// Bytes that count against limits: [`Message::size`].
    fn size(&self) -> usize;

    /// Memory of its own that dropping it gives back.
    fn own_bytes(&self) -> usize;
}

#[derive(Debug)]
struct Entry<T> {
    held: T,
    /// The sequence number in the subscription.
    seq: u64,
    /// Bytes of all messages that were ever queued before it; not for keyed queues.
    before: u64,
    at_ms: u32,
    /// How many earlier messages of its key it stands for.
    replaced: u32,
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
    /// How many were queued, or took the place of a queued one.
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
    /// How many entries were ever before the first one; with its index, each has a number.
    first_place: u64,
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

/// Where a message belongs.
enum Place {
    /// In the place of that entry, which has its key.
    Of(usize),
    /// Behind the last.
    End(PlaceKey),
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
        Depth { messages: self.entries.len() as u64, bytes: self.bytes }
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
        self.first_place + self.entries.len() as u64
    }

    /// The age of the first message in line.
    pub fn oldest(&self, now_ms: u32) -> Option<Duration> {
        let front = self.entries.front()?;
        Some(Duration::from_millis(age(front.at_ms, now_ms).into()))
    }

    /// Takes a run of messages of one subject in, as the policy has it, and books it.
    pub fn offer(
        &mut self,
        run: &[Message<'_>],
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) -> Offered {
        self.expire_now(account, now_ms);
        let offered = self.offer_run(run, account, budget, now_ms);
        // What expires faster than it is freed would be a queue without a limit.
        self.free_garbage(2 * run.len());
        offered
    }

    fn offer_run(
        &mut self,
        run: &[Message<'_>],
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) -> Offered {
        let mut offered = Offered::default();
        let overflow = &self.overflow;
        let could_take = |message: &Message<'_>| overflow.could_take(message.size() as u64);
        let passed = match (&overflow.policy, overflow.limits.messages) {
            // Of more messages than there is room for, the first would only push each other out, if
            // all that follow are taken.
            (Policy::DropOldest, Some(most)) if run.len() as u64 > most => {
                let passed = run.len() - most as usize;
                if run[passed..].iter().all(could_take) { passed } else { 0 }
            }
            // One subject is one key: the last of the run stands for all of it, if it could be
            // queued at all.
            (Policy::Conflate(conflation), _)
                if conflation.key == Key::Subject && run.last().is_some_and(could_take) =>
            {
                let Some((last, passed)) = run.split_last() else { return offered };
                self.offer_one(last, passed.len() as u64, account, budget, now_ms, &mut offered);
                return offered;
            }
            _ => 0,
        };
        if passed > 0 {
            self.lose_incoming(passed as u64, LossReason::DroppedOldest, account);
            offered.lost += passed as u64;
        }
        let mut rest = &run[passed..];
        while let Some((message, later)) = rest.split_first() {
            let done = match self.overflow.policy {
                Policy::DropOldest => {
                    let exchanged = self.exchange(rest, account, budget, now_ms);
                    offered.queued += exchanged as u64;
                    exchanged
                }
                Policy::DropNewest => self.refuse(rest, account, &mut offered),
                _ => 0,
            };
            if done > 0 {
                rest = &rest[done..];
                continue;
            }
            self.offer_one(message, 0, account, budget, now_ms, &mut offered);
            if offered.end.is_some() {
                break;
            }
            rest = later;
        }
        offered
    }

    /// Takes a message that stands for `passed` others of its key that came with it.
    fn offer_one(
        &mut self,
        message: &Message<'_>,
        passed: u64,
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
        offered: &mut Offered,
    ) {
        let size = message.size() as u64;
        let reason = self.overflow.loss_reason();
        // What could not be queued even alone must not push out everything else first.
        let hopeless = !self.overflow.could_take(size);
        loop {
            let (verdict, place) = self.judge(message, size, now_ms);
            match verdict {
                Verdict::Accept => {
                    if passed > 0 {
                        account.skip_conflated(passed);
                    }
                    self.take(message, place, passed as u32, account, budget, now_ms);
                    offered.queued += passed + 1;
                    return;
                }
                Verdict::DropOldest if !self.is_empty() && !hopeless => {
                    self.drop_first(reason, account);
                }
                Verdict::Refuse | Verdict::DropOldest => {
                    self.lose_incoming(passed + 1, reason, account);
                    offered.lost += passed + 1;
                    return;
                }
                Verdict::End(end) => {
                    account.refuse(LossReason::of_end(&end), passed + 1);
                    offered.end = Some(end);
                    return;
                }
            }
        }
    }

    /// What the policy says of a message, and where it belongs.
    fn judge(&self, message: &Message<'_>, size: u64, now_ms: u32) -> (Verdict, Place) {
        let nowhere = Place::End(PlaceKey::None);
        let key = match &self.overflow.policy {
            Policy::Conflate(conflation) => PlaceKey::of(&conflation.key, message),
            Policy::Custom(custom) => {
                let (depth, oldest) = (self.depth(), self.oldest(now_ms));
                let limits = &self.overflow.limits;
                let size_of_key = |key: &[u8]| {
                    let at = self.place_of(&PlaceKey::Own(key.into()), message)?;
                    Some(self.entries[at].held.size() as u64)
                };
                let size_of_key = &size_of_key;
                match custom.admit(&Offer { depth, oldest, limits, message, size_of_key }) {
                    Admit::Accept => PlaceKey::None,
                    Admit::Replace(key) => PlaceKey::Own(key),
                    Admit::Refuse => return (Verdict::Refuse, nowhere),
                    Admit::DropOldest => return (Verdict::DropOldest, nowhere),
                    Admit::End => {
                        let limit = crate::end::LimitKind::Messages;
                        let (messages, bytes) = (depth.messages, depth.bytes);
                        let end = EndReason::OutOfCapacity { limit, messages, bytes };
                        return (Verdict::End(end), nowhere);
                    }
                }
            }
            _ => PlaceKey::None,
        };
        let depth = self.depth();
        match self.place_of(&key, message) {
            Some(at) => {
                let bytes = depth.bytes - self.entries[at].held.size() as u64;
                (self.overflow.admit(Depth { bytes, ..depth }, 0, size), Place::Of(at))
            }
            None => (self.overflow.admit(depth, 1, size), Place::End(key)),
        }
    }

    fn take(
        &mut self,
        message: &Message<'_>,
        place: Place,
        passed: u32,
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) {
        let (size, seq) = (message.size() as u64, account.matched() + 1);
        let key = match place {
            Place::Of(at) => {
                return self.replace(at, message, seq, passed, account, budget, now_ms);
            }
            Place::End(key) => key,
        };
        let held = match self.spare.take().or_else(|| self.garbage.reuse()) {
            Some(mut spare) => {
                spare.replace(message, budget);
                spare
            }
            None => T::hold(message, budget),
        };
        self.own_bytes += held.own_bytes();
        self.replacers += u64::from(passed > 0);
        if let Some(keys) = self.keys_for(&key) {
            keys.push(key, message.subject);
        }
        let before = self.bytes_ever;
        self.entries.push_back(Entry { held, seq, before, at_ms: now_ms, replaced: passed });
        self.bytes += size;
        self.bytes_ever += size;
        account.enqueue(1, size);
    }

    /// The message takes the place of a queued one.
    #[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
    fn replace(
        &mut self,
        at: usize,
        message: &Message<'_>,
        seq: u64,
        passed: u32,
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) {
        let size = message.size() as u64;
        let entry = &mut self.entries[at];
        let (old, own) = (entry.held.size() as u64, entry.held.own_bytes());
        entry.held.replace(message, budget);
        self.own_bytes = self.own_bytes - own + entry.held.own_bytes();
        self.bytes = self.bytes - old + size;
        self.replacers += u64::from(entry.replaced == 0);
        entry.replaced = entry.replaced.saturating_add(passed + 1);
        (entry.seq, entry.at_ms) = (seq, now_ms);
        account.conflate(old, size);
    }

    /// The index of the entry with that key.
    fn place_of(&self, key: &PlaceKey, message: &Message<'_>) -> Option<usize> {
        let keys = self.keys.as_deref()?;
        let entry = |place: u64| &self.entries[(place - self.first_place) as usize];
        let place = keys.find(key, message.subject, |place| entry(place).held.subject())?;
        Some((place - self.first_place) as usize)
    }

    /// The keys of what is queued, if there are keys: from the first message with one on.
    fn keys_for(&mut self, key: &PlaceKey) -> Option<&mut Keys> {
        if self.keys.is_none() && *key != PlaceKey::None {
            self.keys = Some(Box::new(Keys::after(self.first_place, self.entries.len())));
        }
        self.keys.as_deref_mut()
    }

    /// The next message for the consumer, with what it missed before it. The caller books it.
    pub fn pop(&mut self, account: &mut Account, now_ms: u32) -> Option<Popped<T>> {
        self.expire(account, now_ms);
        if self.entries.is_empty() {
            return None;
        }
        let missed = self.take_gap();
        let Entry { held, seq, at_ms, replaced, .. } = self.take_first()?;
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
