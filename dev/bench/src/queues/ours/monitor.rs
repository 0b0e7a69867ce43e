//! A [`Monitor`] around a `VecDeque`: an inbox of the bus without its policy.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use floodway_queue::Monitor;
use tokio::task;

use super::super::payload::Payload;
use super::super::shape::{
    Batched, CAPACITY, Consumer, FanOut, Message, Overwriting, Producer, Queue, Reader, Source,
    Subscriber, Writer,
};
use super::super::tally::Tally;

#[derive(Debug)]
pub(super) enum Monitored {}

#[derive(Debug)]
pub(super) struct State<T> {
    items: VecDeque<T>,
    producers: usize,
}

pub(super) type Shared<T> = Arc<Monitor<State<T>>>;

fn open<T>() -> (Sending<T>, Shared<T>) {
    let state = Arc::new(Monitor::new(State { items: VecDeque::new(), producers: 1 }));
    (Sending(Arc::clone(&state)), state)
}

/// A producer; the last one to go lets waiting consumers know.
#[derive(Debug)]
pub(super) struct Sending<T>(Shared<T>);

impl<T> Sending<T> {
    /// Wakes the consumer for the first message only, as the bus does once per batch.
    #[inline(always)]
    fn push(&self, items: impl IntoIterator<Item = T>) -> usize {
        let (before, after) = self.0.with(|state| {
            let before = state.items.len();
            state.items.extend(items);
            (before, state.items.len())
        });
        if before == 0 {
            self.0.notify();
        }
        after
    }
}

impl<T> Clone for Sending<T> {
    fn clone(&self) -> Self {
        self.0.with(|state| state.producers += 1);
        Sending(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sending<T> {
    fn drop(&mut self) {
        self.0.with(|state| state.producers -= 1);
        self.0.notify();
    }
}

impl<T: Payload> Queue<T> for Monitored {
    type Producer = Sending<T>;
    type Consumer = Shared<T>;

    fn open(_: usize) -> (Sending<T>, Shared<T>) {
        open()
    }
}

impl<T: Payload> Producer<T> for Sending<T> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        self.push([item]);
        true
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        self.push([item]);
        true
    }
}

impl<T: Payload> Consumer<T> for Shared<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        let next = |state: &mut State<T>| match state.items.pop_front() {
            None if state.producers > 0 => None,
            found => Some(found),
        };
        self.wait(None, next).ok().flatten()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        self.with(|state| state.items.pop_front())
    }
}

impl<T: Payload> Batched<T> for Monitored {
    fn send_batch(producer: &mut Sending<T>, batch: &mut Vec<T>) -> bool {
        producer.push(batch.drain(..));
        true
    }

    fn receive_batch(consumer: &mut Shared<T>, batch: &mut Vec<T>, limit: usize) -> bool {
        let take = |state: &mut State<T>| {
            let there = state.items.len().min(limit);
            batch.extend(state.items.drain(..there));
            (there > 0 || state.producers == 0).then_some(there > 0)
        };
        consumer.wait(None, take) == Ok(true)
    }
}

/// A ring with a lock around it.
#[derive(Debug)]
pub(super) struct Dropping<T>(Shared<T>, usize);

impl<T: Payload> Overwriting<T> for Monitored {
    type Writer = Dropping<T>;
    type Reader = Shared<T>;

    fn open(capacity: usize) -> (Dropping<T>, Shared<T>) {
        let (sending, state) = open();
        (Dropping(Arc::clone(&sending.0), capacity), state)
    }
}

impl<T: Payload> Writer<T> for Dropping<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        self.0.with(|state| {
            let full = state.items.len() >= self.1;
            if full {
                state.items.pop_front();
            }
            state.items.push_back(item);
            u64::from(full)
        })
    }
}

impl<T: Payload> Reader<T> for Shared<T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        self.with(|state| state.items.pop_front())
    }
}

#[derive(Debug)]
pub(super) struct Sources(Vec<Sending<Message>>);

/// The one consumer of a mailbox.
#[derive(Debug)]
pub(super) struct Listening(Shared<Message>);

impl FanOut for Monitored {
    type Source = Sources;
    type Subscriber = Listening;

    fn open(subscribers: usize) -> (Sources, Vec<Listening>) {
        let (sources, ends) = (0..subscribers).map(|_| open()).unzip::<_, _, Vec<_>, Vec<_>>();
        (Sources(sources), ends.into_iter().map(Listening).collect())
    }
}

impl Source for Sources {
    /// Yields once, after the message is with everybody, if somebody is over the mark.
    async fn publish(&mut self, message: &Message) {
        let lengths = self.0.iter().map(|mailbox| mailbox.push([message.clone()]));
        if lengths.max().unwrap_or_default() >= CAPACITY {
            task::yield_now().await;
        }
    }
}

impl Subscriber for Listening {
    async fn listen(self, mut tally: Tally) -> Tally {
        let mut batch = VecDeque::new();
        loop {
            let mut take = |state: &mut State<Message>| {
                std::mem::swap(&mut state.items, &mut batch);
                (!batch.is_empty() || state.producers == 0).then_some(!batch.is_empty())
            };
            let mut watch = self.0.watch();
            let more = poll_fn(|context| watch.poll(context, &mut take)).await;
            if !more {
                return tally;
            }
            batch.drain(..).for_each(|message| tally.see(message.identity()));
        }
    }
}
