//! Messages as an inbox queues them.

use std::sync::Arc;

use floodway_queue::line::Item;
use floodway_queue::prefetch_to_write;

use crate::backlog::Held;
use crate::budget::Budget;
use crate::digest::Digest;
use crate::merge::Fold;
use crate::message::{Message, SharedMessage};
use crate::payload::Carried;

/// A message that other inboxes may hold too, and what it stands for in this one.
#[derive(Debug)]
pub(crate) struct Queued<P: Carried + ?Sized> {
    pub(crate) message: Arc<SharedMessage<P>>,
    /// Of what is queued under [`crate::Policy::Merge`]; a pointer, as the others have none.
    pub(crate) digest: Option<Box<Digest>>,
}

impl<P: Carried + ?Sized> Held for Queued<P> {
    type Payload = P;

    #[inline]
    fn hold(message: &Message<'_, P>, budget: &Budget) -> Self {
        Self { message: message.reference(budget), digest: None }
    }

    fn replace(&mut self, message: &Message<'_, P>, budget: &Budget) {
        *self = Self::hold(message, budget);
    }

    /// Its count was changed last by a reader on another CPU.
    #[inline]
    fn will_be_dropped(&self) {
        prefetch_to_write(Arc::as_ptr(&self.message).cast::<usize>().wrapping_sub(2));
    }

    fn subject(&self) -> &[u8] {
        self.message.subject()
    }

    fn merged(&self, newer: &Message<'_, P>, fold: &Fold, budget: &Budget) -> Option<Self> {
        let message = P::merge(&self.message, newer, fold, budget)?;
        Some(Self { message: Arc::new(message), digest: None })
    }

    fn digest(&mut self) -> Option<&mut Option<Box<Digest>>> {
        Some(&mut self.digest)
    }
}

impl<P: Carried + ?Sized> Item for Queued<P> {
    #[inline]
    fn size(&self) -> u64 {
        self.message.size() as u64
    }
}
