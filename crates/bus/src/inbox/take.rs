//! How messages leave an inbox towards its reader: one or many, now or awaited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use floodway_queue::{Place, WaitError};

use super::clock::{Age, millis};
use super::{Inbox, State, Traits};
use crate::delivery::Delivery;
use crate::payload::Carried;
use crate::subscription::RecvError;

/// What has to follow when something was taken.
#[derive(Clone, Copy, Default)]
struct After {
    /// Somebody waited for the queue to fall below its mark.
    frees_waiting: bool,
    /// It was the last that is ever queued.
    drained: bool,
}

/// How many were taken.
type Taking = Result<usize, RecvError>;

type Next<P> = Result<Delivery<P>, RecvError>;

impl<P: Carried + ?Sized> Inbox<P> {
    /// At that time; now, if it is none.
    pub(crate) fn try_next(&self, at: Option<Instant>) -> Option<Next<P>> {
        let (next, after) = self.monitor.with(|state| {
            let age = at.map_or_else(|| self.age_to_take(state), |at| self.clock.age(at));
            self.take_next(state, age)
        });
        self.has_taken(after);
        next
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
        let age = self.age_to_take(state);
        let (first, after) = self.take_next(state, age);
        let first = match first? {
            Ok(first) => first,
            Err(error) => return Some((Err(error), after)),
        };
        to.push(first);
        let more = std::iter::from_fn(|| self.take_message(state, age)).take(max.max(1) - 1);
        let before = to.len();
        to.extend(more);
        let taken = 1 + to.len() - before;
        Some((Ok(taken), self.after(state)))
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

    /// The time for who is about to take something. Where it only says since when somebody may be
    /// behind it need not be exact; and when the last in line is taken nobody is behind, and what
    /// comes next says since when somebody may be.
    #[inline]
    fn age_to_take(&self, state: &State<P>) -> Age {
        if self.is(Traits::EXPIRES) {
            self.clock.now()
        } else if self.is(Traits::TIMED) && state.backlog.depth().messages > 1 {
            self.clock.about_now()
        } else {
            state.progress
        }
    }

    #[inline]
    fn take_some(&self, state: &mut State<P>) -> Option<(Next<P>, After)> {
        let (next, after) = self.take_next(state, self.age_to_take(state));
        next.map(|next| (next, after))
    }

    fn finish_some(&self, (next, after): (Next<P>, After)) -> Next<P> {
        self.has_taken(after);
        next
    }

    /// After something was taken: whoever waited for it goes on.
    #[inline]
    fn has_taken(&self, After { frees_waiting, drained }: After) {
        if frees_waiting {
            self.wake_below_mark();
        }
        if drained {
            self.monitor.notify();
        }
        // Without a fence: a publisher looks at the queue, under its lock, after it has
        // registered; so it either saw the room, or is seen here.
        self.room.wake_first();
    }

    /// Takes the whole backlog in one operation.
    pub(crate) fn take_backlog(&self, at: Option<Instant>) -> VecDeque<Delivery<P>> {
        let (backlog, frees_waiting) = self.monitor.with(|state| {
            let age = at.map_or_else(|| self.age_to_take(state), |at| self.clock.age(at));
            let mut all = VecDeque::with_capacity(state.account.queued() as usize);
            all.extend(std::iter::from_fn(|| self.take_message(state, age)));
            (all, self.frees_waiting(state))
        });
        if frees_waiting {
            self.wake_below_mark();
        }
        // All of them: there may be room for any number. And whoever waits for it to be drained.
        self.room.wake_all();
        self.monitor.notify();
        backlog
    }

    #[inline]
    fn take_message(&self, state: &mut State<P>, age: Age) -> Option<Delivery<P>> {
        let popped = state.backlog.pop(&mut state.account, millis(age))?;
        state.account.deliver(1, popped.held.message.size() as u64);
        state.progress = state.progress.max(age);
        Some(Delivery::new(popped, self.id()))
    }

    #[inline]
    fn after(&self, state: &State<P>) -> After {
        let drained = state.ended.is_some() && state.backlog.is_empty();
        After { frees_waiting: self.frees_waiting(state), drained }
    }

    /// The next message, else what was missed after the last one, else the end; and whoever waited
    /// for the queue to fall below its mark.
    #[inline]
    fn take_next(&self, state: &mut State<P>, age: Age) -> (Option<Next<P>>, After) {
        if let Some(delivery) = self.take_message(state, age) {
            return (Some(Ok(delivery)), self.after(state));
        }
        let after = After::default();
        if let Some(missed) = state.backlog.take_last_gap() {
            return (Some(Err(RecvError::Missed(Box::new(missed)))), after);
        }
        let ended = state.ended.as_deref().cloned();
        (ended.map(|reason| Err(RecvError::Ended(reason))), after)
    }
}
