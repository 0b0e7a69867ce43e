//! How a protocol writes messages into an outbox.

use floodway::{EndReason, Message};
use floodway_queue::{BlockPool, ByteQueue};

use crate::sid::Sid;

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

    /// Tells the client that one subscription ended, and why; empty if the client cannot be told.
    fn ended(&self, subject: &[u8], sid: &Sid, reason: &EndReason) -> Vec<u8>;
}
