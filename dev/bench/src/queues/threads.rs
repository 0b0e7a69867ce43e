//! Producing threads and consuming threads, nothing lost.
//!
//! Threads are wherever the system puts them, and all of them are there before any begins. The
//! clock runs from the first producer's begin, by its own watch, because on few cores it may be
//! done before others have woken; it stops when the last message was received, and only then is
//! it checked that nothing follows.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::payload::Payload;
use super::shape::{Batched, CAPACITY, Consumer, Producer, Queue};
use super::tally::{Tally, identity};
use super::work::{Outcome, Work, nanos_each};

/// Messages in a batch.
pub(crate) const BATCH: usize = 64;

/// One producer, one consumer, one message at a time.
pub(crate) fn pair<Q: Queue<T>, T: Payload>(work: &Work) -> Outcome {
    let (producer, consumer) = Q::open(CAPACITY);
    one_by_one(work, vec![producer], consumer)
}

/// Several producers, one consumer.
pub(crate) fn many<Q: Queue<T, Producer: Clone>, T: Payload>(work: &Work) -> Outcome {
    let (producer, consumer) = Q::open(CAPACITY);
    one_by_one(work, copies(producer, work.producers), consumer)
}

/// One producer, one consumer, in batches.
pub(crate) fn batches<Q: Batched<T>, T: Payload>(work: &Work) -> Outcome {
    let (producer, mut consumer) = Q::open(CAPACITY);
    let mint = T::mint(work.payload);
    let produce = move |mut producer: Q::Producer, number, each| {
        let mut batch = Vec::with_capacity(BATCH);
        for index in 0..each {
            batch.push(T::make(mint, identity(number, index)));
            if (batch.len() == BATCH || index + 1 == each)
                && !Q::send_batch(&mut producer, &mut batch)
            {
                return;
            }
        }
    };
    let (mut batch, mut tally) = (Vec::with_capacity(CAPACITY), Tally::new(1));
    let (time, each) = across(vec![producer], work.messages, produce, |sent, begin| {
        begin.wait();
        let mut last = Instant::now();
        while Q::receive_batch(&mut consumer, &mut batch, BATCH) {
            for item in batch.drain(..) {
                tally.see(black_box(&item).identity(mint));
            }
            if tally.count() >= sent {
                last = Instant::now();
            }
        }
        last
    });
    tally.complete(each)?;
    Ok(nanos_each(time, each))
}

/// Several producers, several consumers that share what there is.
pub(crate) fn shared<Q, T: Payload>(work: &Work) -> Outcome
where
    Q: Queue<T, Producer: Clone, Consumer: Clone>,
{
    let (producer, consumer) = Q::open(CAPACITY);
    let mint = T::mint(work.payload);
    let producers = copies(producer, work.producers);
    let consumers = copies(consumer, work.consumers);
    let (mut tallies, ready) = (Vec::new(), Barrier::new(consumers.len() + 1));
    let (time, each) = across(producers, work.messages, sender::<T, _>(mint), |_, begin| {
        thread::scope(|scope| {
            let consume = |mut consumer: Q::Consumer| {
                let (mut tally, ready) = (Tally::new(work.producers), &ready);
                scope.spawn(move || {
                    ready.wait();
                    while let Some(item) = consumer.receive() {
                        tally.see(black_box(&item).identity(mint));
                    }
                    tally
                })
            };
            let running: Vec<_> = consumers.into_iter().map(consume).collect();
            ready.wait();
            begin.wait();
            tallies.extend(running.into_iter().filter_map(|thread| thread.join().ok()));
            Instant::now()
        })
    });
    Tally::shared(&tallies, each)?;
    Ok(nanos_each(time, each * work.producers as u64))
}

fn one_by_one<T: Payload, P: Producer<T>, C: Consumer<T>>(
    work: &Work,
    producers: Vec<P>,
    mut consumer: C,
) -> Outcome {
    let mint = T::mint(work.payload);
    let count = producers.len() as u64;
    let mut tally = Tally::new(producers.len());
    let (time, each) = across(producers, work.messages, sender::<T, _>(mint), |sent, begin| {
        let mut receive = || {
            let item = consumer.receive()?;
            tally.see(black_box(&item).identity(mint));
            Some(())
        };
        begin.wait();
        let _ = (0..sent).try_for_each(|_| receive());
        let last = Instant::now();
        // What is still there was never sent.
        while receive().is_some() {}
        last
    });
    tally.complete(each)?;
    Ok(nanos_each(time, each * count))
}

/// Starts a thread per producer, which begins when `consume` passes the barrier too; `consume` says
/// when it had the last message. Gives how long that took, and how many each producer sent.
fn across<P: Send, F>(
    producers: Vec<P>,
    messages: u64,
    produce: F,
    consume: impl FnOnce(u64, &Barrier) -> Instant,
) -> (Duration, u64)
where
    F: Fn(P, u64, u64) + Copy + Send,
{
    let count = producers.len() as u64;
    let each = messages / count;
    let begin = &Barrier::new(producers.len() + 1);
    let time = thread::scope(|scope| {
        let start = |(number, producer): (u64, P)| {
            scope.spawn(move || {
                begin.wait();
                let began = Instant::now();
                produce(producer, number, each);
                began
            })
        };
        let threads: Vec<_> = (0..).zip(producers).map(start).collect();
        let last = consume(each * count, begin);
        let began = threads.into_iter().filter_map(|thread| thread.join().ok()).min();
        began.map_or(Duration::ZERO, |began| last.saturating_duration_since(began))
    });
    (time, each)
}

/// What a producer does that sends one by one.
fn sender<T: Payload, P: Producer<T>>(mint: T::Mint) -> impl Fn(P, u64, u64) + Copy + Send {
    move |mut producer: P, number, each| {
        for index in 0..each {
            if !producer.send(T::make(mint, identity(number, index))) {
                return;
            }
        }
    }
}

fn copies<H: Clone>(handle: H, count: usize) -> Vec<H> {
    vec![handle; count]
}
