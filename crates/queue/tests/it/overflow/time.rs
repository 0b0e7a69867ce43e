//! Times to live and behind, on a clock that the tests move.

use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    Behind, Conflate, Disconnect, DropNewest, DropOldest, Limit, RecvError, SendError, TimeToLive,
};

use super::limited;
use crate::drops::Census;

const MS: Duration = Duration::from_millis(1);

/// A million have expired when a fresh one comes: the reader has it with its first call, and no
/// call frees more than a batch.
/// checklist: E5 A13
#[test]
fn a_million_expired_items_hold_nobody_up() {
    const COUNT: usize = 1_000_000;
    let census = Census::default();
    let (sender, mut receiver) = limited(2_000_000, TimeToLive::new(10 * MS, DropOldest));
    let start = Instant::now();
    for _ in 0..COUNT {
        sender.try_send_at(census.item(), start).ok().unwrap();
    }
    let late = start + 11 * MS;
    let sent = sender.try_send_at(census.item(), late).ok().unwrap();
    assert_eq!(sent.expired, COUNT as u64);
    assert!(census.alive() > COUNT - 1024, "freed by a sender: {}", COUNT - census.alive());
    let entry = receiver.try_recv_at(late).ok().unwrap();
    assert_eq!(entry.sequence, COUNT as u64);
    let missed = entry.missed.unwrap();
    assert_eq!(
        (missed.expired(), missed.first(), missed.last()),
        (COUNT as u64, 0, COUNT as u64 - 1)
    );
    drop(entry);
    assert!(census.alive() > COUNT - 1024);
    assert!(receiver.account().is_conserved());
    // They go bit by bit while there is nothing else to do.
    let mut calls = 0;
    while census.alive() > 0 {
        let before = census.alive();
        assert!(receiver.try_recv_at(late).is_err());
        assert!(before - census.alive() <= 1025);
        calls += 1;
    }
    assert!(calls <= COUNT / 1000);
}

/// checklist: E5
#[test]
fn what_expires_is_freed_as_fast_as_it_comes() {
    let census = Census::default();
    let (sender, _receiver) = limited(100, TimeToLive::new(MS, Disconnect));
    let start = Instant::now();
    for n in 0..10_000_u32 {
        // A hundred at a time, all of which expire.
        sender.try_send_at(census.item(), start + n / 100 * 2 * MS).ok().unwrap();
        assert!(census.alive() <= 101, "{}", census.alive());
    }
    assert_eq!(sender.account().high_water, 100);
}

#[test]
fn a_sweep_expires_ends_and_frees() {
    let census = Census::default();
    let policy = Behind::new(20 * MS, TimeToLive::new(10 * MS, DropNewest));
    let (sender, mut receiver) = limited(5000, policy);
    let start = Instant::now();
    (0..4000).for_each(|_| drop(sender.try_send_at(census.item(), start)));
    receiver.sweep_at(start + 10 * MS);
    assert_eq!((sender.account().queued, census.alive()), (4000, 4000));
    sender.sweep_at(start + 11 * MS);
    assert_eq!((sender.account().expired, census.alive()), (4000, 0));
    // That all it had has expired does not mean that it caught up.
    sender.try_send_at(census.item(), start + 15 * MS).ok().unwrap();
    sender.sweep_at(start + 20 * MS);
    assert_eq!(sender.ended(), None);
    sender.sweep_at(start + 21 * MS);
    assert_eq!((sender.ended(), receiver.ended()), (Some(Limit::Behind), Some(Limit::Behind)));
    let entry = receiver.try_recv_at(start + 22 * MS).ok().unwrap();
    assert_eq!(entry.missed.unwrap().expired(), 4000);
    assert_eq!(receiver.try_recv().err(), Some(RecvError::Ended(Limit::Behind)));
}

#[test]
fn who_takes_now_and_then_is_not_behind() {
    let (sender, mut receiver) = limited(1, Behind::new(10 * MS, DropOldest));
    let mut now = Instant::now();
    for n in 0..100 {
        sender.try_send_at(n, now).unwrap();
        now += 9 * MS;
        sender.try_send_at(n, now).unwrap();
        if n % 2 == 0 {
            // Idle for long, because there was nothing.
            receiver.try_recv_at(now).unwrap();
            now += 100 * MS;
        } else {
            assert_eq!(receiver.try_recv_at(now).unwrap().item, n);
        }
    }
    // One in, one out: that something always goes does not mean that it is taken.
    sender.try_send_at(0, now).unwrap();
    sender.try_send_at(1, now + 10 * MS).unwrap();
    let end = sender.try_send_at(2, now + 11 * MS);
    assert_eq!(end, Err(SendError::Ended(2, Limit::Behind)));
}

/// checklist: E5
#[test]
fn a_replaced_item_is_as_young_as_its_successor() {
    let policy = TimeToLive::new(10 * MS, Conflate::by(|item: &(char, u8)| item.0));
    let (sender, mut receiver) = limited(9, policy);
    let start = Instant::now();
    sender.try_send_at(('a', 1), start).unwrap();
    sender.try_send_at(('b', 1), start).unwrap();
    sender.try_send_at(('a', 2), start + 8 * MS).unwrap();
    let entry = receiver.try_recv_at(start + 18 * MS).unwrap();
    assert_eq!((entry.item, entry.replaced, entry.missed), (('a', 2), 1, None));
    assert_eq!(receiver.try_recv_at(start + 18 * MS), Err(RecvError::Empty));
    assert_eq!(receiver.take_missed().unwrap().expired(), 1);
}
