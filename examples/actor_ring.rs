//! Why a full mailbox should slow its senders rather than stop them:
//! `cargo run -p floodway --example actor_ring`.
//!
//! A chain of three actors, and a ring of two in which every task goes round five times, each fed
//! with ten times the work that an actor can do, and each with three kinds of mailboxes:
//!
//! - bounded, and senders *block* on a full one. The chain does well. The ring stands still within
//!   moments: both mailboxes are full, and each actor waits for the other to read. The bus notices,
//!   and the send that would close the circle fails with the names of all who wait.
//! - *unbounded*: nothing ever waits, and the queues grow until memory is gone.
//! - *throttled*: a send always succeeds, but takes the longer the longer the mailbox is. Whoever
//!   is over its own mark pays nothing, as it is slow only because others are. So it is the source
//!   that pays, queues settle, and actors always go on.
#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{Bus, BusConfig, Filter, Limits, Payload, Policy, PublishError, Publisher};
use floodway::{Refusal, SubscribeOptions, Subscription};

const WORK: Duration = Duration::from_micros(100);
const SAMPLES: u32 = 6;
/// Tasks in one mailbox at most, where there is a limit.
const LIMIT: u64 = 200;

/// What is to be done, and by how many actors still.
struct Task {
    visits: u32,
}

impl Payload for Task {}

/// What all actors of one run share.
#[derive(Default)]
struct Outcome {
    done: AtomicU64,
    stuck: Mutex<Option<(String, Duration)>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let limited = SubscribeOptions::default().max_messages(LIMIT);
    let kinds = [
        ("block", limited.clone().policy(Policy::Block { patience: None })),
        ("unbounded", SubscribeOptions::default().limits(Limits::NONE)),
        ("throttle", limited.policy(Policy::Throttle { max_delay: Duration::from_millis(20) })),
    ];
    println!("                tasks queued, every 100 ms                 memory   done  outcome");
    for (shape, actors, visits) in [("chain", &["a", "b", "c"][..], 3), ("ring", &["a", "b"], 10)] {
        for (kind, options) in &kinds {
            run(&format!("{shape} {kind}"), actors, visits, options)?;
        }
    }
    Ok(())
}

/// Runs the actors for a while, prints a line about it.
fn run(
    title: &str,
    actors: &[&str],
    visits: u32,
    options: &SubscribeOptions,
) -> Result<(), Box<dyn Error>> {
    let bus = Bus::<Task>::typed(&BusConfig::default());
    let subscribe = |name: &&str| -> Result<_, Box<dyn Error>> {
        Ok(bus.subscribe(&Filter::new(name)?, options.clone().name(&format!("mailbox {name}")))?)
    };
    let mailboxes = actors.iter().map(subscribe).collect::<Result<Vec<_>, _>>()?;
    let (started, outcome) = (Instant::now(), Outcome::default());
    print!("{title:16}");
    let depth = thread::scope(|scope| {
        for (nth, (name, mailbox)) in actors.iter().zip(&mailboxes).enumerate() {
            // A publisher with a name, of whom the bus knows what it reads.
            let sender = bus.publisher(name).reads(mailbox);
            let (next, outcome) = (actors[(nth + 1) % actors.len()], &outcome);
            scope.spawn(move || act(mailbox, &sender, next, outcome, started));
        }
        scope.spawn(|| feed(&bus.publisher("source"), actors[0], visits));

        let mut depth = 0;
        for _ in 0..SAMPLES {
            thread::sleep(Duration::from_millis(100));
            depth = bus.metrics().totals.queued;
            print!("{depth:>7}");
        }
        let kib = bus.metrics().memory_used >> 10;
        print!("{kib:>7} KiB {:>6}  ", outcome.done.load(Ordering::Relaxed));
        // Those who wait to publish get their tasks back, and those who receive are told the end.
        bus.stop(Duration::ZERO);
        depth
    });
    match outcome.stuck.into_inner() {
        Ok(Some((cycle, after))) => {
            println!("stuck after {:.0} ms\n    {cycle}", after.as_secs_f64() * 1000.0);
        }
        // More than all mailboxes together could hold if they were limited.
        _ if depth > 2 * LIMIT * actors.len() as u64 => println!("grows without end"),
        _ => println!("steady"),
    }
    Ok(())
}

/// Does the work of one actor until it ends, or it would wait for itself.
fn act(
    mailbox: &Subscription<Task>,
    sender: &Publisher<Task>,
    next: &str,
    outcome: &Outcome,
    started: Instant,
) {
    while let Ok(task) = mailbox.recv() {
        if sender.bus().is_stopped() {
            return;
        }
        thread::sleep(WORK);
        let visits = task.payload().visits - 1;
        if visits == 0 {
            outcome.done.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match sender.publish_wait(next, Task { visits }, None) {
            Ok(_) => {}
            Err(PublishError { refusal: Refusal::WaitCycle(cycle), .. }) => {
                // It could drop the task, or do something else first. Here that is the end.
                if let Ok(mut stuck) = outcome.stuck.lock() {
                    *stuck = Some((cycle.to_string(), started.elapsed()));
                }
                return;
            }
            Err(_stopped) => return,
        }
    }
}

/// Sends tasks, ten in the time in which an actor does one, for as long as that is possible.
fn feed(source: &Publisher<Task>, first: &str, visits: u32) {
    let mut tasks = 0_u64;
    while source.publish_wait(first, Task { visits }, None).is_ok() {
        tasks += 1;
        if tasks.is_multiple_of(10) {
            thread::sleep(WORK);
        }
    }
}
