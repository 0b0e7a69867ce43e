//! Items are dropped exactly once, on every path that they can take.
// checklist: A13

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use floodway_queue::{Limits, SendError};

use super::limited;

/// Counts the items that are alive.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn item(&self) -> Item {
        self.0.fetch_add(1, Ordering::Relaxed);
        Item(self.clone(), 0xA11E)
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Item(Census, u32);

impl Drop for Item {
    fn drop(&mut self) {
        assert_eq!(std::mem::replace(&mut self.1, 0xDEAD), 0xA11E, "dropped twice, or no item");
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn taking_an_item_takes_the_only_reference() {
    let census = Census::default();
    let (sender, mut receiver) = limited(1_000);
    for queued in 1..=100 {
        sender.try_send(census.item()).unwrap();
        assert_eq!(census.alive(), queued);
    }
    for left in (50..100).rev() {
        drop(receiver.try_recv());
        assert_eq!(census.alive(), left, "a slot keeps what was taken");
    }
    receiver.drain(20, drop);
    assert_eq!(census.alive(), 30);
    let mut items = Vec::new();
    receiver.drain_into(&mut items, 10);
    assert_eq!((census.alive(), receiver.len()), (30, 20));
    drop(items);
    drop(receiver);
    assert_eq!(census.alive(), 0, "what nobody can read is dropped");
    assert!(matches!(sender.try_send(census.item()), Err(SendError::Closed(_))));
    assert_eq!(census.alive(), 0);
}

#[test]
fn the_handles_may_go_in_any_order() {
    for receiver_first in [false, true] {
        for queued in [0, 1, 5, 100] {
            let census = Census::default();
            let (sender, receiver) = limited(1_000);
            sender.try_send_many(&mut (0..queued).map(|_| census.item()).collect()).unwrap();
            let other = sender.clone();
            if receiver_first {
                drop(receiver);
                assert_eq!(census.alive(), 0);
                drop((sender, other));
            } else {
                drop((sender, other));
                assert_eq!(census.alive(), queued);
                drop(receiver);
            }
            assert_eq!(census.alive(), 0);
        }
    }
}

#[test]
fn what_is_refused_comes_back_once() {
    let census = Census::default();
    let (sender, mut receiver) = limited(1);
    sender.try_send(census.item()).unwrap();
    drop(sender.try_send(census.item()));
    drop(sender.send_blocking(census.item(), Some(Instant::now())));
    let mut many = vec![census.item(), census.item()];
    assert_eq!(sender.try_send_many(&mut many), Err(SendError::Full(())));
    assert_eq!((many.len(), census.alive()), (2, 3));
    receiver.close();
    assert!(matches!(sender.try_send_many(&mut many), Err(SendError::Closed(()))));
    drop(many);
    assert_eq!(census.alive(), 1);
    drop(receiver.try_recv());
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_dropped_future_drops_its_item() {
    let census = Census::default();
    let (sender, receiver) = limited(1);
    sender.try_send(census.item()).unwrap();
    let mut send = Box::pin(sender.send(census.item()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(send.as_mut().poll(&mut cx).is_pending());
    assert_eq!(census.alive(), 2);
    drop(send);
    assert_eq!(census.alive(), 1);
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_permit_sends_one_item_or_none() {
    let census = Census::default();
    let (sender, mut receiver) = limited(2);
    drop(sender.try_reserve(0).unwrap());
    sender.try_reserve(0).unwrap().send(census.item()).unwrap();
    let late = sender.try_reserve(0).unwrap();
    receiver.close();
    assert!(matches!(late.send(census.item()), Err(SendError::Closed(_))));
    assert_eq!((census.alive(), receiver.len()), (1, 1));
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

#[test]
fn a_panic_while_draining_loses_only_what_was_taken() {
    let census = Census::default();
    let (sender, mut receiver) = limited(100);
    sender.try_send_many(&mut (0..50).map(|_| census.item()).collect()).unwrap();
    let mut taken = 0;
    let drained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        receiver.drain(usize::MAX, |_item| {
            taken += 1;
            assert!(taken < 20, "on purpose");
        })
    }));
    assert!(drained.is_err());
    assert_eq!((census.alive(), receiver.len()), (30, 30));
    assert_eq!(receiver.drain(usize::MAX, drop), 30);
    assert_eq!(census.alive(), 0);
}

/// The receiver goes, and senders with what they hold, while others are sending.
#[test]
fn ends_beside_sends() {
    for round in 0..if cfg!(miri) { 3 } else { 200 } {
        let census = Census::default();
        let (sender, mut receiver) = limited(64);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (sender, census) = (sender.clone(), census.clone());
                scope.spawn(move || {
                    let sent = (0..500).try_for_each(|n| match n % 3 {
                        0 => sender.send_blocking(census.item(), None).map_err(drop),
                        1 => sender.try_send(census.item()).or_else(|refused| match refused {
                            SendError::Full(_) => Ok(()),
                            _ => Err(()),
                        }),
                        _ => sender
                            .reserve_blocking(0, None)
                            .map_err(drop)
                            .and_then(|permit| permit.send(census.item()).map_err(drop)),
                    });
                    assert!(sent.is_err(), "the receiver was to go first");
                });
            }
            drop(sender);
            (0..round).for_each(|_| drop(receiver.recv_blocking(None)));
            if round % 2 == 0 {
                receiver.set_limits(Limits::messages(8).unwrap());
            }
            drop(receiver);
        });
        assert_eq!(census.alive(), 0, "round {round}");
    }
}
