//! The table of subscriptions: exactly those who hold a handle that has not ended, whoever comes
//! and goes at the same time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Instant;

use floodway::{
    Bus, BusConfig, BusLimits, Envelope, Filter, Message, Origin, Policy, Pushback, PushbackMode,
    RecvError, Router, SubscribeError, SubscribeOptions, Subscription, SubscriptionId, Wakeups,
};

fn bus(limits: BusLimits) -> Bus {
    Bus::new(&BusConfig { limits, ..BusConfig::default() })
}

fn of(client: &str) -> SubscribeOptions {
    SubscribeOptions::default().client(client)
}

fn subscribe(bus: &Bus, filter: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

// checklist: B9
#[test]
fn a_thousand_at_once_at_a_limit_of_a_hundred_are_exactly_a_hundred() {
    const THREADS: usize = 8;
    let by = |pick: fn(&mut BusLimits) -> &mut Option<usize>| {
        let mut limits = BusLimits::default();
        *pick(&mut limits) = Some(100);
        limits
    };
    let in_all = by(|limits| &mut limits.subscriptions);
    let clients = by(|limits| &mut limits.clients);
    let per_client = by(|limits| &mut limits.subscriptions_per_client);
    for limits in [in_all, clients, per_client] {
        let bus = bus(limits);
        let (start, made, refused) =
            (Barrier::new(THREADS), Mutex::new(Vec::new()), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (bus, start, made, refused) = (&bus, &start, &made, &refused);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..1000 / THREADS {
                        let client = match limits.subscriptions_per_client {
                            Some(_) => "the same".to_owned(),
                            None => format!("{thread} {n}"),
                        };
                        match bus.subscribe(&Filter::new("s").unwrap(), of(&client)) {
                            Ok(subscription) => made.lock().unwrap().push(subscription),
                            Err(
                                SubscribeError::TooManySubscriptions { limit: 100 }
                                | SubscribeError::TooManyClients { limit: 100 }
                                | SubscribeError::TooManyOfClient { limit: 100, .. },
                            ) => _ = refused.fetch_add(1, Ordering::Relaxed),
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        let made = made.into_inner().unwrap();
        assert_eq!((made.len(), refused.into_inner()), (100, 900), "{limits:?}");
        assert_eq!(bus.publish("s", "x").unwrap().queued, 100);
        let clients = if limits.subscriptions_per_client.is_some() { 1 } else { 100 };
        assert_eq!((bus.subscription_count(), bus.client_count()), (100, clients));
        // One leaves, one may come.
        drop(made.into_iter().nth(50));
        assert_eq!((bus.subscription_count(), bus.client_count()), (0, 0));
        subscribe(&bus, "s", of("one"));
    }
}

// checklist: B9
#[test]
fn those_who_come_and_go_at_once_are_never_more_than_the_limit() {
    const LIMIT: usize = 2;
    let bus = bus(BusLimits { subscriptions: Some(LIMIT), ..BusLimits::default() });
    let filter = Filter::new("s").unwrap();
    let (most, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100_000 {
                    let Ok(one) = bus.subscribe(&filter, SubscribeOptions::default()) else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    most.fetch_max(bus.subscription_count(), Ordering::Relaxed);
                    drop(one);
                }
            });
        }
    });
    assert!(most.into_inner() <= LIMIT && refused.into_inner() > 0);
    assert_eq!(bus.subscription_count(), 0);
}

// checklist: B9
#[test]
fn the_last_that_may_come_and_the_first_that_may_not() {
    let limits =
        BusLimits { subscriptions: Some(4), clients: Some(2), subscriptions_per_client: Some(2) };
    let bus = bus(limits);
    let refused = |options| bus.subscribe(&Filter::new("s").unwrap(), options).unwrap_err();
    let a1 = subscribe(&bus, "s", of("a"));
    let a2 = subscribe(&bus, "s", of("a"));
    let of_a = SubscribeError::TooManyOfClient { client: "a".into(), limit: 2 };
    assert_eq!(refused(of("a")), of_a);
    let b1 = subscribe(&bus, "s", of("b"));
    assert_eq!(refused(of("c")), SubscribeError::TooManyClients { limit: 2 });
    // Who is known is not refused for the number of clients; who has no name is no client.
    let b2 = subscribe(&bus, "s", of("b"));
    assert_eq!(
        refused(SubscribeOptions::default()),
        SubscribeError::TooManySubscriptions { limit: 4 }
    );
    // What has ended counts no longer, also while it is still held.
    b1.unsubscribe();
    let nobody = subscribe(&bus, "s", SubscribeOptions::default());
    assert_eq!((bus.client_count(), bus.subscription_count()), (2, 4));
    drop((b2, nobody));
    assert_eq!(bus.client_count(), 1);
    let _c = subscribe(&bus, "s", of("c"));
    assert_eq!(refused(of("b")), SubscribeError::TooManyClients { limit: 2 });
    drop((a1, a2, b1));
    assert_eq!((bus.client_count(), bus.subscription_count(), bus.consumer_count()), (1, 1, 1));
    // None at all.
    let none = BusLimits { subscriptions_per_client: Some(0), ..BusLimits::default() };
    let bus = self::bus(none);
    let error = bus.subscribe(&Filter::new("s").unwrap(), of("a")).unwrap_err();
    assert_eq!(error, SubscribeError::TooManyOfClient { client: "a".into(), limit: 0 });
    assert_eq!(bus.client_count(), 0, "a refusal leaves nothing behind");
}

// checklist: B9
#[test]
fn a_bus_four_fifths_full_takes_no_further_subscription() {
    let bus = Bus::new(&BusConfig { memory_budget: 100_000, ..BusConfig::default() });
    let queue = subscribe(&bus, "s", SubscribeOptions::default());
    let filter = Filter::new("s").unwrap();
    while bus.budget().used() + 1500 <= 80_000 {
        bus.publish("s", vec![0; 1000]).unwrap();
        assert!(bus.subscribe(&filter, SubscribeOptions::default()).is_ok());
    }
    while bus.budget().used() <= 80_000 {
        bus.publish("s", vec![0; 100]).unwrap();
    }
    let error = bus.subscribe(&filter, SubscribeOptions::default()).unwrap_err();
    assert_eq!(error, SubscribeError::MemoryPressure);
    queue.take_backlog();
    assert!(bus.subscribe(&filter, SubscribeOptions::default()).is_ok());
}

// checklist: B14
#[test]
fn unsubscribing_by_number_ends_exactly_that_one() {
    let bus = Bus::default();
    let all: Vec<_> = (0..5).map(|n| subscribe(&bus, "s", of(["a", "b"][n % 2]))).collect();
    let live = || -> Vec<bool> { all.iter().map(|one| one.end_reason().is_none()).collect() };
    // Numbers that nobody has, or not here.
    let other = Bus::default();
    let strangers: Vec<_> = (0..7).map(|_| subscribe(&other, "s", of("a"))).collect();
    let gone = subscribe(&bus, "s", of("a")).id();
    for id in [gone, strangers[6].id(), SubscriptionId::default()] {
        assert!(!bus.unsubscribe(id) && !bus.kick(id));
    }
    assert_eq!(bus.unsubscribe_client("nobody"), 0);
    // What is no filter is no subscription, and ends none.
    assert!(Filter::new("s..").is_err() && Filter::new("").is_err());
    assert_eq!(live(), [true; 5]);
    assert!(bus.unsubscribe(all[3].id()));
    assert!(!bus.unsubscribe(all[3].id()) && !bus.kick(all[3].id()), "once");
    assert_eq!(live(), [true, true, true, false, true]);
    assert!(bus.kick(all[0].id()));
    let reasons = [&all[0], &all[3]].map(|one| one.end_reason().unwrap().name());
    assert_eq!(reasons, ["kicked", "unsubscribed"]);
    assert_eq!((bus.publish("s", "x").unwrap().queued, bus.subscription_count()), (3, 3));
    // All of a client, and nobody else's.
    assert_eq!(bus.unsubscribe_client("a"), 2);
    assert_eq!(live(), [false, true, false, false, false]);
    assert_eq!(bus.unsubscribe_client("a"), 0);
    assert_eq!((bus.client_count(), bus.publish("s", "x").unwrap().queued), (1, 1));
}

// checklist: B14 B1
#[test]
fn of_several_who_end_the_same_one_at_once_exactly_one_is_told_that_it_did() {
    const ROUNDS: usize = 1_000_000;
    let bus = Bus::default();
    let told = AtomicU64::new(0);
    for _ in 0..ROUNDS / 1000 {
        let all: Vec<_> = (0..1000).map(|_| subscribe(&bus, "s", of("c"))).collect();
        let start = Barrier::new(2);
        let seen = thread::scope(|scope| {
            [0, 1]
                .map(|who| {
                    let (bus, all, start, told) = (&bus, &all, &start, &told);
                    scope.spawn(move || {
                        start.wait();
                        let end = |one: &Subscription| {
                            let id = one.id();
                            let first = if who == 0 { bus.unsubscribe(id) } else { bus.kick(id) };
                            told.fetch_add(first.into(), Ordering::Relaxed);
                            one.end_reason().unwrap()
                        };
                        all.iter().map(end).collect::<Vec<_>>()
                    })
                })
                .map(|thread| thread.join().unwrap())
        });
        assert_eq!(seen[0], seen[1], "a reason has changed");
        assert_eq!((bus.subscription_count(), bus.client_count()), (0, 0));
    }
    assert_eq!(told.into_inner(), ROUNDS as u64);
}

/// Subscribes, leaves, and lets others leave, at random.
struct Crowd<'b> {
    bus: &'b Bus,
    state: u64,
    /// And whose each is.
    held: Vec<(Subscription, &'static str)>,
}

impl Crowd<'_> {
    fn random(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % below as u64) as usize
    }

    fn act(&mut self, ids: &Mutex<Vec<SubscriptionId>>) {
        const FILTERS: [&str; 3] = ["s", "s.*", ">"];
        let (filter, client) = (FILTERS[self.random(3)], ["a", "b", "c"][self.random(3)]);
        match self.random(16) {
            0..6 if self.held.len() < 20 => {
                let options = of(client).max_messages(self.random(3) as u64);
                let grouped = options.clone().queue_group("g");
                let options = if self.random(4) == 0 && filter != ">" { grouped } else { options };
                let one = subscribe(self.bus, filter, options);
                ids.lock().unwrap().push(one.id());
                self.held.push((one, client));
            }
            6..10 if !self.held.is_empty() => {
                let at = self.random(self.held.len());
                drop(self.held.swap_remove(at));
            }
            10 | 11 if !self.held.is_empty() => {
                let at = self.random(self.held.len());
                self.held[at].0.unsubscribe();
            }
            12 | 13 => {
                // Of anybody, and perhaps gone for long.
                let mut ids = ids.lock().unwrap();
                if !ids.is_empty() {
                    let at = self.random(ids.len());
                    let id = ids.swap_remove(at);
                    drop(ids);
                    self.bus.unsubscribe(id);
                }
            }
            14 => _ = self.bus.publish(["s", "s.t"][self.random(2)], "x").unwrap(),
            _ if self.random(200) == 0 => _ = self.bus.unsubscribe_client(client),
            _ => {}
        }
    }
}

// checklist: B4 B3
#[test]
fn after_a_million_random_operations_the_table_is_the_set_of_live_handles() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 10;
    let bus = Bus::default();
    let ids = Mutex::default();
    // It remembers routes of its own.
    let mut router = Router::new(bus.clone());
    let mut crowds: Vec<_> = (1..=THREADS)
        .map(|seed| Crowd { bus: &bus, state: seed << 32 | 0x9E37_79B9, held: Vec::new() })
        .collect();
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            for crowd in &mut crowds {
                scope.spawn(|| (0..1_000_000 / THREADS / ROUNDS).for_each(|_| crowd.act(&ids)));
            }
        });
        let held = || crowds.iter().flat_map(|crowd| &crowd.held);
        let live = || held().filter(|(one, _)| one.end_reason().is_none());
        let counts = || (bus.subscription_count(), bus.consumer_count());
        assert_eq!(counts(), (live().count(), held().count()));
        let numbers: BTreeSet<u64> = held().map(|(one, _)| one.id().number()).collect();
        assert_eq!(numbers.len(), held().count(), "a number was used twice");
        // What the index finds is what the handles say.
        let found: Vec<_> = live().map(|(one, _)| one).collect();
        let matched = || found.iter().map(|one| one.account().matched()).sum::<u64>();
        let before = matched();
        let report = bus.publish("s.t.u", "x").unwrap();
        let expected = found.iter().filter(|one| one.filter().matches(b"s.t.u")).count() as u64;
        assert_eq!((report.matched, matched() - before), (expected, expected));
        // Who had no room for it has ended over it.
        assert_eq!(router.route(b"s.t.u").fan_out() as u64, expected - report.lost());
        // All of a client, and nobody else's.
        let of_a = live().filter(|(_, client)| *client == "a").count();
        let others = live().count() - of_a;
        assert_eq!(bus.unsubscribe_client("a"), of_a);
        assert_eq!((live().count(), counts()), (others, (others, held().count())));
        assert!(held().all(|(one, _)| one.account().is_conserved()));
    }
    drop(crowds);
    assert_eq!((bus.subscription_count(), bus.consumer_count(), bus.client_count()), (0, 0, 0));
    assert_eq!(bus.budget().used(), 0);
}

// checklist: B5
#[test]
fn a_million_that_come_and_go_leave_nothing() {
    // Counted on this thread: what was allocated and not freed again.
    let bus = Bus::default();
    let filters = ["s", "a.b", "a.*", ">"].map(|text| Filter::new(text).unwrap());
    let come_and_go = |count: usize| {
        for n in 0..count {
            let options = match n % 4 {
                0 => of("client"),
                1 => SubscribeOptions::default().queue_group("g"),
                2 => of("other").policy(Policy::Block { patience: None }).name("n"),
                _ => SubscribeOptions::default(),
            };
            let one = bus.subscribe(&filters[n % 4], options).unwrap();
            if n % 63 == 0 {
                // To many subjects, whose routes name who is dropped now.
                bus.publish(format!("a.{}", n % 1024), "unread").unwrap();
            }
            drop(one);
        }
    };
    come_and_go(1000);
    let kept = allocation_counter::measure(|| come_and_go(1_000_000));
    assert!(kept.count_current.abs() < 10 && kept.bytes_current.abs() < 1000, "{kept:?}");
    assert_eq!((bus.subscription_count(), bus.consumer_count(), bus.client_count()), (0, 0, 0));
    assert_eq!(bus.budget().used(), 0);
}

// checklist: B12
#[test]
fn allocations_of_a_publish_do_not_depend_on_the_number_of_subscribers() {
    let allocations = |count: usize| {
        let bus = Bus::default();
        let all: Vec<_> =
            (0..count).map(|_| subscribe(&bus, "s", SubscribeOptions::default())).collect();
        let publish = || {
            let envelope = Envelope::to("s").header("a", "1").header("b", "2");
            assert_eq!(bus.publish(envelope, "payload").unwrap().queued, count as u64);
        };
        // The queues have grown before.
        (0..3).for_each(|_| publish());
        let counted = allocation_counter::measure(publish);
        for one in &all {
            let delivery = one.take_backlog().pop_back().unwrap();
            let first = all[0].account().delivered() > 0;
            assert!(first && delivery.tags().get("b") == Some(b"2"));
        }
        counted.count_total
    };
    let one = allocations(1);
    assert!(one < 12, "{one}");
    for count in [10, 100, 1000] {
        assert_eq!(allocations(count), one, "with {count} subscribers");
    }
}

// checklist: B12
#[test]
fn all_who_receive_a_message_share_one() {
    let bus = Bus::default();
    let all: Vec<_> = (0..100).map(|_| subscribe(&bus, "s", SubscribeOptions::default())).collect();
    bus.publish(Envelope::to("s").header("a", "1"), "payload").unwrap();
    let first = all[0].recv().unwrap().message().clone();
    assert!(all[1..].iter().all(|one| Arc::ptr_eq(one.recv().unwrap().message(), &first)));
    assert_eq!(Arc::strong_count(&first), 1);
}

// checklist: B16
#[test]
fn a_match_everything_subscription_gets_every_message_with_and_without_attributes() {
    let bus = Bus::default();
    let all = subscribe(&bus, ">", SubscribeOptions::default());
    let envelopes = [
        Envelope::to("a"),
        Envelope::to("a.b.c.d.e.f.g"),
        Envelope::to("a").header("k", "v"),
        Envelope::to("a.b").header("k", "").header("k", "w").reply_to("r"),
        Envelope::to("*a.>b"),
        Envelope::to("$sys.x"),
    ];
    for (nth, envelope) in envelopes.into_iter().enumerate() {
        for payload in ["", "x"] {
            assert_eq!(bus.publish(envelope.clone(), payload).unwrap().queued, 1);
            let message = all.recv().unwrap();
            assert_eq!(&message.payload()[..], payload.as_bytes());
            assert_eq!(message.tags().iter().count(), [0, 0, 1, 2, 0, 0][nth]);
            assert_eq!(message.reply(), (nth == 3).then_some(&b"r"[..]));
        }
    }
    let (mut router, mut wakeups) = (Router::new(bus.clone()), Wakeups::new());
    let mut pushback = Pushback::new(PushbackMode::None);
    let now = Instant::now();
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
    assert_eq!(batch.push(Message::new(b"batched", b"x")), 1);
    batch.commit();
    assert_eq!(all.account().matched(), 13);
}

// checklist: B4
#[test]
fn nothing_is_delivered_after_an_unsubscribe_has_returned() {
    let bus = Bus::default();
    let done = AtomicBool::new(false);
    let mut seen = Vec::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    bus.publish("s", "x").unwrap();
                }
            });
        }
        for round in 0..2000 {
            let one = subscribe(&bus, "s", SubscribeOptions::default());
            (0..round % 7).for_each(|_| thread::yield_now());
            one.unsubscribe();
            // It may have ended before, if this thread had to wait long for its turn.
            let account = one.account();
            let queued = one.take_backlog().len() as u64;
            (0..3).for_each(|_| thread::yield_now());
            let after = (one.account().matched(), one.try_recv().map(|_| ()));
            seen.push((account, queued, after));
        }
        // Before anything is checked: a scope waits for its threads also if that fails.
        done.store(true, Ordering::Relaxed);
    });
    for (account, queued, (matched, next)) in seen {
        assert_eq!((queued, matched), (account.queued(), account.matched()));
        assert!(matches!(next, Err(RecvError::Ended(_))), "{next:?}");
    }
}
