//! What became of all items, in numbers, and of those that the receiver missed at one place.

use std::num::NonZeroU64;

use crate::line::{Gap, Span};

/// What became of the items that a queue has decided about. The numbers are exact, and of one
/// moment: `offered` is always the sum of what became of them ([`Account::is_conserved`]).
///
/// An item that comes back because it has to wait, or because the queue has ended or closed, has
/// not been decided about and is not in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// All of them.
    pub offered: u64,
    /// Taken by the receiver.
    pub received: u64,
    /// Not queued; the one that ended the queue is among them.
    pub refused: u64,
    /// Dropped to make room, or because the receiver went.
    pub dropped: u64,
    /// Replaced by a later one of the same key.
    pub replaced: u64,
    /// Waited for too long.
    pub expired: u64,
    /// Still queued.
    pub queued: u64,
    /// The bytes of those.
    pub queued_bytes: u64,
    /// The most that were ever queued.
    pub high_water: u64,
    /// The most bytes that were ever queued.
    pub high_water_bytes: u64,
}

impl Account {
    /// Whether nothing has gone missing between the numbers. Anything else is a defect.
    pub fn is_conserved(&self) -> bool {
        let lost = self.refused + self.dropped + self.expired;
        self.offered == self.received + lost + self.replaced + self.queued
    }
}

/// What a receiver missed at one place of the stream: between the item before and the one that it
/// comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    refused: u64,
    dropped: u64,
    expired: u64,
    first: u64,
    /// Behind the last. Never 0, so that an entry without a gap needs no flag that says so: moving
    /// the flag and the rest one after the other costs as much as all else that a receiver does.
    end: NonZeroU64,
}

impl Missed {
    /// Items of these numbers, for no reason yet.
    #[inline]
    pub(super) fn span(first: u64, last: u64) -> Self {
        Self { first, end: NonZeroU64::MIN.saturating_add(last), ..Self::default() }
    }

    #[inline]
    pub(super) fn refused_one(sequence: u64) -> Self {
        Self { refused: 1, ..Self::span(sequence, sequence) }
    }

    #[inline]
    pub(super) fn dropped_one(sequence: u64) -> Self {
        Self { dropped: 1, ..Self::span(sequence, sequence) }
    }

    pub(super) fn expired_all(span: Span) -> Self {
        Self { expired: span.count, ..Self::span(span.first, span.last) }
    }

    /// How many were not queued.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many were dropped to make room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many waited for too long.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How many in all.
    #[inline]
    pub fn total(&self) -> u64 {
        self.refused + self.dropped + self.expired
    }

    /// The sequence number of the first.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The sequence number of the last. Under a policy with keys others may be in between.
    pub fn last(&self) -> u64 {
        self.end.get() - 1
    }
}

impl Default for Missed {
    /// Nothing.
    #[inline]
    fn default() -> Self {
        Self { refused: 0, dropped: 0, expired: 0, first: u64::MAX, end: NonZeroU64::MIN }
    }
}

impl Gap for Missed {
    #[inline]
    fn merge(&mut self, other: &Self) {
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.expired += other.expired;
        self.first = self.first.min(other.first);
        self.end = self.end.max(other.end);
    }
}
