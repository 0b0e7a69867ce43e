//! The ring: one producer, one consumer, a fixed capacity, nothing lost; the least there is.
//!
//! Items go from the thread, or task, of the one producer to that of the one consumer, in order,
//! through memory that is allocated once. When it is full the producer waits, or is told so. No
//! operation on the way has a locked instruction, and there is no limit on its capacity but that
//! it is 1 at least. Where there may be several producers, or memory is wanted only on demand,
//! there is the [mailbox](crate::mailbox()).
//!
//! # How it works
//!
//! The item of position `p` is in slot `p % slots`; slots are as many as the capacity, rounded up
//! to a power of two. The producer publishes by a plain store of
//! `tail`, the number of items ever pushed; the consumer gives room back by a plain store of
//! `head`, the number of items ever taken. Each side knows its own number by heart, and remembers
//! what it last saw of the other's: the producer looks at `head` when the room it knows of is used
//! up, the consumer at `tail` when the items it knows of are. So the cache lines of the two numbers
//! change sides once per round of the ring, or once per backlog, and not once per item. A batch is
//! published, or given back, by one store.
//!
//! # Waiting
//!
//! A side that goes to sleep sets a flag in a word that is hardly ever written, so both sides have
//! it in their caches. The other looks at it after each of its steps, without a fence: the one that
//! goes to sleep pays for both (`barrier.rs`). Where the system has no such thing, a flag in that
//! word says that each step needs a fence. The same word says that a side is gone; a producer that
//! learns so right after a push takes its item back.
//!
//! # Orderings
//!
//! An item is visible to the consumer because it saw `tail` (Release, Acquire). Its slot is written
//! again after the producer saw `head` beyond it (Release, Acquire). Invariants and proofs are in
//! `shared.rs`, `back.rs` and `front.rs`; models in `tests/loom/ring.rs`.

mod back;
mod consumer;
mod error;
mod front;
mod producer;
mod shared;

pub use crate::capacity::{CapacityError, MAX_CAPACITY};
pub use consumer::Consumer;
pub use error::{PopError, PushError};
pub use producer::Producer;

use crate::barrier::Arc;
use back::Back;
use front::Front;
use shared::Shared;

/// A ring of `capacity` items with its two ends. Any capacity from 1 to [`MAX_CAPACITY`] will do;
/// the memory for it, rounded up to a power of two, is allocated here.
///
/// # Errors
///
/// [`CapacityError`]: the capacity is 0, or there is no memory for it.
///
/// # Examples
///
/// ```
/// use floodway_queue::ring;
/// let (mut producer, mut consumer) = ring::ring(64)?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || (0..1_000).try_for_each(|n| producer.push_blocking(n, None)));
///     let mut sum = 0;
///     while let Ok(n) = consumer.pop_blocking(None) {
///         sum += n;
///     }
///     assert_eq!(sum, 499_500);
/// });
/// assert_eq!(ring::ring::<u8>(0).unwrap_err(), ring::CapacityError::Zero);
/// # Ok::<(), ring::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    let shared = Arc::new(Shared::new(capacity)?);
    // The only place where ends are made: one of each.
    Ok((Producer::new(Back::new(shared.clone())), Consumer::new(Front::new(shared))))
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// There is one producer, and one consumer:
///
/// ```
/// # use floodway_queue::ring::ring;
/// let ends = ring::<u8>(1)?;
/// let (producer, consumer) = ends;
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// ```compile_fail,E0599
/// # use floodway_queue::ring::ring;
/// let (producer, _consumer) = ring::<u8>(1)?;
/// let second = producer.clone();
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// ```compile_fail,E0599
/// # use floodway_queue::ring::ring;
/// let (_producer, consumer) = ring::<u8>(1)?;
/// let second = consumer.clone();
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// Each works for one thread at a time:
///
/// ```
/// # use floodway_queue::ring::ring;
/// let (mut producer, mut consumer) = ring(1)?;
/// std::thread::scope(|s| {
///     s.spawn(|| producer.try_push(1).is_ok());
///     s.spawn(|| consumer.try_pop().is_ok());
/// });
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::ring::ring;
/// let (mut producer, _consumer) = ring(1)?;
/// std::thread::scope(|s| {
///     s.spawn(|| producer.try_push(1).is_ok());
///     s.spawn(|| producer.try_push(2).is_ok());
/// });
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::ring::ring;
/// let (_producer, mut consumer) = ring::<u8>(1)?;
/// std::thread::scope(|s| {
///     s.spawn(|| consumer.try_pop().is_ok());
///     s.spawn(|| consumer.try_pop().is_ok());
/// });
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// What must not change threads is not sent to another:
///
/// ```
/// # use floodway_queue::ring::ring;
/// let (mut producer, _consumer) = ring(1)?;
/// std::thread::spawn(move || producer.try_push(std::sync::Arc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use floodway_queue::ring::ring;
/// let (mut producer, _consumer) = ring(1)?;
/// std::thread::spawn(move || producer.try_push(std::rc::Rc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::ring::CapacityError>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;

#[cfg(all(test, not(floodway_loom)))]
mod tests;
