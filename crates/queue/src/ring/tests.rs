//! What an item costs, in operations that threads have to agree on; and capacities.

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
    assert_eq!(ring::<u8>(0).unwrap_err(), CapacityError::Zero);
    for too_large in [MAX_CAPACITY as usize + 1, u32::MAX as usize, usize::MAX] {
        assert_eq!(ring::<u8>(too_large).unwrap_err(), CapacityError::TooLarge);
    }
    let unaffordable = ring::<[u64; 1 << 30]>(MAX_CAPACITY as usize).unwrap_err();
    assert_eq!(unaffordable, CapacityError::TooLarge);
    for capacity in [1, 2, 3, 5, 7, 8, 9, 1_000] {
        let (mut producer, mut consumer) = ring(capacity).unwrap();
        for round in 0..3 {
            for n in 0..capacity {
                assert_eq!(producer.len(), n, "round {round}");
                producer.try_push(n).unwrap();
            }
            assert_eq!(producer.try_push(0), Err(PushError::Full(0)));
            // One at a time, so that the next round begins at another slot.
            assert_eq!(consumer.try_pop(), Ok(0));
            producer.try_push(capacity).unwrap();
            let mut expected = 1..=capacity;
            let drained = consumer.drain(usize::MAX, |n| assert_eq!(Some(n), expected.next()));
            assert_eq!((drained, consumer.try_pop()), (capacity, Err(PopError::Empty)));
        }
        assert_eq!((producer.capacity(), consumer.capacity()), (capacity, capacity));
    }
}

/// checklist: A3
/// checklist: E6
#[test]
fn a_backlog_is_taken_by_a_few_operations_however_deep_it_is() {
    let (mut producer, mut consumer) = ring(100_000).unwrap();
    for depth in [1, 10, 100, 1_000, 100_000] {
        let pushed = cost(|| assert_eq!(producer.try_push_many(&mut (0..depth)), Ok(depth)));
        let taken = cost(|| assert_eq!(consumer.drain(usize::MAX, |_| ()), depth));
        assert!(pushed <= 6 && taken <= 4, "{pushed} and {taken} operations at depth {depth}");
    }
    (0..50_000).for_each(|n| producer.try_push(n).unwrap());
    let push = cost(|| producer.try_push(0).unwrap());
    let pop = cost(|| _ = consumer.try_pop().unwrap());
    assert!(push <= 3 && pop <= 4, "{push} and {pop} operations");
}

#[test]
fn what_each_side_changes_has_a_line_of_its_own() {
    assert_eq!(align_of::<Shared<u8>>(), 64);
    assert_eq!(std::mem::offset_of!(Shared<u8>, head), 64);
    assert_eq!(size_of::<Shared<u8>>(), size_of::<Shared<[u64; 100]>>());
}
