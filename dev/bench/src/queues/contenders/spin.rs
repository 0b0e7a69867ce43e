//! Waiting for what has no way of waiting: ask again, and let others run in between.

use std::hint::spin_loop;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::thread;

use super::super::shape::{Consumer, Producer};

/// How often it is asked again before others are let run.
const SPINS: u32 = 64;

/// Waits a little longer each time.
#[derive(Debug, Default)]
pub(crate) struct Patience(u32);

impl Patience {
    pub(crate) fn wait(&mut self) {
        if self.0 < SPINS {
            self.0 += 1;
            spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// The end that takes a message or gives it back.
pub(crate) trait Entry<T>: Send {
    fn offer(&mut self, item: T) -> Result<(), T>;
}

/// The end that has a message or has none.
pub(crate) trait Exit<T>: Send {
    fn take(&mut self) -> Option<T>;
}

/// A producer or a consumer made of an end of a queue that never waits.
#[derive(Debug, Clone)]
pub(crate) struct Spin<E> {
    end: E,
    producers: Producers,
}

/// How consumers know that no producer is left.
#[derive(Debug, Clone)]
enum Producers {
    Held { _alive: Arc<()> },
    Watched { alive: Weak<()> },
}

/// The first producer and the first consumer of a queue; clone them for more.
pub(crate) fn spin<P, C>(entry: P, exit: C) -> (Spin<P>, Spin<C>) {
    let alive = Arc::new(());
    let consumer =
        Spin { end: exit, producers: Producers::Watched { alive: Arc::downgrade(&alive) } };
    (Spin { end: entry, producers: Producers::Held { _alive: alive } }, consumer)
}

impl Producers {
    fn are_gone(&self) -> bool {
        let Producers::Watched { alive } = self else { return false };
        let gone = alive.strong_count() == 0;
        if gone {
            // Acquire: pairs with the release by which the last of them let go, so that what it
            // sent before is there now.
            fence(Ordering::Acquire);
        }
        gone
    }
}

impl<T: Send, P: Entry<T>> Producer<T> for Spin<P> {
    #[inline(always)]
    fn send(&mut self, mut item: T) -> bool {
        let mut patience = Patience::default();
        while let Err(refused) = self.end.offer(item) {
            item = refused;
            patience.wait();
        }
        true
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        self.end.offer(item).is_ok()
    }
}

impl<T: Send, C: Exit<T>> Consumer<T> for Spin<C> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        let mut patience = Patience::default();
        loop {
            if let Some(item) = self.end.take() {
                return Some(item);
            }
            if self.producers.are_gone() {
                return self.end.take();
            }
            patience.wait();
        }
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.end.take()
    }
}

impl<E> Spin<E> {
    pub(crate) fn end(&mut self) -> &mut E {
        &mut self.end
    }

    /// Whether all producers are gone; what they sent is then there.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.producers.are_gone()
    }
}
