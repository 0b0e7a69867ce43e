//! Answers follow what was routed before them, also what waits in lanes.

use super::lanes::{at_most, by_subject};
use super::*;

// spec: ORD-2
#[test]
fn an_answer_follows_what_waits_in_lanes_and_nothing_else() {
    let mut client = Client::unlimited();
    let [one, two] =
        [1, 2].map(|sid| client.lossy(sid, Policy::DropOldest, UNLIMITED, Report::None));
    let plain = client.subscribe(3, SubscriptionSpec::default()).unwrap();
    client.ping("at once");
    assert_eq!(client.said(), ["at once"]);
    client.block();
    client.ping("still at once");
    assert!(!client.outbox.has_waiting());
    client.count(one, 1..=2);
    client.count(two, 1..=2);
    client.count(plain, 1..=1);
    client.ping("behind");
    client.ping("and behind that");
    assert!(client.outbox.has_waiting());
    let expected = ["at once", "still at once", "3:1", "1:1", "1:2", "2:1", "2:2"];
    assert_eq!(client.said(), [&expected[..], &["behind", "and behind that"]].concat());
    assert!(client.outbox.is_drained());
    let lanes = client.outbox.lanes.as_ref().unwrap();
    assert_eq!((lanes.answers.len(), lanes.answer_bytes), (0, 0));
}

// spec: ORD-2
#[test]
fn several_answers_each_follow_what_was_before_them() {
    // One message at a time is fed, for each fills the stream.
    let large = |number: u8| vec![b'0' + number; 64 * 1024];
    let mut client = Client::unlimited();
    let [one, two] =
        [1, 2].map(|sid| client.lossy(sid, Policy::DropOldest, UNLIMITED, Report::None));
    client.block();
    client.deliver(one, &[&large(1)]);
    client.ping("a");
    client.deliver(two, &[&large(2)]);
    client.deliver(one, &[&large(3)]);
    client.ping("b");
    client.ping("c");
    client.deliver(two, &[&large(4)]);
    let said: Vec<_> = client
        .said()
        .into_iter()
        .map(|mut line| {
            line.truncate(3);
            line
        })
        .collect();
    assert_eq!(said, ["1:1", "a", "2:2", "1:3", "b", "c", "2:4"]);
}

// spec: ORD-2
#[test]
fn a_key_that_keeps_its_place_keeps_the_answer_behind_it() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, by_subject(), UNLIMITED, Report::Header);
    client.block();
    client.publish(key, "a", &[], &[b"a1"]);
    client.ping("pong");
    client.publish(key, "b", &[], &[b"b1"]);
    client.publish(key, "a", &[], &[b"a2"]);
    let said = client.said();
    let at = |line: &str| said.iter().position(|said| said.starts_with(line)).unwrap();
    assert!(said.len() == 3 && at("1:a2") < at("pong"), "{said:?}");
}

// spec: ORD-2
#[test]
fn what_is_dropped_lets_an_answer_pass() {
    let mut client = Client::unlimited();
    let oldest = client.lossy(1, Policy::DropOldest, at_most(2), Report::Status);
    client.block();
    client.count(oldest, 1..=2);
    client.ping("pong");
    client.count(oldest, 3..=4);
    let gap = "1 missed 2 in 1-2 dropped_oldest=2";
    assert_eq!(client.said(), ["pong", gap, "1:3", "1:4"]);

    // Also what has expired, and what memory pressure takes.
    for expires in [true, false] {
        let mut client = Client::unlimited();
        let ttl = Some(Duration::from_secs(1));
        let limits = Limits { ttl, ..UNLIMITED };
        let lossy = client.lossy(1, Policy::DropOldest, limits, Report::None);
        client.block();
        client.deliver(lossy, &[&[b'x'; 3000]]);
        client.ping("pong");
        if expires {
            client.now += Duration::from_millis(1001);
            assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
        } else {
            client.count(lossy, 2..=2);
            assert!(client.outbox.relieve());
        }
        assert_eq!(client.said().first().map(String::as_str), Some("pong"));
        assert!(client.outbox.is_drained());
    }
}

// spec: ORD-2
#[test]
fn an_answer_follows_what_a_closed_subscription_left() {
    let mut client = Client::unlimited();
    let key = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::None);
    client.block();
    client.count(key, 1..=2);
    client.ping("one");
    assert!(client.outbox.unsubscribe(&Sid::Number(1), None).is_some());
    client.ping("two");
    // Its name is free, its place is not.
    let next = client.lossy(1, Policy::DropOldest, UNLIMITED, Report::None);
    assert_ne!(next.slot, key.slot);
    assert_eq!(client.count(key, 3..=3).queued, 0);
    client.count(next, 10..=10);
    client.ping("three");
    let said = client.said();
    assert_eq!(said[..2], ["1:1", "1:2"]);
    let mut rest = said[2..].to_vec();
    // The message of the other subscription may come before answers that are older than it.
    let at = rest.iter().position(|line| line == "1:10").unwrap();
    rest.remove(at);
    assert_eq!(rest, ["one", "two", "three"]);
    assert!(said.last().is_some_and(|line| line == "three"));
}

#[test]
fn last_words_come_last() {
    for ended in [false, true] {
        let mut client = Client::unlimited();
        let key = client.lossy(1, Policy::DropNewest, at_most(2), Report::Status);
        client.block();
        client.count(key, 1..=5);
        client.ping("pong");
        if ended {
            client.outbox.end(EndReason::Kicked);
        }
        client.outbox.push_last_words(&answer(b"bye"), client.now);
        assert!(!client.outbox.is_drained());
        let gap = "1 missed 3 in 3-5 dropped_newest=3";
        assert_eq!(client.said(), ["1:1", "1:2", gap, "pong", "bye"]);
        assert!(client.outbox.is_drained());
    }
}

// spec: BND-1, BND-2
#[test]
fn answers_that_wait_count_against_the_limits_and_the_budget() {
    let room = Limits { bytes: Some(1 << 20), ..UNLIMITED };
    let mut client = Client::new(room, UNLIMITED);
    let keys: Vec<_> = (0..1000)
        .map(|sid| client.lossy(sid, Policy::DropOldest, at_most(1), Report::None))
        .collect();
    client.block();
    for &key in &keys {
        client.count(key, 1..=1);
    }
    let before = client.budget.used();
    // Answers one after the other wait for the same places, and need not know them each.
    (0..1000).for_each(|_| client.ping("pong"));
    let used = client.budget.used() - before;
    let answers = &client.outbox.lanes.as_ref().unwrap().answers;
    let noted: usize = answers.iter().map(|answer| answer.behind.capacity()).sum();
    assert!((1000..=2048).contains(&noted), "{noted}");
    let least = 1000 * (FRAME_HEAD + 4) + noted * size_of::<(SubscriptionKey, u64)>();
    assert!((least..200_000).contains(&(used as usize)), "{used} used, {least} at least");
    assert_eq!(client.outbox.held_bytes() as u64, client.budget.used() - client.budget_of_slots());

    // And they are limited like answers that do not wait.
    let pong = answer(&[b'.'; 1000]);
    let fitting = (0..).take_while(|_| client.outbox.push_control(&pong, client.now).is_none());
    assert_eq!(fitting.count(), (1 << 20) / pong.len() - 17);
    assert!(client.outbox.end_reason().is_some());
    client.said();
    assert_eq!(client.outbox.lanes.as_ref().unwrap().answers.len(), 0);
}
