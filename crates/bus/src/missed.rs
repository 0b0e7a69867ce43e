//! What a consumer is told of messages that it did not get.

use crate::account::{LossReason, Losses};

/// Messages missed at one place of a subscription's stream.
///
/// Every message that matches a subscription has a sequence number, from 1 and without gaps. The
/// missed ones lie from `first` to `last`; where latest-per-key replaces messages, delivered ones
/// may lie there too, so `total` is the count, and not the width of the range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    losses: Losses,
    expired: u64,
    first: u64,
    last: u64,
}

impl Missed {
    /// `count` messages lost for `reason`, in the range of sequence numbers.
    pub fn lost(reason: LossReason, count: u64, first: u64, last: u64) -> Self {
        let mut losses = Losses::default();
        losses.count(reason, count);
        Self { losses, expired: 0, first, last }
    }

    /// `count` messages that were too old to be delivered.
    pub fn expired(count: u64, first: u64, last: u64) -> Self {
        Self { losses: Losses::default(), expired: count, first, last }
    }

    /// How many, for whatever reason.
    pub fn total(&self) -> u64 {
        self.losses.total() + self.expired
    }

    /// The lowest sequence number missed.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The highest sequence number missed.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many were lost, by reason.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// How many were too old.
    pub fn expired_count(&self) -> u64 {
        self.expired
    }

    /// The reasons by name, each with its count: `dropped_oldest`, `expired` ...
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let lost = LossReason::ALL.iter().map(|&reason| (reason.name(), self.losses.of(reason)));
        lost.chain([("expired", self.expired)]).filter(|(_, count)| *count > 0)
    }

    /// Adds what was missed next to it.
    pub fn merge(&mut self, other: &Missed) {
        if other.last > 0 {
            self.widen(other.first, other.last);
            self.losses.add(&other.losses);
            self.expired += other.expired;
        }
    }

    pub(crate) fn add_lost(&mut self, reason: LossReason, count: u64, first: u64, last: u64) {
        self.widen(first, last);
        self.losses.count(reason, count);
    }

    pub(crate) fn add_expired(&mut self, count: u64, first: u64, last: u64) {
        self.widen(first, last);
        self.expired += count;
    }

    fn widen(&mut self, first: u64, last: u64) {
        // Sequence numbers start at 1, so this is still empty.
        if self.last == 0 {
            self.first = first;
        }
        self.first = self.first.min(first);
        self.last = self.last.max(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_side_by_side_is_told_as_one() {
        let mut missed = Missed::default();
        missed.merge(&Missed::lost(LossReason::DroppedOldest, 3, 4, 6));
        missed.merge(&Missed::expired(2, 1, 2));
        missed.merge(&Missed::default());
        assert_eq!((missed.total(), missed.first(), missed.last()), (5, 1, 6));
        let told: Vec<_> = missed.by_reason().collect();
        assert_eq!(told, [("dropped_oldest", 3), ("expired", 2)]);
    }
}
