//! disruptor: a ring that every listener reads all of.
//!
//! Driven through its pollers, so that the threads are ours as everywhere; what it does by itself
//! on threads of its own is the same loop, without rest. A second row lets other threads run when
//! there is nothing to read or no room to write.

use std::hint::spin_loop;
use std::thread;

use disruptor::{
    BusySpin, EventGuard, EventPoller, MultiConsumerBarrier, MultiProducer, MultiProducerBarrier,
    Polling, Producer, SingleProducer, SingleProducerBarrier, build_multi_producer,
    build_single_producer,
};

use super::super::shape::{Broadcast, CAPACITY, Listeners, Publisher};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Spinning {}

#[derive(Debug)]
pub(super) enum Yielding {}

impl Broadcast for Spinning {
    type Publisher = Claiming;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Claiming>, Listeners) {
        start(publishers, tallies, spin_loop)
    }
}

impl Broadcast for Yielding {
    type Publisher = Claiming;

    fn open(publishers: usize, tallies: Vec<Tally>) -> (Vec<Claiming>, Listeners) {
        start(publishers, tallies, thread::yield_now)
    }
}

/// What to do when there is no room, or nothing to read.
type Rest = fn();

pub(super) enum Claiming {
    Single(SingleProducer<u64, MultiConsumerBarrier>, Rest),
    Multi(MultiProducer<u64, MultiConsumerBarrier>, Rest),
}

impl Publisher for Claiming {
    #[inline(always)]
    fn publish(&mut self, identity: u64) {
        match self {
            Claiming::Single(producer, rest) => claim(producer, identity, *rest),
            Claiming::Multi(producer, rest) => claim(producer, identity, *rest),
        }
    }
}

fn claim(producer: &mut impl Producer<u64>, identity: u64, rest: Rest) {
    while producer.try_publish(|slot| *slot = identity).is_err() {
        rest();
    }
}

fn start(publishers: usize, tallies: Vec<Tally>, rest: Rest) -> (Vec<Claiming>, Listeners) {
    let mut pollers = Vec::new();
    if publishers == 1 {
        let mut builder = build_single_producer(CAPACITY, || 0, BusySpin).with_multi_consumer();
        for _ in &tallies {
            let (poller, next) = builder.new_event_poller();
            pollers.push((poller, rest));
            builder = next;
        }
        let listen =
            |(mut poller, rest): (EventPoller<u64, SingleProducerBarrier>, Rest),
             tally: &mut Tally| { while read(poller.poll(), tally, rest) {} };
        let claiming = Claiming::Single(builder.build(), rest);
        return (vec![claiming], Listeners::start(pollers, tallies, listen));
    }
    let mut pollers = Vec::new();
    let mut builder = build_multi_producer(CAPACITY, || 0, BusySpin).with_multi_consumer();
    for _ in &tallies {
        let (poller, next) = builder.new_event_poller();
        pollers.push((poller, rest));
        builder = next;
    }
    let listen = |(mut poller, rest): (EventPoller<u64, MultiProducerBarrier>, Rest),
                  tally: &mut Tally| { while read(poller.poll(), tally, rest) {} };
    let producer = builder.build();
    let claiming = (0..publishers).map(|_| Claiming::Multi(producer.clone(), rest)).collect();
    drop(producer);
    (claiming, Listeners::start(pollers, tallies, listen))
}

/// All there is; false when there will be no more.
fn read<B>(polled: Result<EventGuard<'_, u64, B>, Polling>, tally: &mut Tally, rest: Rest) -> bool {
    match polled {
        Ok(mut events) => events.for_each(|identity| tally.see(*identity)),
        Err(Polling::NoEvents) => rest(),
        Err(Polling::Shutdown) => return false,
    }
    true
}
