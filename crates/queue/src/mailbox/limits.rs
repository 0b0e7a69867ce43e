//! How much a mailbox holds at most, and what an item weighs.

use std::fmt;

/// How many messages, and how many bytes of them, a mailbox holds at most.
///
/// Neither takes memory beforehand: an empty mailbox costs the same whatever its limits are.
///
/// # Examples
///
/// ```
/// use floodway_queue::{LimitError, Limits};
/// let limits = Limits::messages(1_000_000)?.and_bytes(64 << 20)?;
/// assert_eq!(limits.max_bytes(), Some(64 << 20));
/// assert_eq!(Limits::messages(0), Err(LimitError::Zero));
/// # Ok::<(), LimitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    messages: u32,
    bytes: Option<u64>,
}

/// Why there are no such [`Limits`]. The caller's mistake; a retry does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitError {
    /// Nothing would ever fit, so every waiting sender would wait for ever.
    Zero,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mailbox with a limit of 0 could never take anything")
    }
}

impl std::error::Error for LimitError {}

impl Limits {
    /// At most this many messages, of any size.
    ///
    /// # Errors
    ///
    /// [`LimitError::Zero`]. Every other number is fine, be it 1 or no power of two.
    pub const fn messages(messages: u32) -> Result<Self, LimitError> {
        if messages == 0 { Err(LimitError::Zero) } else { Ok(Self { messages, bytes: None }) }
    }

    /// And at most this many bytes, as told by the mailbox's [`Weigh`]. A mailbox of
    /// [`Unweighed`] items has no use for it.
    ///
    /// # Errors
    ///
    /// [`LimitError::Zero`].
    pub const fn and_bytes(self, bytes: u64) -> Result<Self, LimitError> {
        if bytes == 0 { Err(LimitError::Zero) } else { Ok(Self { bytes: Some(bytes), ..self }) }
    }

    /// The limit in messages.
    pub const fn max_messages(&self) -> u32 {
        self.messages
    }

    /// The limit in bytes, if there is one.
    pub const fn max_bytes(&self) -> Option<u64> {
        self.bytes
    }
}

/// Tells what an item weighs, for a mailbox that is limited by bytes.
///
/// An item is weighed once when it is sent and once when it is taken, and must weigh the same both
/// times; otherwise the count of bytes is off by the difference from then on.
///
/// # Examples
///
/// ```
/// use floodway_queue::{Limits, SendError, Weigh, mailbox_by};
/// struct Length;
/// impl Weigh<String> for Length {
///     fn bytes(item: &String) -> u64 {
///         item.len() as u64
///     }
/// }
/// let (sender, mut receiver) = mailbox_by::<String, Length>(Limits::messages(9)?.and_bytes(8)?);
/// sender.try_send("five5".into())?;
/// assert_eq!(sender.try_send("four".into()), Err(SendError::Full("four".into())));
/// assert_eq!(receiver.try_recv()?, "five5");
/// sender.try_send("four".into())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Weigh<T> {
    /// False if items are not to be weighed at all, which then costs nothing.
    const WEIGHS: bool = true;

    /// The bytes that count for this item.
    fn bytes(item: &T) -> u64;
}

/// Items are counted, not weighed.
#[derive(Debug, Clone, Copy)]
pub enum Unweighed {}

impl<T> Weigh<T> for Unweighed {
    const WEIGHS: bool = false;

    fn bytes(_item: &T) -> u64 {
        0
    }
}
