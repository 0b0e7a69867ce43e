//! Waiting by threads and tasks, with deadlines, cancelled, and all at once.
// checklist: A12
// checklist: E1

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use floodway_queue::{Limits, RecvError, SendError, Wait, Waiters, block_until};

use super::limited;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn two_waiters_and_two_units_wake_both() {
    for _ in 0..if cfg!(miri) { 3 } else { 500 } {
        let (stock, arrivals) = (AtomicUsize::new(0), Waiters::new());
        let take =
            || stock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).ok();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut wait = Wait::new(&arrivals);
                    assert!(block_until(None, |cx| wait.poll(cx, take)).is_some());
                });
            }
            for _ in 0..2 {
                stock.fetch_add(1, Ordering::Relaxed);
                arrivals.notify(1);
            }
        });
        assert_eq!((stock.into_inner(), arrivals.waiting()), (0, 0));
    }
}

#[test]
fn one_wake_up_per_batch_and_none_without_a_waiter() {
    let (sender, mut receiver) = limited(100);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        // After a batch it lingers for a moment, waking itself, before it is registered.
        let mut rung = usize::MAX;
        while rung != bell.rung() {
            rung = bell.rung();
            assert!(receiver.poll_ready(&mut cx).is_pending());
        }
        sender.try_send(1).unwrap();
        sender.try_send_many(&mut vec![2, 3, 4]).unwrap();
        sender.try_send(5).unwrap();
        assert_eq!(bell.rung(), rung + 1, "once for five messages");
        assert_eq!(receiver.poll_ready(&mut cx), Poll::Ready(Ok(())));
        assert_eq!(receiver.drain(usize::MAX, drop), 5);
    }
    let rung = bell.rung();
    sender.try_send(6).unwrap();
    assert_eq!(bell.rung(), rung, "nobody waited for the sixth");
}

#[test]
fn a_dropped_future_is_not_woken() {
    let (sender, mut receiver) = limited(1);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(Box::pin(receiver.recv()).as_mut().poll(&mut cx).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(bell.rung(), 0);
    // The same for senders: the one that is gone is passed over, its turn passed on.
    let mut first = Box::pin(sender.send(2));
    let mut second = Box::pin(sender.send(3));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(bell.rung(), 0, "there is one place, and the first came first");
    drop(first);
    assert_eq!(bell.rung(), 1);
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn a_timed_wait_ends_at_its_deadline_under_load() {
    let (sender, mut receiver) = limited::<u32>(1);
    sender.try_send(0).unwrap();
    let stop = Instant::now() + Duration::from_millis(300);
    let wait = Duration::from_millis(20);
    std::thread::scope(|scope| {
        // Senders that fight for one place: most wake-ups are in vain.
        for _ in 0..6 {
            let sender = sender.clone();
            scope.spawn(move || {
                while Instant::now() < stop {
                    let start = Instant::now();
                    match sender.send_blocking(1, Some(start + wait)) {
                        Ok(()) => {}
                        Err(SendError::Full(_)) => assert!(start.elapsed() >= wait),
                        Err(other) => panic!("{other:?}"),
                    }
                    // Two CPUs, seven threads: what is over is the scheduler's.
                    assert!(start.elapsed() < wait + Duration::from_millis(500));
                }
            });
        }
        while Instant::now() < stop {
            let _ = receiver.recv_blocking(Some(Instant::now() + wait));
        }
    });
    receiver.drain(usize::MAX, drop);
    let start = Instant::now();
    assert_eq!(receiver.recv_blocking(Some(start + wait)), Err(RecvError::Empty));
    assert!(start.elapsed() >= wait);
}

#[test]
fn many_waiting_senders_all_get_in_or_are_released() {
    let (sender, mut receiver) = limited(2);
    sender.try_send_many(&mut vec![0, 0]).unwrap();
    std::thread::scope(|scope| {
        let sending: Vec<_> = (1..=20)
            .map(|n| {
                let sender = sender.clone();
                scope.spawn(move || sender.send_blocking(n, None))
            })
            .collect();
        let mut got = 0;
        while got < 12 {
            got += usize::from(receiver.recv_blocking(None).is_ok());
        }
        receiver.set_limits(Limits::messages(5).unwrap());
        while got < 16 {
            got += usize::from(receiver.recv_blocking(None).is_ok());
        }
        receiver.close();
        let rest = receiver.drain(usize::MAX, drop);
        let sent = sending.into_iter().filter_map(|s| s.join().unwrap().ok()).count();
        assert_eq!(sent + 2, got + rest);
    });
}

#[test]
fn tasks_and_threads_meet_in_one_mailbox() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (sender, mut receiver) = limited::<u64>(8);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            runtime.spawn(async move {
                for n in 0..1_000 {
                    match n % 3 {
                        0 => sender.send(n).await.unwrap(),
                        1 => sender.reserve(0).await.unwrap().send(n).unwrap(),
                        _ => sender.send_many(&mut vec![n]).await.unwrap(),
                    }
                }
            })
        })
        .collect();
    let thread = std::thread::spawn(move || {
        (0..1_000).for_each(|n| sender.send_blocking(n, None).unwrap());
    });
    let sum = runtime.block_on(async {
        let mut sum = 0;
        while let Ok(n) = receiver.recv().await {
            sum += n;
            receiver.drain(3, |n| sum += n);
        }
        sum
    });
    thread.join().unwrap();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(sum, 5 * (0..1_000).sum::<u64>());
}
