//! What a batch costs, in operations that threads have to agree on; and capacities.

use super::*;
use crate::sync::counted::uses;

fn cost(f: impl FnOnce()) -> u64 {
    let before = uses();
    f();
    uses() - before
}

/// checklist: A14
#[test]
fn every_capacity_is_legal_or_a_typed_error() {
    let refused = |capacity| ring::<u8>(capacity, WaitStrategy::Park).unwrap_err();
    assert_eq!(refused(0), CapacityError::Zero);
    for too_large in [MAX_CAPACITY as usize + 1, u32::MAX as usize, usize::MAX] {
        assert_eq!(refused(too_large), CapacityError::TooLarge);
    }
    for capacity in [1, 2, 3, 5, 7, 8, 9, 1_000] {
        let (producer, ring) = ring(capacity, WaitStrategy::Park).unwrap();
        let mut consumer = ring.join();
        for round in 0..3 {
            let mut items: Vec<usize> = (0..capacity + 5).collect();
            assert_eq!(producer.try_publish_many(&mut items), Ok(capacity), "round {round}");
            assert_eq!(producer.try_publish(0), Err(PublishError::Full(0)));
            let batch = consumer.try_read(usize::MAX).unwrap();
            assert!(batch.iter().copied().eq(0..capacity));
        }
        assert_eq!(ring.capacity(), capacity);
    }
}

/// checklist: A3
#[test]
fn a_batch_is_published_and_read_by_a_few_operations() {
    let (producer, ring) = ring(1_000, WaitStrategy::Park).unwrap();
    let mut consumer = ring.join();
    let mut items: Vec<u64> = (0..500).collect();
    let published = cost(|| assert_eq!(producer.try_publish_many(&mut items), Ok(500)));
    let read = cost(|| assert_eq!(consumer.try_read(usize::MAX).unwrap().iter().count(), 500));
    assert!(published <= 5 && read <= 5, "{published} and {read} operations");
}

/// Consumers that come and go one after the other leave nothing behind.
#[test]
fn chains_of_those_that_left_do_not_grow() {
    let (producer, ring) = ring(8, WaitStrategy::Park).unwrap();
    let mut last = ring.join();
    for n in 0..100 {
        let mut next = ring.join_after(&[&last]).unwrap();
        let cursor = Arc::downgrade(&last.cursor());
        drop(last);
        producer.try_publish(n).unwrap();
        assert_eq!(next.try_read(9).unwrap().iter().count(), 1);
        assert!(cursor.upgrade().is_none(), "somebody still comes after one that left");
        last = next;
    }
    assert_eq!(ring.consumers(), 1);
}
