//! Policies through the broker: who gets which, and what they mean for everybody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::{
    Conflation, EndReason, Filter, Limits, LossReason, Message, Origin, Overflow, Pace, Policy,
    Pushback, PushbackMode, Router, Wakeups,
};
use floodway_broker::{
    Broker, BrokerConfig, Identity, Report, Rule, Rules, Sid, Subscribed, SubscriptionSpec,
};

use crate::client::{Client, Lines, UNLIMITED, config, publish_as};

fn at_most(messages: u64) -> Limits {
    Limits { messages: Some(messages), ..UNLIMITED }
}

fn spec(policy: Policy, limits: Limits, report: Report) -> SubscriptionSpec {
    let overflow = Some(Arc::new(Overflow::new(policy, limits)));
    SubscriptionSpec { overflow, report, ..Default::default() }
}

fn rule(subject: &str, user: Option<&str>, policy: Policy, messages: u64) -> Rule {
    let overflow = Arc::new(Overflow::new(policy, at_most(messages)));
    let (subject, user) = (Filter::new(subject).unwrap(), user.map(str::to_owned));
    Rule { subject, user, overflow, query: None }
}

fn conflate() -> Policy {
    Policy::Conflate(Conflation::default())
}

/// A client whose socket took one line, and takes no more.
fn stalled(broker: &Broker, now: Instant) -> Client {
    let client = Client::stalled(broker, now);
    client.session.answer(b"-\n", now);
    client.read(1, now);
    client
}

// spec: OVF-8
#[test]
fn the_first_rule_that_covers_a_subscription_decides_and_a_request_goes_before() {
    let rules = Rules::new(vec![
        rule("quotes.eu.*", None, Policy::DropNewest, 1),
        rule("quotes.>", Some("ann"), conflate(), 2),
        rule("quotes.>", None, Policy::DropOldest, 3),
        rule("quotes.us.*", None, Policy::DropNewest, 4),
    ]);
    let broker = Broker::new(BrokerConfig { rules, ..config(1 << 20) });
    let now = Instant::now();
    let own = spec(Policy::DropNewest, at_most(9), Report::None);
    for (user, filter, own, policy, messages) in [
        (None, "quotes.eu.x", None, "drop-newest", Some(1)),
        (None, "quotes.eu.*", None, "drop-newest", Some(1)),
        // More than the first rule covers.
        (None, "quotes.eu.>", None, "drop-oldest", Some(3)),
        (None, "quotes.us.x", None, "drop-oldest", Some(3)),
        (Some("ann"), "quotes.us.x", None, "conflate", Some(2)),
        (Some("bob"), "quotes.us.x", None, "drop-oldest", Some(3)),
        (Some("ann"), "quotes.eu.x", None, "drop-newest", Some(1)),
        (Some("ann"), ">", None, "disconnect", None),
        (Some("ann"), "quotes", None, "disconnect", None),
        (Some("ann"), "quotes.us.x", Some(&own), "drop-newest", Some(9)),
    ] {
        let client = Client::stalled(&broker, now);
        let user = user.map(str::to_owned);
        client.session.identify(Identity { user, ..Identity::default() });
        let spec = own.cloned().unwrap_or_default();
        assert_eq!(client.try_subscribe(&broker, 1, filter, spec), Ok(Subscribed::New));
        let shown = client.session.snapshot(now, true).subscriptions.remove(0);
        assert_eq!((shown.policy, shown.limits.messages), (policy, messages), "{filter}");
        assert_eq!(client.session.has_lanes(), policy != "disconnect");
    }
}

// spec: OVF-8
#[test]
fn what_a_request_was_granted_is_what_the_subscription_does() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = Client::stalled(&broker, now);
    let request =
        br#"{"filter": "a.*", "deliver": "_INBOX.1", "overflow": {"policy": "drop-oldest"},
        "limits": {"messages": 2}, "report": "status"}"#;
    let answer = String::from_utf8(client.session.request_subscription(request)).unwrap();
    assert!(answer.contains(r#""ok":true"#), "{answer}");
    let grant = client.session.take_grant(b"_INBOX.1").unwrap();
    assert!(client.session.take_grant(b"_INBOX.1").is_none(), "once");
    let made = broker.subscribe(&client.session, Sid::Number(1), grant.filter, grant.spec);
    assert_eq!(made, Ok(Subscribed::New));
    client.session.answer(b"-\n", now);
    client.read(1, now);
    for payload in [b"1", b"2", b"3", b"4"] {
        publish_as(&broker, None, "a.b", &[payload], now);
    }
    client.read(usize::MAX, now);
    assert_eq!(client.lines(), ["-", "1 missed 2", "1 3", "1 4"]);
}

// checklist: A7
// spec: OVF-5, OVF-7
#[test]
fn one_that_conflates_disturbs_neither_its_neighbours_nor_other_clients() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let (slow, fast) = (stalled(&broker, now), Client::reading(&broker, now));
    let keyed = spec(conflate(), UNLIMITED, Report::Header);
    assert_eq!(slow.try_subscribe(&broker, 1, "quotes.*", keyed), Ok(Subscribed::New));
    slow.subscribe(&broker, 2, "news");
    fast.subscribe(&broker, 1, "quotes.*");
    for n in 0..10 {
        for symbol in ["quotes.a", "quotes.b"] {
            publish_as(&broker, None, symbol, &[format!("{symbol}={n}").as_bytes()], now);
        }
        publish_as(&broker, None, "news", &[n.to_string().as_bytes()], now);
    }
    slow.read(usize::MAX, now);
    let news: Vec<_> = (0..10).map(|n| format!("2 {n}")).collect();
    let lines = slow.lines();
    assert_eq!(lines[1..11], news);
    assert_eq!(lines[11..], ["1 quotes.a=9", "1 quotes.b=9"]);
    assert_eq!(fast.lines().len(), 20);
    let last = broker.close(&slow.session, now);
    assert_eq!((last.matched, last.out_messages, last.conflated), (30, 12, 18));
}

#[test]
fn a_member_that_is_behind_leaves_the_work_to_the_others() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let (slow, fast) = (stalled(&broker, now), Client::reading(&broker, now));
    for client in [&slow, &fast] {
        let queue_group = Some((*b"g").into());
        let lossy = spec(Policy::DropOldest, at_most(3), Report::Header);
        let spec = SubscriptionSpec { queue_group, ..lossy };
        assert_eq!(client.try_subscribe(&broker, 1, "jobs", spec), Ok(Subscribed::New));
    }
    // The first one it gets waits; from then on it is behind.
    for n in 0..100 {
        assert_eq!(publish_as(&broker, None, "jobs", &[n.to_string().as_bytes()], now), 1);
    }
    assert_eq!(fast.lines().len(), 99);
    assert!(slow.session.is_behind() && !fast.session.is_behind());
    slow.read(usize::MAX, now);
    assert_eq!(slow.lines().len(), 2);
    assert!(!slow.session.is_behind());

    // When all are behind, one of them takes it as its policy has it, and only one.
    let alone = stalled(&broker, now);
    let queue_group = Some((*b"g").into());
    let lossy = spec(Policy::DropNewest, at_most(1), Report::Header);
    let spec = SubscriptionSpec { queue_group, ..lossy };
    assert_eq!(alone.try_subscribe(&broker, 1, "other", spec), Ok(Subscribed::New));
    let queued: Vec<_> = (0..3).map(|_| publish_as(&broker, None, "other", &[b"x"], now)).collect();
    assert_eq!(queued, [1, 0, 0]);
    let last = broker.close(&alone.session, now);
    assert_eq!((last.matched, last.losses.of(LossReason::DroppedNewest)), (3, 2));
}

/// Publishes to `subject`, and says whether that pauses the publisher.
fn pauses(broker: &Broker, subject: &str, payload: &[u8], now: Instant) -> bool {
    let (mut router, mut wakeups) = (Router::new(broker.bus().clone()), Wakeups::new());
    let mut pushback = Pushback::new(PushbackMode::Most);
    let origin = Origin { consumer: None, echo: true };
    let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
    batch.push(Message::new(subject.as_bytes(), payload));
    batch.commit();
    wakeups.wake_all(now);
    matches!(pushback.after_batch(None, now), Pace::Paused(_))
}

// spec: BPR-4
#[test]
fn those_that_lose_messages_have_no_say_in_the_pace_of_a_publisher() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    // More than the mark.
    let payload = [b'x'; 1100];
    let healthy = stalled(&broker, now);
    healthy.subscribe(&broker, 1, "a");
    let others = [0; 2].map(|_| Client::reading(&broker, now));
    for other in &others {
        let keyed = spec(conflate(), UNLIMITED, Report::Header);
        assert_eq!(other.try_subscribe(&broker, 1, "a", keyed), Ok(Subscribed::New));
    }
    assert!(pauses(&broker, "a", &payload, now), "two that take any pace outvote it");
    // Plain ones do outvote it.
    let plain = [0; 2].map(|_| Client::reading(&broker, now));
    plain.iter().for_each(|client| client.subscribe(&broker, 1, "a"));
    assert!(!pauses(&broker, "a", &payload, now));

    // Nor do they pause it when they are the ones that are slow, or the only ones.
    let slow = [0; 3].map(|_| stalled(&broker, now));
    for client in &slow {
        let lossy = spec(Policy::DropOldest, at_most(3), Report::Header);
        assert_eq!(client.try_subscribe(&broker, 1, "b", lossy), Ok(Subscribed::New));
        // What is over the mark is a plain message.
        client.subscribe(&broker, 2, "c");
    }
    publish_as(&broker, None, "c", &[&payload], now);
    assert!(slow.iter().all(|client| client.session.is_over_mark(false)));
    assert!(!pauses(&broker, "b", b"x", now));
    assert!(pauses(&broker, "c", b"x", now));
    // One that ends at its limits has a say, also if its messages expire.
    let ttl = Limits { ttl: Some(Duration::from_secs(1)), ..UNLIMITED };
    let strict = spec(Policy::Disconnect, ttl, Report::Header);
    assert_eq!(slow[0].try_subscribe(&broker, 3, "b", strict), Ok(Subscribed::New));
    assert!(pauses(&broker, "b", b"x", now));
}

#[test]
fn what_expires_expires_without_a_reader() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = stalled(&broker, now);
    let ttl = Limits { ttl: Some(Duration::from_secs(1)), ..UNLIMITED };
    let brief = spec(Policy::DropOldest, ttl, Report::Status);
    assert_eq!(client.try_subscribe(&broker, 1, "a", brief), Ok(Subscribed::New));
    publish_as(&broker, None, "a", &[b"1", b"2"], now);
    let later = now + Duration::from_millis(1001);
    assert_eq!(client.session.sweep(&Lines, later), None);
    assert_eq!(client.session.snapshot(later, false).expired, 2);
    assert!(client.session.is_behind(), "it is still to be told");
    client.read(usize::MAX, later);
    assert_eq!(client.lines(), ["-", "1 missed 2"]);
    assert!(!client.session.is_behind());
}

// checklist: A8 E7
// spec: BND-2, TLD-1
#[test]
fn ten_thousand_stalled_ones_stay_within_the_budget_and_none_is_ended() {
    const CLIENTS: usize = 10_000;
    // Half of it is for the sessions themselves.
    const LIMIT: u64 = 40 << 20;
    let (broker, now) = (Broker::new(config(LIMIT)), Instant::now());
    let slow: Vec<_> = (0..CLIENTS).map(|_| stalled(&broker, now)).collect();
    for client in &slow {
        let lossy = spec(Policy::DropOldest, at_most(1000), Report::Status);
        assert_eq!(client.try_subscribe(&broker, 1, "a", lossy), Ok(Subscribed::New));
    }
    let healthy = Client::reading(&broker, now);
    healthy.subscribe(&broker, 1, "a");
    let started = Instant::now();
    let payload = [b'x'; 128];
    for _ in 0..50 {
        publish_as(&broker, None, "a", &[&payload], now);
        let used = broker.bus().budget().used();
        assert!(used <= LIMIT, "{used}");
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(healthy.lines().len(), 50);
    let mut queued = 0;
    for client in &slow {
        assert_eq!(client.session.end_reason(), None::<&EndReason>);
        let snapshot = client.session.snapshot(now, true);
        let account = &snapshot.subscriptions[0].account;
        assert!(account.is_conserved() && account.matched() == 50);
        assert_eq!(account.losses().of(LossReason::MemoryPressure), account.losses().total());
        queued += account.queued();
    }
    let used = broker.bus().budget().used();
    assert!(queued > 1000 && used > LIMIT / 10 * 9, "less is kept than fits: {queued}, {used}");
    // Whoever comes back is told exactly what it missed, and gets the rest.
    for client in slow.iter().step_by(100) {
        client.read(usize::MAX, now);
        let lines = client.lines();
        let missed: u64 = lines
            .iter()
            .filter_map(|line| line.strip_prefix("1 missed ")?.parse::<u64>().ok())
            .sum();
        let got = lines.iter().filter(|line| line.starts_with("1 x")).count() as u64;
        assert_eq!(missed + got, 50);
    }
}
