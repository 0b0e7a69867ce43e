//! Elastic queues for floodway: what stands between a fast sender and a slow reader.
//!
//! # Which one
//!
//! | you have | and when the reader is slow | take |
//! | --- | --- | --- |
//! | many senders, one receiver | senders wait, or are refused | [`mailbox()`] |
//! | one thread or task, and one other | the same, within a fixed capacity | [`ring`] |
//! | something to tell to many | the sender waits for the slowest, or is refused | [`broadcast`] |
//! | a writer that must never wait | the oldest are overwritten, and counted | [`overwriting`] |
//! | a stream that may have gaps | what a policy says, and the reader is told | [`overflow`] |
//! | values of which the latest counts | one place per key | [`keyed`] |
//!
//! And what these are made of, for a queue of your own:
//!
//! | type | is |
//! | --- | --- |
//! | [`mod@line`] | the store of items that may still be dropped, replaced or skipped |
//! | [`Brief`] | any state behind a lock of some nanoseconds |
//! | [`Monitor`] | the same, to be waited for |
//! | [`Waiters`] | who waits: threads, and tasks of any executor |
//! | [`ByteQueue`], [`BlockPool`] | encoded bytes in blocks: the outgoing stream of a connection |
//!
//! # Figures
//!
//! Nanoseconds a message, medians of five in one run of `cargo run --release -p floodway-bench --
//! queues --runs 5 --payloads u64,18` on two virtual CPUs, for a `u64` and for `Bytes`. All of it,
//! with the slowest and quickest runs and two dozen queues beside each other, is printed by that.
//!
//! | work | this crate | best of the others |
//! | --- | --- | --- |
//! | one thread, many senders allowed | mailbox 15 / 18 | crossfire 20 / 23, kanal 23 / 27 |
//! | one thread, one sender | ring 4.8 / 8.3 | rtrb 4.7 / 13 |
//! | thread to thread | ring 6.3 / 13, mailbox 17 / 36 | rtrb 17 / 24, kanal 24 / 30 |
//! | in batches of 64 | ring 5.7 / 17, mailbox 8.9 / 16 | swapped `Vec` 4.9 / 24, rtrb 6.6 / 18 |
//! | four threads to one | mailbox 25 / 44 | kanal 21 / 31, crossfire 26 / 27 |
//! | a full ring that overwrites | 11 / 13 | a ring under a mutex 17 / 18, `force_push` 26 / 26 |
//! | to 1 / 8 / 64 / 1000 tasks | mailbox 46 / 52 / 50 / 53 | swapped `Vec` 48 / 87 / 71 / 56 |
//! | to 1 / 2 / 8 threads | broadcast 22 / 8.5 / 4.1 | rtrb 16 / 18 / 12, disruptor 21 / 13 / 3.5 |
//! | empty with a limit of a million, bytes | mailbox 128 | flume 152, crossbeam 512, tokio 1,568 |
//!
//! A policy written with the hook of [`overflow`] costs 0.84 to 1.14 times what the same costs by
//! hand under a mutex (`cargo bench -p floodway-queue --bench overflow`).
//!
//! # Examples
//!
//! One of twenty lines for each: `cargo run -p floodway-queue --example mailbox`, and `ring`,
//! `broadcast`, `overwriting`, `overflow`, `keyed`.
//!
//! But for the rings, which have all of their memory from the start, they cost next to nothing
//! while idle, grow on demand and give memory back after a burst. There is no runtime here, no
//! thread of its own and, outside of what the caller hands in, no clock.
#![deny(unsafe_code)]

mod allocator;
mod barrier;
mod block_pool;
mod brief;
pub mod broadcast;
mod byte_queue;
mod capacity;
pub mod keyed;
pub mod line;
pub mod mailbox;
mod meeting;
mod monitor;
pub mod overflow;
pub mod overwriting;
mod prefetch;
pub mod ring;
mod sync;
pub mod waiters;

pub use allocator::give_memory_back;
pub use block_pool::{BLOCK_BYTES, BlockPool};
pub use brief::Brief;
pub use byte_queue::ByteQueue;
pub use mailbox::{
    LimitError, Limits, Permit, Receiver, RecvError, SendError, Sender, Unweighed, Weigh, mailbox,
    mailbox_by,
};
pub use monitor::{Monitor, Registration, WaitError, Watch, Woken};
pub use prefetch::prefetch_to_write;
pub use waiters::{Wait, Waiters, block_until};
