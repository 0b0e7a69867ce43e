//! The shapes a queue can have: what a contender is put in behind.
//!
//! Each shape is implemented by a type that is only a name; it says how to open one, and the
//! handles do the work. The traits are implemented on a crate's own handles wherever it has
//! handles, so that nothing of ours stands in between. What is called for every message is inlined
//! for everybody: an item handed to a function of ours through memory would cost the quicker ones
//! more than all they do.

use std::hint::black_box;
use std::sync::Arc;

use super::tally::Tally;

mod listeners;

pub(crate) use listeners::Listeners;

/// The slots of whatever has a fixed number of them.
pub(crate) const CAPACITY: usize = 1024;

/// From producers to a consumer, nothing lost.
pub(crate) trait Queue<T>: 'static {
    type Producer: Producer<T>;
    type Consumer: Consumer<T>;

    /// An empty one for at most `limit` messages; what is unbounded ignores that.
    fn open(limit: usize) -> (Self::Producer, Self::Consumer);
}

/// The end that is written to. Dropping all of them ends the queue.
pub(crate) trait Producer<T>: Send {
    /// Waits for room; false if nobody will take it.
    fn send(&mut self, item: T) -> bool;

    /// False if there is no room.
    fn try_send(&mut self, item: T) -> bool;
}

/// The end that is read from.
pub(crate) trait Consumer<T>: Send {
    /// Waits for a message; `None` when all producers are gone and nothing is left.
    fn receive(&mut self) -> Option<T>;

    /// `None` if nothing is there.
    fn try_receive(&mut self) -> Option<T>;
}

/// What takes or gives many at once.
pub(crate) trait Batched<T>: Queue<T> {
    /// Sends all of `batch`, waiting for room; false if nobody will take them.
    fn send_batch(producer: &mut Self::Producer, batch: &mut Vec<T>) -> bool {
        batch.drain(..).all(|item| producer.send(item))
    }

    /// Waits for messages and appends those there are, about `limit` at most where one can say
    /// so; false when all producers are gone and nothing is left.
    fn receive_batch(consumer: &mut Self::Consumer, batch: &mut Vec<T>, limit: usize) -> bool;
}

/// One writer, one reader; what is full loses its oldest.
pub(crate) trait Overwriting<T>: 'static {
    type Writer: Writer<T>;
    type Reader: Reader<T>;

    fn open(capacity: usize) -> (Self::Writer, Self::Reader);
}

pub(crate) trait Writer<T>: Send {
    /// Never waits. Says how many were lost by it, if it is this end that knows.
    fn push(&mut self, item: T) -> u64;
}

pub(crate) trait Reader<T>: Send {
    /// The oldest there is, if any.
    fn pop(&mut self) -> Option<T>;

    /// How many were lost so far, if it is this end that knows.
    fn missed(&self) -> u64 {
        0
    }
}

/// From publishers to several threads, each of which sees everything; nothing lost.
pub(crate) trait Broadcast: 'static {
    type Publisher: Publisher;

    /// Starts one listening thread per tally. They end when all publishers are gone.
    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Self::Publisher>, Listeners);
}

pub(crate) trait Publisher: Send {
    /// Waits for the slowest listener if it must.
    fn publish(&mut self, identity: u64);
}

/// From one task to several, each of which sees everything; nothing lost.
pub(crate) trait FanOut: 'static {
    type Source: Source;
    type Subscriber: Subscriber;

    fn open(subscribers: usize) -> (Self::Source, Vec<Self::Subscriber>);
}

/// The publishing side; dropping it ends the fan-out.
pub(crate) trait Source: Send + 'static {
    /// Gives the message to every subscriber. Waits or yields so that none of them has much more
    /// than [`CAPACITY`] waiting.
    fn publish(&mut self, message: &Message) -> impl Future<Output = ()> + Send;
}

pub(crate) trait Subscriber: Send + 'static {
    /// Tallies all there is, to the end.
    fn listen(self, tally: Tally) -> impl Future<Output = Tally> + Send;
}

/// What is fanned out: one payload that everybody shares, and which message it is.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    identity: u64,
    payload: Arc<[u8; 128]>,
}

impl Message {
    pub(crate) fn new(identity: u64, payload: &Arc<[u8; 128]>) -> Self {
        Message { identity, payload: Arc::clone(payload) }
    }

    /// Which message it is, for a subscriber that is handed the payload too.
    pub(crate) fn identity(&self) -> u64 {
        black_box(&self.payload);
        self.identity
    }
}
