//! What the crate promises, as its users see it.
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod broadcast;
mod drops;
mod giving_up;
mod keyed;
mod limits;
mod memory;
mod model;
mod overflow;
mod overwriting;
mod ring;
mod stress;
mod waiting;

use floodway_queue::{Limits, Receiver, Sender, mailbox};

/// A mailbox of so many messages.
fn limited<T>(messages: u32) -> (Sender<T>, Receiver<T>) {
    mailbox(Limits::messages(messages).unwrap())
}
