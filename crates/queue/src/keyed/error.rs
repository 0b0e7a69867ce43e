//! Why a value was not put, or none was received.

use std::fmt;

pub use crate::mailbox::RecvError;

/// Why a value was not put. Key and value come back inside. The set is complete on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutError<K, V> {
    /// The key is not queued, and as many others are as may be. Later there may be room.
    Full(K, V),
    /// One of the two sides has closed the queue; no later call will succeed.
    Closed(K, V),
}

impl<K, V> PutError<K, V> {
    /// What was not put.
    pub fn into_pair(self) -> (K, V) {
        match self {
            Self::Full(key, value) | Self::Closed(key, value) => (key, value),
        }
    }
}

/// Without key and value, which need not be printable.
impl<K, V> fmt::Debug for PutError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(..) => "Full(..)",
            Self::Closed(..) => "Closed(..)",
        })
    }
}

impl<K, V> fmt::Display for PutError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(..) => "too many keys are queued",
            Self::Closed(..) => "the queue is closed",
        })
    }
}

impl<K, V> std::error::Error for PutError<K, V> {}
