//! What is queued is freed when it leaves the queue, and one budget covers everything queued.

use std::sync::{Arc, Weak};
use std::thread;

use floodway::{
    Bus, BusConfig, EndReason, Filter, Limits, Pressure, SHARE_FROM_BYTES, SharedMessage,
    SubscribeError, SubscribeOptions, Subscription,
};

fn bus(memory_budget: u64) -> Bus {
    Bus::new(&BusConfig { memory_budget, ..BusConfig::default() })
}

/// Subscribes without limits.
fn subscribe(bus: &Bus, filter: &str) -> Subscription {
    let options = SubscribeOptions::default().limits(Limits::default());
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

/// What a message with a subject of one byte is charged.
fn charge(payload: usize) -> u64 {
    (1 + payload + size_of::<SharedMessage>()) as u64
}

// checklist: A13
#[test]
fn a_payload_is_held_once_and_freed_when_the_last_queue_lets_go() {
    let bus = bus(256 << 20);
    let subscriptions: Vec<_> = (0..100).map(|_| subscribe(&bus, "s")).collect();
    for size in [0, 1, SHARE_FROM_BYTES - 1, SHARE_FROM_BYTES, 100_000] {
        bus.publish("s", vec![7; size]).unwrap();
        assert_eq!(bus.budget().used(), charge(size), "one copy of {size}");
        let watch: Vec<Weak<SharedMessage>> = subscriptions
            .iter()
            .map(|subscription| {
                assert_eq!(bus.budget().used(), charge(size), "freed too early");
                Arc::downgrade(subscription.try_recv().unwrap().message())
            })
            .collect();
        // No queue keeps a reference to what it handed out.
        assert!(watch.iter().all(|message| message.strong_count() == 0));
        assert_eq!(bus.budget().used(), 0);
    }
}

// checklist: A13
#[test]
fn a_shared_payload_outlives_its_message_and_is_freed_once() {
    let bus = bus(256 << 20);
    let subscription = subscribe(&bus, "s");
    bus.publish("s", vec![7; SHARE_FROM_BYTES]).unwrap();
    let payload = subscription.recv().unwrap().payload().clone();
    assert_eq!(bus.budget().used(), SHARE_FROM_BYTES as u64);
    let part = payload.slice(10..20);
    drop(payload);
    assert_eq!(bus.budget().used(), SHARE_FROM_BYTES as u64);
    drop(part);
    assert_eq!(bus.budget().used(), 0);
}

// checklist: A13
#[test]
fn every_message_is_freed_once_however_queues_end() {
    const MESSAGES: u64 = 4000;
    let bus = bus(256 << 20);
    let filter = Filter::new("s").unwrap();
    let mut received = 0;
    for round in 0..8 {
        let options = SubscribeOptions::default().max_messages(MESSAGES / 4);
        let small = bus.subscribe(&filter, options).unwrap();
        let [read, dropped, unsubscribed] = [0; 3].map(|_| subscribe(&bus, "s"));
        thread::scope(|scope| {
            scope.spawn(|| {
                let size = if round % 2 == 0 { 100 } else { SHARE_FROM_BYTES };
                (0..MESSAGES).for_each(|_| _ = bus.publish("s", vec![1; size]).unwrap());
            });
            let reading = scope.spawn(|| {
                let mut count = 0;
                while count < MESSAGES {
                    count += read.recv().map_or(0, |_message| 1);
                    count += read.take_backlog().len() as u64;
                    if round % 3 == 0 && count > MESSAGES / 2 {
                        unsubscribed.unsubscribe();
                    }
                }
                count
            });
            drop(dropped);
            received += reading.join().unwrap();
        });
        drop((small, read, unsubscribed));
        assert_eq!(bus.budget().used(), 0, "round {round}");
    }
    assert_eq!(received, 8 * MESSAGES);
}

#[test]
fn new_subscriptions_are_refused_from_80_percent_on() {
    let bus = bus(1_000_000);
    let filter = Filter::new("s").unwrap();
    let first = subscribe(&bus, "s");
    let mut charge = bus.budget().charge(799_999);
    let second = bus.subscribe(&filter, SubscribeOptions::default()).unwrap();
    charge.set(800_000);
    assert_eq!(bus.budget().pressure(), Pressure::High);
    let refused = bus.subscribe(&filter, SubscribeOptions::default());
    assert_eq!(refused.unwrap_err(), SubscribeError::MemoryPressure);
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (2, 2), "nothing is left of it");
    // Those who are there already go on.
    assert_eq!(bus.publish("s", "x").unwrap().queued, 2);
    assert!(first.try_recv().is_ok() && second.try_recv().is_ok());
    charge.set(799_999);
    assert!(bus.subscribe(&filter, SubscribeOptions::default()).is_ok());
}

/// Ten thousand with a message each, and what they hold together.
fn innocents(bus: &Bus) -> Vec<Subscription> {
    let innocents: Vec<_> = (0..10_000)
        .map(|n| {
            let options = SubscribeOptions::default();
            bus.subscribe(&Filter::new(format!("c.{n}.>")).unwrap(), options).unwrap()
        })
        .collect();
    for n in 0..innocents.len() {
        assert_eq!(bus.publish(format!("c.{n}.x"), [0; 100]).unwrap().queued, 1);
    }
    innocents
}

fn all_fine(innocents: &[Subscription], queued: u64) {
    for innocent in innocents {
        assert_eq!(innocent.end_reason(), None);
        assert_eq!(innocent.account().queued(), queued);
    }
}

// checklist: E7
// spec: BND-2
#[test]
fn one_hog_among_ten_thousand_is_the_victim_and_nobody_else() {
    const LIMIT: u64 = 8 << 20;
    const PAYLOAD: usize = 1000;
    let bus = bus(LIMIT);
    let innocents = innocents(&bus);
    let held = bus.budget().used();
    assert!(held > LIMIT / 8 && held < LIMIT / 2, "{held}");
    for round in 0..3 {
        let hog = subscribe(&bus, "hog");
        let mut highest = 0;
        let mut published = 0;
        while hog.end_reason().is_none() {
            bus.publish("hog", [0; PAYLOAD]).unwrap();
            published += 1;
            highest = highest.max(bus.budget().used());
            assert!(highest <= LIMIT + charge(PAYLOAD), "{highest} of {LIMIT}");
        }
        assert!(highest > LIMIT - 2 * charge(PAYLOAD), "ended too early, at {highest}");
        let reason = hog.end_reason().unwrap();
        assert!(matches!(reason, EndReason::MemoryPressure { budget: LIMIT, .. }), "{reason}");
        let account = hog.account();
        assert!(account.is_conserved() && account.queued() == 0);
        assert_eq!(account.losses().total(), published - 1, "the last found nobody, {round}");
        assert_eq!(bus.budget().used(), held);
        all_fine(&innocents, 1);
    }
}

// checklist: E7
#[test]
fn a_message_to_all_ten_thousand_is_held_once_and_needs_no_victim() {
    const LIMIT: u64 = 8 << 20;
    let bus = bus(LIMIT);
    let innocents = innocents(&bus);
    let all: Vec<_> = (0..10_000).map(|_| subscribe(&bus, "all")).collect();
    // Ten thousand copies would need nearly all of the budget, or many times as much.
    for size in [600, 1000, 80_000] {
        let before = bus.budget().used();
        assert_eq!(bus.publish("all", vec![0; size]).unwrap().queued, 10_000);
        assert!(bus.budget().used() < before + size as u64 + 200);
    }
    all_fine(&innocents, 1);
    all_fine(&all, 3);
}

// checklist: E7
#[test]
fn many_small_messages_weigh_what_they_really_hold() {
    const LIMIT: u64 = 1 << 20;
    let bus = bus(LIMIT);
    let innocent = subscribe(&bus, "innocent");
    bus.publish("innocent", vec![0; LIMIT as usize / 4]).unwrap();
    let hog = subscribe(&bus, "hog");
    while hog.end_reason().is_none() && innocent.end_reason().is_none() {
        bus.publish("hog", "").unwrap();
        assert!(bus.budget().used() <= LIMIT);
    }
    assert_eq!(innocent.end_reason(), None, "the hog held fewer bytes of text, but more memory");
}

// checklist: E7
#[test]
fn threads_that_need_room_at_once_end_one_hog_not_several() {
    const LIMIT: u64 = 1 << 20;
    let bus = bus(LIMIT);
    let innocents: Vec<_> = (0..100).map(|_| subscribe(&bus, "innocent")).collect();
    bus.publish("innocent", [0; 100]).unwrap();
    for _ in 0..20 {
        let hog = subscribe(&bus, "hog");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while hog.end_reason().is_none() {
                        bus.publish("hog", [0; 1000]).unwrap();
                        assert!(bus.budget().used() <= LIMIT + 4 * charge(1000));
                    }
                });
            }
        });
        assert_eq!(hog.end_reason().unwrap().name(), "memory_pressure");
        all_fine(&innocents, 1);
    }
}

#[test]
fn what_can_never_fit_ends_nobody_before_it_is_queued() {
    const LIMIT: u64 = 100_000;
    let bus = bus(LIMIT);
    let innocent = subscribe(&bus, "innocent");
    bus.publish("innocent", "x").unwrap();
    let giant = subscribe(&bus, "giant");
    assert_eq!(bus.publish("giant", vec![0; 200_000]).unwrap().queued, 1);
    assert_eq!((giant.end_reason(), innocent.end_reason()), (None, None));
    // It is the largest, should anybody need room.
    assert_eq!(bus.publish("innocent", "x").unwrap().queued, 1);
    assert_eq!(giant.end_reason().unwrap().name(), "memory_pressure");
    assert_eq!(innocent.end_reason(), None);
}
