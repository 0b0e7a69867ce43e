//! The four queues of the article on data pipelines, with their defects mended.
//!
//! | queue | what was wrong | here |
//! | --- | --- | --- |
//! | mutex + array | the array's head stays in memory | a `VecDeque` |
//! | bounded channel | drops the newest and does not say so | gives it back |
//! | mutex ring | looks empty when it is exactly full, loses all of it | counts what it holds |
//! | atomic ring | gives out stale entries, out of order | every entry has a number |
//!
//! None of them waits, as in the article: whoever finds nothing asks again.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::payload::Payload;
use super::super::shape::{Overwriting, Queue, Reader, Writer};
use super::spin::{Entry, Exit, Spin, spin};

mod atomic_ring;

pub(super) use atomic_ring::AtomicRing;

fn lock<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mutex and an array without a limit.
#[derive(Debug)]
pub(super) enum Array {}

type Shared<T> = Arc<Mutex<VecDeque<T>>>;

impl<T: Payload> Queue<T> for Array {
    type Producer = Spin<Shared<T>>;
    type Consumer = Spin<Shared<T>>;

    fn open(_: usize) -> (Self::Producer, Self::Consumer) {
        let items = Shared::default();
        spin(Arc::clone(&items), items)
    }
}

impl<T: Payload> Entry<T> for Shared<T> {
    #[inline(always)]
    fn offer(&mut self, item: T) -> Result<(), T> {
        lock(self).push_back(item);
        Ok(())
    }
}

impl<T: Payload> Exit<T> for Shared<T> {
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        lock(self).pop_front()
    }
}

/// A bounded channel, asked and never waited for.
#[derive(Debug)]
pub(super) enum Channel {}

impl<T: Payload> Queue<T> for Channel {
    type Producer = Spin<SyncSender<T>>;
    type Consumer = Spin<Receiver<T>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        let (sender, receiver) = sync_channel(limit);
        spin(sender, receiver)
    }
}

impl<T: Payload> Entry<T> for SyncSender<T> {
    #[inline(always)]
    fn offer(&mut self, item: T) -> Result<(), T> {
        self.try_send(item)
            .map_err(|(TrySendError::Full(item) | TrySendError::Disconnected(item))| item)
    }
}

impl<T: Payload> Exit<T> for Receiver<T> {
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

/// A mutex and a ring that knows how much it holds.
#[derive(Debug)]
pub(super) enum MutexRing {}

#[derive(Debug)]
pub(super) struct Ring<T> {
    slots: Box<[Option<T>]>,
    /// The slot of the oldest.
    oldest: usize,
    held: usize,
}

impl<T> Ring<T> {
    /// The slot so many after the oldest.
    fn at(&self, distance: usize) -> usize {
        let slot = self.oldest + distance;
        if slot < self.slots.len() { slot } else { slot - self.slots.len() }
    }
}

impl<T: Payload> Overwriting<T> for MutexRing {
    type Writer = Arc<Mutex<Ring<T>>>;
    type Reader = Arc<Mutex<Ring<T>>>;

    fn open(capacity: usize) -> (Self::Writer, Self::Reader) {
        let slots = (0..capacity).map(|_| None).collect();
        let ring = Arc::new(Mutex::new(Ring { slots, oldest: 0, held: 0 }));
        (Arc::clone(&ring), ring)
    }
}

impl<T: Payload> Writer<T> for Arc<Mutex<Ring<T>>> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        let mut ring = lock(self);
        let slot = ring.at(ring.held);
        let lost = ring.slots[slot].replace(item).is_some();
        if lost {
            ring.oldest = ring.at(1);
        } else {
            ring.held += 1;
        }
        u64::from(lost)
    }
}

impl<T: Payload> Reader<T> for Arc<Mutex<Ring<T>>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        let mut ring = lock(self);
        let oldest = ring.oldest;
        let item = ring.slots[oldest].take()?;
        ring.oldest = ring.at(1);
        ring.held -= 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests;
