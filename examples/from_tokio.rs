//! The bus among tokio's tasks: `cargo run -p floodway --example from_tokio`.
//!
//! Nothing in the bus belongs to tokio: its futures and streams run on every executor, and threads
//! may use the same bus at the same time.
#![forbid(unsafe_code)]

use std::error::Error;
use std::time::{Duration, Instant};

use floodway::{Bus, Filter, Missed, Policy, RecvError, SubscribeOptions, Subscription};
use futures_util::StreamExt;
use tokio::time::{interval, sleep, timeout};

const LINES: u32 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::default();
    // Publishers wait while 10 lines wait for the store; so it slows them, and loses nothing.
    let waits = SubscribeOptions::default().policy(Policy::Block { patience: None });
    let store = bus.subscribe(&Filter::new("lines")?, waits.max_messages(10))?;
    // Nobody waits for the screen: it gets the latest 5 lines whenever it looks.
    let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(5);
    let screen = bus.subscribe(&Filter::new("lines")?, newest)?;
    let alarms = bus.subscribe(&Filter::new("alarms")?, SubscribeOptions::default())?;

    // 1. A subscription is a stream, with all its adaptors.
    let storing = tokio::spawn(keep(store));
    // 2. Receiving loses nothing when it is cancelled, so it may stand in a `select!`.
    let showing = tokio::spawn(show(screen));

    // 3. Waiting for room suspends the task and not its thread. With a deadline it may fail, and
    // the error has the line in it.
    let started = Instant::now();
    for n in 0..LINES {
        let deadline = Instant::now() + Duration::from_secs(5);
        bus.publish_wait_async("lines", format!("line {n}"), Some(deadline)).await?;
    }
    println!("{LINES} lines published in {:.1?}, as fast as the store is", started.elapsed());

    // 4. A deadline for receiving is that of the executor.
    let alarm = timeout(Duration::from_millis(20), alarms.recv_async()).await;
    println!("an alarm within 20 ms: {}", alarm.is_ok());

    // 5. Stopping blocks until everything has been read, so it gets a thread where that may be.
    let stopping = bus.clone();
    let report = tokio::task::spawn_blocking(move || stopping.stop(Duration::from_secs(5))).await?;
    println!("stopped, and everything was read: {}", report.is_clean());
    let (stored, end) = storing.await?;
    let (shown, missed) = showing.await?;
    println!("the store has {stored} lines, and its end is: {end}");
    println!("the screen showed {shown} lines and was told that it missed {missed}");
    assert!(stored == LINES && shown + missed == u64::from(LINES) && report.is_clean());
    Ok(())
}

/// Stores line after line; how many, and why there are no more.
async fn keep(mut lines: Subscription) -> (u32, String) {
    let mut stored = 0;
    // The item behind the last line is the error that says why it ended.
    while let Some(Ok(_line)) = lines.next().await {
        sleep(Duration::from_millis(2)).await;
        stored += 1;
    }
    (stored, lines.end_reason().map_or_else(String::new, |reason| reason.to_string()))
}

/// Looks now and then; how many lines it showed, and how many it missed.
async fn show(screen: Subscription) -> (u64, u64) {
    let (mut shown, mut missed) = (0, 0);
    let mut looks = interval(Duration::from_millis(50));
    let mut ended = None;
    while ended.is_none() {
        looks.tick().await;
        // All that is there, until nothing comes for a millisecond.
        ended = loop {
            tokio::select! {
                line = screen.recv_async() => match line {
                    Ok(line) => {
                        shown += 1;
                        missed += line.missed().map_or(0, Missed::total);
                    }
                    Err(RecvError::Missed(more)) => missed += more.total(),
                    Err(RecvError::Empty) => {}
                    Err(RecvError::Ended(reason)) => break Some(reason),
                },
                () = sleep(Duration::from_millis(1)) => break None,
            }
        };
    }
    (shown, missed)
}
