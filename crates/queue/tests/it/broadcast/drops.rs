//! Entries are dropped exactly once: when the slowest has released them, and at every end.
// checklist: A13

use super::ring;
use crate::drops::Census;

#[test]
fn the_slowest_consumer_frees_what_it_releases() {
    for capacity in [1, 3, 64] {
        let census = Census::default();
        let (producer, ring) = ring(capacity);
        let (mut fast, mut slow) = (ring.join(), ring.join());
        for _ in 0..5 {
            for published in 1..=capacity {
                assert!(producer.try_publish(census.item()).is_ok());
                assert_eq!(census.alive(), published);
            }
            drop(fast.try_read(usize::MAX).unwrap());
            assert_eq!(census.alive(), capacity, "somebody has not read them");
            for left in (0..capacity).rev() {
                drop(slow.try_read(1).unwrap());
                assert_eq!(census.alive(), left, "a slot keeps what everybody has read");
            }
        }
    }
}

#[test]
fn one_that_leaves_frees_what_only_it_had_not_read() {
    let census = Census::default();
    let (producer, ring) = ring(8);
    let (mut reader, sleeper) = (ring.join(), ring.join());
    (0..8).for_each(|_| assert!(producer.try_publish(census.item()).is_ok()));
    drop(reader.try_read(5).unwrap());
    assert_eq!(census.alive(), 8);
    drop(sleeper);
    assert_eq!(census.alive(), 3);
    drop(reader);
    assert_eq!(census.alive(), 0);
}

#[test]
fn what_is_refused_comes_back_once() {
    let census = Census::default();
    let (producer, ring) = ring(1);
    let _consumer = ring.join();
    assert!(producer.try_publish(census.item()).is_ok());
    drop(producer.try_publish(census.item()));
    drop(producer.publish_blocking(census.item(), Some(std::time::Instant::now())));
    let mut many = vec![census.item(), census.item()];
    assert!(producer.try_publish_many(&mut many).is_err());
    ring.close();
    assert!(producer.publish_many_blocking(&mut many, None).is_err());
    assert_eq!((many.len(), census.alive()), (2, 3));
    drop(producer.publish_blocking(census.item(), None));
    drop(many);
    assert_eq!(census.alive(), 1);
}

#[test]
fn the_handles_may_go_in_any_order() {
    for order in 0..6 {
        let census = Census::default();
        let (producer, ring) = ring(4);
        let consumer = ring.join();
        (0..3).for_each(|_| assert!(producer.try_publish(census.item()).is_ok()));
        let (mut producer, mut ring, mut consumer) = (Some(producer), Some(ring), Some(consumer));
        for step in 0..3 {
            match (order + step * if order < 3 { 1 } else { 2 }) % 3 {
                0 => drop(producer.take()),
                1 => drop(ring.take()),
                _ => drop(consumer.take()),
            }
        }
        assert_eq!(census.alive(), 0, "order {order}");
    }
}

/// What a drop that panics leaves behind is dropped, and the ring goes on.
#[test]
fn a_panic_in_a_drop_does_not_stop_the_ring() {
    struct Bomb(bool, #[expect(dead_code, reason = "is counted")] crate::drops::Item);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "on purpose");
        }
    }
    let census = Census::default();
    let (producer, ring) = ring(4);
    let mut consumer = ring.join();
    for n in 0..4 {
        assert!(producer.try_publish(Bomb(n == 1, census.item())).is_ok());
    }
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(consumer.try_read(4).unwrap());
    }));
    assert!(read.is_err());
    assert_eq!(census.alive(), 0);
    for _ in 0..9 {
        assert!(producer.try_publish(Bomb(false, census.item())).is_ok());
        assert_eq!(consumer.try_read(4).unwrap().len(), 1);
    }
}
