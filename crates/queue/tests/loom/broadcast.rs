//! The broadcast ring: nothing read before it is written, or written before it is released;
//! nothing stuck, nobody left asleep, everything dropped once.
// checklist: A10
// checklist: A11
// checklist: A12
// checklist: A13
// checklist: H2
// checklist: H3

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use floodway_queue::block_until;
use floodway_queue::broadcast::{Consumer, Producer, PublishError, ReadError, Ring, WaitStrategy};
use loom::sync::Arc;
use loom::thread;

use super::explore;

fn ring<T>(capacity: usize) -> (Producer<T>, Ring<T>) {
    floodway_queue::broadcast::ring(capacity, WaitStrategy::Park).unwrap()
}

fn next(consumer: &mut Consumer<u64>) -> u64 {
    let batch = consumer.read_blocking(1, None).unwrap();
    *batch.iter().next().unwrap()
}

#[test]
fn an_entry_wakes_a_consumer() {
    explore(3, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        let publishing = thread::spawn(move || producer.try_publish(0).map(|()| producer));
        assert_eq!(next(&mut consumer), 0);
        assert!(publishing.join().unwrap().is_ok());
    });
}

#[test]
fn room_wakes_a_producer() {
    explore(3, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        producer.try_publish(0).unwrap();
        let publishing = thread::spawn(move || producer.publish_blocking(1, None));
        assert_eq!(next(&mut consumer), 0);
        publishing.join().unwrap().unwrap();
        assert_eq!(next(&mut consumer), 1);
    });
}

/// A ring of one: each entry waits for the release of the one before, each read for an entry.
#[test]
fn a_producer_and_a_consumer_take_turns() {
    explore(1, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        let publishing = thread::spawn(move || {
            (0..2).for_each(|n| producer.publish_blocking(n, None).unwrap());
        });
        (0..2).for_each(|n| assert_eq!(next(&mut consumer), n));
        publishing.join().unwrap();
        assert_eq!(consumer.try_read(1).unwrap_err(), ReadError::Closed);
    });
}

/// Two wait in one thread, as tasks do: threads that spin for the ring's lock may keep loom from
/// running the one that holds it.
#[test]
fn an_entry_wakes_two_consumers() {
    explore(3, || {
        let (producer, ring) = ring(1);
        let mut consumers = [ring.join(), ring.join()];
        let publishing = thread::spawn(move || producer.try_publish(7).map(|()| producer));
        let both = block_until(None, |cx| {
            let polls = consumers.each_mut().map(|consumer| consumer.poll_ready(cx).is_ready());
            if polls == [true, true] { Poll::Ready(()) } else { Poll::Pending }
        });
        assert!(both.is_some());
        consumers.iter_mut().for_each(|consumer| assert_eq!(next(consumer), 7));
        assert!(publishing.join().unwrap().is_ok());
    });
}

/// Remembers that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whoever waits is woken by itself, and not because of another.
#[test]
fn an_entry_wakes_each_of_two_consumers() {
    explore(3, || {
        let (producer, ring) = ring(1);
        let mut consumers = [ring.join(), ring.join()];
        let publishing = thread::spawn(move || producer.try_publish(7).map(|()| producer));
        let waits = consumers.each_mut().map(|consumer| {
            let flag = std::sync::Arc::new(Flag::default());
            let waker = Waker::from(flag.clone());
            let poll = consumer.poll_ready(&mut Context::from_waker(&waker));
            (poll.is_ready(), flag)
        });
        // Kept: its end would wake everybody.
        let producer = publishing.join().unwrap().unwrap();
        for (is_ready, flag) in waits {
            assert!(is_ready || flag.0.load(Ordering::Relaxed), "left asleep");
        }
        drop(producer);
    });
}

/// Whichever of two consumers comes last lets the producer in.
#[test]
fn room_from_two_consumers_wakes_a_producer() {
    explore(2, || {
        let (producer, ring) = ring(1);
        let (mut first, mut second) = (ring.join(), ring.join());
        producer.try_publish(0).unwrap();
        let publishing = thread::spawn(move || producer.publish_blocking(1, None));
        let reading = thread::spawn(move || {
            assert_eq!(next(&mut second), 0);
            second
        });
        assert_eq!(next(&mut first), 0);
        publishing.join().unwrap().unwrap();
        reading.join().unwrap();
        assert_eq!(next(&mut first), 1);
    });
}

#[test]
fn two_producers_publish_everything() {
    explore(1, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        let other = producer.clone();
        let first = thread::spawn(move || producer.publish_blocking(1, None).unwrap());
        let second = thread::spawn(move || other.publish_blocking(2, None).unwrap());
        assert_eq!(next(&mut consumer) + next(&mut consumer), 3);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(consumer.try_read(1).unwrap_err(), ReadError::Closed);
    });
}

/// What a finished publication published is there, whatever another producer is in the middle of.
#[test]
fn a_finished_publication_can_be_read_at_once() {
    explore(3, || {
        let (producer, ring) = ring(4);
        let mut consumer = ring.join();
        let other = producer.clone();
        let publishing = thread::spawn(move || other.try_publish(1).unwrap());
        producer.try_publish(2).unwrap();
        let batch = consumer.try_read(4).expect("a publication has returned");
        assert!(batch.iter().any(|n| *n == 2));
        drop(batch);
        publishing.join().unwrap();
    });
}

/// One after the other, both asleep in between.
#[test]
fn a_follower_is_woken_by_the_one_before() {
    explore(2, || {
        let (producer, ring) = ring(2);
        let mut first = ring.join();
        let mut second = ring.join_after(&[&first]).unwrap();
        let following = thread::spawn(move || {
            assert_eq!(next(&mut second), 7);
            second.read_blocking(1, None).unwrap_err()
        });
        producer.try_publish(7).unwrap();
        assert_eq!(next(&mut first), 7);
        drop(producer);
        assert_eq!(following.join().unwrap(), ReadError::Closed);
    });
}

#[test]
fn a_producer_does_not_wait_for_one_that_left() {
    explore(3, || {
        let (producer, ring) = ring(1);
        let consumer = ring.join();
        producer.try_publish(0).unwrap();
        let leaving = thread::spawn(move || drop(consumer));
        producer.publish_blocking(1, None).unwrap();
        leaving.join().unwrap();
    });
}

#[test]
fn a_follower_does_not_wait_for_one_that_left() {
    explore(3, || {
        let (producer, ring) = ring(2);
        let first = ring.join();
        let mut second = ring.join_after(&[&first]).unwrap();
        producer.try_publish(0).unwrap();
        let leaving = thread::spawn(move || drop(first));
        assert_eq!(next(&mut second), 0);
        leaving.join().unwrap();
        // It waits for producers from now on.
        let publishing = thread::spawn(move || producer.try_publish(1).map(|()| producer));
        assert_eq!(next(&mut second), 1);
        assert!(publishing.join().unwrap().is_ok());
    });
}

/// One joins while the producer goes round: it gets a row of entries, from its join on.
#[test]
fn one_joins_beside_a_producer() {
    explore(2, || {
        let (producer, ring) = ring(1);
        let publishing = thread::spawn(move || {
            (0..2).for_each(|n| producer.publish_blocking(n, None).unwrap());
        });
        let mut consumer = ring.join();
        let mut expected = consumer.next_sequence();
        while let Ok(batch) = consumer.read_blocking(1, None) {
            batch.iter().for_each(|n| {
                assert_eq!(*n, expected);
                expected += 1;
            });
        }
        assert_eq!(expected, 2);
        publishing.join().unwrap();
    });
}

#[test]
fn closing_releases_whoever_waits() {
    explore(2, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        producer.try_publish(0).unwrap();
        let blocked = thread::spawn(move || producer.publish_blocking(1, None));
        ring.close();
        assert_eq!(blocked.join().unwrap(), Err(PublishError::Closed(1)));
        assert_eq!(next(&mut consumer), 0);
        assert_eq!(consumer.read_blocking(1, None).unwrap_err(), ReadError::Closed);
    });
}

#[test]
fn the_last_producer_wakes_the_consumers() {
    explore(2, || {
        let (producer, ring) = ring::<u64>(1);
        let mut consumer = ring.join();
        let other = producer.clone();
        let threads = [thread::spawn(move || drop(producer)), thread::spawn(move || drop(other))];
        assert_eq!(consumer.read_blocking(1, None).unwrap_err(), ReadError::Closed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Two release at once, each twice: entries are dropped once, and none is kept.
#[test]
fn entries_are_dropped_once() {
    explore(3, || {
        let (producer, ring) = ring(2);
        let (mut first, mut second) = (ring.join(), ring.join());
        let item = Arc::new(());
        (0..2).for_each(|_| producer.publish_blocking(item.clone(), None).unwrap());
        let reading = thread::spawn(move || {
            (0..2).for_each(|_| drop(second.try_read(1).unwrap()));
            second
        });
        (0..2).for_each(|_| drop(first.try_read(1).unwrap()));
        let second = reading.join().unwrap();
        // Whoever finds nothing to do sees to it that nothing is kept.
        assert!(first.try_read(1).is_err());
        assert_eq!(Arc::strong_count(&item), 1);
        drop((producer, second));
    });
}

/// Room for one at a time, and two that wait for it: the one who is not let in waits on.
#[test]
fn producers_that_wait_are_let_in() {
    explore(1, || {
        let (producer, ring) = ring(1);
        let mut consumer = ring.join();
        producer.try_publish(0).unwrap();
        let other = producer.clone();
        let threads = [
            thread::spawn(move || producer.publish_blocking(1, None).unwrap()),
            thread::spawn(move || other.publish_blocking(2, None).unwrap()),
        ];
        assert_eq!((0..3).map(|_| next(&mut consumer)).sum::<u64>(), 3);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
