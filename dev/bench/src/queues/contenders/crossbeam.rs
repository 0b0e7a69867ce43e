//! crossbeam-channel and crossbeam-queue.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use crossbeam_queue::{ArrayQueue, SegQueue};

use super::super::payload::Payload;
use super::super::shape::{
    Broadcast, CAPACITY, Consumer, Listeners, Overwriting, Producer, Publisher, Queue, Reader,
    Writer,
};
use super::super::tally::Tally;
use super::spin::{Entry, Exit, Spin, spin};

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (Sender<T>, Receiver<T>) {
        crossbeam_channel::bounded(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(_: usize) -> (Sender<T>, Receiver<T>) {
        crossbeam_channel::unbounded()
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Sender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

/// A bounded channel for each listener.
#[derive(Debug)]
pub(super) enum OneEach {}

impl Broadcast for OneEach {
    type Publisher = Vec<Sender<u64>>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Vec<Sender<u64>>>, Listeners) {
        let channels = tallies.iter().map(|_| crossbeam_channel::bounded(CAPACITY));
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
        let listen = |receiver: Receiver<u64>, tally: &mut Tally| {
            receiver.iter().for_each(|identity| tally.see(identity));
        };
        (vec![senders; publishers], Listeners::start(receivers, tallies, listen))
    }
}

impl Publisher for Vec<Sender<u64>> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        for sender in self {
            // A listener that broke down is found when it is joined.
            let _ = Sender::send(sender, identity);
        }
    }
}

#[derive(Debug)]
pub(super) enum Array {}

impl<T: Payload> Queue<T> for Array {
    type Producer = Spin<Arc<ArrayQueue<T>>>;
    type Consumer = Spin<Arc<ArrayQueue<T>>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        let queue = Arc::new(ArrayQueue::new(limit));
        spin(Arc::clone(&queue), queue)
    }
}

impl<T: Payload> Entry<T> for Arc<ArrayQueue<T>> {
    #[inline(always)]
    fn offer(&mut self, item: T) -> Result<(), T> {
        ArrayQueue::push(self, item)
    }
}

impl<T: Payload> Exit<T> for Arc<ArrayQueue<T>> {
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        ArrayQueue::pop(self)
    }
}

#[derive(Debug)]
pub(super) enum Forced {}

impl<T: Payload> Overwriting<T> for Forced {
    type Writer = Arc<ArrayQueue<T>>;
    type Reader = Arc<ArrayQueue<T>>;

    fn open(capacity: usize) -> (Self::Writer, Self::Reader) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (Arc::clone(&queue), queue)
    }
}

impl<T: Payload> Writer<T> for Arc<ArrayQueue<T>> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        u64::from(self.force_push(item).is_some())
    }
}

impl<T: Payload> Reader<T> for Arc<ArrayQueue<T>> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        ArrayQueue::pop(self)
    }
}

#[derive(Debug)]
pub(super) enum Segments {}

impl<T: Payload> Queue<T> for Segments {
    type Producer = Spin<Arc<SegQueue<T>>>;
    type Consumer = Spin<Arc<SegQueue<T>>>;

    fn open(_: usize) -> (Self::Producer, Self::Consumer) {
        let queue = Arc::new(SegQueue::new());
        spin(Arc::clone(&queue), queue)
    }
}

impl<T: Payload> Entry<T> for Arc<SegQueue<T>> {
    #[inline(always)]
    fn offer(&mut self, item: T) -> Result<(), T> {
        SegQueue::push(self, item);
        Ok(())
    }
}

impl<T: Payload> Exit<T> for Arc<SegQueue<T>> {
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        SegQueue::pop(self)
    }
}
