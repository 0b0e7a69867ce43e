//! What one writes by hand with a mutex: a `VecDeque`, and a `Vec` that is swapped out whole.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task;

use super::super::payload::Payload;
use super::super::shape::{
    Batched, CAPACITY, Consumer, FanOut, Message, Producer, Queue, Source, Subscriber,
};
use super::super::tally::Tally;

/// A lock, and two places to wait at.
#[derive(Debug)]
struct Guarded<S> {
    state: Mutex<Held<S>>,
    filled: Condvar,
    emptied: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct Held<S> {
    items: S,
    producers: usize,
    receivers_waiting: usize,
    senders_waiting: usize,
}

fn lock<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, S>(condition: &Condvar, held: MutexGuard<'a, S>) -> MutexGuard<'a, S> {
    condition.wait(held).unwrap_or_else(PoisonError::into_inner)
}

impl<S: Items> Guarded<S> {
    fn open(limit: usize) -> Arc<Self> {
        let state = Mutex::new(Held { producers: 1, ..Held::default() });
        Arc::new(Guarded { state, filled: Condvar::new(), emptied: Condvar::new(), limit })
    }

    /// With room for one at least.
    fn with_room(&self) -> MutexGuard<'_, Held<S>> {
        let mut held = lock(&self.state);
        while held.items.count() >= self.limit {
            held.senders_waiting += 1;
            held = wait(&self.emptied, held);
        }
        held
    }

    /// With one message at least, or none and no producer.
    fn with_items(&self) -> MutexGuard<'_, Held<S>> {
        let mut held = lock(&self.state);
        while held.items.count() == 0 && held.producers > 0 {
            held.receivers_waiting += 1;
            held = wait(&self.filled, held);
        }
        held
    }

    /// Wakes a consumer that waits, once: it is taken off the count here and not when it runs, so
    /// that what follows until then costs nothing.
    fn filled(&self, mut held: MutexGuard<'_, Held<S>>) {
        let waiting = held.receivers_waiting > 0;
        held.receivers_waiting = held.receivers_waiting.saturating_sub(1);
        drop(held);
        if waiting {
            self.filled.notify_one();
        }
    }

    /// Wakes as many producers that wait as there is new room, once each.
    fn emptied(&self, mut held: MutexGuard<'_, Held<S>>, room: usize) {
        let woken = held.senders_waiting.min(room);
        held.senders_waiting -= woken;
        drop(held);
        (0..woken).for_each(|_| self.emptied.notify_one());
    }
}

/// What is behind the lock.
pub(super) trait Items: Default {
    fn count(&self) -> usize;
}

impl<T> Items for VecDeque<T> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl<T> Items for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
}

/// A producer of either; the last one to go lets waiting consumers know.
#[derive(Debug)]
pub(super) struct Sending<S: Items>(Arc<Guarded<S>>);

impl<S: Items> Clone for Sending<S> {
    fn clone(&self) -> Self {
        lock(&self.0.state).producers += 1;
        Sending(Arc::clone(&self.0))
    }
}

impl<S: Items> Drop for Sending<S> {
    fn drop(&mut self) {
        lock(&self.0.state).producers -= 1;
        self.0.filled.notify_all();
    }
}

/// `Mutex<VecDeque>`, one message at a time.
#[derive(Debug)]
pub(super) enum OneByOne {}

#[derive(Debug)]
pub(super) struct Popping<T>(Arc<Guarded<VecDeque<T>>>);

impl<T> Clone for Popping<T> {
    fn clone(&self) -> Self {
        Popping(Arc::clone(&self.0))
    }
}

impl<T: Payload> Queue<T> for OneByOne {
    type Producer = Sending<VecDeque<T>>;
    type Consumer = Popping<T>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        let queue = Guarded::open(limit);
        (Sending(Arc::clone(&queue)), Popping(queue))
    }
}

impl<T: Payload> Producer<T> for Sending<VecDeque<T>> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        let mut held = self.0.with_room();
        held.items.push_back(item);
        self.0.filled(held);
        true
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        let mut held = lock(&self.0.state);
        if held.items.len() >= self.0.limit {
            return false;
        }
        held.items.push_back(item);
        self.0.filled(held);
        true
    }
}

impl<T: Payload> Consumer<T> for Popping<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        let mut held = self.0.with_items();
        let item = held.items.pop_front();
        self.0.emptied(held, 1);
        item
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        let mut held = lock(&self.0.state);
        let item = held.items.pop_front();
        self.0.emptied(held, 1);
        item
    }
}

impl<T: Payload> Batched<T> for OneByOne {
    fn send_batch(producer: &mut Self::Producer, batch: &mut Vec<T>) -> bool {
        let mut items = batch.drain(..);
        while items.len() > 0 {
            let mut held = producer.0.with_room();
            let room = producer.0.limit - held.items.len();
            held.items.extend(items.by_ref().take(room));
            producer.0.filled(held);
        }
        true
    }

    fn receive_batch(consumer: &mut Self::Consumer, batch: &mut Vec<T>, limit: usize) -> bool {
        let mut held = consumer.0.with_items();
        let there = held.items.len().min(limit);
        batch.extend(held.items.drain(..there));
        consumer.0.emptied(held, there);
        there > 0
    }
}

/// `Mutex<Vec>`; the consumer leaves an empty one in exchange for everything there is.
#[derive(Debug)]
pub(super) enum Swapped {}

#[derive(Debug)]
pub(super) struct Swapping<T> {
    queue: Arc<Guarded<Vec<T>>>,
    /// What was taken and not yet given out, the oldest last.
    taken: Vec<T>,
}

impl<T> Swapping<T> {
    /// Takes what there is.
    fn swap(&mut self, mut held: MutexGuard<'_, Held<Vec<T>>>, queue: &Guarded<Vec<T>>) {
        mem::swap(&mut held.items, &mut self.taken);
        queue.emptied(held, self.taken.len());
        self.taken.reverse();
    }
}

impl<T: Payload> Queue<T> for Swapped {
    type Producer = Sending<Vec<T>>;
    type Consumer = Swapping<T>;

    fn open(limit: usize) -> (Self::Producer, Self::Consumer) {
        let queue = Guarded::open(limit);
        (Sending(Arc::clone(&queue)), Swapping { queue, taken: Vec::new() })
    }
}

impl<T: Payload> Producer<T> for Sending<Vec<T>> {
    #[inline(always)]
    fn send(&mut self, item: T) -> bool {
        let mut held = self.0.with_room();
        held.items.push(item);
        self.0.filled(held);
        true
    }

    #[inline(always)]
    fn try_send(&mut self, item: T) -> bool {
        let mut held = lock(&self.0.state);
        if held.items.len() >= self.0.limit {
            return false;
        }
        held.items.push(item);
        self.0.filled(held);
        true
    }
}

impl<T: Payload> Consumer<T> for Swapping<T> {
    #[inline(always)]
    fn receive(&mut self) -> Option<T> {
        if self.taken.is_empty() {
            let queue = Arc::clone(&self.queue);
            self.swap(queue.with_items(), &queue);
        }
        self.taken.pop()
    }

    #[inline(always)]
    fn try_receive(&mut self) -> Option<T> {
        if self.taken.is_empty() {
            let queue = Arc::clone(&self.queue);
            self.swap(lock(&queue.state), &queue);
        }
        self.taken.pop()
    }
}

impl<T: Payload> Batched<T> for Swapped {
    fn send_batch(producer: &mut Self::Producer, batch: &mut Vec<T>) -> bool {
        let mut items = batch.drain(..);
        while items.len() > 0 {
            let mut held = producer.0.with_room();
            let room = producer.0.limit - held.items.len();
            held.items.extend(items.by_ref().take(room));
            producer.0.filled(held);
        }
        true
    }

    fn receive_batch(consumer: &mut Self::Consumer, batch: &mut Vec<T>, _: usize) -> bool {
        let queue = &consumer.queue;
        let mut held = queue.with_items();
        mem::swap(&mut held.items, batch);
        queue.emptied(held, batch.len());
        !batch.is_empty()
    }
}

/// A mailbox of the fan-out: messages, and whether more may come.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: Mutex<(Vec<Message>, bool)>,
    more: Notify,
}

#[derive(Debug)]
pub(super) struct Mailboxes(Vec<Arc<Mailbox>>);

impl FanOut for Swapped {
    type Source = Mailboxes;
    type Subscriber = Arc<Mailbox>;

    fn open(subscribers: usize) -> (Mailboxes, Vec<Arc<Mailbox>>) {
        let mailboxes: Vec<Arc<Mailbox>> = (0..subscribers).map(|_| Arc::default()).collect();
        (Mailboxes(mailboxes.clone()), mailboxes)
    }
}

impl Source for Mailboxes {
    /// Yields once, after the message is with everybody, if somebody is over the mark.
    async fn publish(&mut self, message: &Message) {
        let mut longest = 0;
        for mailbox in &self.0 {
            let mut waiting = lock(&mailbox.waiting);
            waiting.0.push(message.clone());
            let count = waiting.0.len();
            drop(waiting);
            if count == 1 {
                mailbox.more.notify_one();
            }
            longest = longest.max(count);
        }
        if longest >= CAPACITY {
            task::yield_now().await;
        }
    }
}

impl Drop for Mailboxes {
    fn drop(&mut self) {
        for mailbox in &self.0 {
            lock(&mailbox.waiting).1 = true;
            mailbox.more.notify_one();
        }
    }
}

impl Subscriber for Arc<Mailbox> {
    async fn listen(self, mut tally: Tally) -> Tally {
        let mut batch = Vec::new();
        loop {
            let ended = {
                let mut waiting = lock(&self.waiting);
                mem::swap(&mut waiting.0, &mut batch);
                waiting.1
            };
            if !batch.is_empty() {
                batch.drain(..).for_each(|message| tally.see(message.identity()));
            } else if ended {
                return tally;
            } else {
                self.more.notified().await;
            }
        }
    }
}
