//! thingbuf.

use thingbuf::mpsc;
use thingbuf::mpsc::blocking::{self, Receiver, Sender};

use super::super::payload::Payload;
use super::super::shape::{
    CAPACITY, Consumer, FanOut, Message, Producer, Queue, Source, Subscriber,
};
use super::super::tally::{Tally, UNKNOWN};

#[derive(Debug)]
pub(super) enum Bounded {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = Sender<T>;
    type Consumer = Receiver<T>;

    fn open(limit: usize) -> (Sender<T>, Receiver<T>) {
        blocking::channel(limit)
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
        self.recv()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl FanOut for Bounded {
    /// Slots are filled beforehand, and a message has no value of that kind.
    type Source = Vec<mpsc::Sender<Option<Message>>>;
    type Subscriber = mpsc::Receiver<Option<Message>>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        (0..subscribers).map(|_| mpsc::channel(CAPACITY)).unzip()
    }
}

impl Source for Vec<mpsc::Sender<Option<Message>>> {
    async fn publish(&mut self, message: &Message) {
        for sender in self {
            // A subscriber that broke down is found when it is joined.
            let _ = sender.send(Some(message.clone())).await;
        }
    }
}

impl Subscriber for mpsc::Receiver<Option<Message>> {
    async fn listen(self, mut tally: Tally) -> Tally {
        while let Some(message) = self.recv().await {
            tally.see(message.map_or(UNKNOWN, |it| it.identity()));
        }
        tally
    }
}
