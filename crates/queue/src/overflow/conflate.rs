//! Policies with keys: the latest of each, or a fold of all of them.

use std::convert::Infallible;
use std::hash::Hash;

use super::{Depth, Disconnect, Offer, Policy, Status, Tick, Verdict};

/// One place per key: a later item takes the place of the queued one of its key, which keeps its
/// place in line. What does not fit (too many keys, too many bytes) is up to another policy.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Conflate, DropOldest};
/// let policy = Conflate::by(|price: &(char, u32)| price.0).or(DropOldest);
/// let (sender, mut receiver) = overflow::queue(Limits::messages(2)?, policy);
/// sender.try_send(('a', 1))?;
/// sender.try_send(('b', 7))?;
/// assert_eq!(sender.try_send(('a', 2))?.replaced, 1);
/// assert_eq!(receiver.try_recv()?.item, ('a', 2));
/// sender.try_send(('c', 1))?;
/// assert_eq!(sender.try_send(('d', 1))?.dropped, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Conflate<F, P = Disconnect> {
    key: F,
    full: P,
}

impl<F> Conflate<F> {
    /// Items of the same `key` are the same thing; too many keys end the queue.
    pub const fn by<T, K>(key: F) -> Self
    where
        F: Fn(&T) -> K,
    {
        Self { key, full: Disconnect }
    }
}

impl<F, P> Conflate<F, P> {
    /// With another policy for what does not fit.
    pub fn or<Q>(self, full: Q) -> Conflate<F, Q> {
        Conflate { key: self.key, full }
    }
}

impl<T, K, F, P> Policy<T> for Conflate<F, P>
where
    K: Hash + Eq,
    F: Fn(&T) -> K,
    P: Policy<T, Key = Infallible>,
{
    type Key = K;
    const TIMED: bool = P::TIMED;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, K>) -> Verdict<K> {
        let key = (self.key)(offer.item);
        // With room for one more there is no need to look whether the key is queued.
        if offer.fits(None) || offer.fits(Some(&key)) {
            return Verdict::Replace(key);
        }
        self.full.admit(&offer.without_keys()).with_keys()
    }

    fn tick(&mut self, status: &Status) -> Tick {
        self.full.tick(status)
    }

    fn taken(&mut self, left: Depth) {
        self.full.taken(left);
    }
}

/// As [`Conflate`], but the queued item of a key becomes a fold of it and the later one: a sum, a
/// count, the least and the most.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Fold};
/// let policy = Fold::by(|hits: &(char, u32)| hits.0, |sum, hits: (char, u32)| sum.1 += hits.1);
/// let (sender, mut receiver) = overflow::queue(Limits::messages(2)?, policy);
/// (1..=4).try_for_each(|n| sender.try_send(('a', n)).map(drop))?;
/// let entry = receiver.try_recv()?;
/// assert_eq!((entry.item, entry.replaced), (('a', 10), 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fold<F, G, P = Disconnect> {
    fold: G,
    keyed: Conflate<F, P>,
}

impl<F, G> Fold<F, G> {
    /// Items of the same `key` become one by `fold`; too many keys end the queue.
    pub const fn by<T, K>(key: F, fold: G) -> Self
    where
        F: Fn(&T) -> K,
        G: FnMut(&mut T, T),
    {
        Self { fold, keyed: Conflate { key, full: Disconnect } }
    }
}

impl<F, G, P> Fold<F, G, P> {
    /// With another policy for what does not fit.
    pub fn or<Q>(self, full: Q) -> Fold<F, G, Q> {
        Fold { fold: self.fold, keyed: self.keyed.or(full) }
    }
}

impl<T, K, F, G, P> Policy<T> for Fold<F, G, P>
where
    K: Hash + Eq,
    F: Fn(&T) -> K,
    G: FnMut(&mut T, T),
    P: Policy<T, Key = Infallible>,
{
    type Key = K;
    const TIMED: bool = P::TIMED;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, K>) -> Verdict<K> {
        self.keyed.admit(offer)
    }

    fn tick(&mut self, status: &Status) -> Tick {
        self.keyed.tick(status)
    }

    fn taken(&mut self, left: Depth) {
        Policy::<T>::taken(&mut self.keyed, left);
    }

    #[inline]
    fn renew(&mut self, queued: &mut T, item: T) -> Option<T> {
        (self.fold)(queued, item);
        None
    }
}
