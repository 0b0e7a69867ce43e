//! The standard library's channels.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use super::super::payload::Payload;
use super::super::shape::{Broadcast, CAPACITY, Consumer, Listeners, Producer, Publisher, Queue};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = SyncSender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (SyncSender<T>, Receiver<T>) {
        mpsc::sync_channel(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(_: usize) -> (Sender<T>, Receiver<T>) {
        mpsc::channel()
    }
}

impl<T: Payload> Producer<T> for SyncSender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        SyncSender::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        SyncSender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
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
    type Publisher = Vec<SyncSender<u64>>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Vec<SyncSender<u64>>>, Listeners) {
        let channels = tallies.iter().map(|_| mpsc::sync_channel(CAPACITY));
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
        let listen = |receiver: Receiver<u64>, tally: &mut Tally| {
            receiver.iter().for_each(|identity| tally.see(identity));
        };
        (vec![senders; publishers], Listeners::start(receivers, tallies, listen))
    }
}

impl Publisher for Vec<SyncSender<u64>> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        for sender in self {
            // A listener that broke down is found when it is joined.
            let _ = SyncSender::send(sender, identity);
        }
    }
}
