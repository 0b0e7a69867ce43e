//! What happens to a run of messages that meets a queue full of messages: one step for all of it.

use super::{Backlog, Held, Offered};
use crate::account::{Account, LossReason};
use crate::budget::Budget;
use crate::message::Message;

impl<T: Held> Backlog<T> {
    /// A queue that is full of messages refuses all that come; how many.
    pub(super) fn refuse(
        &mut self,
        run: &[Message<'_>],
        account: &mut Account,
        offered: &mut Offered,
    ) -> usize {
        let full = |most| self.entries.len() as u64 >= most;
        if !self.overflow.limits.messages.is_some_and(full) {
            return 0;
        }
        self.lose_incoming(run.len() as u64, LossReason::DroppedNewest, account);
        offered.lost += run.len() as u64;
        run.len()
    }

    /// Drops the first in line and puts a message behind the last, in the same memory, for as many
    /// of the run as the queue is full of messages for; how many. In a steady flow through a full
    /// queue this is all there is.
    pub(super) fn exchange(
        &mut self,
        run: &[Message<'_>],
        account: &mut Account,
        budget: &Budget,
        now_ms: u32,
    ) -> usize {
        let limits = &self.overflow.limits;
        let full = limits.messages.is_some_and(|most| self.entries.len() as u64 >= most);
        if !full || self.entries.is_empty() || self.keys.is_some() {
            return 0;
        }
        let most_bytes = limits.bytes.unwrap_or(u64::MAX);
        let (first_seq, mut next_seq) = (self.entries[0].seq, account.matched() + 1);
        let (mut count, mut gone_bytes, mut new_bytes, mut last_seq) = (0, 0, 0, first_seq);
        for message in run {
            let (Some(first), size) = (self.entries.front(), message.size() as u64) else { break };
            let old = first.held.size() as u64;
            if self.bytes - old + size > most_bytes {
                break;
            }
            last_seq = first.seq;
            self.own_bytes -= first.held.own_bytes();
            self.entries.rotate_left(1);
            let Some(last) = self.entries.back_mut() else { break };
            last.held.replace(message, budget);
            self.own_bytes += last.held.own_bytes();
            (last.seq, last.before, last.at_ms) = (next_seq, self.bytes_ever, now_ms);
            self.bytes = self.bytes - old + size;
            self.bytes_ever += size;
            (count, next_seq) = (count + 1, next_seq + 1);
            (gone_bytes, new_bytes) = (gone_bytes + old, new_bytes + size);
        }
        if count > 0 {
            let reason = LossReason::DroppedOldest;
            account.enqueue(count as u64, new_bytes);
            account.drop_queued(reason, count as u64, gone_bytes);
            self.first_place += count as u64;
            let gap = self.gap_at(self.first_place, true);
            gap.add_lost(reason, count as u64, first_seq, last_seq);
        }
        count
    }
}
