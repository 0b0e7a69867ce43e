//! Ten thousand that do not read, and a memory budget: who gives memory back, and at what cost.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Charge, Consumer, Delivery, EndReason, Filter, Limits, LossReason, Missed,
    Policy, Runs, SharedMessage, SubscribeOptions, SubscriptionKey, Taken, Tally,
};

use crate::paused::Paused;

const MANY: usize = 10_000;

fn charge(subject: &str, payload: usize) -> u64 {
    (subject.len() + payload + size_of::<SharedMessage>()) as u64
}

// checklist: E7 A8
#[test]
fn those_that_may_lose_give_back_what_is_oldest_and_nobody_is_ended() {
    const LIMIT: u64 = 1 << 20;
    const PUBLISHED: usize = 60_000;
    let mut clock = Paused::new(LIMIT);
    let stalled: Vec<_> = (0..MANY)
        .map(|n| clock.subscribe(&format!("s.{n}"), Policy::DropOldest, Limits::NONE))
        .collect();
    let payload = "x".repeat(100);
    // Some get much more than others.
    let mut published = vec![0; MANY];
    for n in 0..PUBLISHED {
        let to = if n % 3 == 0 { n % 7 } else { n * 7919 % MANY };
        published[to] += 1;
        clock.publish_run(&format!("s.{to}"), &payload, 1);
        assert!(clock.bus.budget().used() <= LIMIT, "after {n}");
    }
    assert!(clock.bus.budget().used() > LIMIT / 2);
    let (mut held, mut lost) = (0, 0);
    for (n, (subscription, published)) in stalled.iter().zip(&published).enumerate() {
        let account = subscription.account();
        assert_eq!(subscription.end_reason(), None);
        assert!(account.is_conserved());
        assert_eq!(account.matched(), *published);
        assert_eq!(account.losses().of(LossReason::MemoryPressure), account.losses().total());
        held += account.queued() * charge(&format!("s.{n}"), payload.len());
        lost += account.losses().total();
        // It is told what it missed, and has the newest of what came.
        let backlog = subscription.take_backlog_at(clock.now());
        let first = account.losses().total() + 1;
        assert!(backlog.iter().map(Delivery::seq).eq(first..first + account.queued()));
        let missed = backlog.front().and_then(|one| one.missed());
        assert!(account.queued() == 0 || missed.map_or(0, Missed::total) == first - 1);
        drop(backlog);
    }
    assert!(held > LIMIT / 2 && held <= LIMIT && lost > PUBLISHED as u64 / 2, "{held} {lost}");
    assert_eq!(clock.bus.budget().used(), 0);
}

// checklist: E7
#[test]
fn those_that_hold_the_same_messages_give_them_back_together() {
    const LIMIT: u64 = 64 << 10;
    let mut clock = Paused::new(LIMIT);
    let stalled: Vec<_> =
        (0..MANY).map(|_| clock.subscribe("s", Policy::DropOldest, Limits::NONE)).collect();
    let payload = "x".repeat(1000);
    for n in 0..150 {
        clock.publish_run("s", &payload, 1);
        assert!(clock.bus.budget().used() <= LIMIT, "after {n}");
    }
    let mut different = 0;
    for subscription in &stalled {
        let account = subscription.account();
        assert!(account.is_conserved() && subscription.end_reason().is_none());
        assert_eq!((account.matched(), account.delivered()), (150, 0));
        assert!(account.queued() > 0);
        different = different.max(account.queued());
    }
    assert_eq!(clock.bus.budget().used(), different * charge("s", payload.len()));
}

/// Holds memory of the budget, and counts how often it is asked how much.
struct Holder {
    charge: Mutex<Charge>,
    asked: Arc<AtomicU64>,
    evicted: Arc<Mutex<Vec<u64>>>,
}

impl Consumer for Holder {
    fn deliver(&self, _: Runs<'_>, _: Instant, _: &mut Tally) -> Taken {
        Taken::default()
    }

    fn wake(&self, _: Instant) {}

    fn is_over_mark(&self, _: bool) -> bool {
        false
    }

    fn is_behind(&self) -> bool {
        false
    }

    fn sets_pace(&self, _: SubscriptionKey) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn on_below_mark(&self, waker: Waker) {
        waker.wake();
    }

    fn held_bytes(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.charge.lock().unwrap().bytes() as u64
    }

    fn evict(&self, _: EndReason) {
        let mut charge = self.charge.lock().unwrap();
        self.evicted.lock().unwrap().push(charge.bytes() as u64);
        charge.set(0);
    }

    fn sweep(&self, _: Instant) -> bool {
        false
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        Vec::new()
    }

    fn label(&self) -> String {
        String::new()
    }
}

/// Holders of one byte, two bytes and so on; how often they were asked; and who was evicted.
type Crowd = (Vec<Arc<Holder>>, Arc<AtomicU64>, Arc<Mutex<Vec<u64>>>);

fn crowd(bus: &Bus, count: usize) -> Crowd {
    let (asked, evicted) = (Arc::default(), Arc::default());
    let holders = (1..=count)
        .map(|n| {
            let charge = Mutex::new(bus.budget().charge(n));
            let (asked, evicted) = (Arc::clone(&asked), Arc::clone(&evicted));
            Arc::new(Holder { charge, asked, evicted })
        })
        .collect();
    (holders, asked, evicted)
}

// checklist: E7
#[test]
fn victims_are_the_largest_and_found_without_a_look_at_everybody_for_each() {
    let total = (MANY * (MANY + 1) / 2) as u64;
    let bus = Bus::new(&BusConfig { memory_budget: total, ..BusConfig::default() });
    let (holders, asked, evicted) = crowd(&bus, MANY);
    // In an order that is not that of their size.
    for n in 0..MANY {
        bus.attach(holders[n * 7919 % MANY].clone());
    }
    // Room is asked for as by messages that come one by one.
    let started = Instant::now();
    for _ in 0..MANY {
        let most = bus.budget().limit() - bus.budget().used();
        bus.make_room(most + 1);
    }
    let took = started.elapsed();
    assert_eq!(bus.budget().used(), 0);
    let evicted = evicted.lock().unwrap();
    assert!(evicted.iter().copied().eq((1..=MANY as u64).rev()), "not the largest first");
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked < 150 * MANY as u64, "{asked} looks for {MANY} victims");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

// checklist: E7
#[test]
fn who_has_grown_since_everybody_was_looked_at_is_found() {
    const COUNT: usize = 1000;
    let bus = Bus::new(&BusConfig { memory_budget: 1 << 20, ..BusConfig::default() });
    let (holders, _, evicted) = crowd(&bus, COUNT);
    holders.iter().for_each(|holder| _ = bus.attach(holder.clone()));
    let one_more = || bus.make_room(bus.budget().limit() - bus.budget().used() + 1);
    one_more();
    for (turn, grown) in [17, 5, 900, 18].into_iter().enumerate() {
        // Those that were looked at have delivered everything; another one has not.
        holders.iter().for_each(|holder| holder.charge.lock().unwrap().set(0));
        holders[grown].charge.lock().unwrap().set(100);
        one_more();
        assert_eq!(evicted.lock().unwrap()[1 + turn..], [100], "{grown} was not found");
    }
}

// checklist: E7 B5
#[test]
fn nobody_is_kept_because_it_might_be_a_victim() {
    const COUNT: usize = 1000;
    let bus = Bus::new(&BusConfig { memory_budget: 1 << 20, ..BusConfig::default() });
    let (mut holders, ..) = crowd(&bus, COUNT);
    let ids: Vec<_> = holders.iter().map(|holder| bus.attach(holder.clone())).collect();
    bus.make_room((1 << 20) - bus.budget().used() + 1);
    let watch: Vec<_> = holders.iter().map(Arc::downgrade).collect();
    ids.into_iter().for_each(|id| bus.detach(id));
    holders.clear();
    let kept = watch.iter().filter(|holder| holder.strong_count() > 0).count();
    assert_eq!((kept, bus.budget().used(), bus.consumer_count()), (0, 0, 0));
}

// checklist: E7
#[test]
fn threads_that_need_room_end_nobody_who_may_lose() {
    const LIMIT: u64 = 1 << 20;
    const THREADS: u64 = 4;
    let bus = Bus::new(&BusConfig { memory_budget: LIMIT, ..BusConfig::default() });
    let filter = |n: usize| Filter::new(format!("s.{n}")).unwrap();
    let options = SubscribeOptions::default().limits(Limits::NONE).policy(Policy::DropOldest);
    let subscriptions: Vec<_> =
        (0..100).map(|n| bus.subscribe(&filter(n), options.clone()).unwrap()).collect();
    let published = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let n = published.fetch_add(1, Ordering::Relaxed);
                    bus.publish(format!("s.{}", n % 100), [0; 1000]).unwrap();
                    assert!(bus.budget().used() <= LIMIT + THREADS * charge("s.00", 1000));
                }
            });
        }
    });
    for subscription in &subscriptions {
        let account = subscription.account();
        assert_eq!(subscription.end_reason(), None);
        assert_eq!((account.is_conserved(), account.matched()), (true, 400));
        let mut last = 0;
        for one in subscription.take_backlog() {
            let missed = one.missed().map_or(0, Missed::total);
            assert_eq!(one.seq(), last + missed + 1);
            last = one.seq();
        }
    }
}
