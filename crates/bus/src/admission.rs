//! The enqueue hook: a policy of one's own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use floodway_queue::overflow;

use crate::message::Message;

/// A message that asks to be queued, and the queue it asks. Limits hold whatever is answered: where
/// nothing makes room, the subscription ends.
pub type Offer<'a> = overflow::Offer<'a, Message<'a>, [u8]>;

/// The answer to an [`Offer`]. Publishers wait for [`crate::Policy::Block`] and
/// [`crate::Policy::Throttle`] only: here, to delay a message is to refuse it.
pub type Admit = overflow::Verdict<Box<[u8]>>;

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
    /// What is to happen with the message. Called under the lock of the queue: it must not wait,
    /// nor publish or receive. If it panics, its subscription ends with
    /// [`crate::EndReason::PolicyFailed`].
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

    /// Its answer; none if it panicked.
    pub(crate) fn admit(&self, offer: &Offer<'_>) -> Option<Admit> {
        // Unwinding further would leave out the subscriptions that come after this one. What it
        // leaves behind half done is its own affair: it only sees the queue.
        catch_unwind(AssertUnwindSafe(|| self.0.admit(offer))).ok()
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
