//! What a bus carries: bytes, or values of a type of the user's.

use std::borrow::Borrow;
use std::sync::Arc;

use bytes::Bytes;
use floodway_query::Tags;

use crate::budget::Budget;
use crate::merge::Fold;
use crate::message::{Kept, Message, SHARE_FROM_BYTES, SharedMessage};

/// What can be published: bytes, and every type that says so.
///
/// One value is shared by all who receive it; nothing is cloned. For a type of your own one line is
/// enough; for one of somebody else's, publish an [`Arc`] of it.
///
/// # Examples
///
/// ```
/// use floodway::{Bus, Filter, Payload, SubscribeOptions};
///
/// struct Quote {
///     bid: f64,
///     venue: String,
/// }
/// impl Payload for Quote {
///     // What it holds outside of itself counts against limits and the memory budget.
///     fn size(&self) -> usize {
///         size_of_val(self) + self.venue.len()
///     }
/// }
///
/// let bus = Bus::<Quote>::typed(&Default::default());
/// let quotes = bus.subscribe(&Filter::new("quotes.*")?, SubscribeOptions::default())?;
/// bus.publish("quotes.ACME", Quote { bid: 17.05, venue: "XETRA".into() })?;
/// assert_eq!(quotes.recv()?.payload().bid, 17.05);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Payload: Send + Sync + 'static {
    /// Bytes that count against limits and the memory budget.
    fn size(&self) -> usize {
        size_of_val(self)
    }

    /// The bytes in which a key of [`crate::Policy::Conflate`] may lie; none unless it says so.
    fn payload_bytes(&self) -> &[u8] {
        &[]
    }

    /// The number that it is, for [`crate::Fold::Numbers`]; of bytes, and of text, the decimal
    /// number that they are.
    fn number(&self) -> Option<f64> {
        None
    }

    /// Adds the attributes that queries can ask for, besides those in the headers.
    fn tags<'t>(&'t self, tags: &mut Tags<'t>) {
        let _ = tags;
    }

    /// This one, which is queued, and a newer one of the same key as one: the fold of
    /// [`crate::Fold::Own`]. `None` keeps the newer one. Called under the lock of the queue: it
    /// must not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway::{Bus, Filter, Fold, Merge, Payload, Policy, SubscribeOptions};
    ///
    /// struct Traffic {
    ///     bytes_in: u64,
    ///     bytes_out: u64,
    /// }
    /// impl Payload for Traffic {
    ///     fn merged(&self, newer: &Self) -> Option<Self> {
    ///         let bytes_in = self.bytes_in + newer.bytes_in;
    ///         Some(Self { bytes_in, bytes_out: self.bytes_out + newer.bytes_out })
    ///     }
    /// }
    ///
    /// let bus = Bus::<Traffic>::typed(&Default::default());
    /// let merge = Policy::Merge(Merge { fold: Fold::Own, ..Merge::default() });
    /// let options = SubscribeOptions::default().policy(merge);
    /// let traffic = bus.subscribe(&Filter::new("traffic.*")?, options)?;
    /// bus.publish("traffic.eth0", Traffic { bytes_in: 100, bytes_out: 7 })?;
    /// bus.publish("traffic.eth0", Traffic { bytes_in: 200, bytes_out: 0 })?;
    /// let both = traffic.recv()?;
    /// assert_eq!((both.payload().bytes_in, both.payload().bytes_out), (300, 7));
    /// assert_eq!(both.digest().map(|digest| digest.count()), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn merged(&self, newer: &Self) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = newer;
        None
    }
}

/// How queues hold a payload: bytes as [`Bytes`], everything else as it is. Every [`Payload`] is
/// one of these, and nothing else can be.
pub trait Carried: Payload + sealed::Sealed {
    /// What a [`SharedMessage`] holds.
    type Owned: Borrow<Self> + Send + Sync;

    /// Whether it may have tags of its own, besides headers and what is declared of its bytes.
    #[doc(hidden)]
    const HAS_TAGS: bool;

    /// The form that queues share, made when the first of them keeps the message.
    #[doc(hidden)]
    fn keep<'m>(message: &'m Message<'_, Self>, budget: &Budget) -> &'m Arc<SharedMessage<Self>>;

    /// A payload so large that queues had better share it from the start.
    #[doc(hidden)]
    fn is_large(&self) -> bool;

    /// Bytes of the message that are counted against the memory budget already.
    #[doc(hidden)]
    fn charged(message: &Message<'_, Self>) -> usize;

    /// What a queued message and a newer one come to, if the fold makes a new payload of theirs.
    #[doc(hidden)]
    fn merge(
        queued: &SharedMessage<Self>,
        newer: &Message<'_, Self>,
        fold: &Fold,
        budget: &Budget,
    ) -> Option<SharedMessage<Self>>;
}

mod sealed {
    pub trait Sealed {}
    impl<T: super::Payload> Sealed for T {}
    impl Sealed for [u8] {}
}

impl Carried for [u8] {
    type Owned = Bytes;

    const HAS_TAGS: bool = false;

    fn keep<'m>(message: &'m Message<'_>, budget: &Budget) -> &'m Arc<SharedMessage> {
        match &message.kept {
            Kept::Given(kept) => kept,
            Kept::Made(kept) => {
                kept.get_or_init(|| Arc::new(SharedMessage::copy_of(message, budget)))
            }
        }
    }

    #[inline]
    fn is_large(&self) -> bool {
        self.len() >= SHARE_FROM_BYTES
    }

    #[inline]
    fn charged(message: &Message<'_>) -> usize {
        message.shared_payload().map_or(0, Bytes::len)
    }

    fn merge(
        queued: &SharedMessage,
        newer: &Message<'_>,
        fold: &Fold,
        budget: &Budget,
    ) -> Option<SharedMessage> {
        let payload = fold.of_bytes(&queued.payload, newer.payload)?;
        let Message { subject, reply, headers, .. } = *newer;
        let merged = Message::new(subject, &payload).with_reply(reply).with_headers(headers);
        Some(SharedMessage::copy_of(&merged, budget))
    }
}

impl<T: Payload> Carried for T {
    type Owned = T;

    const HAS_TAGS: bool = true;

    fn keep<'m>(message: &'m Message<'_, T>, _budget: &Budget) -> &'m Arc<SharedMessage<T>> {
        let kept = message.kept.get();
        kept.expect("only bytes are published without being owned: see `Message`'s constructors")
    }

    #[inline]
    fn is_large(&self) -> bool {
        false
    }

    #[inline]
    fn charged(message: &Message<'_, T>) -> usize {
        // It is counted where it was made.
        message.size()
    }

    fn merge(
        queued: &SharedMessage<T>,
        newer: &Message<'_, T>,
        fold: &Fold,
        budget: &Budget,
    ) -> Option<SharedMessage<T>> {
        let payload = fold.of_values(&queued.payload, newer.payload)?;
        let SharedMessage { label, extras, .. } = &**T::keep(newer, budget);
        Some(SharedMessage::charging(label.topic().clone(), extras.clone(), payload, 0))
    }
}

impl Payload for [u8] {
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }

    #[inline]
    fn payload_bytes(&self) -> &[u8] {
        self
    }

    fn number(&self) -> Option<f64> {
        std::str::from_utf8(self).ok()?.trim().parse().ok()
    }
}

impl Payload for Bytes {
    fn size(&self) -> usize {
        size_of::<Self>() + self.len()
    }

    fn payload_bytes(&self) -> &[u8] {
        self
    }

    fn number(&self) -> Option<f64> {
        self[..].number()
    }
}

impl Payload for String {
    fn size(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }

    fn payload_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn number(&self) -> Option<f64> {
        self.trim().parse().ok()
    }
}

impl<T: Send + Sync + 'static> Payload for Vec<T> {
    fn size(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<T>()
    }
}

impl<T: ?Sized + Send + Sync + 'static> Payload for Arc<T> {
    fn size(&self) -> usize {
        size_of::<Self>() + size_of_val(&**self)
    }
}

impl<T: ?Sized + Send + Sync + 'static> Payload for Box<T> {
    fn size(&self) -> usize {
        size_of::<Self>() + size_of_val(&**self)
    }
}

impl Payload for () {}
impl Payload for bool {}
impl Payload for char {}
impl Payload for &'static str {
    fn payload_bytes(&self) -> &[u8] {
        str::as_bytes(self)
    }
}

/// Numbers, which are what they are.
macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Payload for $number {
            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);
