//! Everything at once for some seconds: all policies, publishers that wait and that do not, readers
//! of all kinds, policies that change, subscriptions that end, memory that runs short, observers.
//! Afterwards every message is accounted for, and everybody was told what it missed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Delivery, Envelope, Filter, Limits, Missed, ObserveOptions, OnWaitCycle,
    Overflow, Policy, RecvError, SubscribeOptions, Subscription,
};

use crate::task::Task;

const SECONDS: u64 = 3;
const BUDGET: u64 = 256 << 10;
const SUBJECTS: [&str; 4] = ["a.1", "a.2", "b.1", "b.2"];
const FILTERS: [&str; 4] = ["a.*", "*.1", ">", "b.2"];

/// Numbers that look random, and follow from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn overflow(&mut self) -> Overflow {
        let policy = match self.roll(6) {
            0 => Policy::Disconnect,
            1 => Policy::DropNewest,
            2 => Policy::DropOldest,
            3 => Policy::Conflate(Default::default()),
            4 => Policy::Block { patience: Some(Duration::from_millis(2)) },
            _ => Policy::Throttle { max_delay: Duration::from_micros(100) },
        };
        let ttl = (self.roll(4) == 0).then_some(Duration::from_millis(3));
        let behind = (self.roll(4) == 0).then_some(Duration::from_millis(50));
        let messages = Some(1 + self.roll(40) as u64);
        Overflow::new(policy, Limits { messages, ttl, behind, bytes: None })
    }
}

/// A subscription, and what whoever reads it has seen. One reader at a time.
struct Read {
    subscription: Subscription,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    received: u64,
    told: u64,
    conflates: bool,
    last: u64,
    replaced: u64,
}

impl Seen {
    fn take(&mut self, next: Result<Delivery, RecvError>) -> bool {
        let missed = match &next {
            Ok(delivery) => delivery.missed(),
            Err(RecvError::Missed(missed)) => Some(&**missed),
            Err(_) => return false,
        };
        let missed_here = missed.map_or(0, Missed::total);
        self.told += missed_here;
        if let Ok(delivery) = &next {
            self.received += 1;
            self.replaced += delivery.replaced();
            // Where nothing was ever replaced, sequence and losses cover everything.
            let gap = (delivery.seq(), self.last + missed_here + 1);
            assert!(self.conflates || gap.0 == gap.1, "a hole: {gap:?}");
            self.last = delivery.seq();
        } else {
            self.last += missed_here;
        }
        true
    }
}

type All = Mutex<Vec<Arc<Read>>>;

fn pick(all: &All, dice: &mut Dice) -> Option<Arc<Read>> {
    let all = all.lock().unwrap();
    (!all.is_empty()).then(|| all[dice.roll(all.len())].clone())
}

fn subscribe(bus: &Bus, all: &All, dice: &mut Dice) {
    let overflow = dice.overflow();
    let conflates = dice.roll(2) == 0 || matches!(overflow.policy, Policy::Conflate(_));
    let options = SubscribeOptions::default().limits(overflow.limits).policy(overflow.policy);
    let options = match dice.roll(4) {
        0 => options.queue_group("g"),
        1 => options.client("c"),
        _ => options,
    };
    let Ok(subscription) = bus.subscribe(&Filter::new(FILTERS[dice.roll(4)]).unwrap(), options)
    else {
        return;
    };
    let mut all = all.lock().unwrap();
    // Or its policy may become one that replaces messages.
    let seen = Mutex::new(Seen { conflates, ..Seen::default() });
    all.push(Arc::new(Read { subscription, seen }));
    if all.len() > 12 {
        let at = dice.roll(all.len());
        let gone = all.swap_remove(at);
        drop(all);
        check(&gone);
    }
}

/// Everything that it was given and told is all that matched it.
fn check(read: &Read) {
    read.subscription.unsubscribe();
    let mut seen = read.seen.lock().unwrap();
    while seen.take(read.subscription.try_recv()) {}
    let account = read.subscription.account();
    assert!(account.is_conserved(), "{account:?}");
    assert_eq!((account.delivered(), account.queued()), (seen.received, 0));
    assert!(seen.replaced <= account.conflated() && seen.told <= account.troubles());
    // Of what the end itself stands for no number is told but in the account.
    let untold = account.matched() - account.conflated() - seen.received - seen.told;
    let ended = read.subscription.end_reason().unwrap();
    assert!(untold == 0 || ended.is_slow_consumer(), "{untold} vanished, {ended}: {account:?}");
}

fn publish(bus: &Bus, dice: &mut Dice, published: &AtomicU64) {
    let publisher = bus.publisher("publisher");
    let to = Envelope::to(SUBJECTS[dice.roll(4)]).header("k", "v");
    let payload = vec![b'x'; dice.roll(300)];
    let last = Some(Instant::now() + Duration::from_micros(dice.roll(2000) as u64));
    let outcome = match dice.roll(6) {
        0 | 1 => bus.publish(to, payload),
        2 => bus.publish_wait(to, payload, last),
        3 => publisher.publish_wait(to, payload, last),
        4 => Task::new(bus.publish_wait_async(to, payload, last)).run(),
        _ => match Task::new(publisher.publish_wait_async(to, payload, None)).poll() {
            Some(outcome) => outcome,
            // Given up.
            None => return,
        },
    };
    if let Ok(report) = outcome {
        assert_eq!(report.matched, report.queued + report.lost());
        published.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(read: &Read, dice: &mut Dice) {
    let Ok(mut seen) = read.seen.try_lock() else { return };
    let subscription = &read.subscription;
    match dice.roll(4) {
        0 => _ = seen.take(subscription.try_recv()),
        1 => {
            let soon = Instant::now() + Duration::from_micros(100);
            _ = seen.take(subscription.recv_until(Some(soon)));
        }
        2 => {
            for delivery in subscription.take_backlog() {
                seen.take(Ok(delivery));
            }
        }
        _ => {
            if let Some(next) = Task::new(subscription.recv_async()).poll() {
                seen.take(next);
            }
        }
    }
}

fn disturb(bus: &Bus, all: &All, dice: &mut Dice) {
    match dice.roll(10) {
        0..3 => subscribe(bus, all, dice),
        3..6 => {
            let Some(one) = pick(all, dice) else { return };
            let mut overflow = dice.overflow();
            let conflates = matches!(overflow.policy, Policy::Conflate(_));
            // Who looks for holes keeps to policies that make none.
            if conflates && !one.seen.lock().unwrap().conflates {
                overflow.policy = Policy::DropOldest;
            }
            one.subscription.set_overflow(overflow);
        }
        6 => {
            if let Some(one) = pick(all, dice) {
                bus.kick(one.subscription.id());
            }
        }
        7 => _ = bus.unsubscribe_client("c"),
        8 => bus.sweep(Instant::now()),
        _ => bus.make_room(BUDGET / 2),
    }
    _ = format!("{bus:?} {:?}", bus.metrics());
}

// checklist: A8 B13
// spec: CON-1
#[test]
fn all_policies_at_once_account_for_every_message() {
    let on_wait_cycle = OnWaitCycle::DropNewest;
    let bus = Bus::new(&BusConfig { memory_budget: BUDGET, on_wait_cycle, ..BusConfig::default() });
    let (all, published) = (All::default(), AtomicU64::new(0));
    let options =
        ObserveOptions { deadline: Duration::from_millis(1), max_messages: 50, max_bytes: 1 << 14 };
    let observer = bus.observe(&Filter::new("a.>").unwrap(), options, |_| {}).unwrap();
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (bus, all, published, done) = (&bus, &all, &published, &done);
        let mut threads = Vec::new();
        for seed in 1..=10_u64 {
            let mut dice = Dice(seed << 32 | 0x9E37_79B9);
            threads.push(scope.spawn(move || {
                while Instant::now() < until && !done.load(Ordering::Relaxed) {
                    match seed {
                        1..=4 => publish(bus, &mut dice, published),
                        5..=8 => {
                            if let Some(one) = pick(all, &mut dice) {
                                read(&one, &mut dice);
                            }
                        }
                        _ => {
                            disturb(bus, all, &mut dice);
                            thread::yield_now();
                        }
                    }
                }
            }));
        }
        for thread in threads {
            // One that panics ends the others, so that the test does not hang but fails.
            if thread.join().is_err() {
                done.store(true, Ordering::Relaxed);
            }
        }
    });
    assert!(!done.into_inner(), "a thread has panicked");
    assert!(published.into_inner() > 1000, "too little to say something");
    all.into_inner().unwrap().iter().for_each(|one| check(one));
    let report = observer.report();
    assert!(report.account.is_conserved() && report.handled > 0);
    drop(observer);
    let totals = bus.metrics().totals;
    let sum = totals.delivered + totals.losses.total() + totals.conflated + totals.expired;
    assert_eq!((totals.matched, totals.queued, bus.client_count()), (sum, 0, 0));
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 0));
}
