//! Consumers that die, producers that wait, and the end of the ring.

use std::time::{Duration, Instant};

use floodway_queue::broadcast::{PublishError, ReadError, WaitStrategy};

use super::ring;

/// checklist: H2
#[test]
fn a_consumer_that_panics_in_its_batch_is_detached() {
    let (producer, ring) = ring(4);
    let mut survivor = ring.join();
    let mut victim = ring.join();
    let mut follower = ring.join_after(&[&victim]).unwrap();
    std::thread::scope(|scope| {
        let dying = scope.spawn(move || {
            let mut read = 0;
            loop {
                for entry in &victim.read_blocking(2, None).unwrap() {
                    read += entry;
                    assert!(read < 100, "on purpose");
                }
            }
        });
        scope.spawn(move || (0..1_000).for_each(|n| producer.publish_blocking(n, None).unwrap()));
        let following = scope.spawn(move || {
            let mut next = 0;
            while let Ok(batch) = follower.read_blocking(9, None) {
                batch.iter().for_each(|n| assert_eq!(*n, std::mem::replace(&mut next, n + 1)));
            }
            assert_eq!(next, 1_000);
        });
        let mut next = 0;
        while let Ok(batch) = survivor.read_blocking(9, None) {
            batch.iter().for_each(|n| assert_eq!(*n, std::mem::replace(&mut next, n + 1)));
        }
        assert_eq!(next, 1_000, "producers went on");
        assert!(dying.join().is_err());
        following.join().unwrap();
    });
    assert_eq!(ring.consumers(), 1, "the survivor is here still");
}

/// checklist: H3
/// checklist: B7
#[test]
fn closing_releases_whoever_waits_and_hands_the_items_back() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::Yield, WaitStrategy::Park] {
        let (producer, ring) = floodway_queue::broadcast::ring(2, strategy).unwrap();
        let mut stuck: Vec<_> = (0..100).map(|_| ring.join()).collect();
        producer.publish_many_blocking(&mut vec![0, 1], None).unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            let blocked: Vec<_> = (10..20)
                .map(|n| {
                    let producer = producer.clone();
                    scope.spawn(move || (producer.publish_blocking(n, None), n))
                })
                .collect();
            ring.close();
            for blocked in blocked {
                let (published, n) = blocked.join().unwrap();
                assert_eq!(published, Err(PublishError::Closed(n)));
            }
        });
        assert!(start.elapsed() < Duration::from_secs(1));
        for consumer in &mut stuck {
            assert!(consumer.try_read(9).unwrap().iter().eq(&[0, 1]), "published is published");
            assert_eq!(consumer.read_blocking(9, None).unwrap_err(), ReadError::Closed);
        }
    }
}

/// checklist: A12
#[test]
fn deadlines_are_kept() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::Yield, WaitStrategy::Park] {
        let (producer, ring) = floodway_queue::broadcast::ring(1, strategy).unwrap();
        let mut consumer = ring.join();
        let mut follower = ring.join_after(&[&consumer]).unwrap();
        for wait in [0, 1, 20] {
            let wait = Duration::from_millis(wait);
            let timed = |f: &mut dyn FnMut(Option<Instant>)| {
                let start = Instant::now();
                f(Some(start + wait));
                let took = start.elapsed();
                assert!(took >= wait && took < wait + Duration::from_secs(1), "{took:?}");
            };
            timed(&mut |late| {
                assert_eq!(consumer.read_blocking(1, late).unwrap_err(), ReadError::Empty);
            });
            producer.try_publish(1).unwrap();
            timed(&mut |late| {
                assert_eq!(follower.read_blocking(1, late).unwrap_err(), ReadError::Empty);
            });
            timed(&mut |late| {
                assert_eq!(producer.publish_blocking(2, late), Err(PublishError::Full(2)));
            });
            drop(consumer.try_read(1).unwrap());
            drop(follower.try_read(1).unwrap());
        }
    }
}
