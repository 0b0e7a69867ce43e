//! rtrb, a ring for one producer and one consumer.

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::super::payload::Payload;
use super::super::shape::{Batched, Broadcast, CAPACITY, Listeners, Publisher, Queue};
use super::super::shape::{Consumer as _, Producer as _};
use super::super::tally::Tally;
use super::spin::{Entry, Exit, Patience, Spin, spin};

#[derive(Debug)]
pub(super) enum Ring {}

impl<T: Payload> Queue<T> for Ring {
    type Producer = Spin<Producer<T>>;
    type Consumer = Spin<Consumer<T>>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        let (producer, consumer) = RingBuffer::new(limit);
        spin(producer, consumer)
    }
}

impl<T: Payload> Entry<T> for Producer<T> {
    #[inline(always)]
    fn offer(&mut self, item: T) -> Result<(), T> {
        self.push(item).map_err(|PushError::Full(item)| item)
    }
}

impl<T: Payload> Exit<T> for Consumer<T> {
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        self.pop().ok()
    }
}

impl<T: Payload> Batched<T> for Ring {
    fn send_batch(producer: &mut Self::Producer, batch: &mut Vec<T>) -> bool {
        let (mut items, mut patience) = (batch.drain(..), Patience::default());
        while items.len() > 0 {
            let ring = producer.end();
            let room = ring.slots().min(items.len());
            match ring.write_chunk_uninit(room) {
                Ok(chunk) if room > 0 => _ = chunk.fill_from_iter(items.by_ref().take(room)),
                _ => patience.wait(),
            }
        }
        true
    }

    fn receive_batch(consumer: &mut Self::Consumer, batch: &mut Vec<T>, limit: usize) -> bool {
        let mut patience = Patience::default();
        loop {
            // Asked first: empty afterwards is then empty for good.
            let last = consumer.is_abandoned();
            let ring = consumer.end();
            let there = ring.slots().min(limit);
            if let Ok(chunk) = ring.read_chunk(there) {
                batch.extend(chunk);
            }
            if there > 0 || last {
                return there > 0;
            }
            patience.wait();
        }
    }
}

/// A ring for each listener.
#[derive(Debug)]
pub(super) enum OneEach {}

impl Broadcast for OneEach {
    type Publisher = Vec<Spin<Producer<u64>>>;

    fn open(_: usize, tallies: Vec<Tally>) -> (Vec<Self::Publisher>, Listeners) {
        let rings = tallies.iter().map(|_| <Ring as Queue<u64>>::open(CAPACITY));
        let (producers, consumers): (Vec<_>, Vec<_>) = rings.unzip();
        let listen = |mut consumer: Spin<Consumer<u64>>, tally: &mut Tally| {
            while let Some(identity) = consumer.receive() {
                tally.see(identity);
            }
        };
        (vec![producers], Listeners::start(consumers, tallies, listen))
    }
}

impl Publisher for Vec<Spin<Producer<u64>>> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        for producer in self {
            producer.send(identity);
        }
    }
}
