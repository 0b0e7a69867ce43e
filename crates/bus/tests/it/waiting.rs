//! `block`: publishers wait for room, in order, and whatever ends the wait lets them go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, Filter, Limits, LossReason, Overflow, Policy, RecvError, Refusal, SubscribeOptions,
    Subscription,
};

use crate::numbered::{Seen, payload};
use crate::task::Task;

fn block() -> Policy {
    Policy::Block { patience: None }
}

fn options(limit: u64) -> SubscribeOptions {
    SubscribeOptions::default().policy(block()).max_messages(limit)
}

fn subscribe(bus: &Bus, filter: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

/// A queue of one place that is taken.
fn full(bus: &Bus) -> Subscription {
    let full = subscribe(bus, "s", options(1));
    bus.publish("s", "first").unwrap();
    full
}

fn text(subscription: &Subscription) -> String {
    String::from_utf8(subscription.try_recv().unwrap().payload().to_vec()).unwrap()
}

// checklist: A2
#[test]
fn waiting_publishers_lose_nothing_and_keep_their_order() {
    const MESSAGES: u32 = 3000;
    for (capacity, readers) in [(1, 1), (1, 3), (7, 2)] {
        let bus = Bus::default();
        let all: Vec<_> = (0..readers).map(|_| subscribe(&bus, "s.*", options(capacity))).collect();
        thread::scope(|scope| {
            for publisher in 0..3 {
                let bus = &bus;
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        let (to, payload) = (format!("s.{publisher}"), payload(publisher, number));
                        // In turn as a thread and as a task.
                        let report = match number % 2 {
                            0 => bus.publish_wait(to, payload, None).unwrap(),
                            _ => {
                                Task::new(bus.publish_wait_async(to, payload, None)).run().unwrap()
                            }
                        };
                        assert_eq!((report.matched, report.lost()), (readers, 0));
                    }
                });
            }
            for subscription in &all {
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    while seen.total() < u64::from(3 * MESSAGES) {
                        seen.take(&subscription.recv().unwrap());
                        assert!(subscription.account().queued() <= capacity);
                    }
                });
            }
        });
        for subscription in &all {
            let account = subscription.account();
            assert_eq!((account.matched(), account.troubles()), (u64::from(3 * MESSAGES), 0));
            assert!(account.is_conserved() && account.queued() == 0);
        }
    }
}

#[test]
fn who_waits_longest_is_next_and_who_comes_now_stands_behind() {
    let bus = Bus::default();
    let queue = full(&bus);
    let names: Vec<_> = (0..10).map(|n| format!("waiter {n}")).collect();
    let wait = |name| Task::waiting(bus.publish_wait_async("s", name, None));
    let mut waiting: Vec<_> = names.iter().map(wait).collect();
    assert_eq!(text(&queue), "first");
    for (nth, name) in names.iter().enumerate() {
        // As an executor does: whoever is woken looks, also if it is in vain.
        let mut done: Vec<_> = waiting.iter_mut().filter(|task| task.is_woken()).collect();
        let done: Vec<_> = done.iter_mut().map(|task| task.poll().is_some()).collect();
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
        // There is room, but not for somebody who has just come, while others wait.
        if nth + 1 < names.len() {
            let error = bus.publish("s", "queue jumper").unwrap_err();
            assert!(matches!(error.refusal, Refusal::Full(_)));
        }
        waiting.remove(0);
        assert_eq!(text(&queue), *name);
    }
    assert_eq!(bus.publish("s", "nobody is before it").unwrap().queued, 1);
}

#[test]
fn taking_the_whole_backlog_lets_as_many_in_as_there_is_room_for() {
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", options(3));
    (0..3).for_each(|_| _ = bus.publish("s", "x").unwrap());
    let mut waiting: Vec<_> =
        (0..5).map(|_| Task::waiting(bus.publish_wait_async("s", "y", None))).collect();
    assert_eq!(queue.take_backlog().len(), 3);
    let done = waiting.iter_mut().filter_map(Task::poll).count();
    assert_eq!((done, queue.account().queued()), (3, 3));
}

#[test]
fn a_cancelled_wait_leaves_nothing_behind_and_passes_its_wake_up_on() {
    let bus = Bus::default();
    let queue = full(&bus);
    let wait = |name| Task::waiting(bus.publish_wait_async("s", name, None));
    let (first, second, mut third) = (wait("one"), wait("two"), wait("three"));
    drop(second);
    assert_eq!(text(&queue), "first");
    // Woken, and given up before it could look.
    assert!(first.is_woken() && !third.is_woken());
    drop(first);
    assert_eq!(third.when_woken().unwrap().unwrap().queued, 1);
    assert_eq!(text(&queue), "three");
    // No room is missing.
    assert_eq!(bus.publish("s", "x").unwrap().queued, 1);
    assert_eq!(queue.account().matched(), 3);
}

#[test]
fn the_patience_of_a_subscription_is_a_deadline_for_each_publisher() {
    let bus = Bus::default();
    let patience = Duration::from_millis(40);
    let policy = Policy::Block { patience: Some(patience) };
    let queue = subscribe(&bus, "s", options(1).policy(policy).name("impatient"));
    bus.publish("s", "x").unwrap();
    let expect = |outcome: Result<_, floodway::PublishError<_>>| {
        let error = outcome.unwrap_err();
        let Refusal::DeadlinePassed { subscription, waited } = error.refusal else { panic!() };
        assert!(subscription == "impatient" && waited >= patience, "{waited:?}");
    };
    expect(bus.publish_wait("s", "y", None));
    let late = Some(Instant::now() + Duration::from_secs(60));
    expect(bus.publish_wait("s", "y", late));
    expect(Task::new(bus.publish_wait_async("s", "y", late)).run());
    // The sooner one counts.
    let error = bus.publish_wait("s", "y", Some(Instant::now())).unwrap_err();
    let Refusal::DeadlinePassed { waited, .. } = error.refusal else { panic!() };
    assert!(waited < patience, "{waited:?}");
    assert_eq!(queue.account().matched(), 1);
}

/// Ends the wait of one publisher by `event`; what its report says was matched.
fn released_by(event: impl FnOnce(&Bus, Subscription) -> Option<Subscription>) -> u64 {
    let bus = Bus::default();
    let other = subscribe(&bus, "s", SubscribeOptions::default().limits(Limits::NONE));
    let queue = subscribe(&bus, "s", options(1).client("c"));
    bus.publish("s", "first").unwrap();
    let mut tasks: Vec<_> =
        (0..3).map(|_| Task::waiting(bus.publish_wait_async("s", "x", None))).collect();
    let blocked = thread::scope(|scope| {
        let blocked = scope.spawn(|| bus.publish_wait("s", "x", None).unwrap());
        let _kept = event(&bus, queue);
        let released = tasks.iter_mut().map(|task| task.when_woken().unwrap().unwrap().matched);
        let released: Vec<_> = released.collect();
        let blocked = blocked.join().unwrap().matched;
        assert!(released.iter().all(|matched| *matched == blocked), "{released:?} {blocked}");
        blocked
    });
    assert_eq!(other.account().queued(), 5);
    blocked
}

// checklist: B1
#[test]
fn the_end_of_a_subscription_releases_those_who_wait_for_it() {
    // They publish to the others.
    assert_eq!(
        released_by(|_, queue| {
            queue.unsubscribe();
            Some(queue)
        }),
        1
    );
    assert_eq!(
        released_by(|_, queue| {
            drop(queue);
            None
        }),
        1
    );
    assert_eq!(
        released_by(|bus, queue| {
            bus.unsubscribe(queue.id());
            Some(queue)
        }),
        1
    );
    assert_eq!(
        released_by(|bus, queue| {
            bus.kick(queue.id());
            Some(queue)
        }),
        1
    );
    assert_eq!(
        released_by(|bus, queue| {
            bus.unsubscribe_client("c");
            Some(queue)
        }),
        1
    );
    let later = || Instant::now() + Duration::from_secs(31);
    assert_eq!(
        released_by(|bus, queue| {
            bus.sweep(later());
            Some(queue)
        }),
        1
    );
}

#[test]
fn another_policy_or_other_limits_release_those_who_wait() {
    let change = |policy, messages| {
        released_by(move |_, queue| {
            queue.set_overflow(Overflow::new(policy, Limits { messages, ..Limits::NONE }));
            Some(queue)
        })
    };
    assert_eq!(change(block(), Some(5)), 2);
    assert_eq!(change(block(), None), 2);
    assert_eq!(change(Policy::Throttle { max_delay: Duration::ZERO }, Some(10)), 2);
    assert_eq!(change(Policy::DropNewest, Some(1)), 2);
    assert_eq!(change(Policy::DropOldest, Some(1)), 2);
    assert_eq!(change(Policy::Conflate(Default::default()), Some(1)), 2);
    assert_eq!(change(Policy::Disconnect, Some(9)), 2);
}

#[test]
fn a_reader_that_stands_still_for_its_limit_releases_those_who_wait() {
    let bus = Bus::default();
    let behind = Duration::from_millis(60);
    let queue = subscribe(&bus, "s", options(1).max_behind(behind));
    bus.publish("s", "x").unwrap();
    let started = Instant::now();
    // Nobody sweeps.
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(bus.publish_wait("s", "x", None).unwrap().matched, 0));
        let task = Task::new(bus.publish_wait_async("s", "x", None));
        assert_eq!(task.run().unwrap().matched, 0);
    });
    assert!(started.elapsed() + Duration::from_millis(20) > behind);
    assert_eq!(queue.end_reason().unwrap().name(), "too_far_behind");
    assert_eq!(bus.subscription_count(), 0);
    assert_eq!(text(&queue), "x");
    assert!(matches!(queue.try_recv(), Err(RecvError::Ended(_))));
}

#[test]
fn what_expires_makes_room_without_anybody_taking_anything() {
    let bus = Bus::default();
    let ttl = Duration::from_millis(30);
    let queue = subscribe(&bus, "s", options(1).ttl(ttl).max_behind(Duration::from_secs(600)));
    bus.publish("s", "old").unwrap();
    let last = Some(Instant::now() + Duration::from_secs(10));
    assert_eq!(bus.publish_wait("s", "new", last).unwrap().queued, 1);
    let account = queue.account();
    assert_eq!((account.expired(), account.matched()), (1, 2));
}

#[test]
fn a_group_takes_a_message_where_there_is_room_first() {
    let bus = Bus::default();
    let member = || subscribe(&bus, "s", options(1).queue_group("g"));
    let (one, other) = (member(), member());
    for _ in 0..2 {
        assert_eq!(bus.publish("s", "x").unwrap().queued, 1);
    }
    assert_eq!((one.account().queued(), other.account().queued()), (1, 1));
    let Refusal::Full(names) = bus.publish("s", "x").unwrap_err().refusal else { panic!() };
    assert_eq!(names, ["s", "s"]);
    for (taking, idle) in [(&one, &other), (&other, &one), (&one, &other)] {
        let mut task = Task::waiting(bus.publish_wait_async("s", "y", None));
        taking.recv().unwrap();
        assert_eq!(task.when_woken().unwrap().unwrap().queued, 1);
        assert_eq!((taking.account().queued(), idle.account().queued()), (1, 1));
    }
    // One ends: the other is waited for.
    let mut task = Task::waiting(bus.publish_wait_async("s", "z", None));
    one.unsubscribe();
    assert!(task.when_woken().is_none());
    other.recv().unwrap();
    assert_eq!(task.when_woken().unwrap().unwrap().queued, 1);
}

#[test]
fn a_group_with_a_member_that_never_makes_wait_does_not_make_wait() {
    let bus = Bus::default();
    let waiting = subscribe(&bus, "s", options(1).queue_group("g"));
    let losing = SubscribeOptions::default().policy(Policy::DropNewest).max_messages(1000);
    let losing = subscribe(&bus, "s", losing.queue_group("g"));
    (0..100).for_each(|_| assert_eq!(bus.publish("s", "x").unwrap().queued, 1));
    assert_eq!(waiting.account().queued() + losing.account().queued(), 100);
}

#[test]
fn a_message_too_large_for_every_member_of_a_group_is_refused() {
    let bus = Bus::default();
    let member = || subscribe(&bus, "s", options(9).max_bytes(10).queue_group("g"));
    let members = [member(), member()];
    let last = Some(Instant::now() + Duration::from_secs(60));
    for outcome in [bus.publish("s", "0123456789"), bus.publish_wait("s", "0123456789", last)] {
        let error = outcome.unwrap_err();
        assert_eq!(
            (&error.payload[..], error.refusal),
            (&b"0123456789"[..], Refusal::TooLarge("s".into()))
        );
    }
    assert!(members.iter().all(|member| member.account().matched() == 0));
}

#[test]
fn who_waits_holds_up_nobody_but_itself() {
    let bus = Bus::default();
    let queue = full(&bus);
    let other = subscribe(&bus, "t", options(1));
    thread::scope(|scope| {
        let blocked = scope.spawn(|| bus.publish_wait("s", "x", None).unwrap());
        let also = Task::waiting(bus.publish_wait_async("s", "x", None));
        for n in 0..1000 {
            assert_eq!(bus.publish_wait("t", n.to_string(), None).unwrap().queued, 1);
            assert_eq!(text(&other), n.to_string());
        }
        // Subscribing and leaving are not held up either.
        (0..100).for_each(|_| drop(subscribe(&bus, "s", SubscribeOptions::default())));
        assert!(!blocked.is_finished());
        drop(also);
        queue.recv().unwrap();
        blocked.join().unwrap();
    });
}

#[test]
fn a_publisher_of_a_batch_that_cannot_wait_is_refused_and_the_consumer_is_told() {
    use floodway::{Message, Origin, Pushback, PushbackMode, Router, Wakeups};
    let bus = Bus::default();
    let queue = full(&bus);
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let now = Instant::now();
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
    (0..3).for_each(|_| _ = batch.push(Message::new(b"s", b"x")));
    let report = batch.commit();
    assert_eq!(report.losses.of(LossReason::NoRoom), 3);
    assert_eq!(text(&queue), "first");
    let Err(RecvError::Missed(missed)) = queue.try_recv() else { panic!("in silence") };
    assert_eq!((missed.total(), missed.losses().of(LossReason::NoRoom)), (3, 3));
}

/// Readers, publishers and those who give up, all at once.
#[test]
fn those_who_give_up_at_random_moments_cost_no_message_and_no_room() {
    const MESSAGES: u64 = 4000;
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", options(2));
    let published = AtomicU64::new(0);
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..4_u64)
            .map(|seed| {
                let (bus, published) = (&bus, &published);
                scope.spawn(move || {
                    for n in 0..MESSAGES {
                        let patience = Duration::from_micros((n * 37 + seed * 11) % 400);
                        let last = Some(Instant::now() + patience);
                        let mut task = Task::new(bus.publish_wait_async("s", "x", last));
                        let outcome = match n % 3 {
                            0 => bus.publish_wait("s", "x", last).is_ok(),
                            1 => task.poll().is_some_and(|outcome| outcome.is_ok()),
                            _ => task.run().is_ok(),
                        };
                        published.fetch_add(outcome.into(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut n = 0_u64;
            while let Ok(_message) = queue.recv() {
                n += 1;
                (0..n % 5).for_each(|_| thread::yield_now());
            }
        });
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        queue.unsubscribe();
    });
    let account = queue.account();
    assert!(account.is_conserved() && account.troubles() == 0);
    assert_eq!(account.matched(), published.into_inner());
    assert!(account.matched() > MESSAGES / 4, "too few to say something");
}

#[test]
fn who_waits_keeps_its_place_while_others_come_and_go() {
    let bus = Bus::default();
    let queue = full(&bus);
    let names: Vec<_> = (0..10).map(|n| format!("waiter {n}")).collect();
    let wait = |name| Task::waiting(bus.publish_wait_async("s", name, None));
    let mut waiting: Vec<_> = names.iter().map(wait).collect();
    let mut come = Vec::new();
    queue.recv().unwrap();
    for (nth, name) in names.iter().enumerate() {
        // Every route has to be looked up again.
        come.push(subscribe(&bus, "s", SubscribeOptions::default()));
        drop(subscribe(&bus, "elsewhere", SubscribeOptions::default()));
        let report = waiting.remove(0).when_woken().expect("back to the end of the line");
        assert_eq!(report.unwrap().queued, 2 + nth as u64, "to those who have come as well");
        assert_eq!(text(&queue), *name);
    }
}

#[test]
fn a_large_message_is_not_overtaken_by_small_ones_for_ever() {
    let bus = Bus::default();
    let queue = subscribe(&bus, "s", options(1000).max_bytes(100));
    (0..2).for_each(|_| _ = bus.publish("s", [b'-'; 49]).unwrap());
    let mut large = Task::waiting(bus.publish_wait_async("s", [b'L'; 99], None));
    let mut small: Vec<_> =
        (0..3).map(|_| Task::waiting(bus.publish_wait_async("s", [b's'; 9], None))).collect();
    queue.recv().unwrap();
    assert!(large.when_woken().is_none(), "half of the room");
    assert!(small.iter_mut().all(|small| small.poll().is_none()), "they stand behind it");
    queue.recv().unwrap();
    assert_eq!(large.when_woken().unwrap().unwrap().queued, 1);
    assert!(small.iter_mut().all(|small| small.poll().is_none()), "no room");
    assert_eq!(queue.recv().unwrap().size(), 100);
    assert!(small.iter_mut().all(|small| small.poll().is_some()));
}
