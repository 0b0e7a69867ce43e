//! Items are dropped exactly once, on every path that they can take, and never under the lock.
// checklist: A13

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    Block, Conflate, Disconnect, DropNewest, DropOldest, Fold, Policy, Sender, TimeToLive,
};

use super::limited;
use crate::drops::{Census, Item};

fn send_ten<P: Policy<Item>>(sender: &Sender<Item, P>, census: &Census, alive_at_most: usize) {
    for _ in 0..10 {
        drop(sender.try_send(census.item()));
        assert!(census.alive() <= alive_at_most, "{}", census.alive());
    }
}

#[test]
fn what_is_refused_dropped_or_replaced_is_gone_at_once() {
    fn check<P: Policy<Item>>(policy: P, kept: usize) {
        let census = Census::default();
        let (sender, mut receiver) = limited(4, policy);
        send_ten(&sender, &census, kept);
        assert_eq!(census.alive(), kept);
        for left in (0..kept).rev() {
            drop(receiver.try_recv().unwrap());
            assert_eq!(census.alive(), left, "no slot keeps a reference");
        }
        assert!(sender.account().is_conserved());
    }
    check(Disconnect, 4);
    check(DropNewest, 4);
    check(DropOldest, 4);
    check(Block { at_most: Duration::ZERO }, 4);
    check(TimeToLive::new(Duration::from_secs(60), DropOldest), 4);
    check(Conflate::by(|_: &Item| 0), 1);
    check(Fold::by(|_: &Item| 0, |old: &mut Item, new| *old = new), 1);
}

#[test]
fn the_handles_may_go_in_any_order() {
    for receiver_first in [false, true] {
        let census = Census::default();
        let (sender, receiver) = limited(4, DropOldest);
        send_ten(&sender, &census, 4);
        if receiver_first {
            drop(receiver);
            assert_eq!(census.alive(), 0, "what nobody can take is dropped");
            assert_eq!((sender.account().dropped, sender.account().queued), (10, 0));
            let back = sender.try_send(census.item()).unwrap_err();
            assert_eq!(census.alive(), 1);
            drop(back);
        } else {
            drop(sender);
            assert_eq!(census.alive(), 4);
            drop(receiver);
        }
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn expired_ones_go_with_the_queue() {
    let census = Census::default();
    let (sender, receiver) = limited(9000, TimeToLive::new(Duration::from_millis(1), Disconnect));
    let start = Instant::now();
    (0..9000).for_each(|_| drop(sender.try_send_at(census.item(), start)));
    drop(sender.try_send_at(census.item(), start + Duration::from_secs(1)));
    assert!(census.alive() > 8000);
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

#[test]
fn batches_hand_back_what_they_did_not_queue() {
    let census = Census::default();
    let (sender, mut receiver) = limited(4, DropNewest);
    let mut items: Vec<_> = (0..6).map(|_| census.item()).collect();
    let done = sender.try_send_many(&mut items);
    assert_eq!((done.sent, done.refused, items.len(), census.alive()), (4, 2, 2, 6));
    items.clear();
    let mut entries = Vec::new();
    assert_eq!(receiver.recv_many(&mut entries, 3), 3);
    entries.clear();
    assert_eq!(census.alive(), 1);
}

#[test]
fn a_panic_while_draining_loses_one_batch() {
    let census = Census::default();
    let (sender, mut receiver) = limited(100, DropNewest);
    (0..100).for_each(|_| drop(sender.try_send(census.item())));
    let drained = catch_unwind(AssertUnwindSafe(|| {
        receiver.drain(usize::MAX, |_entry| panic!("on purpose"));
    }));
    assert!(drained.is_err());
    assert_eq!((census.alive(), receiver.account().queued), (36, 36));
    assert_eq!(receiver.drain(usize::MAX, drop), 36);
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_policy_that_panics_loses_its_item_alone() {
    let census = Census::default();
    let policy = Conflate::by(|item: &(u32, Item)| {
        assert!(item.0 != 3, "on purpose");
        item.0
    });
    let (sender, mut receiver) = limited(10, policy);
    for n in 0..5 {
        let sent = catch_unwind(AssertUnwindSafe(|| sender.try_send((n, census.item())).is_ok()));
        assert_eq!(sent.is_ok(), n != 3);
    }
    assert_eq!((census.alive(), receiver.drain(usize::MAX, drop)), (4, 4));
    assert!(receiver.account().is_conserved());
}

/// Uses the queue when it is dropped.
struct Nosy(Option<Sender<Nosy, DropOldest>>);

impl Drop for Nosy {
    fn drop(&mut self) {
        if let Some(sender) = &self.0 {
            assert!(sender.account().is_conserved());
        }
    }
}

#[test]
fn a_destructor_may_use_the_queue() {
    let (sender, mut receiver) = limited(2, DropOldest);
    for _ in 0..5 {
        drop(sender.try_send(Nosy(Some(sender.clone()))));
    }
    drop(receiver.try_recv().ok());
    drop(receiver);
    assert_eq!(sender.account().dropped, 4);
}
