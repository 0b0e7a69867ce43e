//! Every way to wait ends at its deadline, when its future is dropped, or with the mailbox; and
//! nothing is lost by it.
// checklist: E1
// checklist: A12

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use floodway_queue::{RecvError, SendError, block_until};

use super::limited;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(2))
}

#[test]
fn many_that_were_not_sent_in_time_stay_with_the_caller() {
    let (sender, mut receiver) = limited(3);
    let mut items: Vec<_> = (0..6).collect();
    assert_eq!(sender.send_many_blocking(&mut items, soon()), Err(SendError::Full(())));
    assert_eq!(items, [3, 4, 5], "what fitted was sent");
    assert!(pin!(sender.send_many(&mut items)).poll(&mut cx()).is_pending());
    assert_eq!(items, [3, 4, 5]);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(pin!(sender.send_many(&mut items)).poll(&mut cx()).is_pending());
    assert_eq!(items, [4, 5], "a dropped future has sent what fitted");
    receiver.close();
    let closed = pin!(sender.send_many(&mut items)).poll(&mut cx());
    assert_eq!(closed, Poll::Ready(Err(SendError::Closed(()))));
    assert_eq!(sender.send_many_blocking(&mut items, None), Err(SendError::Closed(())));
    assert_eq!(items, [4, 5]);
    let mut received = Vec::new();
    assert_eq!(receiver.drain_into(&mut received, 2), 2, "no more than asked for");
    assert_eq!(receiver.drain(usize::MAX, |n| received.push(n)), 1);
    assert_eq!(received, [1, 2, 3]);
}

#[test]
fn a_place_that_was_not_had_in_time_is_nobodys() {
    let (sender, mut receiver) = limited(1);
    sender.try_send(0).unwrap();
    let late = soon();
    assert!(matches!(sender.reserve_blocking(0, late), Err(SendError::Full(()))));
    assert!(Some(Instant::now()) >= late);
    // The first in the line is woken, and goes; its turn is the next one's.
    let mut next = pin!(sender.send(1));
    {
        let mut first = pin!(sender.reserve(0));
        assert!(first.as_mut().poll(&mut cx()).is_pending());
        assert!(next.as_mut().poll(&mut cx()).is_pending());
        assert_eq!(receiver.try_recv(), Ok(0));
    }
    assert_eq!(next.as_mut().poll(&mut cx()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(1));
    // One that has got its place gives it back when it is dropped.
    let Poll::Ready(Ok(permit)) = pin!(sender.reserve(0)).poll(&mut cx()) else {
        panic!("there was room")
    };
    assert_eq!(sender.try_send(2), Err(SendError::Full(2)));
    drop(permit);
    sender.try_send(2).unwrap();
    receiver.close();
    let closed = pin!(sender.reserve(0)).poll(&mut cx()).map(|reserved| reserved.is_err());
    assert_eq!(closed, Poll::Ready(true));
}

#[test]
fn polling_takes_one_by_one_to_the_end() {
    let (sender, mut receiver) = limited(2);
    assert!(receiver.poll_recv(&mut cx()).is_pending());
    sender.try_send_many(&mut vec![1, 2]).unwrap();
    assert_eq!(receiver.poll_recv(&mut cx()), Poll::Ready(Ok(1)));
    drop(sender);
    assert_eq!(receiver.poll_recv(&mut cx()), Poll::Ready(Ok(2)));
    // After a batch it asks to be polled again a few times before it says so.
    assert_eq!(block_until(None, |cx| receiver.poll_recv(cx)), Some(Err(RecvError::Closed)));
    assert_eq!(receiver.poll_ready(&mut cx()), Poll::Ready(Err(RecvError::Closed)));
}
