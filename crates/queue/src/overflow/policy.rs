//! What a policy is asked, and what it may answer.

use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use super::{Depth, Limit, Offer, Verdict};

/// Decides what happens to each item of a queue, and to the queue as time passes.
///
/// [`Policy::admit`] is all that a policy must say. It is called under the queue's lock: it should
/// be quick, and must not use the queue. Whatever it answers, the queue stays within its limits.
///
/// # Examples
///
/// Items with a priority, of which low ones are only taken while the queue is half empty:
///
/// ```
/// use std::convert::Infallible;
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Offer, Policy, SendError, Verdict};
///
/// struct Polite;
/// type Event = (u8, &'static str);
///
/// impl Policy<Event> for Polite {
///     type Key = Infallible; // nothing is ever replaced
///     const TIMED: bool = false;
///
///     fn admit(&mut self, offer: &Offer<'_, Event, Infallible>) -> Verdict<Infallible> {
///         let (priority, _) = offer.item;
///         let half_full = offer.depth.messages * 2 >= offer.most.messages;
///         if *priority == 0 && half_full || !offer.fits(None) {
///             return Verdict::Refuse;
///         }
///         Verdict::Accept
///     }
/// }
///
/// let (sender, _receiver) = overflow::queue(Limits::messages(2)?, Polite);
/// sender.try_send((0, "a page view"))?;
/// assert!(matches!(sender.try_send((0, "another")), Err(SendError::Refused(_))));
/// sender.try_send((9, "an order"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Policy<T> {
    /// What makes two items the same thing, for [`Verdict::Replace`]. `Infallible` where nothing
    /// is ever replaced.
    type Key: Hash + Eq;

    /// Whether it looks at [`Offer::oldest`] or [`Offer::stalled`], or wants to be asked as time
    /// passes. A queue whose policy does not never reads a clock; both are zero then.
    const TIMED: bool = true;

    /// What is to happen with an item.
    fn admit(&mut self, offer: &Offer<'_, T, Self::Key>) -> Verdict<Self::Key>;

    /// What time itself does to the queue: asked before each take, and by a sweep. Not asked
    /// unless it is [`TIMED`](Policy::TIMED).
    fn tick(&mut self, status: &Status) -> Tick {
        let _ = status;
        Tick::Keep
    }

    /// The consumer has taken an item; `left` is what is queued after it.
    fn taken(&mut self, left: Depth) {
        let _ = left;
    }

    /// Puts an item in the place of the queued one of its key; what comes back is dropped.
    ///
    /// By default the later item takes the place of the earlier. A policy may make one of both
    /// instead. One whose result is beyond the limit in bytes ends the queue.
    fn renew(&mut self, queued: &mut T, item: T) -> Option<T> {
        Some(std::mem::replace(queued, item))
    }
}

/// A queue at a moment when no item asks to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What is queued.
    pub depth: Depth,
    /// What may be queued at most.
    pub most: Depth,
    /// How long the first in line has waited.
    pub oldest: Option<Duration>,
    /// How long something has been queued without the consumer taking anything.
    pub stalled: Duration,
}

/// What is to happen because time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tick {
    /// Nothing.
    Keep,
    /// Drop all that have waited for longer.
    Expire(Duration),
    /// Take nothing more; what is queued stays readable.
    End(Limit),
}

/// A policy that is one function: see [`from_fn`].
pub struct FromFn<K, F> {
    admit: F,
    key: PhantomData<fn() -> K>,
}

/// A policy of one function. `K` is the key of [`Verdict::Replace`]; a policy that does not replace
/// says `Infallible`.
///
/// # Examples
///
/// Admission by age: who comes while the first in line has waited for a second is turned away.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, Verdict};
/// let policy = overflow::from_fn::<&str, Infallible, _>(|offer| {
///     let late = offer.oldest.is_some_and(|age| age > Duration::from_secs(1));
///     if late || !offer.fits(None) { Verdict::Refuse } else { Verdict::Accept }
/// });
/// let (sender, _receiver) = overflow::queue(Limits::messages(100)?, policy);
/// sender.try_send("first")?;
/// let later = std::time::Instant::now() + Duration::from_secs(2);
/// assert!(sender.try_send_at("second", later).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_fn<T, K, F>(admit: F) -> FromFn<K, F>
where
    F: FnMut(&Offer<'_, T, K>) -> Verdict<K>,
{
    FromFn { admit, key: PhantomData }
}

impl<K, F> std::fmt::Debug for FromFn<K, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

impl<T, K: Hash + Eq, F> Policy<T> for FromFn<K, F>
where
    F: FnMut(&Offer<'_, T, K>) -> Verdict<K>,
{
    type Key = K;

    fn admit(&mut self, offer: &Offer<'_, T, K>) -> Verdict<K> {
        (self.admit)(offer)
    }
}

impl Verdict<Infallible> {
    /// The same to a queue that has keys.
    #[inline]
    pub(super) fn with_keys<K>(self) -> Verdict<K> {
        match self {
            Self::Accept => Verdict::Accept,
            Self::Refuse => Verdict::Refuse,
            Self::Replace(never) => match never {},
            Self::DropOldest => Verdict::DropOldest,
            Self::Expire(age) => Verdict::Expire(age),
            Self::Delay(most) => Verdict::Delay(most),
            Self::End(limit) => Verdict::End(limit),
        }
    }
}
