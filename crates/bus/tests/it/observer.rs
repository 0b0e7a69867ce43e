//! Observers: first to see a message, and unable to hold anybody up for long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use floodway::{Bus, Filter, ObserveOptions, Origin, Pushback, PushbackMode, Router};
use floodway::{Message, SubscribeOptions, Wakeups};

fn filter(text: &str) -> Filter {
    Filter::new(text).unwrap()
}

fn patient() -> ObserveOptions {
    ObserveOptions { deadline: Duration::from_secs(60), ..ObserveOptions::default() }
}

// checklist: B15
#[test]
fn a_message_is_handled_before_a_subscription_gets_it() {
    let bus = Bus::default();
    let handled = Arc::new(AtomicU64::new(0));
    let count = handled.clone();
    let observer = bus.observe(&filter("blocks.>"), patient(), move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let observer = observer.unwrap();
    let blocks = bus.subscribe(&filter("blocks.*"), SubscribeOptions::default()).unwrap();
    for n in 1..=1000 {
        let report = bus.publish("blocks.new", format!("{n}")).unwrap();
        assert_eq!((report.matched, report.queued), (1, 1), "an observer is no subscription");
        assert_eq!(handled.load(Ordering::SeqCst), n, "before anybody got it");
        assert_eq!(blocks.try_recv().unwrap().seq(), n);
    }
    // Also where nobody else wants it, and in batches.
    bus.publish("blocks.a.b", "x").unwrap();
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, Instant::now());
    for subject in ["blocks.new", "blocks.new", "other", "blocks.a.b"] {
        batch.push(Message::new(subject.as_bytes(), b"x"));
    }
    batch.commit();
    assert_eq!(handled.load(Ordering::SeqCst), 1004);
    assert_eq!((observer.report().handled, observer.report().overruns), (1004, 0));
    drop(observer);
    bus.publish("blocks.new", "x").unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 1004);
}

// checklist: B15
// checklist: B7
#[test]
fn one_that_hangs_costs_one_deadline_and_is_counted() {
    let bus = Bus::default();
    let (release, wait) = mpsc::channel::<()>();
    let deadline = Duration::from_millis(20);
    let options = ObserveOptions { deadline, max_messages: 10, ..ObserveOptions::default() };
    let observer = bus.observe(&filter(">"), options, move |_| {
        let _released = wait.recv();
    });
    let observer = observer.unwrap();
    let others = bus.subscribe(&filter(">"), SubscribeOptions::default()).unwrap();
    let started = Instant::now();
    for n in 0..1000 {
        bus.publish("s", format!("{n}")).unwrap();
    }
    assert!(started.elapsed() >= deadline, "it was waited for once");
    assert!(started.elapsed() < deadline * 50, "and not again: {:?}", started.elapsed());
    assert_eq!(others.take_backlog().len(), 1000);
    let report = observer.report();
    assert_eq!((report.overruns, report.handled), (1, 0));
    assert!(report.account.is_conserved() && report.account.losses().total() > 900);
    // It hangs on, and stopping does not wait longer than it may.
    let stopped = bus.stop(Duration::from_millis(50));
    assert_eq!(stopped.busy_observers, [">"]);
    drop(release);
}

// checklist: B15
#[test]
fn one_that_was_late_is_waited_for_again_when_it_has_caught_up() {
    let bus = Bus::default();
    let (go_on, wait) = mpsc::channel::<()>();
    let handled = Arc::new(AtomicU64::new(0));
    let count = handled.clone();
    let options =
        ObserveOptions { deadline: Duration::from_millis(5), ..ObserveOptions::default() };
    let observer = bus.observe(&filter("s"), options, move |_| {
        let _go = wait.recv();
        count.fetch_add(1, Ordering::SeqCst);
    });
    let observer = observer.unwrap();
    for _ in 0..5 {
        bus.publish("s", "x").unwrap();
    }
    assert_eq!(observer.report().overruns, 1);
    (0..1000).for_each(|_| go_on.send(()).unwrap());
    while handled.load(Ordering::SeqCst) < 5 || observer.report().account.queued() > 0 {
        std::thread::yield_now();
    }
    // From some moment after that on, every publish waits again.
    let mut published = 5;
    loop {
        bus.publish("s", "x").unwrap();
        published += 1;
        if handled.load(Ordering::SeqCst) == published {
            break;
        }
        assert!(published < 900, "never waited for again");
    }
}

// checklist: B11
// checklist: B8
#[test]
fn a_panic_in_it_harms_only_itself_and_it_may_publish_itself() {
    let bus = Bus::default();
    let (inner, start) = (bus.clone(), Arc::new(Barrier::new(1)));
    let observer = bus.observe(&filter("s"), patient(), move |message| {
        start.wait();
        match &message.payload()[..] {
            b"panic" => panic!("on purpose"),
            b"echo" => drop(inner.publish("s", "echoed").unwrap()),
            _ => {}
        }
    });
    let observer = observer.unwrap();
    let others = bus.subscribe(&filter("s"), SubscribeOptions::default()).unwrap();
    for payload in ["panic", "echo", "panic", "plain"] {
        bus.publish("s", payload).unwrap();
    }
    // The echoed one was handed to it while it was busy with the other.
    while observer.report().handled < 5 {
        std::thread::yield_now();
    }
    let report = observer.report();
    assert_eq!((report.panics, report.overruns), (2, 0));
    assert_eq!(others.take_backlog().len(), 5);
}
