//! Several publishers at once on different subjects: whether they get in each other's way.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use super::case::{Case, Contender, Scale, Step};
use super::contenders::{Map, Mpsc, OnlyLatest, TokioBroadcast};
use super::drive::{follow, runtime};
use super::fan::{Opening, Publish, Read, Subjects};
use super::report::{Bar, Head, Side};
use super::tally::{Pace, Tally};

/// Publishers that are compared with one.
const PUBLISHERS: usize = 4;

/// Messages of each publisher before it reads, where it does; half of what a queue holds.
const WINDOW: u64 = 64;

/// Messages of one run.
const MESSAGES: u64 = 2_000_000;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nobody: the oldest are overwritten. This is publishing by itself.
    Nobody,
    /// Each publisher what it has published, a window at a time, on its own thread.
    Itself,
    /// A task for each subject, beside the publishers.
    Task,
}

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    vec![
        case(
            Reading::Nobody,
            "nobody reads",
            "queues that drop their oldest (mpsc: refuse the newest); publishing by itself",
            scale,
        ),
        case(
            Reading::Itself,
            "each reads its own",
            "64 published, then 64 read, by the same thread",
            scale,
        ),
        case(
            Reading::Task,
            "a task reads each",
            "on a runtime of two workers; one publisher and its reader have both cores already",
            scale,
        ),
    ]
}

fn case(reading: Reading, title: &str, note: &'static str, scale: Scale) -> Case {
    let messages = scale.messages(MESSAGES) / if reading == Reading::Task { 4 } else { 1 };
    let ratio = Head::new(format!("{PUBLISHERS} to 1"));
    let ratio = if reading == Reading::Task { ratio } else { ratio.with(Bar::AtLeast(1.6)) };
    Case {
        title: format!("publishers of different subjects, {title}, u64, M messages/s"),
        note,
        heads: vec![Head::new("1, M/s"), Head::new(format!("{PUBLISHERS}, M/s")), ratio],
        contenders: vec![
            contender::<OnlyLatest<u64>>(Side::Ours, "floodway", reading, messages),
            contender::<Map<TokioBroadcast<u64>>>(
                Side::Peer,
                "map of tokio broadcast",
                reading,
                messages,
            ),
            contender::<Map<Mpsc<u64>>>(Side::Peer, "map of tokio mpsc", reading, messages),
        ],
    }
}

fn contender<S: Subjects>(
    side: Side,
    name: &'static str,
    reading: Reading,
    messages: u64,
) -> Contender {
    let step: Step = Box::new(move || {
        let one = rate::<S>(1, reading, messages)?;
        let many = rate::<S>(PUBLISHERS, reading, messages)?;
        Ok(vec![one, many, many / one])
    });
    Contender { side, name, steps: vec![Some(step)] }
}

/// Million messages that so many publishers publish in a second.
fn rate<S: Subjects>(publishers: usize, reading: Reading, messages: u64) -> Result<f64, String> {
    // Whole windows, and as many messages in all whoever publishes them.
    let each = (messages / publishers as u64).next_multiple_of(WINDOW);
    let capacity = 2 * WINDOW as usize;
    let subjects = S::open(Opening { readers: publishers, capacity, may_lose: true })?;
    let runtime = if reading == Reading::Task { Some(runtime()?) } else { None };
    let start = Arc::new(Barrier::new(publishers + 1));
    let (mut threads, mut tasks) = (Vec::new(), Vec::new());
    for (publisher, reader) in subjects {
        let (pace, start) = (Pace::new(1, WINDOW), start.clone());
        let tally = Tally::new(&pace, each);
        let mut own = None;
        match &runtime {
            Some(runtime) => tasks.push(runtime.spawn(follow(reader, tally, pace.clone()))),
            None => own = Some((reader, tally)),
        }
        threads.push(thread::spawn(move || {
            start.wait();
            match reading {
                Reading::Task => beside_a_task(publisher, &pace, each),
                Reading::Itself => alone(publisher, own, each),
                // The reader stays, and reads nothing.
                Reading::Nobody => unread(publisher, each).inspect(|()| drop(own)),
            }
        }));
    }
    start.wait();
    let started = Instant::now();
    for thread in threads {
        thread.join().map_err(|_| "a publisher panicked".to_owned())??;
    }
    let took = started.elapsed();
    if let Some(runtime) = runtime {
        for task in tasks {
            runtime.block_on(task).map_err(|error| error.to_string())??;
        }
    }
    Ok((each * publishers as u64) as f64 / took.as_secs_f64() / 1e6)
}

fn unread(mut publisher: impl Publish, messages: u64) -> Result<(), String> {
    (0..messages).try_for_each(|number| publisher.publish(number))
}

fn alone<R: Read>(
    mut publisher: impl Publish,
    own: Option<(R, Tally)>,
    messages: u64,
) -> Result<(), String> {
    let (mut reader, mut tally) = own.ok_or("nobody reads")?;
    for number in 0..messages {
        publisher.publish(number)?;
        if (number + 1).is_multiple_of(WINDOW) {
            reader.drain(&mut tally)?;
        }
    }
    tally.check()
}

fn beside_a_task(mut publisher: impl Publish, pace: &Pace, messages: u64) -> Result<(), String> {
    for number in 0..messages {
        pace.wait(number)?;
        publisher.publish(number)?;
    }
    pace.wait_for_all(messages)
}
