//! Waiting, by threads and tasks: nobody is left asleep, and a deadline is kept.
// checklist: A12
// checklist: H3

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use floodway_queue::ring::{PopError, PushError, ring};

/// Every item is waited for, and so is all room: each step has to wake one that may just go to
/// sleep.
#[test]
fn ping_pong_of_threads() {
    let (mut ping, mut pinged) = ring(1).unwrap();
    let (mut pong, mut ponged) = ring(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(n) = pinged.pop_blocking(None) {
                pong.push_blocking(n, None).unwrap();
            }
        });
        for n in 0..20_000 {
            ping.push_blocking(n, None).unwrap();
            assert_eq!(ponged.pop_blocking(None), Ok(n));
        }
        drop(ping);
        assert_eq!(ponged.pop_blocking(None), Err(PopError::Closed));
    });
}

#[test]
fn ping_pong_of_tasks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (mut ping, mut pinged) = ring(1).unwrap();
        let (mut pong, mut ponged) = ring(1).unwrap();
        let echo = tokio::spawn(async move {
            while let Ok(n) = pinged.pop().await {
                pong.push(n).await.unwrap();
            }
        });
        for n in 0..20_000 {
            ping.push(n).await.unwrap();
            assert_eq!(ponged.pop().await, Ok(n));
        }
        drop(ping);
        assert_eq!(ponged.pop().await, Err(PopError::Closed));
        echo.await.unwrap();
    });
}

/// A task that pushes into a full ring all the time, and a task that drains it.
#[test]
fn tasks_wait_for_room() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (mut producer, mut consumer) = ring(3).unwrap();
        let pushing = tokio::spawn(async move {
            for n in 0..50_000 {
                producer.push(n).await.unwrap();
            }
        });
        let mut next = 0;
        while consumer.ready().await.is_ok() {
            consumer.drain(2, |n| {
                assert_eq!(n, next);
                next += 1;
            });
        }
        pushing.await.unwrap();
        assert_eq!(next, 50_000);
    });
}

#[test]
fn a_deadline_is_kept_beside_a_busy_machine() {
    let (mut full, _consumer) = ring(1).unwrap();
    full.try_push(0).unwrap();
    let (mut producer, mut empty) = ring::<u8>(1).unwrap();
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for wait in [0, 1, 20] {
            let wait = Duration::from_millis(wait);
            let timed = |attempt: &mut dyn FnMut(Instant)| {
                let start = Instant::now();
                attempt(start + wait);
                let took = start.elapsed();
                assert!(took >= wait && took < wait + Duration::from_secs(1), "{took:?}");
            };
            timed(&mut |deadline| {
                assert_eq!(full.push_blocking(1, Some(deadline)), Err(PushError::Full(1)));
            });
            timed(&mut |deadline| {
                assert_eq!(empty.pop_blocking(Some(deadline)), Err(PopError::Empty));
            });
        }
        busy.store(false, Ordering::Relaxed);
    });
    producer.try_push(7).unwrap();
    assert_eq!(empty.pop_blocking(Some(Instant::now())), Ok(7));
}

#[test]
fn the_end_releases_a_producer_that_waits() {
    for _ in 0..200 {
        let (mut producer, consumer) = ring(1).unwrap();
        producer.try_push(0).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                loop {
                    if let Err(refused) = producer.push_blocking(1, None) {
                        break refused;
                    }
                }
            });
            drop(consumer);
            assert_eq!(waiting.join().unwrap(), PushError::Closed(1));
        });
    }
}

#[test]
fn a_dropped_future_has_done_nothing() {
    let (mut producer, mut consumer) = ring(1).unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    {
        let mut pop = std::pin::pin!(consumer.pop());
        assert!(pop.as_mut().poll(&mut cx).is_pending());
    }
    producer.try_push(1).unwrap();
    assert_eq!(bell.rung(), 0, "woke nobody");
    {
        let mut push = std::pin::pin!(producer.push(2));
        assert!(push.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(consumer.try_pop(), Ok(1));
    assert_eq!((bell.rung(), consumer.try_pop()), (0, Err(PopError::Empty)));
}

/// A batch wakes once, however many items are in it, in both directions.
#[test]
fn a_batch_wakes_once() {
    let (mut producer, mut consumer) = ring(64).unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    for round in 1..=3 {
        assert!(consumer.poll_ready(&mut cx).is_pending());
        assert_eq!(producer.try_push_many(&mut (0..64)), Ok(64));
        assert_eq!(bell.rung(), 2 * round - 1);
        assert!(producer.poll_ready(&mut cx).is_pending());
        assert_eq!(consumer.poll_pop(&mut cx), Poll::Ready(Ok(0)));
        assert_eq!(bell.rung(), 2 * round);
        assert_eq!(consumer.drain(usize::MAX, drop), 63);
        assert_eq!(producer.poll_ready(&mut cx), Poll::Ready(Ok(())));
        assert_eq!(bell.rung(), 2 * round, "nobody waited any more");
    }
}

#[derive(Default)]
struct Bell(AtomicU32);

impl Bell {
    fn rung(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
