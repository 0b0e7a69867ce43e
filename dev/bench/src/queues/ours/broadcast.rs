//! The broadcast ring behind its shape, with each of its ways to wait.

use floodway_queue::broadcast::{Consumer, Producer, WaitStrategy, ring};

use super::super::shape::{Broadcast, CAPACITY, Listeners, Publisher};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Spinning {}

#[derive(Debug)]
pub(super) enum Yielding {}

#[derive(Debug)]
pub(super) enum Parking {}

impl Broadcast for Spinning {
    type Publisher = Producer<u64>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Producer<u64>>, Listeners) {
        start(publishers, tallies, WaitStrategy::Spin)
    }
}

impl Broadcast for Yielding {
    type Publisher = Producer<u64>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Producer<u64>>, Listeners) {
        start(publishers, tallies, WaitStrategy::Yield)
    }
}

impl Broadcast for Parking {
    type Publisher = Producer<u64>;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Producer<u64>>, Listeners) {
        start(publishers, tallies, WaitStrategy::Park)
    }
}

fn start(
    publishers: usize,
    tallies: Vec<Tally>,
    strategy: WaitStrategy,
) -> (Vec<Producer<u64>>, Listeners) {
    let (producer, ring) = ring(CAPACITY, strategy).expect("a ring of 1024 slots");
    let consumers = tallies.iter().map(|_| ring.join()).collect();
    let listen = |mut consumer: Consumer<u64>, tally: &mut Tally| {
        while let Ok(batch) = consumer.read_blocking(usize::MAX, None) {
            batch.iter().for_each(|identity| tally.see(*identity));
        }
    };
    (vec![producer; publishers], Listeners::start(consumers, tallies, listen))
}

impl Publisher for Producer<u64> {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        // A listener that broke down has left, and is found when it is joined.
        let _ = self.publish_blocking(identity, None);
    }
}
