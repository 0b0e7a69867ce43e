//! Items are dropped exactly once: by reading, by overwriting, and at every end.
// checklist: A13

use floodway_queue::overwriting::{Closed, shared_ring};

use super::both;
use crate::drops::Census;

#[test]
fn no_slot_keeps_what_was_taken_or_overwritten() {
    for capacity in [1, 2, 5, 64] {
        let census = Census::default();
        for (mut writer, mut reader) in both(capacity) {
            for pushed in 1..=3 * capacity {
                drop(writer.push(census.item()));
                assert_eq!(census.alive(), pushed.min(capacity));
            }
            for left in (0..capacity).rev() {
                drop(reader.try_read().unwrap());
                assert_eq!(census.alive(), left);
            }
            for _ in 0..3 * capacity {
                drop(writer.push(census.item()));
                assert_eq!(census.alive(), 1);
                drop(reader.try_read().unwrap());
                assert_eq!(census.alive(), 0);
            }
        }
    }
}

#[test]
fn the_handles_may_go_in_any_order() {
    for reader_first in [false, true] {
        for pushed in [0, 1, 3, 4, 11] {
            let census = Census::default();
            for (mut writer, reader) in both(4) {
                (0..pushed).for_each(|_| drop(writer.push(census.item())));
                assert_eq!(census.alive(), pushed.min(4));
                if reader_first {
                    drop(reader);
                    assert_eq!(census.alive(), 0, "what nobody can read is dropped");
                    drop(writer);
                } else {
                    drop(writer);
                    assert_eq!(census.alive(), pushed.min(4));
                    drop(reader);
                }
                assert_eq!(census.alive(), 0);
            }
        }
    }
}

#[test]
fn a_push_that_nobody_will_read_hands_the_item_back() {
    let census = Census::default();
    let (writer, reader) = shared_ring(2).unwrap();
    drop(reader);
    assert!(writer.is_closed());
    let Err(Closed(item)) = writer.push(census.item()) else { panic!("pushed for nobody") };
    assert_eq!(census.alive(), 1);
    drop(item);
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_panic_while_draining_loses_only_what_was_taken() {
    let census = Census::default();
    for (mut writer, mut reader) in both(50) {
        (0..70).for_each(|_| drop(writer.push(census.item())));
        let mut taken = 0;
        let drained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            reader.drain(usize::MAX, |_entry| {
                taken += 1;
                assert!(taken < 20, "on purpose");
            })
        }));
        assert!(drained.is_err());
        assert_eq!(census.alive(), 30);
        assert_eq!(reader.drain(usize::MAX, drop), 30);
        assert_eq!(census.alive(), 0);
    }
}

/// The reader reads and goes while writers push, around rings so small that they meet.
#[test]
fn ends_beside_pushes() {
    for round in 0..300 {
        let census = Census::default();
        let (writer, mut reader) = shared_ring(1 + round % 5).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (writer, census) = (writer.clone(), census.clone());
                scope.spawn(move || while writer.push(census.item()).is_ok() {});
            }
            drop(writer);
            (0..round).for_each(|_| drop(reader.read_blocking(None).unwrap()));
            drop(reader);
        });
        assert_eq!(census.alive(), 0, "round {round}");
    }
}
