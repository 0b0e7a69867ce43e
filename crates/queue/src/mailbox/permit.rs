//! A place in a mailbox that is yet to be filled.

use std::fmt;

use super::error::SendError;
use super::limits::{Unweighed, Weigh};
use super::sender::Sender;

/// A reserved place: [`Permit::send`] will not find the mailbox full.
///
/// Dropping it gives the place to the next sender that waits for one.
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'a, T, W: Weigh<T> = Unweighed> {
    sender: &'a Sender<T, W>,
    bytes: u64,
}

impl<'a, T, W: Weigh<T>> Permit<'a, T, W> {
    pub(super) fn new(sender: &'a Sender<T, W>, bytes: u64) -> Self {
        Self { sender, bytes }
    }

    /// Sends the item, behind all that was sent before this call.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], and [`SendError::TooLarge`] if the item weighs more than was
    /// reserved; with the item. The place is given back.
    pub fn send(self, item: T) -> Result<(), SendError<T>> {
        let (sender, bytes) = (self.sender, self.bytes);
        // Weighing may panic, and must leave the place to `drop` then: so it comes first.
        let weight = if W::WEIGHS { W::bytes(&item) } else { 0 };
        std::mem::forget(self);
        sender.shared.append_reserved(item, weight, bytes)
    }
}

impl<T, W: Weigh<T>> Drop for Permit<'_, T, W> {
    fn drop(&mut self) {
        self.sender.shared.unreserve(self.bytes);
    }
}

impl<T, W: Weigh<T>> fmt::Debug for Permit<'_, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
