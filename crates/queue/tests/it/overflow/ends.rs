//! Limits, ends, and what both sides can read of them.

use floodway_queue::overflow::{
    self, Block, Conflate, Disconnect, DropNewest, DropOldest, Limit, RecvError, SendError,
};
use floodway_queue::{LimitError, Limits};

use super::{items, limited};

/// checklist: A14
#[test]
fn every_capacity_is_legal_or_a_typed_error() {
    assert_eq!(Limits::messages(0), Err(LimitError::Zero));
    for capacity in [1, 2, 3, 7, 1000] {
        let (sender, mut receiver) = limited(capacity, DropOldest);
        (0..2 * capacity).for_each(|n| _ = sender.try_send(n).unwrap());
        assert!(items(&mut receiver).into_iter().eq(capacity..2 * capacity));
        let (sender, mut receiver) = limited(capacity, DropNewest);
        let taken = (0..2 * capacity).filter(|n| sender.try_send(*n).is_ok()).count();
        assert_eq!(taken, capacity as usize);
        assert!(items(&mut receiver).into_iter().eq(0..capacity));
        let (sender, _receiver) = limited(capacity, Disconnect);
        let taken = (0..2 * capacity).filter(|n| sender.try_send(*n).is_ok()).count();
        assert_eq!(taken, capacity as usize);
        let (sender, mut receiver) = limited(capacity, Conflate::by(|n: &u32| n % capacity));
        (0..2 * capacity).for_each(|n| _ = sender.try_send(n).unwrap());
        assert!(items(&mut receiver).into_iter().eq(capacity..2 * capacity));
        let wait = Block { at_most: std::time::Duration::from_millis(1) };
        let (sender, _receiver) = limited(capacity, wait);
        (0..capacity).for_each(|n| _ = sender.try_send(n).unwrap());
        assert_eq!(sender.send_blocking(7, None), Err(SendError::Refused(7)));
    }
}

#[test]
fn the_end_comes_after_the_last_item_and_tells_why() {
    let (sender, mut receiver) = limited(2, Disconnect);
    let other = sender.clone();
    let done = sender.try_send_many(&mut vec![1, 2, 3, 4]);
    assert_eq!((done.sent, done.stopped), (2, Some(SendError::Ended((), Limit::Messages))));
    drop((sender, other));
    assert!(receiver.is_closed());
    assert_eq!(items(&mut receiver), [1, 2]);
    // Senders that went afterwards do not make it an ordinary close.
    assert_eq!(receiver.recv_blocking(None), Err(RecvError::Ended(Limit::Messages)));
}

#[test]
fn closing_leaves_what_is_queued() {
    let (sender, mut receiver) = limited(2, DropOldest);
    sender.try_send(1).unwrap();
    receiver.close();
    assert!(sender.is_closed() && sender.ended().is_none());
    assert_eq!(sender.try_send(2), Err(SendError::Closed(2)));
    assert_eq!(sender.account().offered, 1, "never taken is not lost");
    assert_eq!(receiver.try_recv().unwrap().item, 1);
    assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
}

#[test]
fn limits_change_while_it_runs() {
    let (sender, mut receiver) = limited(4, DropOldest);
    (0..4).for_each(|n| _ = sender.try_send(n).unwrap());
    sender.set_limits(Limits::messages(2).unwrap());
    assert_eq!(receiver.account().queued, 4, "nothing is dropped by that");
    assert_eq!(sender.try_send(4).unwrap().dropped, 3);
    receiver.set_limits(Limits::messages(3).unwrap());
    assert_eq!(sender.try_send(5).unwrap().dropped, 0);
    assert_eq!((sender.limits().max_messages(), items(&mut receiver)), (3, vec![3, 4, 5]));
}

#[test]
fn a_gap_behind_the_last_item_is_told_once() {
    let (sender, mut receiver) = limited(1, DropNewest);
    (0..4).for_each(|n| _ = sender.try_send(n));
    assert_eq!(receiver.take_missed(), None, "not before what is queued");
    assert_eq!(receiver.try_recv().unwrap().missed, None);
    let missed = receiver.take_missed().unwrap();
    assert_eq!((missed.refused(), missed.first(), missed.last()), (3, 1, 3));
    assert_eq!(receiver.take_missed(), None);
    sender.try_send(4).unwrap();
    assert_eq!(receiver.try_recv().unwrap().missed, None);
}

/// checklist: E6
/// Operations that depend on the depth would be seen here: ten million steps at a million, where a
/// search or a copy would take hours.
#[test]
fn a_deep_queue_is_as_quick_as_a_shallow_one() {
    for depth in [10, 1_000, 1_000_000] {
        let (sender, mut receiver) = overflow::queue(
            Limits::messages(depth).unwrap(),
            Conflate::by(|n: &u64| *n).or(DropOldest),
        );
        (0..u64::from(depth)).for_each(|n| _ = sender.try_send(n).unwrap());
        for n in 0..1_000_000 {
            let sent = sender.try_send(u64::from(depth) + n).unwrap();
            assert_eq!(sent.dropped, 1);
        }
        assert_eq!(receiver.try_recv().unwrap().item, 1_000_000);
    }
}
