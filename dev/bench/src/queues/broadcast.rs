//! Publishing threads, and listening threads that each see everything.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::shape::{Broadcast, Publisher};
use super::tally::{Tally, identity};
use super::work::{Outcome, Work, nanos_each};

/// Nanoseconds per delivery: from the first message to the end of the last listener.
pub(crate) fn run<B: Broadcast>(work: &Work) -> Outcome {
    let each = work.messages / work.producers as u64;
    let tallies = vec![Tally::new(work.producers); work.consumers];
    let (publishers, listeners) = B::open(work.producers, tallies);
    let begin = &Barrier::new(publishers.len());
    let (began, tallies) = thread::scope(|scope| {
        let start = |(number, mut publisher): (u64, B::Publisher)| {
            scope.spawn(move || {
                begin.wait();
                let began = Instant::now();
                for index in 0..each {
                    publisher.publish(identity(number, index));
                }
                began
            })
        };
        let threads: Vec<_> = (0..).zip(publishers).map(start).collect();
        let began = threads.into_iter().filter_map(|thread| thread.join().ok()).min();
        (began, listeners.join())
    });
    let began = began.ok_or("no publisher came through, see above")?;
    let time = began.elapsed();
    tallies?.iter().try_for_each(|tally| tally.complete(each))?;
    Ok(nanos_each(time, each * (work.producers * work.consumers) as u64))
}
