//! Why nothing was pushed, or why nothing was read.

use std::fmt;

/// The reader is gone, so nothing will be read any more. The item comes back inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T>(pub T);

/// Without the item, which need not be printable.
impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring's reader is gone")
    }
}

impl<T> std::error::Error for Closed<T> {}

/// Why nothing was read. The set is complete on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing is there, now or still at the deadline. Later there may be.
    Empty,
    /// All writers are gone and all they left has been read: this is the end.
    Closed,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ring is empty",
            Self::Closed => "the ring is empty and its writers are gone",
        })
    }
}

impl std::error::Error for ReadError {}
