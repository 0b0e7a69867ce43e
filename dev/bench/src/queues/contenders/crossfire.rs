//! crossfire.

use crossfire::{AsyncRx, MAsyncTx, MRx, MTx, Rx, Tx, mpmc, mpsc, spsc};

use super::super::payload::Payload;
use super::super::shape::{
    CAPACITY, Consumer, FanOut, Message, Producer, Queue, Source, Subscriber,
};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Bounded {}

#[derive(Debug)]
pub(super) enum Unbounded {}

#[derive(Debug)]
pub(super) enum Mpmc {}

#[derive(Debug)]
pub(super) enum Spsc {}

impl<T: Payload> Queue<T> for Bounded {
    type Producer = MTx<mpsc::Array<T>>;
    type Consumer = Rx<mpsc::Array<T>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        mpsc::bounded_blocking(limit)
    }
}

impl<T: Payload> Queue<T> for Unbounded {
    type Producer = MTx<mpsc::List<T>>;
    type Consumer = Rx<mpsc::List<T>>;

    fn open(_: usize) -> (Self::Producer, Self::Consumer) {
        mpsc::unbounded_blocking()
    }
}

impl<T: Payload> Queue<T> for Mpmc {
    type Producer = MTx<mpmc::Array<T>>;
    type Consumer = MRx<mpmc::Array<T>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        mpmc::bounded_blocking(limit)
    }
}

impl<T: Payload> Queue<T> for Spsc {
    type Producer = Tx<spsc::Array<T>>;
    type Consumer = Rx<spsc::Array<T>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        spsc::bounded_blocking(limit)
    }
}

impl<T: Payload, F: crossfire::flavor::Flavor<Item = T>> Producer<T> for MTx<F>
where
    MTx<F>: Send,
{
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        Tx::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Tx::try_send(self, item).is_ok()
    }
}

impl<T: Payload, F: crossfire::flavor::Flavor<Item = T>> Producer<T> for Tx<F>
where
    Tx<F>: Send,
{
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        Tx::send(self, item).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        Tx::try_send(self, item).is_ok()
    }
}

impl<T: Payload, F: crossfire::flavor::Flavor<Item = T>> Consumer<T> for Rx<F>
where
    Rx<F>: Send,
{
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl<T: Payload, F: crossfire::flavor::Flavor<Item = T>> Consumer<T> for MRx<F>
where
    MRx<F>: Send,
{
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.recv().ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_recv().ok()
    }
}

impl FanOut for Bounded {
    type Source = Vec<MAsyncTx<mpsc::Array<Message>>>;
    type Subscriber = AsyncRx<mpsc::Array<Message>>;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>) {
        (0..subscribers).map(|_| mpsc::bounded_async(CAPACITY)).unzip()
    }
}

impl Source for Vec<MAsyncTx<mpsc::Array<Message>>> {
    async fn publish(&mut self, message: &Message) {
        for sender in self {
            // A subscriber that broke down is found when it is joined.
            let _ = sender.send(message.clone()).await;
        }
    }
}

impl Subscriber for AsyncRx<mpsc::Array<Message>> {
    async fn listen(self, mut tally: Tally) -> Tally {
        while let Ok(message) = self.recv().await {
            tally.see(message.identity());
        }
        tally
    }
}
