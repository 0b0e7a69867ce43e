//! The keyed queue: one place per key, for the latest value or a fold of all.
//!
//! A key that is put while it is queued keeps its place in line; its value takes the place of the
//! old one, or is folded into it. So a receiver that falls behind gets fewer, newer values instead
//! of more: prices, positions, states, counters. Memory is in proportion to the keys that are
//! queued, whatever is put, and there are at most as many as the queue was made for.
//!
//! # How it works
//!
//! Rows of key and value stand in a deque in the order in which their keys came; a hash table holds
//! for each key the number of its row. Rows are only ever taken from the front, so a row number
//! minus the number of the first is an index, and nothing moves. Both are behind a mutex that is
//! held for one look-up; old values are handed back, and so dropped outside of it.
//!
//! Where more than the newest value per key is wanted (limits in bytes, a time to live, something
//! else than a refusal at too many keys), [`overflow::Conflate`](crate::overflow::Conflate) is the
//! same as a policy.

mod error;
mod receiver;
mod sender;
mod slots;

use std::hash::Hash;
use std::sync::Arc;

use crate::mailbox::LimitError;
use crate::meeting::Meeting;
pub use error::{PutError, RecvError};
pub use receiver::Receiver;
pub use sender::{Put, Sender};
use slots::Slots;
pub use slots::{Account, Entry};

/// A queue of at most `max_keys` different keys. Takes memory for those that are queued.
///
/// # Errors
///
/// [`LimitError::Zero`]: it would never take anything.
///
/// # Examples
///
/// ```
/// use floodway_queue::keyed::{self, Put};
/// let (sender, mut receiver) = keyed::queue(100)?;
/// assert_eq!(sender.put("EUR", 107)?, Put::Inserted);
/// assert_eq!(sender.put("CHF", 93)?, Put::Inserted);
/// assert_eq!(sender.put("EUR", 108)?, Put::Replaced(107));
/// let entry = receiver.try_recv()?;
/// assert_eq!((entry.key, entry.value, entry.replaced), ("EUR", 108, 1));
/// assert_eq!(receiver.try_recv()?.key, "CHF");
/// assert!(keyed::queue::<u8, u8>(0).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::type_complexity, reason = "two halves or an error; a name would hide that")]
pub fn queue<K: Hash + Eq, V>(max_keys: u32) -> Result<(Sender<K, V>, Receiver<K, V>), LimitError> {
    if max_keys == 0 {
        return Err(LimitError::Zero);
    }
    let meeting = Arc::new(Meeting::new(Slots::new(max_keys)));
    Ok((Sender::new(meeting.clone()), Receiver::new(meeting)))
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// There is one receiver:
///
/// ```
/// let (sender, _receiver) = floodway_queue::keyed::queue::<u8, u8>(1)?;
/// let second = sender.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0599
/// let (_sender, receiver) = floodway_queue::keyed::queue::<u8, u8>(1)?;
/// let second = receiver.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// What must not change threads is not sent to another:
///
/// ```
/// let (sender, _receiver) = floodway_queue::keyed::queue(1)?;
/// std::thread::spawn(move || sender.put(1, std::sync::Arc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0277
/// let (sender, _receiver) = floodway_queue::keyed::queue(1)?;
/// std::thread::spawn(move || sender.put(1, std::rc::Rc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;
