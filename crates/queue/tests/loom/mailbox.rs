//! The mailbox: nothing lost, repeated, reordered or stuck, and nobody left asleep.
// checklist: A10
// checklist: A11
// checklist: A12
// checklist: A13

use std::task::{Context, Waker};

use floodway_queue::{Limits, Receiver, RecvError, SendError, Sender, mailbox};
use loom::sync::Arc;
use loom::thread;

use super::explore;

fn limited<T>(messages: u32) -> (Sender<T>, Receiver<T>) {
    mailbox(Limits::messages(messages).unwrap())
}

fn all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    let mut items = Vec::new();
    while receiver.wait(None).is_ok() {
        receiver.drain_into(&mut items, usize::MAX);
    }
    items
}

/// Two writers at once, and a reader that sleeps in between.
#[test]
fn two_senders_and_a_receiver_that_waits() {
    explore(1, || {
        let (sender, mut receiver) = limited(10);
        let (first, second) = (sender.clone(), sender.clone());
        let first = thread::spawn(move || first.try_send(1).unwrap());
        let second = thread::spawn(move || second.try_send(2).unwrap());
        let mut items = [receiver.recv_blocking(None), receiver.recv_blocking(None)];
        items.sort_unstable_by_key(|item| item.ok());
        assert_eq!(items, [Ok(1), Ok(2)]);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    });
}

/// A sender's items arrive in their order, one by one or as a batch.
#[test]
fn items_arrive_in_order() {
    explore(3, || {
        let (sender, mut receiver) = limited(10);
        let writer = thread::spawn(move || {
            sender.try_send(1).unwrap();
            assert_eq!(sender.try_send_many(&mut vec![2, 3]), Ok(2));
        });
        assert_eq!(receiver.recv_blocking(None), Ok(1));
        assert_eq!(receiver.recv_blocking(None), Ok(2));
        assert_eq!(receiver.try_recv(), Ok(3), "a batch is one");
        writer.join().unwrap();
    });
}

/// What a finished send published is there, whatever another sender is in the middle of.
#[test]
fn a_finished_send_can_be_received_at_once() {
    explore(3, || {
        let (sender, mut receiver) = limited(10);
        let other = sender.clone();
        let writer = thread::spawn(move || other.try_send(1).unwrap());
        sender.try_send(2).unwrap();
        let mut got = vec![receiver.try_recv().expect("a send has returned")];
        got.extend(receiver.try_recv());
        assert!(got.contains(&2));
        writer.join().unwrap();
        got.extend(receiver.try_recv());
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

/// Five items fill three segments: one is recycled, one freed, while the sender goes on.
#[test]
fn segments_are_recycled_and_freed() {
    explore(3, || {
        let (sender, mut receiver) = limited(10);
        let writer = thread::spawn(move || (0..5).for_each(|n| sender.try_send(n).unwrap()));
        let mut items = Vec::new();
        receiver.drain_into(&mut items, usize::MAX);
        receiver.drain_into(&mut items, usize::MAX);
        writer.join().unwrap();
        receiver.drain_into(&mut items, usize::MAX);
        assert_eq!(items, [0, 1, 2, 3, 4]);
    });
}

/// The receiver gives the last segment back while a sender is about to use it.
#[test]
fn memory_is_given_back_beside_a_send() {
    explore(3, || {
        let (sender, mut receiver) = limited(10);
        sender.try_send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        let writer = thread::spawn(move || (2..4).for_each(|n| sender.try_send(n).unwrap()));
        receiver.shrink();
        let mut items = Vec::new();
        receiver.drain_into(&mut items, usize::MAX);
        receiver.shrink();
        writer.join().unwrap();
        receiver.drain_into(&mut items, usize::MAX);
        assert_eq!(items, [2, 3]);
    });
}

#[test]
fn the_last_sender_wakes_the_receiver() {
    explore(3, || {
        let (sender, mut receiver) = limited::<()>(1);
        let second = sender.clone();
        let first = thread::spawn(move || drop(sender));
        let second = thread::spawn(move || drop(second));
        assert_eq!(receiver.wait(None), Err(RecvError::Closed));
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// Room for one, and two that wait for it, a thread and a task: each gets it.
#[test]
fn senders_that_wait_are_let_in() {
    explore(2, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let other = sender.clone();
        let other = thread::spawn(move || other.send_blocking(1, None).unwrap());
        let mut send = Box::pin(sender.send(2));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
        assert_eq!(receiver.try_recv(), Ok(0));
        if send.as_mut().poll(&mut cx).is_pending() {
            // The thread was quicker, or is just about to be.
            assert_eq!(receiver.recv_blocking(None), Ok(1));
            assert!(send.as_mut().poll(&mut cx).is_ready());
            assert_eq!(receiver.try_recv(), Ok(2));
        } else {
            assert_eq!(receiver.try_recv(), Ok(2));
            assert_eq!(receiver.recv_blocking(None), Ok(1));
        }
        other.join().unwrap();
    });
}

/// The same with two threads that sleep.
#[test]
fn senders_that_sleep_are_let_in() {
    explore(1, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let senders: Vec<_> = (1..3)
            .map(|n| {
                let sender = sender.clone();
                thread::spawn(move || sender.send_blocking(n, None).unwrap())
            })
            .collect();
        let mut items: Vec<_> = (0..3).map(|_| receiver.recv_blocking(None).unwrap()).collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2]);
    });
}

/// One that takes a single item and then never calls again has let the sender in all the same.
#[test]
fn one_item_taken_lets_one_sender_in() {
    explore(3, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let waiting = thread::spawn(move || sender.send_blocking(1, None).map(|()| sender));
        assert_eq!(receiver.try_recv(), Ok(0));
        assert!(waiting.join().unwrap().is_ok());
        assert_eq!(receiver.try_recv(), Ok(1));
    });
}

/// The same from a batch, of which the rest is left where it is.
#[test]
fn a_batch_taken_in_part_lets_a_sender_in() {
    explore(3, || {
        let (sender, mut receiver) = limited(2);
        sender.try_send(0).unwrap();
        sender.try_send(1).unwrap();
        let waiting = thread::spawn(move || sender.send_blocking(2, None).map(|()| sender));
        assert_eq!(receiver.drain(1, |n| assert_eq!(n, 0)), 1);
        assert!(waiting.join().unwrap().is_ok());
        assert_eq!(all(&mut receiver), [1, 2]);
    });
}

#[test]
fn a_dropped_permit_lets_a_sender_in() {
    explore(3, || {
        let (sender, mut receiver) = limited(1);
        let other = sender.clone();
        let permit = sender.try_reserve(0).unwrap();
        let waiting = thread::spawn(move || other.send_blocking(1, None).unwrap());
        drop(permit);
        waiting.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
    });
}

#[test]
fn a_higher_limit_lets_a_sender_in() {
    explore(3, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let waiting = thread::spawn(move || sender.send_blocking(1, None).unwrap());
        receiver.set_limits(Limits::messages(2).unwrap());
        waiting.join().unwrap();
        assert_eq!(all(&mut receiver), [0, 1]);
    });
}

/// A sender that gave up (a deadline, a dropped future) does not keep the room from another.
#[test]
fn a_cancelled_send_passes_its_turn_on() {
    explore(3, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let quitter = sender.clone();
        let mut quit = Box::pin(quitter.send(1));
        let polled = quit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let patient = thread::spawn(move || sender.send_blocking(2, None).unwrap());
        // There is one place now, and the first in the line is the one that quits.
        assert_eq!(receiver.try_recv(), Ok(0));
        drop(quit);
        patient.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

/// Closing by the receiver, a send, and the end of both handles: the item is dropped once.
#[test]
fn the_receiver_goes_beside_a_send() {
    explore(3, || {
        let (sender, receiver) = limited(10);
        let item = Arc::new(());
        let (kept, twin) = (item.clone(), sender.clone());
        let writer = thread::spawn(move || match sender.try_send(item) {
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(other) => panic!("{other:?}"),
        });
        drop(receiver);
        writer.join().unwrap();
        assert!(twin.is_closed());
        drop(twin);
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn closing_releases_whoever_waits() {
    explore(3, || {
        let (sender, mut receiver) = limited(1);
        sender.try_send(0).unwrap();
        let waiting = thread::spawn(move || sender.send_blocking(1, None));
        receiver.close();
        let sent = waiting.join().unwrap();
        assert_eq!(sent, Err(SendError::Closed(1)));
        assert_eq!(all(&mut receiver), [0]);
    });
}
