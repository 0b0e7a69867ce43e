//! A subscription as a stream, and in tasks of an executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use floodway::{Bus, EndReason, Filter, RecvError, SubscribeOptions};
use futures_core::Stream;

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn it_gives_the_messages_then_the_end_then_nothing() {
    let bus = Bus::default();
    let mut stream =
        bus.subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default()).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut next = || Pin::new(&mut stream).poll_next(&mut cx);
    assert!(next().is_pending() && next().is_pending());
    bus.publish("s", "one").unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Some(Ok(one))) = next() else { panic!("nothing there") };
    assert_eq!(&one.payload()[..], b"one");
    assert!(next().is_pending());
    bus.publish("s", "two").unwrap();
    bus.stop(std::time::Duration::ZERO);
    assert!(matches!(next(), Poll::Ready(Some(Ok(_)))));
    let end = next().map(|item| item.map(|item| item.map(|_| ())));
    assert_eq!(end, Poll::Ready(Some(Err(RecvError::Ended(EndReason::ServerStopped)))));
    assert!(matches!(next(), Poll::Ready(None)) && matches!(next(), Poll::Ready(None)));
}

#[test]
fn many_are_taken_at_once_up_to_as_many_as_asked_for() {
    let bus = Bus::default();
    let all = bus.subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default()).unwrap();
    for n in 0..10_u8 {
        bus.publish("s", [n]).unwrap();
    }
    let mut got = Vec::new();
    assert_eq!(all.recv_many(4, &mut got), Ok(4));
    assert_eq!(all.recv_many(0, &mut got), Ok(1), "none would be no answer");
    {
        let mut taking = std::pin::pin!(all.recv_many_async(100, &mut got));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(taking.as_mut().poll(&mut cx), Poll::Ready(Ok(5)));
    }
    assert_eq!(got.iter().map(|one| one.payload()[0]).collect::<Vec<_>>(), Vec::from_iter(0..10));
    all.unsubscribe();
    assert_eq!(all.recv_many(4, &mut got), Err(RecvError::Ended(EndReason::Unsubscribed)));
}

/// A wake-up that a dropped stream had got goes to another one who waits.
#[test]
fn a_stream_that_is_dropped_leaves_no_registration() {
    let bus = Bus::default();
    let mut stream =
        bus.subscribe(&Filter::new("s").unwrap(), SubscribeOptions::default()).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(Pin::new(&mut stream).poll_next(&mut Context::from_waker(&waker)).is_pending());
    drop(stream);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1, "its waker is gone");
}
