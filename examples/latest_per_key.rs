//! A consumer that wants the latest of each key, however slow it is, and nothing too old:
//! `cargo run -p floodway --example latest_per_key`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Duration;

use floodway::{Bus, Conflation, Filter, Policy, SubscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    // Not only the subject can be the key, but also a header, or a place in the payload like here.
    let by_symbol = Conflation { key: "json:/symbol".parse()?, ..Conflation::default() };
    let options = SubscribeOptions::default()
        .policy(Policy::Conflate(by_symbol))
        .ttl(Duration::from_secs(60));
    let quotes = bus.subscribe(&Filter::new("quotes")?, options)?;

    for n in 0..100_000 {
        let symbol = ["ACME", "INIT", "XYZ"][n % 3];
        bus.publish("quotes", format!(r#"{{"symbol": "{symbol}", "bid": {n}}}"#))?;
    }
    for quote in quotes.take_backlog() {
        let text = String::from_utf8_lossy(quote.payload());
        println!("{text} stands for {} earlier ones", quote.replaced());
    }
    let account = quotes.account();
    let (matched, delivered) = (account.matched(), account.delivered());
    println!("{matched} matched = {delivered} delivered + {} replaced", account.conflated());
    assert!(account.is_conserved() && delivered == 3);
    Ok(())
}
