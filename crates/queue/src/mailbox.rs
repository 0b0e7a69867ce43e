//! The elastic mailbox: many senders, one receiver, memory in proportion to what is queued.
//!
//! A mailbox starts as 128 bytes whatever its limits are, grows by segments of slots up to its
//! limits in messages and bytes, recycles one segment and frees the rest as the receiver gets on,
//! and after a burst gives back all of it. The receiver takes the whole backlog at once, and is
//! woken once per batch. What happens when a limit is reached is the caller's business: a mailbox
//! refuses, and hands the item back.
//!
//! # How it works
//!
//! One word holds the count of all items ever sent, and four flags. A sender sets the `LOCKED` flag
//! with one compare-exchange, writes its item behind the others, and unlocks by a plain store of
//! the new count. The receiver reads the count and then owns every item below it: it takes them
//! without a locked instruction, and tells how far it has come by a plain store into a line of its
//! own, which senders read only when the last look suggests that they are near a limit.
//!
//! The other flags ride along. A receiver that finds nothing sets `RX_WAITS` under the lock; the
//! next sender sees it in the word it exchanges anyway, clears it with its unlock, and wakes the
//! receiver: no second locked instruction, no fence, one wake-up per wait. `TX_WAITS` does the same
//! for senders that wait for room.
//!
//! # Why so
//!
//! Of the designs measured in one run (ns a message of 8 bytes; on one thread, from one thread,
//! from four): this 11, 18, 22; claiming a slot by fetch-and-add, with a stamp in each, 12, 23, 54;
//! swapping vectors under a mutex 54, 97, 50. A claim also makes the receiver wait for whoever has
//! claimed and not yet written, however many finished items are behind it; here what has been sent
//! can be received, whatever other senders are doing.
//!
//! A variant for one sender would need a locked instruction all the same, to see `RX_WAITS` beside
//! its own store: measured 14 on one thread and 12 from thread to thread, not worth a second type.
//!
//! The price: a sender that loses its CPU while it holds the lock, some 5 ns per item, makes other
//! senders yield theirs until it runs again.
//!
//! # How it is proved
//!
//! Unsafe code is in `shared`, `locked`, `reader`, `segment`, `owner` and `bytes`, each with its
//! invariants at the top. `prove.sh`, beside this crate's manifest, runs loom, miri,
//! ThreadSanitizer and valgrind, each if it is there. The loom models alone:
//! `RUSTFLAGS="--cfg floodway_loom" cargo test --release -p floodway-queue --test loom`.

mod bytes;
mod error;
mod limits;
mod locked;
mod owner;
mod permit;
mod reader;
mod receiver;
mod segment;
mod sender;
mod shared;

pub use error::{RecvError, SendError};
pub use limits::{LimitError, Limits, Unweighed, Weigh};
pub use permit::Permit;
pub use receiver::Receiver;
pub use sender::Sender;

use owner::Owner;
use shared::Shared;

/// A mailbox of counted items. See [`Sender`] and [`Receiver`].
///
/// # Examples
///
/// ```
/// use floodway_queue::{Limits, RecvError, mailbox};
/// let (sender, mut receiver) = mailbox(Limits::messages(1_000_000)?);
/// std::thread::scope(|scope| {
///     scope.spawn(move || (0..3).try_for_each(|n| sender.try_send(n)));
///     let mut sum = 0;
///     while receiver.wait(None) != Err(RecvError::Closed) {
///         receiver.drain(usize::MAX, |n| sum += n);
///     }
///     assert_eq!(sum, 3);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mailbox<T>(limits: Limits) -> (Sender<T>, Receiver<T>) {
    mailbox_by(limits)
}

/// A mailbox whose items are weighed by `W`; see [`Weigh`] for an example.
pub fn mailbox_by<T, W: Weigh<T>>(limits: Limits) -> (Sender<T, W>, Receiver<T, W>) {
    let (sender, receiver) = Owner::pair(Shared::new(limits, W::WEIGHS));
    (Sender::new(sender), Receiver::new(receiver))
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// There is one receiver:
///
/// ```
/// # use floodway_queue::{Limits, mailbox};
/// let (sender, _receiver) = mailbox::<u8>(Limits::messages(1)?);
/// let second = sender.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0599
/// # use floodway_queue::{Limits, mailbox};
/// let (_sender, receiver) = mailbox::<u8>(Limits::messages(1)?);
/// let second = receiver.clone();
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// It is used by one thread at a time:
///
/// ```
/// # use floodway_queue::{Limits, mailbox};
/// let (_sender, mut receiver) = mailbox::<u8>(Limits::messages(1)?);
/// std::thread::scope(|s| { s.spawn(|| receiver.try_recv().is_err()); });
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::{Limits, mailbox};
/// let (_sender, mut receiver) = mailbox::<u8>(Limits::messages(1)?);
/// std::thread::scope(|s| {
///     s.spawn(|| receiver.try_recv().is_err());
///     s.spawn(|| receiver.try_recv().is_err());
/// });
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// What must not change threads is not sent to another:
///
/// ```
/// # use floodway_queue::{Limits, mailbox};
/// let (sender, _receiver) = mailbox(Limits::messages(1)?);
/// std::thread::spawn(move || sender.try_send(std::sync::Arc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use floodway_queue::{Limits, mailbox};
/// let (sender, _receiver) = mailbox(Limits::messages(1)?);
/// std::thread::spawn(move || sender.try_send(std::rc::Rc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::LimitError>(())
/// ```
///
/// A permit is used once:
///
/// ```compile_fail,E0382
/// # use floodway_queue::{Limits, mailbox};
/// let (sender, _receiver) = mailbox(Limits::messages(1)?);
/// let permit = sender.try_reserve(0)?;
/// permit.send(1)?;
/// permit.send(2)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;

#[cfg(test)]
#[cfg(not(floodway_loom))]
mod tests;
