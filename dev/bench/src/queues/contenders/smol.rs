//! async-channel and async-broadcast, of the smol project.

use async_broadcast::TryRecvError;
use async_channel::{Receiver, Sender};

use super::super::payload::Payload;
use super::super::shape::{
    Broadcast, CAPACITY, Consumer, FanOut, Listeners, Message, Overwriting, Producer, Publisher,
    Queue, Reader, Source, Subscriber, Writer,
};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

#[derive(Debug)]
pub(super) enum Broadcasting {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (Sender<T>, Receiver<T>) {
        async_channel::bounded(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(_: usize) -> (Sender<T>, Receiver<T>) {
        async_channel::unbounded()
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.send_blocking(item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Sender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv_blocking().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl FanOut for Bounded {
    type Source = Vec<Sender<Message>>;
    type Subscriber = Receiver<Message>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        (0..subscribers).map(|_| async_channel::bounded(CAPACITY)).unzip()
    }
}

impl Source for Vec<Sender<Message>> {
    async fn publish(&mut self, message: &Message) {
        for sender in self {
            // A subscriber that broke down is found when it is joined.
            let _ = Sender::send(sender, message.clone()).await;
        }
    }
}

impl Subscriber for Receiver<Message> {
    async fn listen(self, mut tally: Tally) -> Tally {
        while let Ok(message) = self.recv().await {
            tally.see(message.identity());
        }
        tally
    }
}

impl<T: Payload> Queue<T> for Broadcasting {
    type Producer = async_broadcast::Sender<T>;
    type Consumer = async_broadcast::Receiver<T>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        async_broadcast::broadcast(limit)
    }
}

impl<T: Payload> Producer<T> for async_broadcast::Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.broadcast_blocking(item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        self.try_broadcast(item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for async_broadcast::Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv_blocking().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl Broadcast for Broadcasting {
    type Publisher = async_broadcast::Sender<u64>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Self::Publisher>, Listeners) {
        let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
        let receivers = vec![receiver; tallies.len()];
        let listen = |mut receiver: async_broadcast::Receiver<u64>, tally: &mut Tally| {
            while let Ok(identity) = receiver.recv_blocking() {
                tally.see(identity);
            }
        };
        (vec![sender; publishers], Listeners::start(receivers, tallies, listen))
    }
}

impl Publisher for async_broadcast::Sender<u64> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        // Listeners that broke down are found when they are joined.
        let _ = self.broadcast_blocking(identity);
    }
}

impl FanOut for Broadcasting {
    type Source = async_broadcast::Sender<Message>;
    type Subscriber = async_broadcast::Receiver<Message>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
        (sender, vec![receiver; subscribers])
    }
}

impl Source for async_broadcast::Sender<Message> {
    async fn publish(&mut self, message: &Message) {
        // Subscribers that broke down are found when they are joined.
        let _ = self.broadcast_direct(message.clone()).await;
    }
}

impl Subscriber for async_broadcast::Receiver<Message> {
    async fn listen(mut self, mut tally: Tally) -> Tally {
        while let Ok(message) = self.recv_direct().await {
            tally.see(message.identity());
        }
        tally
    }
}

/// A receiver that adds up what it is told it missed.
#[derive(Debug)]
pub(super) struct Overflowing<T> {
    receiver: async_broadcast::Receiver<T>,
    missed: u64,
}

impl<T: Payload> Overwriting<T> for Broadcasting {
    type Writer = async_broadcast::Sender<T>;
    type Reader = Overflowing<T>;

    fn open(capacity: usize) -> (Self::Writer, Self::Reader) {
        let (mut sender, receiver) = async_broadcast::broadcast(capacity);
        sender.set_overflow(true);
        (sender, Overflowing { receiver, missed: 0 })
    }
}

impl<T: Payload> Writer<T> for async_broadcast::Sender<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        // What it overwrote comes back, but the reader is told too.
        let _ = self.try_broadcast(item);
        0
    }
}

impl<T: Payload> Reader<T> for Overflowing<T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        loop {
            match self.receiver.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Overflowed(missed)) => self.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    fn missed(&self) -> u64 {
        self.missed
    }
}
