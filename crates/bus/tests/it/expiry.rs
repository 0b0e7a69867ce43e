//! Messages that are too old are skipped and counted, at once and without holding anybody up.

use std::time::{Duration, Instant};

use floodway::{Limits, Missed, Policy, RecvError, SharedMessage};

use crate::paused::Paused;

const TTL_MS: u64 = 1000;

fn limits() -> Limits {
    Limits { ttl: Some(Duration::from_millis(TTL_MS)), ..Limits::NONE }
}

fn policies() -> [Policy; 4] {
    let conflate = Policy::from_name("conflate").unwrap();
    [Policy::Disconnect, Policy::DropNewest, Policy::DropOldest, conflate]
}

// checklist: E5
// spec: OVF-6
#[test]
fn the_last_millisecond_that_is_delivered_and_the_first_that_is_not() {
    for policy in policies() {
        for (late, delivered) in [(0, true), (1, false), (100_000, false)] {
            let mut clock = Paused::new(1 << 20);
            let subscription = clock.subscribe("s", policy.clone(), limits());
            clock.publish_run("s", "x", 1);
            clock.ms += TTL_MS + late;
            let next = subscription.try_recv_at(clock.now());
            let account = subscription.account();
            assert!(account.is_conserved() && account.queued() == 0);
            assert_eq!(
                (account.delivered(), account.expired()),
                (delivered.into(), (!delivered).into())
            );
            if !delivered {
                let missed = Missed::expired(1, 1, 1);
                assert_eq!(next.unwrap_err(), RecvError::Missed(Box::new(missed)));
                assert_eq!(clock.bus.budget().used(), 0, "freed with it");
            }
        }
    }
}

// checklist: E5
#[test]
fn expiry_is_found_by_whoever_comes_first() {
    for policy in policies() {
        for by in ["reader", "publisher", "sweep"] {
            let mut clock = Paused::new(1 << 20);
            let subscription = clock.subscribe("*", policy.clone(), limits());
            for subject in ["a", "b", "c"] {
                clock.publish_run(subject, "x", 1);
            }
            clock.ms += TTL_MS + 1;
            match by {
                "reader" => assert!(subscription.take_backlog_at(clock.now()).is_empty()),
                "publisher" => clock.publish_run("d", "x", 1),
                _ => clock.sweep(),
            }
            assert_eq!(subscription.account().expired(), 3, "{by}");
            assert_eq!(subscription.account().queued(), u64::from(by == "publisher"));
        }
    }
}

// checklist: E5
#[test]
fn nobody_is_behind_of_what_has_expired() {
    for policy in policies() {
        let mut clock = Paused::new(1 << 20);
        let behind = Some(Duration::from_millis(3 * TTL_MS));
        let subscription = clock.subscribe("s", policy, Limits { behind, ..limits() });
        // It takes nothing for a long time; but each message goes before the next one comes.
        for _ in 0..10 {
            clock.publish_run("s", "x", 1);
            clock.ms += TTL_MS + 1;
        }
        clock.sweep();
        assert_eq!(subscription.end_reason(), None);
        assert_eq!(subscription.account().expired(), 10);
        // Then there is always something to take.
        for _ in 0..4 {
            clock.publish_run("s", "x", 1);
            clock.ms += TTL_MS;
        }
        clock.sweep();
        assert_eq!(subscription.end_reason().unwrap().name(), "too_far_behind");
    }
}

// checklist: E5 A13
#[test]
fn a_million_expired_messages_delay_a_fresh_one_by_no_more_than_a_batch() {
    const COUNT: usize = 1_000_000;
    let mut clock = Paused::new(1 << 30);
    let subscription = clock.subscribe("s", Policy::DropOldest, limits());
    for _ in 0..COUNT / 1000 {
        clock.publish_run("s", "x", 1000);
    }
    let each = (2 + size_of::<SharedMessage>()) as u64;
    let held = || clock_held(&clock, each);
    assert_eq!((held(), subscription.account().queued()), (COUNT as u64, COUNT as u64));
    clock.ms += TTL_MS + 1;
    let started = Instant::now();
    clock.publish_run("s", "y", 1);
    let delivery = subscription.try_recv_at(clock.now()).unwrap();
    let took = started.elapsed();
    assert_eq!((&delivery.payload()[..], delivery.seq()), (&b"y"[..], COUNT as u64 + 1));
    let missed = delivery.missed().unwrap();
    assert_eq!((missed.expired_count(), missed.first()), (COUNT as u64, 1));
    assert_eq!(subscription.account().expired(), COUNT as u64);
    // What the two calls did: freeing all of them takes a hundred times longer.
    let freed = COUNT as u64 + 1 - clock_held(&clock, each);
    assert!(freed <= 500, "{freed} freed by a few calls");
    assert!(took < Duration::from_millis(100), "{took:?}");
    drop(delivery);
    // They count against the budget until they are freed, some with each sweep.
    let mut sweeps = 0;
    while clock.bus.budget().used() > 0 {
        clock.sweep();
        sweeps += 1;
        assert!(sweeps < 100);
    }
}

/// How many messages of a size are held anywhere.
fn clock_held(clock: &Paused, each: u64) -> u64 {
    clock.bus.budget().used() / each
}

// checklist: E5 E7
#[test]
fn memory_of_expired_messages_is_given_back_before_anybody_loses_something() {
    for policy in policies() {
        let mut clock = Paused::new(4 << 20);
        let expired = clock.subscribe("old.*", policy, limits());
        let innocent = clock.subscribe("new", Policy::Disconnect, Limits::NONE);
        for n in 0..2000 {
            clock.publish_run(&format!("old.{n}"), &"x".repeat(1000), 1);
        }
        clock.publish_run("new", &"x".repeat(1000), 500);
        clock.ms += TTL_MS + 1;
        // It has nothing queued any more, and still most of the memory.
        assert!(expired.try_recv_at(clock.now()).is_err());
        assert_eq!(expired.account().queued(), 0);
        clock.publish_run("new", &"x".repeat(1000), 2000);
        assert_eq!((innocent.end_reason(), expired.end_reason()), (None, None));
        assert_eq!(innocent.account().queued(), 2500);
        assert!(clock.bus.budget().used() <= clock.bus.budget().limit());
    }
}
