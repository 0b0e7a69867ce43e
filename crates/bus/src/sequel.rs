//! What has to follow once a message has been handed out.

use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;

use crate::bus::Bus;
use crate::consumer::{Consumer, ConsumerId, Taken};
use crate::payload::Carried;
use crate::route::Target;

/// Readers that are woken together. One that is woken earlier comes to its queue while the
/// publisher is still on its way through the others, and takes the lines of its cache from it.
const AT_ONCE: usize = 32;

/// Follows when it is dropped, so that nobody sleeps on if a consumer panics.
pub(crate) struct Sequel<'r, P: Carried + ?Sized> {
    bus: &'r Bus<P>,
    now: Instant,
    asleep: ArrayVec<&'r dyn Consumer<P>, AT_ONCE>,
    /// Those with a subscription that is over.
    finished: Vec<(Arc<dyn Consumer<P>>, ConsumerId)>,
}

impl<'r, P: Carried + ?Sized> Sequel<'r, P> {
    #[inline]
    pub(crate) fn new(bus: &'r Bus<P>, now: Instant) -> Self {
        Self { bus, now, asleep: ArrayVec::new(), finished: Vec::new() }
    }

    /// It was handed to that one.
    #[inline]
    pub(crate) fn add(&mut self, target: &'r Target<P>, taken: Taken) {
        if taken.wake {
            if self.asleep.is_full() {
                self.wake_all();
            }
            self.asleep.push(&*target.consumer);
        }
        if taken.finished {
            self.finished.push((target.consumer.clone(), target.id));
        }
    }

    fn wake_all(&mut self) {
        for consumer in self.asleep.drain(..) {
            consumer.wake(self.now);
        }
    }

    #[cold]
    fn reap_all(&mut self) {
        for (consumer, id) in self.finished.drain(..) {
            self.bus.reap(&*consumer, id);
        }
    }
}

impl<P: Carried + ?Sized> Drop for Sequel<'_, P> {
    #[inline]
    fn drop(&mut self) {
        self.wake_all();
        if !self.finished.is_empty() {
            self.reap_all();
        }
    }
}
