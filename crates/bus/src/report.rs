//! What became of a publish.

use std::fmt;
use std::time::Duration;

use crate::account::{LossReason, Losses};
use crate::waits::WaitCycle;

/// What became of a message, or of all of a batch.
///
/// `matched = queued + losses.total()`, and `conflated` of those queued took the place of an
/// earlier message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishReport {
    /// Copies that subscriptions matched (a queue group counts as one), the publisher's own only
    /// if it wants an echo.
    pub matched: u64,
    /// Copies queued for a consumer.
    pub queued: u64,
    /// How many of them took the place of an earlier one of their key, or were folded into it.
    pub conflated: u64,
    /// Copies that a consumer did not take, by reason; it is told.
    pub losses: Losses,
    /// For how long the publisher has to pause, as subscriptions that throttle have it. Calls that
    /// wait have done so; the others leave it to the caller.
    pub delay: Duration,
}

impl PublishReport {
    /// Copies that a consumer did not take, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.losses.total()
    }
}

/// Where consumers note what became of the messages that they were given: one for all who get a
/// message, or a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub(crate) report: PublishReport,
    pub(crate) accepted: bool,
}

impl Tally {
    /// What became of all of them so far.
    pub fn report(&self) -> &PublishReport {
        &self.report
    }

    /// Whether some consumer has accepted a message: queued it, or lost it as its policy has it.
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Messages were queued.
    #[inline]
    pub fn queue(&mut self, messages: u64) {
        self.report.matched += messages;
        self.report.queued += messages;
        self.accepted |= messages > 0;
    }

    /// So many of those queued took the place of an earlier one of their key.
    #[inline]
    pub fn conflate(&mut self, messages: u64) {
        self.report.conflated += messages;
    }

    /// Messages were lost, as the policy has it; the subscription goes on.
    pub fn lose(&mut self, reason: LossReason, messages: u64) {
        self.end_over(reason, messages);
        self.accepted |= messages > 0;
    }

    /// Messages were lost because the subscription ends over them.
    pub fn end_over(&mut self, reason: LossReason, messages: u64) {
        self.report.matched += messages;
        self.report.losses.count(reason, messages);
    }
}

/// Why nobody got a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The bus has been stopped; final.
    Stopped,
    /// The subject is empty, has an empty token, or is a filter; the caller's fault.
    InvalidSubject,
    /// A header that cannot be one; the caller's fault.
    InvalidHeader(String),
    /// These subscriptions are full and their policy is that publishers wait, which this call does
    /// not; may succeed later.
    Full(Vec<String>),
    /// The message is larger than all that this subscription may hold; no later call will succeed.
    TooLarge(String),
    /// This subscription was still full when the deadline came; may succeed later.
    DeadlinePassed {
        /// Its name.
        subscription: String,
        /// For how long the publisher waited.
        waited: Duration,
    },
    /// To wait would be to wait for ever: the publisher is waited for itself.
    WaitCycle(WaitCycle),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => write!(f, "the bus has been stopped"),
            Self::InvalidSubject => {
                write!(f, "no subject to publish to: it is empty, has an empty token, ")?;
                write!(f, "or has a wildcard")
            }
            Self::InvalidHeader(header) => write!(f, "{header:?} cannot be a header"),
            Self::Full(names) => write!(f, "no room in {}", names.join(", ")),
            Self::TooLarge(name) => write!(f, "larger than all that {name} may hold"),
            Self::DeadlinePassed { subscription, waited } => {
                write!(f, "no room in {subscription} for {waited:.1?}")
            }
            Self::WaitCycle(cycle) => write!(f, "{cycle}"),
        }
    }
}

/// A message that nobody got, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishError<T> {
    /// The payload, as it was given.
    pub payload: T,
    /// Why.
    pub refusal: Refusal,
}

impl<T> PublishError<T> {
    /// Whether the bus has been stopped, so that no later call will succeed.
    pub fn is_stopped(&self) -> bool {
        self.refusal == Refusal::Stopped
    }
}

impl<T> fmt::Debug for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishError").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not published: {}", self.refusal)
    }
}

impl<T> std::error::Error for PublishError<T> {}
