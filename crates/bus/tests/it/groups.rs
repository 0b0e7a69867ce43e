//! Queue groups: each message goes to one member, to one that has room if there is any.

use std::time::Instant;

use floodway::{
    Account, Bus, Filter, Message, Origin, PublishReport, Pushback, PushbackMode, Router,
    SubscribeOptions, Subscription, Wakeups,
};

use crate::bucket::Bucket;

fn member(bus: &Bus, filter: &str, group: &str) -> Subscription {
    let options = SubscribeOptions::default().queue_group(group).max_messages(100);
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

#[test]
fn each_message_goes_to_one_member_of_each_group_and_to_all_others() {
    let bus = Bus::default();
    // One name is one group, whatever the filters are.
    let group_a = [member(&bus, "jobs.*", "a"), member(&bus, "jobs.>", "a")];
    let group_b = [member(&bus, "jobs.1", "b")];
    let plain = bus.subscribe(&Filter::new("jobs.*").unwrap(), SubscribeOptions::default());
    for _ in 0..40 {
        assert_eq!(
            bus.publish("jobs.1", "x").unwrap(),
            PublishReport { matched: 3, queued: 3, ..PublishReport::default() }
        );
    }
    let sizes = group_a.map(|member| member.take_backlog().len());
    assert_eq!(sizes[0] + sizes[1], 40);
    assert!(sizes[0] > 5 && sizes[1] > 5, "not spread: {sizes:?}");
    assert_eq!(group_b[0].account().queued(), 40);
    assert_eq!(plain.unwrap().account().queued(), 40);
}

#[test]
fn work_goes_to_a_member_with_room() {
    let bus = Bus::default();
    let [idle, busy] = [member(&bus, "jobs", "g"), member(&bus, "jobs", "g")];
    for _ in 0..1000 {
        bus.publish("jobs", "x").unwrap();
        idle.take_backlog();
    }
    assert_eq!(busy.account().queued(), 51, "filled to just over its mark, half its limit");
    // All over their marks: still nobody is passed over before its limit.
    let mut queued = 0;
    while idle.end_reason().is_none() && busy.end_reason().is_none() {
        queued += bus.publish("jobs", "x").unwrap().queued;
    }
    assert!(queued > 50, "{queued}");
}

#[test]
fn a_member_that_has_ended_is_passed_over() {
    let bus = Bus::default();
    let [mut full, mut other] = [member(&bus, "jobs", "g"), member(&bus, "jobs", "g")];
    let mut published = 0;
    // Whoever is chosen when it is full ends, and the message goes to the other one.
    while full.end_reason().is_none() && other.end_reason().is_none() {
        assert_eq!(
            bus.publish("jobs", "x").unwrap(),
            PublishReport { matched: 1, queued: 1, ..PublishReport::default() }
        );
        published += 1;
    }
    if full.end_reason().is_none() {
        std::mem::swap(&mut full, &mut other);
    }
    assert_eq!(other.end_reason(), None);
    let accounts = [full.account(), other.account()];
    assert_eq!(accounts[0].queued() + accounts[1].queued(), published);
    assert_eq!(accounts[0].losses().total(), 1);
    assert!(accounts.iter().all(Account::is_conserved));
}

#[test]
fn without_echo_a_publisher_gets_nothing_of_its_own() {
    let bus = Bus::default();
    let mut router = Router::new(bus.clone());
    let own = Bucket::attach(&bus);
    own.subscribe("a.*", None);
    own.subscribe("jobs", Some("g"));
    let mut publish = |subject: &str, echo| {
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let origin = Origin { consumer: Some(own.id()), echo };
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
        batch.push(Message::new(subject.as_bytes(), b"x"));
        batch.commit()
    };
    let one = PublishReport { matched: 1, queued: 1, ..PublishReport::default() };
    for subject in ["a.b", "jobs"] {
        assert_eq!(publish(subject, true), one);
        assert_eq!(publish(subject, false), PublishReport::default());
    }
    assert_eq!(own.received(), 2);
    // The others get it, of a group always the other member.
    let other = Bucket::attach(&bus);
    other.subscribe("a.b", None);
    other.subscribe("jobs", Some("g"));
    for n in 0..20 {
        assert_eq!(publish(["a.b", "jobs"][n % 2], false), one);
    }
    assert_eq!((own.received(), other.received()), (2, 20));
}
