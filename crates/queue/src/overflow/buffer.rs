//! The queue itself, for one owner: no lock, no clock.

use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;

use super::{Account, Depth, Limit, Missed, Offer, Policy, SendError, Status, Tick, Verdict};
use crate::line::{Gap, Item, Line, Stamp};
use crate::mailbox::{Limits, Unweighed, Weigh};
use crate::meeting::Ends;

/// Expired items that are freed at once when there is nothing else to do.
const TIDY: usize = 1024;

/// An item that was queued, and what became of others because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number: the first item a queue decides about has 0, and every later one the next.
    pub sequence: u64,
    /// How many earlier items of its key it stands for; 0 if it was queued at the end.
    pub replaced: u32,
    /// How many that waited longest were dropped to make room.
    pub dropped: u64,
    /// How many were found to have waited too long.
    pub expired: u64,
}

/// An item, and what was missed right before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// What was sent.
    pub item: T,
    /// Its number: see [`Sent::sequence`].
    pub sequence: u64,
    /// How many earlier items of its key it stands for.
    pub replaced: u32,
    /// What the receiver missed between the item before and this one.
    pub missed: Option<Missed>,
}

/// When an item asks to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct When {
    /// The time on a clock of the owner's, from any start.
    pub now: Duration,
    /// How long the item has been delayed so far.
    pub waited: Duration,
}

/// An item of a line.
struct Weighed<T, W>(T, PhantomData<fn() -> W>);

impl<T, W: Weigh<T>> Item for Weighed<T, W> {
    #[inline]
    fn size(&self) -> u64 {
        if W::WEIGHS { W::bytes(&self.0) } else { 0 }
    }
}

/// Why nothing is taken in any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    Closed,
    Ended(Limit),
}

impl Shut {
    fn to_sender<T>(self, item: T) -> SendError<T> {
        match self {
            Self::Closed => SendError::Closed(item),
            Self::Ended(limit) => SendError::Ended(item, limit),
        }
    }
}

/// A queue with a policy, for one owner who brings the time along: what [`queue`](super::queue)
/// shares between threads. Simulators and other single-threaded users have it without the lock.
///
/// What the buffer lets go of is handed to a function, so that the owner decides where it is
/// dropped.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{Buffer, DropOldest, When};
/// let mut buffer = Buffer::<_, _>::new(Limits::messages(1)?, DropOldest);
/// let mut gone = Vec::new();
/// buffer.offer('a', When::default(), |item| gone.push(item))?;
/// let sent = buffer.offer('b', When::default(), |item| gone.push(item))?;
/// assert_eq!((sent.sequence, sent.dropped, gone), (1, 1, vec!['a']));
/// let entry = buffer.take(When::default().now, drop).unwrap();
/// assert_eq!((entry.item, entry.missed.unwrap().dropped()), ('b', 1));
/// assert!(buffer.account().is_conserved());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Buffer<T, P: Policy<T>, W = Unweighed> {
    line: Line<Weighed<T, W>, Option<P::Key>, Missed>,
    policy: P,
    hasher: DefaultHashBuilder,
    limits: Limits,
    /// The limits as a depth.
    most: Depth,
    /// Whether the consumer has taken all there was. That the rest was dropped or has expired does
    /// not make it so: who takes nothing is behind.
    caught_up: bool,
    /// Since when it has taken nothing though there was something; only if the policy is timed.
    since_ms: u32,
    shut: Option<Shut>,
    /// All but `queued` and `queued_bytes`, which the line knows.
    account: Account,
}

fn depth_of(limits: Limits) -> Depth {
    let bytes = limits.max_bytes().unwrap_or(u64::MAX);
    Depth { messages: limits.max_messages().into(), bytes }
}

/// The clock of a line, which starts again after 49 days.
#[inline]
fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}

impl<T, P: Policy<T>, W: Weigh<T>> Buffer<T, P, W> {
    /// An empty one; allocates nothing.
    pub fn new(limits: Limits, policy: P) -> Self {
        Self {
            line: Line::default(),
            policy,
            hasher: DefaultHashBuilder::default(),
            limits,
            most: depth_of(limits),
            caught_up: true,
            since_ms: 0,
            shut: None,
            account: Account::default(),
        }
    }

    /// Lets the policy decide about an item. `gone` is given what the buffer lets go of.
    ///
    /// # Errors
    ///
    /// All of [`SendError`], with the item.
    #[inline]
    pub fn offer(
        &mut self,
        item: T,
        when: When,
        mut gone: impl FnMut(T),
    ) -> Result<Sent, SendError<T>> {
        if let Some(shut) = self.shut {
            return Err(shut.to_sender(item));
        }
        // One for one: what expires faster than it is freed would be a queue without a limit.
        if P::TIMED
            && let Some(old) = self.line.take_expired()
        {
            gone(old.0);
        }
        let now_ms = if P::TIMED { millis(when.now) } else { 0 };
        let bytes = if W::WEIGHS { W::bytes(&item) } else { 0 };
        let sequence = self.account.offered;
        let mut sent = Sent { sequence, replaced: 0, dropped: 0, expired: 0 };
        loop {
            let (verdict, found) = self.judge(&item, bytes, now_ms, when.waited);
            match verdict {
                Verdict::Accept => {
                    if let Some(limit) = self.excess(bytes, None) {
                        return Err(self.end_with(item, limit));
                    }
                    self.append(item, None, now_ms);
                    return Ok(sent);
                }
                Verdict::Replace(key) => {
                    let at = self.place_of(&key, found);
                    if let Some(limit) = self.excess(bytes, at) {
                        return Err(self.end_with(item, limit));
                    }
                    match at {
                        Some(at) => sent.replaced = self.replace(at, item, now_ms, &mut gone),
                        None => self.append(item, Some(key), now_ms),
                    }
                    return Ok(sent);
                }
                // What could not be queued even alone must not push out everything else first.
                Verdict::DropOldest if self.makes_way(bytes) => {
                    self.drop_first(&mut gone);
                    sent.dropped += 1;
                }
                Verdict::Expire(age) => match self.expire(age, now_ms) {
                    0 => return Err(self.refuse(item)),
                    expired => sent.expired += expired,
                },
                Verdict::Refuse | Verdict::DropOldest => return Err(self.refuse(item)),
                Verdict::Delay(most) => return Err(SendError::Delayed(item, most)),
                Verdict::End(limit) => return Err(self.end_with(item, limit)),
            }
        }
    }

    /// What the policy says, and where it found the key that it asked for last.
    #[inline]
    fn judge(
        &mut self,
        item: &T,
        bytes: u64,
        now_ms: u32,
        waited: Duration,
    ) -> (Verdict<P::Key>, Option<usize>) {
        let Status { depth, most, oldest, stalled } = self.status(now_ms);
        let found = Cell::new(None);
        let (line, hasher) = (&self.line, &self.hasher);
        let queued = |key: &P::Key| {
            let at = find(line, hasher, key);
            found.set(at);
            line.get(at?).map(Item::size)
        };
        let offer = Offer { item, bytes, depth, most, oldest, stalled, waited, queued: &queued };
        (self.policy.admit(&offer), found.get())
    }

    #[inline]
    fn status(&self, now_ms: u32) -> Status {
        let (mut oldest, mut stalled) = (None, Duration::ZERO);
        if P::TIMED && !self.line.is_empty() {
            oldest = self.line.oldest(now_ms);
            stalled = crate::line::time_between(self.since_ms, now_ms);
        }
        Status { depth: self.line.depth(), most: self.most, oldest, stalled }
    }

    /// Where the queued item of a key is; most likely where the policy found it.
    #[inline]
    fn place_of(&self, key: &P::Key, found: Option<usize>) -> Option<usize> {
        let is_there = |at: &usize| matches!(self.line.key(*at), Some(Some(own)) if own == key);
        found.filter(is_there).or_else(|| find(&self.line, &self.hasher, key))
    }

    /// The limit that an item would be beyond, at the end or in place of a queued one.
    #[inline]
    fn excess(&self, bytes: u64, at: Option<usize>) -> Option<Limit> {
        let mut depth = self.line.depth();
        match at.and_then(|at| self.line.get(at)) {
            Some(queued) => depth.bytes -= queued.size(),
            None => depth.messages += 1,
        }
        depth.bytes = depth.bytes.saturating_add(bytes);
        Limit::beyond(depth, self.most)
    }

    #[inline]
    fn makes_way(&self, bytes: u64) -> bool {
        !self.line.is_empty() && bytes <= self.most.bytes
    }

    #[inline]
    fn append(&mut self, item: T, key: Option<P::Key>, now_ms: u32) {
        if P::TIMED && std::mem::take(&mut self.caught_up) {
            self.since_ms = now_ms;
        }
        let stamp = Stamp { seq: self.account.offered, at_ms: now_ms, replaced: 0 };
        let item = Weighed(item, PhantomData);
        match key {
            None => self.line.push(item, stamp),
            Some(key) => {
                let hash = self.hasher.hash_one(&key);
                self.line.push_keyed(hash, Some(key), item, stamp);
            }
        }
        self.account.offered += 1;
        self.see_high_water();
    }

    #[inline]
    fn see_high_water(&mut self) {
        let (depth, account) = (self.line.depth(), &mut self.account);
        account.high_water = account.high_water.max(depth.messages);
        if W::WEIGHS {
            account.high_water_bytes = account.high_water_bytes.max(depth.bytes);
        }
    }

    /// Puts an item in the place of a queued one; says how many it stands for.
    #[inline]
    fn replace(&mut self, at: usize, item: T, now_ms: u32, gone: &mut impl FnMut(T)) -> u32 {
        let stamp = Stamp { seq: self.account.offered, at_ms: now_ms, replaced: 1 };
        let (policy, mut old) = (&mut self.policy, None);
        self.line.replace(at, stamp, |queued| old = policy.renew(&mut queued.0, item));
        self.account.offered += 1;
        self.account.replaced += 1;
        if W::WEIGHS {
            self.see_high_water();
            // A fold can be larger than both.
            if let Some(limit) = Limit::beyond(self.line.depth(), self.most) {
                self.shut = Some(Shut::Ended(limit));
            }
        }
        if let Some(old) = old {
            gone(old);
        }
        self.line.stamp(at).map_or(1, |stamp| stamp.replaced)
    }

    #[inline]
    fn drop_first(&mut self, gone: &mut impl FnMut(T)) {
        let Some((old, stamp)) = self.line.take_first(1) else { return };
        self.line.gap_at_front().merge(&Missed::dropped_one(stamp.seq));
        self.account.dropped += 1;
        gone(old.0);
    }

    fn expire(&mut self, age: Duration, now_ms: u32) -> u64 {
        let age = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
        let mut expired = 0;
        self.line.expire(age, now_ms, |missed, span| {
            expired += span.count;
            missed.merge(&Missed::expired_all(span));
        });
        self.account.expired += expired;
        expired
    }

    #[cold]
    fn refuse(&mut self, item: T) -> SendError<T> {
        self.miss_incoming();
        SendError::Refused(item)
    }

    #[cold]
    fn end_with(&mut self, item: T, limit: Limit) -> SendError<T> {
        self.miss_incoming();
        self.shut = Some(Shut::Ended(limit));
        SendError::Ended(item, limit)
    }

    /// The item that asks is missed behind all that is queued.
    fn miss_incoming(&mut self) {
        let seq = self.account.offered;
        self.line.gap_at_back().merge(&Missed::refused_one(seq));
        self.account.offered += 1;
        self.account.refused += 1;
    }

    /// Takes the first in line, with what was missed before it.
    #[inline(always)]
    pub fn take(&mut self, now: Duration, mut gone: impl FnMut(T)) -> Option<Entry<T>> {
        let now_ms = if P::TIMED { millis(now) } else { 0 };
        if P::TIMED {
            self.tick(now_ms);
            if let Some(old) = self.line.take_expired() {
                gone(old.0);
            }
        }
        if self.line.is_empty() {
            self.caught_up = true;
            self.tidy(gone);
            return None;
        }
        let missed = self.line.take_gap();
        let (item, stamp) = self.line.take_first(1)?;
        (self.since_ms, self.caught_up) = (now_ms, self.line.is_empty());
        self.account.received += 1;
        self.policy.taken(self.line.depth());
        Some(Entry { item: item.0, sequence: stamp.seq, replaced: stamp.replaced, missed })
    }

    /// What was missed behind the last item, once that has been taken; told once. What is not
    /// asked for here comes with the next item.
    pub fn take_missed(&mut self) -> Option<Missed> {
        if self.line.is_empty() { self.line.take_gap() } else { None }
    }

    /// Lets the policy do what has to be done because time has passed, and frees some of what has
    /// expired; whether there is more to free.
    pub fn sweep(&mut self, now: Duration, gone: impl FnMut(T)) -> bool {
        self.tick(millis(now));
        self.tidy(gone)
    }

    #[inline]
    fn tick(&mut self, now_ms: u32) {
        if !P::TIMED || self.shut.is_some() && self.line.is_empty() {
            return;
        }
        match self.policy.tick(&self.status(now_ms)) {
            Tick::Keep => {}
            Tick::Expire(age) => _ = self.expire(age, now_ms),
            Tick::End(limit) => self.shut = self.shut.or(Some(Shut::Ended(limit))),
        }
    }

    fn tidy(&mut self, mut gone: impl FnMut(T)) -> bool {
        for _ in 0..TIDY {
            let Some(old) = self.line.take_expired() else { return false };
            gone(old.0);
        }
        self.is_untidy()
    }

    /// Whether expired items are still in memory.
    pub(super) fn is_untidy(&self) -> bool {
        self.line.unfreed().messages > 0
    }

    /// Drops all that is queued: nobody will take it.
    pub(super) fn abandon(&mut self) -> impl Sized + use<T, P, W> {
        self.close();
        self.account.dropped += self.line.depth().messages;
        std::mem::take(&mut self.line)
    }

    /// What became of all items so far.
    pub fn account(&self) -> Account {
        let Depth { messages, bytes } = self.line.depth();
        Account { queued: messages, queued_bytes: bytes, ..self.account }
    }

    /// Items that are not queued any more.
    pub(super) fn departures(&self) -> u64 {
        let gone = self.account.dropped + self.account.expired + self.account.replaced;
        self.account.received + gone
    }

    /// What is queued.
    pub fn depth(&self) -> Depth {
        self.line.depth()
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes the limits. Lower ones drop nothing by themselves.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.most = depth_of(limits);
    }

    /// The limit it has ended at, if it has.
    pub fn ended(&self) -> Option<Limit> {
        match self.shut {
            Some(Shut::Ended(limit)) => Some(limit),
            _ => None,
        }
    }

    /// Ends it without a limit: nothing more is taken in, what is queued can still be taken.
    pub fn close(&mut self) {
        self.shut = self.shut.or(Some(Shut::Closed));
    }

    pub(super) fn shut(&self) -> Option<Shut> {
        self.shut
    }

    /// Panics if its books do not agree with each other.
    ///
    /// # Panics
    ///
    /// Only if there is a mistake in this module.
    #[doc(hidden)]
    pub fn assert_consistent(&self) {
        self.line.assert_consistent();
        assert!(self.account().is_conserved(), "{:?}", self.account());
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> Ends for Buffer<T, P, W> {
    fn close(&mut self) {
        Buffer::close(self);
    }
}

#[inline]
fn find<T, K: std::hash::Hash + Eq, W: Weigh<T>>(
    line: &Line<Weighed<T, W>, Option<K>, Missed>,
    hasher: &DefaultHashBuilder,
    key: &K,
) -> Option<usize> {
    line.find(hasher.hash_one(key), |own, _| own.as_ref() == Some(key))
}

impl<T, P: Policy<T>, W: Weigh<T>> fmt::Debug for Buffer<T, P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Buffer");
        f.field("account", &self.account()).field("shut", &self.shut).finish_non_exhaustive()
    }
}
