//! Items are dropped exactly once: by popping, by refusing, and at every end.
// checklist: A13

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use floodway_queue::ring::{PushError, ring};

use crate::drops::Census;

#[test]
fn no_slot_keeps_what_was_taken() {
    for capacity in [1, 2, 5, 64] {
        let census = Census::default();
        let (mut producer, mut consumer) = ring(capacity).unwrap();
        for pushed in 1..=3 * capacity {
            drop(producer.try_push(census.item()));
            assert_eq!(census.alive(), pushed.min(capacity), "what is refused is not kept");
        }
        for left in (0..capacity).rev() {
            drop(consumer.try_pop().unwrap());
            assert_eq!(census.alive(), left);
        }
        let mut items = std::iter::repeat_with(|| census.item());
        assert_eq!(producer.try_push_many(&mut items).unwrap(), capacity);
        assert_eq!(census.alive(), capacity, "took more than there is room for");
        assert_eq!(consumer.drain(1, drop), 1);
        assert_eq!(census.alive(), capacity - 1);
        let mut taken = Vec::new();
        assert_eq!(consumer.drain_into(&mut taken, usize::MAX), capacity - 1);
        drop(taken);
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn the_handles_may_go_in_any_order() {
    for consumer_first in [false, true] {
        for pushed in [0, 1, 3, 4, 11] {
            let census = Census::default();
            let (mut producer, consumer) = ring(4).unwrap();
            (0..pushed).for_each(|_| drop(producer.try_push(census.item())));
            assert_eq!(census.alive(), pushed.min(4));
            if consumer_first {
                drop(consumer);
                assert_eq!(census.alive(), 0, "what nobody can pop is dropped");
                let Err(PushError::Closed(item)) = producer.try_push(census.item()) else {
                    panic!("pushed for nobody")
                };
                assert_eq!(census.alive(), 1);
                drop((producer, item));
            } else {
                drop(producer);
                assert_eq!(census.alive(), pushed.min(4));
                drop(consumer);
            }
            assert_eq!(census.alive(), 0);
        }
    }
}

#[test]
fn a_panic_while_draining_loses_only_what_was_taken() {
    let census = Census::default();
    let (mut producer, mut consumer) = ring(50).unwrap();
    (0..50).for_each(|_| producer.try_push(census.item()).unwrap());
    let mut taken = 0;
    let drained = catch_unwind(AssertUnwindSafe(|| {
        consumer.drain(usize::MAX, |_item| {
            taken += 1;
            assert!(taken < 20, "on purpose");
        })
    }));
    assert!(drained.is_err());
    assert_eq!((census.alive(), consumer.len()), (30, 30));
    assert!(producer.try_push(census.item()).is_ok(), "the room of what was taken is back");
    assert_eq!(consumer.drain(usize::MAX, drop), 31);
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_panic_while_pushing_many_keeps_what_was_pushed() {
    let census = Census::default();
    let (mut producer, mut consumer) = ring(50).unwrap();
    let mut given = 0;
    let mut items = std::iter::repeat_with(|| {
        given += 1;
        assert!(given < 20, "on purpose");
        census.item()
    });
    assert!(catch_unwind(AssertUnwindSafe(|| producer.try_push_many(&mut items))).is_err());
    assert_eq!((census.alive(), producer.len()), (19, 19));
    assert_eq!(consumer.drain(usize::MAX, drop), 19);
    assert_eq!(census.alive(), 0);
}

/// A drop that panics does not leave the producer waiting for a consumer that is gone.
#[test]
fn a_panic_while_the_consumer_goes_still_ends_the_ring() {
    struct Bomb(bool, #[expect(dead_code, reason = "counted")] crate::drops::Item);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "on purpose");
        }
    }
    let census = Census::default();
    let (mut producer, consumer) = ring(4).unwrap();
    (0..4).for_each(|n| assert!(producer.try_push(Bomb(n == 1, census.item())).is_ok()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(consumer))).is_err());
    let pushed = producer.push_blocking(Bomb(false, census.item()), None);
    assert!(matches!(pushed, Err(PushError::Closed(_))));
    drop((pushed, producer));
    assert_eq!(census.alive(), 0);
}

/// A future that is dropped, a deadline that passes: the item is dropped, or comes back.
#[test]
fn a_push_that_is_given_up_keeps_nothing() {
    let census = Census::default();
    let (mut producer, mut consumer) = ring(1).unwrap();
    producer.try_push(census.item()).unwrap();
    let refused = producer.push_blocking(census.item(), Some(Instant::now()));
    assert!(matches!(refused, Err(PushError::Full(_))));
    drop(refused);
    {
        let mut push = std::pin::pin!(producer.push(census.item()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(push.as_mut().poll(&mut cx).is_pending());
        assert_eq!(census.alive(), 2);
    }
    assert_eq!(census.alive(), 1);
    drop(consumer.try_pop());
    assert_eq!(census.alive(), 0);
}

/// The consumer pops and goes while the producer pushes, one by one and in batches.
#[test]
fn ends_beside_pushes() {
    for round in 0..400 {
        let census = Census::default();
        let (mut producer, mut consumer) = ring(1 + round % 5).unwrap();
        std::thread::scope(|scope| {
            let census = census.clone();
            scope.spawn(move || {
                loop {
                    let mut items =
                        (0..round % 3).map(|_| census.item()).collect::<Vec<_>>().into_iter();
                    if producer.push_many_blocking(&mut items, None).is_err()
                        || producer.push_blocking(census.item(), None).is_err()
                    {
                        break;
                    }
                }
            });
            (0..round).for_each(|_| drop(consumer.pop_blocking(None).unwrap()));
            drop(consumer);
        });
        assert_eq!(census.alive(), 0, "round {round}");
    }
}
