//! The queue behind a [`crate::Subscription`] handle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use floodway_queue::{Fifo, Monitor, WaitError};

use crate::account::{Account, LossReason};
use crate::budget::Budget;
use crate::consumer::{Consumer, Taken};
use crate::end::EndReason;
use crate::message::{Message, SharedMessage};
use crate::overflow::{Depth, Overflow, Verdict};
use crate::route::SubscriptionKey;
use crate::subject::Filter;

struct State {
    messages: Fifo<Arc<SharedMessage>>,
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
    fn depth(&self) -> Depth {
        Depth { messages: self.account.queued(), bytes: self.account.queued_bytes() }
    }

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
    overflow: Overflow,
    budget: Budget,
    monitor: Monitor<State>,
}

impl Inbox {
    /// The only subscription of an inbox.
    pub const KEY: SubscriptionKey = SubscriptionKey { slot: 0, serial: 0 };

    pub(crate) fn new(filter: Filter, overflow: Overflow, budget: Budget, now: Instant) -> Self {
        let state = State {
            messages: Fifo::new(),
            account: Account::default(),
            ended: None,
            to_reap: false,
            progress: now,
            wake_pending: false,
            below_mark: Vec::new(),
        };
        Self { filter, overflow, budget, monitor: Monitor::new(state) }
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
            (state.messages.take_all(), std::mem::take(&mut state.below_mark))
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn try_next(&self) -> Option<Result<Arc<SharedMessage>, EndReason>> {
        let (next, wakers) = self.monitor.with(|state| self.take_next(state));
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    pub(crate) fn wait_next(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Result<Arc<SharedMessage>, EndReason>, WaitError> {
        let mut wakers = Vec::new();
        let next = self.monitor.wait(deadline, |state| {
            let (next, woken) = self.take_next(state);
            wakers.extend(woken);
            next
        });
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    pub(crate) fn poll_next(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arc<SharedMessage>, EndReason>> {
        let mut wakers = Vec::new();
        let next = self.monitor.poll(cx, |state| {
            let (next, woken) = self.take_next(state);
            wakers.extend(woken);
            next
        });
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Takes the whole backlog in one operation.
    pub(crate) fn take_backlog(&self) -> VecDeque<Arc<SharedMessage>> {
        let (backlog, wakers) = self.monitor.with(|state| {
            let depth = state.depth();
            state.account.deliver(depth.messages, depth.bytes);
            state.progress = Instant::now();
            (state.messages.take_all(), std::mem::take(&mut state.below_mark))
        });
        wakers.into_iter().for_each(Waker::wake);
        backlog
    }

    /// The next message, else the end; and whoever waited for the queue to fall below its mark.
    fn take_next(
        &self,
        state: &mut State,
    ) -> (Option<Result<Arc<SharedMessage>, EndReason>>, Vec<Waker>) {
        let Some(message) = state.messages.pop() else {
            return (state.ended.clone().map(Err), Vec::new());
        };
        state.account.deliver(1, message.size() as u64);
        if self.overflow.limits.behind.is_some() {
            state.progress = Instant::now();
        }
        (Some(Ok(message)), self.below_mark_wakers(state))
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
        let (limits, depth) = (&self.overflow.limits, state.depth());
        over(limits.messages, depth.messages) || over(limits.bytes, depth.bytes)
    }

    fn enqueue(&self, state: &mut State, message: &Message<'_>, now: Instant) -> bool {
        let size = message.size() as u64;
        let stalled = now.saturating_duration_since(state.progress);
        let verdict = match self.overflow.overdue(state.depth(), stalled) {
            None => self.overflow.admit(state.depth(), 1, size),
            Some(reason) => Verdict::End(reason),
        };
        match verdict {
            Verdict::Accept => {
                if state.messages.is_empty() {
                    state.progress = now;
                }
                state.account.enqueue(1, size);
                state.messages.push(message.keep(&self.budget).clone());
                true
            }
            Verdict::Refuse | Verdict::DropOldest => false,
            Verdict::End(reason) => {
                state.account.refuse(LossReason::of_end(&reason), 1);
                state.end(reason);
                false
            }
        }
    }
}

impl Consumer for Inbox {
    fn deliver(&self, _key: SubscriptionKey, run: &[Message<'_>], now: Instant) -> Taken {
        let (taken, wakers) = self.monitor.with(|state| {
            let mut taken = Taken::default();
            for message in run {
                if state.ended.is_some() || !self.enqueue(state, message, now) {
                    break;
                }
                taken.queued += 1;
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
            let account = &state.account;
            account.queued_bytes() + account.queued() * SharedMessage::OVERHEAD_BYTES as u64
        })
    }

    fn evict(&self, reason: EndReason) {
        let (_messages, wakers) = self.monitor.with(|state| {
            state.account.lose_queued(LossReason::of_end(&reason));
            state.end(reason);
            (state.messages.take_all(), std::mem::take(&mut state.below_mark))
        });
        self.monitor.notify();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn sweep(&self, now: Instant) -> bool {
        let (ended, wakers) = self.monitor.with(|state| {
            let stalled = now.saturating_duration_since(state.progress);
            if let Some(reason) = self.overflow.overdue(state.depth(), stalled) {
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
