//! Why an item was not queued, or none was received.

use std::fmt;
use std::time::Duration;

use super::Limit;

/// Why an item was not queued. It comes back inside.
///
/// The set is complete on purpose: these are all the ways in which a queue says no.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// The policy refuses this item. It counts as lost, and the receiver is told; another may be
    /// taken at once.
    Refused(T),
    /// The policy makes senders wait: try again when something was taken, and at the latest after
    /// this time. The item has not been decided about.
    Delayed(T, Duration),
    /// The queue has ended at this limit, with this item or earlier; no later call will succeed.
    /// What is queued can still be received.
    Ended(T, Limit),
    /// One of the two sides has closed the queue; no later call will succeed.
    Closed(T),
}

impl<T> SendError<T> {
    /// The item that was not queued.
    pub fn into_item(self) -> T {
        match self {
            Self::Refused(item)
            | Self::Delayed(item, _)
            | Self::Ended(item, _)
            | Self::Closed(item) => item,
        }
    }

    /// The same reason for something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> SendError<U> {
        match self {
            Self::Refused(item) => SendError::Refused(f(item)),
            Self::Delayed(item, most) => SendError::Delayed(f(item), most),
            Self::Ended(item, limit) => SendError::Ended(f(item), limit),
            Self::Closed(item) => SendError::Closed(f(item)),
        }
    }
}

/// Without the item, which need not be printable.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.debug_tuple("Refused").finish_non_exhaustive(),
            Self::Delayed(_, most) => f.debug_tuple("Delayed").field(most).finish_non_exhaustive(),
            Self::Ended(_, limit) => f.debug_tuple("Ended").field(limit).finish_non_exhaustive(),
            Self::Closed(_) => f.debug_tuple("Closed").finish_non_exhaustive(),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("the queue's policy refuses the item"),
            Self::Delayed(..) => f.write_str("the queue's policy makes senders wait"),
            Self::Ended(_, limit) => write!(f, "the queue has ended: {limit}"),
            Self::Closed(_) => f.write_str("the queue is closed"),
        }
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why nothing was received. The set is complete on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// Nothing is queued, now or still at the deadline. Later there may be.
    Empty,
    /// The queue is closed and all that was queued has been taken: this is the end.
    Closed,
    /// The queue has ended at this limit, and all that was queued has been taken.
    Ended(Limit),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the queue is empty"),
            Self::Closed => f.write_str("the queue is closed and empty"),
            Self::Ended(limit) => write!(f, "the queue is empty and has ended: {limit}"),
        }
    }
}

impl std::error::Error for RecvError {}

/// As the reason of an end.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Messages => "too many messages were queued",
            Self::Bytes => "too many bytes were queued",
            Self::Behind => "nothing was taken for too long",
            Self::Credit => "the credit for bursts is used up",
        })
    }
}
