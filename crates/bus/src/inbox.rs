//! The queue behind a [`crate::Subscription`] handle.

mod clock;
mod gate;
mod hand;
mod metrics;
mod take;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use floodway_queue::Monitor;

use crate::account::{Account, LossReason};
use crate::backlog::Backlog;
use crate::budget::Budget;
use crate::consumer::{Consumer, Taken};
use crate::directory::SubscriptionId;
use crate::end::EndReason;
use crate::gate::Gate;
use crate::message::SharedMessage;
use crate::overflow::{Depth, Limits, Overflow};
use crate::payload::Carried;
use crate::queued::Queued;
use crate::report::Tally;
use crate::route::SubscriptionKey;
use crate::run::{Run, Runs};
use crate::subject::Filter;
use crate::turns::Turns;
use clock::{Age, Clock, Moment, millis};
use hand::Hand;

// In this order: what every message changes comes first, and together, for the sake of caches.
#[repr(C)]
struct State<P: Carried + ?Sized> {
    /// The first reason; nothing is queued once it is there.
    ended: Option<Box<EndReason>>,
    /// When the consumer last took something, or the queue last became non-empty; of what is in
    /// the hand, and behind it, the hand knows better.
    progress: Age,
    /// When the queue last became non-empty behind what is in the hand.
    since: Age,
    /// For how long nothing may be taken of what is queued, before it ends: see [`Limits::behind`].
    may_stall: Age,
    /// The longest it ever was, in messages.
    high_water: u64,
    account: Account,
    below_mark: Vec<Waker>,
    /// Whether the index still has to be told that it ended.
    to_reap: bool,
    backlog: Backlog<Queued<P>>,
}

impl<P: Carried + ?Sized> State<P> {
    fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            self.ended = Some(Box::new(reason));
            self.to_reap = true;
        }
    }

    /// Whether nobody waits for messages to leave the queue, who would have to be told of each.
    fn may_lend(&self) -> bool {
        self.ended.is_none() && self.below_mark.is_empty()
    }

    /// Whether a reader may find something.
    fn has_some(&self) -> bool {
        let lent = self.backlog.lent().messages > 0;
        lent || !self.backlog.is_empty() || self.backlog.has_gap() || self.ended.is_some()
    }
}

/// A queue of shared messages with a policy, for one subscription.
// What is written all the time comes first, and together; what is only read follows it. Not aligned
// to a line of the cache: of a million aligned ones the allocator keeps a million scraps.
#[repr(C)]
pub struct Inbox<P: Carried + ?Sized = [u8]> {
    monitor: Monitor<State<P>>,
    /// Publishers that wait for room.
    room: Turns,
    /// What its policy and limits come to: see [`Traits`].
    traits: AtomicU8,
    clock: Clock,
    budget: Budget,
    /// Set when it comes into the table, and so before the first message.
    id: OnceLock<SubscriptionId>,
    filter: Filter,
    name: Option<Box<str>>,
    /// Last, as far as it can be from what publishers write and read.
    hand: Hand<P>,
}

/// What has to be known of a policy without the lock of the queue.
struct Traits;

impl Traits {
    /// A limit depends on the time.
    const TIMED: u8 = 1;
    /// Publishers wait.
    const GATED: u8 = 2;
    /// It says something about the pace of publishers.
    const SETS_PACE: u8 = 4;
    /// What is queued gets too old.
    const EXPIRES: u8 = 8;

    fn of(overflow: &Overflow) -> u8 {
        let limits = &overflow.limits;
        let timed = limits.behind.is_some() || limits.ttl.is_some();
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        bit(timed, Self::TIMED)
            | bit(limits.ttl.is_some(), Self::EXPIRES)
            | bit(overflow.policy.makes_wait(), Self::GATED)
            | bit(!overflow.may_lose(), Self::SETS_PACE)
    }
}

pub use metrics::SubscriptionMetrics;

impl<P: Carried + ?Sized> Inbox<P> {
    pub(crate) fn new(
        filter: Filter,
        name: Option<Box<str>>,
        overflow: Overflow,
        budget: Budget,
        now: Instant,
    ) -> Self {
        let (traits, limits) = (AtomicU8::new(Traits::of(&overflow)), overflow.limits);
        let state = State {
            backlog: Backlog::new(Arc::new(overflow)),
            account: Account::default(),
            ended: None,
            to_reap: false,
            progress: 0,
            since: 0,
            may_stall: Self::may_stall(&limits),
            below_mark: Vec::new(),
            high_water: 0,
        };
        let (monitor, room) = (Monitor::new(state), Turns::default());
        let id = OnceLock::new();
        let clock = Clock::starting_at(now);
        let hand = Hand::default();
        Self { filter, id, name, budget, clock, traits, monitor, room, hand }
    }

    pub(crate) fn set_id(&self, id: SubscriptionId) {
        let _already = self.id.set(id);
    }

    pub(crate) fn id(&self) -> SubscriptionId {
        self.id.get().copied().unwrap_or_default()
    }

    fn is(&self, which: u8) -> bool {
        // Relaxed: a policy that changes does so for messages from about now on.
        self.traits.load(Ordering::Relaxed) & which != 0
    }

    /// Looks at or changes the state with everything queued in it.
    fn whole<R>(&self, f: impl FnOnce(&mut State<P>) -> R) -> R {
        self.hand.with(|held| {
            self.monitor.with(|state| {
                self.hand.put_back(held, state);
                f(state)
            })
        })
    }

    /// Changes it, and wakes all who wait.
    fn update_whole<R>(&self, f: impl FnOnce(&mut State<P>) -> R) -> R {
        let (result, woken) = self.hand.with(|held| {
            self.monitor.change(|state| {
                self.hand.put_back(held, state);
                f(state)
            })
        });
        woken.wake();
        result
    }

    /// Another policy and other limits, from the next message on.
    pub(crate) fn set_overflow(&self, overflow: Overflow) {
        let traits = Traits::of(&overflow);
        self.whole(|state| {
            state.may_stall = Self::may_stall(&overflow.limits);
            state.backlog.set_overflow(Arc::new(overflow));
            self.traits.store(traits, Ordering::Relaxed);
        });
        self.wake_below_mark();
        self.room.wake_all();
    }

    pub(crate) fn overflow(&self) -> Arc<Overflow> {
        self.monitor.with(|state| state.backlog.overflow().clone())
    }

    /// What it is called in errors and status pages.
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => self.filter.to_string(),
        }
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(crate) fn account(&self) -> Account {
        self.whole(|state| state.account.clone())
    }

    /// Messages that came so far.
    pub(crate) fn matched(&self) -> u64 {
        self.monitor.with(|state| state.account.matched())
    }

    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.monitor.with(|state| state.ended.as_deref().cloned())
    }

    /// Ends it; what is queued stays readable. False if it had ended before.
    pub(crate) fn end(&self, reason: EndReason) -> bool {
        let first = self.update_whole(|state| {
            let first = state.ended.is_none();
            state.end(reason);
            first
        });
        self.room.wake_all();
        self.wake_below_mark();
        first
    }

    /// Drops what is queued: nobody is going to read it.
    pub(crate) fn abandon(&self) {
        let _messages = self.update_whole(|state| {
            state.account.lose_queued(LossReason::Unsubscribed);
            self.take_all(state)
        });
        self.wake_below_mark();
    }

    /// Lets go of everything queued; the caller books it, and frees it without the lock.
    fn take_all(&self, state: &mut State<P>) -> Backlog<Queued<P>> {
        let overflow = state.backlog.overflow().clone();
        std::mem::replace(&mut state.backlog, Backlog::new(overflow))
    }

    /// Whether somebody waits for the queue to fall below its mark, and it has, or has ended.
    #[inline]
    fn frees_waiting(&self, state: &State<P>) -> bool {
        !state.below_mark.is_empty() && (state.ended.is_some() || !self.over_mark(state, true))
    }

    /// Wakes all who wait for that; some may have begun to since it was seen, to no harm.
    #[cold]
    fn wake_below_mark(&self) {
        let wakers = self.monitor.with(|state| std::mem::take(&mut state.below_mark));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The mark is half of either limit.
    fn over_mark(&self, state: &State<P>, resume: bool) -> bool {
        let share = if resume { 4 } else { 2 };
        let Depth { messages, bytes } = state.backlog.overflow().most();
        let mark = Depth { messages: messages / share, bytes: bytes / share };
        // Mostly that is enough, and needs no look at the hand.
        !state.backlog.queued_at_most().is_within(mark) && !self.depth(state).is_within(mark)
    }

    /// What is queued, or was a moment ago.
    fn depth(&self, state: &State<P>) -> Depth {
        let mut depth = state.backlog.depth();
        if state.backlog.lent().messages > 0 {
            let in_hand = self.hand.left();
            depth.messages += in_hand.messages;
            depth.bytes += in_hand.bytes;
        }
        depth
    }

    /// Whether what comes can be queued whatever is in the hand.
    #[inline]
    fn takes_beside_hand(&self, state: &State<P>, run: Run<'_, P>, age: Age) -> bool {
        state.backlog.lent().messages == 0
            || age.saturating_sub(state.progress) < state.may_stall
                && state.backlog.has_room_for_all(run.len() as u64, run.size())
    }

    /// Why it is to end now because its consumer took nothing for too long.
    #[inline]
    fn overdue(&self, state: &State<P>, age: Age) -> Option<EndReason> {
        let stalled = age.saturating_sub(state.progress);
        if stalled < state.may_stall || state.backlog.is_empty() {
            return None;
        }
        let stalled = Duration::from_nanos(stalled);
        state.backlog.overflow().overdue(state.backlog.depth(), stalled)
    }

    fn may_stall(limits: &Limits) -> Age {
        limits.behind.map_or(Age::MAX, |behind| behind.as_nanos().try_into().unwrap_or(Age::MAX))
    }

    /// What the caller has to know after a delivery.
    fn delivered(&self, state: &State<P>) -> Taken {
        let over_mark = state.ended.is_none() && self.over_mark(state, false);
        Taken { wake: false, over_mark, finished: state.to_reap }
    }

    #[inline]
    fn enqueue(&self, state: &mut State<P>, run: Run<'_, P>, at: Moment, tally: &mut Tally) {
        if state.ended.is_some() {
            return;
        }
        // What has expired is no longer queued, so nobody is behind of it.
        let Moment { now, age } = at;
        let now_ms = millis(age);
        state.backlog.expire(&mut state.account, now_ms);
        if let Some(reason) = self.overdue(state, age) {
            let lost = LossReason::of_end(&reason);
            tally.end_over(lost, 1);
            state.account.refuse(lost, 1);
            return state.end(reason);
        }
        if state.backlog.is_empty() {
            // What is left in the hand is not looked at: see `Hand::put_back`.
            let lent = state.backlog.lent().messages > 0;
            let since = if lent { &mut state.since } else { &mut state.progress };
            *since = age.max(*since);
        }
        let State { backlog, account, .. } = state;
        let end = backlog.offer(run, account, &self.budget, now, now_ms, tally);
        if let Some(reason) = end {
            state.end(reason);
        }
        if state.backlog.queued_at_most().messages > state.high_water {
            state.high_water = state.high_water.max(self.depth(state).messages);
        }
    }
}

impl<P: Carried + ?Sized> Consumer<P> for Inbox<P> {
    fn deliver(&self, runs: Runs<'_, P>, now: Instant, tally: &mut Tally) -> Taken {
        // What need not be done under the lock is done before.
        let at = self.clock.at(now);
        let mut left = Some(runs);
        let ((mut taken, mut frees_waiting), waited) = self.monitor.with_waiters(|state| {
            // Mostly there is one run.
            while let Some((_, run, later)) = left.map(Runs::split_first) {
                if !self.takes_beside_hand(state, run, at.age) {
                    break;
                }
                self.enqueue(state, run, at, tally);
                left = later;
            }
            (self.delivered(state), self.frees_waiting(state))
        });
        taken.wake = waited;
        if left.is_some() {
            (taken, frees_waiting) = self.update_whole(|state| {
                while let Some((_, run, later)) = left.map(Runs::split_first) {
                    self.enqueue(state, run, at, tally);
                    left = later;
                }
                (self.delivered(state), self.frees_waiting(state))
            });
        }
        if frees_waiting {
            self.wake_below_mark();
        }
        taken
    }

    fn wake(&self, _now: Instant) {
        self.monitor.notify();
    }

    fn approach(&self) {
        // The lock, who waits, and the account.
        self.monitor.prefetch(192);
    }

    fn is_behind(&self) -> bool {
        self.is_over_mark(false)
    }

    fn sets_pace(&self, _key: SubscriptionKey) -> bool {
        self.is(Traits::SETS_PACE)
    }

    fn has_ended(&self) -> bool {
        self.monitor.with(|state| state.ended.is_some())
    }

    fn is_over_mark(&self, resume: bool) -> bool {
        self.monitor.with(|state| state.ended.is_none() && self.over_mark(state, resume))
    }

    fn on_below_mark(&self, waker: Waker) {
        let now = self.whole(|state| {
            if state.ended.is_none() && self.over_mark(state, true) {
                state.below_mark.push(waker);
                return None;
            }
            Some(waker)
        });
        now.into_iter().for_each(Waker::wake);
    }

    fn held_bytes(&self) -> u64 {
        self.whole(|state| {
            // Small messages weigh mostly by what it takes to hold them.
            let (queued, expired) = (state.backlog.depth(), state.backlog.unfreed());
            let messages = queued.messages + expired.messages;
            queued.bytes + expired.bytes + messages * SharedMessage::<P>::OVERHEAD_BYTES as u64
        })
    }

    fn evict(&self, reason: EndReason) {
        let (_messages, frees_waiting) = self.update_whole(|state| {
            let lost = LossReason::of_end(&reason);
            // The end of one that has ended before does not tell of this loss.
            if state.backlog.overflow().may_lose() || state.ended.is_some() {
                state.backlog.give_up_half(lost, &mut state.account);
                return (None, self.frees_waiting(state));
            }
            if state.backlog.free_expired() {
                return (None, false);
            }
            state.account.lose_queued(lost);
            state.end(reason);
            let mut given_up = self.take_all(state);
            // What was missed earlier is still told; of what is given up now the end tells.
            if let Some(missed) = given_up.take_all_gaps() {
                state.backlog.put_gap_back(&missed);
            }
            (Some(given_up), true)
        });
        self.room.wake_all();
        if frees_waiting {
            self.wake_below_mark();
        }
    }

    fn sweep(&self, now: Instant) -> bool {
        let (ended, frees_waiting) = self.whole(|state| {
            let age = self.clock.age(now);
            state.backlog.sweep(&mut state.account, millis(age));
            if let Some(reason) = self.overdue(state, age) {
                state.end(reason);
            }
            (state.to_reap, self.frees_waiting(state))
        });
        if ended {
            self.monitor.notify();
        }
        self.room.wake_all();
        if frees_waiting {
            self.wake_below_mark();
        }
        ended
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        let reap = self.monitor.with(|state| std::mem::take(&mut state.to_reap));
        if reap { vec![(SubscriptionKey::ONLY, self.filter.clone())] } else { Vec::new() }
    }

    fn label(&self) -> String {
        format!("subscription to {}", self.filter)
    }

    fn gate(&self) -> Option<&dyn Gate<P>> {
        self.is(Traits::GATED).then_some(self)
    }
}
