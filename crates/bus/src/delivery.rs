//! A message as its consumer receives it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::backlog::Popped;
use crate::digest::Digest;
use crate::directory::SubscriptionId;
use crate::message::SharedMessage;
use crate::missed::Missed;
use crate::payload::Carried;
use crate::queued::Queued;

/// A message of a subscription, and what its consumer has to know about its place in it.
///
/// # Examples
///
/// ```
/// use floodway::{Bus, Filter, Limits, Policy, SubscribeOptions};
/// let bus = Bus::default();
/// let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(2);
/// let news = bus.subscribe(&Filter::new("news")?, newest)?;
/// for item in ["one", "two", "three"] {
///     bus.publish("news", item)?;
/// }
/// let second = news.recv()?;
/// assert_eq!((&second.payload()[..], second.seq()), (&b"two"[..], 2));
/// assert_eq!(second.missed().map(|missed| missed.total()), Some(1));
/// assert_eq!(news.recv()?.missed(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Delivery<P: Carried + ?Sized = [u8]> {
    message: Arc<SharedMessage<P>>,
    seq: u64,
    replaced: u32,
    subscription: SubscriptionId,
    missed: Option<Box<Missed>>,
    digest: Option<Box<Digest>>,
}

impl<P: Carried + ?Sized> Delivery<P> {
    pub(crate) fn new(popped: Popped<Queued<P>>, subscription: SubscriptionId) -> Self {
        let Popped { held: Queued { message, digest }, seq, replaced, missed, .. } = popped;
        Self { message, seq, replaced, subscription, missed, digest }
    }

    /// The message itself, which other subscriptions may hold too.
    pub fn message(&self) -> &Arc<SharedMessage<P>> {
        &self.message
    }

    /// Of which subscription it is.
    pub fn subscription(&self) -> SubscriptionId {
        self.subscription
    }

    /// Its number among all messages that matched the subscription: from 1, without gaps. With
    /// latest-per-key, numbers do not rise: a key keeps its place in line.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many earlier messages of its key it replaced, or has in it.
    pub fn replaced(&self) -> u64 {
        self.replaced.into()
    }

    /// What was missed right before it.
    pub fn missed(&self) -> Option<&Missed> {
        self.missed.as_deref()
    }

    /// What it stands for, if it was queued under [`crate::Policy::Merge`].
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_deref()
    }
}

impl<P: Carried + ?Sized> Deref for Delivery<P> {
    type Target = SharedMessage<P>;

    fn deref(&self) -> &SharedMessage<P> {
        &self.message
    }
}

impl<P: Carried + ?Sized> Clone for Delivery<P> {
    fn clone(&self) -> Self {
        let (message, missed) = (self.message.clone(), self.missed.clone());
        Self { message, missed, digest: self.digest.clone(), ..*self }
    }
}

impl<P: Carried + ?Sized> fmt::Debug for Delivery<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("subject", &String::from_utf8_lossy(self.subject()))
            .field("bytes", &self.size())
            .field("seq", &self.seq)
            .field("replaced", &self.replaced)
            .field("missed", &self.missed)
            .field("digest", &self.digest)
            .finish()
    }
}
