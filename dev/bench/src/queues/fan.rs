//! A publishing task and subscribed tasks, on a tokio runtime with two workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::shape::{FanOut, Message, Source, Subscriber};
use super::tally::{Tally, identity};
use super::work::{Outcome, Work, nanos_each};

/// Worker threads of the runtime.
const WORKERS: usize = 2;

/// Nanoseconds per delivery: from the first message to the end of the last subscriber. The
/// publisher is a task among the others, and every message shares one payload.
pub(crate) fn run<F: FanOut>(work: &Work) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let (messages, subscribers) = (work.messages, work.consumers);
    let publishing = runtime.spawn(publish::<F>(messages, subscribers));
    let (time, tallies) = runtime.block_on(publishing).map_err(broken)??;
    tallies.iter().try_for_each(|tally| tally.complete(messages))?;
    Ok(nanos_each(time, messages * subscribers as u64))
}

async fn publish<F: FanOut>(
    messages: u64,
    subscribers: usize,
) -> Result<(Duration, Vec<Tally>), String> {
    let (mut source, ends) = F::open(subscribers);
    let listen = |end: F::Subscriber| tokio::spawn(end.listen(Tally::new(1)));
    let listening: Vec<JoinHandle<Tally>> = ends.into_iter().map(listen).collect();
    let payload = Arc::new([1; 128]);
    let start = Instant::now();
    for number in 0..messages {
        source.publish(&Message::new(identity(0, number), &payload)).await;
    }
    drop(source);
    let mut tallies = Vec::with_capacity(subscribers);
    for task in listening {
        tallies.push(task.await.map_err(broken)?);
    }
    Ok((start.elapsed(), tallies))
}

fn broken(error: tokio::task::JoinError) -> String {
    format!("a task broke down: {error}")
}
