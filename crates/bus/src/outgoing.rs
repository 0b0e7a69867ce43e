//! What can be published on a bus: bytes in any form on one that carries bytes, and values on one
//! that carries values.

use std::sync::Arc;

use bytes::Bytes;

use crate::envelope::Envelope;
use crate::message::{Message, SharedMessage};
use crate::payload::{Carried, Payload};
use crate::stock::Stock;
use crate::topic::Topic;

/// What can be published on a bus that carries `P`: a `P`, or if it carries bytes, whatever is
/// bytes. Nothing else can be.
pub trait Outgoing<P: Carried + ?Sized>: Sized + sealed::Sealed<P> {
    /// What an error hands back: the value itself, and of what is bytes a copy, so that the error
    /// borrows nothing.
    type Back;

    /// Hands it back.
    #[doc(hidden)]
    fn into_back(self) -> Self::Back;

    /// What it is.
    #[doc(hidden)]
    fn outgoing(&self) -> &P;

    /// Makes a message of it, for as long as `publish` takes, that so many may keep.
    #[doc(hidden)]
    fn with_message<R>(
        self,
        envelope: &mut Envelope<'_>,
        topic: Arc<Topic>,
        fan_out: usize,
        publish: impl FnOnce(&Message<'_, P>) -> R,
    ) -> R;
}

mod sealed {
    pub trait Sealed<P: ?Sized> {}
    impl<T: super::Payload> Sealed<T> for T {}
    impl<B: AsRef<[u8]>> Sealed<[u8]> for B {}
}

impl<B: AsRef<[u8]>> Outgoing<[u8]> for B {
    type Back = Bytes;

    fn into_back(self) -> Bytes {
        Bytes::copy_from_slice(self.as_ref())
    }

    fn outgoing(&self) -> &[u8] {
        self.as_ref()
    }

    #[inline]
    fn with_message<R>(
        self,
        envelope: &mut Envelope<'_>,
        topic: Arc<Topic>,
        fan_out: usize,
        publish: impl FnOnce(&Message<'_>) -> R,
    ) -> R {
        // Copied when the first queue keeps it: one that is dropped costs nothing.
        let stock = Stock::of(fan_out);
        let message = Message::about(&topic, self.as_ref())
            .drawing_on(&stock)
            .with_reply(envelope.reply.as_deref())
            .with_headers(envelope.headers());
        publish(&message)
    }
}

impl<T: Payload> Outgoing<T> for T {
    type Back = T;

    fn into_back(self) -> T {
        self
    }

    fn outgoing(&self) -> &T {
        self
    }

    #[inline]
    fn with_message<R>(
        self,
        envelope: &mut Envelope<'_>,
        topic: Arc<Topic>,
        fan_out: usize,
        publish: impl FnOnce(&Message<'_, T>) -> R,
    ) -> R {
        let shared = SharedMessage::charging(topic, envelope.take_extras(), self, 0);
        let (shared, stock) = (Arc::new(shared), Stock::of(fan_out));
        publish(&Message::from(&shared).drawing_on(&stock))
    }
}
