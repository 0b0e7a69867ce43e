//! The ring: nothing lost, repeated, reordered, torn or stuck, and nobody left asleep.
// checklist: A10
// checklist: A11
// checklist: A12
// checklist: A13
// checklist: H3

use floodway_queue::ring::{Consumer, PopError, PushError, ring};
use loom::sync::Arc;
use loom::thread;

use super::explore;

fn all(consumer: &mut Consumer<u32>) -> Vec<u32> {
    let mut items = Vec::new();
    consumer.drain_into(&mut items, usize::MAX);
    items
}

/// Three items through a ring of this capacity, whenever there happens to be room.
fn go_round(capacity: usize) {
    explore(3, move || {
        let (mut producer, mut consumer) = ring(capacity).unwrap();
        let pushing = thread::spawn(move || {
            (0..3).filter(|n| producer.try_push(*n).is_ok()).collect::<Vec<u32>>()
        });
        let mut popped: Vec<_> = (0..2).filter_map(|_| consumer.try_pop().ok()).collect();
        let pushed = pushing.join().unwrap();
        popped.extend(all(&mut consumer));
        assert_eq!(popped, pushed);
        assert_eq!(consumer.try_pop(), Err(PopError::Closed));
    });
}

#[test]
fn items_go_round_a_ring_of_one() {
    go_round(1);
}

#[test]
fn items_go_round_a_ring_of_two() {
    go_round(2);
}

/// A batch is there as a whole, and its room comes back as a whole.
#[test]
fn batches_are_one() {
    explore(3, || {
        let (mut producer, mut consumer) = ring(2).unwrap();
        let pushing = thread::spawn(move || {
            let mut items = 0..4;
            let mut batches = Vec::new();
            while batches.len() < 2 {
                match producer.try_push_many(&mut items) {
                    Ok(count) => batches.push(count),
                    Err(_) => break,
                }
            }
            (batches, producer)
        });
        let mut items = Vec::new();
        let first = consumer.drain_into(&mut items, usize::MAX);
        assert!(first == 0 || first == 2, "half a batch");
        let (batches, _producer) = pushing.join().unwrap();
        consumer.drain(usize::MAX, |n| items.push(n));
        assert_eq!(batches, vec![2; batches.len()]);
        assert!(items.into_iter().eq(0..batches.len() as u32 * 2));
    });
}

#[test]
fn a_push_wakes_the_consumer() {
    explore(3, || {
        let (mut producer, mut consumer) = ring(1).unwrap();
        let pushing = thread::spawn(move || producer.try_push(7).map(|()| producer));
        assert_eq!(consumer.pop_blocking(None), Ok(7));
        let mut producer = pushing.join().unwrap().unwrap();
        let pushing = thread::spawn(move || {
            assert_eq!(producer.try_push_many(&mut [8].into_iter()), Ok(1));
            producer
        });
        assert_eq!(consumer.pop_blocking(None), Ok(8));
        drop(pushing.join().unwrap());
    });
}

#[test]
fn room_wakes_the_producer() {
    explore(3, || {
        let (mut producer, mut consumer) = ring(1).unwrap();
        producer.try_push(0).unwrap();
        let pushing = thread::spawn(move || {
            producer.push_blocking(1, None).unwrap();
            producer.push_blocking(2, None).unwrap();
        });
        assert_eq!(consumer.try_pop(), Ok(0));
        let mut next = None;
        while next.is_none() {
            consumer.wait(None).unwrap();
            consumer.drain(1, |n| next = Some(n));
        }
        assert_eq!(next, Some(1));
        pushing.join().unwrap();
        assert_eq!(all(&mut consumer), [2]);
    });
}

/// Both sleep in turns.
#[test]
fn the_two_take_turns() {
    explore(2, || {
        let (mut producer, mut consumer) = ring(1).unwrap();
        let pushing = thread::spawn(move || {
            (0..2).for_each(|n| producer.push_blocking(n, None).unwrap());
        });
        (0..2).for_each(|n| assert_eq!(consumer.pop_blocking(None), Ok(n)));
        pushing.join().unwrap();
        assert_eq!(consumer.pop_blocking(None), Err(PopError::Closed));
    });
}

#[test]
fn the_end_of_either_side_wakes_the_other() {
    explore(3, || {
        let (producer, mut consumer) = ring::<u8>(1).unwrap();
        let leaving = thread::spawn(move || drop(producer));
        assert_eq!(consumer.pop_blocking(None), Err(PopError::Closed));
        leaving.join().unwrap();
    });
    explore(3, || {
        let (mut producer, consumer) = ring(1).unwrap();
        producer.try_push(0).unwrap();
        let leaving = thread::spawn(move || drop(consumer));
        // The end drops what is there, which makes room, but not for long.
        match producer.push_blocking(1, None) {
            Ok(()) | Err(PushError::Closed(1)) => {}
            other => panic!("{other:?}"),
        }
        leaving.join().unwrap();
        assert_eq!(producer.push_blocking(2, None), Err(PushError::Closed(2)));
    });
}

/// The last item is not overlooked by one who sees that the producer is gone.
#[test]
fn the_last_item_comes_before_the_end() {
    explore(3, || {
        let (mut producer, mut consumer) = ring(1).unwrap();
        let leaving = thread::spawn(move || producer.try_push(7).unwrap());
        match consumer.try_pop() {
            Ok(7) => {}
            Err(PopError::Empty) => {
                leaving.join().unwrap();
                assert_eq!(consumer.try_pop(), Ok(7));
            }
            other => panic!("{other:?}"),
        }
    });
}

/// The consumer takes one and goes: every item is taken, dropped with it, or handed back, once.
#[test]
fn the_consumer_goes_beside_pushes() {
    explore(3, || {
        let (mut producer, mut consumer) = ring(2).unwrap();
        let item = Arc::new(());
        let kept = item.clone();
        let pushing = thread::spawn(move || {
            let pushed = [0; 2].map(|_| producer.try_push(item.clone()).is_ok());
            assert_ne!(pushed, [false, true], "a refusal is for good");
            producer
        });
        drop(consumer.try_pop());
        drop(consumer);
        let mut producer = pushing.join().unwrap();
        // What came in while the consumer was about to go is dropped when that is noticed.
        let refused = producer.try_push(kept.clone());
        assert!(matches!(refused, Err(PushError::Closed(_))));
        drop(refused);
        assert_eq!(Arc::strong_count(&kept), 1, "an item is kept");
    });
}
