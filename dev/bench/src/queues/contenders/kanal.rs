//! kanal.

use kanal::{AsyncReceiver, AsyncSender, Receiver, Sender};

use super::super::payload::Payload;
use super::super::shape::{
    Batched, CAPACITY, Consumer, FanOut, Message, Producer, Queue, Source, Subscriber,
};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (Sender<T>, Receiver<T>) {
        kanal::bounded(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(_: usize) -> (Sender<T>, Receiver<T>) {
        kanal::unbounded()
    }
}

impl<T: Payload> Producer<T> for Sender<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        Sender::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        matches!(Sender::try_send(self, item), Ok(true))
    }
}

impl<T: Payload> Consumer<T> for Receiver<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok().flatten()
    }
}

impl<T: Payload> Batched<T> for Bounded {
    fn receive_batch(consumer: &mut Receiver<T>, batch: &mut Vec<T>, _: usize) -> bool {
        drain(consumer, batch)
    }
}

impl<T: Payload> Batched<T> for Unbounded {
    fn receive_batch(consumer: &mut Receiver<T>, batch: &mut Vec<T>, _: usize) -> bool {
        drain(consumer, batch)
    }
}

/// All there is. It cannot wait for a batch, so it waits for one message if there is none.
fn drain<T>(receiver: &Receiver<T>, batch: &mut Vec<T>) -> bool {
    if let Ok(0) | Err(_) = receiver.drain_into(batch) {
        batch.extend(receiver.recv());
    }
    !batch.is_empty()
}

impl FanOut for Bounded {
    type Source = Vec<AsyncSender<Message>>;
    type Subscriber = AsyncReceiver<Message>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        (0..subscribers).map(|_| kanal::bounded_async(CAPACITY)).unzip()
    }
}

impl Source for Vec<AsyncSender<Message>> {
    async fn publish(&mut self, message: &Message) {
        for sender in self {
            // A subscriber that broke down is found when it is joined.
            let _ = sender.send(message.clone()).await;
        }
    }
}

impl Subscriber for AsyncReceiver<Message> {
    async fn listen(self, mut tally: Tally) -> Tally {
        while let Ok(message) = self.recv().await {
            tally.see(message.identity());
        }
        tally
    }
}
