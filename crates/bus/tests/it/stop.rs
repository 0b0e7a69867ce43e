//! Stopping a bus: bounded, and nothing is lost in silence.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use floodway::{Bus, EndReason, Filter, Policy, RecvError, Refusal, SubscribeError};
use floodway::{SubscribeOptions, Subscription};

fn subscribe(bus: &Bus, filter: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

// checklist: B7
// checklist: B6
#[test]
fn stuck_readers_and_blocked_publishers_do_not_hold_it_up() {
    let bus = Bus::default();
    let stuck: Vec<_> = (0..100)
        .map(|_| subscribe(&bus, "all", SubscribeOptions::default().max_messages(1_000_000)))
        .collect();
    let block = Policy::Block { patience: None };
    let full = subscribe(&bus, "full", SubscribeOptions::default().policy(block).max_messages(1));
    for _ in 0..50 {
        bus.publish("all", "x").unwrap();
    }
    bus.publish("full", "x").unwrap();
    let (waits, all_wait) = mpsc::channel();
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..10)
            .map(|n| {
                let (bus, waits) = (&bus, waits.clone());
                scope.spawn(move || {
                    waits.send(()).unwrap();
                    bus.publish_wait("full", format!("kept {n}"), None)
                })
            })
            .collect();
        (0..10).for_each(|_| all_wait.recv().unwrap());
        while full.metrics().waiting_publishers < 10 {
            thread::yield_now();
        }
        let started = Instant::now();
        let report = bus.stop(Duration::from_millis(300));
        assert!(started.elapsed() < Duration::from_millis(1000), "{:?}", report.took);
        assert_eq!(report.unread.len(), 101);
        assert!(report.unread.iter().filter(|left| left.name == "all").all(|l| l.messages == 50));
        for (n, publisher) in publishers.into_iter().enumerate() {
            let error = publisher.join().unwrap().unwrap_err();
            assert_eq!(error.refusal, Refusal::Stopped);
            assert_eq!(error.payload, format!("kept {n}"), "handed back");
        }
    });
    for subscription in &stuck {
        assert_eq!(subscription.end_reason(), Some(EndReason::ServerStopped));
        assert!(subscription.account().is_conserved());
        // Still readable, then the reason, again and again.
        assert_eq!(subscription.take_backlog().len(), 50);
        let ended = Err(RecvError::Ended(EndReason::ServerStopped));
        assert_eq!(subscription.recv().map(|_| ()), ended);
        assert_eq!(subscription.recv().map(|_| ()), ended);
    }
    assert!(bus.stop(Duration::ZERO).unread.len() == 1, "all but the full one were read meanwhile");
}

// checklist: B6
#[test]
fn nothing_is_published_or_subscribed_afterwards() {
    let bus = Bus::default();
    let before = subscribe(&bus, "s", SubscribeOptions::default());
    let report = bus.stop(Duration::from_secs(10));
    assert!(report.is_clean() && report.took < Duration::from_secs(5), "{report:?}");
    let error = bus.publish("s", "late").unwrap_err();
    assert!(error.is_stopped() && error.payload == "late", "{error}");
    let error = bus.publish_wait("nobody", "late", None).unwrap_err();
    assert!(error.is_stopped());
    let again = bus.subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default());
    assert_eq!(again.unwrap_err(), SubscribeError::Stopped);
    assert_eq!(before.account().matched(), 0);
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 1));
    drop(before);
    assert_eq!(bus.consumer_count(), 0);
}

#[test]
fn it_waits_for_those_who_still_read() {
    let bus = Bus::default();
    let subscription = subscribe(&bus, "s", SubscribeOptions::default());
    for n in 0..1000 {
        bus.publish("s", format!("{n}")).unwrap();
    }
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut received = 0;
            while subscription.recv().is_ok() {
                received += 1;
            }
            received
        });
        let report = bus.stop(Duration::from_secs(60));
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(reader.join().unwrap(), 1000);
    });
}
