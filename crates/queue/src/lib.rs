//! Elastic queues for floodway: what stands between a fast sender and a slow reader.
//!
//! | type | holds | for |
//! | --- | --- | --- |
//! | [`mailbox()`] | messages, in order | handing them from many threads or tasks to one |
//! | [`ring`] | items, in order | handing them from one thread or task to one other, cheapest |
//! | [`broadcast`] | entries, in order, for many readers | nothing lost, nothing copied |
//! | [`overwriting`] | the newest messages, in order | a writer that must never wait |
//! | [`overflow`] | messages, as a policy says | a reader that falls behind and is told |
//! | [`keyed`] | the latest value of each key | prices, states: one place per key |
//! | [`ByteQueue`] | encoded bytes, in order | the outgoing stream of one connection |
//! | [`BlockPool`] | spare blocks | so that busy byte queues share a few warm blocks |
//! | [`line`] | items that may still change | an overflow queue of your own |
//! | [`Monitor`] | any state | waiting for a change of it, from threads and from tasks |
//! | [`Waiters`] | who waits | the wake-ups of the mailbox, and of a queue of your own |
//!
//! A mailbox is limited by messages and bytes ([`Limits`]), costs 128 bytes while it is empty, and
//! 13 ns a message on one thread, 13 to 20 from thread to thread, 50 to 60 to a task; measure with
//! `cargo bench -p floodway-queue`. `cargo run -p floodway-queue --example mailbox` shows it, and
//! each of the rings has an example too.
//!
//! All of them cost next to nothing while idle, grow on demand and give memory back after a
//! burst. What happens when a consumer is slow is the choice of a type, or of an
//! [`overflow::Policy`].
#![deny(unsafe_code)]

mod allocator;
mod barrier;
mod block_pool;
mod brief;
pub mod broadcast;
mod byte_queue;
pub mod keyed;
pub mod line;
pub mod mailbox;
mod meeting;
mod monitor;
pub mod overflow;
pub mod overwriting;
pub mod ring;
mod sync;
pub mod waiters;

pub use allocator::give_memory_back;
pub use block_pool::{BLOCK_BYTES, BlockPool};
pub use byte_queue::ByteQueue;
pub use mailbox::{
    LimitError, Limits, Permit, Receiver, RecvError, SendError, Sender, Unweighed, Weigh, mailbox,
    mailbox_by,
};
pub use monitor::{Monitor, WaitError, Watch};
pub use waiters::{Wait, Waiters, block_until};
