//! A screen that wants the current price of everything, however slow it is:
//! `cargo run -p floodway --example conflated_prices`.
//!
//! Prices come as values of a type, not as bytes. Each is made once and shared by all who get it.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Duration;

use floodway::{Bus, BusConfig, Conflation, Filter, Payload, Policy, SubscribeOptions};

const SYMBOLS: [&str; 3] = ["ACME", "INIT", "XYZ"];

struct Quote {
    bid: u32,
    ask: u32,
}

// What makes a type one that a bus can carry. It may say more: see the trait.
impl Payload for Quote {}

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::<Quote>::typed(&BusConfig::default());
    // One place in the queue for each subject, and the latest wins. A header can be the key as
    // well, or where messages are JSON, a place in them.
    let latest = SubscribeOptions::default()
        .policy(Policy::Conflate(Conflation::default()))
        .ttl(Duration::from_secs(60));
    let screen = bus.subscribe(&Filter::new("quotes.*")?, latest)?;
    // This one wants them all, and keeps up.
    let archive = bus.subscribe(&Filter::new("quotes.>")?, SubscribeOptions::default())?;

    let mut archived = 0;
    for n in 0..100_000_u32 {
        let subject = format!("quotes.{}", SYMBOLS[n as usize % SYMBOLS.len()]);
        bus.publish(subject, Quote { bid: n, ask: n + 5 })?;
        archived += archive.take_backlog().len();
    }

    println!("100000 quotes later the archive has {archived} of them, and the screen is told:");
    for quote in screen.take_backlog() {
        let (Quote { bid, ask }, replaced) = (quote.payload(), quote.replaced());
        println!("{} {bid}/{ask}, in the place of {replaced} before", quote.subject_text());
    }
    let account = screen.account();
    let (matched, delivered) = (account.matched(), account.delivered());
    println!("{matched} matched = {delivered} delivered + {} replaced", account.conflated());
    assert!(account.is_conserved() && delivered == 3 && archived == 100_000);
    Ok(())
}
