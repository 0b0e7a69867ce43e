//! What became of every message that matched a subscription, as exact numbers.
//!
//! The law of conservation: `matched = delivered + lost + conflated + expired + queued`. Every
//! change below moves a message from one of these to another, so the law holds after each call.

use crate::end::EndReason;

/// Why messages were lost. A consumer that is told of a loss is told one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The queue was at its limit of messages or bytes.
    OutOfCapacity,
    /// The consumer took nothing for too long.
    TooFarBehind,
    /// The process ran out of its memory budget.
    MemoryPressure,
    /// The subscription was given up with messages still queued.
    Unsubscribed,
    /// The connection went away with messages still queued.
    Disconnected,
    /// The server stopped before they could be written.
    Stopped,
    /// An operator or a successor ended the subscription, or a policy of its own failed.
    Removed,
    /// The queue was at its limit, and the policy is to take nothing more then.
    DroppedNewest,
    /// The queue was at its limit, and the policy is to drop what waits longest.
    DroppedOldest,
    /// The queue was full, and whoever published could not wait as the policy asks.
    NoRoom,
    /// It would have closed a cycle of publishers that wait for each other.
    WaitCycle,
}

impl LossReason {
    /// All of them, in the order of their counters.
    pub const ALL: [LossReason; 11] = [
        Self::OutOfCapacity,
        Self::TooFarBehind,
        Self::MemoryPressure,
        Self::Unsubscribed,
        Self::Disconnected,
        Self::Stopped,
        Self::Removed,
        Self::DroppedNewest,
        Self::DroppedOldest,
        Self::NoRoom,
        Self::WaitCycle,
    ];

    /// The name in metrics and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfCapacity => "out_of_capacity",
            Self::TooFarBehind => "too_far_behind",
            Self::MemoryPressure => "memory_pressure",
            Self::Unsubscribed => "unsubscribed",
            Self::Disconnected => "disconnected",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
            Self::DroppedNewest => "dropped_newest",
            Self::DroppedOldest => "dropped_oldest",
            Self::NoRoom => "no_room",
            Self::WaitCycle => "wait_cycle",
        }
    }

    /// How what was still queued is lost when a subscription ends.
    pub fn of_end(reason: &EndReason) -> Self {
        match reason {
            EndReason::OutOfCapacity { .. } => Self::OutOfCapacity,
            EndReason::TooFarBehind { .. } => Self::TooFarBehind,
            EndReason::MemoryPressure { .. } => Self::MemoryPressure,
            EndReason::Unsubscribed => Self::Unsubscribed,
            EndReason::ServerStopped => Self::Stopped,
            EndReason::Replaced
            | EndReason::Kicked
            | EndReason::PermissionRevoked
            | EndReason::PolicyFailed => Self::Removed,
            EndReason::Disconnected { .. } => Self::Disconnected,
        }
    }
}

/// Lost messages by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    counts: [u64; LossReason::ALL.len()],
}

impl Losses {
    /// How many were lost for `reason`.
    pub fn of(&self, reason: LossReason) -> u64 {
        self.counts[reason as usize]
    }

    /// How many were lost for any reason.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds `other`'s counts.
    pub fn add(&mut self, other: &Losses) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// Counts one loss of `messages`.
    pub fn count(&mut self, reason: LossReason, messages: u64) {
        self.counts[reason as usize] += messages;
    }
}

/// What only few subscriptions have, kept apart so that a hundred thousand idle ones stay small.
#[derive(Debug, Clone, Default)]
struct Rare {
    losses: Losses,
    conflated: u64,
    expired: u64,
    /// All of them together, for those who look often.
    troubles: u64,
}

impl Rare {
    fn lose(&mut self, reason: LossReason, messages: u64) {
        self.losses.count(reason, messages);
        self.troubles += messages;
    }

    fn conflate(&mut self, messages: u64) {
        self.conflated += messages;
        self.troubles += messages;
    }

    fn expire(&mut self, messages: u64) {
        self.expired += messages;
        self.troubles += messages;
    }
}

/// The account of one subscription.
///
/// # Examples
///
/// ```
/// use floodway::{Account, LossReason};
/// let mut account = Account::default();
/// account.enqueue(3, 300);
/// account.deliver(1, 100);
/// account.lose_queued(LossReason::TooFarBehind);
/// assert_eq!((account.matched(), account.delivered(), account.queued()), (3, 1, 0));
/// assert_eq!(account.losses().of(LossReason::TooFarBehind), 2);
/// assert!(account.is_conserved());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Account {
    matched: u64,
    delivered: u64,
    queued: u64,
    queued_bytes: u64,
    rare: Option<Box<Rare>>,
}

impl Account {
    /// Messages that matched the subscription while it was open.
    pub fn matched(&self) -> u64 {
        self.matched
    }

    /// Messages handed to the consumer (over a network: to its socket).
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages waiting.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Bytes waiting.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Messages replaced by a later one of the same key, or folded into one.
    pub fn conflated(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.conflated)
    }

    /// Messages that were too old to be delivered.
    pub fn expired(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.expired)
    }

    /// Messages lost, replaced or expired so far.
    pub fn troubles(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.troubles)
    }

    /// Messages lost, by reason.
    pub fn losses(&self) -> Losses {
        self.rare.as_ref().map_or_else(Losses::default, |rare| rare.losses)
    }

    /// Whether every matched message is accounted for.
    pub fn is_conserved(&self) -> bool {
        let lost = self.losses().total();
        self.matched == self.delivered + lost + self.conflated() + self.expired() + self.queued
    }

    /// `messages` matched and were queued.
    #[inline]
    pub fn enqueue(&mut self, messages: u64, bytes: u64) {
        self.matched += messages;
        self.queued += messages;
        self.queued_bytes += bytes;
    }

    /// `messages` left the queue towards the consumer.
    #[inline]
    pub fn deliver(&mut self, messages: u64, bytes: u64) {
        self.unqueue(messages, bytes);
        self.delivered += messages;
    }

    /// `messages` matched but were not queued.
    pub fn refuse(&mut self, reason: LossReason, messages: u64) {
        self.matched += messages;
        self.rare.get_or_insert_default().lose(reason, messages);
    }

    /// A message matched and took the place of one that was queued.
    #[inline]
    pub fn conflate(&mut self, old_bytes: u64, new_bytes: u64) {
        debug_assert!(self.queued > 0 && old_bytes <= self.queued_bytes);
        self.matched += 1;
        self.queued_bytes = self.queued_bytes - old_bytes + new_bytes;
        self.rare.get_or_insert_default().conflate(1);
    }

    /// `messages` matched and were replaced before they were queued.
    pub fn skip_conflated(&mut self, messages: u64) {
        self.matched += messages;
        self.rare.get_or_insert_default().conflate(messages);
    }

    /// `messages` that were queued are lost.
    #[inline]
    pub fn drop_queued(&mut self, reason: LossReason, messages: u64, bytes: u64) {
        self.unqueue(messages, bytes);
        self.rare.get_or_insert_default().lose(reason, messages);
    }

    /// `messages` that were queued are too old to be delivered.
    pub fn expire(&mut self, messages: u64, bytes: u64) {
        self.unqueue(messages, bytes);
        self.rare.get_or_insert_default().expire(messages);
    }

    /// What is queued changed its size on the way to the consumer.
    #[inline]
    pub fn resize(&mut self, old_bytes: u64, new_bytes: u64) {
        debug_assert!(old_bytes <= self.queued_bytes);
        self.queued_bytes = self.queued_bytes - old_bytes + new_bytes;
    }

    #[inline]
    fn unqueue(&mut self, messages: u64, bytes: u64) {
        debug_assert!(messages <= self.queued && bytes <= self.queued_bytes);
        self.queued -= messages;
        self.queued_bytes -= bytes;
    }

    /// Everything queued is lost; returns how many messages that were.
    pub fn lose_queued(&mut self, reason: LossReason) -> u64 {
        let lost = std::mem::take(&mut self.queued);
        self.queued_bytes = 0;
        if lost > 0 {
            self.rare.get_or_insert_default().lose(reason, lost);
        }
        lost
    }
}
