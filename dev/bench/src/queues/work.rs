//! What one run is asked to do, and what it answers.

use std::time::Duration;

use super::memory::Counter;
use super::payload::Kind;

/// The figure of a run, or why it has none.
pub(crate) type Outcome = Result<f64, String>;

/// The kinds of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One thread enqueues and dequeues, many producers possible.
    Same,
    /// The same, one producer only.
    Ring,
    /// At a depth.
    Depth,
    /// A producing thread and a consuming one.
    Pair,
    /// The same, many at once.
    Batch,
    /// Many producing threads and one that consumes.
    Many,
    /// Many producing threads and many that share what there is.
    Shared,
    /// One thread pushes onto a ring with room, and pops.
    OverwritePairs,
    /// One thread pushes onto a full ring.
    OverwriteFull,
    /// A thread pushes as fast as it can, another pops.
    OverwriteThreads,
    /// One publishing thread, listening threads.
    Broadcast,
    /// Many publishing threads, listening threads.
    BroadcastOfMany,
    /// A publishing task, subscribed tasks.
    FanOut,
    /// Bytes of heap, empty.
    Heap,
    /// Bytes of both handles.
    Handles,
}

/// What one run is asked to do. Not every shape looks at everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) payload: Kind,
    /// By all producers together.
    pub(crate) messages: u64,
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    /// How many messages are in it all the time.
    pub(crate) depth: u64,
    /// Counts the heap, in a program that can.
    pub(crate) counter: Option<Counter>,
}

/// Nanoseconds for each of so many.
pub(crate) fn nanos_each(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}
