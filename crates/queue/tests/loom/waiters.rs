//! The wait primitive: no lost wake-up, whatever happens at the same time.
// checklist: A12

use std::task::Poll;

use floodway_queue::{Monitor, Wait, Waiters, block_until};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::explore;

/// Something to wait for: a number of units, each for one taker.
struct Stock {
    units: AtomicU32,
    arrivals: Waiters,
}

impl Stock {
    fn new() -> Arc<Self> {
        Arc::new(Stock { units: AtomicU32::new(0), arrivals: Waiters::new() })
    }

    fn add(&self) {
        // Relaxed on purpose: the wait primitive has to do with whatever its user has.
        self.units.fetch_add(1, Ordering::Relaxed);
        self.arrivals.notify(1);
    }

    fn take(&self) -> Option<()> {
        let taken =
            self.units.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        taken.ok().map(|_| ())
    }

    fn wait(&self) {
        let mut wait = Wait::new(&self.arrivals);
        assert!(block_until(None, |cx| wait.poll(cx, || self.take())).is_some());
    }
}

#[test]
fn a_change_is_not_missed() {
    explore(3, || {
        let stock = Stock::new();
        let other = stock.clone();
        let adder = thread::spawn(move || other.add());
        stock.wait();
        adder.join().unwrap();
        assert_eq!(stock.arrivals.waiting(), 0);
    });
}

#[test]
fn two_units_for_two_waiters_wake_both() {
    explore(3, || {
        let stock = Stock::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let stock = stock.clone();
                thread::spawn(move || stock.wait())
            })
            .collect();
        stock.add();
        stock.add();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

/// A deadline, a cancelled future: one looks once and goes, whenever that may be.
#[test]
fn a_waiter_that_gives_up_does_not_keep_a_wake_up() {
    explore(3, || {
        let stock = Stock::new();
        let patient = stock.clone();
        let waiter = thread::spawn(move || patient.wait());
        let impatient = stock.clone();
        let quitter = thread::spawn(move || {
            let mut wait = Wait::new(&impatient.arrivals);
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            // Registers at most; the unit is not for this one.
            let polled: Poll<()> = wait.poll(&mut cx, || None);
            assert!(polled.is_pending());
        });
        stock.add();
        quitter.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(stock.arrivals.waiting(), 0);
    });
}

#[test]
fn the_end_wakes_everybody() {
    explore(3, || {
        let stock = Stock::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let stock = stock.clone();
                thread::spawn(move || {
                    let mut wait = Wait::new(&stock.arrivals);
                    let ended = || (stock.units.load(Ordering::Relaxed) == 1).then_some(());
                    block_until(None, |cx| wait.poll(cx, ended))
                })
            })
            .collect();
        stock.units.store(1, Ordering::Relaxed);
        stock.arrivals.notify(u32::MAX);
        waiters.into_iter().for_each(|waiter| assert!(waiter.join().unwrap().is_some()));
    });
}

#[test]
fn a_monitor_has_one_holder_at_a_time() {
    explore(3, || {
        let monitor = Arc::new(Monitor::new(0));
        let add = |monitor: &Monitor<i32>| {
            monitor.with(|n| {
                let seen = *n;
                *n = -1;
                assert!(seen >= 0, "there is another holder");
                *n = seen + 1;
            });
        };
        let other = monitor.clone();
        let adder = thread::spawn(move || add(&other));
        add(&monitor);
        adder.join().unwrap();
        assert_eq!(monitor.with(|n| *n), 2);
    });
}

#[test]
fn a_monitor_misses_no_change() {
    explore(3, || {
        let monitor = Arc::new(Monitor::new(false));
        let other = monitor.clone();
        let changer = thread::spawn(move || {
            other.with(|changed| *changed = true);
            other.notify();
        });
        assert_eq!(monitor.wait(None, |changed| changed.then_some(())), Ok(()));
        changer.join().unwrap();
    });
}

/// Its change is beside the state, and it has not had the lock since.
#[test]
fn a_monitor_tells_of_what_is_beside_its_state() {
    explore(3, || {
        let shared = Arc::new((Monitor::new(()), AtomicU32::new(0)));
        let other = shared.clone();
        let changer = thread::spawn(move || {
            other.1.store(1, Ordering::Relaxed);
            other.0.notify();
        });
        let changed = || (shared.1.load(Ordering::Relaxed) == 1).then_some(());
        assert_eq!(shared.0.wait(None, |()| changed()), Ok(()));
        changer.join().unwrap();
    });
}

/// One of two waits goes, and takes its registration with it whatever happens meanwhile.
#[test]
fn a_wait_for_a_monitor_that_is_given_up_leaves_the_other() {
    explore(3, || {
        let monitor = Arc::new(Monitor::new(0_u32));
        let patient = monitor.clone();
        let waiter = thread::spawn(move || patient.wait(None, |n| (*n > 0).then_some(())));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut watch = monitor.watch();
        assert_eq!(watch.poll(&mut cx, |_| None), Poll::<()>::Pending);
        monitor.with(|n| *n += 1);
        drop(watch);
        monitor.notify();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}
