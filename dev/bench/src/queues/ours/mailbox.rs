//! The elastic mailbox behind the shapes.

use floodway_queue::{Limits, Receiver, RecvError, Sender, mailbox};
use tokio::task;

use super::super::payload::Payload;
use super::super::shape::{
    Batched, CAPACITY, Consumer, FanOut, Message, Producer, Queue, Source, Subscriber,
};
use super::super::tally::Tally;

/// The elastic mailbox: many producers, one consumer.
#[derive(Debug)]
pub(super) enum Mailbox {}

fn open<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let limit = u32::try_from(limit.max(1)).unwrap_or(u32::MAX / 2);
    mailbox(Limits::messages(limit).expect("between one message and two billion"))
}

impl<T: Payload> Queue<T> for Mailbox {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (Sender<T>, Receiver<T>) {
        open(limit)
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.send_blocking(item, None).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Sender::try_send(self, item).is_ok()
    }
}

impl<T: Payload> Consumer<T> for Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv_blocking(None).ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl<T: Payload> Batched<T> for Mailbox {
    fn send_batch(producer: &mut Sender<T>, batch: &mut Vec<T>) -> bool {
        producer.send_many_blocking(batch, None).is_ok()
    }

    fn receive_batch(consumer: &mut Receiver<T>, batch: &mut Vec<T>, limit: usize) -> bool {
        let there = consumer.wait(None) != Err(RecvError::Closed);
        consumer.drain_into(batch, limit);
        there
    }
}

/// The sending end of each subscriber's mailbox.
#[derive(Debug)]
pub(super) struct Senders(Vec<Sender<Message>>);

/// A subscriber with its mailbox.
#[derive(Debug)]
pub(super) struct Owner(Receiver<Message>);

impl FanOut for Mailbox {
    type Source = Senders;
    type Subscriber = Owner;

    fn open(subscribers: usize) -> (Senders, Vec<Owner>) {
        let ends = (0..subscribers).map(|_| open(CAPACITY));
        let (senders, receivers) = ends.unzip::<_, _, Vec<_>, Vec<_>>();
        (Senders(senders), receivers.into_iter().map(Owner).collect())
    }
}

impl Source for Senders {
    /// Yields to the others once after a message that filled a mailbox, and waits for room there.
    async fn publish(&mut self, message: &Message) {
        for sender in &self.0 {
            if let Err(refused) = sender.try_send(message.clone()) {
                task::yield_now().await;
                let sent = sender.send(refused.into_item()).await;
                assert!(sent.is_ok(), "the subscriber listens to the end");
            }
        }
    }
}

impl Subscriber for Owner {
    async fn listen(mut self, mut tally: Tally) -> Tally {
        while self.0.ready().await.is_ok() {
            self.0.drain(usize::MAX, |message| tally.see(message.identity()));
        }
        tally
    }
}
