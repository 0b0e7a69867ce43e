//! How messages leave a backlog other than to the consumer: dropped, expired, given up.

use std::collections::VecDeque;

use super::garbage::Garbage;
use super::{Backlog, Entry, Held, age};
use crate::account::{Account, LossReason};
use crate::missed::Missed;
use crate::overflow::Depth;

/// Entries kept room for when the queue runs empty; one that grew beyond gives its memory back.
const RETAINED: usize = 64;
/// Expired entries freed with each call, so that a million of them hold nobody up.
const FREED_AT_ONCE: usize = 64;
/// The same for a sweep: a millisecond or two.
const FREED_BY_SWEEP: usize = 50_000;

impl<T: Held> Backlog<T> {
    /// Counts and skips what is older than the time to live.
    #[inline]
    pub fn expire(&mut self, account: &mut Account, now_ms: u32) {
        self.expire_now(account, now_ms);
        self.free_garbage(FREED_AT_ONCE);
    }

    #[inline]
    pub(super) fn expire_now(&mut self, account: &mut Account, now_ms: u32) {
        if let Some(ttl) = self.overflow.limits.ttl {
            let ttl_ms = u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX);
            self.expire_older(ttl_ms, account, now_ms);
        }
    }

    #[inline]
    pub(super) fn free_garbage(&mut self, count: usize) {
        if !self.garbage.is_empty() {
            self.garbage.free(count);
        }
    }

    /// As [`Backlog::expire`], by somebody who has time to free more.
    pub fn sweep(&mut self, account: &mut Account, now_ms: u32) {
        self.expire(account, now_ms);
        self.garbage.free(FREED_BY_SWEEP);
    }

    /// Expired messages that are still in memory.
    pub fn unfreed(&self) -> Depth {
        self.garbage.depth()
    }

    /// Frees all expired messages at once, because memory is short; whether there were any.
    pub fn free_expired(&mut self) -> bool {
        let any = !self.garbage.is_empty();
        self.garbage = Garbage::default();
        any
    }

    fn expire_older(&mut self, ttl_ms: u32, account: &mut Account, now_ms: u32) {
        // What was queued exactly the time to live ago is still good.
        let expired = |entry: &Entry<T>| age(entry.at_ms, now_ms) > ttl_ms;
        if self.keys.is_some() {
            // A replaced message is as young as its successor, so the queue is not in the order of
            // time; one that has expired further back is found when it comes to the front.
            while self.entries.front().is_some_and(expired) {
                self.expire_first(account);
            }
            return;
        }
        // Mostly none or few have; a look at the first few beats a search.
        for _ in 0..4 {
            if !self.entries.front().is_some_and(expired) {
                return;
            }
            self.expire_first(account);
        }
        let count = self.entries.partition_point(expired);
        if count > 0 {
            self.expire_many(count, account);
        }
    }

    fn expire_first(&mut self, account: &mut Account) {
        let Some(entry) = self.take_entry() else { return };
        let count = entry.held.count() as u64;
        account.expire(count, entry.held.size());
        self.gap_at(self.first_place, true).add_expired(count, entry.seq, entry.last_seq());
        self.garbage.push(entry);
    }

    /// The first `count` entries have expired: cuts them off without freeing them.
    fn expire_many(&mut self, count: usize, account: &mut Account) {
        let (first, last) = (&self.entries[0], &self.entries[count - 1]);
        let next = self.entries.get(count);
        let (end_place, end) =
            next.map_or((self.end_place, self.bytes_ever), |entry| (entry.place, entry.before));
        let (messages, bytes) = (end_place - first.place, end - first.before);
        let (first, last) = (first.seq, last.last_seq());
        account.expire(messages, bytes);
        self.bytes -= bytes;
        self.first_place = end_place;
        self.gap_at(self.first_place, true).add_expired(messages, first, last);
        // Either the few that are left move, or the few that go: a deep queue that loses a little
        // with each call must not be copied each time.
        if self.entries.len() - count < count {
            let fresh = self.entries.split_off(count);
            let old = std::mem::replace(&mut self.entries, fresh);
            let left = self.entries.iter().map(|entry| entry.held.own_bytes()).sum();
            let own_bytes = std::mem::replace(&mut self.own_bytes, left) - left;
            self.garbage.take(old, Depth { messages, bytes }, own_bytes);
        } else {
            for entry in self.entries.drain(..count) {
                self.own_bytes -= entry.held.own_bytes();
                self.garbage.push(entry);
            }
        }
        if self.entries.is_empty() {
            self.settle();
        }
    }

    /// The first `count` in line are lost.
    pub(super) fn drop_front(&mut self, count: u64, reason: LossReason, account: &mut Account) {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        while left > 0
            && let Some(first) = self.entries.front()
        {
            let seq = first.seq;
            let Some(held) = self.take_first(left) else { break };
            let gone = held.count();
            left -= gone;
            account.drop_queued(reason, gone as u64, held.size());
            let last = seq + gone as u64 - 1;
            self.gap_at(self.first_place, true).add_lost(reason, gone as u64, seq, last);
            // Kept for its memory, not for what is in it: shared memory is to be given back.
            if held.own_bytes() > 0 {
                self.spare = Some(held);
            }
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
        self.entries.shrink_to_fit();
        count
    }

    /// Gives up everything that is queued. The account must have been told.
    pub fn clear(&mut self) {
        let overflow = self.overflow.clone();
        *self = Self::new(overflow);
    }

    /// Takes the first messages of the first entry, at most `most`, out of all tables but the
    /// account.
    pub(super) fn take_first(&mut self, most: usize) -> Option<T> {
        let first = self.entries.front_mut()?;
        if first.held.count() > most
            && let Some(held) = first.held.split(most)
        {
            let (count, size) = (most as u64, held.size());
            first.seq += count;
            first.place += count;
            first.before += size;
            self.first_place += count;
            self.bytes -= size;
            return Some(held);
        }
        self.take_entry().map(|entry| entry.held)
    }

    /// Takes the first entry out of all tables but the account.
    fn take_entry(&mut self) -> Option<Entry<T>> {
        let entry = self.entries.pop_front()?;
        self.first_place += entry.held.count() as u64;
        self.bytes -= entry.held.size();
        self.own_bytes -= entry.held.own_bytes();
        self.replacers -= u64::from(entry.replaced > 0);
        if let Some(keys) = &mut self.keys {
            keys.pop();
        }
        if self.entries.is_empty() {
            self.settle();
        }
        Some(entry)
    }

    /// The queue has run empty: the memory of a burst goes back.
    fn settle(&mut self) {
        if self.entries.capacity() > RETAINED {
            (self.entries, self.spare) = (VecDeque::new(), None);
        }
        if self.gaps.capacity() > RETAINED {
            self.gaps.shrink_to_fit();
        }
        if self.keys.as_ref().is_some_and(|keys| keys.capacity() > RETAINED) {
            self.keys = None;
        }
    }

    /// The gap right before the entry of `place`, with all gaps before it. With `first`, the place
    /// is that of the first entry, and otherwise the one behind the last.
    pub(super) fn gap_at(&mut self, place: u64, first: bool) -> &mut Missed {
        if self.gaps.capacity() == 0 {
            // Mostly there is one; the usual first allocation is for four.
            self.gaps.reserve_exact(1);
        }
        if first {
            while self.gaps.get(1).is_some_and(|(at, _)| *at <= place)
                && let Some((_, before)) = self.gaps.pop_front()
            {
                self.gaps[0].1.merge(&before);
            }
            match self.gaps.front_mut() {
                Some((at, _)) if *at <= place => *at = place,
                _ => self.gaps.push_front((place, Missed::default())),
            }
            return &mut self.gaps[0].1;
        }
        if self.gaps.back().is_none_or(|(at, _)| *at != place) {
            self.gaps.push_back((place, Missed::default()));
        }
        let last = self.gaps.len() - 1;
        &mut self.gaps[last].1
    }

    /// Memory it holds that dropping it would give back.
    pub fn held_bytes(&self) -> usize {
        let tables = self.entries.capacity() * size_of::<Entry<T>>()
            + self.gaps.capacity() * size_of::<(u64, Missed)>()
            + self.keys.as_ref().map_or(0, |keys| keys.held_bytes());
        let spare = self.spare.as_ref().map_or(0, Held::own_bytes);
        tables + self.own_bytes + spare + self.garbage.held_bytes()
    }
}
