//! One run from one publisher to many readers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

use super::fan::{Fan, Opening, Publish, Read};
use super::tally::{Pace, Tally};

/// What a run is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) on: On,
    pub(super) readers: usize,
    pub(super) messages: u64,
}

/// Where readers live. The publisher has a thread of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// Of a tokio runtime with two workers.
    Tasks,
    Threads,
}

/// What a run took, from the first message to when the last reader had the last one.
#[derive(Debug)]
pub(super) struct Taken {
    /// How many that were: a few windows at least.
    pub(super) messages: u64,
    pub(super) wall: Duration,
    /// Of the whole process.
    pub(super) cpu: Duration,
}

/// Messages that a publisher may be ahead, by half: as many as keep everybody busy, and not so many
/// that a run of many readers is one of memory.
pub(super) fn window(readers: usize) -> u64 {
    (65_536 / readers.max(1)).clamp(8, 128) as u64
}

/// Drives a contender, and checks that every reader got everything.
pub(super) fn drive<F: Fan>(load: &Load) -> Result<Taken, String> {
    let pace = Pace::new(load.readers, window(load.readers));
    let (readers, capacity) = (load.readers, pace.capacity());
    let (publisher, readers) = F::open(Opening { readers, capacity, may_lose: false })?;
    let messages = load.messages.max(2 * window(load.readers));
    let tallies = readers.into_iter().map(|reader| (reader, Tally::new(&pace, messages)));
    match load.on {
        On::Tasks => on_tasks(publisher, tallies, &pace, messages),
        On::Threads => on_threads(publisher, tallies, &pace, messages),
    }
}

pub(super) fn runtime() -> Result<Runtime, String> {
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    runtime.map_err(|error| format!("no runtime: {error}"))
}

fn on_tasks<R: Read>(
    publisher: impl Publish,
    readers: impl Iterator<Item = (R, Tally)>,
    pace: &Arc<Pace>,
    messages: u64,
) -> Result<Taken, String> {
    let runtime = runtime()?;
    let tasks: Vec<_> =
        readers.map(|(reader, tally)| runtime.spawn(follow(reader, tally, pace.clone()))).collect();
    let taken = publish_all(publisher, pace, messages);
    if taken.is_ok() {
        for task in tasks {
            runtime.block_on(task).map_err(|error| error.to_string())??;
        }
    }
    // Without waiting for readers of a run that failed.
    runtime.shutdown_background();
    taken
}

/// Reads until it has everything.
pub(super) async fn follow<R: Read>(
    mut reader: R,
    mut tally: Tally,
    pace: Arc<Pace>,
) -> Result<(), String> {
    while !tally.is_complete() {
        if let Err(why) = reader.read(&mut tally).await {
            pace.give_up();
            return Err(why);
        }
    }
    tally.check()
}

fn on_threads<R: Read>(
    publisher: impl Publish,
    readers: impl Iterator<Item = (R, Tally)>,
    pace: &Arc<Pace>,
    messages: u64,
) -> Result<Taken, String> {
    let follow = |(mut reader, mut tally): (R, Tally)| {
        let pace = pace.clone();
        thread::spawn(move || {
            while !tally.is_complete() {
                if let Err(why) = reader.read_blocking(&mut tally) {
                    pace.give_up();
                    return Err(why);
                }
            }
            tally.check()
        })
    };
    let threads: Vec<_> = readers.map(follow).collect();
    // Whoever broke down leaves the others waiting; they go with the process.
    let taken = publish_all(publisher, pace, messages)?;
    for thread in threads {
        thread.join().map_err(|_| "a reader panicked".to_owned())??;
    }
    Ok(taken)
}

/// Publishes everything, and waits until it has been read. The first window is a warm-up.
fn publish_all(mut publisher: impl Publish, pace: &Pace, messages: u64) -> Result<Taken, String> {
    let warm = messages.min(pace.capacity() as u64 / 2);
    for number in 0..warm {
        pace.wait(number)?;
        publisher.publish(number)?;
    }
    pace.wait_for_all(warm)?;
    let (started, cpu) = (Instant::now(), cpu_time());
    for number in warm..messages {
        pace.wait(number)?;
        publisher.publish(number)?;
    }
    pace.wait_for_all(messages)?;
    // Per message, as if the warm-up had been measured too.
    let whole = messages as f64 / (messages - warm) as f64;
    let (wall, cpu) = (started.elapsed().mul_f64(whole), (cpu_time() - cpu).mul_f64(whole));
    Ok(Taken { messages, wall, cpu })
}

/// CPU time that this process has used.
pub(super) fn cpu_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}
