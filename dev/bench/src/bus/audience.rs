//! A publisher and its readers, who stay while it publishes now and then.
//!
//! What is a few per cent apart cannot be told apart by runs of a second each: the machine changes
//! more than that from one second to the next, and so does where memory lies from one run to the
//! next. So two of these are open at the same time and publish in turn, some milliseconds each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::drive::{cpu_time, follow};
use super::fan::{Fan, Opening, Publish};
use super::tally::{Pace, Tally};

/// The longest call that is told apart: a minute.
const CALL_NS_MAX: u64 = 60_000_000_000;

/// How many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seats {
    pub(super) readers: usize,
    /// How many of them never read.
    pub(super) stalled: usize,
    /// Messages that the publisher may be ahead of the others, by half.
    pub(super) window: u64,
}

/// What a turn took, until the last reader had its last message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) wall: Duration,
    /// Of the whole process; whoever has no turn uses none.
    pub(super) cpu: Duration,
}

/// A publisher and its readers, each of them a task.
pub(super) struct Audience<F: Fan> {
    publisher: F::Publisher,
    /// They are there, and read nothing.
    _stalled: Vec<F::Reader>,
    reading: Vec<JoinHandle<Result<(), String>>>,
    pace: Arc<Pace>,
    published: u64,
    /// Nanoseconds of each call that published.
    pub(super) calls: Histogram<u64>,
}

impl<F: Fan> Audience<F> {
    /// Everybody is there, for so many messages in all.
    pub(super) fn open(runtime: &Runtime, seats: Seats, messages: u64) -> Result<Self, String> {
        let awake = seats.readers - seats.stalled;
        let pace = Pace::new(awake, seats.window);
        let (readers, capacity) = (seats.readers, pace.capacity());
        let (publisher, mut readers) = F::open(Opening { readers, capacity, may_lose: true })?;
        let stalled = readers.split_off(awake);
        let spawn =
            |reader| runtime.spawn(follow(reader, Tally::new(&pace, messages), pace.clone()));
        let reading = readers.into_iter().map(spawn).collect();
        // Of a fixed range: one that grows would do so in the middle of a measurement.
        let calls = Histogram::new_with_max(CALL_NS_MAX, 3).map_err(|error| error.to_string())?;
        Ok(Self { publisher, _stalled: stalled, reading, pace, published: 0, calls })
    }

    /// Publishes so many messages, whole windows of them, and waits until they have been read.
    pub(super) fn publish(&mut self, messages: u64) -> Result<Turn, String> {
        let (started, cpu) = (Instant::now(), cpu_time());
        let last = self.published + messages;
        for number in self.published..last {
            self.pace.wait(number)?;
            let called = Instant::now();
            self.publisher.publish(number)?;
            self.calls.saturating_record(called.elapsed().as_nanos() as u64);
        }
        self.pace.wait_for_all(last)?;
        self.published = last;
        Ok(Turn { wall: started.elapsed(), cpu: cpu_time() - cpu })
    }

    /// Whether everybody who reads got everything, in order; then, what the calls took.
    pub(super) fn check(self, runtime: &Runtime) -> Result<Histogram<u64>, String> {
        for task in self.reading {
            runtime.block_on(task).map_err(|error| error.to_string())??;
        }
        Ok(self.calls)
    }
}
