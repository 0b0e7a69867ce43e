//! Members of a queue group share the work, and work goes to one that has room:
//! `cargo run -p floodway --example queue_group`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::thread;

use floodway::{Bus, Filter, SubscribeOptions, Subscription};

const JOBS: usize = 9_000;

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    let jobs = Filter::new("jobs.*")?;
    let workers = SubscribeOptions::default().queue_group("workers").max_messages(200);
    let quick = [bus.subscribe(&jobs, workers.clone())?, bus.subscribe(&jobs, workers.clone())?];
    let stuck = bus.subscribe(&jobs, workers)?;

    let mut done = [0, 0];
    for n in 0..JOBS {
        bus.publish(format!("jobs.{n}"), "work")?;
        if n % 50 == 0 {
            let counts = thread::scope(|scope| {
                let working = quick.each_ref().map(|worker| scope.spawn(|| work(worker)));
                working.map(|worker| worker.join().unwrap_or(0))
            });
            done.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    done.iter_mut().zip(&quick).for_each(|(sum, worker)| *sum += work(worker));

    // The stuck one got work until it was over its mark, half its limit; then the others got all.
    let held = stuck.account().queued();
    println!("quick workers did {} and {} jobs, the stuck one holds {held}", done[0], done[1]);
    assert_eq!(done[0] + done[1] + held as usize, JOBS);
    assert_eq!(stuck.end_reason(), None);
    Ok(())
}

/// Does what waits for a worker now; returns how much that was.
fn work(worker: &Subscription) -> usize {
    std::iter::from_fn(|| worker.try_recv().ok()).count()
}
