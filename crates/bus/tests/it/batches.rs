//! A batch goes to each consumer in one call, whatever subjects it is of, in the order it came.

use std::time::Instant;

use floodway::{Bus, Message, Origin, PublishReport, Pushback, PushbackMode, Router, Wakeups};

use crate::bucket::Bucket;

fn publish(bus: &Bus, origin: Origin, subjects: &[&str]) -> PublishReport {
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
    for subject in subjects {
        batch.push(Message::new(subject.as_bytes(), subject.as_bytes()));
    }
    batch.commit()
}

/// Subscriptions and subjects of each call, in order.
type Calls = Vec<Vec<(u32, String)>>;

fn calls(expected: &[&[(u32, &str)]]) -> Calls {
    let one = |call: &&[(u32, &str)]| call.iter().map(|(key, s)| (*key, (*s).to_owned())).collect();
    expected.iter().map(one).collect()
}

#[test]
fn subjects_in_turn_are_one_call_for_each_consumer() {
    let bus = Bus::default();
    let (wide, narrow) = (Bucket::attach(&bus), Bucket::attach(&bus));
    wide.subscribe("a.*", None);
    wide.subscribe("a.1", None);
    narrow.subscribe("a.2", None);
    let report =
        publish(&bus, Origin::default(), &["a.1", "a.2", "nobody", "a.2", "a.1", "a.1", "b"]);
    assert_eq!((report.matched, report.queued, report.lost()), (10, 10, 0));
    let all = [(1, "a.1"), (0, "a.1"), (0, "a.2"), (0, "a.2"), (1, "a.1"), (1, "a.1")];
    let all = [&all[..], &[(0, "a.1"), (0, "a.1")]].concat();
    assert_eq!(wide.calls(), calls(&[&all]));
    assert_eq!(narrow.calls(), calls(&[&[(0, "a.2"), (0, "a.2")]]));
}

#[test]
fn a_queue_group_gets_its_messages_where_they_were_among_the_others() {
    let bus = Bus::default();
    let bucket = Bucket::attach(&bus);
    bucket.subscribe(">", None);
    bucket.subscribe("g", Some("group"));
    let report = publish(&bus, Origin::default(), &["a", "g", "g", "b", "a"]);
    assert_eq!((report.matched, report.queued), (7, 7));
    let expected: &[&[_]] =
        &[&[(0, "a"), (0, "g"), (0, "g")], &[(1, "g")], &[(1, "g")], &[(0, "b"), (0, "a")]];
    assert_eq!(bucket.calls(), calls(expected));
}

#[test]
fn what_was_never_committed_is_forgotten() {
    let bus = Bus::default();
    let bucket = Bucket::attach(&bus);
    bucket.subscribe(">", None);
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    for (subjects, commits) in [(&["a", "b", "c"][..], false), (&["d"], true), (&["e", "f"], true)]
    {
        let now = Instant::now();
        let mut batch = router.batch(Origin::default(), &mut pushback, &mut wakeups, now);
        subjects.iter().for_each(|subject| {
            batch.push(Message::new(subject.as_bytes(), b""));
        });
        if commits {
            batch.commit();
        }
    }
    assert_eq!(bucket.calls(), calls(&[&[(0, "d")], &[(0, "e"), (0, "f")]]));
}

#[test]
fn without_echo_the_publisher_itself_gets_nothing() {
    let bus = Bus::default();
    let (own, other) = (Bucket::attach(&bus), Bucket::attach(&bus));
    own.subscribe(">", None);
    other.subscribe("b", None);
    for (echo, matched) in [(false, 1), (true, 4)] {
        let origin = Origin { consumer: Some(own.id()), echo };
        assert_eq!(publish(&bus, origin, &["a", "b", "a"]).matched, matched);
    }
    assert_eq!((own.received(), other.received()), (3, 2));
}
