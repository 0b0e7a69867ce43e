//! What happens when a queue is full: the one place where that is decided.
//!
//! A queue asks [`Overflow::admit`] before it takes a message, and [`Overflow::overdue`] as time
//! passes; it does what the [`Verdict`] says. The queue that can do all of it is in `backlog.rs`.

use std::time::Duration;

pub use floodway_queue::overflow::{Depth, Limit};

use crate::account::LossReason;
use crate::admission::Custom;
use crate::credit::Credit;
use crate::end::EndReason;
use crate::key::Key;
use crate::merge::Merge;

/// What a subscription does at its limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// The subscription ends with a reason; what is queued stays readable.
    #[default]
    Disconnect,
    /// The message that comes is not taken.
    DropNewest,
    /// The message that waits longest makes room.
    DropOldest,
    /// Always on, not only at a limit: a message takes the place in line of the one with the same
    /// key, so there is one place per key, and the latest wins.
    Conflate(Conflation),
    /// Always on as well: one place per key, but a message is folded into the one that has its
    /// key. For subscription handles.
    Merge(Merge),
    /// A function decides: see [`crate::Admission`].
    Custom(Custom),
    /// Publishers wait for room: nothing is lost. Who cannot wait is refused.
    Block {
        /// For how long one publisher waits at most, before it gets its message back. Without it,
        /// as long as the consumer takes something within its limit `behind`.
        patience: Option<Duration>,
    },
    /// Nothing is refused below the limits, but publishers go on only after a delay, which grows
    /// from nothing at the mark (half the limits) to this at the limits. There they wait.
    Throttle {
        /// The longest delay.
        max_delay: Duration,
    },
}

/// The policy of one place per key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conflation {
    /// What makes two messages the same thing.
    pub key: Key,
    /// What happens when there are more keys than the limits allow.
    pub fallback: Fallback,
}

/// What [`Policy::Conflate`] and [`Policy::Merge`] do when a further key does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// The key whose place is first in line makes room.
    #[default]
    DropOldest,
    /// The message of the new key is not taken.
    DropNewest,
    /// The subscription ends.
    Disconnect,
}

impl Fallback {
    /// All of them.
    pub const ALL: [Fallback; 3] = [Self::DropOldest, Self::DropNewest, Self::Disconnect];

    /// The name in configuration, requests and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::Disconnect => "disconnect",
        }
    }
}

impl Policy {
    /// The names of those that can be asked for by name.
    pub const NAMES: [&str; 4] = ["disconnect", "drop-newest", "drop-oldest", "conflate"];

    /// The name in configuration, requests and status pages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::Conflate(_) => "conflate",
            Self::Merge(_) => "merge",
            Self::Custom(_) => "custom",
            Self::Block { .. } => "block",
            Self::Throttle { .. } => "throttle",
        }
    }

    /// Whether publishers wait at a limit, or before it.
    pub fn makes_wait(&self) -> bool {
        matches!(self, Self::Block { .. } | Self::Throttle { .. })
    }

    /// What makes two messages the same thing, if it always is one.
    pub(crate) fn key(&self) -> Option<&Key> {
        match self {
            Self::Conflate(conflation) => Some(&conflation.key),
            Self::Merge(merge) => Some(&merge.key),
            _ => None,
        }
    }

    /// What happens at a limit.
    fn at_a_limit(&self) -> Fallback {
        match self {
            Self::DropNewest | Self::Block { .. } | Self::Throttle { .. } => Fallback::DropNewest,
            Self::DropOldest => Fallback::DropOldest,
            Self::Conflate(conflation) => conflation.fallback,
            Self::Merge(merge) => merge.fallback,
            // A custom policy keeps within the limits by itself, or the subscription ends.
            Self::Disconnect | Self::Custom(_) => Fallback::Disconnect,
        }
    }

    /// The policy of a name, with its defaults.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disconnect" => Self::Disconnect,
            "drop-newest" => Self::DropNewest,
            "drop-oldest" => Self::DropOldest,
            "conflate" => Self::Conflate(Conflation::default()),
            _ => return None,
        })
    }
}

/// When a queue is full. Absent limits do not limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Queued messages.
    pub messages: Option<u64>,
    /// Queued bytes, as the queue counts them.
    pub bytes: Option<u64>,
    /// How long something may be queued without the consumer taking anything; then it is ended. To
    /// within some milliseconds, never sooner.
    pub behind: Option<Duration>,
    /// How long a message may be queued; then it is skipped and counted as expired.
    pub ttl: Option<Duration>,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Limits = Limits { messages: None, bytes: None, behind: None, ttl: None };
}

/// What is to happen with a message, or with a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Queue it.
    Accept,
    /// Do not queue it; count it as lost.
    Refuse,
    /// Drop the message that waits longest, and ask again.
    DropOldest,
    /// Do not queue it, and end the subscription.
    End(EndReason),
}

/// A policy and the limits at which it acts.
///
/// # Examples
///
/// ```
/// use floodway::{Depth, Limits, Overflow, Verdict};
/// let overflow = Overflow::disconnect(Limits { messages: Some(2), ..Limits::default() });
/// let depth = |messages| Depth { messages, bytes: 0 };
/// assert_eq!(overflow.admit(depth(1), 1, 100), Verdict::Accept);
/// assert!(matches!(overflow.admit(depth(2), 1, 100), Verdict::End(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overflow {
    /// What to do.
    pub policy: Policy,
    /// When to do it.
    pub limits: Limits,
}

impl Overflow {
    /// `policy` at `limits`.
    pub fn new(policy: Policy, limits: Limits) -> Self {
        Self { policy, limits }
    }

    /// Ends the subscription at any of `limits`.
    pub fn disconnect(limits: Limits) -> Self {
        Self { policy: Policy::Disconnect, limits }
    }

    /// Whether queued messages may still be dropped, replaced or skipped, so that they have to be
    /// kept one by one until the last moment.
    pub fn is_changeable(&self) -> bool {
        self.policy != Policy::Disconnect || self.limits.ttl.is_some()
    }

    /// Whether at a limit messages are lost, rather than the subscription ended.
    pub fn may_lose(&self) -> bool {
        self.policy.at_a_limit() != Fallback::Disconnect && !self.policy.makes_wait()
    }

    /// With a bound, for what without one would queue until the memory budget is used up: 65,536
    /// messages and 16 MiB for a queue that is changeable and has neither limit.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let changeable = self.is_changeable();
        let Limits { messages, bytes, .. } = &mut self.limits;
        if changeable && messages.is_none() && bytes.is_none() {
            (*messages, *bytes) = (Some(65_536), Some(16 << 20));
        }
        self
    }

    /// Why a message is lost that this policy does not take or keep.
    pub fn loss_reason(&self) -> LossReason {
        match self.policy.at_a_limit() {
            _ if self.policy.makes_wait() => LossReason::NoRoom,
            Fallback::DropNewest => LossReason::DroppedNewest,
            Fallback::DropOldest => LossReason::DroppedOldest,
            Fallback::Disconnect => LossReason::OutOfCapacity,
        }
    }

    /// What may be queued at most.
    pub fn most(&self) -> Depth {
        let Limits { messages, bytes, .. } = self.limits;
        Depth { messages: messages.unwrap_or(u64::MAX), bytes: bytes.unwrap_or(u64::MAX) }
    }

    /// For how long a publisher has to pause after a message that made the queue so long: not at
    /// all up to the mark, and from there in proportion.
    ///
    /// So a queue settles where its publishers are just as fast as its consumer.
    pub fn delay(&self, depth: Depth) -> Duration {
        let Policy::Throttle { max_delay } = self.policy else { return Duration::ZERO };
        let beyond = |limit: Option<u64>, size: u64| {
            let mark = limit? / 2;
            let (over, range) = (size.saturating_sub(mark), (limit? - mark).max(1));
            Some(over as f64 / range as f64)
        };
        let share =
            [beyond(self.limits.messages, depth.messages), beyond(self.limits.bytes, depth.bytes)];
        let share = share.into_iter().flatten().fold(0.0, f64::max).min(1.0);
        max_delay.mul_f64(share)
    }

    /// Whether a message of `bytes` fits the limits when nothing else is queued.
    #[inline]
    pub fn could_take(&self, bytes: u64) -> bool {
        self.limits.messages != Some(0) && self.limits.bytes.is_none_or(|limit| bytes <= limit)
    }

    /// Whether a queue of `depth` takes `messages` more of `bytes` together.
    ///
    /// For more than one message `Accept` holds for each of them, and anything else only means
    /// that they have to be asked for one by one.
    #[inline]
    pub fn admit(&self, depth: Depth, messages: u64, bytes: u64) -> Verdict {
        let after = Depth { messages: depth.messages + messages, bytes: depth.bytes + bytes };
        let Some(limit) = Limit::beyond(after, self.most()) else { return Verdict::Accept };
        match self.policy.at_a_limit() {
            Fallback::DropNewest => Verdict::Refuse,
            Fallback::DropOldest => Verdict::DropOldest,
            Fallback::Disconnect => Verdict::End(EndReason::OutOfCapacity {
                limit,
                messages: depth.messages,
                bytes: depth.bytes,
            }),
        }
    }

    /// As [`Overflow::admit`], but bytes beyond the limit may be paid for with `credit`.
    #[inline]
    pub fn admit_on_credit(
        &self,
        depth: Depth,
        messages: u64,
        bytes: u64,
        credit: &mut Credit,
    ) -> Verdict {
        let verdict = self.admit(depth, messages, bytes);
        if let (Verdict::End(EndReason::OutOfCapacity { limit: Limit::Bytes, .. }), Some(limit)) =
            (&verdict, self.limits.bytes)
        {
            let beyond = (depth.bytes + bytes - limit).min(bytes);
            if credit.spend(beyond) {
                return Verdict::Accept;
            }
        }
        verdict
    }

    /// What becomes of a queue of `depth` whose consumer has taken nothing for `stalled`: whatever
    /// the policy, it ends at the limit `behind`.
    ///
    /// A consumer that is slow but moving is never overdue, however much is queued.
    pub fn overdue(&self, depth: Depth, stalled: Duration) -> Option<EndReason> {
        let late = self.limits.behind.is_some_and(|behind| stalled >= behind);
        (late && depth.messages > 0).then_some(EndReason::TooFarBehind {
            behind: stalled,
            messages: depth.messages,
            bytes: depth.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_fits_and_the_first_that_does_not() {
        let limits = Limits { messages: Some(10), bytes: Some(1000), ..Limits::NONE };
        let overflow = Overflow::disconnect(limits);
        let admit = |messages, bytes, more, size| {
            overflow.admit(Depth { messages, bytes }, more, size) == Verdict::Accept
        };
        assert!(admit(9, 0, 1, 0) && !admit(10, 0, 1, 0));
        assert!(admit(0, 0, 10, 1000) && !admit(0, 0, 11, 0));
        assert!(admit(0, 999, 1, 1) && !admit(0, 999, 1, 2));
    }

    // spec: OVF-3
    #[test]
    fn a_constantly_slow_consumer_uses_its_credit_up_and_a_good_one_survives_a_burst() {
        let overflow = Overflow::disconnect(Limits { bytes: Some(10_000), ..Limits::default() });
        let (most, mark) = (50_000, 1_000);
        let mut credit = Credit::default();
        credit.earn(1_000_000, most);
        let mut depth = Depth::default();
        let put = |depth: &mut Depth, credit: &mut Credit| {
            let taken = overflow.admit_on_credit(*depth, 1, 100, credit) == Verdict::Accept;
            depth.bytes += if taken { 100 } else { 0 };
            taken
        };
        // A hiccup: five times the limit come at once, and are read afterwards.
        assert!((0..500).all(|_| put(&mut depth, &mut credit)));
        depth.bytes = 0;
        credit.earn(1_000_000, most);
        // It reads nine of ten and never keeps up: the credit ends, and then so does it.
        let mut rounds = 0;
        while put(&mut depth, &mut credit) {
            let taken = depth.bytes.min(90);
            if depth.bytes <= mark {
                credit.earn(taken, most);
            }
            depth.bytes -= taken;
            rounds += 1;
            assert!(rounds < 1_000_000, "never ended");
        }
        assert!(rounds > 1000, "{rounds}");
    }

    // checklist: A5
    #[test]
    fn only_a_queue_that_stands_still_is_overdue() {
        let behind = Some(Duration::from_secs(10));
        let overflow = Overflow::disconnect(Limits { behind, ..Limits::default() });
        let depth = |messages| Depth { messages, bytes: 30 };
        let just_before = Duration::from_millis(9999);
        assert_eq!(overflow.overdue(depth(1000), just_before), None);
        let at = Duration::from_secs(10);
        assert!(overflow.overdue(depth(3), at).is_some());
        assert_eq!(overflow.overdue(depth(0), at), None, "nothing to be behind of");
    }
}
