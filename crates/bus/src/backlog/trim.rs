//! How messages leave a backlog other than to the consumer: dropped, expired, given up.

use std::time::Duration;

use floodway_queue::line::{Item, Span};

use super::{Backlog, Held};
use crate::account::{Account, LossReason};
use crate::overflow::Depth;

/// Expired entries freed with each call, so that a million of them hold nobody up.
const FREED_AT_ONCE: usize = 64;
/// The same for a sweep: a millisecond or two.
const FREED_BY_SWEEP: usize = 50_000;

impl<T: Held> Backlog<T> {
    /// Counts and skips what is older than the time to live.
    #[inline]
    pub fn expire(&mut self, account: &mut Account, now_ms: u32) {
        self.expire_now(account, now_ms);
        self.line.free_expired(FREED_AT_ONCE);
    }

    #[inline]
    pub(super) fn expire_now(&mut self, account: &mut Account, now_ms: u32) {
        if let Some(ttl) = self.overflow.limits.ttl {
            self.expire_older(ttl, account, now_ms);
        }
    }

    #[inline]
    pub(super) fn expire_older(&mut self, ttl: Duration, account: &mut Account, now_ms: u32) {
        let ttl_ms = u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX);
        self.line.expire(ttl_ms, now_ms, |missed, Span { count, bytes, first, last }| {
            account.expire(count, bytes);
            missed.add_expired(count, first, last);
        });
    }

    /// As [`Backlog::expire`], by somebody who has time to free more.
    pub fn sweep(&mut self, account: &mut Account, now_ms: u32) {
        self.expire(account, now_ms);
        self.line.free_expired(FREED_BY_SWEEP);
    }

    /// Expired messages that are still in memory.
    pub fn unfreed(&self) -> Depth {
        self.line.unfreed()
    }

    /// Frees all expired messages at once, because memory is short; whether there were any.
    pub fn free_expired(&mut self) -> bool {
        self.line.free_all_expired()
    }

    /// The first `count` in line are lost.
    pub(super) fn drop_front(&mut self, count: u64, reason: LossReason, account: &mut Account) {
        let spare = &mut self.spare;
        self.line.drop_front(count, |missed, Span { count, bytes, first, last }, held| {
            account.drop_queued(reason, count, bytes);
            missed.add_lost(reason, count, first, last);
            // Kept for its memory, not for what is in it: shared memory is to be given back.
            if held.own_bytes() > 0 {
                *spare = Some(held);
            }
        });
        if let Some(next) = self.line.get(0) {
            next.will_be_dropped();
        }
    }

    /// Gives memory back: of what has expired, or else that of the older half of what is queued,
    /// which is lost; how many messages that were.
    pub fn give_up_half(&mut self, reason: LossReason, account: &mut Account) -> u64 {
        let expired = self.unfreed().messages;
        if self.free_expired() {
            return expired;
        }
        let count = self.depth().messages.div_ceil(2);
        self.drop_front(count, reason, account);
        self.spare = None;
        self.line.shrink();
        count
    }

    /// Gives up everything that is queued. The account must have been told.
    pub fn clear(&mut self) {
        let overflow = self.overflow.clone();
        *self = Self::new(overflow);
    }

    /// Memory it holds that dropping it would give back.
    pub fn held_bytes(&self) -> usize {
        self.line.held_bytes() + self.spare.as_ref().map_or(0, Item::own_bytes)
    }
}
