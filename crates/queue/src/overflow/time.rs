//! Policies about time, each around another policy that decides the rest.

use std::time::Duration;

use super::{Depth, Limit, Offer, Policy, Status, Tick, Verdict};

/// Skips what has waited for too long; the rest is up to another policy. Counted in milliseconds.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, DropOldest, TimeToLive};
/// let policy = TimeToLive::new(Duration::from_secs(1), DropOldest);
/// let (sender, mut receiver) = overflow::queue(Limits::messages(9)?, policy);
/// let now = Instant::now();
/// sender.try_send_at("stale", now)?;
/// sender.try_send_at("fresh", now + Duration::from_millis(700))?;
/// let entry = receiver.try_recv_at(now + Duration::from_millis(1001))?;
/// assert_eq!((entry.item, entry.missed.map(|missed| missed.expired())), ("fresh", Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TimeToLive<P> {
    ttl: Duration,
    then: P,
}

impl<P> TimeToLive<P> {
    /// What has waited for longer than `ttl` is skipped, and all else goes by `then`.
    pub const fn new(ttl: Duration, then: P) -> Self {
        Self { ttl, then }
    }
}

impl<T, P: Policy<T>> Policy<T> for TimeToLive<P> {
    type Key = P::Key;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, P::Key>) -> Verdict<P::Key> {
        if offer.oldest.is_some_and(|age| age > self.ttl) {
            return Verdict::Expire(self.ttl);
        }
        self.then.admit(offer)
    }

    #[inline]
    fn tick(&mut self, status: &Status) -> Tick {
        match self.then.tick(status) {
            Tick::Keep if status.oldest.is_some_and(|age| age > self.ttl) => Tick::Expire(self.ttl),
            Tick::Expire(age) => Tick::Expire(age.min(self.ttl)),
            other => other,
        }
    }

    fn taken(&mut self, left: Depth) {
        self.then.taken(left);
    }

    fn renew(&mut self, queued: &mut T, item: T) -> Option<T> {
        self.then.renew(queued, item)
    }
}

/// Ends the queue of a consumer that takes nothing for too long though something is queued; the
/// rest is up to another policy. Counted in milliseconds.
///
/// It is noticed when an item comes or is taken, and by a sweep.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Behind, DropNewest, Limit, SendError};
/// let policy = Behind::new(Duration::from_secs(30), DropNewest);
/// let (sender, _receiver) = overflow::queue(Limits::messages(9)?, policy);
/// let now = Instant::now();
/// sender.try_send_at(1, now)?;
/// let late = sender.try_send_at(2, now + Duration::from_secs(31));
/// assert_eq!(late, Err(SendError::Ended(2, Limit::Behind)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Behind<P> {
    at_most: Duration,
    then: P,
}

impl<P> Behind<P> {
    /// Ends who takes nothing for longer than `at_most`; all else goes by `then`.
    pub const fn new(at_most: Duration, then: P) -> Self {
        Self { at_most, then }
    }
}

impl<T, P: Policy<T>> Policy<T> for Behind<P> {
    type Key = P::Key;

    #[inline]
    fn admit(&mut self, offer: &Offer<'_, T, P::Key>) -> Verdict<P::Key> {
        if offer.stalled > self.at_most {
            return Verdict::End(Limit::Behind);
        }
        self.then.admit(offer)
    }

    #[inline]
    fn tick(&mut self, status: &Status) -> Tick {
        if status.stalled > self.at_most {
            return Tick::End(Limit::Behind);
        }
        self.then.tick(status)
    }

    fn taken(&mut self, left: Depth) {
        self.then.taken(left);
    }

    fn renew(&mut self, queued: &mut T, item: T) -> Option<T> {
        self.then.renew(queued, item)
    }
}
