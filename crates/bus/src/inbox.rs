//! The queue behind a [`crate::Subscription`] handle.

mod gate;
mod metrics;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use floodway_queue::{Monitor, Place, WaitError, Waiters};

use crate::account::{Account, LossReason};
use crate::backlog::Backlog;
use crate::budget::Budget;
use crate::consumer::{Consumer, Taken};
use crate::delivery::Delivery;
use crate::directory::SubscriptionId;
use crate::end::EndReason;
use crate::gate::Gate;
use crate::message::SharedMessage;
use crate::overflow::Overflow;
use crate::payload::Carried;
use crate::route::SubscriptionKey;
use crate::run::{Run, Runs};
use crate::subject::Filter;
use crate::subscription::RecvError;

/// Time since the inbox was made, so that it is subtracted once for all that depends on it.
type Age = Duration;

struct State<P: Carried + ?Sized> {
    backlog: Backlog<Arc<SharedMessage<P>>>,
    account: Account,
    /// The first reason; nothing is queued once it is there.
    ended: Option<EndReason>,
    /// Whether the index still has to be told that it ended.
    to_reap: bool,
    /// When the consumer last took something, or the queue last became non-empty.
    progress: Age,
    below_mark: Vec<Waker>,
    /// The longest it ever was, in messages.
    high_water: u64,
}

impl<P: Carried + ?Sized> State<P> {
    fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.to_reap = true;
        }
    }
}

/// A queue of shared messages with a policy, for one subscription.
pub struct Inbox<P: Carried + ?Sized = [u8]> {
    filter: Filter,
    /// Set when it comes into the table, and so before the first message.
    id: OnceLock<SubscriptionId>,
    name: Option<Box<str>>,
    budget: Budget,
    born: Instant,
    /// What its policy and limits come to: see [`Traits`].
    traits: AtomicU8,
    monitor: Monitor<State<P>>,
    /// Publishers that wait for room.
    room: Waiters,
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

/// What has to follow when something was taken.
#[derive(Default)]
struct After {
    wakers: Vec<Waker>,
    /// How many messages.
    taken: usize,
    /// It was the last that is ever queued.
    drained: bool,
}

pub use metrics::SubscriptionMetrics;

/// How many were taken.
type Taking = Result<usize, RecvError>;

type Next<P> = Result<Delivery<P>, RecvError>;

impl<P: Carried + ?Sized> Inbox<P> {
    pub(crate) fn new(
        filter: Filter,
        name: Option<Box<str>>,
        overflow: Overflow,
        budget: Budget,
        now: Instant,
    ) -> Self {
        let traits = AtomicU8::new(Traits::of(&overflow));
        let state = State {
            backlog: Backlog::new(Arc::new(overflow)),
            account: Account::default(),
            ended: None,
            to_reap: false,
            progress: Age::ZERO,
            below_mark: Vec::new(),
            high_water: 0,
        };
        let (monitor, room) = (Monitor::new(state), Waiters::new());
        let id = OnceLock::new();
        Self { filter, id, name, budget, born: now, traits, monitor, room }
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

    /// Another policy and other limits, from the next message on.
    pub(crate) fn set_overflow(&self, overflow: Overflow) {
        let traits = Traits::of(&overflow);
        let wakers = self.monitor.with(|state| {
            state.backlog.set_overflow(Arc::new(overflow));
            self.traits.store(traits, Ordering::Relaxed);
            std::mem::take(&mut state.below_mark)
        });
        wakers.into_iter().for_each(Waker::wake);
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
        self.monitor.with(|state| state.account.clone())
    }

    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.monitor.with(|state| state.ended.clone())
    }

    /// Ends it; what is queued stays readable.
    /// False if it had ended before.
    pub(crate) fn end(&self, reason: EndReason) -> bool {
        let (first, wakers) = self.monitor.with(|state| {
            let first = state.ended.is_none();
            state.end(reason);
            (first, self.below_mark_wakers(state))
        });
        self.monitor.notify();
        self.room.wake_all();
        wakers.into_iter().for_each(Waker::wake);
        first
    }

    /// Drops what is queued: nobody is going to read it.
    pub(crate) fn abandon(&self) {
        let (_messages, wakers) = self.monitor.with(|state| {
            state.account.lose_queued(LossReason::Unsubscribed);
            (self.take_all(state), std::mem::take(&mut state.below_mark))
        });
        self.monitor.notify();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The clock is read only where a limit depends on it.
    pub(crate) fn clock(&self) -> Instant {
        if self.is(Traits::TIMED) { Instant::now() } else { self.born }
    }

    /// The clock for who is about to take something, which mostly need not be read: when the last
    /// in line is taken, nobody is behind, and what comes next says since when somebody may be.
    fn clock_to_take(&self, state: &State<P>) -> Instant {
        let is_last = state.backlog.depth().messages <= 1;
        if is_last && !self.is(Traits::EXPIRES) {
            return self.born + state.progress;
        }
        self.clock()
    }

    pub(crate) fn try_next(&self, now: Instant) -> Option<Next<P>> {
        let took = self.monitor.with(|state| self.take_next(state, now));
        self.finish(took)
    }

    pub(crate) fn wait_next(&self, deadline: Option<Instant>) -> Result<Next<P>, WaitError> {
        let took = self.monitor.wait(deadline, |state| self.take_some(state))?;
        Ok(self.finish_some(took))
    }

    pub(crate) async fn next(&self) -> Next<P> {
        let mut watch = self.monitor.watch();
        let took = poll_fn(|cx| watch.poll(cx, |state| self.take_some(state))).await;
        self.finish_some(took)
    }

    /// As [`Inbox::next`], by somebody who keeps its place in the line of those who wait.
    pub(crate) fn poll_next(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Next<P>> {
        let took = self.monitor.poll(place, cx, |state| self.take_some(state));
        took.map(|took| self.finish_some(took))
    }

    /// Waits for a message, and takes up to `max` of them.
    pub(crate) fn wait_many(&self, max: usize, to: &mut Vec<Delivery<P>>) -> Taking {
        let took = self.monitor.wait(None, |state| self.take_many(state, max, to));
        let (taken, after) = took.expect("without a deadline it does not give up");
        self.has_taken(after);
        taken
    }

    /// The same in a task.
    pub(crate) async fn next_many(&self, max: usize, to: &mut Vec<Delivery<P>>) -> Taking {
        let mut watch = self.monitor.watch();
        let mut take = |state: &mut State<P>| self.take_many(state, max, to);
        let (taken, after) = poll_fn(|cx| watch.poll(cx, &mut take)).await;
        self.has_taken(after);
        taken
    }

    fn take_many(
        &self,
        state: &mut State<P>,
        max: usize,
        to: &mut Vec<Delivery<P>>,
    ) -> Option<(Taking, After)> {
        let now = self.clock();
        let (first, mut after) = self.take_next(state, now);
        let first = match first? {
            Ok(first) => first,
            Err(error) => return Some((Err(error), after)),
        };
        to.push(first);
        let more = std::iter::from_fn(|| self.take_message(state, now)).take(max.max(1) - 1);
        let before = to.len();
        to.extend(more);
        after.taken = 1 + to.len() - before;
        after.wakers.extend(self.below_mark_wakers(state));
        after.drained = state.ended.is_some() && state.backlog.is_empty();
        Some((Ok(after.taken), after))
    }

    /// Ends the wait of a place.
    pub(crate) fn give_up(&self, place: &mut Place) {
        self.monitor.give_up(place);
    }

    /// What is queued when everything has been read after the end, or at `deadline`.
    pub(crate) fn wait_drained(&self, deadline: Instant) -> Option<u64> {
        let drained = |state: &mut State<P>| state.backlog.is_empty().then_some(());
        match self.monitor.wait(Some(deadline), drained) {
            Ok(()) => None,
            Err(_timed_out) => Some(self.account().queued()).filter(|&queued| queued > 0),
        }
    }

    fn take_some(&self, state: &mut State<P>) -> Option<(Next<P>, After)> {
        let (next, after) = self.take_next(state, self.clock_to_take(state));
        next.map(|next| (next, after))
    }

    fn finish(&self, (next, after): (Option<Next<P>>, After)) -> Option<Next<P>> {
        self.has_taken(after);
        next
    }

    fn finish_some(&self, (next, after): (Next<P>, After)) -> Next<P> {
        self.has_taken(after);
        next
    }

    /// After something was taken: whoever waited for it goes on.
    #[inline]
    fn has_taken(&self, After { wakers, taken, drained }: After) {
        wakers.into_iter().for_each(Waker::wake);
        if drained {
            self.monitor.notify();
        }
        // Without a fence: a publisher looks at the queue, under its lock, after it has
        // registered; so it either saw the room, or is seen here.
        self.room.wake(taken as u32);
    }

    /// Takes the whole backlog in one operation.
    pub(crate) fn take_backlog(&self, now: Instant) -> VecDeque<Delivery<P>> {
        let (backlog, wakers) = self.monitor.with(|state| {
            let mut all = VecDeque::with_capacity(state.account.queued() as usize);
            all.extend(std::iter::from_fn(|| self.take_message(state, now)));
            (all, std::mem::take(&mut state.below_mark))
        });
        wakers.into_iter().for_each(Waker::wake);
        // All of them: there may be room for any number. And whoever waits for it to be drained.
        self.room.wake_all();
        self.monitor.notify();
        backlog
    }

    fn take_message(&self, state: &mut State<P>, now: Instant) -> Option<Delivery<P>> {
        let age = self.age(now);
        let popped = state.backlog.pop(&mut state.account, millis(age))?;
        state.account.deliver(1, popped.held.size() as u64);
        state.progress = state.progress.max(age);
        Some(Delivery::new(popped, self.id()))
    }

    /// The next message, else what was missed after the last one, else the end; and whoever waited
    /// for the queue to fall below its mark.
    fn take_next(&self, state: &mut State<P>, now: Instant) -> (Option<Next<P>>, After) {
        let mut after = After::default();
        if let Some(delivery) = self.take_message(state, now) {
            after.wakers = self.below_mark_wakers(state);
            after.taken = 1;
            after.drained = state.ended.is_some() && state.backlog.is_empty();
            return (Some(Ok(delivery)), after);
        }
        if let Some(missed) = state.backlog.take_last_gap() {
            return (Some(Err(RecvError::Missed(Box::new(missed)))), after);
        }
        (state.ended.clone().map(|reason| Err(RecvError::Ended(reason))), after)
    }

    /// Lets go of everything queued; the caller books it, and frees it without the lock.
    fn take_all(&self, state: &mut State<P>) -> Backlog<Arc<SharedMessage<P>>> {
        let overflow = state.backlog.overflow().clone();
        std::mem::replace(&mut state.backlog, Backlog::new(overflow))
    }

    fn age(&self, now: Instant) -> Age {
        now.saturating_duration_since(self.born)
    }

    /// Those who waited for the queue to fall below its mark, if it has, or has ended.
    fn below_mark_wakers(&self, state: &mut State<P>) -> Vec<Waker> {
        if state.below_mark.is_empty() || state.ended.is_none() && self.over_mark(state, true) {
            return Vec::new();
        }
        std::mem::take(&mut state.below_mark)
    }

    /// The mark is half of either limit.
    fn over_mark(&self, state: &State<P>, resume: bool) -> bool {
        let share = if resume { 4 } else { 2 };
        let over = |limit: Option<u64>, size: u64| limit.is_some_and(|limit| size > limit / share);
        let (limits, depth) = (&state.backlog.overflow().limits, state.backlog.depth());
        over(limits.messages, depth.messages) || over(limits.bytes, depth.bytes)
    }

    /// Why it is to end now because its consumer took nothing for too long.
    fn overdue(&self, state: &mut State<P>, age: Age) -> Option<EndReason> {
        if state.backlog.is_empty() || !self.is(Traits::TIMED) {
            return None;
        }
        let stalled = age.saturating_sub(state.progress);
        state.backlog.overflow().overdue(state.backlog.depth(), stalled)
    }

    /// What the caller has to know after a delivery.
    fn delivered(&self, state: &State<P>, taken: &mut Taken) {
        taken.over_mark = state.ended.is_none() && self.over_mark(state, false);
        taken.finished = state.to_reap;
    }

    fn enqueue(&self, state: &mut State<P>, run: Run<'_, P>, now: Instant) -> Taken {
        if state.ended.is_some() {
            return Taken::default();
        }
        // What has expired is no longer queued, so nobody is behind of it.
        let age = self.age(now);
        let now_ms = millis(age);
        state.backlog.expire(&mut state.account, now_ms);
        if let Some(reason) = self.overdue(state, age) {
            let mut taken = Taken::default();
            taken.losses.count(LossReason::of_end(&reason), 1);
            state.account.refuse(LossReason::of_end(&reason), 1);
            state.end(reason);
            return taken;
        }
        if state.backlog.is_empty() {
            state.progress = state.progress.max(age);
        }
        let offered = state.backlog.offer(run, &mut state.account, &self.budget, now_ms);
        if let Some(reason) = offered.end {
            state.end(reason);
        }
        state.high_water = state.high_water.max(state.account.queued());
        Taken {
            queued: offered.queued,
            conflated: offered.conflated,
            lost: offered.lost,
            losses: offered.losses,
            ..Taken::default()
        }
    }
}

/// On the clock of a backlog.
fn millis(age: Age) -> u32 {
    age.as_millis() as u32
}

impl<P: Carried + ?Sized> Consumer<P> for Inbox<P> {
    fn deliver(&self, runs: Runs<'_, P>, now: Instant) -> Taken {
        let (mut taken, wakers) = self.monitor.with(|state| {
            // Mostly there is one.
            let (_, run, mut later) = runs.split_first();
            let mut taken = self.enqueue(state, run, now);
            while let Some((_, run, rest)) = later.map(Runs::split_first) {
                taken.add(self.enqueue(state, run, now));
                later = rest;
            }
            self.delivered(state, &mut taken);
            (taken, self.below_mark_wakers(state))
        });
        wakers.into_iter().for_each(Waker::wake);
        taken.wake = self.monitor.is_waited_for();
        taken
    }

    fn wake(&self, _now: Instant) {
        self.monitor.notify();
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
        let now = self.monitor.with(|state| {
            if state.ended.is_none() && self.over_mark(state, true) {
                state.below_mark.push(waker);
                return None;
            }
            Some(waker)
        });
        now.into_iter().for_each(Waker::wake);
    }

    fn held_bytes(&self) -> u64 {
        self.monitor.with(|state| {
            // Small messages weigh mostly by what it takes to hold them.
            let (queued, expired) = (state.backlog.depth(), state.backlog.unfreed());
            let messages = queued.messages + expired.messages;
            queued.bytes + expired.bytes + messages * SharedMessage::<P>::OVERHEAD_BYTES as u64
        })
    }

    fn evict(&self, reason: EndReason) {
        let (_messages, wakers) = self.monitor.with(|state| {
            let lost = LossReason::of_end(&reason);
            // The end of one that has ended before does not tell of this loss.
            if state.backlog.overflow().may_lose() || state.ended.is_some() {
                state.backlog.give_up_half(lost, &mut state.account);
                return (None, self.below_mark_wakers(state));
            }
            if state.backlog.free_expired() {
                return (None, Vec::new());
            }
            state.account.lose_queued(lost);
            state.end(reason);
            let mut given_up = self.take_all(state);
            // What was missed earlier is still told; of what is given up now the end tells.
            if let Some(missed) = given_up.take_all_gaps() {
                state.backlog.put_gap_back(&missed);
            }
            (Some(given_up), std::mem::take(&mut state.below_mark))
        });
        self.monitor.notify();
        self.room.wake_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn sweep(&self, now: Instant) -> bool {
        let (ended, wakers) = self.monitor.with(|state| {
            let age = self.age(now);
            state.backlog.sweep(&mut state.account, millis(age));
            if let Some(reason) = self.overdue(state, age) {
                state.end(reason);
            }
            (state.to_reap, self.below_mark_wakers(state))
        });
        if ended {
            self.monitor.notify();
        }
        self.room.wake_all();
        wakers.into_iter().for_each(Waker::wake);
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
