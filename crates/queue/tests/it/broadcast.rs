//! The broadcast ring as its users see it: order, membership, ends, an oracle, drops, threads.

mod drops;
mod ends;
mod model;
mod threads;

use std::time::Instant;

use floodway_queue::broadcast::{
    Consumer, ForeignConsumer, Producer, PublishError, ReadError, Ring, WaitStrategy,
};

fn ring<T>(capacity: usize) -> (Producer<T>, Ring<T>) {
    floodway_queue::broadcast::ring(capacity, WaitStrategy::Park).unwrap()
}

fn all<T: Copy>(consumer: &mut Consumer<T>) -> Vec<T> {
    consumer.try_read(usize::MAX).map_or(Vec::new(), |batch| batch.iter().copied().collect())
}

#[test]
fn every_consumer_gets_every_entry_in_order() {
    let (producer, ring) = ring(5);
    let (mut fast, mut slow) = (ring.join(), ring.join());
    for n in 0..100 {
        producer.try_publish(n).unwrap();
        assert_eq!(all(&mut fast), [n]);
        if n % 5 == 4 {
            assert_eq!(slow.lag(), 5);
            assert_eq!(producer.try_publish(0), Err(PublishError::Full(0)));
            assert_eq!(all(&mut slow), [n - 4, n - 3, n - 2, n - 1, n]);
        }
    }
}

/// checklist: H1
#[test]
fn one_that_comes_after_sees_what_the_other_has_released() {
    let (producer, ring) = ring(8);
    let mut first = ring.join();
    let mut other = ring.join();
    let mut after = ring.join_after(&[&first, &other]).unwrap();
    let mut last = ring.join_after(&[&after]).unwrap();
    producer.try_publish_many(&mut vec![1, 2, 3]).unwrap();
    assert_eq!(all(&mut after), []);
    assert_eq!(first.try_read(2).unwrap().len(), 2);
    assert_eq!(all(&mut after), [], "not before the other");
    let batch = other.try_read(9).unwrap();
    assert_eq!(all(&mut after), [], "not while it is in hand");
    drop(batch);
    assert_eq!(all(&mut last), []);
    assert_eq!(all(&mut after), [1, 2]);
    assert_eq!(all(&mut last), [1, 2]);
    // Closed is not the end for one whose predecessor has entries left.
    ring.close();
    assert_eq!(after.try_read(1).unwrap_err(), ReadError::Empty);
    assert_eq!(all(&mut first), [3]);
    assert_eq!(all(&mut after), [3]);
    assert_eq!(after.try_read(1).unwrap_err(), ReadError::Closed);
    assert_eq!(all(&mut last), [3]);
}

#[test]
fn one_that_came_after_the_gone_comes_after_those_before_it() {
    let (producer, ring) = ring(8);
    let mut first = ring.join();
    let second = ring.join_after(&[&first]).unwrap();
    let mut third = ring.join_after(&[&second]).unwrap();
    producer.try_publish(1).unwrap();
    drop(second);
    assert_eq!(all(&mut third), [], "still after the first");
    assert_eq!(all(&mut first), [1]);
    assert_eq!(all(&mut third), [1]);
    drop(first);
    producer.try_publish(2).unwrap();
    assert_eq!(all(&mut third), [2], "after nobody");
}

#[test]
fn consumers_of_another_ring_are_nobody_to_come_after() {
    let (_first, ring_of_first) = ring::<u8>(1);
    let (_second, ring_of_second) = ring::<u8>(1);
    let stranger = ring_of_second.join();
    assert_eq!(ring_of_first.join_after(&[&stranger]).unwrap_err(), ForeignConsumer);
    assert_eq!(ring_of_first.consumers(), 0);
}

/// checklist: H4
#[test]
fn one_that_joins_starts_at_the_head() {
    let (producer, ring) = ring(4);
    (0..10).for_each(|n| producer.try_publish(n).expect("nobody to wait for"));
    let mut consumer = ring.join();
    assert_eq!(consumer.next_sequence(), 10);
    assert_eq!(all(&mut consumer), []);
    (10..14).for_each(|n| producer.try_publish(n).unwrap());
    assert_eq!(producer.try_publish(14), Err(PublishError::Full(14)));
    let mut late = ring.join();
    assert_eq!(all(&mut consumer), [10, 11, 12, 13]);
    producer.try_publish(14).unwrap();
    assert_eq!((all(&mut late), late.next_sequence()), (vec![14], 15));
}

#[test]
fn a_batch_says_what_is_in_it() {
    let (producer, ring) = ring(4);
    let mut consumer = ring.join();
    producer.publish_many_blocking(&mut vec!['a', 'b', 'c'], None).unwrap();
    let batch = consumer.try_read(2).unwrap();
    assert_eq!((batch.first_sequence(), batch.len(), batch.is_empty()), (0, 2, false));
    assert_eq!(format!("{batch:?}"), "['a', 'b']");
    assert_eq!(batch.iter().len(), 2);
    drop(batch);
    assert!(consumer.try_read(0).unwrap().is_empty());
    let batch = consumer.read_blocking(9, Some(Instant::now())).unwrap();
    assert_eq!(batch.first_sequence(), 2);
    std::mem::forget(batch);
    assert_eq!(all(&mut consumer), ['c'], "a batch that is never dropped is not released");
}
