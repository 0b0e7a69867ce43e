//! Why a subscription ended. There is always a reason; the first one stays.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use floodway_queue::overflow::Limit;

/// Why a subscription, or the connection that held it, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The consumer asked for it.
    Unsubscribed,
    /// A queue was full.
    OutOfCapacity {
        /// Which of its limits.
        limit: Limit,
        /// Messages queued at that moment.
        messages: u64,
        /// Bytes queued at that moment.
        bytes: u64,
    },
    /// The consumer took nothing for longer than its limit `behind`.
    TooFarBehind {
        /// For how long.
        behind: Duration,
        /// Messages queued at that moment.
        messages: u64,
        /// Bytes queued at that moment.
        bytes: u64,
    },
    /// The memory budget of the process was used up, and this queue was the largest.
    MemoryPressure {
        /// Bytes it held.
        bytes: u64,
        /// The budget of the whole process.
        budget: u64,
    },
    /// The server stopped.
    ServerStopped,
    /// A later subscription took its place.
    Replaced,
    /// An operator ended it.
    Kicked,
    /// The right to it was withdrawn.
    PermissionRevoked,
    /// Its own policy, an [`crate::Admission`], panicked.
    PolicyFailed,
    /// The connection ended, by the client or for a fault of it.
    Disconnected {
        /// What happened, in the words of the status page.
        cause: &'static str,
    },
}

impl EndReason {
    /// Whether the consumer was too slow, in any of the ways to be.
    pub fn is_slow_consumer(&self) -> bool {
        matches!(
            self,
            Self::OutOfCapacity { .. } | Self::TooFarBehind { .. } | Self::MemoryPressure { .. }
        )
    }

    /// A stable name for metrics and advisories.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::OutOfCapacity { .. } => "out_of_capacity",
            Self::TooFarBehind { .. } => "too_far_behind",
            Self::MemoryPressure { .. } => "memory_pressure",
            Self::ServerStopped => "server_stopped",
            Self::Replaced => "replaced",
            Self::Kicked => "kicked",
            Self::PermissionRevoked => "permission_revoked",
            Self::PolicyFailed => "policy_failed",
            Self::Disconnected { .. } => "disconnected",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsubscribed => write!(f, "unsubscribed"),
            Self::OutOfCapacity { limit, messages, bytes } => {
                write!(f, "slow consumer: out of capacity at its limit of {}", limit.name())?;
                write!(f, " ({messages} messages, {bytes} bytes queued)")
            }
            Self::TooFarBehind { behind, messages, bytes } => {
                write!(f, "slow consumer: too far behind, took nothing for {behind:.1?}")?;
                write!(f, " ({messages} messages, {bytes} bytes queued)")
            }
            Self::MemoryPressure { bytes, budget } => {
                write!(f, "slow consumer: memory pressure, its {bytes} bytes were the most")?;
                write!(f, " of a budget of {budget} bytes")
            }
            Self::ServerStopped => write!(f, "server stopped"),
            Self::Replaced => write!(f, "replaced by a later subscription"),
            Self::Kicked => write!(f, "kicked by an operator"),
            Self::PermissionRevoked => write!(f, "permission revoked"),
            Self::PolicyFailed => write!(f, "its policy panicked"),
            Self::Disconnected { cause } => write!(f, "{cause}"),
        }
    }
}

/// A reason that can be set once; later ones do not change it.
///
/// # Examples
///
/// ```
/// use floodway::{EndReason, EndState};
/// let end = EndState::default();
/// assert!(end.set(EndReason::Kicked));
/// assert!(!end.set(EndReason::Unsubscribed));
/// assert_eq!(end.get(), Some(&EndReason::Kicked));
/// ```
#[derive(Debug, Default)]
pub struct EndState {
    reason: OnceLock<EndReason>,
}

impl EndState {
    /// Ends it; false if it had ended already.
    pub fn set(&self, reason: EndReason) -> bool {
        self.reason.set(reason).is_ok()
    }

    /// Why it ended, if it did.
    pub fn get(&self) -> Option<&EndReason> {
        self.reason.get()
    }
}
