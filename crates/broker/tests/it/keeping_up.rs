//! What a client that keeps up does not lose, however small its queue and however large a batch.

use std::sync::Arc;
use std::time::Instant;

use floodway::{
    Limits, Message, Origin, Overflow, Policy, Pushback, PushbackMode, Router, Wakeups,
};
use floodway_broker::{Broker, Report, Subscribed, SubscriptionSpec};

use crate::client::{Client, UNLIMITED, config};

fn publish(broker: &Broker, messages: &[(String, String)], now: Instant) -> (u64, u64) {
    let mut router = Router::new(broker.bus().clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
    for (subject, payload) in messages {
        batch.push(Message::new(subject.as_bytes(), payload.as_bytes()));
    }
    let report = batch.commit();
    wakeups.wake_all(now);
    (report.queued, report.lost())
}

fn numbered(numbers: std::ops::Range<usize>, padding: usize) -> Vec<(String, String)> {
    let one = |n| (format!("s.{}", n % 3), format!("{n}-{}", "x".repeat(padding)));
    numbers.map(one).collect()
}

fn subscribe(client: &Client, broker: &Broker, policy: Policy) {
    let limits = Limits { messages: Some(1), ..UNLIMITED };
    let overflow = Some(Arc::new(Overflow::new(policy, limits)));
    let spec = SubscriptionSpec { overflow, report: Report::Header, ..Default::default() };
    assert_eq!(client.try_subscribe(broker, 1, "s.>", spec), Ok(Subscribed::New));
}

/// The numbers that a client read, and how many it was told that it missed.
fn read(client: &Client) -> (Vec<usize>, u64) {
    let (mut all, mut missed) = (Vec::new(), 0);
    for line in client.lines() {
        let (_, mut rest) = line.split_once(' ').unwrap();
        if let Some(told) = rest.strip_prefix("missed ") {
            let (count, message) = told.split_once(' ').unwrap();
            missed += count.parse::<u64>().unwrap();
            rest = message;
        }
        all.push(rest.split_once('-').unwrap().0.parse().unwrap());
    }
    (all, missed)
}

// spec: OVF-7
#[test]
fn a_batch_larger_than_the_stream_is_written_out_in_between() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let (broker, now) = (Broker::new(config(64 << 20)), Instant::now());
        let client = Client::reading(&broker, now);
        subscribe(&client, &broker, policy);
        assert_eq!(publish(&broker, &numbered(0..1000, 500), now), (1000, 0));
        assert_eq!(read(&client), ((0..1000).collect(), 0));
    }
}

// spec: OVF-7
#[test]
fn a_gap_that_is_to_be_told_keeps_only_the_next_message() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let (broker, now) = (Broker::new(config(64 << 20)), Instant::now());
        let client = Client::stalled(&broker, now);
        subscribe(&client, &broker, policy.clone());
        publish(&broker, &numbered(0..300, 500), now);
        client.read(usize::MAX, now);
        let (before, told) = read(&client);
        let newest = policy == Policy::DropNewest;
        assert!(before.len() < 300);
        assert_eq!(told == 0, newest, "what was dropped before others is told with these");
        assert_eq!(publish(&broker, &numbered(300..310, 5), now), (10, 0));
        let (all, told) = read(&client);
        assert_eq!(all[before.len()..], (300..310).collect::<Vec<_>>());
        assert_eq!(all.len() as u64 + told, 310, "told with the first");
    }
}
