//! The overwriting ring: a writer that never waits, a reader that is told exactly what it missed.
//!
//! A ring of a fixed capacity. When it is full, a push takes the place of the oldest item and hands
//! that back. The reader gets the rest in order; every entry says how many were overwritten right
//! before it, and which. One too many loses one. Made for telemetry, prices, the last second of
//! anything: where the newest matters and nobody may stand in the way of whoever writes.
//!
//! # How it works
//!
//! The item of position `p` is in slot `p % (capacity + 1)`. Writers publish by a plain store of
//! `tail`, the number of items ever pushed. `head` is the oldest position nobody has taken; moving
//! it is what makes an item one's own, for the reader that takes it as for the writer that
//! overwrites it. The reader moves it by a fetch-and-add, which cannot fail: however fast the
//! writer laps it, what it gets is the oldest item there is at that moment. The writer moves it by
//! one compare-exchange, after it has published, and only if there is one item too many; if the
//! exchange fails, the reader has just taken that item, which is as good.
//!
//! That leaves the moment in which the reader has taken an item but not yet moved it out. A writer
//! that comes round to its slot just then does not wait: it leaves the memory to the reader, gives
//! the slot a spare, and says so in a word the reader looks at. One spare is enough, as the reader
//! is at one item at a time.
//!
//! A push into a ring with room has no locked instruction and a read has one, as has a push into a
//! full ring. Writers look for a sleeping reader without a fence: the reader pays for both when it
//! goes to sleep (`barrier.rs`).
//!
//! # Orderings
//!
//! An item is visible to the reader because it saw either `tail` (Release, Acquire) or a `head`
//! moved by a writer that had published the item before (Release, AcqRel). Its memory is
//! written again after the writer saw `released` beyond it (Release, Acquire), or has taken the
//! item itself. Invariants and proofs are in `shared.rs`; models in `tests/loom/overwriting.rs`.
//!
//! # Many writers
//!
//! [`shared_ring`] has writers that take turns, by a flag beside `tail`: one locked instruction
//! more. A claim of places instead would let a writer that lost its CPU hide all that others have
//! finished after it, or hand out numbers that nothing is ever written for. The price: while the
//! thread whose turn it is has lost its CPU, other writers wait for it. None waits for the reader.

mod error;
mod reader;
mod shared;
mod writer;

pub use crate::capacity::{CapacityError, MAX_CAPACITY};
pub use error::{Closed, ReadError};
pub use reader::{Entry, Reader};
pub use writer::{SharedWriter, Writer};

use crate::barrier::Arc;
use shared::Shared;

/// A ring of `capacity` items with one writer and one reader. Any capacity from 1 to
/// [`MAX_CAPACITY`] will do; the memory for it, and for two items more, is allocated here.
///
/// # Errors
///
/// [`CapacityError`]: the capacity is 0, or there is no memory for it.
///
/// # Examples
///
/// ```
/// use floodway_queue::overwriting;
/// let (mut writer, mut reader) = overwriting::ring(1_000)?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || (0..100_000).try_for_each(|n| writer.push(n).map(drop)));
///     let (mut read, mut lost) = (0, 0);
///     while let Ok(entry) = reader.read_blocking(None) {
///         assert_eq!(entry.item, entry.sequence);
///         read += 1;
///         lost += entry.lost;
///     }
///     assert_eq!(read + lost, 100_000);
/// });
/// assert_eq!(overwriting::ring::<u8>(0).unwrap_err(), overwriting::CapacityError::Zero);
/// # Ok::<(), overwriting::CapacityError>(())
/// ```
pub fn ring<T>(capacity: usize) -> Result<(Writer<T>, Reader<T>), CapacityError> {
    let shared = Arc::new(Shared::new(capacity)?);
    Ok((Writer::new(shared.clone()), Reader::new(shared)))
}

/// The same with any number of writers: clones of the one that is returned.
///
/// # Errors
///
/// As [`ring`].
///
/// # Examples
///
/// ```
/// use floodway_queue::overwriting;
/// let (writer, mut reader) = overwriting::shared_ring(8)?;
/// let other = writer.clone();
/// writer.push('a')?;
/// other.push('b')?;
/// assert_eq!(reader.try_read()?.item, 'a');
/// assert_eq!(reader.try_read()?.item, 'b');
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shared_ring<T>(capacity: usize) -> Result<(SharedWriter<T>, Reader<T>), CapacityError> {
    let shared = Arc::new(Shared::new(capacity)?);
    Ok((SharedWriter::new(shared.clone()), Reader::new(shared)))
}

/// What the types forbid. Each has a twin that compiles, so that it fails for the reason given.
///
/// checklist: A15
///
/// There is one reader:
///
/// ```
/// # use floodway_queue::overwriting::shared_ring;
/// let (writer, _reader) = shared_ring::<u8>(1)?;
/// let second = writer.clone();
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// ```compile_fail,E0599
/// # use floodway_queue::overwriting::shared_ring;
/// let (_writer, reader) = shared_ring::<u8>(1)?;
/// let second = reader.clone();
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// It reads for one thread at a time:
///
/// ```
/// # use floodway_queue::overwriting::ring;
/// let (_writer, mut reader) = ring::<u8>(1)?;
/// std::thread::scope(|s| { s.spawn(|| reader.try_read().is_ok()); });
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::overwriting::ring;
/// let (_writer, mut reader) = ring::<u8>(1)?;
/// std::thread::scope(|s| {
///     s.spawn(|| reader.try_read().is_ok());
///     s.spawn(|| reader.try_read().is_ok());
/// });
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// The writer that takes no lock is alone:
///
/// ```compile_fail,E0599
/// # use floodway_queue::overwriting::ring;
/// let (writer, _reader) = ring::<u8>(1)?;
/// let second = writer.clone();
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// ```compile_fail,E0499
/// # use floodway_queue::overwriting::ring;
/// let (mut writer, _reader) = ring::<u8>(1)?;
/// std::thread::scope(|s| {
///     s.spawn(|| writer.push(1).is_ok());
///     s.spawn(|| writer.push(2).is_ok());
/// });
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// What must not change threads is not sent to another:
///
/// ```
/// # use floodway_queue::overwriting::ring;
/// let (mut writer, _reader) = ring(1)?;
/// std::thread::spawn(move || writer.push(std::sync::Arc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
///
/// ```compile_fail,E0277
/// # use floodway_queue::overwriting::ring;
/// let (mut writer, _reader) = ring(1)?;
/// std::thread::spawn(move || writer.push(std::rc::Rc::new(1)).is_ok());
/// # Ok::<(), floodway_queue::overwriting::CapacityError>(())
/// ```
#[cfg(doctest)]
pub struct Forbidden;

#[cfg(all(test, not(floodway_loom)))]
mod tests;
