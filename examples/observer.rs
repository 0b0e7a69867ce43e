//! An indexer that sees every block before anybody else, and cannot hold the others up:
//! `cargo run -p floodway --example observer`.
//!
//! Whoever hears of a block asks the index about it. With an ordinary subscription the index might
//! not have it yet; an observer is handed the message first, and publishers wait for it, up to a
//! deadline.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{Bus, BusConfig, Filter, ObserveOptions, Payload, SubscribeOptions};

const HUNG: u64 = 700;

struct Block {
    height: u64,
    hash: String,
}

impl Payload for Block {
    // What it holds outside of itself counts against limits as well.
    fn size(&self) -> usize {
        size_of_val(self) + self.hash.capacity()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::<Block>::typed(&BusConfig::default());
    let index = Arc::new(Mutex::new(HashMap::new()));

    let indexed = index.clone();
    let options = ObserveOptions { deadline: Duration::from_millis(50), ..Default::default() };
    let indexer = bus.observe(&Filter::new("blocks.>")?, options, move |block| {
        let Block { height, hash } = block.payload();
        if *height == HUNG {
            // Its disk hangs. One publish waits for 50 ms, and those after it not at all until it
            // has caught up.
            thread::sleep(Duration::from_millis(300));
        }
        let mut index = indexed.lock().unwrap_or_else(PoisonError::into_inner);
        index.insert(hash.clone(), *height);
    })?;
    let blocks = bus.subscribe(&Filter::new("blocks.new")?, SubscribeOptions::default())?;

    let (mut found, mut slowest) = (0, Duration::ZERO);
    for height in 1..=1000 {
        let started = Instant::now();
        bus.publish("blocks.new", Block { height, hash: format!("{height:08x}") })?;
        slowest = slowest.max(started.elapsed());
        let block = blocks.recv()?;
        let index = index.lock().unwrap_or_else(PoisonError::into_inner);
        found += u64::from(index.contains_key(&block.payload().hash));
    }
    println!("1000 blocks heard of; the index knew {found} of them at that moment");
    println!("(it hung at block {HUNG}, and missed the ones after it for a while)");
    println!("the slowest publish took {slowest:.0?}, its deadline and not the 300 ms");

    // Nothing is lost to it for that: stopping waits until it has handled all.
    let stopped = bus.stop(Duration::from_secs(5));
    let report = indexer.report();
    println!("it was late {} time, and now it has handled {}", report.overruns, report.handled);
    assert!(stopped.is_clean() && report.handled == 1000 && found >= HUNG - 1);
    Ok(())
}
