//! What makes two messages the same thing, under a policy with keys.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::key::Key;
use crate::message::Message;
use crate::payload::Carried;

/// The key of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceKey {
    /// It has none, and is never replaced.
    None,
    /// The subject, which the message itself holds.
    Subject,
    /// Something else.
    Own(Box<[u8]>),
}

impl PlaceKey {
    pub(super) fn of<P: Carried + ?Sized>(key: &Key, message: &Message<'_, P>) -> Self {
        match key {
            Key::Subject => Self::Subject,
            other => other.of(&message.view()).map_or(Self::None, |key| Self::Own(key.into())),
        }
    }

    /// The hash of it, if there is a key.
    pub(super) fn hash(&self, subject: &[u8], hasher: &RandomState) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Subject => Some(hasher.hash_one(subject)),
            Self::Own(key) => Some(hasher.hash_one(&key[..])),
        }
    }

    /// What of it the message does not hold.
    pub(super) fn own(self) -> Option<Box<[u8]>> {
        match self {
            Self::None | Self::Subject => None,
            Self::Own(key) => Some(key),
        }
    }
}
