//! A future that the test polls by hand, and that says whether it was woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use floodway_queue::block_until;

#[derive(Default)]
struct Alarm {
    rings: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Ordering::SeqCst);
    }
}

/// See the [module header](self).
pub(crate) struct Task<'f, T> {
    future: Pin<Box<dyn Future<Output = T> + 'f>>,
    alarm: Arc<Alarm>,
}

impl<'f, T> Task<'f, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'f) -> Self {
        Self { future: Box::pin(future), alarm: Arc::default() }
    }

    /// One that has begun, and waits.
    pub(crate) fn waiting(future: impl Future<Output = T> + 'f) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_none(), "it does not wait");
        task
    }

    /// Polls it once.
    pub(crate) fn poll(&mut self) -> Option<T> {
        self.alarm.rings.store(0, Ordering::SeqCst);
        let waker = Waker::from(self.alarm.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Whether it was woken since it was polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.alarm.rings.load(Ordering::SeqCst) > 0
    }

    /// Its result, if it was woken and has one.
    pub(crate) fn when_woken(&mut self) -> Option<T> {
        assert!(self.is_woken(), "it was not woken");
        self.poll()
    }

    /// Runs it to its end on this thread.
    pub(crate) fn run(mut self) -> T {
        let run = block_until(None, |cx| self.future.as_mut().poll(cx));
        run.expect("without a deadline it does not give up")
    }
}
