//! Memory and push-back across sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Instant;

use floodway::{
    Consumer, EndReason, Message, Origin, Pace, Pushback, PushbackMode, Router, Wakeups,
};
use floodway_broker::{Broker, SubscribeRefused, Subscribed, SubscriptionSpec};

use crate::client::{Client, config, publish_as};

#[test]
fn new_subscriptions_are_refused_from_80_percent_on() {
    let (broker, now) = (Broker::new(config(1_000_000)), Instant::now());
    let client = Client::reading(&broker, now);
    client.subscribe(&broker, 1, "a");
    let budget = broker.bus().budget();
    let mut charge = budget.charge(0);
    charge.set((800_000 - budget.used()) as usize);
    let spec = SubscriptionSpec::default();
    let refused = client.try_subscribe(&broker, 2, "a", spec.clone());
    assert_eq!(refused, Err(SubscribeRefused::MemoryPressure));
    assert_eq!(broker.bus().subscription_count(), 1);
    assert_eq!(publish_as(&broker, None, "a", &[b"x"], now), 1);
    // Its name is free: nothing is left of the attempt.
    charge.set(0);
    assert_eq!(client.try_subscribe(&broker, 2, "a", spec), Ok(Subscribed::New));
    assert_eq!(publish_as(&broker, None, "a", &[b"y"], now), 2);
    assert_eq!(client.lines(), ["1 x", "1 y", "2 y"]);
}

// checklist: E7
#[test]
fn the_connection_that_holds_most_is_the_victim_and_nobody_else() {
    const LIMIT: u64 = 4 << 20;
    let (broker, now) = (Broker::new(config(LIMIT)), Instant::now());
    let slow: Vec<_> = (0..200).map(|_| Client::stalled(&broker, now)).collect();
    slow.iter().for_each(|client| client.subscribe(&broker, 1, "slow"));
    let reading = Client::reading(&broker, now);
    reading.subscribe(&broker, 1, "hog");
    assert_eq!(publish_as(&broker, None, "slow", &[&[b'x'; 100]], now), 200);
    let hog = Client::stalled(&broker, now);
    hog.subscribe(&broker, 1, "hog");
    let payload = [b'y'; 1000];
    let mut published = 0;
    while hog.session.end_reason().is_none() {
        publish_as(&broker, None, "hog", &[&payload, &payload], now);
        published += 2;
        // A queue grows by whole blocks.
        assert!(broker.bus().budget().used() <= LIMIT + 64 * 1024 + 2048);
    }
    let reason = hog.session.end_reason().unwrap();
    assert!(matches!(reason, EndReason::MemoryPressure { budget: LIMIT, .. }), "{reason}");
    assert!(published > 2000, "ended too early, after {published}");
    assert!(broker.bus().budget().used() < LIMIT / 2, "its memory is not given back");
    for client in slow.iter().chain([&reading]) {
        assert_eq!(client.session.end_reason(), None);
    }
    assert_eq!(reading.lines().len(), published);
    slow.iter().for_each(|client| client.read(usize::MAX, now));
    assert!(slow.iter().all(|client| client.lines().len() == 1));
}

// checklist: E7
#[test]
fn a_batch_to_many_connections_that_read_ends_none_of_them() {
    const LIMIT: u64 = 4 << 20;
    let (broker, now) = (Broker::new(config(LIMIT)), Instant::now());
    let clients: Vec<_> = (0..300).map(|_| Client::reading(&broker, now)).collect();
    clients.iter().for_each(|client| client.subscribe(&broker, 1, "a"));
    // Together far more than the budget, before the batch ends and they are written out.
    let payload = [b'x'; 20_000];
    assert_eq!(publish_as(&broker, None, "a", &[&payload; 3].map(|one| &one[..]), now), 900);
    for client in &clients {
        assert_eq!(client.session.end_reason(), None);
        assert_eq!(client.lines().len(), 3);
    }
}

#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_publisher_waits_for_a_connection_until_it_has_fallen_to_half_its_mark() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = Client::stalled(&broker, now);
    client.subscribe(&broker, 1, "a");
    let (mut router, mut wakeups) = (Router::new(broker.bus().clone()), Wakeups::new());
    let mut pushback = Pushback::new(PushbackMode::Most);
    let origin = Origin { consumer: None, echo: true };
    // A hundred bytes each; the mark is at a thousand.
    let payload = [b'x'; 97];
    let mut publish = || {
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
        batch.push(Message::new(b"a", &payload));
        batch.commit();
        wakeups.wake_all(now);
        matches!(pushback.after_batch(None, now), Pace::Paused(_))
    };
    let paused: Vec<bool> = (0..11).map(|_| publish()).collect();
    assert_eq!(paused, [[false; 10].as_slice(), &[true]].concat());

    let Pace::Paused(over) = pushback.still_paused(None) else { panic!("not paused") };
    assert_eq!(over.len(), 1);
    let bell = Arc::new(Bell::default());
    over[0].on_below_mark(bell.clone().into());
    client.read(599, now);
    assert_eq!(bell.0.load(Ordering::Relaxed), 0);
    assert!(matches!(pushback.still_paused(None), Pace::Paused(_)));
    client.read(1, now);
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert!(matches!(pushback.still_paused(None), Pace::Free));

    // The end lets it go on as well.
    assert_eq!(publish_as(&broker, None, "a", &[&payload[..]; 10], now), 10);
    assert!(client.is_over_mark(false));
    client.on_below_mark(bell.clone().into());
    client.session.end(EndReason::Kicked);
    assert_eq!(bell.0.load(Ordering::Relaxed), 2);
    assert!(!client.is_over_mark(false));
}
