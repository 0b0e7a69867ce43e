//! The broadcast ring: every consumer sees every entry, in order, by reference.
//!
//! A ring of entries that are written once and read in place by any number of consumers, each at
//! its own pace, in batches. Nothing is lost: a producer that is a whole ring ahead of the slowest
//! consumer waits, or is told so. Consumers join and leave while it runs; one that panics leaves.
//! A consumer may come after others: it gets an entry when they have released it.
//!
//! # How it works
//!
//! Producers take turns by one compare-exchange on a word that holds the count of entries and
//! three flags; they write behind the count and unlock by storing the new one. Consumers read the
//! count once per batch, read the entries without any synchronisation, and release them by storing
//! their position into a line of their own. Producers learn of that through `freed`, the lowest
//! position as of the last look, so they look at the consumers once per round of the ring, not
//! once per entry.
//!
//! An entry is dropped when the slowest consumer has released it, by that consumer; if another
//! thread is dropping entries at that moment, by that thread. So a slot keeps nothing alive. What
//! is published while there is no consumer is dropped when its slot is needed, or one joins and
//! goes on.
//!
//! A lock, and no claim of places: a producer that lost its CPU between claim and write would stop
//! every consumer, whatever others have finished behind it; that is what makes rings of claims
//! collapse when there are more threads than CPUs. The price: other producers wait for one that
//! lost its CPU in its turn of some 10 ns.
//!
//! # Waiting
//!
//! By a [`WaitStrategy`], which every one of them ends asleep. A consumer that goes to sleep sets a
//! flag in the word that producers exchange anyway. Producers that wait for room, and consumers
//! that wait for consumers, set a flag that is looked at once per released batch, behind a fence.
//!
//! # Orderings
//!
//! Entries are visible to whoever saw the count (Release, Acquire), or the position of a consumer
//! it comes after (Release, Acquire). A slot is written again after its producer saw `freed`
//! (Release, Acquire), which was stored after all positions were seen above it (Release, Acquire).
//! Invariants and proofs are in `shared.rs`; models in `tests/loom/broadcast.rs`.

mod consumer;
mod cursor;
mod error;
mod patience;
mod producer;
mod shared;
mod turn;

pub use crate::capacity::{CapacityError, MAX_CAPACITY};
pub use crate::overwriting::ReadError;
pub use consumer::{Batch, Consumer, Iter};
pub use error::{ForeignConsumer, PublishError};
pub use patience::WaitStrategy;
pub use producer::{Producer, Ring};

use crate::barrier::Arc;
use shared::Shared;

/// A ring of `capacity` entries, with a producer (to be cloned) and nobody to read as yet. Any
/// capacity from 1 to [`MAX_CAPACITY`] will do; its memory is allocated here.
///
/// # Errors
///
/// [`CapacityError`]: the capacity is 0, or there is no memory for it.
///
/// # Examples
///
/// ```
/// use floodway_queue::broadcast::{self, WaitStrategy};
/// let (producer, ring) = broadcast::ring(64, WaitStrategy::Yield)?;
/// let mut journal = ring.join();
/// let mut worker = ring.join_after(&[&journal])?; // sees what the journal has
/// std::thread::scope(|scope| {
///     scope.spawn(move || (0..1_000).try_for_each(|n| producer.publish_blocking(n, None)));
///     scope.spawn(move || while journal.read_blocking(16, None).is_ok() {});
///     let mut sum = 0;
///     while let Ok(batch) = worker.read_blocking(16, None) {
///         sum += batch.iter().sum::<u64>();
///     }
///     assert_eq!(sum, 499_500);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ring<T>(
    capacity: usize,
    strategy: WaitStrategy,
) -> Result<(Producer<T>, Ring<T>), CapacityError> {
    let shared = Arc::new(Shared::new(capacity, strategy)?);
    Ok((Producer::new(shared.clone()), Ring::new(shared)))
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// A consumer's place in the ring is its own:
///
/// ```compile_fail,E0599
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (_producer, ring) = ring::<u8>(1, WaitStrategy::Park)?;
/// let second = ring.join().clone();
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
///
/// Entries are not kept beyond their batch:
///
/// ```
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (producer, ring) = ring(1, WaitStrategy::Park)?;
/// let mut consumer = ring.join();
/// producer.try_publish(String::new()).unwrap();
/// let batch = consumer.try_read(1).unwrap();
/// let entry = batch.iter().next();
/// assert!(entry.is_some());
/// drop(batch);
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
///
/// ```compile_fail,E0505
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (producer, ring) = ring(1, WaitStrategy::Park)?;
/// let mut consumer = ring.join();
/// producer.try_publish(String::new()).unwrap();
/// let batch = consumer.try_read(1).unwrap();
/// let entry = batch.iter().next();
/// drop(batch);
/// assert!(entry.is_some());
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
///
/// One has one batch at a time:
///
/// ```compile_fail,E0499
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (_producer, ring) = ring::<u8>(1, WaitStrategy::Park)?;
/// let mut consumer = ring.join();
/// let first = consumer.try_read(1);
/// let second = consumer.try_read(1);
/// drop(first);
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
///
/// Entries are read by several threads at once, so they must allow that:
///
/// ```
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (producer, ring) = ring(1, WaitStrategy::Park)?;
/// std::thread::spawn(move || producer.try_publish(std::sync::Mutex::new(1)).is_ok());
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use floodway_queue::broadcast::{ring, WaitStrategy};
/// let (producer, ring) = ring(1, WaitStrategy::Park)?;
/// std::thread::spawn(move || producer.try_publish(std::cell::Cell::new(1)).is_ok());
/// # Ok::<(), floodway_queue::broadcast::CapacityError>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;

#[cfg(all(test, not(floodway_loom)))]
mod tests;
