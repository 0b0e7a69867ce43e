//! The single-producer ring behind the shapes.

use floodway_queue::ring::{self, Consumer, Producer};

use super::super::payload::Payload;
use super::super::shape::{Batched, Consumer as Consume, Producer as Produce, Queue};

/// The ring: one producer, one consumer.
#[derive(Debug)]
pub(super) enum Ring {}

impl<T: Payload> Queue<T> for Ring {
    type Producer = Producer<T>;
    type Consumer = Consumer<T>;

    fn open(limit: usize) -> (Producer<T>, Consumer<T>) {
        ring::ring(limit.max(1)).expect("a capacity there is memory for")
    }
}

impl<T: Payload> Produce<T> for Producer<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.push_blocking(item, None).is_ok()
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        self.try_push(item).is_ok()
    }
}

impl<T: Payload> Consume<T> for Consumer<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        self.pop_blocking(None).ok()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.try_pop().ok()
    }
}

impl<T: Payload> Batched<T> for Ring {
    fn send_batch(producer: &mut Producer<T>, batch: &mut Vec<T>) -> bool {
        producer.push_many_blocking(&mut batch.drain(..), None).is_ok()
    }

    fn receive_batch(consumer: &mut Consumer<T>, batch: &mut Vec<T>, limit: usize) -> bool {
        let there = consumer.wait(None).is_ok();
        consumer.drain_into(batch, limit);
        there
    }
}
