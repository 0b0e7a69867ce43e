//! How messages leave an inbox towards its reader: one or many, now or awaited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use floodway_queue::{Registration, WaitError, block_until};

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

/// A reader that waits for something to take.
struct Wait<'a, P: Carried + ?Sized> {
    inbox: &'a Inbox<P>,
    registration: Registration,
    has_yielded: bool,
}

impl<P: Carried + ?Sized> Wait<'_, P> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<P>> {
        if self.inbox.hand.keeps_up() && !std::mem::replace(&mut self.has_yielded, true) {
            // Others go first, and then there may be something. To sleep and to be woken for every
            // message would cost the publisher more than this costs the reader.
            if let Some(next) = self.inbox.try_next(None) {
                return Poll::Ready(next);
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inbox.poll_next(&mut self.registration, cx)
    }

    fn poll_many(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        to: &mut Vec<Delivery<P>>,
    ) -> Poll<Taking> {
        let Self { inbox, registration, .. } = self;
        inbox.poll_take(registration, cx, |waiting| inbox.look_many(waiting, max, to))
    }
}

impl<P: Carried + ?Sized> Drop for Wait<'_, P> {
    fn drop(&mut self) {
        self.inbox.give_up(&mut self.registration);
    }
}

impl<P: Carried + ?Sized> Inbox<P> {
    /// At that time; now, if it is none.
    #[inline]
    pub(crate) fn try_next(&self, at: Option<Instant>) -> Option<Next<P>> {
        self.look_next(&mut Registration::default(), at)
    }

    /// The next one, from the hand or the queue; who gets something waits no longer.
    #[inline]
    fn look_next(&self, waiting: &mut Registration, at: Option<Instant>) -> Option<Next<P>> {
        let (next, after, _waker) = self.hand.with(|held| {
            let age = || match at {
                Some(at) => self.clock.age(at),
                None if self.is(Traits::TIMED) => self.clock.about_now(),
                None => 0,
            };
            if let Some(popped) = self.hand.take(held, age) {
                // Nobody has to be told of that: see `State::may_lend`.
                return (Some(Ok(Delivery::new(popped, self.id()))), None, None);
            }
            let (took, waker) = self.monitor.look(waiting, |state| {
                self.hand.put_back(held, state);
                let age = at.map_or_else(|| self.age_to_take(state), |at| self.clock.age(at));
                let (next, after) = self.take_next(state, age);
                if next.is_none() {
                    held.settle();
                } else if state.may_lend() {
                    self.hand.fill(held, &mut state.backlog);
                }
                next.map(|next| (next, after))
            });
            let (next, after) = took.unzip();
            (next, after, waker)
        });
        if let Some(after) = after {
            self.has_taken(after);
        }
        if next.is_some() {
            // Of somebody who has found something in the hand.
            self.give_up(waiting);
        }
        next
    }

    pub(crate) fn wait_next(&self, deadline: Option<Instant>) -> Result<Next<P>, WaitError> {
        // Mostly there is something, and a thread that need not wait needs nothing to wait with.
        if let Some(next) = self.try_next(None) {
            return Ok(next);
        }
        let mut wait = self.wait();
        block_until(deadline, |cx| wait.poll_next(cx)).ok_or(WaitError::TimedOut)
    }

    pub(crate) async fn next(&self) -> Next<P> {
        let mut wait = self.wait();
        poll_fn(|cx| wait.poll_next(cx)).await
    }

    /// As [`Inbox::next`], by somebody who keeps its registration.
    #[inline]
    pub(crate) fn poll_next(
        &self,
        waiting: &mut Registration,
        cx: &mut Context<'_>,
    ) -> Poll<Next<P>> {
        self.poll_take(waiting, cx, |waiting| self.look_next(waiting, None))
    }

    /// Waits for a message, and takes up to `max` of them.
    pub(crate) fn wait_many(&self, max: usize, to: &mut Vec<Delivery<P>>) -> Taking {
        if let Some(taken) = self.look_many(&mut Registration::default(), max, to) {
            return taken;
        }
        let mut wait = self.wait();
        let taken = block_until(None, |cx| wait.poll_many(cx, max, to));
        taken.expect("without a deadline it does not give up")
    }

    /// The same in a task.
    pub(crate) async fn next_many(&self, max: usize, to: &mut Vec<Delivery<P>>) -> Taking {
        let mut wait = self.wait();
        poll_fn(|cx| wait.poll_many(cx, max, to)).await
    }

    fn wait(&self) -> Wait<'_, P> {
        Wait { inbox: self, registration: Registration::default(), has_yielded: false }
    }

    /// Ready with what `look` finds; else pending, and registered to be woken.
    #[inline]
    fn poll_take<R>(
        &self,
        waiting: &mut Registration,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Registration) -> Option<R>,
    ) -> Poll<R> {
        loop {
            if let Some(found) = look(waiting) {
                return Poll::Ready(found);
            }
            // What was lent meanwhile, to another reader, may be left for this one.
            if self.monitor.register(waiting, cx.waker(), |state| !state.has_some()) {
                return Poll::Pending;
            }
        }
    }

    fn look_many(
        &self,
        waiting: &mut Registration,
        max: usize,
        to: &mut Vec<Delivery<P>>,
    ) -> Option<Taking> {
        let (taken, after) = self.whole(|state| self.take_many(state, max, to))?;
        self.has_taken(after);
        self.give_up(waiting);
        Some(taken)
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

    /// Ends the wait of somebody.
    pub(crate) fn give_up(&self, waiting: &mut Registration) {
        self.monitor.give_up(waiting);
    }

    /// What is queued when everything has been read after the end, or at `deadline`.
    pub(crate) fn wait_drained(&self, deadline: Instant) -> Option<u64> {
        // Nothing is lent after the end.
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
        let (backlog, frees_waiting) = self.whole(|state| {
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
