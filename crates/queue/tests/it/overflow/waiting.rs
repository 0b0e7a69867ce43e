//! Both sides wait as threads and as tasks: woken by what was taken or sent, by the end, by a
//! deadline, and never stuck behind one that gave up.
// checklist: A12

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use floodway_queue::overflow::{Block, Disconnect, DropNewest, Limit, RecvError, SendError};

use super::limited;

const FOREVER: Block = Block { at_most: Duration::from_secs(3600) };

#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (bell.clone(), Waker::from(bell))
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn rung(bell: &Bell) -> u32 {
    bell.0.load(Ordering::SeqCst)
}

#[test]
fn a_delayed_sender_is_woken_by_a_take() {
    let (sender, mut receiver) = limited(1, FOREVER);
    sender.try_send(0).unwrap();
    let (bell, waker) = bell();
    let mut send = pin!(sender.send(1));
    assert!(poll(send.as_mut(), &waker).is_pending());
    assert_eq!((rung(&bell), sender.account().offered), (0, 1));
    assert_eq!(receiver.try_recv().unwrap().item, 0);
    assert_eq!(rung(&bell), 1);
    let Poll::Ready(Ok(sent)) = poll(send.as_mut(), &waker) else { panic!("there is room") };
    assert_eq!((sent.sequence, receiver.try_recv().unwrap().item), (1, 1));
}

#[test]
fn a_delayed_sender_is_woken_by_a_batch_a_close_and_new_limits() {
    let (sender, mut receiver) = limited(2, FOREVER);
    (0..2).for_each(|n| _ = sender.try_send(n).unwrap());
    let (bells, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| bell()).unzip();
    let mut sends: Vec<_> = (2..5).map(|n| Box::pin(sender.send(n))).collect();
    for (send, waker) in sends.iter_mut().zip(&wakers) {
        assert!(poll(send.as_mut(), waker).is_pending());
    }
    // Two have gone, so two may come; and as nothing is left, everybody may try.
    assert_eq!(receiver.recv_many(&mut Vec::new(), 9), 2);
    assert_eq!(bells.iter().map(|bell| rung(bell)).sum::<u32>(), 3);
    assert!(poll(sends[0].as_mut(), &wakers[0]).is_ready());
    assert!(poll(sends[1].as_mut(), &wakers[1]).is_ready());
    assert!(poll(sends[2].as_mut(), &wakers[2]).is_pending());
    sender.set_limits(floodway_queue::Limits::messages(3).unwrap());
    assert_eq!(rung(&bells[2]), 2);
    assert!(poll(sends[2].as_mut(), &wakers[2]).is_ready());
    let mut last = pin!(sender.send(9));
    assert!(poll(last.as_mut(), &wakers[0]).is_pending());
    let before = rung(&bells[0]);
    receiver.close();
    assert_eq!(rung(&bells[0]), before + 1);
    assert!(matches!(poll(last.as_mut(), &wakers[0]), Poll::Ready(Err(SendError::Closed(9)))));
}

#[test]
fn a_wake_up_for_one_that_is_dropped_goes_to_the_next() {
    let (sender, mut receiver) = limited(2, FOREVER);
    (0..2).for_each(|n| _ = sender.try_send(n).unwrap());
    let ((first_bell, first_waker), (next_bell, next_waker)) = (bell(), bell());
    let mut first = Box::pin(sender.send(2));
    let mut next = pin!(sender.send(3));
    assert!(poll(first.as_mut(), &first_waker).is_pending());
    assert!(poll(next.as_mut(), &next_waker).is_pending());
    receiver.try_recv().unwrap();
    assert_eq!((rung(&first_bell), rung(&next_bell)), (1, 0));
    drop(first);
    assert_eq!(rung(&next_bell), 1);
    assert!(poll(next.as_mut(), &next_waker).is_ready());
}

#[test]
fn delayed_senders_are_woken_by_the_end() {
    // Whoever says "end" ends it for those that wait.
    let policy = floodway_queue::overflow::from_fn::<u8, std::convert::Infallible, _>(|offer| {
        use floodway_queue::overflow::Verdict;
        match *offer.item {
            9 => Verdict::End(Limit::Behind),
            _ => Verdict::Delay(Duration::from_secs(3600)),
        }
    });
    let (sender, mut receiver) = limited(2, policy);
    let ((bell, waker), (reader_bell, reader)) = (bell(), bell());
    let mut send = pin!(sender.send(1));
    assert!(poll(send.as_mut(), &waker).is_pending());
    let mut recv = pin!(receiver.recv());
    assert!(poll(recv.as_mut(), &reader).is_pending());
    assert_eq!(sender.try_send(9), Err(SendError::Ended(9, Limit::Behind)));
    assert_eq!((rung(&bell), rung(&reader_bell)), (1, 1));
    let ended = poll(send.as_mut(), &waker);
    assert!(matches!(ended, Poll::Ready(Err(SendError::Ended(1, Limit::Behind)))));
    let ended = poll(recv.as_mut(), &reader);
    assert_eq!(ended, Poll::Ready(Err(RecvError::Ended(Limit::Behind))));
}

#[test]
fn a_sweep_lets_a_delayed_task_ask_again() {
    let (sender, _receiver) = limited(1, Block { at_most: Duration::from_millis(1) });
    sender.try_send(0).unwrap();
    let (bell, waker) = bell();
    let mut send = pin!(sender.send(1));
    let mut decided = poll(send.as_mut(), &waker);
    while decided.is_pending() {
        let before = rung(&bell);
        sender.sweep();
        assert_eq!(rung(&bell), before + 1);
        decided = poll(send.as_mut(), &waker);
    }
    assert_eq!(decided, Poll::Ready(Err(SendError::Refused(1))));
}

#[test]
fn deadlines_of_the_sender_and_of_the_policy() {
    let start = Instant::now();
    let (sender, mut receiver) = limited(1, Block { at_most: Duration::from_millis(20) });
    sender.try_send(0).unwrap();
    assert_eq!(sender.send_blocking(1, None), Err(SendError::Refused(1)));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(20) && took < Duration::from_secs(2), "{took:?}");
    let early = Instant::now() + Duration::from_millis(2);
    let refused = sender.send_blocking(1, Some(early));
    assert!(matches!(refused, Err(SendError::Delayed(1, _))), "{refused:?}");
    assert!(Instant::now() >= early);
    receiver.try_recv().unwrap();
    assert_eq!(receiver.recv_blocking(Some(early)), Err(RecvError::Empty));
}

#[test]
fn a_receiver_is_woken_by_an_item_and_by_the_last_sender() {
    let (sender, mut receiver) = limited(1, Disconnect);
    let (bell, waker) = bell();
    {
        let mut recv = pin!(receiver.recv());
        assert!(poll(recv.as_mut(), &waker).is_pending());
    }
    sender.try_send(1).unwrap();
    assert_eq!(rung(&bell), 0, "nobody waits");
    assert_eq!(receiver.try_recv().unwrap().item, 1);
    let mut recv = pin!(receiver.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    drop(sender.clone());
    assert_eq!(rung(&bell), 0);
    drop(sender);
    assert_eq!(rung(&bell), 1);
    assert_eq!(poll(recv.as_mut(), &waker), Poll::Ready(Err(RecvError::Closed)));
}

/// Many threads through a queue so small that both sides wait all the time.
#[test]
fn nobody_is_left_behind() {
    const EACH: u64 = 5_000;
    for capacity in [1, 3] {
        let (sender, mut receiver) = limited(capacity, FOREVER);
        thread::scope(|scope| {
            for thread in 0..4 {
                let sender = sender.clone();
                scope.spawn(move || {
                    for n in 0..EACH {
                        sender.send_blocking((thread, n), None).unwrap();
                    }
                });
            }
            drop(sender);
            let mut next = [0; 4];
            let mut sequence = 0;
            while let Ok(entry) = receiver.recv_blocking(None) {
                let (thread, n): (usize, u64) = entry.item;
                assert_eq!((n, entry.sequence, entry.missed), (next[thread], sequence, None));
                next[thread] += 1;
                sequence += 1;
            }
            assert_eq!(next, [EACH; 4]);
        });
    }
}

#[test]
fn numbers_are_exact_beside_senders() {
    let (sender, mut receiver) = limited(8, DropNewest);
    thread::scope(|scope| {
        for _ in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || (0..30_000).for_each(|n| _ = sender.try_send(n)));
        }
        drop(sender);
        let (mut received, mut missed) = (0, 0);
        while let Ok(entry) = receiver.recv_blocking(None) {
            received += 1;
            missed += entry.missed.map_or(0, |gap| gap.total());
            assert_eq!(received + missed, entry.sequence + 1);
            assert!(receiver.account().is_conserved());
        }
        missed += receiver.take_missed().map_or(0, |gap| gap.total());
        assert_eq!(received + missed, 90_000);
    });
}
