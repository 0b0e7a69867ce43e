//! Subscribing, receiving and unsubscribing.

use std::sync::Arc;
use std::time::Instant;

use floodway::{EndReason, Limits, Overflow};
use floodway_broker::{
    Broker, BrokerConfig, Report, Sid, SubscribeRefused, Subscribed, SubscriptionSpec,
};

use crate::client::{Client, UNLIMITED, config, publish_as};

#[test]
fn what_was_published_before_an_answer_comes_before_it() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let [client, other] = [0; 2].map(|_| Client::stalled(&broker, now));
    client.subscribe(&broker, 1, "a.*");
    client.subscribe(&broker, 2, "a.b");
    other.subscribe(&broker, 1, ">");
    assert_eq!(publish_as(&broker, Some(&client), "a.b", &[b"m1", b"m2"], now), 6);
    assert!(client.session.answer(b"PONG\n", now));
    assert_eq!(publish_as(&broker, None, "a.c", &[b"m3"], now), 2);
    for byte_by_byte in 0..100 {
        client.read(1 + byte_by_byte % 2, now);
    }
    // Among subscriptions of one client any order will do.
    let mut lines = client.lines();
    lines[..4].sort_by_key(|line| line.starts_with('2'));
    assert_eq!(lines, ["1 m1", "1 m2", "2 m1", "2 m2", "PONG", "1 m3"]);
    assert!(other.lines().is_empty());
    other.read(usize::MAX, now);
    assert_eq!(other.lines(), ["1 m1", "1 m2", "1 m3"]);
}

#[test]
fn a_name_is_used_once_and_subscriptions_have_a_limit() {
    let config = BrokerConfig { max_subscriptions: Some(3), ..config(1 << 20) };
    let (broker, now) = (Broker::new(config), Instant::now());
    let client = Client::reading(&broker, now);
    let subscribe =
        |sid, filter| client.try_subscribe(&broker, sid, filter, SubscriptionSpec::default());
    assert_eq!(subscribe(1, "a"), Ok(Subscribed::New));
    assert_eq!(subscribe(1, "b"), Ok(Subscribed::Duplicate), "the first stays as it is");
    assert_eq!(publish_as(&broker, None, "b", &[b"x"], now), 0);
    assert_eq!((subscribe(2, "a"), subscribe(3, "a")), (Ok(Subscribed::New), Ok(Subscribed::New)));
    assert_eq!(subscribe(4, "a"), Err(SubscribeRefused::TooMany));
    broker.unsubscribe(&client.session, &Sid::Number(2), None);
    assert_eq!(subscribe(4, "c"), Ok(Subscribed::New));
    assert_eq!(publish_as(&broker, None, "a", &[b"x"], now), 2);
    client.session.end(EndReason::Kicked);
    assert_eq!(subscribe(5, "a"), Err(SubscribeRefused::Ended));
    broker.unsubscribe_all(&client.session);
    assert_eq!(broker.bus().subscription_count(), 0);
}

#[test]
fn a_subscription_leaves_the_index_with_its_last_message() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = Client::reading(&broker, now);
    client.subscribe(&broker, 1, "a");
    broker.unsubscribe(&client.session, &Sid::Number(1), Some(2));
    broker.unsubscribe(&client.session, &Sid::Number(17), None);
    assert_eq!(broker.bus().subscription_count(), 1);
    assert_eq!(publish_as(&broker, None, "a", &[b"1", b"2", b"3"], now), 2);
    assert_eq!(broker.bus().subscription_count(), 0);
    assert_eq!(client.lines(), ["1 1", "1 2"]);
}

#[test]
fn one_that_asked_to_be_told_ends_alone_and_another_takes_its_name() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = Client::stalled(&broker, now);
    let limits = Limits { messages: Some(1), ..UNLIMITED };
    let overflow = Some(Arc::new(Overflow::disconnect(limits)));
    let spec = SubscriptionSpec { overflow, report: Report::Status, ..Default::default() };
    assert_eq!(client.try_subscribe(&broker, 1, "a", spec.clone()), Ok(Subscribed::New));
    client.subscribe(&broker, 2, "a");
    assert_eq!(publish_as(&broker, None, "a", &[b"x", b"y"], now), 3);
    assert_eq!(broker.bus().subscription_count(), 1);
    assert_eq!(client.try_subscribe(&broker, 1, "a", spec), Ok(Subscribed::New));
    client.read(usize::MAX, now);
    assert_eq!(client.lines(), ["1 x", "1 ended: out_of_capacity", "2 x", "2 y"]);
    assert_eq!(client.session.end_reason(), None);
    assert_eq!(publish_as(&broker, None, "a", &[b"z"], now), 2);
    let snapshot = client.session.snapshot(now, true);
    assert_eq!((snapshot.matched, snapshot.out_messages, snapshot.losses.total()), (6, 5, 1));
}

#[test]
fn members_of_a_group_on_several_connections_share_the_work() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let members = [0; 3].map(|_| Client::reading(&broker, now));
    let spec = SubscriptionSpec { queue_group: Some((*b"g").into()), ..Default::default() };
    for member in &members {
        let made = member.try_subscribe(&broker, 1, "jobs", spec.clone());
        assert_eq!(made, Ok(Subscribed::New));
    }
    for _ in 0..60 {
        assert_eq!(publish_as(&broker, None, "jobs", &[b"x"], now), 1);
    }
    let shares = members.map(|member| member.lines().len());
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|&share| share > 5), "not spread: {shares:?}");
}
