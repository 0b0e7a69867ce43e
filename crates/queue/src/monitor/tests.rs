use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::*;

#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (bell.clone(), Waker::from(bell))
}

fn pend(watch: &mut Watch<'_, u32>, waker: &Waker) {
    let polled: Poll<()> = watch.poll(&mut Context::from_waker(waker), |_| None);
    assert!(polled.is_pending());
}

fn rung(bells: &[(Arc<Bell>, Waker)]) -> Vec<u32> {
    bells.iter().map(|(bell, _)| bell.0.load(SeqCst)).collect()
}

#[test]
fn two_waiters_and_two_changes_wake_both() {
    let monitor = Monitor::new(0_u32);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    monitor.wait(None, |n| {
                        let taken = n.checked_sub(1);
                        *n = taken.unwrap_or(0);
                        taken
                    })
                })
            })
            .collect();
        monitor.update(|n| *n += 1);
        monitor.with(|n| *n += 1);
        monitor.notify();
        waiters.into_iter().for_each(|w| assert!(w.join().unwrap().is_ok()));
    });
    assert_eq!(monitor.with(|n| *n), 0);
}

#[test]
fn a_deadline_ends_the_wait() {
    let monitor = Monitor::new(());
    let deadline = Instant::now() + Duration::from_millis(5);
    assert_eq!(monitor.wait(Some(deadline), |()| None::<()>), Err(WaitError::TimedOut));
    assert!(Instant::now() >= deadline);
}

#[test]
fn a_change_wakes_each_of_those_who_wait_once() {
    let monitor = Monitor::new(0);
    let bells: Vec<_> = (0..3).map(|_| bell()).collect();
    let mut watches: Vec<_> = bells.iter().map(|_| monitor.watch()).collect();
    watches.iter_mut().zip(&bells).for_each(|(watch, (_, waker))| pend(watch, waker));
    monitor.with(|n| *n += 1);
    assert_eq!(rung(&bells), [0, 0, 0]);
    monitor.notify();
    assert_eq!(rung(&bells), [1, 1, 1]);
    monitor.notify();
    assert_eq!(rung(&bells), [1, 1, 1], "nobody waits any more");
    pend(&mut watches[1], &bells[1].1);
    monitor.update(|n| *n += 1);
    assert_eq!(rung(&bells), [1, 2, 1]);
}

#[test]
fn one_that_waits_no_longer_is_not_woken() {
    for gone in 0..3 {
        let monitor = Monitor::new(0);
        let bells: Vec<_> = (0..3).map(|_| bell()).collect();
        let mut watches: Vec<_> = bells.iter().map(|_| monitor.watch()).collect();
        watches.iter_mut().zip(&bells).for_each(|(watch, (_, waker))| pend(watch, waker));
        // By itself, or because it found what it wants without having been woken.
        if gone == 1 {
            let mut cx = Context::from_waker(&bells[gone].1);
            assert_eq!(watches[gone].poll(&mut cx, |_| Some(7)), Poll::Ready(7));
        } else {
            drop(watches.remove(gone));
        }
        assert_eq!(Arc::strong_count(&bells[gone].0), 2, "its waker was let go of");
        monitor.notify();
        let expected: Vec<_> = (0..3).map(|nth| u32::from(nth != gone)).collect();
        assert_eq!(rung(&bells), expected);
    }
}

#[test]
fn one_that_is_polled_again_is_woken_by_its_new_waker_only() {
    let monitor = Monitor::new(0);
    let bells: Vec<_> = (0..4).map(|_| bell()).collect();
    let (mut first, mut last) = (monitor.watch(), monitor.watch());
    pend(&mut first, &bells[0].1);
    pend(&mut last, &bells[1].1);
    // The same one registers nothing new, and is not cloned again.
    pend(&mut first, &bells[0].1);
    assert_eq!(Arc::strong_count(&bells[0].0), 3);
    pend(&mut first, &bells[2].1);
    pend(&mut last, &bells[3].1);
    monitor.notify();
    assert_eq!(rung(&bells), [0, 0, 1, 1]);
    assert_eq!(Arc::strong_count(&bells[0].0), 2);
}

#[test]
fn a_change_between_the_two_looks_is_seen() {
    let monitor = Monitor::new(0);
    let (bell, waker) = bell();
    let mut looks = 0;
    let polled = monitor.watch().poll(&mut Context::from_waker(&waker), |_| {
        looks += 1;
        (looks == 2).then_some(looks)
    });
    assert_eq!(polled, Poll::Ready(2));
    monitor.notify();
    assert_eq!(bell.0.load(SeqCst), 0, "who has got it does not wait");
}

/// What a waker does when it is cloned, woken or dropped is its own affair, the same monitor
/// included.
#[test]
fn a_waker_may_use_the_monitor() {
    struct Nosy(Arc<Monitor<u32>>, AtomicU32);
    impl Wake for Nosy {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, SeqCst);
            let again: Poll<()> =
                self.0.watch().poll(&mut Context::from_waker(Waker::noop()), |_| None);
            assert!(again.is_pending());
        }
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            self.0.with(|n| *n += 1);
        }
    }
    let monitor = Arc::new(Monitor::new(0));
    let nosy = || Waker::from(Arc::new(Nosy(monitor.clone(), AtomicU32::new(0))));
    let mut watch = monitor.watch();
    pend(&mut watch, &nosy());
    // Its last reference goes with the registration it is replaced in, and taken back in.
    pend(&mut watch, &nosy());
    assert_eq!(monitor.with(|n| *n), 1);
    drop(watch);
    assert_eq!(monitor.with(|n| *n), 2);
    let mut watch = monitor.watch();
    pend(&mut watch, &nosy());
    monitor.notify();
    assert_eq!(monitor.with(|n| *n), 3, "woken, and dropped with that");
}
