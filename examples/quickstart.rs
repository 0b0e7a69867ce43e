//! Publish and subscribe in one process: `cargo run -p floodway --example quickstart`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::thread;

use floodway::{Bus, Filter, SubscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    // `*` stands for one token of a subject, `>` for the rest of it.
    let options = SubscribeOptions::default();
    let temperatures = bus.subscribe(&Filter::new("sensor.*.temperature")?, options.clone())?;
    let kitchen = bus.subscribe(&Filter::new("sensor.kitchen.>")?, options)?;

    let publisher = bus.clone();
    let publishing = thread::spawn(move || {
        publisher.publish("sensor.kitchen.temperature", "21.5")?;
        publisher.publish("sensor.kitchen.door", "open")?;
        publisher.publish("sensor.cellar.temperature", "12.0")?;
        // Nobody wants this one: the report says so.
        publisher.publish("sensor.cellar.door", "closed")
    });

    for (name, subscription) in [("temperatures", &temperatures), ("kitchen", &kitchen)] {
        for _ in 0..2 {
            let message = subscription.recv()?;
            let subject = String::from_utf8_lossy(message.subject());
            let payload = String::from_utf8_lossy(message.payload());
            println!("{name}: {subject} = {payload}");
        }
    }
    let report = publishing.join().map_err(|_panicked| "the publisher panicked")??;
    println!("the last message matched {} subscriptions", report.matched);

    // Dropping a handle unsubscribes.
    drop((temperatures, kitchen));
    println!("{} subscriptions are left", bus.subscription_count());
    Ok(())
}
