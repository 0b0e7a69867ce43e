//! The other side of the outbox: writing it out, what happens when that stops, and the end.

use std::task::Waker;
use std::time::Instant;

use floodway::{Depth, EndReason, Filter, LossReason, SubscriptionKey};
use floodway_queue::ByteQueue;

use super::ledger::{CONTROL, Written};
use super::slots::Stage;
use super::{Outbox, WriteEnd};

impl Outbox {
    /// Clears the mark that a wake-up is due: the consumer is being woken.
    pub fn woken(&mut self) {
        self.wake_pending = false;
    }

    /// Takes everything queued for writing. `None` if there is nothing, if the socket takes no more
    /// ([`Outbox::on_writable`] ends that), or if another thread is at it, which will see what was
    /// added since.
    pub fn begin_write(&mut self) -> Option<ByteQueue> {
        if self.writing || self.blocked || self.bytes.is_empty() {
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
        end != WriteEnd::Broken && !self.blocked && !self.bytes.is_empty()
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
        let (slots, depth, retired) = (&mut self.slots, &mut self.depth, &mut self.retired);
        self.ledger.advance(written, |Written { slot: at, messages, bytes }| {
            if at == CONTROL {
                return;
            }
            depth.messages -= messages;
            if let Some(slot) = slots.at_mut(at) {
                slot.account.deliver(messages, bytes);
            }
            if let Some(account) = slots.vacate_if_drained(at) {
                retired.add(&account);
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

    /// Why the session is to end now because its client took nothing for too long.
    pub(crate) fn overdue(&self, now: Instant) -> Option<EndReason> {
        let stalled = now.saturating_duration_since(self.progress);
        // Answers nobody takes are a backlog as well.
        let messages = self.depth.messages.max(u64::from(self.depth.bytes > 0));
        let depth = Depth { messages, ..self.depth };
        if let Some(reason) = self.settings.connection.overdue(depth, stalled) {
            return Some(reason);
        }
        if self.depth.messages == 0 {
            return None;
        }
        let default = &self.settings.subscription;
        self.slots.iter().find_map(|(_, slot)| {
            let special = slot.special.as_ref();
            let own = special.and_then(|special| special.overflow.as_ref());
            let overflow = own.unwrap_or(default);
            let account = &slot.account;
            let depth = Depth { messages: account.queued(), bytes: account.queued_bytes() };
            overflow.overdue(depth, stalled)
        })
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
        self.depth = Depth::default();
        let pool = self.settings.pool.clone();
        self.bytes.clear(&pool);
        self.settle_charge();
    }
}
