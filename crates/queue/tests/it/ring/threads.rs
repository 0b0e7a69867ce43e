//! A producer and a consumer flat out, in every way there is.

use floodway_queue::ring::{Consumer, PopError, ring};

/// Items for each place of the ring: where there is one, every item is a wake-up.
const ITEMS_A_PLACE: u64 = 5_000;
const ITEMS: u64 = 200_000;

/// Everything comes, in order, and every second item is a box, so that a torn one would show.
fn check(
    mut consumer: Consumer<Box<u64>>,
    count: u64,
    take: impl Fn(&mut Consumer<Box<u64>>, &mut Vec<Box<u64>>),
) {
    let (mut items, mut next) = (Vec::new(), 0);
    loop {
        take(&mut consumer, &mut items);
        if items.is_empty() {
            break;
        }
        for item in items.drain(..) {
            assert_eq!(*item, next);
            next += 1;
        }
    }
    assert_eq!(next, count);
    assert_eq!(consumer.try_pop(), Err(PopError::Closed));
}

fn run(capacity: usize, batch: u64, take: impl Fn(&mut Consumer<Box<u64>>, &mut Vec<Box<u64>>)) {
    let (mut producer, consumer) = ring(capacity).unwrap();
    let count = ITEMS.min(capacity as u64 * ITEMS_A_PLACE);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < count {
                producer.push_blocking(Box::new(next), None).unwrap();
                let end = (next + batch).min(count);
                let mut items = (next + 1..end).map(Box::new).collect::<Vec<_>>().into_iter();
                producer.push_many_blocking(&mut items, None).unwrap();
                next = end.max(next + 1);
            }
        });
        check(consumer, count, take);
    });
}

#[test]
fn one_by_one() {
    for capacity in [1, 3, 1_000] {
        run(capacity, 1, |consumer, items| items.extend(consumer.pop_blocking(None)));
    }
}

#[test]
fn in_batches() {
    for capacity in [1, 7, 64] {
        run(capacity, 64, |consumer, items| {
            _ = consumer.wait(None);
            consumer.drain_into(items, 50);
        });
        run(capacity, 10, |consumer, items| {
            _ = consumer.wait(None);
            consumer.drain(usize::MAX, |item| items.push(item));
        });
    }
}

/// Handles are passed from thread to thread while the ring is in use.
#[test]
fn ends_change_threads() {
    let (mut producer, mut consumer) = ring(3).unwrap();
    for round in 0..200_u64 {
        (producer, consumer) = std::thread::scope(|scope| {
            let pushing = scope.spawn(move || {
                (0..50).for_each(|n| producer.push_blocking(round * 50 + n, None).unwrap());
                producer
            });
            let popping = scope.spawn(move || {
                (0..50).for_each(|n| assert_eq!(consumer.pop_blocking(None), Ok(round * 50 + n)));
                consumer
            });
            (pushing.join().unwrap(), popping.join().unwrap())
        });
    }
}
