//! Defects that earlier buses of this kind had, each by its number, and that they are absent here.
//! A test that lives where its subject is carries the number there: b27 in `waiting.rs` too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, BusLimits, EndReason, Envelope, Filter, LossReason, Missed, Policy, RecvError,
    Refusal, SubscribeError, SubscribeOptions, Subscription, SubscriptionId,
};

use crate::task::Task;

fn subscribe(bus: &Bus, filter: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

fn most(messages: u64) -> SubscribeOptions {
    SubscribeOptions::default().max_messages(messages)
}

fn block(messages: u64) -> SubscribeOptions {
    most(messages).policy(Policy::Block { patience: None })
}

// To read and then publish in one thread stopped the whole program for ever when channels filled.
#[test]
fn b1_who_publishes_what_it_reads_itself_is_told_and_never_stands_still() {
    let bus = Bus::default();
    let own = subscribe(&bus, "s", block(1));
    let stage = bus.publisher("stage").reads(&own);
    bus.publish("s", "x").unwrap();
    let started = Instant::now();
    let error = stage.publish_wait("s", "y", None).unwrap_err();
    assert!(matches!(error.refusal, Refusal::WaitCycle(_)) && error.payload == "y");
    // Without a name it is at least never made to wait unless it asks for it.
    assert!(matches!(bus.publish("s", "y").unwrap_err().refusal, Refusal::Full(_)));
    assert!(started.elapsed() < Duration::from_secs(1));
    // Where nobody asked publishers to wait, there is nothing to be stuck in.
    let free = subscribe(&bus, "t", most(1));
    (0..1000).for_each(|_| _ = bus.publish("t", "x").unwrap());
    assert_eq!(free.account().queued(), 1);
}

// A subscriber could not see the tags that a message was published with.
#[test]
fn b2_a_subscriber_sees_the_tags_of_a_message() {
    let bus = Bus::default();
    let all = subscribe(&bus, ">", most(10));
    let tagged = Envelope::to("tx").header("hash", "ab").header("height", "7").header("hash", "cd");
    bus.publish(tagged, "x").unwrap();
    let message = all.recv().unwrap();
    let tags: Vec<_> = message.tags().iter().collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"hash", b"ab"), (b"height", b"7"), (b"hash", b"cd")];
    assert_eq!(tags, expected);
}

// One reader that stopped draining, or left before it unsubscribed, halted everybody.
#[test]
fn b3_a_reader_that_stops_draining_halts_nobody() {
    let bus = Bus::default();
    let stuck = subscribe(&bus, "s", most(1));
    let leaked = subscribe(&bus, "s", most(1_000_000));
    std::mem::forget(leaked);
    let waits_for = subscribe(&bus, "other", block(1));
    bus.publish("other", "x").unwrap();
    let _stuck_publisher = Task::waiting(bus.publish_wait_async("other", "x", None));
    let reader = subscribe(&bus, "s", most(10));
    for n in 0..10_000 {
        bus.publish("s", n.to_string()).unwrap();
        assert_eq!(reader.try_recv().unwrap().payload()[..], *n.to_string().as_bytes());
    }
    assert_eq!((stuck.account().queued(), waits_for.account().queued()), (1, 1));
}

// Many who waited for one message slowed everybody: publishing was serial.
#[test]
fn b4_publishers_do_not_wait_for_one_another() {
    let bus = Bus::default();
    let (hang, wait) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let options =
        floodway::ObserveOptions { deadline: Duration::from_secs(60), ..Default::default() };
    let observer = bus.observe(&Filter::new("slow").unwrap(), options, move |_| {
        begun.send(()).unwrap();
        _ = wait.recv();
    });
    let fast = subscribe(&bus, "fast", most(10));
    thread::scope(|scope| {
        // In the midst of a publish, for as long as it takes.
        let slow = scope.spawn(|| bus.publish("slow", "x").unwrap());
        begins.recv().unwrap();
        for _ in 0..10_000 {
            assert_eq!(bus.publish("fast", "x").unwrap().queued, 1);
            fast.try_recv().unwrap();
        }
        assert!(!slow.is_finished());
        drop(hang);
        slow.join().unwrap();
    });
    drop(observer);
}

// A default capacity of one ended healthy clients: bursts of a hundred killed every one of them.
#[test]
fn b5_a_burst_does_not_end_a_subscription_with_default_options() {
    let bus = Bus::default();
    let healthy = subscribe(&bus, "s", SubscribeOptions::default());
    for _ in 0..10 {
        (0..10_000).for_each(|_| assert_eq!(bus.publish("s", "event").unwrap().queued, 1));
        assert_eq!(healthy.take_backlog().len(), 10_000);
    }
    assert_eq!(healthy.end_reason(), None);
}

// Between the subscription and a slow socket events were dropped with a line in the log at most.
#[test]
fn b6_nothing_is_dropped_in_silence() {
    for policy in [Policy::DropOldest, Policy::DropNewest] {
        let bus = Bus::default();
        let slow = subscribe(&bus, "s", most(10).policy(policy));
        let (mut received, mut told) = (0, 0);
        for n in 0..1000 {
            let report = bus.publish("s", "event").unwrap();
            assert_eq!(report.queued + report.lost(), 1, "the publisher knows");
            if n % 20 == 0 {
                let message = slow.recv().unwrap();
                told += message.missed().map_or(0, Missed::total);
                received += 1;
                assert!(message.seq() >= received + told, "what is missed comes first");
            }
        }
        loop {
            match slow.try_recv() {
                Ok(message) => {
                    received += 1;
                    told += message.missed().map_or(0, Missed::total);
                }
                Err(RecvError::Missed(missed)) => told += missed.total(),
                Err(_) => break,
            }
        }
        assert_eq!((received + told, slow.account().losses().total()), (1000, told));
    }
}

// Loss could not be detected, and who a client was hung on its address.
#[test]
fn b7_every_loss_shows_in_the_sequence_and_a_client_is_who_it_says() {
    let bus = Bus::new(&BusConfig {
        limits: BusLimits { subscriptions_per_client: Some(2), ..BusLimits::default() },
        ..BusConfig::default()
    });
    let drop_oldest = || most(3).policy(Policy::DropOldest).client("wallet");
    let [one, other] = [0, 1].map(|_| subscribe(&bus, "s", drop_oldest()));
    (0..100).for_each(|_| _ = bus.publish("s", "x").unwrap());
    let mut last = 0;
    for message in one.take_backlog() {
        let missed = message.missed().map_or(0, Missed::total);
        assert_eq!((message.seq(), message.subscription()), (last + missed + 1, one.id()));
        last = message.seq();
    }
    assert_eq!((last, bus.client_count()), (100, 1), "two of one client");
    let third = bus.subscribe(&Filter::new("t").unwrap(), drop_oldest());
    assert!(matches!(third.unwrap_err(), SubscribeError::TooManyOfClient { .. }));
    drop(other);
    subscribe(&bus, "t", drop_oldest());
}

// A client that was evicted could not subscribe again, and still counted as one.
// checklist: B3
#[test]
fn b8_an_evicted_client_subscribes_again_at_once() {
    let limits =
        BusLimits { clients: Some(1), subscriptions_per_client: Some(1), subscriptions: Some(1) };
    let bus = Bus::new(&BusConfig { limits, ..BusConfig::default() });
    let mut evicted: Vec<Subscription> = Vec::new();
    for round in 0..1000 {
        // While all those before are still held, with what they had queued.
        let one = subscribe(&bus, "s", most(2).client("client"));
        assert_eq!((bus.client_count(), bus.subscription_count()), (1, 1));
        (0..3).for_each(|_| _ = bus.publish("s", "x").unwrap());
        assert_eq!(one.end_reason().unwrap().name(), "out_of_capacity");
        assert_eq!((bus.client_count(), bus.subscription_count()), (0, 0));
        let account = one.account();
        assert_eq!((account.matched(), account.queued()), (3, 2));
        evicted.push(one);
        evicted.truncate(round % 5);
    }
    // And another client may come in its place.
    subscribe(&bus, "s", SubscribeOptions::default().client("other"));
}

// Two identical subscribes at once both succeeded, and one of them was never cancelled.
// checklist: B4
#[test]
fn b20_identical_subscribes_at_once_are_two_that_both_end() {
    let bus = Bus::default();
    let start = Barrier::new(4);
    for _ in 0..500 {
        let all: Vec<_> = thread::scope(|scope| {
            let subscribing = || {
                start.wait();
                subscribe(&bus, "s", SubscribeOptions::default().client("same").name("same"))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(subscribing)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut ids: Vec<_> = all.iter().map(Subscription::id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), bus.subscription_count(), bus.client_count()), (4, 4, 1));
        assert_eq!(bus.publish("s", "x").unwrap().queued, 4);
        // All of the client's at once, while others go one by one.
        let ended: usize = thread::scope(|scope| {
            let by_client = scope.spawn(|| bus.unsubscribe_client("same"));
            let by_id = scope.spawn(|| ids.iter().filter(|id| bus.unsubscribe(**id)).count());
            by_client.join().unwrap() + by_id.join().unwrap()
        });
        assert_eq!((ended, bus.subscription_count(), bus.client_count()), (4, 0, 0));
        assert!(all.iter().all(|one| one.end_reason() == Some(EndReason::Unsubscribed)));
    }
}

// Stop hung behind a blocked reader, dropped what was queued behind it, and said yes to a publish.
// checklist: B6 B7
#[test]
fn b21_stop_waits_for_nobody_for_long_and_nothing_is_published_after_it() {
    for _ in 0..100 {
        let bus = Bus::default();
        let stuck = subscribe(&bus, "s", block(5));
        let other = subscribe(&bus, "s", SubscribeOptions::default());
        let stopped = AtomicBool::new(false);
        let published: u64 = thread::scope(|scope| {
            let publishing = || {
                let mut published = 0;
                loop {
                    let was_stopped = stopped.load(Ordering::SeqCst);
                    match bus.publish_wait("s", "x", None) {
                        Ok(report) => {
                            assert!(!was_stopped, "yes to a publish after the stop");
                            published += report.queued;
                        }
                        Err(error) => {
                            assert!(error.is_stopped() && error.payload == "x");
                            return published;
                        }
                    }
                }
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(publishing)).collect();
            while stuck.account().queued() < 5 {
                thread::yield_now();
            }
            let within = Duration::from_millis(2);
            let report = bus.stop(within);
            stopped.store(true, Ordering::SeqCst);
            assert!(report.took < within + Duration::from_secs(1), "{report:?}");
            let unread: u64 = report.unread.iter().map(|left| left.messages).sum();
            assert_eq!(unread, stuck.account().queued() + other.account().queued());
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // What publishers were told is queued is there, and nothing else.
        let there = stuck.take_backlog().len() + other.take_backlog().len();
        assert_eq!(there as u64, published);
        assert!(stuck.account().is_conserved() && other.account().is_conserved());
    }
}

// The limits were looked at and enforced at different times, and a known client was refused.
// checklist: B9
#[test]
fn b22_a_known_client_is_not_refused_for_the_number_of_clients() {
    let limits = BusLimits { clients: Some(2), ..BusLimits::default() };
    let bus = Bus::new(&BusConfig { limits, ..BusConfig::default() });
    let of = |client| SubscribeOptions::default().client(client);
    let _full = [subscribe(&bus, "s", of("a")), subscribe(&bus, "s", of("b"))];
    let _more: Vec<_> = (0..10).map(|n| subscribe(&bus, "s", of(["a", "b"][n % 2]))).collect();
    let refused = bus.subscribe(&Filter::new("s").unwrap(), of("c"));
    assert_eq!(refused.unwrap_err(), SubscribeError::TooManyClients { limit: 2 });
    assert_eq!((bus.client_count(), bus.subscription_count()), (2, 12));
}

// A slow client was cut off without being unsubscribed: its subscription filled up for ever.
#[test]
fn b23_who_is_ended_for_being_slow_is_off_the_bus_and_hears_of_it() {
    let bus = Bus::default();
    let slow = subscribe(&bus, "s", most(2));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut received = 0;
            loop {
                match slow.recv() {
                    Ok(_) => received += 1,
                    Err(RecvError::Ended(reason)) => return (received, reason),
                    Err(other) => panic!("{other}"),
                }
            }
        });
        while slow.end_reason().is_none() {
            bus.publish("s", "x").unwrap();
        }
        assert_eq!((bus.subscription_count(), bus.publish("s", "x").unwrap().matched), (0, 0));
        let (received, reason) = reader.join().unwrap();
        assert!(reason.is_slow_consumer(), "{reason}");
        assert_eq!((slow.account().delivered(), slow.account().queued()), (received, 0));
        assert_eq!(slow.account().losses().of(LossReason::OutOfCapacity), 1);
    });
}

// Of several readers one could sleep beside a queue with something in it, a wait that was given up
// could swallow a wake-up or sleep on, and each wait started a thread.
#[test]
fn b27_no_reader_sleeps_beside_a_queue_that_has_something_for_it() {
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", most(1000));
    // Two wait and two come, without anything being taken in between.
    for _ in 0..500 {
        thread::scope(|scope| {
            let readers = [0, 1].map(|_| scope.spawn(|| queue.recv().unwrap().seq()));
            (0..2).for_each(|_| _ = bus.publish("s", "x").unwrap());
            let [one, other] = readers.map(|reader| reader.join().unwrap());
            assert_ne!(one, other);
        });
    }
    // One is woken and gives up before it looks: the other one is not left asleep.
    let [quitter, mut other] = [0, 1].map(|_| Task::waiting(queue.recv_async()));
    bus.publish("s", "x").unwrap();
    assert!(quitter.is_woken() || other.is_woken());
    drop(quitter);
    assert!(other.when_woken().is_some());
    // A deadline holds beside somebody who waits for ever.
    thread::scope(|scope| {
        scope.spawn(|| queue.recv().unwrap());
        let (started, wait) = (Instant::now(), Duration::from_millis(20));
        assert!(matches!(queue.recv_until(Some(started + wait)), Err(RecvError::Empty)));
        assert!(started.elapsed() >= wait && started.elapsed() < Duration::from_secs(5));
        bus.publish("s", "x").unwrap();
    });
}

// Unsubscribing ignored the number, and with an unreadable query took away everything.
// checklist: B14
#[test]
fn b28_a_number_that_nobody_has_takes_nothing_away() {
    let bus = Bus::default();
    let all: Vec<_> =
        (0..3).map(|_| subscribe(&bus, "s", SubscribeOptions::default().client("c"))).collect();
    assert!(!bus.unsubscribe(SubscriptionId::default()));
    assert_eq!((bus.unsubscribe_client(""), bus.unsubscribe_client("x")), (0, 0));
    assert!(Filter::new("a. .b..").is_err());
    assert_eq!(bus.subscription_count(), 3);
    assert!(bus.unsubscribe(all[1].id()) && !bus.unsubscribe(all[1].id()));
    let live = all.iter().map(|one| one.end_reason().is_none());
    assert_eq!(live.collect::<Vec<_>>(), [true, false, true]);
}

// Whoever was evicted while it unsubscribed had its reason overwritten.
// checklist: B1
#[test]
fn b29_the_first_reason_stays_whoever_comes_second() {
    let bus = Bus::default();
    let start = Barrier::new(2);
    for _ in 0..2000 {
        let one = subscribe(&bus, "s", most(0));
        let seen = thread::scope(|scope| {
            let evicts = scope.spawn(|| {
                start.wait();
                bus.publish("s", "x").unwrap();
                one.end_reason().unwrap()
            });
            start.wait();
            one.unsubscribe();
            let seen = one.end_reason().unwrap();
            assert_eq!(seen, evicts.join().unwrap());
            seen
        });
        assert_eq!(one.recv().unwrap_err(), RecvError::Ended(seen.clone()));
        bus.kick(one.id());
        assert_eq!(one.end_reason(), Some(seen));
    }
}
