//! The enqueue hook: a policy of one's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::message::Message;
use crate::overflow::{Depth, Limits};

/// A message that asks to be queued, and the queue it asks.
pub struct Offer<'a> {
    /// What is queued already.
    pub depth: Depth,
    /// The age of the message that waits longest.
    pub oldest: Option<Duration>,
    /// The limits of the queue. They hold whatever is answered: where nothing makes room, the
    /// subscription ends.
    pub limits: &'a Limits,
    /// The message.
    pub message: &'a Message<'a>,
    /// The size of the queued message of a key.
    pub(crate) size_of_key: &'a dyn Fn(&[u8]) -> Option<u64>,
}

impl Offer<'_> {
    /// The size of the queued message that [`Admit::Replace`] with this key would replace.
    pub fn queued_under(&self, key: &[u8]) -> Option<u64> {
        (self.size_of_key)(key)
    }

    /// Whether the message fits the limits: at the end, or with a key in the place of the queued
    /// message of that key.
    pub fn fits(&self, key: Option<&[u8]>) -> bool {
        let place = key.and_then(|key| self.queued_under(key));
        let messages = self.depth.messages + u64::from(place.is_none());
        let bytes = self.depth.bytes - place.unwrap_or(0) + self.message.size() as u64;
        self.limits.messages.is_none_or(|limit| messages <= limit)
            && self.limits.bytes.is_none_or(|limit| bytes <= limit)
    }
}

impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("depth", &self.depth)
            .field("oldest", &self.oldest)
            .field("limits", &self.limits)
            .field("message", &self.message)
            .finish()
    }
}

/// The answer to an [`Offer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// Queue it at the end.
    Accept,
    /// Do not queue it; it counts as lost.
    Refuse,
    /// Drop the message that waits longest, and ask again. With nothing queued, and for a message
    /// that does not fit the limits even alone: refuse.
    DropOldest,
    /// Put it in the place of the queued message of the same key, or at the end if there is none.
    Replace(Box<[u8]>),
    /// End the subscription.
    End,
}

/// A policy as a function.
///
/// # Examples
///
/// Take nothing while the consumer is more than a second behind:
///
/// ```
/// use std::time::Duration;
/// use floodway::{Admission, Admit, Custom, Offer, Policy};
///
/// struct Fresh;
/// impl Admission for Fresh {
///     fn admit(&self, offer: &Offer<'_>) -> Admit {
///         match offer.oldest {
///             Some(age) if age > Duration::from_secs(1) => Admit::Refuse,
///             _ => Admit::Accept,
///         }
///     }
/// }
/// let policy = Policy::Custom(Custom::new(Fresh));
/// assert_eq!(policy.name(), "custom");
/// ```
pub trait Admission: Send + Sync {
    /// What is to happen with the message. Called under the lock of the queue: it must not wait.
    fn admit(&self, offer: &Offer<'_>) -> Admit;
}

/// An [`Admission`] as part of a policy; equal only to its clones.
#[derive(Clone)]
pub struct Custom(Arc<dyn Admission>);

impl Custom {
    /// Wraps it.
    pub fn new(admission: impl Admission + 'static) -> Self {
        Self(Arc::new(admission))
    }

    pub(crate) fn admit(&self, offer: &Offer<'_>) -> Admit {
        self.0.admit(offer)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Custom {}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}
