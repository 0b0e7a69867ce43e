//! One place per key: the latest value wins, a key keeps its place, memory stays constant.

use std::time::Duration;

use floodway::{Conflation, Digest, Limits, Policy};

use crate::oracle::Rule;
use crate::paused::{Paused, Sent};

const KEYS: usize = 100;

fn rules() -> [Rule; 4] {
    let at = Conflation::default().fallback;
    [Rule::BySubject(at), Rule::ByTag(at), Rule::ByName(at), Rule::Sums(at)]
}

fn update(key: usize, value: usize) -> Sent {
    Sent {
        subject: format!("s.{key}"),
        headers: format!("NATS/1.0\r\nTag: {key}\r\n\r\n"),
        payload: format!("{{\"name\": {key}, \"value\": \"{value:09}\"}}"),
    }
}

// checklist: E9
// spec: OVF-5, TLD-2
#[test]
fn a_million_updates_of_a_hundred_keys_leave_the_hundred_latest() {
    const UPDATES: usize = 1_000_000;
    let mut clock = Paused::new(64 << 20);
    let subscriptions = rules().map(|rule| clock.subscribe("s.*", rule.policy(), Limits::NONE));
    // Every key is seen first in this order, then in another.
    let order = |n: usize| if n < KEYS { n * 37 % KEYS } else { n * 61 % KEYS };
    let mut most = 0;
    for start in (0..UPDATES).step_by(KEYS) {
        let updates: Vec<_> = (start..start + KEYS).map(|n| update(order(n), n)).collect();
        clock.publish(&updates);
        most = most.max(clock.bus.budget().used());
    }
    let each = update(10, 0).held() + size_of::<Digest>() as u64;
    assert!(most <= (KEYS as u64 + 1) * each, "{most} bytes for {KEYS} keys");
    for subscription in &subscriptions {
        let account = subscription.account();
        assert_eq!((account.matched(), account.queued()), (UPDATES as u64, KEYS as u64));
        assert_eq!(account.conflated(), (UPDATES - KEYS) as u64);
        let backlog = subscription.take_backlog_at(clock.now());
        assert_eq!(backlog.len(), KEYS);
        for (place, delivery) in backlog.iter().enumerate() {
            let key = order(place);
            let latest = (UPDATES - KEYS..UPDATES).find(|&n| order(n) == key).unwrap();
            let expected = update(key, latest);
            assert_eq!(delivery.payload(), expected.payload.as_bytes(), "place {place}");
            assert_eq!(delivery.seq(), latest as u64 + 1);
            assert_eq!(delivery.replaced(), (UPDATES / KEYS - 1) as u64);
            assert_eq!(delivery.missed(), None);
            let count = delivery.digest().map_or(UPDATES / KEYS, |digest| digest.count() as usize);
            assert_eq!(count, UPDATES / KEYS);
        }
    }
    drop(subscriptions);
    assert_eq!(clock.bus.budget().used(), 0);
}

// checklist: E9
#[test]
fn a_reader_is_never_older_than_one_pass_over_the_keys() {
    let mut clock = Paused::new(64 << 20);
    for rule in rules() {
        let subscription = clock.subscribe("s.*", rule.policy(), Limits::NONE);
        let mut latest = [0; KEYS];
        // Twenty updates for each one that is read.
        for n in 0..40_000 {
            let key = n * 61 % KEYS;
            latest[key] = n;
            clock.publish(&[update(key, n)]);
            if n % 20 == 19 {
                let delivery = subscription.try_recv_at(clock.now()).unwrap();
                let key: usize = delivery.subject()[2..]
                    .iter()
                    .fold(0, |key, digit| key * 10 + usize::from(digit - b'0'));
                let expected = update(key, latest[key]);
                assert_eq!(delivery.payload(), expected.payload.as_bytes(), "an older value");
                assert!(subscription.account().queued() <= KEYS as u64);
            }
        }
    }
}

// checklist: E9 E5
#[test]
fn an_update_is_younger_than_what_it_replaces_and_keeps_its_place() {
    let ttl = Some(Duration::from_millis(10));
    for rule in rules() {
        let mut clock = Paused::new(64 << 20);
        let limits = Limits { ttl, ..Limits::NONE };
        let subscription = clock.subscribe("s.*", rule.policy(), limits);
        clock.publish(&[update(1, 1), update(2, 1), update(3, 1)]);
        clock.ms += 10;
        clock.publish(&[update(1, 2), update(3, 2)]);
        clock.ms += 1;
        clock.sweep();
        // The second is too old, and found to be so when its turn comes.
        let first = subscription.try_recv_at(clock.now()).unwrap();
        assert_eq!((first.subject(), first.seq(), first.replaced()), (&b"s.1"[..], 4, 1));
        let third = subscription.try_recv_at(clock.now()).unwrap();
        assert_eq!((third.subject(), third.seq(), third.replaced()), (&b"s.3"[..], 5, 1));
        let missed = third.missed().unwrap();
        assert_eq!((missed.expired_count(), missed.first(), missed.total()), (1, 2, 1));
        let account = subscription.account();
        assert_eq!((account.conflated(), account.expired(), account.delivered()), (2, 1, 2));
    }
}

// checklist: E9
#[test]
fn a_policy_by_name_keys_by_subject() {
    assert_eq!(Policy::from_name("conflate"), Some(Policy::Conflate(Conflation::default())));
    assert_eq!(Conflation::default().key.to_string(), "subject");
}
