//! What an empty queue with a high limit costs.
//!
//! Bytes of heap are counted by a global allocator, and a counting one would change the figures
//! of everything that allocates. So a second program counts them: see `counted.rs`.

use bytes::Bytes;
use serde_json::Value;

use super::shape::Queue;
use super::work::{Outcome, Work};
use crate::counted;

/// The limit of the queue, in messages.
const LIMIT: usize = 1_000_000;

/// Runs something, and says how many bytes of heap it left in use.
pub(crate) type Counter = fn(&mut dyn FnMut()) -> i64;

/// Bytes of heap behind both handles of an empty queue.
pub(crate) fn heap<Q: Queue<Bytes>>(work: &Work) -> Outcome {
    let Some(counter) = work.counter else {
        return Err(format!("only {} can count", counted::PROGRAM));
    };
    // What the first of its kind sets up for all, it does not cost itself.
    drop(Q::open(LIMIT));
    let mut held = None;
    let bytes = counter(&mut || held = Some(Q::open(LIMIT)));
    drop(held);
    Ok(bytes as f64)
}

/// Bytes of both handles themselves.
pub(crate) fn handles<Q: Queue<Bytes>>(_: &Work) -> Outcome {
    Ok((size_of::<Q::Producer>() + size_of::<Q::Consumer>()) as f64)
}

/// The case's JSON, as the counting program found it.
pub(crate) fn counted(runs: u32) -> Result<Value, String> {
    let document = counted::run(&["queues", "--cases", "memory", "--runs", &runs.to_string()])?;
    Ok(document["cases"][0].clone())
}
