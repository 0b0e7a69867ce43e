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
    assert_eq!(shared_ring::<u8>(0).unwrap_err(), CapacityError::Zero);
    for too_large in [MAX_CAPACITY as usize + 1, u32::MAX as usize, usize::MAX] {
        assert_eq!(ring::<u8>(too_large).unwrap_err(), CapacityError::TooLarge);
    }
    let unaffordable = ring::<[u64; 1 << 30]>(MAX_CAPACITY as usize).unwrap_err();
    assert_eq!(unaffordable, CapacityError::TooLarge);
    for capacity in [1, 2, 3, 5, 7, 8, 9, 1_000] {
        let (mut writer, mut reader) = ring(capacity).unwrap();
        for written in 1..=4 * capacity as u64 {
            let oldest = writer.push(written - 1).unwrap();
            let expected = written.checked_sub(capacity as u64 + 1);
            assert_eq!(oldest, expected, "capacity {capacity}");
            assert_eq!(writer.len() as u64, written.min(capacity as u64));
        }
        assert_eq!(reader.capacity(), capacity);
        let entry = reader.try_read().unwrap();
        assert_eq!((entry.item, entry.lost), (3 * capacity as u64, 3 * capacity as u64));
        assert_eq!(reader.drain(usize::MAX, |entry| assert_eq!(entry.lost, 0)), capacity - 1);
    }
}

/// checklist: E6
#[test]
fn an_item_costs_the_same_in_a_large_ring_and_a_small_one() {
    for capacity in [16, 1_000, 100_000] {
        let (mut writer, mut reader) = ring(capacity).unwrap();
        (0..3 * capacity).for_each(|n| _ = writer.push(n).unwrap());
        let push = cost(|| assert!(writer.push(0).unwrap().is_some()));
        let read = cost(|| _ = reader.try_read().unwrap());
        assert!(push <= 8 && read <= 6, "{push} and {read} operations");
    }
}

#[test]
fn what_each_side_changes_has_a_line_of_its_own() {
    assert_eq!(align_of::<Shared<u8>>(), 64);
    assert_eq!(size_of::<Shared<u8>>(), size_of::<Shared<[u64; 100]>>());
}
