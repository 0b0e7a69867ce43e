use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as StdAtomicU32, Ordering::SeqCst};
use std::task::Wake;
use std::time::{Duration, Instant};

use super::*;

#[derive(Default)]
struct Bell(StdAtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (bell.clone(), Waker::from(bell))
}

fn pend(wait: &mut Wait<'_>, waker: &Waker) {
    let polled: Poll<()> = wait.poll(&mut Context::from_waker(waker), || None);
    assert!(polled.is_pending());
}

#[test]
fn wakes_in_the_order_they_came_and_no_more_than_asked() {
    let waiters = Waiters::new();
    let bells: Vec<_> = (0..4).map(|_| bell()).collect();
    let mut waits: Vec<_> = bells.iter().map(|_| Wait::new(&waiters)).collect();
    waits.iter_mut().zip(&bells).for_each(|(wait, (_, waker))| pend(wait, waker));
    let rung = || bells.iter().map(|(bell, _)| bell.0.load(SeqCst)).collect::<Vec<_>>();
    waiters.notify(0);
    assert_eq!(rung(), [0, 0, 0, 0]);
    waiters.notify(2);
    assert_eq!(rung(), [1, 1, 0, 0]);
    // Waiting again means at the end of the line.
    pend(&mut waits[0], &bells[0].1);
    waiters.notify(1);
    assert_eq!(rung(), [1, 1, 1, 0]);
    waiters.wake_all();
    assert_eq!(rung(), [2, 1, 1, 1]);
    waiters.wake_all();
    assert_eq!(rung(), [2, 1, 1, 1]);
}

#[test]
fn one_that_is_polled_again_is_woken_by_its_new_waker_only() {
    let waiters = Waiters::new();
    let ((old, old_waker), (new, new_waker)) = (bell(), bell());
    let mut wait = Wait::new(&waiters);
    pend(&mut wait, &old_waker);
    pend(&mut wait, &new_waker);
    assert_eq!(waiters.waiting(), 1);
    waiters.notify(1);
    assert_eq!((old.0.load(SeqCst), new.0.load(SeqCst)), (0, 1));
}

#[test]
fn a_turn_that_is_not_used_goes_to_the_next() {
    let waiters = Waiters::new();
    let ((first, first_waker), (second, second_waker)) = (bell(), bell());
    let mut quits = Wait::new(&waiters);
    let mut stays = Wait::new(&waiters);
    pend(&mut quits, &first_waker);
    pend(&mut stays, &second_waker);
    waiters.notify(1);
    assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (1, 0));
    drop(quits);
    assert_eq!(second.0.load(SeqCst), 1);
    // A turn that was used does not.
    let mut third = Wait::new(&waiters);
    pend(&mut third, &first_waker);
    let mut cx = Context::from_waker(&second_waker);
    assert_eq!(stays.poll(&mut cx, || Some(())), Poll::Ready(()));
    drop(stays);
    assert_eq!((first.0.load(SeqCst), waiters.waiting()), (1, 1));
}

#[test]
fn a_change_between_the_two_looks_is_seen() {
    let waiters = Waiters::new();
    let mut wait = Wait::new(&waiters);
    let mut looks = 0;
    let polled = wait.poll(&mut Context::from_waker(Waker::noop()), || {
        looks += 1;
        (looks == 2).then_some(looks)
    });
    assert_eq!(polled, Poll::Ready(2));
    assert_eq!(waiters.waiting(), 0, "who has got it does not wait");
}

#[test]
fn wakers_that_wait_again_at_once_do_not_keep_the_waking_thread() {
    struct Again(Waiters, StdAtomicU32);
    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, SeqCst);
            let mut wait = Wait::new(&self.0);
            pend(&mut wait, &Waker::from(self.clone()));
            // Leaks its registration, as a task that never ends does.
            std::mem::forget(wait);
        }
    }
    let again = Arc::new(Again(Waiters::new(), StdAtomicU32::new(0)));
    let mut wait = Wait::new(&again.0);
    pend(&mut wait, &Waker::from(again.clone()));
    again.0.wake_all();
    assert_eq!(again.1.load(SeqCst), 1);
    // Break the circle of references.
    let left = again.0.list.lock().unwrap().take();
    drop(left);
}

/// checklist: A12
#[test]
fn a_deadline_ends_a_wait_that_is_woken_in_vain_all_the_time() {
    let waiters = Waiters::new();
    let deadline = Instant::now() + Duration::from_millis(20);
    let mut polls = 0_u32;
    let mut wait = Wait::new(&waiters);
    let found: Option<()> = block_until(Some(deadline), |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        wait.poll(cx, || None)
    });
    assert!(found.is_none() && polls > 2);
    let over = Instant::now().saturating_duration_since(deadline);
    assert!(over < Duration::from_secs(1), "{over:?} after the deadline");
}

#[test]
fn a_past_deadline_still_looks_once() {
    let past = Some(Instant::now());
    assert_eq!(block_until(past, |_| Poll::Ready(7)), Some(7));
    assert_eq!(block_until(past, |_| Poll::<()>::Pending), None);
}
