//! Publishers that wait for each other in a circle: found at once and by name, or broken; and never
//! seen where there is none.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Filter, LossReason, OnWaitCycle, Policy, Progress, Publisher, RecvError,
    Refusal, SubscribeOptions, Subscription, WaitCycle,
};

use crate::task::Task;

fn bus(on_wait_cycle: OnWaitCycle) -> Bus {
    Bus::new(&BusConfig { on_wait_cycle, ..BusConfig::default() })
}

/// The actors `actor.0` to `actor.n`, each with a mailbox of `capacity` that it alone reads.
fn actors(bus: &Bus, count: usize, capacity: u64) -> Vec<(Subscription, Publisher)> {
    let actor = |nth| {
        let block = Policy::Block { patience: None };
        let options = SubscribeOptions::default().policy(block).max_messages(capacity);
        let name = format!("actor.{nth}");
        let filter = Filter::new(&name).unwrap();
        let mailbox = bus.subscribe(&filter, options.name(&format!("mailbox {nth}"))).unwrap();
        let publisher = bus.publisher(&name).reads(&mailbox);
        (mailbox, publisher)
    };
    (0..count).map(actor).collect()
}

fn next(nth: usize, count: usize) -> String {
    format!("actor.{}", (nth + 1) % count)
}

/// Who waits for what, from actor 0 on.
fn edges(cycle: &WaitCycle) -> Vec<(String, String)> {
    let edges = cycle.edges.iter();
    let mut edges: Vec<_> =
        edges.map(|edge| (edge.publisher.clone(), edge.subscription.clone())).collect();
    edges.sort();
    edges
}

fn expected(count: usize) -> Vec<(String, String)> {
    let edge = |nth| (format!("actor.{nth}"), format!("mailbox {}", (nth + 1) % count));
    (0..count).map(edge).collect()
}

// checklist: E4
#[test]
fn threads_in_a_circle_are_told_within_a_second_who_waits_for_whom() {
    for count in [1, 2, 5] {
        let bus = bus(OnWaitCycle::FailNewest);
        let actors = actors(&bus, count, 1);
        let full = Barrier::new(count);
        let last = Instant::now() + Duration::from_secs(60);
        let told: Vec<_> = thread::scope(|scope| {
            let threads = actors.iter().enumerate().map(|(nth, (mailbox, publisher))| {
                let full = &full;
                scope.spawn(move || {
                    publisher.publish(next(nth, count), "fills it").unwrap();
                    full.wait();
                    let started = Instant::now();
                    let outcome = publisher.publish_wait(next(nth, count), "waits", Some(last));
                    let took = started.elapsed();
                    // Whatever it was told, it goes on reading, and so the others go on.
                    mailbox.recv().unwrap();
                    outcome.err().map(|error| (error, took))
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(told.len(), 1, "one of {count} is told");
        let (error, took) = &told[0];
        assert!(*took < Duration::from_secs(1), "only after {took:?}");
        assert_eq!(&error.payload[..], b"waits");
        let Refusal::WaitCycle(cycle) = &error.refusal else { panic!("{error}") };
        assert_eq!(edges(cycle), expected(count));
        assert!(error.to_string().contains("actor.0 waits for mailbox"), "{error}");
        assert_eq!(bus.metrics().wait_cycles, 1);
    }
}

/// Fills all mailboxes, and has all but the last actor wait.
fn all_but_one_wait<'a>(
    actors: &'a [(Subscription, Publisher)],
    payload: &'static str,
) -> Vec<Task<'a, Result<floodway::PublishReport, floodway::PublishError<bytes::Bytes>>>> {
    let count = actors.len();
    for (nth, (_, publisher)) in actors.iter().enumerate() {
        publisher.publish(next(nth, count), "fills it").unwrap();
    }
    let wait = |(nth, (_, publisher)): (usize, &'a (Subscription, Publisher))| {
        Task::waiting(publisher.publish_wait_async(next(nth, count), payload, None))
    };
    actors[..count - 1].iter().enumerate().map(wait).collect()
}

// checklist: E4
#[test]
fn tasks_in_a_circle_are_told_at_once() {
    for count in [2, 5] {
        let bus = bus(OnWaitCycle::FailNewest);
        let actors = actors(&bus, count, 1);
        let mut waiting = all_but_one_wait(&actors, "waits");
        let last = &actors[count - 1].1;
        let error = Task::new(last.publish_wait_async(next(count - 1, count), "y", None)).poll();
        let error = error.expect("it waits").unwrap_err();
        let Refusal::WaitCycle(cycle) = &error.refusal else { panic!("{error}") };
        assert_eq!(edges(cycle), expected(count));
        // It is no part of it any more: what it reads lets the others go on, one by one.
        for nth in (0..count - 1).rev() {
            actors[nth + 1].0.try_recv().unwrap();
            assert_eq!(waiting[nth].when_woken().unwrap().unwrap().queued, 1);
        }
        assert_eq!(bus.metrics().wait_cycles, 1);
    }
}

// checklist: E4
#[test]
fn the_newest_edge_may_be_broken_by_dropping_there() {
    for count in [2, 5] {
        let bus = bus(OnWaitCycle::DropNewest);
        let actors = actors(&bus, count, 1);
        let all = bus.subscribe(&Filter::new("actor.*").unwrap(), SubscribeOptions::default());
        let all = all.unwrap();
        let _waiting = all_but_one_wait(&actors, "waits");
        all.take_backlog();
        let last = &actors[count - 1].1;
        let report = last.publish_wait(next(count - 1, count), "lost there", None).unwrap();
        assert_eq!((report.matched, report.queued), (2, 1));
        assert_eq!(report.losses.of(LossReason::WaitCycle), 1);
        assert_eq!(&all.try_recv().unwrap().payload()[..], b"lost there", "others got it");
        // And the one that did not is told, at its place.
        let mailbox = &actors[0].0;
        assert_eq!(&mailbox.try_recv().unwrap().payload()[..], b"fills it");
        let Err(RecvError::Missed(missed)) = mailbox.try_recv() else { panic!("in silence") };
        assert_eq!((missed.first(), missed.losses().of(LossReason::WaitCycle)), (2, 1));
        assert!(mailbox.account().is_conserved());
    }
}

// checklist: E4
#[test]
fn a_circle_may_only_be_counted_and_a_deadline_breaks_it() {
    let bus = bus(OnWaitCycle::Report);
    let actors = actors(&bus, 2, 1);
    let _waiting = all_but_one_wait(&actors, "waits");
    let wait = Duration::from_millis(30);
    let outcome = actors[1].1.publish_wait("actor.0", "x", Some(Instant::now() + wait));
    let Refusal::DeadlinePassed { waited, .. } = outcome.unwrap_err().refusal else { panic!() };
    assert!(waited >= wait);
    assert_eq!(bus.metrics().wait_cycles, 1);
    // Somebody who reads breaks it too.
    let mut task = Task::waiting(actors[1].1.publish_wait_async("actor.0", "y", None));
    assert_eq!(bus.metrics().wait_cycles, 2);
    actors[0].0.recv().unwrap();
    assert_eq!(task.when_woken().unwrap().unwrap().queued, 1);
}

// checklist: E4
#[test]
fn no_circle_is_seen_where_somebody_can_go_on() {
    let bus = bus(OnWaitCycle::FailNewest);
    let actors = actors(&bus, 3, 1);
    for nth in 0..3 {
        bus.publish(next(nth, 3), "fills it").unwrap();
    }
    let wait = |from: usize, to| {
        Task::waiting(actors[from].1.publish_wait_async(format!("actor.{to}"), "x", None))
    };
    // A chain: the last one reads.
    let chain = [wait(0, 1), wait(1, 2)];
    drop(chain);
    // Behind a circle, but not in it.
    let circle = [wait(0, 1)];
    let outcome = actors[1].1.publish_wait("actor.0", "x", None);
    assert!(matches!(outcome.unwrap_err().refusal, Refusal::WaitCycle(_)));
    let behind = wait(2, 0);
    drop((circle, behind));
    // Somebody nobody knows of reads as well, or the wait has an end of its own.
    let group = SubscribeOptions::default().queue_group("g").max_messages(1);
    let block = group.policy(Policy::Block { patience: None });
    let filter = Filter::new("group").unwrap();
    let [one, other] = [0, 1].map(|_| bus.subscribe(&filter, block.clone()).unwrap());
    let member = bus.publisher("member").reads(&one);
    (0..2).for_each(|_| _ = bus.publish("group", "x").unwrap());
    let mut task = Task::waiting(member.publish_wait_async("group", "x", None));
    other.recv().unwrap();
    assert!(task.when_woken().unwrap().is_ok());
    assert_eq!(bus.metrics().wait_cycles, 1);
}

/// Numbers that look random, and follow from a seed.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

// checklist: E4
#[test]
fn no_circle_is_seen_in_a_chain_under_a_random_schedule() {
    const MESSAGES: u64 = 5000;
    for seed in 0..3 {
        println!("seed {seed}");
        let bus = bus(OnWaitCycle::FailNewest);
        let stages = actors(&bus, 5, 1);
        thread::scope(|scope| {
            scope.spawn(|| {
                let source = bus.publisher("source");
                for n in 0..MESSAGES {
                    source.publish_wait("actor.0", n.to_string(), None).unwrap();
                }
            });
            for (nth, (mailbox, publisher)) in stages.iter().enumerate() {
                let mut random = random(seed * 10 + nth as u64);
                scope.spawn(move || {
                    for n in 0..MESSAGES {
                        let message = mailbox.recv().unwrap();
                        assert_eq!(message.payload()[..], *n.to_string().as_bytes());
                        (0..random(4)).for_each(|_| thread::yield_now());
                        if nth < 4 {
                            let payload = &message.payload()[..];
                            publisher.publish_wait(next(nth, 5), payload, None).unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(bus.metrics().wait_cycles, 0);
    }
}

// checklist: E4
#[test]
fn no_circle_is_seen_in_a_ring_that_has_one_place_too_many_to_get_stuck() {
    const COUNT: usize = 3;
    const HOPS: u32 = 4000;
    let bus = bus(OnWaitCycle::FailNewest);
    let ring = actors(&bus, COUNT, 1);
    // Three places, three hands, and five balls: there is always one who can throw.
    let balls = Barrier::new(COUNT);
    thread::scope(|scope| {
        for (nth, (mailbox, publisher)) in ring.iter().enumerate() {
            let balls = &balls;
            let mut random = random(nth as u64);
            scope.spawn(move || {
                publisher.publish(next(nth, COUNT), "ball").unwrap();
                balls.wait();
                if nth < COUNT - 1 {
                    publisher.publish_wait(next(nth, COUNT), "ball", None).unwrap();
                }
                for _ in 0..HOPS {
                    let ball = mailbox.recv().unwrap();
                    (0..random(3)).for_each(|_| thread::yield_now());
                    publisher.publish_wait(next(nth, COUNT), &ball.payload()[..], None).unwrap();
                }
                // What the one before sent at the start is still on its way.
                let more = if (nth + COUNT - 1) % COUNT < COUNT - 1 { 2 } else { 1 };
                (0..more).for_each(|_| _ = mailbox.recv().unwrap());
            });
        }
    });
    assert_eq!(bus.metrics().wait_cycles, 0);
}

// checklist: E4
#[test]
fn a_ring_whose_actors_receive_while_they_cannot_send_finishes() {
    const HOPS: u32 = 2000;
    for by_task in [false, true] {
        let bus = bus(OnWaitCycle::FailNewest);
        let ring = actors(&bus, 2, 1);
        let handled: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = ring
                .iter()
                .enumerate()
                .map(|(nth, actor)| scope.spawn(move || work(actor, &next(nth, 2), HOPS, by_task)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // Far more on the way than there is room for, and all of it gets there.
        assert_eq!(handled, [HOPS, HOPS]);
        assert_eq!(bus.metrics().wait_cycles, 0);
        assert!(ring.iter().all(|(mailbox, _)| mailbox.account().troubles() == 0));
    }
}

/// Sends so many to the next actor, and receives as many, whichever can be done.
fn work((mailbox, publisher): &(Subscription, Publisher), to: &str, all: u32, task: bool) -> u32 {
    let (mut sent, mut received) = (0, 0);
    let mut take = |message: Result<floodway::Delivery, RecvError>| {
        assert_eq!(message.unwrap().payload()[..], received.to_string().into_bytes());
        received += 1;
    };
    while sent < all {
        let payload = sent.to_string();
        let progress = if task {
            Task::new(publisher.publish_or_recv_async(to, payload, mailbox, None)).run()
        } else {
            publisher.publish_or_recv(to, payload, mailbox, None)
        };
        match progress.unwrap() {
            Progress::Published(report) => {
                assert_eq!(report.queued, 1);
                sent += 1;
            }
            Progress::Received(message, back) => {
                assert_eq!(back, sent.to_string(), "handed back to be sent later");
                take(message);
            }
        }
    }
    while mailbox.account().delivered() < u64::from(all) {
        take(mailbox.recv());
    }
    received
}
