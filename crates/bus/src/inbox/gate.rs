//! An inbox for which publishers wait.

use std::task::Waker;
use std::time::{Duration, Instant};

use floodway_queue::Waiters;

use super::{Inbox, millis};
use crate::account::LossReason;
use crate::consumer::Taken;
use crate::gate::{Gate, Room};
use crate::overflow::Policy;
use crate::payload::Carried;
use crate::run::Run;

impl<P: Carried + ?Sized> Gate<P> for Inbox<P> {
    fn reserve(&self, bytes: u64, queues_up: bool, now: Instant) -> Room {
        let (room, wakers) = self.monitor.with(|state| {
            if state.ended.is_some() {
                return (Room::Ended, Vec::new());
            }
            let age = self.age(now);
            state.backlog.expire(&mut state.account, millis(age));
            if let Some(reason) = self.overdue(state, age) {
                state.end(reason);
                return (Room::Ended, std::mem::take(&mut state.below_mark));
            }
            let overflow = state.backlog.overflow();
            if !overflow.could_take(bytes) {
                return (Room::TooLarge, Vec::new());
            }
            let again = overflow.limits.behind.map(|behind| self.born + state.progress + behind);
            // Whoever comes now stands behind those who wait, also if a little is free already.
            if queues_up && self.room.waiting() > 0 {
                return (Room::Full(again), Vec::new());
            }
            let room = match state.backlog.promise(bytes) {
                Some(depth) => Room::Granted(state.backlog.overflow().delay(depth)),
                None => Room::Full(again),
            };
            (room, Vec::new())
        });
        if room == Room::Ended {
            self.monitor.notify();
        }
        wakers.into_iter().for_each(Waker::wake);
        room
    }

    fn give_back(&self, bytes: u64) {
        self.monitor.with(|state| state.backlog.take_promise_back(bytes));
        self.room.wake(1);
    }

    fn deliver_reserved(&self, message: Run<'_, P>, now: Instant) -> Taken {
        let bytes = message.size();
        let mut taken = self.monitor.with(|state| {
            state.backlog.take_promise_back(bytes);
            let mut taken = self.enqueue(state, message, now);
            self.delivered(state, &mut taken);
            taken
        });
        taken.wake = self.monitor.is_waited_for();
        taken
    }

    fn lose(&self, reason: LossReason) -> Taken {
        let mut taken = Taken::default();
        self.monitor.with(|state| {
            if state.ended.is_none() {
                state.backlog.lose_incoming(1, reason, &mut state.account);
                taken.losses.count(reason, 1);
                taken.lost = 1;
            }
        });
        taken.wake = self.monitor.is_waited_for();
        taken
    }

    fn waiters(&self) -> &Waiters {
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
