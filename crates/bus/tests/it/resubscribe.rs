//! Whoever was ended may come back at once, and the tables know only those who are there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use floodway::{Bus, Filter, LossReason, RecvError, SubscribeOptions, Subscription};

fn subscribe(bus: &Bus, filter: &str, limit: u64) -> Subscription {
    let options = SubscribeOptions::default().max_messages(limit);
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

fn read_to_the_end(subscription: &Subscription) -> (u64, &'static str) {
    let mut count = 0;
    loop {
        match subscription.recv() {
            Ok(_) => count += 1,
            Err(RecvError::Ended(reason)) => return (count, reason.name()),
            Err(other) => panic!("{other}"),
        }
    }
}

// checklist: B3
#[test]
fn who_was_ended_comes_back_at_once_with_an_account_of_its_own() {
    let bus = Bus::default();
    let mut ended: Vec<Subscription> = Vec::new();
    for round in 0..1000 {
        let limit = 1 + round % 5;
        let subscription = subscribe(&bus, "s", limit);
        // Also while the one before is still there with what it had queued.
        assert_eq!((bus.subscription_count(), bus.consumer_count()), (1, ended.len() + 1));
        for n in 0..limit {
            assert_eq!(bus.publish("s", n.to_string()).unwrap().queued, 1);
        }
        let report = bus.publish("s", "too much").unwrap();
        assert_eq!((report.matched, report.queued), (1, 0));
        assert_eq!(bus.subscription_count(), 0);
        assert_eq!(bus.publish("s", "nobody is there").unwrap().matched, 0);
        let account = subscription.account();
        assert_eq!((account.matched(), account.queued()), (limit + 1, limit));
        ended.push(subscription);
        if ended.len() == 10 {
            for subscription in ended.drain(..) {
                let account = subscription.account();
                let queued = account.queued();
                assert_eq!(read_to_the_end(&subscription), (queued, "out_of_capacity"));
                let account = subscription.account();
                assert_eq!(account.losses().of(LossReason::OutOfCapacity), 1);
                assert!(account.is_conserved() && account.delivered() == queued);
            }
            assert_eq!((bus.consumer_count(), bus.budget().used()), (0, 0));
        }
    }
}

// checklist: B3 B5
#[test]
fn the_number_of_consumers_is_that_of_live_handles_at_all_times() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 500;
    let bus = Bus::default();
    let (made, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut published = 0;
            while !done.load(Ordering::Acquire) {
                bus.publish("s", "x").unwrap();
                published += 1;
                if published % 16 == 0 {
                    // Counted before they are made, and after they are gone.
                    let gone = dropped.load(Ordering::SeqCst);
                    let consumers = bus.consumer_count();
                    let begun = made.load(Ordering::SeqCst);
                    assert!(consumers <= begun - gone, "{consumers} of {begun} - {gone}");
                    thread::yield_now();
                }
            }
            published
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        made.fetch_add(1, Ordering::SeqCst);
                        let subscription = subscribe(&bus, "s", 4);
                        while subscription.end_reason().is_none() {
                            thread::yield_now();
                        }
                        assert_eq!(read_to_the_end(&subscription), (4, "out_of_capacity"));
                        let account = subscription.account();
                        assert_eq!((account.matched(), account.delivered()), (5, 4));
                        assert!(account.is_conserved());
                        drop(subscription);
                        dropped.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Release);
        assert!(publisher.join().unwrap() >= ROUNDS * 5);
    });
    assert_eq!((bus.subscription_count(), bus.consumer_count(), bus.budget().used()), (0, 0, 0));
}
