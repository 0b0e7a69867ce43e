//! The keyed queue as its users see it.

mod model;
mod waiting;

use floodway_queue::LimitError;
use floodway_queue::keyed::{Put, PutError, RecvError, queue};

use crate::drops::Census;

/// checklist: E9
#[test]
fn a_million_updates_on_a_hundred_keys() {
    let (sender, mut receiver) = queue(100).unwrap();
    for n in 0..1_000_000_u64 {
        sender.put(n % 100, n).unwrap();
    }
    assert_eq!((sender.len(), sender.account().high_water), (100, 100));
    let mut entries = Vec::new();
    assert_eq!(receiver.recv_many(&mut entries, usize::MAX), 100);
    for (key, entry) in (0..).zip(entries) {
        assert_eq!((entry.key, entry.value, entry.replaced), (key, 999_900 + key, 9_999));
    }
    assert_eq!((sender.account().put, sender.account().replaced), (1_000_000, 999_900));
}

/// checklist: A14
#[test]
fn every_number_of_keys_is_legal_or_a_typed_error() {
    assert_eq!(queue::<u8, u8>(0).unwrap_err(), LimitError::Zero);
    for max_keys in [1, 2, 3, 7, 1000] {
        let (sender, mut receiver) = queue(max_keys).unwrap();
        (0..max_keys).for_each(|key| assert_eq!(sender.put(key, 0), Ok(Put::Inserted)));
        assert_eq!(sender.put(max_keys, 7), Err(PutError::Full(max_keys, 7)));
        assert_eq!(sender.put(max_keys - 1, 8), Ok(Put::Replaced(0)), "that is no new key");
        assert_eq!(receiver.try_recv().unwrap().key, 0);
        assert_eq!(sender.put(0, 9), Ok(Put::Inserted), "at the end, now");
        assert_eq!(receiver.drain(usize::MAX, drop), max_keys as usize);
        assert_eq!(sender.account().refused, 1);
    }
}

#[test]
fn the_end_comes_after_what_is_queued() {
    let (sender, mut receiver) = queue(2).unwrap();
    sender.fold('a', 1, |_, _| unreachable!("there is none")).unwrap();
    assert_eq!(sender.fold('a', 2, |sum, n| *sum += n), Ok(Put::Replaced(())));
    receiver.close();
    assert_eq!(sender.put('a', 3), Err(PutError::Closed('a', 3)));
    assert_eq!(receiver.try_recv().unwrap().value, 3);
    assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
}

/// checklist: A13
#[test]
fn values_are_dropped_exactly_once() {
    let census = Census::default();
    let (sender, mut receiver) = queue(2).unwrap();
    for n in 0..10 {
        drop(sender.put(n % 3, census.item()));
        assert!(census.alive() <= 2, "old, refused and queued ones");
    }
    let Ok(Put::Replaced(old)) = sender.put(0, census.item()) else { panic!("it is queued") };
    assert_eq!(census.alive(), 3);
    drop(old);
    drop(receiver.try_recv().ok());
    assert_eq!(census.alive(), 1);
    drop(receiver);
    assert_eq!(census.alive(), 0, "what nobody can take is dropped");
    let account = sender.account();
    assert_eq!((account.dropped, account.queued), (1, 0));
    assert_eq!(account.put, account.received + account.replaced + account.dropped);
    let back = sender.put(0, census.item()).err().unwrap();
    assert_eq!(census.alive(), 1);
    assert_eq!(back.into_pair().0, 0);
    assert_eq!(census.alive(), 0);
}
