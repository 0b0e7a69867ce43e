//! How a protocol writes messages into an outbox.

use floodway::{EndReason, Message, Missed};
use floodway_queue::{BlockPool, ByteQueue};

use crate::sid::Sid;

/// What a client has to know about a message.
#[derive(Debug, Clone, Copy)]
pub struct Notes<'a> {
    /// What the subscription missed right before it.
    pub missed: Option<&'a Missed>,
    /// How many earlier messages of its key it replaced.
    pub replaced: u32,
}

/// A protocol's way to write what a subscription receives.
///
/// All messages of a run have one subject and go to one subscription, so what depends on these
/// alone is written once, by [`Framing::head`], and handed to the other two.
pub trait Framing {
    /// Writes the part that is the same for the whole run to the (empty) `head`.
    fn head(&self, subject: &[u8], sid: &Sid, head: &mut Vec<u8>);

    /// Appends one message; exactly the bytes the client will read for it.
    fn frame(
        &self,
        head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    );

    /// How many bytes [`Framing::frame`] will append.
    fn frame_len(&self, head: &[u8], message: &Message<'_>) -> usize;

    /// Whether the client understands what [`Framing::annotate`] and the notices tell it.
    fn tells(&self) -> bool;

    /// Writes the headers of a message together with `notes` on it to the (empty) `annotated`;
    /// false if these headers cannot be added to.
    fn annotate(&self, headers: &[u8], notes: &Notes<'_>, annotated: &mut Vec<u8>) -> bool;

    /// Tells the client of messages that one subscription missed; empty if it cannot be told.
    fn missed(&self, subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8>;

    /// Tells the client that one subscription ended, and why; empty if the client cannot be told.
    fn ended(&self, subject: &[u8], sid: &Sid, reason: &EndReason) -> Vec<u8>;
}
