//! Messages: borrowed while they are routed, owned once somebody keeps one.

use std::borrow::Borrow;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::Budget;
use crate::headers::Headers;
use crate::payload::{Carried, Payload};
use crate::stock::Stock;
use crate::topic::{Label, Topic};

/// From this size on a payload is shared by the queues that hold it; below, copying it is cheaper
/// than counting references to it.
pub const SHARE_FROM_BYTES: usize = 8 * 1024;

/// The owned form of a message.
pub(crate) enum Kept<'a, P: Carried + ?Sized> {
    /// It was published in that form: what is not bytes always is.
    Given(&'a Arc<SharedMessage<P>>),
    /// It is made when the first queue wants to keep it.
    Made(OnceCell<Arc<SharedMessage<P>>>),
}

impl<P: Carried + ?Sized> Kept<'_, P> {
    pub(crate) const fn not_yet() -> Self {
        Self::Made(OnceCell::new())
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<SharedMessage<P>>> {
        match self {
            Self::Given(kept) => Some(kept),
            Self::Made(kept) => kept.get(),
        }
    }
}

impl<P: Carried + ?Sized> Clone for Kept<'_, P> {
    fn clone(&self) -> Self {
        match self {
            Self::Given(kept) => Self::Given(kept),
            Self::Made(kept) => Self::Made(kept.clone()),
        }
    }
}

/// A message on its way through the bus. It borrows from what the sender holds, such as the read
/// buffer of a socket, so that routing copies nothing.
pub struct Message<'a, P: Carried + ?Sized = [u8]> {
    /// What it is about.
    pub subject: &'a [u8],
    /// Where an answer is expected.
    pub reply: Option<&'a [u8]>,
    /// The header block as it stands on the wire, or empty.
    pub headers: &'a [u8],
    /// The content.
    pub payload: &'a P,
    pub(crate) kept: Kept<'a, P>,
    /// The number of its row of one subject in its batch; 0 if it is of none.
    pub(crate) row: u32,
    /// The subject as whoever keeps the message may share it.
    pub(crate) topic: Option<&'a Arc<Topic>>,
    /// References taken ahead, if it goes to many.
    pub(crate) stock: Option<&'a Stock<P>>,
}

impl<'a> Message<'a> {
    /// A message without reply and headers.
    pub fn new(subject: &'a [u8], payload: &'a [u8]) -> Self {
        Self {
            subject,
            reply: None,
            headers: &[],
            payload,
            kept: Kept::not_yet(),
            row: 0,
            topic: None,
            stock: None,
        }
    }

    /// The same with a subject that is shared with whoever keeps the message.
    #[inline]
    pub(crate) fn about(topic: &'a Arc<Topic>, payload: &'a [u8]) -> Self {
        Self { topic: Some(topic), ..Self::new(topic.subject(), payload) }
    }

    /// With a subject for answers.
    #[must_use]
    pub fn with_reply(mut self, reply: Option<&'a [u8]>) -> Self {
        self.reply = reply;
        self
    }

    /// With a header block as it stands on the wire.
    #[must_use]
    pub fn with_headers(mut self, headers: &'a [u8]) -> Self {
        self.headers = headers;
        self
    }

    /// The payload as memory that queues may share, if it was made so.
    #[inline]
    pub fn shared_payload(&self) -> Option<&Bytes> {
        let kept = self.kept.get()?;
        (kept.payload.len() >= SHARE_FROM_BYTES).then_some(&kept.payload)
    }
}

impl<'a, P: Carried + ?Sized> Message<'a, P> {
    /// With references for those who keep it.
    #[inline]
    pub(crate) fn drawing_on(self, stock: &'a Stock<P>) -> Self {
        Self { stock: Some(stock), ..self }
    }

    /// In the row of one subject that has this number in its batch.
    pub(crate) fn in_row(self, row: u32) -> Self {
        Self { row, ..self }
    }

    /// Whether it belongs to the row that begins with `first`, if those between do.
    #[inline]
    pub(crate) fn continues(&self, first: &Message<'_, P>) -> bool {
        match self.row {
            0 => self.subject == first.subject,
            row => row == first.row,
        }
    }

    /// Bytes that count against limits: subject, reply, headers and payload.
    #[inline]
    pub fn size(&self) -> usize {
        self.subject.len()
            + self.reply.map_or(0, <[u8]>::len)
            + self.headers.len()
            + self.payload.size()
    }

    /// A reference to the owned form, for one who keeps it.
    #[inline]
    pub(crate) fn reference(&self, budget: &Budget) -> Arc<SharedMessage<P>> {
        let kept = self.keep(budget);
        match self.stock {
            Some(stock) => stock.take(kept),
            None => kept.clone(),
        }
    }

    /// The owned form, one for all who keep it.
    #[inline]
    pub fn keep(&self, budget: &Budget) -> &Arc<SharedMessage<P>> {
        P::keep(self, budget)
    }

    /// What of it is bytes, for those who look at messages of any payload: the same subject, reply
    /// and headers, and [`crate::Payload::payload_bytes`].
    #[inline]
    pub fn view(&self) -> Message<'_> {
        let payload = self.payload.payload_bytes();
        Message::new(self.subject, payload).with_reply(self.reply).with_headers(self.headers)
    }
}

impl<P: Carried + ?Sized> Clone for Message<'_, P> {
    fn clone(&self) -> Self {
        // Who keeps both would keep two copies: the references are to one of them.
        Self { kept: self.kept.clone(), stock: None, ..*self }
    }
}

impl<P: Carried + ?Sized> fmt::Debug for Message<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("subject", &String::from_utf8_lossy(self.subject))
            .field("reply", &self.reply.map(String::from_utf8_lossy))
            .field("headers", &String::from_utf8_lossy(self.headers))
            .field("bytes", &self.size())
            .finish_non_exhaustive()
    }
}

/// A message that several queues hold together: one copy however many they are. Its bytes count
/// against the memory budget until the last holder lets go.
pub struct SharedMessage<P: Carried + ?Sized = [u8]> {
    pub(crate) label: Label,
    /// What most messages do not have.
    pub(crate) extras: Option<Box<Extras>>,
    /// Bytes that count against limits.
    pub(crate) size: usize,
    pub(crate) payload: P::Owned,
}

/// Reply and headers of a kept message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    pub(crate) reply: Option<Box<[u8]>>,
    pub(crate) headers: Box<[u8]>,
}

impl Extras {
    fn of<P: Carried + ?Sized>(message: &Message<'_, P>) -> Option<Box<Self>> {
        let Message { reply, headers, .. } = *message;
        let any = reply.is_some() || !headers.is_empty();
        any.then(|| Box::new(Self { reply: reply.map(Into::into), headers: headers.into() }))
    }

    fn bytes(&self) -> usize {
        self.reply.as_ref().map_or(0, |reply| reply.len()) + self.headers.len()
    }
}

impl SharedMessage {
    pub(crate) fn copy_of(message: &Message<'_>, budget: &Budget) -> Self {
        let (payload, elsewhere) = if message.payload.len() < SHARE_FROM_BYTES {
            (Bytes::copy_from_slice(message.payload), 0)
        } else {
            // Charged by the payload itself, which may outlive this.
            (budget.share(message.payload.to_vec()), message.payload.len())
        };
        let topic = message.topic.map_or_else(|| Topic::new(message.subject, budget), Arc::clone);
        Self::charging(topic, Extras::of(message), payload, elsewhere)
    }

    /// The content.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }
}

impl<P: Payload> SharedMessage<P> {
    /// The content.
    pub fn payload(&self) -> &P {
        &self.payload
    }
}

impl<P: Carried + ?Sized> SharedMessage<P> {
    /// What holding a message costs besides its bytes, if it has no extras.
    pub(crate) const OVERHEAD_BYTES: usize = size_of::<Self>();

    /// Charges all of it but what is charged `elsewhere`.
    #[inline]
    pub(crate) fn charging(
        topic: Arc<Topic>,
        extras: Option<Box<Extras>>,
        payload: P::Owned,
        elsewhere: usize,
    ) -> Self {
        let more = extras.as_ref().map_or(0, |extras| extras.bytes());
        let size = topic.subject().len() + more + payload.borrow().size();
        let held = Self::OVERHEAD_BYTES + extras.as_ref().map_or(0, |_| size_of::<Extras>());
        Self { label: Label::new(topic, size + held - elsewhere), extras, size, payload }
    }

    /// What it is about.
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.label.topic().subject()
    }

    /// The subject as text, for those who show it.
    pub fn subject_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.subject())
    }

    /// Where an answer is expected.
    pub fn reply(&self) -> Option<&[u8]> {
        self.extras.as_ref()?.reply.as_deref()
    }

    /// The header block as it stood on the wire, or empty.
    pub fn headers(&self) -> &[u8] {
        self.extras.as_ref().map_or(&[], |extras| &extras.headers)
    }

    /// Its attributes.
    pub fn tags(&self) -> Headers<'_> {
        Headers::of(self.headers())
    }

    /// Bytes that count against limits: subject, reply, headers and payload.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }
}

impl<P: Carried + ?Sized> fmt::Debug for SharedMessage<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMessage")
            .field("subject", &self.subject_text())
            .field("bytes", &self.size())
            .finish_non_exhaustive()
    }
}

/// Publishes a kept message again, without copying it: `kept` must outlive the routing.
impl<'a, P: Carried + ?Sized> From<&'a Arc<SharedMessage<P>>> for Message<'a, P> {
    fn from(kept: &'a Arc<SharedMessage<P>>) -> Self {
        Message {
            subject: kept.subject(),
            reply: kept.reply(),
            headers: kept.headers(),
            payload: kept.payload.borrow(),
            kept: Kept::Given(kept),
            row: 0,
            topic: Some(kept.label.topic()),
            stock: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_reply_and_headers_is_charged_where_there_are_some() {
        let budget = Budget::new(1 << 20);
        let charged = |message: &Message<'_>| {
            let before = budget.used();
            let _kept = SharedMessage::copy_of(message, &budget);
            budget.used() - before
        };
        let (plain, headers) = (Message::new(b"a", b"payload"), b"NATS/1.0\r\na: b\r\n\r\n");
        let more = charged(&plain.clone().with_headers(headers)) - charged(&plain);
        assert_eq!(more as usize, headers.len() + size_of::<Extras>());
        assert_eq!(budget.used(), 0);
    }
}
