//! The reader waits as a thread and as a task, and is woken by an item, the end or its deadline.
// checklist: A12

use std::time::{Duration, Instant};

use floodway_queue::overwriting::{ReadError, ring, shared_ring};

/// Every item is waited for, so every push has to wake a reader that may just go to sleep.
#[test]
fn ping_pong_of_threads() {
    let (mut ping, mut pinged) = ring(1).unwrap();
    let (mut pong, mut ponged) = ring(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(entry) = pinged.read_blocking(None) {
                pong.push(entry.item).unwrap();
            }
        });
        for n in 0..20_000 {
            ping.push(n).unwrap();
            assert_eq!(ponged.read_blocking(None).unwrap().item, n);
        }
        drop(ping);
        assert_eq!(ponged.read_blocking(None), Err(ReadError::Closed));
    });
}

#[test]
fn ping_pong_of_tasks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (mut ping, mut pinged) = ring(1).unwrap();
        let (mut pong, mut ponged) = ring(1).unwrap();
        let echo = tokio::spawn(async move {
            while let Ok(entry) = pinged.read().await {
                pong.push(entry.item).unwrap();
            }
        });
        for n in 0..20_000 {
            ping.push(n).unwrap();
            assert_eq!(ponged.read().await.unwrap().item, n);
        }
        drop(ping);
        assert_eq!(ponged.read().await, Err(ReadError::Closed));
        echo.await.unwrap();
    });
}

#[test]
fn a_deadline_is_kept_beside_a_busy_machine() {
    let (writer, mut reader) = shared_ring::<u8>(4).unwrap();
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while busy.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for wait in [0, 1, 20] {
            let (start, wait) = (Instant::now(), Duration::from_millis(wait));
            assert_eq!(reader.read_blocking(Some(start + wait)), Err(ReadError::Empty));
            let took = start.elapsed();
            assert!(took >= wait && took < wait + Duration::from_secs(1), "{took:?}");
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    writer.push(7).unwrap();
    assert_eq!(reader.read_blocking(Some(Instant::now())).unwrap().item, 7);
}

#[test]
fn a_dropped_future_has_taken_nothing() {
    let (mut writer, mut reader) = ring(4).unwrap();
    let waker = std::sync::Arc::new(Flag::default());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop()).waker().clone();
    cx.clone_from(&std::task::Waker::from(waker.clone()));
    let mut cx = std::task::Context::from_waker(&cx);
    {
        let mut read = std::pin::pin!(reader.read());
        assert!(read.as_mut().poll(&mut cx).is_pending());
    }
    writer.push(1).unwrap();
    assert!(!waker.0.load(std::sync::atomic::Ordering::Relaxed), "woke nobody");
    assert_eq!(reader.try_read().unwrap().item, 1);
    let mut read = std::pin::pin!(reader.read());
    assert!(read.as_mut().poll(&mut cx).is_pending());
    writer.push(2).unwrap();
    assert!(waker.0.load(std::sync::atomic::Ordering::Relaxed), "woke the task");
    assert!(matches!(read.as_mut().poll(&mut cx), std::task::Poll::Ready(Ok(e)) if e.item == 2));
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
