//! Work handed out to threads, and nothing lost although it is made faster than it is done:
//! `cargo run -p floodway --example from_threads`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use floodway::{Bus, BusConfig, Filter, Policy, RecvError, SubscribeOptions, Subscription};

const JOBS_OF_EACH: u64 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    // Numbers and strings can be carried as they are.
    let bus = Bus::<u64>::typed(&BusConfig::default());
    // Publishers wait while 16 jobs wait; the members of a queue group share what comes.
    let waits = Policy::Block { patience: Some(Duration::from_secs(5)) };
    let options = SubscribeOptions::default().policy(waits).max_messages(16).queue_group("workers");
    let jobs = Filter::new("jobs.*")?;
    let workers = [bus.subscribe(&jobs, options.clone())?, bus.subscribe(&jobs, options)?];

    let started = Instant::now();
    let (published, done) = thread::scope(|scope| {
        let working = workers.each_ref().map(|worker| scope.spawn(|| work(worker)));
        let publishing = ["red", "green", "blue"].map(|color| {
            let bus = &bus;
            scope.spawn(move || publish(bus, color))
        });
        let published = publishing.map(|thread| thread.join().unwrap_or(0));
        // Stopping waits until what is queued has been done, at most for so long.
        let stopped = bus.stop(Duration::from_secs(10));
        println!("stopped, and everything was done: {}", stopped.is_clean());
        (published, working.map(|thread| thread.join().unwrap_or(0)))
    });

    let metrics = bus.metrics();
    println!("three threads published {published:?} jobs in {:.1?}", started.elapsed());
    println!("they had to wait {} times, {:.1?} together", metrics.waits, metrics.waited);
    println!("two workers did {} of {}", done.iter().sum::<u64>(), published.iter().sum::<u64>());
    assert_eq!(done.iter().sum::<u64>(), 3 * JOBS_OF_EACH);
    Ok(())
}

/// Publishes jobs until all are out, or the bus does not take any more.
fn publish(bus: &Bus<u64>, color: &str) -> u64 {
    let subject = format!("jobs.{color}");
    for job in 0..JOBS_OF_EACH {
        // An error means that nobody got the job, says why, and has it in it.
        if let Err(error) = bus.publish_wait(&subject, job, None) {
            eprintln!("job {} of {color}: {error}", error.payload);
            return job;
        }
    }
    JOBS_OF_EACH
}

/// Does jobs until the subscription ends; returns how many.
fn work(jobs: &Subscription<u64>) -> u64 {
    let mut done = 0;
    loop {
        match jobs.recv() {
            Ok(_job) => {
                thread::sleep(Duration::from_micros(500));
                done += 1;
            }
            Err(RecvError::Ended(_)) => return done,
            Err(_) => {}
        }
    }
}
