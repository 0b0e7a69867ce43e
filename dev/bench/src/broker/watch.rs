//! What the threads of an endless run let each other see while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts that others may look at; they are a batch behind at most, and order nothing else.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    delivered: AtomicU64,
    newest: AtomicU64,
    stopped: AtomicBool,
    published: AtomicU64,
}

impl Watch {
    /// A subscriber received so many more messages, the latest of them `newest`.
    pub(crate) fn count(&self, more: u64, newest: u64) {
        self.delivered.fetch_add(more, Ordering::Relaxed);
        self.newest.fetch_max(newest, Ordering::Relaxed);
    }

    /// Deliveries to all healthy subscribers so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// The highest sequence number that any healthy subscriber has received.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Asks the publisher to come to an end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The publisher has ended after so many; said before the receiver is woken.
    pub(crate) fn end_at(&self, published: u64) {
        // Release: pairs with the Acquire below; the receiver may wake by itself.
        self.published.store(published, Ordering::Release);
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }
}
