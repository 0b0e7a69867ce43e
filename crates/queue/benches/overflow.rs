//! `cargo bench -p floodway-queue --bench overflow`: policies written with the hook beside the same
//! by hand, on one thread, medians of five with the least and the most.
//!
//! By hand means a mutex around a deque (and a hash map where there are keys), and what a user
//! would have to write to keep the same promises: numbers, what was missed at its place, a count
//! for each reason, and a receiver that can be waited for. Every run checks its counts.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    self, Conflate, Disconnect, DropNewest, DropOldest, Policy, Receiver, Sender, TimeToLive,
};
use floodway_queue::{Limits, keyed};
use foldhash::fast::RandomState;

const CAPACITY: usize = 1024;
const KEYS: u64 = 100;
const TTL: Duration = Duration::from_secs(60);

/// What both sides have in common for the bench: nanoseconds an operation.
trait Contender {
    fn send(&mut self, n: u64) -> bool;
    fn recv(&mut self) -> Option<u64>;
}

struct Ours<P: Policy<u64>>(Sender<u64, P>, Receiver<u64, P>);

impl<P: Policy<u64>> Ours<P> {
    fn new(policy: P) -> Self {
        let limits = Limits::messages(CAPACITY as u32).expect("not zero");
        let (sender, receiver) = overflow::queue(limits, policy);
        Self(sender, receiver)
    }
}

impl<P: Policy<u64>> Contender for Ours<P> {
    #[inline]
    fn send(&mut self, n: u64) -> bool {
        self.0.try_send(n).is_ok()
    }

    #[inline]
    fn recv(&mut self) -> Option<u64> {
        self.1.try_recv().ok().map(|entry| black_box(entry).item)
    }
}

/// What became of the items, and who waits.
#[derive(Default)]
struct Books {
    next: u64,
    received: u64,
    refused: u64,
    dropped: u64,
    expired: u64,
    high_water: usize,
    /// Missed in front of the first, and behind the last.
    missed: u64,
    missed_behind: u64,
    ended: bool,
}

struct Row {
    sequence: u64,
    at: u64,
    missed_before: u64,
    item: u64,
}

/// An entry as a hand-written receiver would return it.
struct Received {
    item: u64,
    sequence: u64,
    missed: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Full {
    End,
    Refuse,
    DropOldest,
}

struct ByHand {
    state: Mutex<(VecDeque<Row>, Books)>,
    full: Full,
    ttl: Option<Duration>,
    start: Instant,
    waits: AtomicBool,
    arrived: Condvar,
}

impl ByHand {
    fn new(full: Full, ttl: Option<Duration>) -> Self {
        let (state, waits) = (Mutex::default(), AtomicBool::new(false));
        Self { state, full, ttl, start: Instant::now(), waits, arrived: Condvar::new() }
    }

    #[inline]
    fn now(&self) -> u64 {
        if self.ttl.is_some() { self.start.elapsed().as_millis() as u64 } else { 0 }
    }

    #[inline]
    fn expire(&self, queue: &mut VecDeque<Row>, books: &mut Books, now: u64) {
        let Some(ttl) = self.ttl else { return };
        while queue.front().is_some_and(|row| now.saturating_sub(row.at) > ttl.as_millis() as u64) {
            queue.pop_front();
            books.expired += 1;
            books.missed += 1;
        }
    }

    #[inline]
    fn push(&self, item: u64) -> bool {
        let now = self.now();
        let mut locked = self.state.lock().expect("no panic");
        let (queue, books) = &mut *locked;
        self.expire(queue, books, now);
        if books.ended {
            return false;
        }
        let sequence = books.next;
        books.next += 1;
        if queue.len() == CAPACITY {
            match self.full {
                Full::DropOldest => {
                    if let Some(oldest) = queue.pop_front() {
                        books.missed += 1 + oldest.missed_before;
                        books.dropped += 1;
                    }
                }
                full => {
                    books.refused += 1;
                    books.missed_behind += 1;
                    books.ended = full == Full::End;
                    return false;
                }
            }
        }
        let missed_before = std::mem::take(&mut books.missed_behind);
        queue.push_back(Row { sequence, at: now, missed_before, item });
        books.high_water = books.high_water.max(queue.len());
        drop(locked);
        if self.waits.load(Ordering::Relaxed) {
            self.arrived.notify_one();
        }
        true
    }

    #[inline]
    fn pop(&self) -> Option<Received> {
        let now = self.now();
        let mut locked = self.state.lock().expect("no panic");
        let (queue, books) = &mut *locked;
        self.expire(queue, books, now);
        let Row { item, sequence, missed_before, .. } = queue.pop_front()?;
        books.received += 1;
        let missed = missed_before + std::mem::take(&mut books.missed);
        Some(Received { item, sequence, missed })
    }
}

impl Contender for ByHand {
    #[inline]
    fn send(&mut self, n: u64) -> bool {
        self.push(n)
    }

    #[inline]
    fn recv(&mut self) -> Option<u64> {
        let received = black_box(self.pop()?);
        debug_assert!(received.missed <= received.sequence);
        Some(received.item)
    }
}

/// A map from keys to places, and the places in a deque.
#[derive(Default)]
struct ConflatedByHand {
    state: Mutex<Conflated>,
    waits: AtomicBool,
    arrived: Condvar,
}

#[derive(Default)]
struct Conflated {
    places: HashMap<u64, u64, RandomState>,
    queue: VecDeque<(u64, Row, u32)>,
    first: u64,
    books: Books,
    replaced: u64,
}

impl Contender for ConflatedByHand {
    #[inline]
    fn send(&mut self, n: u64) -> bool {
        let key = n % KEYS;
        let mut locked = self.state.lock().expect("no panic");
        let state = &mut *locked;
        let sequence = state.books.next;
        state.books.next += 1;
        if let Some(place) = state.places.get(&key) {
            let (_, row, replaced) = &mut state.queue[(place - state.first) as usize];
            (row.item, row.sequence) = (n, sequence);
            *replaced += 1;
            state.replaced += 1;
            return true;
        }
        if state.queue.len() == CAPACITY {
            return false;
        }
        state.places.insert(key, state.first + state.queue.len() as u64);
        state.queue.push_back((key, Row { sequence, at: 0, missed_before: 0, item: n }, 0));
        state.books.high_water = state.books.high_water.max(state.queue.len());
        drop(locked);
        if self.waits.load(Ordering::Relaxed) {
            self.arrived.notify_one();
        }
        true
    }

    #[inline]
    fn recv(&mut self) -> Option<u64> {
        let mut locked = self.state.lock().expect("no panic");
        let state = &mut *locked;
        let (key, row, replaced) = state.queue.pop_front()?;
        state.first += 1;
        state.places.remove(&key);
        state.books.received += 1;
        black_box(replaced);
        Some(row.item)
    }
}

struct Keyed(keyed::Sender<u64, u64>, keyed::Receiver<u64, u64>);

impl Keyed {
    fn new() -> Self {
        let (sender, receiver) = keyed::queue(CAPACITY as u32).expect("not zero");
        Self(sender, receiver)
    }
}

impl Contender for Keyed {
    #[inline]
    fn send(&mut self, n: u64) -> bool {
        self.0.put(n % KEYS, n).is_ok()
    }

    #[inline]
    fn recv(&mut self) -> Option<u64> {
        self.1.try_recv().ok().map(|entry| entry.value)
    }
}

/// A queue with room: enqueue and dequeue in turn, eight are always queued.
fn with_room(mut contender: impl Contender, count: u64) -> f64 {
    (0..8).for_each(|n| assert!(contender.send(n)));
    let start = Instant::now();
    for n in 8..count + 8 {
        assert!(black_box(contender.send(n)));
        assert_eq!(contender.recv(), Some(n - 8));
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

/// A full queue, or one in which all keys are queued: enqueue alone.
fn full(mut contender: impl Contender, count: u64, taken: bool) -> f64 {
    (0..CAPACITY as u64).for_each(|n| _ = contender.send(n));
    let start = Instant::now();
    for n in 0..count {
        assert_eq!(black_box(contender.send(n)), taken);
    }
    let time = start.elapsed().as_nanos() as f64 / count as f64;
    while contender.recv().is_some() {}
    time
}

/// A full queue that loses its oldest with each item and gives one to its reader every other time:
/// there is a gap before every one of them.
fn gaps(mut contender: impl Contender, count: u64) -> f64 {
    (0..CAPACITY as u64).for_each(|n| _ = contender.send(n));
    let start = Instant::now();
    for n in 0..count / 3 {
        assert!(contender.send(n) & contender.send(n) & contender.send(n));
        assert!(contender.recv().is_some());
    }
    start.elapsed().as_nanos() as f64 / (count / 3) as f64
}

fn median(mut times: Vec<f64>) -> (f64, String) {
    times.sort_unstable_by(f64::total_cmp);
    let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    (middle, format!("{middle:>7.2} ({least:.2} to {most:.2})"))
}

/// Runs both in turn, so that a noisy moment hurts both.
fn beside(name: &str, hook: impl Fn(u64) -> f64, hand: impl Fn(u64) -> f64) {
    const COUNT: u64 = 3_000_000;
    if !std::env::args().skip(1).all(|word| word.starts_with('-') || name.contains(&word)) {
        return;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    hook(COUNT / 10);
    hand(COUNT / 10);
    for _ in 0..5 {
        ours.push(hook(COUNT));
        theirs.push(hand(COUNT));
    }
    let ((ours, our_text), (theirs, their_text)) = (median(ours), median(theirs));
    println!("{name:<36} {our_text:<28} {their_text:<28} {:>5.2}", ours / theirs);
}

fn main() {
    println!("{:<36} {:<28} {:<28} ratio", "ns each, median of 5", "   hook", "   by hand");
    let hand = |full| ByHand::new(full, None);
    let (end, refuse, oldest) = (Full::End, Full::Refuse, Full::DropOldest);
    beside(
        "disconnect, send + receive",
        |n| with_room(Ours::new(Disconnect), n),
        |n| with_room(hand(end), n),
    );
    beside(
        "drop newest, send + receive",
        |n| with_room(Ours::new(DropNewest), n),
        |n| with_room(hand(refuse), n),
    );
    beside(
        "drop newest, full",
        |n| full(Ours::new(DropNewest), n, false),
        |n| full(hand(refuse), n, false),
    );
    beside(
        "drop oldest, send + receive",
        |n| with_room(Ours::new(DropOldest), n),
        |n| with_room(hand(oldest), n),
    );
    beside(
        "drop oldest, full",
        |n| full(Ours::new(DropOldest), n, true),
        |n| full(hand(oldest), n, true),
    );
    beside(
        "drop oldest, full, 3 sends + receive",
        |n| gaps(Ours::new(DropOldest), n),
        |n| gaps(hand(oldest), n),
    );
    let ttl = || TimeToLive::new(TTL, DropOldest);
    let hand_ttl = || ByHand::new(Full::DropOldest, Some(TTL));
    beside(
        "time to live, send + receive",
        |n| with_room(Ours::new(ttl()), n),
        |n| with_room(hand_ttl(), n),
    );
    beside(
        "time to live, full",
        |n| full(Ours::new(ttl()), n, true),
        |n| full(hand_ttl(), n, true),
    );
    let conflate = || Ours::new(Conflate::by(|n: &u64| n % KEYS));
    let by_hand = ConflatedByHand::default;
    beside("conflate, send + receive", |n| with_room(conflate(), n), |n| with_room(by_hand(), n));
    beside(
        "conflate, 100 keys queued",
        |n| full(conflate(), n, true),
        |n| full(by_hand(), n, true),
    );
    beside(
        "keyed queue, put + receive",
        |n| with_room(Keyed::new(), n),
        |n| with_room(by_hand(), n),
    );
    beside(
        "keyed queue, 100 keys queued",
        |n| full(Keyed::new(), n, true),
        |n| full(by_hand(), n, true),
    );
}
