//! Digests as their readers see them: what the oracle cannot say of any payload and any change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use floodway::{
    Bus, Conflation, Digest, Envelope, Fallback, Filter, Fold, Limits, Merge, NumberSource,
    Overflow, Payload, Policy, RecvError, SHARE_FROM_BYTES, SubscribeOptions, Subscription,
};

use crate::oracle::Rule;
use crate::paused::{Paused, Sent};

fn merging(fold: Fold) -> SubscribeOptions {
    SubscribeOptions::default().policy(Policy::Merge(Merge { fold, ..Merge::default() }))
}

fn numbers() -> Fold {
    Fold::Numbers(NumberSource::Payload)
}

fn all() -> Filter {
    Filter::new(">").unwrap()
}

fn counts(digest: Option<&Digest>) -> (u64, u64) {
    digest.map_or((0, 0), |digest| (digest.count(), digest.without_number()))
}

/// What one reading adds to a meter; a reset stands for itself, and a broken one breaks.
#[derive(Debug, PartialEq)]
enum Reading {
    Add(u64),
    Reset,
    Broken,
}

impl Payload for Reading {
    fn merged(&self, newer: &Self) -> Option<Self> {
        match (self, newer) {
            (Self::Add(one), Self::Add(other)) => Some(Self::Add(one + other)),
            (_, Self::Broken) => panic!("broken"),
            _ => None,
        }
    }
}

#[test]
fn values_are_folded_by_their_own_rule() {
    let bus = Bus::<Reading>::typed(&Default::default());
    let sum = bus.subscribe(&all(), merging(Fold::Own)).unwrap();
    let plain = bus.subscribe(&all(), SubscribeOptions::default()).unwrap();
    // A function of bytes says nothing of values.
    let by = bus.subscribe(&all(), merging(Fold::by(|_, _| panic!("not bytes")))).unwrap();
    for reading in [Reading::Add(1), Reading::Add(20), Reading::Add(300)] {
        let to = Envelope::to("meter").header("unit", "W").reply_to("ack");
        bus.publish(to, reading).unwrap();
    }
    bus.publish("other", Reading::Add(4)).unwrap();
    let both = sum.recv().unwrap();
    assert_eq!((both.payload(), both.subject()), (&Reading::Add(321), &b"meter"[..]));
    assert_eq!((both.tags().get("unit"), both.reply()), (Some(&b"W"[..]), Some(&b"ack"[..])));
    assert_eq!((both.seq(), both.replaced(), counts(both.digest())), (3, 2, (3, 3)));
    assert_eq!(counts(sum.recv().unwrap().digest()), (1, 1));
    assert_eq!(*by.recv().unwrap().payload(), Reading::Add(300));
    // Others have what was published.
    let received = plain.take_backlog();
    let received: Vec<_> = received.iter().map(|delivery| delivery.payload()).collect();
    assert_eq!(received, [1, 20, 300, 4].map(Reading::Add).each_ref());
}

// checklist: B11
#[test]
fn a_fold_that_makes_nothing_or_panics_keeps_the_newer_and_harms_nobody() {
    let bus = Bus::<Reading>::typed(&Default::default());
    let sum = bus.subscribe(&all(), merging(Fold::Own)).unwrap();
    let plain = bus.subscribe(&all(), SubscribeOptions::default()).unwrap();
    let queued = |reading| {
        let report = bus.publish("meter", reading).unwrap();
        assert_eq!((report.matched, report.queued), (2, 2));
        report.conflated
    };
    assert_eq!(
        (queued(Reading::Add(1)), queued(Reading::Reset), queued(Reading::Broken)),
        (0, 1, 1)
    );
    let last = sum.recv().unwrap();
    assert_eq!((last.payload(), counts(last.digest())), (&Reading::Broken, (3, 3)));
    assert_eq!(plain.take_backlog().len(), 3);
    assert_eq!(queued(Reading::Add(1)), 0);
    assert_eq!(*sum.recv().unwrap().payload(), Reading::Add(1));
    assert!(sum.account().is_conserved());
}

#[test]
fn numbers_of_a_typed_bus_that_are_not_finite_are_left_out() {
    let bus = Bus::<f64>::typed(&Default::default());
    let sums = bus.subscribe(&all(), merging(numbers())).unwrap();
    for value in [f64::NAN, 2.0, f64::INFINITY, -3.0, f64::NEG_INFINITY] {
        bus.publish("x", value).unwrap();
    }
    let all = sums.recv().unwrap();
    assert_eq!((*all.payload(), counts(all.digest())), (f64::NEG_INFINITY, (5, 3)));
    let numbers = all.digest().unwrap().numbers().unwrap();
    assert_eq!((numbers.count, numbers.sum, numbers.last), (2, -1.0, -3.0));
    assert_eq!((numbers.min, numbers.max, numbers.mean()), (-3.0, 2.0, -0.5));
}

/// At a time of the test's own, so that ranges are exact.
fn publish_at(bus: &Bus, payload: &str, at: Instant) {
    bus.publish_at("x", payload, at).unwrap();
}

#[test]
fn the_range_of_time_is_that_of_the_calls_whatever_their_order() {
    let bus = Bus::default();
    let sums = bus.subscribe(&all(), merging(Fold::Last)).unwrap();
    let at = |micros| Instant::now() + Duration::from_secs(1) + Duration::from_micros(micros);
    let (early, later, latest) = (at(0), at(1), at(7_000_001));
    // Two publishers looked at their clocks in one order and came in the other.
    [later, latest, early].into_iter().for_each(|now| publish_at(&bus, "1", now));
    let digest = sums.recv().unwrap().digest().cloned().unwrap();
    assert_eq!((digest.count(), digest.first(), digest.last()), (3, early, latest));
    publish_at(&bus, "2", later);
    let digest = sums.recv().unwrap().digest().cloned().unwrap();
    assert_eq!((digest.count(), digest.first(), digest.last()), (1, later, later), "starts anew");
}

fn change(subscription: &Subscription, policy: Policy) {
    let limits = subscription.overflow().limits;
    subscription.set_overflow(Overflow::new(policy, limits));
}

#[test]
fn a_policy_that_changes_takes_over_what_is_queued() {
    let bus = Bus::default();
    let conflate = Policy::Conflate(Conflation::default());
    let merge = Policy::Merge(Merge { fold: numbers(), ..Merge::default() });
    let subscription = bus.subscribe(&all(), SubscribeOptions::default().policy(conflate.clone()));
    let subscription = subscription.unwrap();
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    publish_at(&bus, "1", at(1000));
    publish_at(&bus, "2", at(2000));
    change(&subscription, merge.clone());
    publish_at(&bus, "3", at(3000));
    // Those before are counted, but nobody has looked for their numbers.
    let delivery = subscription.recv().unwrap();
    let digest = delivery.digest().unwrap();
    assert_eq!((delivery.replaced(), digest.count(), digest.without_number()), (2, 3, 2));
    assert_eq!((digest.first(), digest.last()), (at(2000), at(3000)));
    assert_eq!(digest.numbers().unwrap().sum, 3.0);
    // A digest that is replaced is none any more.
    publish_at(&bus, "4", at(4000));
    publish_at(&bus, "5", at(4000));
    change(&subscription, conflate);
    publish_at(&bus, "6", at(5000));
    let delivery = subscription.recv().unwrap();
    assert_eq!((delivery.replaced(), delivery.digest().is_none()), (2, true));
    // One that is queued stays one.
    change(&subscription, merge);
    publish_at(&bus, "7", at(6000));
    publish_at(&bus, "8", at(6000));
    change(&subscription, Policy::DropOldest);
    publish_at(&bus, "9", at(6000));
    let delivery = subscription.recv().unwrap();
    assert_eq!(delivery.digest().unwrap().numbers().unwrap().sum, 15.0);
    assert!(subscription.recv().unwrap().digest().is_none());
    assert!(subscription.account().is_conserved());
}

#[test]
fn a_digest_is_as_young_as_the_latest_in_it_and_expires_as_one_message() {
    let mut clock = Paused::new(64 << 20);
    let limits = Limits { ttl: Some(Duration::from_millis(10)), ..Limits::NONE };
    let rule = Rule::Sums(Fallback::DropOldest);
    let subscription = clock.subscribe("x", rule.policy(), limits);
    for _ in 0..5 {
        clock.publish_run("x", "", 2);
        clock.ms += 10;
    }
    let delivery = subscription.try_recv_at(clock.now()).unwrap();
    let digest = delivery.digest().unwrap();
    assert_eq!((digest.count(), digest.last() - digest.first()), (10, Duration::from_millis(40)));
    clock.publish_run("x", "", 3);
    clock.ms += 11;
    let Err(RecvError::Missed(missed)) = subscription.try_recv_at(clock.now()) else { panic!() };
    assert_eq!((missed.total(), missed.expired_count(), missed.last()), (1, 1, 13));
    let account = subscription.account();
    assert_eq!((account.conflated(), account.expired(), account.delivered()), (11, 1, 1));
}

#[test]
fn what_a_fold_makes_is_charged_until_its_last_holder_lets_go() {
    let bus = Bus::default();
    let calls = Arc::new(AtomicU64::new(0));
    let fold = Fold::by({
        let calls = calls.clone();
        move |lines, line| {
            calls.fetch_add(1, Ordering::Relaxed);
            [lines, line].concat()
        }
    });
    let policy = Policy::Merge(Merge { fold, fallback: Fallback::DropNewest, ..Merge::default() });
    let limit = 3 * SHARE_FROM_BYTES as u64;
    let options = SubscribeOptions::default().policy(policy).max_bytes(limit);
    let lines = bus.subscribe(&all(), options).unwrap();
    let line = "x".repeat(SHARE_FROM_BYTES / 2);
    for _ in 0..4 {
        bus.publish("x", &line).unwrap();
    }
    assert_eq!((lines.account().queued(), calls.load(Ordering::Relaxed)), (1, 3));
    // The last that fits, and the first that does not.
    let rest = limit - lines.account().queued_bytes();
    let report = bus.publish("x", "x".repeat(rest as usize + 1)).unwrap();
    assert_eq!((report.queued, report.lost()), (0, 1), "too large as a digest");
    assert_eq!(bus.publish("x", "x".repeat(rest as usize)).unwrap().queued, 1);
    assert_eq!(lines.account().queued_bytes(), limit);
    let delivery = lines.recv().unwrap();
    assert_eq!(counts(delivery.digest()), (5, 5));
    assert_eq!(delivery.missed(), None, "it was lost behind the digest");
    let (payload, copy) = (delivery.payload().clone(), delivery.clone());
    assert_eq!(counts(copy.digest()), (5, 5));
    drop((delivery, copy));
    assert_eq!((payload.len() as u64, bus.budget().used()), (limit - 1, limit - 1));
    drop(payload);
    assert_eq!(bus.budget().used(), 0);
}

#[test]
fn a_further_key_beyond_the_limits_is_for_the_fallback() {
    for fallback in Fallback::ALL {
        let bus = Bus::default();
        let policy = Policy::Merge(Merge { fold: numbers(), fallback, ..Merge::default() });
        let options = SubscribeOptions::default().policy(policy).max_messages(2);
        let sums = bus.subscribe(&all(), options).unwrap();
        for (subject, number) in [("a", "1"), ("b", "2"), ("a", "4"), ("c", "8"), ("b", "16")] {
            bus.publish(subject, number).unwrap();
        }
        let received = sums.take_backlog();
        let sum = |at: usize| received[at].digest().and_then(Digest::numbers).unwrap().sum;
        let expected = match fallback {
            Fallback::DropOldest => (18.0, 8.0),
            Fallback::DropNewest => (5.0, 18.0),
            Fallback::Disconnect => (5.0, 2.0),
        };
        assert_eq!((received.len(), (sum(0), sum(1))), (2, expected), "{fallback:?}");
        assert_eq!(sums.end_reason().is_some(), fallback == Fallback::Disconnect);
        assert!(sums.account().is_conserved());
    }
}

#[test]
fn messages_without_the_key_stand_for_themselves() {
    let mut clock = Paused::new(64 << 20);
    let policy = Rule::Joins(Fallback::DropOldest).policy();
    let subscription = clock.subscribe("x", policy, Limits::NONE);
    let sent = |tag| Sent::new("x", tag, None, 0);
    clock.publish(&[sent(None), sent(Some('a')), sent(None), sent(Some('a'))]);
    let received = subscription.take_backlog_at(clock.now());
    let received: Vec<_> = received.iter().map(|d| (d.seq(), counts(d.digest()).0)).collect();
    assert_eq!(received, [(1, 1), (4, 2), (3, 1)]);
}
