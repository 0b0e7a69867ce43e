//! What a message costs in the mailbox, beside the queues that people take otherwise.
//!
//! `cargo bench -p floodway-queue --bench mailbox [-- same across depth fan [8]]`. Nanoseconds a
//! message: median (least-most) of five runs, the contenders taking turns within each. Items are
//! made beforehand and forgotten by the consumer, so that only the queue is timed. Every run
//! checks that all items came, in order.

mod contender;
mod fan;

use std::sync::{Arc, Barrier};
use std::time::Instant;

use bytes::Bytes;
use contender::{Contender, Crossbeam, Kanal, Locked, Ours, Tokio};

const RUNS: usize = 5;
const ITEMS: u64 = 400_000;
const BATCH: usize = 64;

/// What is sent: something that tells its number.
pub(crate) trait Payload: Clone + Send + 'static {
    fn numbered(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Payload for u64 {
    fn numbered(number: u64) -> Self {
        number
    }
    fn number(&self) -> u64 {
        *self
    }
}

impl Payload for Bytes {
    fn numbered(number: u64) -> Self {
        let mut text = [0; 18];
        text[..8].copy_from_slice(&number.to_le_bytes());
        Bytes::copy_from_slice(&text)
    }
    fn number(&self) -> u64 {
        // Not looked at: the consumer would pay for fetching the payload's line.
        u64::MAX
    }
}

struct Check(u64, u64);

impl Check {
    fn take<T: Payload>(&mut self, item: T) {
        let number = std::hint::black_box(&item).number();
        self.0 += 1;
        if number != u64::MAX {
            self.1 = self.1.wrapping_add(number);
        }
        std::mem::forget(item);
    }

    fn done(self, items: u64, sum: u64) {
        assert_eq!((self.0, self.1), (items, sum), "a run that lost or repeated an item");
    }
}

fn sum<T: Payload>(items: &[Vec<T>]) -> u64 {
    let numbers = items.iter().flatten().map(Payload::number).filter(|n| *n != u64::MAX);
    numbers.fold(0, u64::wrapping_add)
}

fn items<T: Payload>(producers: u64) -> Vec<Vec<T>> {
    let each = ITEMS / producers;
    (0..producers).map(|p| (p * each..(p + 1) * each).map(T::numbered).collect()).collect()
}

/// One thread: enqueue and dequeue, with `depth` items queued all the while.
fn same<T: Payload, C: Contender<T>>(depth: u64) -> f64 {
    let (sender, mut receiver) = C::pair();
    (0..depth).for_each(|n| C::send(&sender, T::numbered(n)));
    let mut items = items::<T>(1);
    let all = sum(&items);
    let mut check = Check(0, 0);
    let start = Instant::now();
    for item in items.remove(0) {
        C::send(&sender, item);
        check.take(C::recv(&mut receiver));
    }
    let spent = start.elapsed();
    if depth == 0 {
        check.done(ITEMS, all);
    }
    spent.as_nanos() as f64 / ITEMS as f64
}

/// From `producers` threads to this one; in batches if the contender has them.
fn across<T: Payload, C: Contender<T>>(producers: u64, batch: bool) -> f64 {
    let (sender, mut receiver) = C::pair();
    let all_items = items::<T>(producers);
    let all = sum(&all_items);
    let barrier = Arc::new(Barrier::new(producers as usize + 1));
    let mut check = Check(0, 0);
    let mut spent = 0.0;
    std::thread::scope(|scope| {
        for items in all_items {
            let (sender, barrier) = (sender.clone(), barrier.clone());
            scope.spawn(move || {
                let mut buffer = Vec::with_capacity(BATCH);
                barrier.wait();
                for item in items {
                    if !batch {
                        C::send(&sender, item);
                        continue;
                    }
                    buffer.push(item);
                    if buffer.len() == BATCH {
                        C::send_many(&sender, &mut buffer);
                    }
                }
                C::send_many(&sender, &mut buffer);
            });
        }
        barrier.wait();
        let start = Instant::now();
        while check.0 < ITEMS {
            if batch {
                C::drain(&mut receiver, |item| check.take(item));
            } else {
                check.take(C::recv(&mut receiver));
            }
        }
        spent = start.elapsed().as_nanos() as f64;
    });
    check.done(ITEMS, all);
    spent / ITEMS as f64
}

pub(crate) fn told(mut runs: Vec<f64>) -> String {
    runs.sort_by(f64::total_cmp);
    let (least, most) = (runs[0], runs[runs.len() - 1]);
    format!("{:6.1} ({:.1}-{:.1})", runs[runs.len() / 2], least, most)
}

type Case = (&'static str, fn() -> f64);

/// One row per contender, the contenders taking turns.
fn row(title: &str, cases: &[Case]) {
    println!("{title}");
    let mut runs = vec![Vec::new(); cases.len()];
    for _ in 0..RUNS {
        runs.iter_mut().zip(cases).for_each(|(runs, (_, case))| runs.push(case()));
    }
    for ((name, _), runs) in cases.iter().zip(runs) {
        println!("  {name:28} {}", told(runs));
    }
}

macro_rules! against_all {
    ($payload:ty, $run:ident ( $($argument:expr),* )) => {
        &[
            ("mailbox", (|| $run::<$payload, Ours>($($argument),*)) as fn() -> f64),
            ("crossbeam unbounded", || $run::<$payload, Crossbeam>($($argument),*)),
            ("kanal unbounded", || $run::<$payload, Kanal>($($argument),*)),
            ("tokio mpsc unbounded", || $run::<$payload, Tokio>($($argument),*)),
            ("Mutex<VecDeque> + Condvar", || $run::<$payload, Locked>($($argument),*)),
        ]
    };
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let on = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    if on("same") {
        row("same thread, u64", against_all!(u64, same(0)));
        row("same thread, Bytes 18 B", against_all!(Bytes, same(0)));
    }
    if on("across") {
        row("1 thread to 1, u64", against_all!(u64, across(1, false)));
        row("1 thread to 1, Bytes 18 B", against_all!(Bytes, across(1, false)));
        row("4 threads to 1, u64", against_all!(u64, across(4, false)));
        row("4 threads to 1, Bytes 18 B", against_all!(Bytes, across(4, false)));
        row("1 thread to 1, u64, batches of 64", &[("mailbox", || across::<u64, Ours>(1, true))]);
        let bytes: &[Case] = &[("mailbox", || across::<Bytes, Ours>(1, true))];
        row("1 thread to 1, Bytes 18 B, batches of 64", bytes);
    }
    if on("depth") {
        let deep: &[Case] = &[
            ("mailbox, depth 10", || same::<u64, Ours>(10)),
            ("mailbox, depth 1,000", || same::<u64, Ours>(1_000)),
            ("mailbox, depth 1,000,000", || same::<u64, Ours>(1_000_000)),
        ];
        row("same thread, u64, at a depth", deep);
    }
    if on("fan") {
        let numbers: Vec<usize> = wanted.iter().filter_map(|w| w.parse().ok()).collect();
        fan::run(if numbers.is_empty() { &[1, 8, 64, 1000] } else { &numbers });
    }
}
