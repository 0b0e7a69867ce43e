//! tokio's channels.
//!
//! On threads through their blocking operations. The broadcast channel overwrites what is not
//! read in time; to lose nothing, its publisher waits while it is nearly full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::task;

use super::super::payload::Payload;
use super::super::shape::{
    Batched, Broadcast, CAPACITY, Consumer, FanOut, Listeners, Message, Overwriting, Producer,
    Publisher, Queue, Reader, Source, Subscriber, Writer,
};
use super::super::tally::Tally;
use super::spin::Patience;

/// A publisher that has to look how far the others are looks once in so many messages.
const LOOK: u64 = 32;

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

#[derive(Debug)]
pub(super) enum Broadcasting {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = mpsc::Sender<T>;
    type Consumer = mpsc::Receiver<T>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        mpsc::channel(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = mpsc::UnboundedSender<T>;
    type Consumer = mpsc::UnboundedReceiver<T>;

    fn open(_: usize) -> (Self::Producer, Self::Consumer) {
        mpsc::unbounded_channel()
    }
}

impl<T: Payload> Producer<T> for mpsc::Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.blocking_send(item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        mpsc::Sender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Producer<T> for mpsc::UnboundedSender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        mpsc::UnboundedSender::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        mpsc::UnboundedSender::send(self, item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for mpsc::Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.blocking_recv()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl<T: Payload> Consumer<T> for mpsc::UnboundedReceiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.blocking_recv()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl<T: Payload> Batched<T> for Bounded {
    /// As many at once as there is room for, and one waiting its turn if there is none.
    fn send_batch(producer: &mut mpsc::Sender<T>, batch: &mut Vec<T>) -> bool {
        let mut items = batch.drain(..);
        while items.len() > 0 {
            let room = producer.capacity().min(items.len());
            match producer.try_reserve_many(room) {
                Ok(permits) if room > 0 => {
                    permits.zip(items.by_ref()).for_each(|(permit, item)| permit.send(item));
                }
                _ => {
                    let Some(item) = items.next() else { break };
                    if producer.blocking_send(item).is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn receive_batch(consumer: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, limit: usize) -> bool {
        consumer.blocking_recv_many(batch, limit) > 0
    }
}

impl<T: Payload> Batched<T> for Unbounded {
    fn receive_batch(
        consumer: &mut mpsc::UnboundedReceiver<T>,
        batch: &mut Vec<T>,
        limit: usize,
    ) -> bool {
        consumer.blocking_recv_many(batch, limit) > 0
    }
}

impl FanOut for Bounded {
    type Source = Vec<mpsc::Sender<Message>>;
    type Subscriber = mpsc::Receiver<Message>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        (0..subscribers).map(|_| mpsc::channel(CAPACITY)).unzip()
    }
}

impl Source for Vec<mpsc::Sender<Message>> {
    async fn publish(&mut self, message: &Message) {
        for sender in self {
            // A subscriber that broke down is found when it is joined.
            let _ = mpsc::Sender::send(sender, message.clone()).await;
        }
    }
}

impl Subscriber for mpsc::Receiver<Message> {
    async fn listen(mut self, mut tally: Tally) -> Tally {
        while let Some(message) = self.recv().await {
            tally.see(message.identity());
        }
        tally
    }
}

/// An unbounded channel does not tell its sender how long it is, so every subscriber says how
/// many it took, once in [`LOOK`] messages.
#[derive(Debug)]
pub(super) struct Counted {
    senders: Vec<mpsc::UnboundedSender<Message>>,
    taken: Arc<[AtomicU64]>,
    sent: u64,
}

#[derive(Debug)]
pub(super) struct Counting {
    receiver: mpsc::UnboundedReceiver<Message>,
    taken: Arc<[AtomicU64]>,
    index: usize,
}

impl FanOut for Unbounded {
    type Source = Counted;
    type Subscriber = Counting;

    fn open(subscribers: usize) -> (Counted, Vec<Counting>) {
        let taken: Arc<[AtomicU64]> = (0..subscribers).map(|_| AtomicU64::new(0)).collect();
        let open = |index| {
            let (sender, receiver) = mpsc::unbounded_channel();
            (sender, Counting { receiver, taken: Arc::clone(&taken), index })
        };
        let (senders, ends) = (0..subscribers).map(open).unzip();
        (Counted { senders, taken: Arc::clone(&taken), sent: 0 }, ends)
    }
}

impl Source for Counted {
    async fn publish(&mut self, message: &Message) {
        if self.sent.is_multiple_of(LOOK) {
            let least = self.sent.saturating_sub(CAPACITY as u64);
            while self.taken.iter().any(|taken| taken.load(Ordering::Relaxed) < least) {
                task::yield_now().await;
            }
        }
        self.sent += 1;
        for sender in &self.senders {
            // A subscriber that broke down is found when it is joined.
            let _ = sender.send(message.clone());
        }
    }
}

impl Subscriber for Counting {
    async fn listen(mut self, mut tally: Tally) -> Tally {
        while let Some(message) = self.receiver.recv().await {
            tally.see(message.identity());
            if tally.count().is_multiple_of(LOOK) {
                self.taken[self.index].store(tally.count(), Ordering::Relaxed);
            }
        }
        tally
    }
}

/// A sender that looks how full it is once in [`LOOK`] messages.
#[derive(Debug)]
pub(super) struct Careful<T> {
    sender: broadcast::Sender<T>,
    sent: u64,
}

impl<T> Careful<T> {
    /// Whether there may be no room for as many messages as are sent without looking.
    fn must_wait(&self) -> bool {
        self.sent.is_multiple_of(LOOK) && self.sender.len() > CAPACITY - LOOK as usize
    }

    #[inline(always)]
    fn send(&mut self, item: T) {
        self.sent += 1;
        // Listeners that broke down are found when they are joined.
        let _ = self.sender.send(item);
    }
}

impl Broadcast for Broadcasting {
    type Publisher = Careful<u64>;

    fn open(_: usize, tallies: Vec<Tally>) -> (Vec<Careful<u64>>, Listeners) {
        let sender = broadcast::Sender::new(CAPACITY);
        let receivers = tallies.iter().map(|_| sender.subscribe()).collect();
        let listen = |mut receiver: broadcast::Receiver<u64>, tally: &mut Tally| {
            // Lagging is loss here; the tally finds it.
            loop {
                match receiver.blocking_recv() {
                    Ok(identity) => tally.see(identity),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        };
        (vec![Careful { sender, sent: 0 }], Listeners::start(receivers, tallies, listen))
    }
}

impl Publisher for Careful<u64> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        let mut patience = Patience::default();
        while self.must_wait() {
            patience.wait();
        }
        self.send(identity);
    }
}

impl FanOut for Broadcasting {
    type Source = Careful<Message>;
    type Subscriber = broadcast::Receiver<Message>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        let sender = broadcast::Sender::new(CAPACITY);
        let receivers = (0..subscribers).map(|_| sender.subscribe()).collect();
        (Careful { sender, sent: 0 }, receivers)
    }
}

impl Source for Careful<Message> {
    async fn publish(&mut self, message: &Message) {
        while self.must_wait() {
            task::yield_now().await;
        }
        self.send(message.clone());
    }
}

impl Subscriber for broadcast::Receiver<Message> {
    async fn listen(mut self, mut tally: Tally) -> Tally {
        loop {
            match self.recv().await {
                Ok(message) => tally.see(message.identity()),
                // Loss, which the tally finds.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return tally,
            }
        }
    }
}

/// A receiver that adds up what it is told it missed.
#[derive(Debug)]
pub(super) struct Lagging<T> {
    receiver: broadcast::Receiver<T>,
    missed: u64,
}

impl<T: Payload> Overwriting<T> for Broadcasting {
    type Writer = broadcast::Sender<T>;
    type Reader = Lagging<T>;

    fn open(capacity: usize) -> (Self::Writer, Self::Reader) {
        let (sender, receiver) = broadcast::channel(capacity);
        (sender, Lagging { receiver, missed: 0 })
    }
}

impl<T: Payload> Writer<T> for broadcast::Sender<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        // Without a receiver everything is missing at the end.
        let _ = self.send(item);
        0
    }
}

impl<T: Payload> Reader<T> for Lagging<T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        loop {
            match self.receiver.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Lagged(missed)) => self.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    fn missed(&self) -> u64 {
        self.missed
    }
}
