//! Why something was not published, nothing was read, or nobody could join.

use std::fmt;

/// Why an item was not published. The item comes back inside. The set is complete on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PublishError<T> {
    /// A consumer is a whole ring behind, now or still at the deadline. Later there may be room.
    Full(T),
    /// The ring is closed; no later call will succeed.
    Closed(T),
}

impl<T> PublishError<T> {
    /// The item that was not published.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// The same reason for something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> PublishError<U> {
        match self {
            Self::Full(item) => PublishError::Full(f(item)),
            Self::Closed(item) => PublishError::Closed(f(item)),
        }
    }
}

/// Without the item, which need not be printable.
impl<T> fmt::Debug for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "a consumer is a whole ring behind",
            Self::Closed(_) => "the ring is closed",
        })
    }
}

impl<T> std::error::Error for PublishError<T> {}

/// A consumer of one ring cannot come after those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignConsumer;

impl fmt::Display for ForeignConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the consumer to come after belongs to another ring")
    }
}

impl std::error::Error for ForeignConsumer {}
