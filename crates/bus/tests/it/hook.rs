//! A policy as a function: the built-in ones can be written with it, and behave the same.

use std::sync::Arc;
use std::time::Duration;

use floodway::{
    Account, Admission, Admit, Conflation, Custom, Delivery, EndReason, Fallback, Key, Limit,
    Limits, LossReason, Message, Missed, Offer, Policy, RecvError, Subscription,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::paused::{Paused, Sent};

struct DropNewest;

impl Admission for DropNewest {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        if offer.fits(None) { Admit::Accept } else { Admit::Refuse }
    }
}

struct DropOldest;

impl Admission for DropOldest {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        if offer.fits(None) { Admit::Accept } else { Admit::DropOldest }
    }
}

/// One place per key; further keys push out the first or are refused.
struct Latest {
    key: Key,
    fallback: Fallback,
}

impl Admission for Latest {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        let key = self.key.of(offer.item);
        if offer.fits(key.as_deref()) {
            return key.map_or(Admit::Accept, |key| Admit::Replace(key.into()));
        }
        match self.fallback {
            Fallback::DropOldest => Admit::DropOldest,
            Fallback::DropNewest => Admit::Refuse,
            Fallback::Disconnect => Admit::End(Limit::Messages),
        }
    }
}

/// A built-in policy, and the same as a function.
fn twins() -> Vec<(Policy, Policy)> {
    let mut twins = vec![
        (Policy::DropNewest, Policy::Custom(Custom::new(DropNewest))),
        (Policy::DropOldest, Policy::Custom(Custom::new(DropOldest))),
    ];
    for key in ["header:Tag", "json:/name"].map(|key| key.parse::<Key>().unwrap()) {
        for fallback in Fallback::ALL {
            let conflation = Conflation { key: key.clone(), fallback };
            let latest = Latest { key: key.clone(), fallback };
            twins.push((Policy::Conflate(conflation), Policy::Custom(Custom::new(latest))));
        }
    }
    twins
}

#[derive(Debug, Clone)]
enum Op {
    Publish(Vec<Sent>),
    Receive(usize),
    Pass(u64),
    Sweep,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || proptest::option::weighted(0.9, proptest::char::range('a', 'e'));
    let sent = (select(&["s.a", "s.b"][..]), key(), key(), 0..60_usize);
    let sent = sent.prop_map(|(subject, tag, name, pad)| Sent::new(subject, tag, name, pad));
    prop_oneof![
        6 => proptest::collection::vec(sent, 1..8).prop_map(Op::Publish),
        4 => (1..6_usize).prop_map(Op::Receive),
        2 => (1..10_u64).prop_map(Op::Pass),
        1 => Just(Op::Sweep),
    ]
}

/// Everything but the name of the reason: of a function it is not known why it refuses.
fn told(missed: Option<&Missed>) -> Option<[u64; 4]> {
    missed.map(|missed| [missed.total(), missed.first(), missed.last(), missed.expired_count()])
}

fn seen(next: &Result<Delivery, RecvError>) -> (Vec<u64>, Vec<u8>, Option<[u64; 4]>) {
    match next {
        Ok(delivery) => {
            let numbers = vec![delivery.seq(), delivery.replaced()];
            (numbers, delivery.payload().to_vec(), told(delivery.missed()))
        }
        Err(RecvError::Missed(missed)) => (vec![], b"missed".to_vec(), told(Some(missed))),
        Err(RecvError::Ended(reason)) => (vec![], reason.name().into(), None),
        Err(RecvError::Empty) => (vec![], b"empty".to_vec(), None),
    }
}

fn sums(subscription: &Subscription) -> [u64; 7] {
    let account: Account = subscription.account();
    assert!(account.is_conserved());
    [
        account.matched(),
        account.delivered(),
        account.losses().total(),
        account.conflated(),
        account.expired(),
        account.queued(),
        account.queued_bytes(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    // checklist: E2 A7
    #[test]
    fn a_function_can_do_what_the_built_in_policies_do(
        (built_in, own) in select(twins()),
        messages in proptest::option::of(0..8_u64),
        bytes in proptest::option::of(0..600_u64),
        ttl in proptest::option::of((1..20_u64).prop_map(Duration::from_millis)),
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let mut clock = Paused::new(1 << 20);
        let limits = Limits { messages, bytes, ttl, ..Limits::NONE };
        let twins = [built_in, own].map(|policy| clock.subscribe("s.*", policy, limits));
        for op in ops {
            match op {
                Op::Publish(messages) => _ = clock.publish(&messages),
                Op::Receive(count) => {
                    for _ in 0..count {
                        let now = clock.now();
                        let [one, other] = twins.each_ref().map(|twin| twin.try_recv_at(now));
                        prop_assert_eq!(seen(&one), seen(&other));
                    }
                }
                Op::Pass(ms) => clock.ms += ms,
                Op::Sweep => clock.sweep(),
            }
            let [one, other] = twins.each_ref().map(sums);
            prop_assert_eq!(one, other);
            let [one, other] = twins.each_ref().map(|twin| twin.end_reason().map(|end| end.name()));
            prop_assert_eq!(one, other);
        }
    }
}

/// Takes nothing while the one that waits longest is older than this.
struct Fresh(Duration);

impl Admission for Fresh {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        if offer.oldest > Some(self.0) { Admit::Refuse } else { Admit::Accept }
    }
}

// checklist: E2
#[test]
fn a_function_can_admit_by_age() {
    let mut clock = Paused::new(1 << 20);
    let fresh = Policy::Custom(Custom::new(Fresh(Duration::from_millis(10))));
    let subscription = clock.subscribe("s", fresh, Limits::NONE);
    let read = |clock: &Paused| subscription.try_recv_at(clock.now()).unwrap();
    clock.publish_run("s", "1", 2);
    clock.ms += 10;
    clock.publish_run("s", "2", 1);
    clock.ms += 1;
    clock.publish_run("s", "3", 4);
    assert_eq!(subscription.account().queued(), 3);
    // The oldest is still older than that after one of the two has been read.
    assert_eq!(read(&clock).seq(), 1);
    clock.publish_run("s", "4", 1);
    assert_eq!(read(&clock).seq(), 2);
    clock.publish_run("s", "5", 1);
    assert_eq!(read(&clock).seq(), 3);
    let after = read(&clock);
    assert_eq!((after.seq(), after.missed().unwrap().total()), (9, 5));
    assert_eq!(subscription.account().losses().of(LossReason::OutOfCapacity), 5);
}

/// Says what it was shown.
struct Witness(Arc<std::sync::Mutex<Vec<String>>>);

impl Admission for Witness {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        let (depth, key) = (offer.depth, &offer.item.payload[..1]);
        let (age, under) = (offer.oldest.map(|age| age.as_millis()), offer.queued_under(key));
        let shown = format!("{} {} {age:?} {under:?}", depth.messages, depth.bytes);
        self.0.lock().unwrap().push(shown);
        Admit::Replace(key.into())
    }
}

// checklist: E2
#[test]
fn a_function_sees_depth_bytes_age_and_what_it_would_replace() {
    let shown = Arc::default();
    let mut clock = Paused::new(1 << 20);
    let witness = Policy::Custom(Custom::new(Witness(Arc::clone(&shown))));
    let subscription = clock.subscribe("s", witness, Limits::NONE);
    for (ms, payload) in [(0, "a12"), (5, "b"), (2, "a"), (1, "b1")] {
        clock.ms += ms;
        clock.publish_run("s", payload, 1);
    }
    let expected =
        ["0 0 None None", "1 4 Some(5) None", "2 6 Some(7) Some(4)", "2 4 Some(1) Some(2)"];
    assert_eq!(*shown.lock().unwrap(), expected);
    let taken = subscription.take_backlog_at(clock.now());
    assert_eq!(taken.iter().map(Delivery::seq).collect::<Vec<_>>(), [3, 4]);
    let size = Message::new(b"s", b"b1").size() as u64;
    assert_eq!((size, subscription.account().conflated()), (3, 2));
}

/// Time to live and time behind, as a function.
struct Impatient;

impl Admission for Impatient {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        let ttl = Duration::from_millis(10);
        match offer.oldest {
            _ if offer.stalled > 3 * ttl => Admit::End(Limit::Behind),
            Some(age) if age > ttl => Admit::Expire(ttl),
            _ if offer.item.payload == b"wait" => Admit::Delay(ttl),
            _ if offer.item.payload == b"dear" => Admit::End(Limit::Credit),
            _ => Admit::Accept,
        }
    }
}

// checklist: A7, E2
#[test]
fn a_function_can_expire_delay_and_end() {
    let mut clock = Paused::new(1 << 20);
    let impatient = || Policy::Custom(Custom::new(Impatient));
    let [one, other] =
        ["s", "t"].map(|subject| clock.subscribe(subject, impatient(), Limits::NONE));
    clock.publish_run("s", "old", 3);
    clock.ms += 11;
    // Nobody is behind of what has expired, so this one is taken.
    clock.publish_run("s", "new", 1);
    assert_eq!((one.account().expired(), one.account().queued()), (3, 1));
    // To delay is to refuse where publishers do not wait.
    clock.publish_run("s", "wait", 1);
    assert_eq!(one.account().losses().of(LossReason::OutOfCapacity), 1);
    let newest = one.try_recv_at(clock.now()).unwrap();
    assert_eq!((newest.seq(), newest.missed().unwrap().expired_count()), (4, 3));
    clock.publish_run("s", "dear", 1);
    let reason = one.end_reason().unwrap();
    assert!(reason.to_string().contains("burst credit"), "{reason}");

    for _ in 0..5 {
        clock.publish_run("t", "again", 1);
        clock.ms += 8;
    }
    let behind = other.end_reason();
    assert!(matches!(behind, Some(EndReason::TooFarBehind { .. })), "{behind:?}");
}
