//! Publish and subscribe in one process: `cargo run -p floodway --example quickstart`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::thread;
use std::time::Duration;

use floodway::{Bus, Filter, RecvError, SubscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    // A bus carries bytes, or values of one type: see the example `conflated_prices`. Clones are
    // the same bus.
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
    let report = publishing.join().map_err(|_panicked| "the publisher panicked")??;
    println!("the last message matched {} subscriptions", report.matched);

    // From now on nothing is published. What is queued stays readable, and then comes the reason.
    bus.stop(Duration::ZERO);
    for (name, subscription) in [("temperatures", &temperatures), ("kitchen", &kitchen)] {
        loop {
            match subscription.recv() {
                Ok(message) => {
                    let payload = String::from_utf8_lossy(message.payload());
                    println!("{name}: {} = {payload}", message.subject_text());
                }
                Err(RecvError::Ended(reason)) => break println!("{name}: {reason}"),
                // Messages were missed, which only happens to those who are slow.
                Err(other) => return Err(other.into()),
            }
        }
    }

    // Dropping a handle unsubscribes, so whoever forgets one does not leave a queue behind.
    drop((temperatures, kitchen));
    println!("{} subscriptions are left", bus.subscription_count());
    Ok(())
}
