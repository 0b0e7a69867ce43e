//! The backlog by itself: what it holds, what it frees with each call, and what its tables say.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::key::Key;
use crate::message::SHARE_FROM_BYTES;
use crate::overflow::{Conflation, Fallback, Limits};
use crate::parcel::Parcel;
use crate::{Admission, Admit, Custom, Keeper, LossReason, Offer, Runs, SubscriptionKey};

thread_local! {
    static DROPS: Rc<Cell<usize>> = Rc::default();
}

/// Counts how many of its kind were dropped.
struct Counted {
    subject: Box<[u8]>,
    size: usize,
    drops: Rc<Cell<usize>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
    }
}

impl Held for Counted {
    type Payload = [u8];

    fn hold(message: &Message<'_>, _: &Budget) -> Self {
        let drops = DROPS.with(Rc::clone);
        Self { subject: message.subject.into(), size: message.size(), drops }
    }

    fn replace(&mut self, message: &Message<'_>, budget: &Budget) {
        *self = Self::hold(message, budget);
    }

    fn subject(&self) -> &[u8] {
        &self.subject
    }
}

impl Item for Counted {
    fn size(&self) -> u64 {
        self.size as u64
    }
}

/// A backlog with what it needs.
struct Bench<T> {
    backlog: Backlog<T>,
    account: Account,
    budget: Budget,
    start: Instant,
    now_ms: u32,
}

impl<T: Held<Payload = [u8]>> Bench<T> {
    fn new(policy: Policy, limits: Limits) -> Self {
        let backlog = Backlog::new(Arc::new(Overflow::new(policy, limits)));
        let (account, budget) = (Account::default(), Budget::new(1 << 30));
        Self { backlog, account, budget, start: Instant::now(), now_ms: 0 }
    }

    fn put(&mut self, subject: &str, payload: &[u8]) {
        let message = Message::new(subject.as_bytes(), payload);
        self.offer(std::slice::from_ref(&message));
    }

    fn offer(&mut self, run: &[Message<'_>]) {
        let keeper = Keeper::of(run, 1);
        for (_, run) in Runs::one(SubscriptionKey::ONLY, run).kept_by(&keeper).iter() {
            let now = self.start + Duration::from_millis(self.now_ms.into());
            let (account, tally) = (&mut self.account, &mut Tally::default());
            self.backlog.offer(run, account, &self.budget, now, self.now_ms, tally);
        }
    }

    fn pop(&mut self) -> Option<Popped<T>> {
        let popped = self.backlog.pop(&mut self.account, self.now_ms)?;
        self.account.deliver(1, popped.held.size());
        Some(popped)
    }

    /// What all tables must say, whatever happened.
    fn check(&self) -> Result<(), TestCaseError> {
        let line = &self.backlog.line;
        line.assert_consistent();
        prop_assert!(self.account.is_conserved());
        let queued = (self.account.queued(), self.account.queued_bytes());
        prop_assert_eq!(queued, (line.depth().messages, line.depth().bytes));
        Ok(())
    }
}

fn limits(messages: Option<u64>, ttl_ms: Option<u64>) -> Limits {
    Limits { messages, ttl: ttl_ms.map(Duration::from_millis), ..Limits::NONE }
}

fn by_subject() -> Policy {
    Policy::Conflate(Conflation::default())
}

fn drops() -> usize {
    DROPS.with(|drops| drops.get())
}

/// A million have expired when a fresh one comes: who reads gets it with the first call, and no
/// call frees many of them. The time is a guard against much worse, not a measurement.
fn expired_ones_hold_nobody_up(policy: Policy, count: usize, at_most: Duration) {
    let mut bench = Bench::<Counted>::new(policy, limits(None, Some(10)));
    let subjects: Vec<_> = (0..count).map(|n| format!("s.{n}")).collect();
    subjects.iter().for_each(|subject| bench.put(subject, b"old"));
    assert_eq!((bench.account.queued(), drops()), (count as u64, 0));
    bench.now_ms = 11;
    let started = Instant::now();
    bench.put("s.fresh", b"new");
    assert!(drops() <= 70, "{} freed by one call", drops());
    assert_eq!(bench.account.expired(), count as u64);
    let popped = bench.pop().unwrap();
    let took = started.elapsed();
    assert_eq!(popped.seq, count as u64 + 1);
    assert_eq!(popped.missed, Some(Missed::expired(count as u64, 1, count as u64).into()));
    drop(popped);
    assert!(drops() <= 140, "{} freed by two calls", drops());
    assert!(took < at_most, "{took:?}");
    // They do go, by and by, and are in sight until then.
    let unfreed = bench.backlog.unfreed();
    assert_eq!(unfreed.messages as usize + drops(), count + 1);
    let mut calls = 0;
    while bench.backlog.unfreed().messages > 0 {
        let before = drops();
        bench.backlog.sweep(&mut bench.account, bench.now_ms);
        assert!(drops() - before <= 60_000);
        calls += 1;
    }
    assert!(calls <= count / 10_000 + 1);
    assert_eq!((drops(), bench.backlog.unfreed()), (count + 1, Depth::default()));
    assert!(bench.backlog.held_bytes() < 20_000, "{}", bench.backlog.held_bytes());
}

// checklist: E5 A13
#[test]
fn a_million_expired_messages_hold_nobody_up() {
    expired_ones_hold_nobody_up(Policy::DropOldest, 1_000_000, Duration::from_millis(100));
}

// checklist: E5 A13
#[test]
fn many_expired_keys_hold_nobody_up() {
    // Each key is taken out of the table one by one.
    expired_ones_hold_nobody_up(by_subject(), 300_000, Duration::from_secs(5));
}

// checklist: E5 E6
#[test]
fn a_deep_queue_that_loses_a_little_each_time_is_not_copied_each_time() {
    const DEPTH: u32 = 500_000;
    let mut bench = Bench::<Counted>::new(Policy::DropOldest, limits(None, Some(DEPTH.into())));
    // Ten come in each tick, and ten expire.
    let message = Message::new(b"s", b"");
    let ten = vec![message; 10];
    for tick in 0..DEPTH / 10 {
        bench.now_ms = tick * 10;
        bench.offer(&ten);
    }
    let started = Instant::now();
    for tick in DEPTH / 10..DEPTH / 10 + 5000 {
        bench.now_ms = tick * 10 + 5;
        bench.offer(&ten);
    }
    assert_eq!(bench.account.expired(), 50_000);
    // Copying 30 MB each time would take half a minute.
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

// checklist: E5
#[test]
fn the_last_moment_that_is_good_and_the_first_that_is_not() {
    for start in [0, 1000, u32::MAX - 3] {
        for policy in [Policy::Disconnect, Policy::DropNewest, by_subject()] {
            let mut bench = Bench::<Parcel>::new(policy, limits(None, Some(10)));
            bench.now_ms = start;
            bench.put("a", b"");
            bench.put("b", b"");
            bench.now_ms = start.wrapping_add(10);
            assert_eq!(bench.pop().unwrap().seq, 1);
            bench.now_ms = start.wrapping_add(11);
            assert!(bench.pop().is_none());
            assert_eq!(bench.backlog.take_last_gap(), Some(Missed::expired(1, 2, 2)));
            assert_eq!(bench.backlog.take_last_gap(), None, "told once");
        }
    }
}

// checklist: E5
#[test]
fn a_replaced_message_is_as_young_as_its_successor() {
    let mut bench = Bench::<Parcel>::new(by_subject(), limits(None, Some(10)));
    bench.put("a", b"1");
    bench.put("b", b"1");
    bench.now_ms = 8;
    bench.put("a", b"2");
    bench.now_ms = 18;
    let first = bench.pop().unwrap();
    assert_eq!((first.seq, first.replaced, first.missed), (3, 1, None));
    assert!(bench.pop().is_none());
    assert_eq!(bench.backlog.take_last_gap(), Some(Missed::expired(1, 2, 2)));
    assert_eq!((bench.account.conflated(), bench.account.expired()), (1, 1));
}

// checklist: A8
#[test]
fn what_could_not_be_told_is_told_with_the_next() {
    let mut bench = Bench::<Parcel>::new(Policy::DropOldest, limits(Some(2), None));
    (0..3).for_each(|_| bench.put("a", b""));
    let missed = bench.pop().unwrap().missed.unwrap();
    bench.backlog.put_gap_back(&missed);
    assert_eq!(bench.pop().unwrap().missed, Some(missed.clone()));
    bench.backlog.put_gap_back(&missed);
    assert_eq!(bench.backlog.take_last_gap().as_ref(), Some(&*missed));
    // Behind it more is lost before the next comes.
    (0..2).for_each(|_| bench.put("a", b""));
    bench.pop().unwrap();
    bench.backlog.put_gap_back(&missed);
    (0..2).for_each(|_| bench.put("a", b""));
    let merged = bench.pop().unwrap().missed.unwrap();
    assert_eq!((merged.total(), merged.first(), merged.last()), (2, 1, 5));
}

// checklist: A13
#[test]
fn the_memory_of_a_burst_goes_back() {
    let large = [0; 5000];
    for policy in [Policy::DropNewest, Policy::DropOldest, by_subject()] {
        let mut bench = Bench::<Parcel>::new(policy.clone(), limits(None, Some(1000)));
        for n in 0..10_000 {
            bench.put(&format!("s.{n}"), &large[..100]);
        }
        assert!(bench.backlog.held_bytes() > 1_000_000);
        while bench.pop().is_some() {}
        assert!(bench.backlog.held_bytes() < 10_000, "{policy:?}");
    }
    // With a gap before each message.
    let bytes = Some(1_000_000);
    let mut bench = Bench::<Parcel>::new(Policy::DropNewest, Limits { bytes, ..Limits::NONE });
    let giant = vec![0; 1_000_001];
    for _ in 0..10_000 {
        bench.put("s", b"");
        bench.put("s", &giant);
    }
    assert!(bench.backlog.held_bytes() > 1_000_000, "there are gaps");
    while bench.pop().is_some() {}
    assert_eq!(bench.backlog.take_last_gap().map(|missed| missed.total()), Some(1));
    assert!(bench.backlog.held_bytes() < 20_000, "{}", bench.backlog.held_bytes());
    // Memory kept for the next message is in sight as well.
    let mut bench = Bench::<Parcel>::new(Policy::DropOldest, limits(Some(1), None));
    (0..2).for_each(|_| bench.put("s", &large));
    let held = bench.backlog.held_bytes();
    assert!((5000..10_000).contains(&held), "{held}");
}

/// Admits by the length of the payload, and keys by its first byte.
struct ByLength;

impl Admission for ByLength {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        match offer.item.payload {
            [key @ (b'a' | b'b'), ..] => Admit::Replace([*key].into()),
            [b'c', ..] => Admit::Refuse,
            [b'd', ..] if offer.depth.messages > 2 => Admit::DropOldest,
            _ => Admit::Accept,
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Put(&'static str, Vec<(char, usize)>),
    Pop { told: bool },
    LastGap,
    Pass(u32),
    Sweep,
    GiveUpHalf,
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![
        6 => 0..200_usize,
        2 => 200..SHARE_FROM_BYTES,
        1 => Just(SHARE_FROM_BYTES)
    ];
    let run = proptest::collection::vec((proptest::char::range('a', 'f'), size), 1..12);
    prop_oneof![
        6 => (select(&["x", "y", "z.long"][..]), run).prop_map(|(s, run)| Op::Put(s, run)),
        5 => proptest::bool::weighted(0.8).prop_map(|told| Op::Pop { told }),
        1 => Just(Op::LastGap),
        3 => (1..8_u32).prop_map(Op::Pass),
        1 => Just(Op::Sweep),
        1 => Just(Op::GiveUpHalf),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let conflate = |key: &str| {
        let fallback = Fallback::DropOldest;
        Policy::Conflate(Conflation { key: key.parse::<Key>().unwrap(), fallback })
    };
    let by_length = Policy::Custom(Custom::new(ByLength));
    let all = [Policy::DropNewest, Policy::DropOldest, by_subject(), by_length];
    prop_oneof![select(all.to_vec()), Just(conflate("header:key"))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    // checklist: A8 A13
    #[test]
    fn its_tables_always_agree(
        policy in policy(),
        messages in proptest::option::of(0..20_u64),
        bytes in proptest::option::of(0..5000_u64),
        ttl_ms in proptest::option::of(0..15_u64),
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let limits = Limits { bytes, ..limits(messages, ttl_ms) };
        let mut bench = Bench::<Parcel>::new(policy, limits);
        for op in ops {
            match op {
                Op::Put(subject, run) => {
                    // Also as a header, for those who look for the key there; some have none.
                    let texts: Vec<_> = run
                        .iter()
                        .map(|(key, size)| {
                            let headers = match key {
                                'e' | 'f' => String::new(),
                                key => format!("NATS/1.0\r\nKey: {key}\r\n\r\n"),
                            };
                            (headers, key.to_string().repeat(size + 1))
                        })
                        .collect();
                    let message = |(headers, payload)| {
                        let (headers, payload): (&String, &String) = (headers, payload);
                        Message::new(subject.as_bytes(), payload.as_bytes())
                            .with_headers(headers.as_bytes())
                    };
                    let run: Vec<_> = texts.iter().map(|(h, p)| message((h, p))).collect();
                    bench.offer(&run);
                }
                Op::Pop { told } => {
                    let missed = bench.pop().and_then(|popped| popped.missed);
                    if let (Some(missed), false) = (missed, told) {
                        bench.backlog.put_gap_back(&missed);
                        prop_assert!(bench.backlog.has_gap());
                    }
                }
                Op::LastGap => {
                    let told = bench.backlog.take_last_gap();
                    prop_assert!(told.is_none() || bench.backlog.is_empty());
                    prop_assert!(!bench.backlog.is_empty() || !bench.backlog.has_gap());
                }
                Op::Pass(ms) => bench.now_ms += ms,
                Op::Sweep => bench.backlog.sweep(&mut bench.account, bench.now_ms),
                Op::GiveUpHalf => {
                    let (queued, unfreed) = (bench.account.queued(), bench.backlog.unfreed());
                    let given =
                        bench.backlog.give_up_half(LossReason::MemoryPressure, &mut bench.account);
                    let half = if unfreed.messages > 0 { 0 } else { queued.div_ceil(2) };
                    prop_assert_eq!(given, unfreed.messages + half);
                    prop_assert_eq!(bench.account.queued(), queued - half);
                }
            }
            bench.check()?;
        }
        while bench.pop().is_some() {}
        bench.check()?;
    }
}
