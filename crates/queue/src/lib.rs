//! Elastic queues for floodway: what stands between a fast sender and a slow reader.
//!
//! | type | holds | for |
//! | --- | --- | --- |
//! | [`ByteQueue`] | encoded bytes, in order | the outgoing stream of one connection |
//! | [`BlockPool`] | spare blocks | so that busy byte queues share a few warm blocks |
//! | [`Monitor`] | any state | waiting for a change of it, from threads and from tasks |
//! | [`Waiters`] | who waits | the wake-ups of a queue of your own |
//!
//! All of them cost next to nothing while idle, grow on demand and give memory back after a
//! burst. None of them decides what happens when a consumer is slow: that is the bus's business.
#![deny(unsafe_code)]

mod allocator;
mod block_pool;
mod byte_queue;
mod monitor;
mod sync;
pub mod waiters;

pub use allocator::give_memory_back;
pub use block_pool::{BLOCK_BYTES, BlockPool};
pub use byte_queue::ByteQueue;
pub use monitor::{Monitor, WaitError};
pub use waiters::{Wait, Waiters, block_until};
