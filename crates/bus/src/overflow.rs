//! What happens when a queue is full: the one place where that is decided.
//!
//! A queue asks [`Overflow::admit`] before it takes a message, and [`Overflow::overdue`] as time
//! passes; it does what the [`Verdict`] says. Further policies add variants to [`Policy`] and
//! [`Verdict`], and every queue learns them from the compiler.

use std::time::Duration;

use crate::end::{EndReason, LimitKind};

/// What a subscription does at its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// The subscription ends with a reason; what is queued stays readable.
    #[default]
    Disconnect,
}

impl Policy {
    /// The name in configuration, requests and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
        }
    }
}

/// When a queue is full. Absent limits do not limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Queued messages.
    pub messages: Option<u64>,
    /// Queued bytes, as the queue counts them (over a network: encoded).
    pub bytes: Option<u64>,
    /// How long something may be queued without the consumer taking anything.
    pub behind: Option<Duration>,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Queued messages.
    pub messages: u64,
    /// Queued bytes.
    pub bytes: u64,
}

/// What is to happen with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Queue it.
    Accept,
    /// Refuse it and end the subscription.
    End(EndReason),
}

/// Bytes beyond its limit that a consumer may queue, because it has kept up before.
///
/// At a rate of hundreds of megabytes a second, a queue that is large enough for the worst hiccup
/// of a good consumer (TCP itself may stand still for 200 ms) is far larger than a stalled one
/// should cost its neighbours. So the limit is small, and good consumers earn more: a quarter of
/// what they take while they keep up. What is queued beyond the limit uses it up, also for one that
/// is always a little too slow, which thus has to go in the end.
///
/// # Examples
///
/// ```
/// use floodway::{Credit, Depth, Limits, Overflow, Verdict};
/// let overflow = Overflow::disconnect(Limits { bytes: Some(1000), ..Limits::default() });
/// let full = Depth { messages: 10, bytes: 1000 };
/// let mut credit = Credit::default();
/// assert_ne!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// credit.earn(4000, 150);
/// assert_eq!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// assert_ne!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    bytes: u64,
}

impl Credit {
    /// The consumer took `taken` bytes while it kept up; at most `most` is ever earned.
    #[inline]
    pub fn earn(&mut self, taken: u64, most: u64) {
        self.bytes = (self.bytes + taken / 4).min(most);
    }

    /// What is left of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn spend(&mut self, bytes: u64) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overflow {
    /// What to do.
    pub policy: Policy,
    /// When to do it.
    pub limits: Limits,
}

impl Overflow {
    /// Ends the subscription at any of `limits`.
    pub fn disconnect(limits: Limits) -> Self {
        Self { policy: Policy::Disconnect, limits }
    }

    /// Whether a queue of `depth` takes `messages` more of `bytes` together.
    ///
    /// For more than one message `Accept` holds for each of them, and anything else only means
    /// that they have to be asked for one by one.
    #[inline]
    pub fn admit(&self, depth: Depth, messages: u64, bytes: u64) -> Verdict {
        let over = |limit: Option<u64>, size: u64| limit.is_some_and(|limit| size > limit);
        let limit = if over(self.limits.messages, depth.messages + messages) {
            LimitKind::Messages
        } else if over(self.limits.bytes, depth.bytes + bytes) {
            LimitKind::Bytes
        } else {
            return Verdict::Accept;
        };
        match self.policy {
            Policy::Disconnect => Verdict::End(EndReason::OutOfCapacity {
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
        if let (
            Verdict::End(EndReason::OutOfCapacity { limit: LimitKind::Bytes, .. }),
            Some(limit),
        ) = (&verdict, self.limits.bytes)
        {
            let beyond = (depth.bytes + bytes - limit).min(bytes);
            if credit.spend(beyond) {
                return Verdict::Accept;
            }
        }
        verdict
    }

    /// What becomes of a queue of `depth` whose consumer has taken nothing for `stalled`.
    ///
    /// A consumer that is slow but moving is never overdue, however much is queued.
    pub fn overdue(&self, depth: Depth, stalled: Duration) -> Verdict {
        let late = self.limits.behind.is_some_and(|behind| stalled >= behind);
        if !late || depth.messages == 0 {
            return Verdict::Accept;
        }
        match self.policy {
            Policy::Disconnect => Verdict::End(EndReason::TooFarBehind {
                behind: stalled,
                messages: depth.messages,
                bytes: depth.bytes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_fits_and_the_first_that_does_not() {
        let limits = Limits { messages: Some(10), bytes: Some(1000), behind: None };
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
        assert_eq!(overflow.overdue(depth(1000), just_before), Verdict::Accept);
        let at = Duration::from_secs(10);
        assert!(matches!(overflow.overdue(depth(3), at), Verdict::End(_)));
        assert_eq!(overflow.overdue(depth(0), at), Verdict::Accept, "nothing to be behind of");
    }
}
