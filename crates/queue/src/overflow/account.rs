//! What became of all items, in numbers, and of those that the receiver missed at one place.

use crate::line::Gap;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missed {
    /// How many were not queued.
    pub refused: u64,
    /// How many were dropped to make room.
    pub dropped: u64,
    /// How many waited for too long.
    pub expired: u64,
    /// The sequence number of the first.
    pub first: u64,
    /// The sequence number of the last. Under a policy with keys others may be in between.
    pub last: u64,
}

impl Missed {
    /// How many in all.
    pub fn total(&self) -> u64 {
        self.refused + self.dropped + self.expired
    }
}

impl Gap for Missed {
    #[inline]
    fn merge(&mut self, other: &Self) {
        if self.total() == 0 {
            *self = *other;
        } else if other.total() > 0 {
            self.refused += other.refused;
            self.dropped += other.dropped;
            self.expired += other.expired;
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
    }
}
