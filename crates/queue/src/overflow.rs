//! The enqueue hook: a queue whose policy decides what happens to each item.
//!
//! A [`Policy`] is asked before an item is taken, and as time passes. It sees how full the queue
//! is, how long the first in line has waited, how long the consumer has taken nothing, and the item
//! ([`Offer`]); it answers accept, refuse, replace, drop the oldest, expire, delay or end
//! ([`Verdict`]). The policies that people ask for are written with it, and with nothing else:
//!
//! | policy | at the limit |
//! | --- | --- |
//! | [`Disconnect`] | the queue ends; what is queued stays readable |
//! | [`DropNewest`] | the item is refused |
//! | [`DropOldest`] | those that wait longest are dropped |
//! | [`Block`] | the sender waits for room, and at its deadline has its item back |
//! | [`Conflate`], [`Fold`] | always: one place per key, for the latest or a fold of all |
//! | [`TimeToLive`] | always: what has waited too long is skipped; around another policy |
//! | [`Behind`] | always: who takes nothing for too long is ended; around another policy |
//! | [`BurstCredit`] | who mostly keeps up may fall behind further |
//!
//! Whatever a policy answers, the limits of the queue hold: an item that it accepts beyond them is
//! not queued, and ends the queue. And nothing is lost in silence: the receiver is told what it
//! missed where it missed it ([`Missed`]), and both sides can read an [`Account`] of all items.
//!
//! [`queue`] makes a queue of many senders and one receiver, [`queue_by`] one whose items are
//! weighed. [`Buffer`] is what is under them: no lock, no clock, one owner.
//!
//! # How it works
//!
//! A buffer is a [`Line`](crate::line::Line) with a policy. The handles share it under a mutex,
//! which is held for one item, or one batch; what is dropped is dropped outside of it, so that the
//! policy, keys and weights are the only code of the user that runs inside. A policy that does not
//! look at times ([`Policy::TIMED`]) costs no look at the clock.

mod account;
mod buffer;
mod conflate;
mod credit;
mod error;
mod handle;
mod limit;
mod policy;
mod receiver;
mod sender;
mod time;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::line::Depth;
use crate::mailbox::{Limits, Weigh};
use crate::meeting::Meeting;
pub use account::{Account, Missed};
pub use buffer::{Buffer, Entry, Sent, When};
pub use conflate::{Conflate, Fold};
pub use credit::{BurstCredit, CreditError};
pub use error::{RecvError, SendError};
pub use limit::{Block, Disconnect, DropNewest, DropOldest};
pub use policy::{FromFn, Policy, Status, Tick, from_fn};
pub use receiver::Receiver;
pub use sender::{Sender, SentMany};
pub use time::{Behind, TimeToLive};

/// A queue of counted items, with a policy.
///
/// # Examples
///
/// ```
/// use floodway_queue::Limits;
/// use floodway_queue::overflow::{self, DropOldest};
/// let (sender, mut receiver) = overflow::queue(Limits::messages(2)?, DropOldest);
/// for n in 0..5 {
///     sender.try_send(n)?;
/// }
/// let entry = receiver.try_recv()?;
/// assert_eq!(entry.item, 3);
/// let missed = entry.missed.unwrap();
/// assert_eq!((missed.dropped(), missed.first(), missed.last()), (3, 0, 2));
/// assert_eq!(sender.account().dropped, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn queue<T, P: Policy<T>>(limits: Limits, policy: P) -> (Sender<T, P>, Receiver<T, P>) {
    queue_by(limits, policy)
}

/// A queue whose items are weighed by `W`.
///
/// # Examples
///
/// ```
/// use floodway_queue::{Limits, Weigh};
/// use floodway_queue::overflow::{self, DropNewest};
/// struct Length;
/// impl Weigh<&str> for Length {
///     fn bytes(item: &&str) -> u64 {
///         item.len() as u64
///     }
/// }
/// let limits = Limits::messages(9)?.and_bytes(8)?;
/// let (sender, _receiver) = overflow::queue_by::<_, _, Length>(limits, DropNewest);
/// sender.try_send("five5")?;
/// assert!(sender.try_send("four").is_err());
/// sender.try_send("thr")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn queue_by<T, P: Policy<T>, W: Weigh<T>>(
    limits: Limits,
    policy: P,
) -> (Sender<T, P, W>, Receiver<T, P, W>) {
    let meeting = Arc::new(Meeting::new(Buffer::new(limits, policy)));
    let start = Instant::now();
    (Sender::new(meeting.clone(), start), Receiver::new(meeting, start))
}

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
    #[inline]
    pub fn depth_with(&self, key: Option<&K>) -> Depth {
        let place = key.and_then(|key| self.queued_under(key));
        Depth {
            messages: self.depth.messages + u64::from(place.is_none()),
            bytes: self.depth.bytes - place.unwrap_or(0) + self.bytes,
        }
    }

    /// Whether it fits the limits, so placed.
    #[inline]
    pub fn fits(&self, key: Option<&K>) -> bool {
        self.depth_with(key).is_within(self.most)
    }

    /// Which limit it would be beyond, so placed.
    #[inline]
    pub fn excess(&self, key: Option<&K>) -> Option<Limit> {
        Limit::beyond(self.depth_with(key), self.most)
    }

    /// Whether it would fit if nothing were queued.
    pub fn fits_alone(&self) -> bool {
        Depth { messages: 1, bytes: self.bytes }.is_within(self.most)
    }

    /// The same item for a policy that has no keys.
    #[inline]
    fn without_keys(&self) -> Offer<'_, T, Infallible> {
        Offer {
            item: self.item,
            bytes: self.bytes,
            depth: self.depth,
            most: self.most,
            oldest: self.oldest,
            stalled: self.stalled,
            waited: self.waited,
            queued: &|never: &Infallible| match *never {},
        }
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

impl Limit {
    /// What is limited, in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Behind => "time behind",
            Self::Credit => "burst credit",
        }
    }

    /// The limit that a queue of `depth` is beyond.
    #[inline]
    pub fn beyond(depth: Depth, most: Depth) -> Option<Self> {
        if depth.messages > most.messages {
            Some(Self::Messages)
        } else if depth.bytes > most.bytes {
            Some(Self::Bytes)
        } else {
            None
        }
    }
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
    /// Drop all that have waited for longer, and ask again. If nobody has: refuse.
    Expire(Duration),
    /// Ask again when something was taken, and at the latest after this time. To a sender that does
    /// not wait it is a refusal.
    Delay(Duration),
    /// Take nothing more; what is queued stays readable.
    End(Limit),
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// There is one receiver:
///
/// ```
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (sender, _receiver) = overflow::queue::<u8, _>(Limits::messages(1)?, DropOldest);
/// let second = sender.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0599
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (_sender, receiver) = overflow::queue::<u8, _>(Limits::messages(1)?, DropOldest);
/// let second = receiver.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// It receives for one thread at a time:
///
/// ```
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (_sender, mut receiver) = overflow::queue::<u8, _>(Limits::messages(1)?, DropOldest);
/// std::thread::scope(|s| { s.spawn(|| receiver.try_recv().is_ok()); });
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (_sender, mut receiver) = overflow::queue::<u8, _>(Limits::messages(1)?, DropOldest);
/// std::thread::scope(|s| {
///     s.spawn(|| receiver.try_recv().is_ok());
///     s.spawn(|| receiver.try_recv().is_ok());
/// });
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// What must not change threads is not sent to another, be it an item or the policy:
///
/// ```
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (sender, _receiver) = overflow::queue(Limits::messages(1)?, DropOldest);
/// std::thread::spawn(move || sender.try_send(std::sync::Arc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use floodway_queue::{Limits, overflow::{self, DropOldest}};
/// let (sender, _receiver) = overflow::queue(Limits::messages(1)?, DropOldest);
/// std::thread::spawn(move || sender.try_send(std::rc::Rc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use std::{convert::Infallible, rc::Rc};
/// # use floodway_queue::{Limits, overflow::{self, Verdict}};
/// let kept = Rc::new(());
/// let policy = overflow::from_fn::<u8, Infallible, _>(move |_| {
///     let _ = &kept;
///     Verdict::Accept
/// });
/// let (sender, _receiver) = overflow::queue(Limits::messages(1)?, policy);
/// std::thread::spawn(move || sender.try_send(1).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;
