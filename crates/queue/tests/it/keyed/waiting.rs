//! The receiver waits, and is woken by a new key, the end or its deadline.
// checklist: A12

use std::thread;
use std::time::{Duration, Instant};

use floodway_queue::keyed::{RecvError, queue};

#[test]
fn every_key_wakes_a_receiver_that_may_just_go_to_sleep() {
    let (ping, mut pinged) = queue(1).unwrap();
    let (pong, mut ponged) = queue(1).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(entry) = pinged.recv_blocking(None) {
                pong.put(entry.key, entry.value).unwrap();
            }
        });
        for n in 0..10_000 {
            ping.put(n, n).unwrap();
            assert_eq!(ponged.recv_blocking(None).unwrap().value, n);
        }
        drop(ping);
        assert_eq!(ponged.recv_blocking(None), Err(RecvError::Closed));
    });
}

#[test]
fn tasks_and_deadlines() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (sender, mut receiver) = queue(10).unwrap();
    let start = Instant::now();
    let soon = start + Duration::from_millis(5);
    assert_eq!(receiver.recv_blocking(Some(soon)), Err(RecvError::Empty));
    assert!(Instant::now() >= soon);
    runtime.block_on(async {
        let sum = tokio::spawn(async move {
            let mut sum = 0;
            while let Ok(entry) = receiver.recv().await {
                sum += entry.value;
            }
            sum
        });
        for n in 0..10_000_u64 {
            sender.fold(n % 10, 1, |sum, one| *sum += one).unwrap();
        }
        drop(sender);
        assert_eq!(sum.await.unwrap(), 10_000_u64, "nothing is lost by folding");
    });
}
