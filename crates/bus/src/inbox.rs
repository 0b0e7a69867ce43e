//! The queue behind a [`crate::Subscription`] handle.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use floodway_queue::{Monitor, WaitError};

use crate::account::{Account, LossReason};
use crate::backlog::Backlog;
use crate::budget::Budget;
use crate::consumer::{Consumer, Taken};
use crate::delivery::Delivery;
use crate::end::EndReason;
use crate::message::SharedMessage;
use crate::overflow::Overflow;
use crate::route::SubscriptionKey;
use crate::run::{Run, Runs};
use crate::subject::Filter;
use crate::subscription::RecvError;

struct State {
    backlog: Backlog<Arc<SharedMessage>>,
    account: Account,
    /// The first reason; nothing is queued once it is there.
    ended: Option<EndReason>,
    /// Whether the index still has to be told that it ended.
    to_reap: bool,
    /// When the consumer last took something, or the queue last became non-empty.
    progress: Instant,
    wake_pending: bool,
    below_mark: Vec<Waker>,
}

impl State {
    fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.to_reap = true;
        }
    }
}

/// A queue of shared messages with a policy, for one subscription.
pub struct Inbox {
    filter: Filter,
    overflow: Arc<Overflow>,
    budget: Budget,
    born: Instant,
    monitor: Monitor<State>,
}

type Next = Result<Delivery, RecvError>;

impl Inbox {
    /// The only subscription of an inbox.
    pub const KEY: SubscriptionKey = SubscriptionKey { slot: 0, serial: 0 };

    pub(crate) fn new(filter: Filter, overflow: Overflow, budget: Budget, now: Instant) -> Self {
        let overflow = Arc::new(overflow);
        let state = State {
            backlog: Backlog::new(overflow.clone()),
            account: Account::default(),
            ended: None,
            to_reap: false,
            progress: now,
            wake_pending: false,
            below_mark: Vec::new(),
        };
        Self { filter, overflow, budget, born: now, monitor: Monitor::new(state) }
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
    pub(crate) fn end(&self, reason: EndReason) {
        let wakers = self.monitor.with(|state| {
            state.end(reason);
            self.below_mark_wakers(state)
        });
        self.monitor.notify();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops what is queued: nobody is going to read it.
    pub(crate) fn abandon(&self) {
        let (_messages, wakers) = self.monitor.with(|state| {
            state.account.lose_queued(LossReason::Unsubscribed);
            (self.take_all(state), std::mem::take(&mut state.below_mark))
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The clock is read only where a limit depends on it.
    pub(crate) fn clock(&self) -> Instant {
        let limits = &self.overflow.limits;
        if limits.behind.is_some() || limits.ttl.is_some() { Instant::now() } else { self.born }
    }

    pub(crate) fn try_next(&self, now: Instant) -> Option<Next> {
        let (next, wakers) = self.monitor.with(|state| self.take_next(state, now));
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    pub(crate) fn wait_next(&self, deadline: Option<Instant>) -> Result<Next, WaitError> {
        let mut wakers = Vec::new();
        let next = self.monitor.wait(deadline, |state| {
            let (next, woken) = self.take_next(state, self.clock());
            wakers.extend(woken);
            next
        });
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    pub(crate) async fn next(&self) -> Next {
        let mut watch = self.monitor.watch();
        poll_fn(|cx| {
            let mut wakers = Vec::new();
            let next = watch.poll(cx, |state| {
                let (next, woken) = self.take_next(state, self.clock());
                wakers.extend(woken);
                next
            });
            wakers.into_iter().for_each(Waker::wake);
            next
        })
        .await
    }

    /// Takes the whole backlog in one operation.
    pub(crate) fn take_backlog(&self, now: Instant) -> VecDeque<Delivery> {
        let (backlog, wakers) = self.monitor.with(|state| {
            let mut all = VecDeque::with_capacity(state.account.queued() as usize);
            all.extend(std::iter::from_fn(|| self.take_message(state, now)));
            (all, std::mem::take(&mut state.below_mark))
        });
        wakers.into_iter().for_each(Waker::wake);
        backlog
    }

    fn take_message(&self, state: &mut State, now: Instant) -> Option<Delivery> {
        let popped = state.backlog.pop(&mut state.account, self.millis(now))?;
        state.account.deliver(1, popped.held.size() as u64);
        state.progress = state.progress.max(now);
        Some(Delivery::new(popped))
    }

    /// The next message, else what was missed after the last one, else the end; and whoever waited
    /// for the queue to fall below its mark.
    fn take_next(&self, state: &mut State, now: Instant) -> (Option<Next>, Vec<Waker>) {
        if let Some(delivery) = self.take_message(state, now) {
            return (Some(Ok(delivery)), self.below_mark_wakers(state));
        }
        if let Some(missed) = state.backlog.take_last_gap() {
            return (Some(Err(RecvError::Missed(Box::new(missed)))), Vec::new());
        }
        (state.ended.clone().map(|reason| Err(RecvError::Ended(reason))), Vec::new())
    }

    /// Lets go of everything queued; the caller books it, and frees it without the lock.
    fn take_all(&self, state: &mut State) -> Backlog<Arc<SharedMessage>> {
        std::mem::replace(&mut state.backlog, Backlog::new(self.overflow.clone()))
    }

    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.born).as_millis() as u32
    }

    /// Those who waited for the queue to fall below its mark, if it has, or has ended.
    fn below_mark_wakers(&self, state: &mut State) -> Vec<Waker> {
        if state.below_mark.is_empty() || state.ended.is_none() && self.over_mark(state, true) {
            return Vec::new();
        }
        std::mem::take(&mut state.below_mark)
    }

    /// The mark is half of either limit.
    fn over_mark(&self, state: &State, resume: bool) -> bool {
        let share = if resume { 4 } else { 2 };
        let over = |limit: Option<u64>, size: u64| limit.is_some_and(|limit| size > limit / share);
        let (limits, depth) = (&self.overflow.limits, state.backlog.depth());
        over(limits.messages, depth.messages) || over(limits.bytes, depth.bytes)
    }

    /// Why it is to end now because its consumer took nothing for too long.
    fn overdue(&self, state: &mut State, now: Instant) -> Option<EndReason> {
        let stalled = now.saturating_duration_since(state.progress);
        self.overflow.overdue(state.backlog.depth(), stalled)
    }

    fn enqueue(&self, state: &mut State, run: Run<'_>, now: Instant) -> Taken {
        if state.ended.is_some() {
            return Taken::default();
        }
        // What has expired is no longer queued, so nobody is behind of it.
        let now_ms = self.millis(now);
        state.backlog.expire(&mut state.account, now_ms);
        if let Some(reason) = self.overdue(state, now) {
            state.account.refuse(LossReason::of_end(&reason), 1);
            state.end(reason);
            return Taken::default();
        }
        if state.backlog.is_empty() {
            state.progress = state.progress.max(now);
        }
        let offered = state.backlog.offer(run, &mut state.account, &self.budget, now_ms);
        if let Some(reason) = offered.end {
            state.end(reason);
        }
        Taken { queued: offered.queued, lost: offered.lost, ..Taken::default() }
    }
}

impl Consumer for Inbox {
    fn deliver(&self, runs: Runs<'_>, now: Instant) -> Taken {
        let (taken, wakers) = self.monitor.with(|state| {
            let mut taken = Taken::default();
            for (_, run) in runs.iter() {
                taken.add(self.enqueue(state, run, now));
            }
            taken.wake = !std::mem::replace(&mut state.wake_pending, true);
            taken.over_mark = state.ended.is_none() && self.over_mark(state, false);
            taken.finished = state.to_reap;
            (taken, self.below_mark_wakers(state))
        });
        wakers.into_iter().for_each(Waker::wake);
        taken
    }

    fn wake(&self, _now: Instant) {
        self.monitor.with(|state| state.wake_pending = false);
        self.monitor.notify();
    }

    fn is_behind(&self) -> bool {
        self.is_over_mark(false)
    }

    fn sets_pace(&self, _key: SubscriptionKey) -> bool {
        !self.overflow.may_lose()
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
            queued.bytes + expired.bytes + messages * SharedMessage::OVERHEAD_BYTES as u64
        })
    }

    fn evict(&self, reason: EndReason) {
        let (_messages, wakers) = self.monitor.with(|state| {
            let lost = LossReason::of_end(&reason);
            // The end of one that has ended before does not tell of this loss.
            if self.overflow.may_lose() || state.ended.is_some() {
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
        wakers.into_iter().for_each(Waker::wake);
    }

    fn sweep(&self, now: Instant) -> bool {
        let (ended, wakers) = self.monitor.with(|state| {
            state.backlog.sweep(&mut state.account, self.millis(now));
            if let Some(reason) = self.overdue(state, now) {
                state.end(reason);
            }
            (state.to_reap, self.below_mark_wakers(state))
        });
        if ended {
            self.monitor.notify();
        }
        wakers.into_iter().for_each(Waker::wake);
        ended
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        let reap = self.monitor.with(|state| std::mem::take(&mut state.to_reap));
        if reap { vec![(Self::KEY, self.filter.clone())] } else { Vec::new() }
    }

    fn label(&self) -> String {
        format!("subscription to {}", self.filter)
    }
}
