//! A consumer that cannot keep up floods only itself, and is told what became of its messages:
//! `cargo run -p floodway --example slow_consumer`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Instant;

use floodway::{Bus, EndReason, Filter, RecvError, SubscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    let quotes = Filter::new("quotes.>")?;
    let healthy = bus.subscribe(&quotes, SubscribeOptions::default())?;
    let stalled = bus.subscribe(&quotes, SubscribeOptions::default().max_messages(100))?;

    let started = Instant::now();
    let mut received = 0;
    for n in 0..10_000 {
        bus.publish("quotes.ACME", format!("{n}"));
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

    // It may come back at once.
    let again = bus.subscribe(&quotes, SubscribeOptions::default().max_messages(100))?;
    bus.publish("quotes.ACME", "17.05");
    println!("subscribed again: {}", String::from_utf8_lossy(again.recv()?.payload()));
    Ok(())
}
