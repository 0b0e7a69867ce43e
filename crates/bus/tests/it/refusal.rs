//! A publish that is refused has reached nobody, and hands the message back.

use std::time::{Duration, Instant};

use floodway::{
    Bus, Conflation, Envelope, Filter, Payload, Policy, PublishError, PublishReport, Refusal,
    SubscribeOptions, Subscription,
};

use crate::task::Task;

fn subscribe(bus: &Bus, name: &str, policy: Policy, limit: u64) -> Subscription {
    let options = SubscribeOptions::default().policy(policy).max_messages(limit).name(name);
    bus.subscribe(&Filter::new("s.*").unwrap(), options).unwrap()
}

fn block() -> Policy {
    Policy::Block { patience: None }
}

/// One of each that could have got it.
fn bystanders(bus: &Bus) -> Vec<Subscription> {
    let policies = [
        Policy::Disconnect,
        Policy::DropNewest,
        Policy::DropOldest,
        Policy::Conflate(Conflation::default()),
        block(),
        Policy::Throttle { max_delay: Duration::from_secs(1) },
    ];
    policies.into_iter().map(|policy| subscribe(bus, "bystander", policy, 100)).collect()
}

fn matched(subscriptions: &[Subscription]) -> Vec<u64> {
    subscriptions.iter().map(|one| one.account().matched()).collect()
}

type Outcome = Result<PublishReport, PublishError<bytes::Bytes>>;

/// Every call that publishes.
fn every_call<'e>(bus: &Bus, to: &Envelope<'e>, payload: &str, last: Instant) -> Vec<Outcome> {
    let own = bus.subscribe(&Filter::new("own").unwrap(), SubscribeOptions::default()).unwrap();
    let publisher = bus.publisher("p").reads(&own);
    let or_recv = publisher.publish_or_recv(to.clone(), payload, &own, Some(last));
    vec![
        bus.publish(to.clone(), payload),
        bus.publish_wait(to.clone(), payload, Some(last)),
        Task::new(bus.publish_wait_async(to.clone(), payload, Some(last))).run(),
        publisher.publish(to.clone(), payload),
        publisher.publish_wait(to.clone(), payload, Some(last)),
        Task::new(publisher.publish_wait_async(to.clone(), payload, Some(last))).run(),
        or_recv.map(|_| panic!("published")),
    ]
}

// checklist: B6
#[test]
fn one_that_is_full_refuses_for_all_and_the_message_comes_back() {
    for full_first in [true, false] {
        let bus = Bus::default();
        let mut others = Vec::new();
        if !full_first {
            others = bystanders(&bus);
        }
        let full = subscribe(&bus, "narrow", block(), 1);
        others.extend(bystanders(&bus));
        assert_eq!(bus.publish("s.1", "fits").unwrap().queued, others.len() as u64 + 1);
        let before = matched(&others);

        let error = bus.publish(Envelope::to("s.2").header("a", "b"), "back").unwrap_err();
        assert_eq!(error.payload, "back");
        assert_eq!(error.refusal, Refusal::Full(vec!["narrow".into()]));
        let last = Instant::now() + Duration::from_millis(20);
        for outcome in every_call(&bus, &Envelope::to("s.3"), "back", last).split_off(1) {
            let error = outcome.unwrap_err();
            assert_eq!(error.payload, "back");
            match error.refusal {
                Refusal::DeadlinePassed { subscription, .. } => assert_eq!(subscription, "narrow"),
                Refusal::Full(names) => assert_eq!(names, ["narrow"]),
                other => panic!("{other}"),
            }
        }
        assert_eq!((matched(&others), full.account().matched()), (before, 1));

        // And nothing is left behind: the next one fits.
        full.recv().unwrap();
        assert_eq!(bus.publish("s.4", "again").unwrap().queued, others.len() as u64 + 1);
    }
}

// checklist: B6
#[test]
fn room_that_was_promised_for_a_message_nobody_got_is_free_again() {
    let bus = Bus::default();
    let wide = [subscribe(&bus, "wide", block(), 3), subscribe(&bus, "wide", block(), 3)];
    let narrow = subscribe(&bus, "narrow", block(), 1);
    bus.publish("s.1", "x").unwrap();
    for _ in 0..100 {
        bus.publish("s.1", "x").unwrap_err();
        let soon = Some(Instant::now());
        bus.publish_wait("s.1", "x", soon).unwrap_err();
        drop(Task::waiting(bus.publish_wait_async("s.1", "x", None)));
    }
    drop(narrow);
    assert_eq!(bus.publish("s.1", "x").unwrap().queued, 2);
    assert_eq!(bus.publish("s.1", "x").unwrap().queued, 2);
    assert!(matches!(bus.publish("s.1", "x").unwrap_err().refusal, Refusal::Full(_)));
    assert!(wide.iter().all(|one| one.account().queued() == 3 && one.account().is_conserved()));
}

// checklist: B6
#[test]
fn who_waits_until_its_deadline_gets_the_message_back() {
    let bus = Bus::default();
    let others = bystanders(&bus);
    let full = subscribe(&bus, "narrow", block(), 1);
    bus.publish("s.1", "fits").unwrap();
    let before = matched(&others);
    let started = Instant::now();
    let wait = Duration::from_millis(50);
    let error = bus.publish_wait("s.2", "late", Some(started + wait)).unwrap_err();
    let Refusal::DeadlinePassed { subscription, waited } = error.refusal else { panic!() };
    assert!(waited >= wait && started.elapsed() >= wait, "{waited:?}");
    assert_eq!((subscription.as_str(), &error.payload[..]), ("narrow", &b"late"[..]));
    assert_eq!((matched(&others), full.account().matched()), (before, 1));
}

// checklist: B6
#[test]
fn what_fits_nowhere_is_refused_at_once_however_empty_the_queue_is() {
    let bus = Bus::default();
    let others = bystanders(&bus);
    let options = SubscribeOptions::default().policy(block()).max_bytes(10).name("small");
    let small = bus.subscribe(&Filter::new("s.*").unwrap(), options).unwrap();
    let last = Instant::now() + Duration::from_secs(60);
    // The subject counts: 3 and 7 fit, 3 and 8 do not.
    for outcome in every_call(&bus, &Envelope::to("s.1"), "12345678", last) {
        let error = outcome.unwrap_err();
        assert_eq!(error.payload, "12345678");
        assert_eq!(error.refusal, Refusal::TooLarge("small".into()));
    }
    assert!(Instant::now() < last);
    assert_eq!(matched(&others), [0; 6]);
    assert_eq!(bus.publish("s.1", "1234567").unwrap().queued, 7);
    assert_eq!(small.account().queued_bytes(), 10);
}

// checklist: B6
#[test]
fn what_cannot_be_published_is_refused_by_every_call() {
    let bus = Bus::default();
    let others = bystanders(&bus);
    let last = Instant::now() + Duration::from_secs(60);
    for subject in ["", ".", "s.", ".s", "s..1", "s.*", ">", "s.>"] {
        for outcome in every_call(&bus, &Envelope::to(subject), "back", last) {
            let error = outcome.unwrap_err();
            assert_eq!(error.refusal, Refusal::InvalidSubject, "{subject:?}");
            assert_eq!(error.payload, "back");
        }
    }
    let headers = [("", "v"), ("a b", "v"), ("a:b", "v"), ("a\n", "v"), ("a", "v\r\nb: c")];
    for (name, value) in headers {
        let envelope = Envelope::to("s.1").header("good", "one").header(name, value);
        for outcome in every_call(&bus, &envelope, "back", last) {
            let error = outcome.unwrap_err();
            assert_eq!(error.refusal, Refusal::InvalidHeader(format!("{name}: {value}")));
            assert_eq!(error.payload, "back");
        }
    }
    assert_eq!(matched(&others), [0; 6]);
    // Whoever they are for: also where nobody is.
    assert!(bus.publish("nobody..there", "x").is_err());
    assert_eq!(bus.publish("nobody.there", "x").unwrap(), PublishReport::default());
}

/// Not `Clone`: what comes back can only be what was given.
#[derive(Debug)]
struct Parcel(Box<u32>);
impl Payload for Parcel {}

// checklist: B6
#[test]
fn a_value_comes_back_as_it_was_given() {
    let bus = Bus::<Parcel>::typed(&Default::default());
    let filter = Filter::new("s").unwrap();
    let options = SubscribeOptions::default().policy(block()).max_messages(1);
    let full = bus.subscribe(&filter, options).unwrap();
    bus.publish("s", Parcel(Box::new(1))).unwrap();
    let mut parcel = Parcel(Box::new(2));
    let place: *const u32 = &raw const *parcel.0;
    let publisher = bus.publisher("p").reads(&full);
    for call in 0..4 {
        let soon = Some(Instant::now());
        let outcome = match call {
            0 => bus.publish("s", parcel),
            1 => bus.publish_wait("s", parcel, soon),
            2 => Task::new(bus.publish_wait_async("s", parcel, soon)).run(),
            // It reads what it waits for.
            _ => publisher.publish_wait("s", parcel, None),
        };
        parcel = outcome.unwrap_err().payload;
        assert_eq!((*parcel.0, &raw const *parcel.0), (2, place));
    }
    assert_eq!(*full.recv().unwrap().payload().0, 1);
}
