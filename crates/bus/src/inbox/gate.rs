//! An inbox for which publishers wait.

use std::time::{Duration, Instant};

use super::clock::millis;
use super::{Inbox, State};
use crate::account::LossReason;
use crate::consumer::Taken;
use crate::gate::{Gate, Room};
use crate::overflow::{Policy, Verdict};
use crate::payload::Carried;
use crate::report::Tally;
use crate::run::Run;
use crate::turns::{Ticket, Turns};

impl<P: Carried + ?Sized> Inbox<P> {
    fn room_for(
        &self,
        state: &mut State<P>,
        bytes: u64,
        ticket: Option<Ticket>,
        now: Instant,
    ) -> Room {
        let overflow = state.backlog.overflow();
        if !overflow.policy.makes_wait() {
            return Room::Open;
        }
        if !overflow.could_take(bytes) {
            return Room::TooLarge;
        }
        let limits = overflow.limits;
        let is_next = match ticket {
            Some(ticket) => self.room.is_first(ticket),
            None => self.room.waiting() == 0,
        };
        let promised = is_next.then(|| state.backlog.promise(bytes)).flatten();
        if let Some(depth) = promised {
            return Room::Granted(state.backlog.overflow().delay(depth));
        }
        // What is queued now ends or leaves by itself at the earliest then; never in the past, so
        // that nobody asks again and again.
        let soonest = now + Duration::from_millis(1);
        let is_empty = state.backlog.is_empty();
        let since = if is_empty { now } else { self.clock.time(state.progress) };
        let behind = limits.behind.map(|behind| since + behind);
        let age = state.backlog.oldest(millis(self.clock.age(now))).unwrap_or_default();
        let expired = limits.ttl.map(|ttl| soonest + ttl.saturating_sub(age));
        Room::Full(behind.into_iter().chain(expired).min().map(|at| at.max(soonest)))
    }
}

impl<P: Carried + ?Sized> Gate<P> for Inbox<P> {
    fn reserve(&self, bytes: u64, ticket: Option<Ticket>, now: Instant) -> Room {
        let (room, ends) = self.monitor.with(|state| {
            if state.ended.is_some() {
                return (Room::Ended, false);
            }
            let age = self.clock.age(now);
            state.backlog.expire(&mut state.account, millis(age));
            if let Some(reason) = self.overdue(state, age) {
                state.end(reason);
                return (Room::Ended, true);
            }
            (self.room_for(state, bytes, ticket, now), false)
        });
        if ends {
            self.monitor.notify();
            self.room.wake_all();
            self.wake_below_mark();
        }
        room
    }

    fn may_go_on(&self, bytes: u64) -> bool {
        let bytes = self.room.first_bytes().unwrap_or(bytes);
        self.monitor.with(|state| {
            let (overflow, depth) = (state.backlog.overflow(), state.backlog.depth());
            state.ended.is_some()
                || !overflow.policy.makes_wait()
                || !overflow.could_take(bytes)
                || overflow.admit(depth, 1, bytes) == Verdict::Accept
        })
    }

    fn give_back(&self, bytes: u64) {
        self.monitor.with(|state| state.backlog.take_promise_back(bytes));
        self.room.wake_first();
    }

    fn deliver_reserved(&self, message: Run<'_, P>, now: Instant, tally: &mut Tally) -> Taken {
        let (bytes, at) = (message.size(), self.clock.at(now));
        self.monitor.update(|state| {
            state.backlog.take_promise_back(bytes);
            self.enqueue(state, message, at, tally);
            self.delivered(state)
        })
    }

    fn lose(&self, reason: LossReason, tally: &mut Tally) -> Taken {
        self.monitor.update(|state| {
            if state.ended.is_none() {
                state.backlog.lose_incoming(1, reason, &mut state.account);
                tally.lose(reason, 1);
            }
        });
        Taken::default()
    }

    fn turns(&self) -> &Turns {
        &self.room
    }

    fn patience(&self) -> Option<Duration> {
        self.monitor.with(|state| match state.backlog.overflow().policy {
            Policy::Block { patience } => patience,
            _ => None,
        })
    }

    fn name(&self) -> String {
        self.name()
    }
}
