//! A subscription that ends always has a reason, and what was queued before is read first.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, EndReason, Filter, LossReason, Message, Origin, Pushback, PushbackMode, RecvError, Router,
    SubscribeOptions, Subscription, Wakeups,
};

fn subscribe(bus: &Bus, capacity: u64) -> Subscription {
    let options = SubscribeOptions::default().max_messages(capacity);
    bus.subscribe(&Filter::new("s").unwrap(), options).unwrap()
}

/// The reason, from both places where it can be read.
fn reason(subscription: &Subscription) -> EndReason {
    let reason = subscription.end_reason().unwrap();
    assert_eq!(subscription.try_recv().unwrap_err(), RecvError::Ended(reason.clone()));
    reason
}

/// Receives what is left; returns the reason, if there is one.
fn read_to_the_end(subscription: &Subscription) -> Option<EndReason> {
    loop {
        match subscription.try_recv() {
            Ok(_message) => {}
            // What was queued when it ended may have been given up since.
            Err(RecvError::Missed(_)) => {}
            Err(RecvError::Ended(reason)) => return Some(reason),
            Err(RecvError::Empty) => return None,
        }
    }
}

/// Ends everything that has something queued, as a process short of memory does.
fn evict_all(bus: &Bus) {
    bus.make_room(bus.budget().limit());
}

// checklist: B1
// spec: END-1
#[test]
fn the_first_reason_wins_and_stays() {
    let unsubscribe: fn(&Bus, &Subscription) = |_, subscription| subscription.unsubscribe();
    let overflow: fn(&Bus, &Subscription) = |bus, _| {
        bus.publish("s", "1").unwrap();
        bus.publish("s", "2").unwrap();
    };
    let evict: fn(&Bus, &Subscription) = |bus, _| evict_all(bus);
    let stall: fn(&Bus, &Subscription) =
        |bus, _| bus.sweep(Instant::now() + Duration::from_secs(31));
    let ways = [
        ("unsubscribed", unsubscribe),
        ("out_of_capacity", overflow),
        ("memory_pressure", evict),
        ("too_far_behind", stall),
    ];
    for (first_name, first) in ways {
        for (_, second) in ways {
            let bus = Bus::default();
            let subscription = subscribe(&bus, 1);
            bus.publish("s", "0").unwrap();
            first(&bus, &subscription);
            let reason = subscription.end_reason().unwrap();
            assert_eq!(reason.name(), first_name);
            second(&bus, &subscription);
            assert_eq!(subscription.end_reason(), Some(reason));
            assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 1));
        }
    }
}

// checklist: B1 A8
// spec: CON-2, END-1
#[test]
fn what_is_given_up_after_the_end_is_told_before_the_reason() {
    let bus = Bus::default();
    let subscription = subscribe(&bus, 3);
    (0..3).for_each(|_| _ = bus.publish("s", "x").unwrap());
    assert_eq!(subscription.recv().unwrap().seq(), 1);
    subscription.unsubscribe();
    evict_all(&bus);
    let Err(RecvError::Missed(missed)) = subscription.try_recv() else { panic!("in silence") };
    assert_eq!((missed.total(), missed.first(), missed.last()), (2, 2, 3));
    assert_eq!(missed.losses().of(LossReason::MemoryPressure), 2);
    assert_eq!(subscription.try_recv().unwrap_err(), RecvError::Ended(EndReason::Unsubscribed));
    assert!(subscription.account().is_conserved());
}

/// One thread publishes into a full queue, one unsubscribes, one evicts, all at once. Returns the
/// reasons this one has seen, in order: a panic here would leave the others waiting.
fn race(
    bus: &Bus,
    subscription: &Subscription,
    start: &Barrier,
    who: usize,
) -> [Option<EndReason>; 3] {
    start.wait();
    match who {
        0 => {
            bus.publish("s", "1").unwrap();
            bus.publish("s", "2").unwrap();
        }
        1 => subscription.unsubscribe(),
        _ => evict_all(bus),
    }
    let seen = subscription.end_reason();
    start.wait();
    let read = read_to_the_end(subscription);
    start.wait();
    [seen, read, subscription.end_reason()]
}

// checklist: B1
#[test]
fn racing_ends_leave_one_reason_that_never_changes() {
    const ROUNDS: usize = 2000;
    let bus = Bus::default();
    let start = Barrier::new(3);
    let next = Mutex::new(None);
    let seen = thread::scope(|scope| {
        let threads = [0, 1, 2].map(|who| {
            let (bus, start, next) = (&bus, &start, &next);
            scope.spawn(move || {
                let mut seen = Vec::new();
                for round in 0..ROUNDS {
                    // In turn, for whoever makes it is the first to race.
                    if who == round % 3 {
                        let subscription = Arc::new(subscribe(bus, 1));
                        bus.publish("s", "0").unwrap();
                        *next.lock().unwrap() = Some(subscription);
                    }
                    start.wait();
                    let subscription = next.lock().unwrap().clone().unwrap();
                    seen.push(race(bus, &subscription, start, who));
                }
                seen
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for round in 0..ROUNDS {
        let [publisher, owner, evictor] = [0, 1, 2].map(|who| &seen[who][round]);
        // Only who unsubscribes cannot be too early, or find nothing to evict.
        let first = owner[0].as_ref().expect("a reason after unsubscribe");
        for seen in [publisher, owner, evictor] {
            let later = [seen[0].as_ref().unwrap_or(first), seen[1].as_ref().unwrap()];
            assert_eq!(later, [first; 2], "the reason has changed, round {round}");
            assert_eq!(seen[2].as_ref(), Some(first), "the reason has changed, round {round}");
        }
    }
    drop(next);
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 0));
    assert_eq!(bus.budget().used(), 0);
}

/// Both begin at once: neither sleeps, nor lets go of its CPU where the other is about to come, for
/// what they race for takes less than a microsecond.
fn meet(arrived: &AtomicUsize, at: usize) {
    arrived.fetch_add(1, Ordering::AcqRel);
    let mut looked = 0;
    while arrived.load(Ordering::Acquire) < 2 * at {
        looked += 1;
        if looked % 100 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
    }
}

// checklist: B1
#[test]
fn a_million_evictions_race_an_unsubscribe_and_no_reason_changes() {
    const ROUNDS: usize = 62_500;
    /// At once: few, so that the two are about the same one most of the time.
    const RACING: usize = 16;
    let bus = Bus::default();
    let (next, arrived) = (Mutex::new(Arc::new(Vec::new())), AtomicUsize::new(0));
    let reasons = |all: &[Subscription]| all.iter().map(Subscription::end_reason).collect();
    // The first that it sees, when it is through, and how many are others when both are; a panic
    // here would leave the other waiting.
    let compare = |all: &[Subscription], round: usize| -> (Vec<Option<EndReason>>, usize) {
        let seen: Vec<_> = reasons(all);
        meet(&arrived, 3 * round + 2);
        let later: Vec<_> = reasons(all);
        let is_same = |(seen, later): (&Option<EndReason>, _)| seen.is_some() && *seen == later;
        let others = seen.iter().zip(later).filter(|pair| !is_same(pair.clone())).count();
        (seen, others)
    };
    let (evicted, told, changed) = thread::scope(|scope| {
        let evicting = scope.spawn(|| {
            let (mut evicted, mut told, mut changed) = (0, 0, 0);
            for round in 0..ROUNDS {
                let all: Vec<_> = (0..RACING).map(|_| subscribe(&bus, 1)).collect();
                let all = Arc::new(all);
                // There is no room for another one, and the way to all of them is known.
                let filled = bus.publish("s", "x").map_or(0, |report| report.queued);
                changed += RACING - filled as usize;
                *next.lock().unwrap() = all.clone();
                meet(&arrived, 3 * round + 1);
                told += bus.publish("s", "x").map_or(0, |report| report.lost());
                let (seen, others) = compare(&all, round);
                changed += others;
                let is_by_it = |reason: &EndReason| reason.is_slow_consumer();
                evicted += seen.iter().flatten().filter(|reason| is_by_it(reason)).count();
                meet(&arrived, 3 * round + 3);
            }
            (evicted, told, changed)
        });
        let mut others_changed = 0;
        for round in 0..ROUNDS {
            meet(&arrived, 3 * round + 1);
            let all = next.lock().unwrap().clone();
            // The publisher begins with the first, and is fast: it is met everywhere in turn.
            (0..RACING).for_each(|n| all[(n + round) % RACING].unsubscribe());
            others_changed += compare(&all, round).1;
            meet(&arrived, 3 * round + 3);
        }
        let (evicted, told, changed) = evicting.join().unwrap();
        (evicted, told, changed + others_changed)
    });
    assert_eq!(changed, 0, "reasons that have changed or are missing");
    assert_eq!(told, evicted as u64, "the publisher is told of those it was first to end");
    assert!(0 < evicted && evicted < ROUNDS * RACING, "{evicted}: they did not race");
    next.into_inner().unwrap();
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 0));
}

// checklist: B2
// spec: END-2
#[test]
fn what_was_queued_is_read_first_then_the_reason() {
    for run in 0..10_000_u32 {
        let bus = Bus::default();
        let queued = run % 8;
        let subscription = subscribe(&bus, queued.into());
        (0..queued).for_each(|n| assert_eq!(bus.publish("s", [n as u8]).unwrap().queued, 1));
        let expected = if run % 2 == 0 {
            subscription.unsubscribe();
            "unsubscribed"
        } else {
            assert_eq!(bus.publish("s", "one too many").unwrap().queued, 0);
            "out_of_capacity"
        };
        assert_eq!(bus.publish("s", "too late").unwrap().queued, 0);
        if run % 3 == 0 {
            assert_eq!(subscription.take_backlog().len(), queued as usize);
        } else {
            for n in 0..queued {
                assert_eq!(subscription.recv().unwrap().payload()[..], [n as u8], "run {run}");
            }
        }
        assert_eq!(reason(&subscription).name(), expected);
        assert!(matches!(subscription.recv(), Err(RecvError::Ended(_))), "and so for ever");
        let account = subscription.account();
        assert_eq!(
            (account.delivered(), account.losses().total()),
            (queued.into(), run as u64 % 2)
        );
        assert!(account.is_conserved());
    }
}

// checklist: B2
#[test]
fn nothing_is_queued_after_the_end_by_a_route_that_was_looked_up_before() {
    let bus = Bus::default();
    let [ended, other] = [subscribe(&bus, 10), subscribe(&bus, 10)];
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::Most), Wakeups::new());
    let now = Instant::now();
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
    assert_eq!(batch.push(Message::new(b"s", b"x")), 2);
    ended.unsubscribe();
    assert_eq!(batch.commit().queued, 1);
    // And one that came in between is found by the next message of the same batch.
    let third = subscribe(&bus, 10);
    assert_eq!(batch.push(Message::new(b"s", b"y")), 2);
    batch.commit();
    wakeups.wake_all(now);
    assert_eq!((ended.account().matched(), reason(&ended).name()), (0, "unsubscribed"));
    assert_eq!((other.account().queued(), third.account().queued()), (2, 1));
}

#[test]
fn memory_pressure_takes_what_was_queued_and_says_so() {
    let bus = Bus::default();
    let subscription = subscribe(&bus, 10);
    (0..4).for_each(|_| assert_eq!(bus.publish("s", "x").unwrap().queued, 1));
    evict_all(&bus);
    assert!(matches!(reason(&subscription), EndReason::MemoryPressure { bytes: 8.., .. }));
    let account = subscription.account();
    assert_eq!(account.losses().of(LossReason::MemoryPressure), 4);
    assert!(account.is_conserved() && account.queued() == 0);
}

#[test]
fn a_blocked_reader_wakes_at_each_kind_of_end() {
    for by_overflow in [true, false] {
        let bus = Bus::default();
        // With no room at all the first message ends it.
        let subscription = subscribe(&bus, 0);
        thread::scope(|scope| {
            let reading = scope.spawn(|| subscription.recv());
            if by_overflow {
                bus.publish("s", "a").unwrap();
            } else {
                subscription.unsubscribe();
            }
            assert!(matches!(reading.join().unwrap(), Err(RecvError::Ended(_))));
        });
    }
}

// checklist: B5
#[test]
fn dropping_the_handle_unsubscribes_and_nothing_leaks() {
    let bus = Bus::default();
    let filters = ["s", "a.b", "a.*", ">"].map(|text| Filter::new(text).unwrap());
    thread::scope(|scope| {
        for offset in 0..2 {
            let (bus, filters) = (&bus, &filters);
            scope.spawn(move || {
                for n in 0..100_000 {
                    let filter = &filters[(n + offset) % filters.len()];
                    let group = SubscribeOptions::default().queue_group("g");
                    let options = if n % 3 == 0 { group } else { SubscribeOptions::default() };
                    let subscription = bus.subscribe(filter, options).unwrap();
                    if n % 16 == 0 {
                        bus.publish("a.b", "left unread by those who are dropped now").unwrap();
                    }
                    drop(subscription);
                }
            });
        }
    });
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 0));
    assert_eq!(bus.budget().used(), 0);
    assert_eq!(bus.publish("a.b", "x").unwrap(), floodway::PublishReport::default());
}

#[test]
fn a_successor_is_not_harmed_by_the_end_of_the_one_before() {
    let bus = Bus::default();
    let filter = Filter::new("flood").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Overflows whoever is there: its end is noticed by this thread, and taken out of the
        // index by it, perhaps only when the owner has subscribed afresh.
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    bus.publish("flood", "x").unwrap();
                }
            });
        }
        for _ in 0..3000 {
            drop(bus.subscribe(&filter, SubscribeOptions::default().max_messages(0)));
            let successor = bus.subscribe(&filter, SubscribeOptions::default()).unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            let received = successor.recv_until(Some(deadline));
            if received.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(received.is_ok(), "the successor receives nothing");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
