//! A bus of values: one value for all who receive it, and it is dropped once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use floodway::{
    Bus, BusConfig, Conflation, Envelope, Filter, Payload, Policy, PublishReport, RecvError,
    SubscribeOptions, Subscription,
};

/// Not `Clone`; counts how many of it are alive.
struct Quote {
    bid: u32,
    alive: Arc<AtomicUsize>,
}

impl Quote {
    fn new(bid: u32, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self { bid, alive: alive.clone() }
    }
}

impl Drop for Quote {
    fn drop(&mut self) {
        let before = self.alive.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "dropped twice");
    }
}

impl Payload for Quote {
    fn size(&self) -> usize {
        100
    }
}

fn subscribe(bus: &Bus<Quote>, filter: &str, options: SubscribeOptions) -> Subscription<Quote> {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

// checklist: A13 B12
#[test]
fn one_value_is_shared_by_all_and_dropped_after_the_last_of_them() {
    let (bus, alive) = (Bus::typed(&BusConfig::default()), Arc::default());
    let count = || AtomicUsize::load(&alive, Ordering::SeqCst);
    let all: Vec<_> =
        (0..50).map(|_| subscribe(&bus, "q.*", SubscribeOptions::default())).collect();
    let envelope = Envelope::to("q.ACME").header("venue", "XETRA").reply_to("r");
    let report = bus.publish(envelope, Quote::new(17, &alive)).unwrap();
    assert_eq!((report.queued, count()), (50, 1));
    assert!(bus.budget().used() >= 100);
    let first = all[0].recv().unwrap();
    for one in &all[1..] {
        let quote = one.recv().unwrap();
        assert!(std::ptr::eq(quote.payload(), first.payload()));
        assert_eq!((quote.payload().bid, quote.subject()), (17, &b"q.ACME"[..]));
        assert_eq!(
            (quote.tags().get("venue"), quote.reply()),
            (Some(&b"XETRA"[..]), Some(&b"r"[..]))
        );
        assert_eq!(count(), 1);
    }
    drop(first);
    assert_eq!((count(), bus.budget().used()), (0, 0));
    // What nobody wants is dropped at once.
    assert_eq!(bus.publish("nobody", Quote::new(1, &alive)).unwrap(), PublishReport::default());
    assert_eq!(count(), 0);
    assert!(bus.publish("", Quote::new(1, &alive)).is_err());
    assert_eq!(count(), 0);
}

// checklist: A13
#[test]
fn whatever_a_policy_does_with_a_value_it_is_dropped_once() {
    let policies = [
        Policy::Disconnect,
        Policy::DropNewest,
        Policy::DropOldest,
        Policy::Conflate(Conflation::default()),
        Policy::Block { patience: None },
    ];
    for policy in policies {
        let (bus, alive) = (Bus::typed(&BusConfig::default()), Arc::default());
        let count = || AtomicUsize::load(&alive, Ordering::SeqCst);
        let options = SubscribeOptions::default().policy(policy.clone()).max_messages(3);
        let queue = subscribe(&bus, "q", options);
        for bid in 0..10 {
            _ = bus.publish("q", Quote::new(bid, &alive));
            assert_eq!(count() as u64, queue.account().queued(), "{policy:?}");
        }
        let bids: Vec<_> = queue.take_backlog().iter().map(|quote| quote.payload().bid).collect();
        let expected: &[u32] = match policy {
            Policy::DropOldest => &[7, 8, 9],
            Policy::Conflate(_) => &[9],
            _ => &[0, 1, 2],
        };
        assert_eq!((&bids[..], count()), (expected, 0));
        // And with some left in the queue.
        _ = bus.publish("q", Quote::new(11, &alive));
        let bytes = queue.account().queued_bytes();
        assert!(bytes == 0 || bytes == 101, "its size and that of the subject, not {bytes}");
        drop(queue);
        assert_eq!((count(), bus.budget().used()), (0, 0));
        assert!(queue_is_conserved(&bus));
    }
}

fn queue_is_conserved(bus: &Bus<Quote>) -> bool {
    let totals = bus.metrics().totals;
    let sum = totals.delivered + totals.losses.total() + totals.conflated + totals.expired;
    totals.matched == sum + totals.queued
}

// checklist: A13
#[test]
fn under_many_threads_every_value_is_dropped() {
    const VALUES: u32 = 5000;
    let (bus, alive) = (Bus::typed(&BusConfig::default()), Arc::default());
    let block = SubscribeOptions::default().policy(Policy::Block { patience: None });
    let waiting = subscribe(&bus, ">", block.max_messages(4));
    let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(4);
    let losing = subscribe(&bus, ">", newest);
    let ended = subscribe(&bus, ">", SubscribeOptions::default().max_messages(4));
    let sum: u64 = thread::scope(|scope| {
        for subject in ["a", "b"] {
            let (bus, alive) = (&bus, &alive);
            scope.spawn(move || {
                for bid in 0..VALUES {
                    bus.publish_wait(subject, Quote::new(bid, alive), None).unwrap();
                }
            });
        }
        let reader = scope.spawn(|| {
            (0..2 * VALUES).map(|_| u64::from(waiting.recv().unwrap().payload().bid)).sum()
        });
        while !reader.is_finished() {
            losing.take_backlog();
            thread::yield_now();
        }
        reader.join().unwrap()
    });
    assert_eq!(sum, u64::from(VALUES) * u64::from(VALUES - 1));
    drop((waiting, losing));
    assert_eq!(AtomicUsize::load(&alive, Ordering::SeqCst) as u64, ended.account().queued());
    assert_eq!(ended.take_backlog().len(), 4);
    assert!(matches!(ended.try_recv(), Err(RecvError::Ended(_))));
    assert_eq!((AtomicUsize::load(&alive, Ordering::SeqCst), bus.budget().used()), (0, 0));
}

#[test]
fn numbers_texts_and_what_is_not_ones_own_can_be_carried() {
    let bus = Bus::<f64>::typed(&BusConfig::default());
    let prices = bus.subscribe(&Filter::new("p").unwrap(), SubscribeOptions::default()).unwrap();
    bus.publish("p", 17.05).unwrap();
    assert_eq!(*prices.recv().unwrap().payload(), 17.05);
    let bus = Bus::<Arc<dyn Fn() -> u32 + Send + Sync>>::typed(&BusConfig::default());
    let calls = bus.subscribe(&Filter::new("c").unwrap(), SubscribeOptions::default()).unwrap();
    bus.publish("c", Arc::new(|| 42_u32) as Arc<dyn Fn() -> u32 + Send + Sync>).unwrap();
    assert_eq!(calls.recv().unwrap().payload()(), 42);
}
