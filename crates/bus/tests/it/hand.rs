//! What a reader has taken out of its queue in advance is queued, and nobody can tell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Admission, Admit, Bus, Custom, Filter, Limits, LossReason, Offer, Overflow, Policy, RecvError,
    SubscribeOptions, Subscription,
};

use crate::paused::{Paused, Sent};
use crate::task::Task;

fn subscribe(bus: &Bus<u64>, policy: Policy, max_messages: u64) -> Subscription<u64> {
    let options = SubscribeOptions::default().policy(policy).max_messages(max_messages);
    bus.subscribe(&Filter::new("a").unwrap(), options).unwrap()
}

fn publish(bus: &Bus<u64>, numbers: std::ops::RangeInclusive<u64>) {
    numbers.for_each(|number| _ = bus.publish("a", number).unwrap());
}

/// The number, and how many were missed before it.
fn receive(subscription: &Subscription<u64>) -> (u64, u64) {
    let delivery = subscription.try_recv().unwrap();
    (*delivery.payload(), delivery.missed().map_or(0, floodway::Missed::total))
}

// checklist: B3
#[test]
fn it_counts_against_the_limit() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 16);
    publish(&bus, 1..=10);
    for number in 1..=4 {
        assert_eq!(receive(&subscription), (number, 0));
    }
    // Six are left, and there is room for ten.
    publish(&bus, 11..=20);
    assert_eq!(subscription.end_reason(), None);
    bus.publish("a", 21).unwrap();
    assert_eq!(subscription.end_reason().unwrap().name(), "out_of_capacity");
    let rest: Vec<_> = std::iter::from_fn(|| subscription.try_recv().ok()).collect();
    assert!(rest.iter().map(|delivery| *delivery.payload()).eq(5..=20));
    let account = subscription.account();
    assert_eq!((account.delivered(), account.losses().of(LossReason::OutOfCapacity)), (20, 1));
}

#[test]
fn what_is_dropped_is_dropped_from_it_first() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::DropOldest, 16);
    publish(&bus, 1..=10);
    assert_eq!(receive(&subscription), (1, 0));
    publish(&bus, 11..=20);
    // 2 to 4 had to go.
    assert_eq!(receive(&subscription), (5, 3));
    assert_eq!(receive(&subscription), (6, 0));
    assert_eq!(subscription.account().losses().of(LossReason::DroppedOldest), 3);
}

#[test]
fn what_is_refused_is_missed_behind_it() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::DropNewest, 16);
    publish(&bus, 1..=10);
    assert_eq!(receive(&subscription), (1, 0));
    publish(&bus, 11..=20);
    for number in 2..=17 {
        assert_eq!(receive(&subscription), (number, 0));
    }
    let Err(RecvError::Missed(missed)) = subscription.try_recv() else { panic!("not told") };
    assert_eq!((missed.total(), missed.first(), missed.last()), (3, 18, 20));
}

#[test]
fn it_is_in_the_metrics() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::DropOldest, 16);
    publish(&bus, 1..=8);
    for number in 1..=7 {
        assert_eq!(receive(&subscription), (number, 0));
    }
    publish(&bus, 9..=14);
    let metrics = subscription.metrics();
    assert_eq!((metrics.account.queued(), metrics.account.delivered()), (7, 7));
    assert_eq!((metrics.high_water, metrics.is_over_mark), (8, false));
    publish(&bus, 15..=16);
    assert_eq!(receive(&subscription), (8, 0));
    publish(&bus, 17..=17);
    let metrics = subscription.metrics();
    assert_eq!((metrics.high_water, metrics.is_over_mark), (9, true));
    assert_eq!(bus.metrics().totals.queued, 9);
}

#[test]
fn nobody_is_behind_of_what_came_later() {
    let mut clock = Paused::new(1 << 20);
    let limits = Limits { behind: Some(Duration::from_millis(50)), ..Limits::NONE };
    let subscription = clock.subscribe("a", Policy::Disconnect, limits);
    let sent = [Sent::new("a", None, None, 0)];
    clock.publish(&[sent.clone(), sent.clone()].concat());
    let mut at = |ms| {
        clock.ms = ms;
        (clock.now(), clock.publish(&sent))
    };
    let start = at(0).0;
    let after = |ms| start + Duration::from_millis(ms);
    // Of three: one, then the other two out of the hand, and then it works on the last.
    (0..3).for_each(|ms| assert!(subscription.try_recv_at(after(10 + ms)).is_ok()));
    at(55);
    at(90);
    assert_eq!(subscription.end_reason(), None, "behind for 35 ms");
    at(106);
    assert_eq!(subscription.end_reason().unwrap().name(), "too_far_behind");
}

#[test]
fn who_receives_from_it_is_not_behind() {
    let mut clock = Paused::new(1 << 20);
    let limits = Limits { behind: Some(Duration::from_millis(50)), ..Limits::NONE };
    let subscription = clock.subscribe("a", Policy::Disconnect, limits);
    let sent = Sent::new("a", None, None, 0);
    clock.publish(&vec![sent.clone(); 10]);
    for ms in [0, 40, 80, 120] {
        clock.ms = ms;
        assert!(subscription.try_recv_at(clock.now()).is_ok());
        clock.ms += 5;
        clock.sweep();
        clock.ms += 25;
        clock.publish(std::slice::from_ref(&sent));
    }
    assert_eq!(subscription.end_reason(), None);
    clock.ms += 20;
    clock.sweep();
    assert_eq!(subscription.end_reason().unwrap().name(), "too_far_behind");
}

#[test]
fn one_reader_finds_what_another_has_taken_into_it() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 16);
    let mut first = Task::waiting(subscription.recv_async());
    publish(&bus, 1..=3);
    assert_eq!(receive(&subscription), (1, 0));
    assert!(first.is_woken());
    assert_eq!(*first.poll().unwrap().unwrap().payload(), 2);
    assert_eq!(subscription.recv_many(8, &mut Vec::new()), Ok(1));
    let mut second = Task::waiting(subscription.recv_async());
    assert!(second.poll().is_none());
}

/// As above, whatever comes between: a message that nobody is woken for stays there for ever.
// checklist: A12
#[test]
fn readers_that_share_it_leave_nothing_behind() {
    const ROUNDS: u64 = 3_000;
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 1 << 16);
    let received = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while subscription.recv().is_ok() {
                    received.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 0..ROUNDS {
            publish(&bus, 1..=3);
            let deadline = Instant::now() + Duration::from_secs(60);
            while received.load(Ordering::SeqCst) < 3 * (round + 1) {
                assert!(Instant::now() < deadline, "{received:?} in round {round}");
                thread::yield_now();
            }
        }
        subscription.unsubscribe();
    });
    assert_eq!(subscription.account().delivered(), 3 * ROUNDS);
}

#[test]
fn a_change_of_policy_has_a_say_in_it() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 16);
    publish(&bus, 1..=10);
    assert_eq!(receive(&subscription), (1, 0));
    let limits = Limits { messages: Some(4), ..Limits::NONE };
    subscription.set_overflow(Overflow::new(Policy::DropOldest, limits));
    publish(&bus, 11..=11);
    assert_eq!(receive(&subscription), (8, 6));
    subscription.set_overflow(Overflow::new(Policy::Block { patience: None }, limits));
    publish(&bus, 12..=12);
    assert!(bus.publish("a", 13).is_err(), "four are queued");
    assert_eq!(receive(&subscription), (9, 0));
    publish(&bus, 13..=13);
}

#[test]
fn it_is_lost_with_the_handle() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 16);
    publish(&bus, 1..=10);
    assert_eq!(receive(&subscription), (1, 0));
    drop(subscription);
    let totals = bus.metrics().totals;
    assert_eq!((totals.delivered, totals.losses.of(LossReason::Unsubscribed)), (1, 9));
    assert_eq!(bus.budget().used(), 0);
}

/// At whatever moment the last is received from it.
// checklist: B7
#[test]
fn a_stop_hears_when_it_is_empty() {
    const WITHIN: Duration = Duration::from_secs(5);
    for _ in 0..200 {
        let bus = Bus::<u64>::typed(&Default::default());
        let subscription = subscribe(&bus, Policy::Disconnect, 16);
        publish(&bus, 1..=10);
        assert_eq!(receive(&subscription), (1, 0));
        thread::scope(|scope| {
            let stopping = scope.spawn(|| bus.stop(WITHIN));
            while subscription.end_reason().is_none() {
                thread::yield_now();
            }
            (2..=10).for_each(|number| assert_eq!(receive(&subscription), (number, 0)));
            let report = stopping.join().unwrap();
            assert!(report.is_clean() && report.took < WITHIN, "{report:?}");
        });
    }
}

#[test]
fn what_was_received_from_it_puts_nobody_over_the_mark() {
    let bus = Bus::<u64>::typed(&Default::default());
    let mailbox = subscribe(&bus, Policy::Disconnect, 16);
    let options = SubscribeOptions::default().max_messages(4);
    let throttle = Policy::Throttle { max_delay: Duration::from_nanos(100) };
    let next = bus.subscribe(&Filter::new("next").unwrap(), options.policy(throttle)).unwrap();
    let stage = bus.publisher("stage").reads(&mailbox);
    (0..3).for_each(|number| _ = bus.publish("next", number).unwrap());
    publish(&bus, 1..=8);
    (1..=7).for_each(|number| assert_eq!(receive(&mailbox), (number, 0)));
    publish(&bus, 9..=15);
    // Eight are queued, which is the mark; of those lent six are not.
    assert!(stage.publish("next", 3).unwrap().delay > Duration::ZERO);
    assert_eq!(next.try_recv().unwrap().payload(), &0);
    publish(&bus, 16..=16);
    assert_eq!(stage.publish("next", 4).unwrap().delay, Duration::ZERO);
}

#[test]
fn a_reader_that_keeps_up_comes_back_once_before_it_sleeps() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Disconnect, 16);
    publish(&bus, 1..=1);
    assert_eq!(receive(&subscription), (1, 0));
    let mut reader = Task::waiting(subscription.recv_async());
    assert!(reader.is_woken(), "it has yielded");
    assert!(reader.poll().is_none());
    assert!(!reader.is_woken(), "it sleeps");
    publish(&bus, 2..=3);
    assert!(reader.is_woken());
    assert_eq!(*reader.poll().unwrap().unwrap().payload(), 2);
    assert_eq!(receive(&subscription), (3, 0));
    // That one was not alone.
    let reader = Task::waiting(subscription.recv_async());
    assert!(!reader.is_woken());
}

/// Takes three, and no more.
struct Three;

impl Admission for Three {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        if offer.depth.messages < 3 { Admit::Accept } else { Admit::Refuse }
    }
}

#[test]
fn a_policy_of_ones_own_is_told_of_it() {
    let bus = Bus::<u64>::typed(&Default::default());
    let subscription = subscribe(&bus, Policy::Custom(Custom::new(Three)), 16);
    publish(&bus, 1..=3);
    assert_eq!(receive(&subscription), (1, 0));
    publish(&bus, 4..=6);
    let account = subscription.account();
    assert_eq!((account.queued(), account.losses().total()), (3, 2));
}

#[test]
fn who_stops_receiving_from_it_is_behind() {
    let mut clock = Paused::new(1 << 20);
    let limits = Limits { behind: Some(Duration::from_millis(50)), ..Limits::NONE };
    let subscription = clock.subscribe("a", Policy::Disconnect, limits);
    clock.publish(&vec![Sent::new("a", None, None, 0); 10]);
    for ms in [0, 20] {
        clock.ms = ms;
        assert!(subscription.try_recv_at(clock.now()).is_ok());
    }
    clock.ms = 69;
    clock.sweep();
    assert_eq!(subscription.end_reason(), None);
    clock.ms = 70;
    clock.sweep();
    assert_eq!(subscription.end_reason().unwrap().name(), "too_far_behind");
}
