//! A consumer that cannot keep up floods only itself, and is told what became of its messages:
//! `cargo run -p floodway --example slow_consumer`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Instant;

use floodway::{Bus, EndReason, Filter, Missed, Policy, RecvError, SubscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    let quotes = Filter::new("quotes.>")?;
    let healthy = bus.subscribe(&quotes, SubscribeOptions::default())?;
    let stalled = bus.subscribe(&quotes, SubscribeOptions::default().max_messages(100))?;

    let started = Instant::now();
    let mut received = 0;
    for n in 0..10_000 {
        bus.publish("quotes.ACME", format!("{n}"))?;
        received += healthy.take_backlog().len();
    }
    let took = started.elapsed();
    println!("published 10000 messages in {took:.1?}; the healthy one received {received}");

    // What was queued before the end is still readable, then comes the reason.
    let mut readable = 0;
    let reason = loop {
        match stalled.recv() {
            Ok(_message) => readable += 1,
            Err(RecvError::Ended(reason)) => break reason,
            Err(error) => return Err(error.into()),
        }
    };
    println!("the stalled one read {readable} messages, then: {reason}");
    let account = stalled.account();
    println!(
        "its account: {} matched = {} delivered + {} lost",
        account.matched(),
        account.delivered(),
        account.losses().total(),
    );
    assert!(matches!(reason, EndReason::OutOfCapacity { messages: 100, .. }));
    assert!(account.is_conserved() && received == 10_000);

    // It may come back at once, and rather lose the oldest quotes from now on. It is told how many.
    let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(100);
    let again = bus.subscribe(&quotes, newest)?;
    for n in 0..10_000 {
        bus.publish("quotes.ACME", format!("{n}"))?;
    }
    let first = again.recv()?;
    let missed = first.missed().map_or(0, Missed::total);
    println!(
        "subscribed again: missed {missed}, then {}",
        String::from_utf8_lossy(first.payload())
    );
    assert!(missed == 9_900 && first.seq() == 9_901 && again.end_reason().is_none());
    Ok(())
}
