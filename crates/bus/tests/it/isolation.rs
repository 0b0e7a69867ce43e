//! One that never reads changes nothing for the others.

use std::time::{Duration, Instant};

use floodway::{Bus, Filter, Limits, SubscribeOptions, Subscription};

use crate::numbered::{Seen, payload};

const SUBSCRIBERS: usize = 1000;
const MESSAGES: u32 = 300;
/// Messages between two turns of the readers.
const TURN: u32 = 50;

/// Publishes to a thousand, of which one never reads if `stalled`; returns how long each took.
fn publish_times(stalled: bool) -> Vec<Duration> {
    let bus = Bus::default();
    let filter = Filter::new("quotes.*").unwrap();
    let options = SubscribeOptions::default().limits(Limits::default());
    let subscribe = |_| (bus.subscribe(&filter, options.clone()).unwrap(), Seen::default());
    let mut subscribers: Vec<(Subscription, Seen)> = (0..SUBSCRIBERS).map(subscribe).collect();
    let readers = if stalled { SUBSCRIBERS - 1 } else { SUBSCRIBERS };
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let payload = payload(0, number);
        let started = Instant::now();
        let report = bus.publish("quotes.ACME", payload).unwrap();
        times.push(started.elapsed());
        assert_eq!(report.queued, SUBSCRIBERS as u64);
        if number % TURN == TURN - 1 {
            for (subscription, seen) in &mut subscribers[..readers] {
                subscription.take_backlog().iter().for_each(|message| seen.take(message));
            }
        }
    }
    for (subscription, seen) in &subscribers[..readers] {
        assert_eq!(seen.total(), u64::from(MESSAGES));
        assert_eq!(subscription.end_reason(), None);
    }
    let queued = subscribers[SUBSCRIBERS - 1].0.account().queued();
    assert_eq!(queued, if stalled { MESSAGES.into() } else { 0 });
    times
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

// checklist: A1
// spec: ISO-1
#[test]
fn one_that_never_reads_costs_the_others_nothing() {
    // The machine has other work too: medians of interleaved runs, and three chances.
    for attempt in 1.. {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            without.push(p99(publish_times(false)));
            with.push(p99(publish_times(true)));
        }
        let (with, without) = (median(with), median(without));
        if with <= 2 * without {
            return;
        }
        assert!(attempt < 3, "p99 of publish: {with:?} beside a stalled one, else {without:?}");
    }
}

// checklist: A1
// spec: ISO-2
#[test]
fn one_that_is_ended_for_never_reading_costs_the_others_nothing_either() {
    let bus = Bus::default();
    let filter = Filter::new(">").unwrap();
    let stalled = bus.subscribe(&filter, SubscribeOptions::default().max_messages(10)).unwrap();
    let healthy = bus.subscribe(&filter, SubscribeOptions::default()).unwrap();
    let mut seen = Seen::default();
    for number in 0..10_000 {
        bus.publish("a", payload(0, number)).unwrap();
        seen.take(&healthy.try_recv().unwrap());
    }
    assert_eq!(seen.total(), 10_000);
    assert_eq!(stalled.account().queued(), 10);
    assert_eq!(bus.subscription_count(), 1, "the stalled one has left the index");
}
