//! Subscriptions that choose by content: who gets a query, what is shown of it, and what is left
//! of it when the subscription ends.

use std::sync::Arc;
use std::time::Instant;

use floodway::{Envelope, Extract, Extraction, Filter, Limits, Overflow, Policy, Query};
use floodway_broker::{
    Broker, BrokerConfig, QuerySnapshot, Report, Rule, Rules, Sid, Subscribed, SubscriptionSpec,
};

use crate::client::{Client, UNLIMITED, config};

fn query(text: &str) -> Query {
    text.parse().unwrap()
}

/// What a control request is granted.
fn granted(text: Option<&str>) -> SubscriptionSpec {
    let overflow = Some(Arc::new(Overflow::disconnect(UNLIMITED)));
    SubscriptionSpec { overflow, query: text.map(query), ..SubscriptionSpec::default() }
}

fn subscribe(client: &Client, broker: &Broker, sid: u64, filter: &str, spec: SubscriptionSpec) {
    assert_eq!(client.try_subscribe(broker, sid, filter, spec), Ok(Subscribed::New));
}

/// Publishes the name of a color, with that color; how many subscriptions it matched.
fn publish(broker: &Broker, subject: &str, color: &str) -> u64 {
    let report = broker.bus().publish(Envelope::to(subject).header("color", color), color);
    report.unwrap().matched
}

/// The payloads for one subscription.
fn got(client: &Client, sid: u64) -> Vec<String> {
    let lines = client.lines();
    let lines = lines.iter().filter_map(|line| line.strip_prefix(&format!("{sid} ")));
    // Behind the lines of the headers.
    lines.filter(|line| !line.starts_with("NATS")).map(str::to_owned).collect()
}

fn broker_with_rules() -> Broker {
    let rule = |subject: &str, user: Option<&str>, text: &str| Rule {
        subject: Filter::new(subject).unwrap(),
        user: user.map(str::to_owned),
        overflow: Arc::new(Overflow::disconnect(UNLIMITED)),
        query: Some(query(text)),
    };
    let rules =
        vec![rule("c.>", Some("ann"), "color = 'red'"), rule("c.>", None, "color = 'blue'")];
    Broker::new(BrokerConfig { rules: Rules::new(rules), ..config(1 << 20) })
}

#[test]
fn a_rule_is_for_those_who_did_not_ask_themselves() {
    let (broker, now) = (broker_with_rules(), Instant::now());
    let client = Client::reading(&broker, now);
    client.subscribe(&broker, 1, "c.*");
    client.subscribe(&broker, 2, ">");
    subscribe(&client, &broker, 3, "c.*", granted(None));
    subscribe(&client, &broker, 4, "c.*", granted(Some("color STARTS WITH 'gr'")));
    let matched = ["red", "green", "blue"].map(|color| publish(&broker, "c.x", color));
    assert_eq!(matched, [2, 3, 3]);
    let snapshot = client.session.snapshot(now, true);
    let seen: Vec<_> = snapshot
        .subscriptions
        .iter()
        .map(|one| (&*one.sid, one.account.matched(), one.query.as_ref().map(|it| &*it.text)))
        .collect();
    let wanted = [
        ("1", 1, Some("color = 'blue'")),
        ("2", 3, None),
        ("3", 3, None),
        ("4", 1, Some("color STARTS WITH 'gr'")),
    ];
    assert_eq!(seen, wanted);
    assert!(snapshot.subscriptions.iter().all(|one| one.account.is_conserved()));
}

#[test]
fn what_is_shown_says_how_it_was_read() {
    let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
    let client = Client::reading(&broker, now);
    let strict = floodway::QueryOptions::strict().parse("a.b='x'AND a.c>5").unwrap();
    let spec = SubscriptionSpec { query: Some(strict), ..SubscriptionSpec::default() };
    subscribe(&client, &broker, 1, "s", spec);
    let shown = client.session.snapshot(now, true).subscriptions.remove(0).query;
    let wanted = QuerySnapshot { text: "a.b = 'x' AND a.c > 5".into(), dialect: "strict" };
    assert_eq!(shown, Some(wanted));
}

#[test]
fn what_is_declared_of_payloads_can_be_asked_for() {
    let extraction = Extraction::json([("price", "/last")]).unwrap();
    let extract = vec![Extract { filter: Filter::new("q.*").unwrap(), extraction }];
    let broker = Broker::new(BrokerConfig { extract, ..config(1 << 20) });
    let client = Client::reading(&broker, Instant::now());
    subscribe(&client, &broker, 1, ">", granted(Some("price < 18")));
    for (subject, payload) in [
        ("q.a", r#"{"last": 17}"#),
        ("q.b", r#"{"last": 18}"#),
        ("q.c", "no JSON"),
        ("other", r#"{"last": 17}"#),
    ] {
        broker.bus().publish(subject, payload).unwrap();
    }
    assert_eq!(got(&client, 1), [r#"{"last": 17}"#]);
    assert_eq!(broker.bus().malformed_payloads(), 1);
}

/// Every way in which a subscription can end takes its query out of the index.
// checklist: B10
#[test]
fn a_query_leaves_the_index_with_its_subscription() {
    type End = fn(&Broker, &Client);
    let ways: [(&str, End); 5] = [
        ("unsubscribed", |broker, client| {
            broker.unsubscribe(&client.session, &Sid::Number(1), None);
        }),
        ("got as many as it asked for", |broker, client| {
            broker.unsubscribe(&client.session, &Sid::Number(1), Some(2));
            assert_eq!(publish(broker, "s", "blue"), 0, "one that it does not want");
            assert_eq!((publish(broker, "s", "red"), broker.bus().subscription_count()), (1, 0));
        }),
        ("ended at its limit", |broker, _| {
            (0..4).for_each(|_| _ = publish(broker, "s", "red"));
        }),
        ("all unsubscribed", |broker, client| broker.unsubscribe_all(&client.session)),
        ("closed", |broker, client| _ = broker.close(&client.session, Instant::now())),
    ];
    for (how, end) in ways {
        let (broker, now) = (Broker::new(config(1 << 20)), Instant::now());
        let client = Client::stalled(&broker, now);
        let at_most_three = Limits { messages: Some(3), ..UNLIMITED };
        let overflow = Some(Arc::new(Overflow::new(Policy::Disconnect, at_most_three)));
        let query = Some(query("color = 'red'"));
        let spec =
            SubscriptionSpec { overflow, query, report: Report::Status, ..Default::default() };
        subscribe(&client, &broker, 1, "s", spec);
        assert_eq!((publish(&broker, "s", "red"), broker.bus().subscription_count()), (1, 1));
        end(&broker, &client);
        assert_eq!(broker.bus().subscription_count(), 0, "{how}");
        let before = broker.bus().query_evaluations();
        assert_eq!(publish(&broker, "s", "red"), 0, "{how}");
        assert_eq!(broker.bus().query_evaluations(), before, "{how}: nothing is left to evaluate");
    }
}

// spec: BND-2
#[test]
fn a_query_counts_against_the_budget_while_it_is_in_the_index() {
    let (broker, now) = (Broker::new(config(8 << 20)), Instant::now());
    let client = Client::reading(&broker, now);
    client.subscribe(&broker, 1, "a");
    let before = broker.bus().budget().used();
    let large = r"color MATCHES '[a-q][^u-z]{8}x'";
    let bytes = query(large).held_bytes() as u64;
    assert!(bytes > 10_000, "{bytes}");
    subscribe(&client, &broker, 2, "a", granted(Some(large)));
    let with = broker.bus().budget().used();
    assert!(with - before >= bytes, "{before} {with}");
    broker.unsubscribe(&client.session, &Sid::Number(2), None);
    assert!(broker.bus().budget().used() <= with - bytes);
    subscribe(&client, &broker, 3, "a", granted(Some(large)));
    broker.close(&client.session, now);
    assert!(broker.bus().budget().used() < before + bytes);
}
