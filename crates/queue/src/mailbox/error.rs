//! Why something was not sent, or nothing was received.

use std::fmt;

/// Why an item was not sent. The item comes back inside.
///
/// The set is complete on purpose: these are all the ways in which a mailbox refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// A limit is reached, now or still at the deadline. Later there may be room.
    Full(T),
    /// The item alone weighs more than the limit in bytes, or than its permit was made for. It
    /// would not fit if the mailbox were empty.
    TooLarge(T),
    /// One of the two sides has closed the mailbox; no later call will succeed.
    Closed(T),
}

impl<T> SendError<T> {
    /// The item that was not sent.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::TooLarge(item) | Self::Closed(item) => item,
        }
    }

    /// The same reason for something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> SendError<U> {
        match self {
            Self::Full(item) => SendError::Full(f(item)),
            Self::TooLarge(item) => SendError::TooLarge(f(item)),
            Self::Closed(item) => SendError::Closed(f(item)),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Full(_) => "the mailbox is full",
            Self::TooLarge(_) => "the item is larger than the mailbox's limit in bytes",
            Self::Closed(_) => "the mailbox is closed",
        }
    }
}

/// Without the item, which need not be printable.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full(_) => "Full",
            Self::TooLarge(_) => "TooLarge",
            Self::Closed(_) => "Closed",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// Nothing is queued, now or still at the deadline. Later there may be.
    Empty,
    /// The mailbox is closed and all that was queued has been taken: this is the end.
    Closed,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the mailbox is empty",
            Self::Closed => "the mailbox is closed and empty",
        })
    }
}

impl std::error::Error for RecvError {}
