//! How messages leave an inbox towards its reader: one or many, now or awaited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use floodway_queue::{Place, WaitError};

use super::{Inbox, State, Traits, millis};
use crate::delivery::Delivery;
use crate::payload::Carried;
use crate::subscription::RecvError;

/// What has to follow when something was taken.
#[derive(Default)]
struct After {
    wakers: Vec<Waker>,
    /// It was the last that is ever queued.
    drained: bool,
}

/// How many were taken.
type Taking = Result<usize, RecvError>;

type Next<P> = Result<Delivery<P>, RecvError>;

impl<P: Carried + ?Sized> Inbox<P> {
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
        let taken = 1 + to.len() - before;
        after.wakers.extend(self.below_mark_wakers(state));
        after.drained = state.ended.is_some() && state.backlog.is_empty();
        Some((Ok(taken), after))
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

    /// The clock for who is about to take something, which mostly need not be read: when the last
    /// in line is taken, nobody is behind, and what comes next says since when somebody may be.
    fn clock_to_take(&self, state: &State<P>) -> Instant {
        let is_last = state.backlog.depth().messages <= 1;
        if is_last && !self.is(Traits::EXPIRES) {
            return self.born + state.progress;
        }
        self.clock()
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
    fn has_taken(&self, After { wakers, drained }: After) {
        wakers.into_iter().for_each(Waker::wake);
        if drained {
            self.monitor.notify();
        }
        // Without a fence: a publisher looks at the queue, under its lock, after it has
        // registered; so it either saw the room, or is seen here.
        self.room.wake_first();
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
        state.account.deliver(1, popped.held.message.size() as u64);
        state.progress = state.progress.max(age);
        Some(Delivery::new(popped, self.id()))
    }

    /// The next message, else what was missed after the last one, else the end; and whoever waited
    /// for the queue to fall below its mark.
    fn take_next(&self, state: &mut State<P>, now: Instant) -> (Option<Next<P>>, After) {
        let mut after = After::default();
        if let Some(delivery) = self.take_message(state, now) {
            after.wakers = self.below_mark_wakers(state);
            after.drained = state.ended.is_some() && state.backlog.is_empty();
            return (Some(Ok(delivery)), after);
        }
        if let Some(missed) = state.backlog.take_last_gap() {
            return (Some(Err(RecvError::Missed(Box::new(missed)))), after);
        }
        (state.ended.clone().map(|reason| Err(RecvError::Ended(reason))), after)
    }
}
