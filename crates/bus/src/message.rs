//! Messages: borrowed while they are routed, owned once somebody keeps one.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::{Budget, Charge};

/// From this size on a payload is shared by the queues that hold it; below, copying it is cheaper
/// than counting references to it.
pub const SHARE_FROM_BYTES: usize = 8 * 1024;

/// A message on its way through the bus. It borrows from what the sender holds, such as the read
/// buffer of a socket, so that routing copies nothing.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// What it is about.
    pub subject: &'a [u8],
    /// Where an answer is expected.
    pub reply: Option<&'a [u8]>,
    /// The header block as it stands on the wire, or empty.
    pub headers: &'a [u8],
    /// The content.
    pub payload: &'a [u8],
    /// The owned form, made when the first queue wants to keep it.
    kept: OnceCell<Arc<SharedMessage>>,
    /// The number of its row of one subject in its batch; 0 if it is of none.
    pub(crate) row: u32,
}

impl<'a> Message<'a> {
    /// A message without reply and headers.
    pub fn new(subject: &'a [u8], payload: &'a [u8]) -> Self {
        Self { subject, reply: None, headers: &[], payload, kept: OnceCell::new(), row: 0 }
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

    /// In the row of one subject that has this number in its batch.
    pub(crate) fn in_row(self, row: u32) -> Self {
        Self { row, ..self }
    }

    /// Whether it belongs to the row that begins with `first`, if those between do.
    #[inline]
    pub(crate) fn continues(&self, first: &Message<'_>) -> bool {
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
            + self.payload.len()
    }

    /// The owned form, one for all who keep it.
    pub fn keep(&self, budget: &Budget) -> &Arc<SharedMessage> {
        self.kept.get_or_init(|| Arc::new(SharedMessage::copy_of(self, budget)))
    }

    /// The payload as memory that queues may share, if it was made so.
    #[inline]
    pub fn shared_payload(&self) -> Option<&Bytes> {
        let kept = self.kept.get()?;
        (kept.payload.len() >= SHARE_FROM_BYTES).then_some(&kept.payload)
    }
}

/// A message that several queues hold together: one copy however many they are. Its bytes count
/// against the memory budget until the last holder lets go.
#[derive(Debug)]
pub struct SharedMessage {
    subject: Box<[u8]>,
    reply: Option<Box<[u8]>>,
    headers: Box<[u8]>,
    payload: Bytes,
    _charge: Charge,
}

impl SharedMessage {
    /// What holding a message costs besides its bytes.
    pub(crate) const OVERHEAD_BYTES: usize = size_of::<Self>();

    fn copy_of(message: &Message<'_>, budget: &Budget) -> Self {
        let copied = message.size() + Self::OVERHEAD_BYTES;
        let (payload, charged) = if message.payload.len() < SHARE_FROM_BYTES {
            (Bytes::copy_from_slice(message.payload), copied)
        } else {
            // Charged by the payload itself, which may outlive this.
            (budget.share(message.payload.to_vec()), copied - message.payload.len())
        };
        Self {
            subject: message.subject.into(),
            reply: message.reply.map(Into::into),
            headers: message.headers.into(),
            payload,
            _charge: budget.charge(charged),
        }
    }

    /// What it is about.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Where an answer is expected.
    pub fn reply(&self) -> Option<&[u8]> {
        self.reply.as_deref()
    }

    /// The header block as it stood on the wire, or empty.
    pub fn headers(&self) -> &[u8] {
        &self.headers
    }

    /// The content.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Bytes that count against limits: subject, reply, headers and payload.
    pub fn size(&self) -> usize {
        Message::new(&self.subject, &self.payload)
            .with_reply(self.reply())
            .with_headers(&self.headers)
            .size()
    }
}

/// Publishes a kept message again, without copying it: `kept` must outlive the routing.
impl<'a> From<&'a Arc<SharedMessage>> for Message<'a> {
    fn from(kept: &'a Arc<SharedMessage>) -> Self {
        let message = Message::new(&kept.subject, &kept.payload)
            .with_reply(kept.reply())
            .with_headers(&kept.headers);
        Message { kept: OnceCell::from(kept.clone()), ..message }
    }
}
