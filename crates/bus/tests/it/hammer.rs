//! Policies that lose and replace, under many threads: everything is accounted for, in order, and
//! every hole is covered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Conflation, Delivery, Filter, Limits, Message, Missed, Origin, Policy,
    Pushback, PushbackMode, RecvError, Router, SubscribeOptions, Subscription, Wakeups,
};

use crate::numbered;

const PUBLISHERS: u32 = 6;
const MESSAGES: u32 = 6000;
const KEYS: u32 = 7;
const BUDGET: u64 = 1 << 20;

/// What a reader has seen.
struct Reader {
    subscription: Subscription,
    keyed: bool,
    /// The last number of each publisher and key.
    last: HashMap<(u32, Vec<u8>), u32>,
    last_seq: u64,
    received: u64,
    missed: u64,
    replaced: u64,
}

impl Reader {
    fn told(&mut self, missed: &Missed) {
        if !self.keyed {
            let range = (self.last_seq + 1, self.last_seq + missed.total());
            assert_eq!((missed.first(), missed.last()), range, "a hole");
            self.last_seq = missed.last();
        }
        self.missed += missed.total();
    }

    fn take(&mut self, delivery: &Delivery) {
        if let Some(missed) = delivery.missed() {
            self.told(missed);
        }
        assert!(self.keyed || delivery.seq() == self.last_seq + 1, "a hole");
        self.last_seq = delivery.seq();
        self.received += 1;
        self.replaced += delivery.replaced();
        // Of one key it is the order of the publisher; without keys, of all that it sent.
        let (publisher, number) = numbered::read(delivery);
        let key = if self.keyed { delivery.subject().to_vec() } else { Vec::new() };
        let last = self.last.insert((publisher, key), number);
        assert!(last < Some(number), "{number} after {last:?}");
    }

    fn read(&mut self, turn: u32) {
        if turn.is_multiple_of(3) {
            self.subscription.take_backlog().iter().for_each(|delivery| self.take(delivery));
        }
        match self.subscription.try_recv() {
            Ok(delivery) => self.take(&delivery),
            Err(RecvError::Missed(missed)) => self.told(&missed),
            Err(RecvError::Empty) => {}
            Err(RecvError::Ended(reason)) => panic!("{reason}"),
        }
    }
}

fn publish(bus: &Bus, publisher: u32) {
    let mut router = Router::new(bus.clone());
    let mut number = 0;
    while number < MESSAGES {
        let count = 1 + (number * 7 + publisher) % 23;
        let numbers: Vec<_> = (number..MESSAGES.min(number + count)).collect();
        number += count;
        let subject = |number: u32| format!("s.{publisher}.{}", number / 3 % KEYS);
        let subjects: Vec<_> = numbers.iter().map(|&number| subject(number)).collect();
        let payloads: Vec<_> =
            numbers.iter().map(|&number| numbered::payload(publisher, number)).collect();
        let now = Instant::now();
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let origin = Origin { consumer: None, echo: true };
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
        for (subject, payload) in subjects.iter().zip(&payloads) {
            batch.push(Message::new(subject.as_bytes(), payload));
        }
        batch.commit();
        wakeups.wake_all(now);
    }
}

fn readers(bus: &Bus) -> Vec<Reader> {
    let conflate = || Policy::Conflate(Conflation::default());
    let limits = |messages, ttl_ms: Option<u64>| Limits {
        messages,
        ttl: ttl_ms.map(Duration::from_millis),
        ..Limits::NONE
    };
    let kinds = [
        (Policy::DropOldest, limits(Some(50), None)),
        (Policy::DropOldest, limits(Some(2000), Some(2))),
        (Policy::DropNewest, limits(Some(50), None)),
        (Policy::DropOldest, limits(None, None)),
        (conflate(), limits(None, None)),
        (conflate(), limits(Some(20), None)),
        (conflate(), limits(Some(20), Some(1))),
    ];
    let reader = |(policy, limits): (Policy, Limits)| {
        let keyed = policy.name() == "conflate";
        let options = SubscribeOptions::default().policy(policy).limits(limits);
        let subscription = bus.subscribe(&Filter::new("s.>").unwrap(), options).unwrap();
        let (last, last_seq, received, missed, replaced) = (HashMap::new(), 0, 0, 0, 0);
        Reader { subscription, keyed, last, last_seq, received, missed, replaced }
    };
    kinds.into_iter().map(reader).collect()
}

// checklist: A2 A8 A13
// spec: CON-1, ORD-1
#[test]
fn nothing_vanishes_and_nothing_is_reordered_under_many_threads() {
    let bus = Bus::new(&BusConfig { memory_budget: BUDGET, ..BusConfig::default() });
    let readers = readers(&bus);
    let publishing = AtomicUsize::new(PUBLISHERS as usize);
    let readers: Vec<_> = thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (bus, publishing) = (&bus, &publishing);
            scope.spawn(move || {
                publish(bus, publisher);
                publishing.fetch_sub(1, Ordering::Release);
            });
        }
        let (bus, publishing) = (&bus, &publishing);
        scope.spawn(move || {
            // Somebody is short of memory now and then, and somebody sweeps.
            while publishing.load(Ordering::Acquire) > 0 {
                bus.make_room(BUDGET - bus.budget().used() / 2);
                bus.sweep(Instant::now());
                thread::yield_now();
            }
        });
        let reading: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                scope.spawn(move || {
                    let mut turn = 0;
                    while publishing.load(Ordering::Acquire) > 0 {
                        reader.read(turn);
                        turn += 1;
                        thread::yield_now();
                    }
                    reader
                })
            })
            .collect();
        reading.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for mut reader in readers {
        while reader.subscription.account().queued() > 0 {
            reader.read(0);
        }
        reader.read(1);
        check(&reader);
    }
    assert_eq!((bus.budget().used(), bus.consumer_count()), (0, 0));
}

/// All that was published is accounted for, and the reader was told the same.
fn check(reader: &Reader) {
    let account = reader.subscription.account();
    let all = u64::from(PUBLISHERS * MESSAGES);
    assert!(account.is_conserved());
    assert_eq!((account.matched(), account.queued()), (all, 0));
    assert_eq!(account.delivered(), reader.received);
    assert_eq!(reader.missed, account.losses().total() + account.expired());
    assert_eq!(reader.received + reader.missed + account.conflated(), all);
    assert!(reader.replaced <= account.conflated());
    if !reader.keyed {
        assert_eq!((reader.last_seq, account.conflated()), (all, 0));
    } else if reader.missed == 0 {
        assert_eq!(reader.replaced, account.conflated());
        assert_eq!(reader.last.len() as u32, PUBLISHERS * KEYS);
        let latest = |key: u32| (0..MESSAGES).rfind(|number| number / 3 % KEYS == key);
        for ((_, subject), number) in &reader.last {
            let key = u32::from(subject[subject.len() - 1] - b'0');
            assert_eq!(Some(*number), latest(key), "not the latest");
        }
    }
}
