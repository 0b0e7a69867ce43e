//! The enqueue hook: a queue whose policy decides what happens to each item.
//!
//! A [`Policy`] is asked before an item is taken, and as time passes. It sees how full the queue
//! is, how long the first in line has waited, how long the consumer has taken nothing, and the item
//! ([`Offer`]); it answers accept, refuse, replace, drop the oldest, expire, delay or end
//! ([`Verdict`]). The policies that people ask for are written with it.
//!
//! Whatever a policy answers, the limits of the queue hold.

use std::fmt;
use std::time::Duration;

pub use crate::line::Depth;

/// An item that asks to be queued, and the queue it asks.
pub struct Offer<'a, T: ?Sized, K: ?Sized> {
    /// The item.
    pub item: &'a T,
    /// Its bytes, as they count against limits.
    pub bytes: u64,
    /// What is queued already.
    pub depth: Depth,
    /// What may be queued at most, whatever is answered.
    pub most: Depth,
    /// How long the first in line has waited.
    pub oldest: Option<Duration>,
    /// How long something has been queued without the consumer taking anything.
    pub stalled: Duration,
    /// How long this item has been delayed so far.
    pub waited: Duration,
    /// The size of the queued item of a key: see [`Offer::queued_under`].
    pub queued: &'a dyn Fn(&K) -> Option<u64>,
}

impl<T: ?Sized, K: ?Sized> Offer<'_, T, K> {
    /// The size of the queued item that [`Verdict::Replace`] with this key would replace.
    pub fn queued_under(&self, key: &K) -> Option<u64> {
        (self.queued)(key)
    }

    /// What would be queued with it: at the end, or with a key in the place of the queued item of
    /// that key.
    pub fn depth_with(&self, key: Option<&K>) -> Depth {
        let place = key.and_then(|key| self.queued_under(key));
        Depth {
            messages: self.depth.messages + u64::from(place.is_none()),
            bytes: self.depth.bytes - place.unwrap_or(0) + self.bytes,
        }
    }

    /// Whether it fits the limits, so placed.
    pub fn fits(&self, key: Option<&K>) -> bool {
        self.depth_with(key).is_within(self.most)
    }
}

impl<T: fmt::Debug + ?Sized, K: ?Sized> fmt::Debug for Offer<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("item", &self.item)
            .field("bytes", &self.bytes)
            .field("depth", &self.depth)
            .field("most", &self.most)
            .field("oldest", &self.oldest)
            .field("stalled", &self.stalled)
            .field("waited", &self.waited)
            .finish()
    }
}

/// Which limit ended a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Messages queued.
    Messages,
    /// Bytes queued.
    Bytes,
    /// How long the consumer may take nothing.
    Behind,
    /// The credit for bursts.
    Credit,
}

/// What is to happen with an item. `K` is the key of an item that another may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict<K> {
    /// Queue it at the end.
    Accept,
    /// Do not queue it; it counts as lost.
    Refuse,
    /// Put it in the place of the queued item of the same key, or at the end if there is none.
    Replace(K),
    /// Drop the item that waits longest, and ask again. With nothing queued, and for an item that
    /// does not fit the limits even alone: refuse.
    DropOldest,
    /// Drop all that have waited for longer, and ask again.
    Expire(Duration),
    /// Ask again when something was taken, and at the latest after this time. To a sender that does
    /// not wait it is a refusal.
    Delay(Duration),
    /// Take nothing more; what is queued stays readable.
    End(Limit),
}
