//! The other side of the outbox: writing it out, what happens when that stops, and the end.

use std::task::Waker;
use std::time::{Duration, Instant};

use floodway::{Depth, EndReason, Filter, LossReason, SubscriptionKey};
use floodway_queue::ByteQueue;

use super::ends::Ends;
use super::lanes::Lane;
use super::ledger::{CONTROL, Written};
use super::slots::{Slot, Stage};
use super::{Outbox, WriteEnd};
use crate::framing::Framing;

impl Outbox {
    /// Clears the mark that a wake-up is due: the consumer is being woken.
    pub fn woken(&mut self) {
        self.wake_pending = false;
    }

    /// Takes everything queued for writing. `None` if there is nothing, if the socket takes no more
    /// ([`Outbox::on_writable`] ends that), or if another thread is at it, which will see what was
    /// added since.
    pub fn begin_write(&mut self, framing: &impl Framing, now: Instant) -> Option<ByteQueue> {
        if self.writing || self.blocked {
            return None;
        }
        self.feed(framing, now);
        if self.bytes.is_empty() {
            return None;
        }
        self.writing = true;
        self.writable_again = false;
        self.in_hand = self.bytes.block_bytes();
        Some(std::mem::take(&mut self.bytes))
    }

    /// Gives back what was taken. `written` bytes went out, `rest` did not. Says whether to go on
    /// at once, for there is more to write.
    pub fn end_write(
        &mut self,
        mut rest: ByteQueue,
        written: usize,
        end: WriteEnd,
        now: Instant,
    ) -> bool {
        self.writing = false;
        self.in_hand = 0;
        self.advance(written, now);
        if self.discarded {
            rest.clear(&self.settings.pool);
            self.discard();
            return false;
        }
        self.blocked = end == WriteEnd::Blocked && !self.writable_again;
        if self.blocked && self.bytes.is_empty() {
            rest.settle(&self.settings.pool);
        }
        let newer = std::mem::replace(&mut self.bytes, rest);
        if self.bytes.is_empty() {
            self.bytes = newer;
        } else {
            self.bytes.append_queue(newer);
        }
        self.settle_charge();
        let more = !self.bytes.is_empty() || self.has_waiting();
        end != WriteEnd::Broken && !self.blocked && more
    }

    fn advance(&mut self, written: usize, now: Instant) {
        if written == 0 {
            return;
        }
        self.progress = now;
        if self.depth.bytes <= self.settings.mark {
            self.credit.earn(written as u64, self.settings.burst);
        }
        self.depth.bytes -= written as u64;
        let is_open = self.ended.is_none();
        let Self { slots, depth, retired, lanes, ends, .. } = self;
        if let Some(lanes) = lanes {
            lanes.pass(written as u64);
        }
        self.ledger.advance(written, |Written { slot: at, messages, bytes }| {
            if at == CONTROL {
                return;
            }
            depth.messages -= messages;
            if let Some(slot) = slots.at_mut(at) {
                slot.account.deliver(messages, bytes);
                if let Some(lanes) = lanes.as_mut().filter(|_| !is_open) {
                    lanes.empty(slot);
                }
            }
            if is_open && let Some(vacated) = slots.vacate_if_drained(at) {
                if let Some(lanes) = lanes {
                    lanes.forget(vacated.lane_bytes);
                }
                Ends::book(ends, retired, vacated);
            }
        });
    }

    /// The socket takes more again.
    pub fn on_writable(&mut self) {
        self.blocked = false;
        self.writable_again = true;
    }

    /// Whether more is queued than the mark; with `resume`, than half of it.
    pub(crate) fn is_over_mark(&self, resume: bool) -> bool {
        let mark = if resume { self.settings.mark / 2 } else { self.settings.mark };
        self.ended.is_none() && self.depth.bytes > mark
    }

    /// Registers who waits for it to fall below the mark; `Some` gives the waker back: it has.
    pub(crate) fn on_below_mark(&mut self, waker: Waker) -> Option<Waker> {
        if !self.is_over_mark(true) {
            return Some(waker);
        }
        // A publisher that looks again and waits on registers again.
        if !self.below_mark.iter().any(|known| known.will_wake(&waker)) {
            self.below_mark.push(waker);
        }
        None
    }

    /// Those who waited for the queue to fall below the mark, if it has.
    pub(crate) fn below_mark_wakers(&mut self) -> Vec<Waker> {
        if self.below_mark.is_empty() || self.is_over_mark(true) {
            return Vec::new();
        }
        std::mem::take(&mut self.below_mark)
    }

    /// What time brings: messages expire, and who took nothing for too long is ended. Says why the
    /// whole session is to end, if it is.
    pub(crate) fn sweep(&mut self, framing: &impl Framing, now: Instant) -> Option<EndReason> {
        if self.ended.is_some() {
            return None;
        }
        self.sweep_lanes(now);
        let stalled = now.saturating_duration_since(self.progress);
        if let Some(reason) = self.connection_overdue(stalled) {
            return Some(reason);
        }
        for (at, reason) in self.overdue_slots(stalled) {
            if self.slots.at(at).is_some_and(Slot::ends_session) {
                return Some(reason);
            }
            if let Some(end) = self.end_alone(at, reason, framing, now) {
                return Some(end);
            }
        }
        None
    }

    fn connection_overdue(&self, stalled: Duration) -> Option<EndReason> {
        // Answers nobody takes are a backlog as well.
        let messages = self.depth.messages.max(u64::from(self.depth.bytes > 0));
        let depth = Depth { messages, ..self.depth };
        let reason = self.settings.connection.overdue(depth, stalled)?;
        // Subscriptions that lose messages rather than end are not ended by the limit that is
        // there for all; nor is their connection, if it carries nothing else.
        let queued = || self.slots.iter().filter(|(_, slot)| slot.account.queued() > 0);
        let may_lose = |slot: &Slot| slot.lane().is_some_and(Lane::may_lose);
        let only_losers = queued().next().is_some() && queued().all(|(_, slot)| may_lose(slot));
        (!only_losers).then_some(reason)
    }

    fn overdue_slots(&self, stalled: Duration) -> Vec<(u32, EndReason)> {
        if self.depth.bytes == 0 {
            return Vec::new();
        }
        let default = &self.settings.subscription;
        let open = self.slots.iter().filter(|(_, slot)| slot.stage == Stage::Open);
        let overdue = open.filter_map(|(at, slot)| {
            let overflow = slot.overflow().unwrap_or(default);
            Some((at, overflow.overdue(slot.depth(), stalled)?))
        });
        overdue.collect()
    }

    /// Whether the client has been given everything.
    pub fn is_drained(&self) -> bool {
        self.depth.bytes == 0 && !self.has_waiting()
    }

    /// Nothing more is accepted; what is queued may still be written. The first reason stays.
    pub(crate) fn end(&mut self, reason: EndReason) {
        self.ended.get_or_insert(reason);
    }

    /// Takes all open subscriptions out of service; they have to leave the index.
    pub(crate) fn close_all(&mut self) -> Vec<(SubscriptionKey, Filter)> {
        let open: Vec<u32> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.stage == Stage::Open)
            .map(|(at, _)| at)
            .collect();
        open.into_iter().map(|at| self.slots.close(at)).collect()
    }

    /// Gives up what is still queued, and counts it as lost for the reason the session ended.
    pub(crate) fn discard(&mut self) {
        self.discarded = true;
        if self.writing {
            // What the writer has in hand may still go out; it comes back here with the count.
            self.settle_charge();
            return;
        }
        let reason = self.ended.as_ref().map_or(LossReason::Disconnected, LossReason::of_end);
        for slot in self.slots.iter_mut() {
            slot.account.lose_queued(reason);
        }
        self.ledger.clear();
        self.discard_lanes();
        self.depth = Depth::default();
        let pool = self.settings.pool.clone();
        self.bytes.clear(&pool);
        self.settle_charge();
    }
}
