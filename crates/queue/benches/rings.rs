//! `cargo bench -p floodway-queue --bench rings`: the rings by themselves, medians of nine with
//! the least and the most. Every run checks that all entries arrived, or were reported lost.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use floodway_queue::broadcast::{self, WaitStrategy};
use floodway_queue::overwriting::{self, Closed, Reader};
use floodway_queue::ring;

const CAPACITY: usize = 1024;

fn table(name: &str, count: u64, run: impl Fn(u64) -> f64) {
    run(count / 10);
    let mut times: Vec<f64> = (0..9).map(|_| run(count)).collect();
    times.sort_unstable_by(f64::total_cmp);
    println!("{name:<44} {:>8.2}  ({:.2} to {:.2})", times[4], times[0], times[8]);
}

fn nanos_each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

/// What a push says: the item it overwrote, or its own back.
type Pushed<T> = Result<Option<T>, Closed<T>>;

fn pairs<T>(
    count: u64,
    make: impl Fn(u64) -> T,
    (mut push, mut reader): (impl FnMut(T) -> Pushed<T>, Reader<T>),
) -> f64 {
    let start = Instant::now();
    for n in 0..count {
        assert!(push(make(n)).is_ok_and(|oldest| oldest.is_none()));
        black_box(&reader.try_read().expect("just pushed").item);
    }
    nanos_each(start, count)
}

fn full<T>(
    count: u64,
    make: impl Fn(u64) -> T,
    (mut push, reader): (impl FnMut(T) -> Pushed<T>, Reader<T>),
) -> f64 {
    (0..CAPACITY as u64).for_each(|n| drop(push(make(n))));
    let start = Instant::now();
    for n in 0..count {
        assert!(push(make(n)).is_ok_and(|oldest| oldest.is_some()));
    }
    let time = nanos_each(start, count);
    assert_eq!(reader.len(), CAPACITY);
    time
}

fn across(
    count: u64,
    (mut push, mut reader): (impl FnMut(u64) -> Pushed<u64> + Send, Reader<u64>),
) -> f64 {
    thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            let start = Instant::now();
            for n in 0..count {
                _ = black_box(push(n));
            }
            nanos_each(start, count)
        });
        let mut read = 0;
        while let Ok(entry) = reader.read_blocking(None) {
            assert_eq!(entry.item, entry.sequence);
            read += 1;
        }
        assert_eq!(read + reader.lost(), count);
        pushing.join().expect("the writer came through")
    })
}

fn sole<T>() -> (impl FnMut(T) -> Pushed<T>, Reader<T>) {
    let (mut writer, reader) = overwriting::ring(CAPACITY).expect("small");
    (move |item| writer.push(item), reader)
}

fn shared<T>() -> (impl FnMut(T) -> Pushed<T>, Reader<T>) {
    let (writer, reader) = overwriting::shared_ring(CAPACITY).expect("small");
    (move |item| writer.push(item), reader)
}

/// Nanoseconds per delivery.
fn spread(count: u64, producers: u64, consumers: u64, strategy: WaitStrategy) -> f64 {
    let (producer, ring) = broadcast::ring(CAPACITY, strategy).expect("small");
    let readers: Vec<_> = (0..consumers).map(|_| ring.join()).collect();
    let each = count / producers / consumers;
    let start = Instant::now();
    thread::scope(|scope| {
        for mut reader in readers {
            scope.spawn(move || {
                let (mut read, mut sum) = (0, 0);
                while let Ok(batch) = reader.read_blocking(usize::MAX, None) {
                    for n in &batch {
                        sum += n;
                        read += 1;
                    }
                }
                assert_eq!((read, sum), (each * producers, producers * each * (each - 1) / 2));
            });
        }
        for _ in 0..producers {
            let producer = producer.clone();
            scope.spawn(move || {
                (0..each).for_each(|n| producer.publish_blocking(n, None).expect("open"));
            });
        }
        drop(producer);
    });
    nanos_each(start, each * producers * consumers)
}

/// A ring of one producer and one consumer, on one thread, beside rtrb.
fn alone<T>(count: u64, make: impl Fn(u64) -> T) -> f64 {
    let (mut producer, mut consumer) = ring::ring(CAPACITY).expect("small");
    let start = Instant::now();
    for n in 0..count {
        assert!(producer.try_push(make(n)).is_ok());
        black_box(&consumer.try_pop().expect("just pushed"));
    }
    nanos_each(start, count)
}

fn alone_with_rtrb<T>(count: u64, make: impl Fn(u64) -> T) -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(CAPACITY);
    let start = Instant::now();
    for n in 0..count {
        assert!(producer.push(make(n)).is_ok());
        black_box(&consumer.pop().expect("just pushed"));
    }
    nanos_each(start, count)
}

/// From a thread to another, one by one or in batches of this many.
fn through(count: u64, batch: u64) -> f64 {
    let (mut producer, mut consumer) = ring::ring(CAPACITY).expect("small");
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            if batch == 1 {
                (0..count).for_each(|n| producer.push_blocking(n, None).expect("open"));
                return;
            }
            for first in (0..count).step_by(batch as usize) {
                let mut items = (first..first + batch).collect::<Vec<_>>().into_iter();
                producer.push_many_blocking(&mut items, None).expect("the consumer is there");
            }
        });
        let mut next = 0;
        while consumer.wait(None).is_ok() {
            consumer.drain(usize::MAX, |n| {
                assert_eq!(n, next);
                next += 1;
            });
        }
        assert_eq!(next, count.next_multiple_of(batch));
    });
    nanos_each(start, count)
}

fn main() {
    let buffer: &'static [u8] = vec![0; 1 << 20].leak();
    let bytes = |n: u64| Bytes::from_static(&buffer[(n & 0xFFFF) as usize..][..18]);
    let (u64s, all) = (|n| n, 5_000_000);
    table("ring, push + pop, u64", all, |n| alone(n, u64s));
    table("rtrb, push + pop, u64", all, |n| alone_with_rtrb(n, u64s));
    table("ring, push + pop, 18 B", all, |n| alone(n, bytes));
    table("rtrb, push + pop, 18 B", all, |n| alone_with_rtrb(n, bytes));
    table("ring, from thread to thread", all, |n| through(n, 1));
    table("ring, from thread to thread, by 64", all, |n| through(n, 64));
    table("one writer, push + read, u64", all, |n| pairs(n, u64s, sole()));
    table("one writer, push + read, 18 B", all, |n| pairs(n, bytes, sole()));
    table("one writer, always full, u64", all, |n| full(n, u64s, sole()));
    table("one writer, always full, 18 B", all, |n| full(n, bytes, sole()));
    table("one writer, flat out beside a reader", all, |n| across(n, sole()));
    table("shared writer, push + read, u64", all, |n| pairs(n, u64s, shared()));
    table("shared writer, push + read, 18 B", all, |n| pairs(n, bytes, shared()));
    table("shared writer, always full, u64", all, |n| full(n, u64s, shared()));
    table("shared writer, always full, 18 B", all, |n| full(n, bytes, shared()));
    table("shared writer, flat out beside a reader", all, |n| across(n, shared()));
    for strategy in [WaitStrategy::Spin, WaitStrategy::Yield, WaitStrategy::Park] {
        for (producers, consumers) in [(1, 1), (1, 8), (2, 2), (16, 16)] {
            let name = format!("broadcast {producers} to {consumers}, {strategy:?}, per delivery");
            table(&name, 2_000_000, |n| spread(n, producers, consumers, strategy));
        }
        crowd(strategy);
    }
}

/// checklist: H5
/// Sixteen and sixteen deliver at more than half the rate of two and two, in turns in one run. But
/// for those that sleep at once: an entry that wakes sixteen threads costs sixteen wake-ups.
fn crowd(strategy: WaitStrategy) {
    let runs = (0..9).map(|_| [2, 16].map(|threads| spread(1_000_000, threads, threads, strategy)));
    let (mut few, mut crowd): (Vec<f64>, Vec<f64>) = runs.map(|[few, crowd]| (few, crowd)).unzip();
    few.sort_unstable_by(f64::total_cmp);
    crowd.sort_unstable_by(f64::total_cmp);
    let kept = few[4] / crowd[4] * 100.0;
    println!("{:<44} {kept:>7.0} %", format!("broadcast 16 to 16 keeps of 2 to 2, {strategy:?}"));
    let sleeps = strategy == WaitStrategy::Park;
    assert!(
        sleeps || kept > 50.0,
        "more threads than cores: {crowd:?} against {few:?} ns a delivery"
    );
}
