//! The policy of one digest per key: what comes is folded into what waits.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::key::Key;
use crate::message::Message;
use crate::overflow::Fallback;
use crate::payload::{Carried, Payload};

/// The policy of one digest per key.
///
/// As with [`crate::Policy::Conflate`] there is one place in line per key, but a message that
/// finds its key queued is folded into what is there. Every message queued under it is delivered
/// with a [`crate::Digest`], also one that stands for itself alone. A digest is as young as the
/// latest message in it, so one that is added to in time does not expire; if it expires or is
/// dropped, that is told as one message, and those folded into it stay conflated in the account.
///
/// # Examples
///
/// The range of a price since the reader last looked:
///
/// ```
/// use floodway::{Bus, Filter, Fold, Merge, NumberSource, Policy, SubscribeOptions};
///
/// let bus = Bus::default();
/// let fold = Fold::Numbers(NumberSource::At("json:/bid".parse()?));
/// let merge = Policy::Merge(Merge { fold, ..Merge::default() });
/// let options = SubscribeOptions::default().policy(merge);
/// let bids = bus.subscribe(&Filter::new("quotes.*")?, options)?;
///
/// for bid in [r#"{"bid": 17.5}"#, r#"{"bid": 16.25}"#, r#"{"halted": true}"#] {
///     bus.publish("quotes.ACME", bid)?;
/// }
/// let quote = bids.recv()?;
/// assert_eq!(&quote.payload()[..], br#"{"halted": true}"#);
/// let digest = quote.digest().expect("the policy is to merge");
/// assert_eq!((digest.count(), digest.without_number()), (3, 1));
/// let bid = digest.numbers().expect("two have a bid");
/// assert_eq!((bid.min, bid.max, bid.last, bid.mean()), (16.25, 17.5, 16.25, 16.875));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merge {
    /// What makes two messages the same thing. Messages without it are never folded.
    pub key: Key,
    /// How two messages become one.
    pub fold: Fold,
    /// What happens when there are more keys, or what a fold has made is larger, than the limits
    /// allow.
    pub fallback: Fallback,
}

/// How two messages of a key become one. Whichever it is, the digest has their count and the time
/// range, and everything but the payload is that of the latest message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fold {
    /// The payload is that of the latest.
    #[default]
    Last,
    /// The same, and the digest has count, sum, minimum, maximum and last of a number in each
    /// message: [`crate::Digest::numbers`].
    Numbers(NumberSource),
    /// What [`Payload::merged`] makes of two payloads, on a bus that carries values; bytes have
    /// none, so there it is [`Fold::Last`].
    Own,
    /// What a function makes of two payloads: see [`Fold::by`].
    By(FoldBy),
}

impl Fold {
    /// What `fold` makes of the payload that is queued and that of a newer message, on a bus that
    /// carries bytes; on others it is [`Fold::Last`].
    ///
    /// It is called under the lock of the queue, so it must not wait. If it panics, and likewise
    /// [`Payload::merged`], the newer payload is kept; nobody else is affected.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway::{Bus, Filter, Fold, Merge, Policy, SubscribeOptions};
    ///
    /// let bus = Bus::default();
    /// let fold = Fold::by(|lines, line| [lines, b"\n", line].concat());
    /// let merge = Policy::Merge(Merge { fold, ..Merge::default() });
    /// let log = SubscribeOptions::default().policy(merge).max_bytes(1 << 20);
    /// let log = bus.subscribe(&Filter::new("log.*")?, log)?;
    /// bus.publish("log.db", "opened")?;
    /// bus.publish("log.db", "closed")?;
    /// assert_eq!(&log.recv()?.payload()[..], b"opened\nclosed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by(fold: impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::By(FoldBy(Arc::new(fold)))
    }

    /// Whether it makes payloads of its own.
    pub(crate) fn makes_payloads(&self) -> bool {
        matches!(self, Self::Own | Self::By(_))
    }

    /// The payload that two of bytes come to, if not that of the newer.
    pub(crate) fn of_bytes(&self, queued: &[u8], newer: &[u8]) -> Option<Vec<u8>> {
        let Self::By(FoldBy(fold)) = self else { return None };
        unless_it_panics(|| Some(fold(queued, newer)))
    }

    /// The payload that two values come to, if not the newer.
    pub(crate) fn of_values<T: Payload>(&self, queued: &T, newer: &T) -> Option<T> {
        if *self == Self::Own { unless_it_panics(|| queued.merged(newer)) } else { None }
    }

    /// The number that a message brings into a digest.
    pub(crate) fn number_of<P: Carried + ?Sized>(&self, message: &Message<'_, P>) -> Option<f64> {
        match self {
            Self::Numbers(source) => source.of(message),
            Self::Last | Self::Own | Self::By(_) => None,
        }
    }
}

/// A subscriber's function must not take a publisher with it. Nothing of the queue has been changed
/// when it is called.
fn unless_it_panics<T>(fold: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(fold)).ok().flatten()
}

/// A function as part of a [`Fold`]; equal only to its clones.
#[derive(Clone)]
pub struct FoldBy(Arc<FoldBytes>);

type FoldBytes = dyn Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync;

impl PartialEq for FoldBy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for FoldBy {}

impl fmt::Debug for FoldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FoldBy")
    }
}

/// Where the number of a message is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NumberSource {
    /// The payload is one: [`Payload::number`].
    #[default]
    Payload,
    /// A decimal number in a text that has a place: a header, or a string or number in a JSON
    /// payload.
    At(Key),
}

impl NumberSource {
    /// The number of a message, if it has one that is finite.
    pub fn of<P: Carried + ?Sized>(&self, message: &Message<'_, P>) -> Option<f64> {
        let number = match self {
            Self::Payload => message.payload.number(),
            Self::At(key) => key.of(&message.view()).and_then(|text| text[..].number()),
        };
        // Infinity would make every later sum useless, and NaN every later comparison.
        number.filter(|number| number.is_finite())
    }
}

#[cfg(test)]
mod tests;
