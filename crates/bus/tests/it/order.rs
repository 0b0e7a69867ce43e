//! Order from each publisher to each subscriber, whatever happens around it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use floodway::{
    Bus, EndReason, Filter, Limits, LossReason, Message, Origin, Pushback, PushbackMode, RecvError,
    Router, SubscribeOptions, Subscription, Wakeups,
};

use crate::numbered::{Seen, payload};

const PUBLISHERS: u32 = 8;
const MESSAGES: u32 = 1500;
const SUBSCRIBERS: usize = 64;
const READERS: usize = 4;
/// The limit of those that read too little.
const TIGHT: u64 = 64;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Reads all there is, and has no limits.
    Healthy,
    /// Reads one message a turn, and is sooner or later ended.
    Slow,
    /// Reads nothing before everything is over.
    Stalled,
}

struct Reader {
    kind: Kind,
    subscription: Subscription,
    seen: Seen,
    end: Option<EndReason>,
}

fn kind(n: usize) -> Kind {
    match n % 8 {
        6 => Kind::Slow,
        7 => Kind::Stalled,
        _ => Kind::Healthy,
    }
}

impl Reader {
    fn is_done(&self) -> bool {
        self.end.is_some() || self.seen.total() == u64::from(PUBLISHERS * MESSAGES)
    }

    /// Takes one message, if there is one or `wait`.
    fn read_one(&mut self, wait: bool) {
        let next = if wait { self.subscription.recv() } else { self.subscription.try_recv() };
        match next {
            Ok(message) => {
                assert!(self.end.is_none(), "a message after the end");
                self.seen.take(&message);
            }
            Err(RecvError::Ended(reason)) => {
                let first = self.end.get_or_insert(reason.clone());
                assert_eq!(*first, reason, "the reason has changed");
            }
            Err(RecvError::Missed(missed)) => panic!("missed {missed:?}"),
            Err(RecvError::Empty) => {}
        }
    }

    fn read(&mut self) {
        if self.kind == Kind::Healthy {
            let backlog = self.subscription.take_backlog();
            backlog.iter().for_each(|message| self.seen.take(message));
        } else {
            self.read_one(false);
        }
    }

    fn read_to_the_end(&mut self) {
        while !self.is_done() {
            self.read_one(true);
        }
        let account = self.subscription.account();
        assert!(account.is_conserved(), "{account:?}");
        assert_eq!((account.delivered(), account.queued()), (self.seen.total(), 0));
        match &self.end {
            None => assert_eq!(account.losses().total(), 0),
            // One was refused, after everything that was received: that hole is covered.
            Some(EndReason::OutOfCapacity { messages, .. }) => {
                assert!(self.kind != Kind::Healthy && *messages == TIGHT);
                assert_eq!(account.losses().of(LossReason::OutOfCapacity), 1);
                assert_eq!(account.losses().total(), 1);
            }
            Some(other) => panic!("ended for another reason: {other}"),
        }
    }
}

/// Publishes in batches that mix two subjects, each of them with its own numbers.
fn publish(bus: &Bus, publisher: u32) {
    let mut router = Router::new(bus.clone());
    let subjects = [format!("a.{publisher}"), format!("b.{publisher}")];
    let mut number = 0;
    while number < MESSAGES {
        let count = 1 + (number * 7 + publisher) % 23;
        let numbers = number..MESSAGES.min(number + count);
        number = numbers.end;
        let payloads: Vec<_> = numbers.clone().map(|number| payload(publisher, number)).collect();
        let now = Instant::now();
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let origin = Origin { consumer: None, echo: true };
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
        for (number, payload) in numbers.zip(&payloads) {
            let subject = &subjects[usize::from(number % 5 == 0)];
            batch.push(Message::new(subject.as_bytes(), payload));
        }
        batch.commit();
        wakeups.wake_all(now);
    }
}

// checklist: A2
// spec: ORD-1
#[test]
fn each_publisher_reaches_each_subscriber_in_order_evictions_included() {
    let bus = Bus::default();
    let filter = Filter::new("*.*").unwrap();
    let reader = |n| {
        let limits = match kind(n) {
            Kind::Healthy => Limits::default(),
            _ => Limits { messages: Some(TIGHT), ..Limits::default() },
        };
        let options = SubscribeOptions::default().limits(limits);
        let subscription = bus.subscribe(&filter, options).unwrap();
        Reader { kind: kind(n), subscription, seen: Seen::default(), end: None }
    };
    let mut readers: Vec<_> = (0..SUBSCRIBERS).map(reader).collect();
    let publishing = AtomicUsize::new(PUBLISHERS as usize);
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (bus, publishing) = (&bus, &publishing);
            scope.spawn(move || {
                publish(bus, publisher);
                publishing.fetch_sub(1, Ordering::Release);
            });
        }
        for readers in readers.chunks_mut(SUBSCRIBERS / READERS) {
            let publishing = &publishing;
            scope.spawn(move || {
                while publishing.load(Ordering::Acquire) > 0 {
                    let reading = readers.iter_mut().filter(|one| one.kind != Kind::Stalled);
                    reading.for_each(Reader::read);
                }
                readers.iter_mut().for_each(Reader::read_to_the_end);
            });
        }
    });
    let stalled = readers.iter().filter(|reader| reader.kind == Kind::Stalled);
    for reader in stalled {
        assert_eq!(reader.seen.total(), TIGHT);
    }
    drop(readers);
    assert_eq!(bus.budget().used(), 0);
}
