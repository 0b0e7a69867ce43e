//! Subscriptions that choose by content, against queries evaluated one by one.

mod remembered;

use std::time::Instant;

use floodway::{
    Bus, BusConfig, Envelope, Extract, Extraction, Filter, Message, Origin, Payload, Policy,
    Pushback, PushbackMode, Query, Refusal, Router, SubscribeOptions, Subscription, Tags, Wakeups,
};
use proptest::prelude::*;

fn query(text: &str) -> Query {
    text.parse().unwrap()
}

fn queried(bus: &Bus, filter: &str, text: &str) -> Subscription {
    let options = SubscribeOptions::default().query(query(text));
    bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
}

fn payloads(subscription: &Subscription) -> Vec<String> {
    let all = subscription.take_backlog();
    all.iter().map(|one| String::from_utf8(one.payload().to_vec()).unwrap()).collect()
}

// checklist: B10
#[test]
fn ten_thousand_queries_cost_no_more_than_the_one_that_matches() {
    let bus = Bus::default();
    let all: Vec<_> =
        (0..10_000).map(|n| queried(&bus, "tx", &format!("account = 'a{n}'"))).collect();
    let same: Vec<_> = (0..10).map(|_| queried(&bus, "tx", "account = 'a17'")).collect();
    for _ in 0..10 {
        let report = bus.publish(Envelope::to("tx").header("account", "a17"), "x").unwrap();
        assert_eq!(report.queued, 11);
    }
    assert_eq!(bus.publish("tx", "no tags at all").unwrap().matched, 0);
    assert!(bus.metrics().queries_evaluated <= 20, "{}", bus.metrics().queries_evaluated);
    assert_eq!(bus.subscription_count(), 10_010);
    assert_eq!((all[17].account().queued(), all[18].account().matched()), (10, 0));
    drop((all, same));
    assert_eq!((bus.subscription_count(), bus.consumer_count()), (0, 0));
    let report = bus.publish(Envelope::to("tx").header("account", "a17"), "x").unwrap();
    assert_eq!(report.matched, 0);
}

#[test]
fn tags_come_from_headers_and_from_what_is_declared_of_payloads() {
    let extraction = Extraction::json([("symbol", "/symbol"), ("price", "/last")]).unwrap();
    let filter = Filter::new("quotes.>").unwrap();
    let extract = vec![Extract { filter, extraction }];
    let bus = Bus::new(&BusConfig { extract, ..BusConfig::default() });
    let cheap = queried(&bus, "quotes.*", "symbol = 'ACME' AND price < 18");
    let venue = queried(&bus, "quotes.*", "venue = 'LSE' AND price < 18");
    let other = queried(&bus, "news.*", "symbol = 'ACME'");
    let acme = r#"{"symbol": "ACME", "last": 17.05}"#;
    bus.publish("quotes.1", acme).unwrap();
    bus.publish(Envelope::to("quotes.1").header("venue", "LSE"), acme).unwrap();
    bus.publish("quotes.1", r#"{"symbol": "ACME", "last": 18.5}"#).unwrap();
    bus.publish("news.1", acme).unwrap();
    bus.publish("quotes.1", "not JSON").unwrap();
    assert_eq!((payloads(&cheap).len(), payloads(&venue).len()), (2, 1));
    assert_eq!(payloads(&other).len(), 0, "nothing is declared of those");
    assert_eq!(bus.metrics().malformed_payloads, 1);
}

// spec: QRY-3
// checklist: C3
#[test]
fn queries_see_the_first_tags_of_a_message() {
    let extraction = Extraction::json([("symbol", "/symbols")]).unwrap();
    let extract = vec![Extract { filter: Filter::new("quotes.>").unwrap(), extraction }];
    let bus = Bus::new(&BusConfig { extract, ..BusConfig::default() });
    let last = queried(&bus, ">", "last EXISTS");
    let symbol = queried(&bus, "quotes.*", "symbol = 'ACME'");
    let without = queried(&bus, "quotes.*", "NOT symbol = 'ACME'");
    let publish = |subject: &str, headers: usize, symbols: usize| {
        // Nobody asks for the others, and they count as well.
        let names: Vec<String> = (1..headers).map(|at| format!("h{at}")).collect();
        let envelope = names.iter().fold(Envelope::to(subject), |it, name| it.header(name, "v"));
        let envelope = if headers == 0 { envelope } else { envelope.header("last", "v") };
        let list = format!(r#"{{"symbols": [{}"ACME"]}}"#, "0,".repeat(symbols));
        bus.publish(envelope, &*list).unwrap();
        [&last, &symbol, &without].map(|it| payloads(it).len())
    };
    assert_eq!(publish("news.1", 512, 0), [1, 0, 0]);
    assert_eq!(publish("news.1", 513, 0), [0, 0, 0]);
    assert_eq!(bus.metrics().tags_dropped, 1);
    assert_eq!(publish("quotes.1", 0, 511), [0, 1, 0]);
    assert_eq!(publish("quotes.1", 0, 512), [0, 0, 1]);
    assert_eq!(bus.metrics().tags_dropped, 2);
    assert_eq!(publish("quotes.1", 24, 487), [1, 1, 0]);
    assert_eq!(publish("quotes.1", 24, 498), [1, 0, 1]);
    assert_eq!(bus.tags_dropped(), 13);
}

#[test]
fn a_typed_payload_says_itself_what_can_be_asked_for() {
    struct Trade {
        symbol: &'static str,
    }
    impl Payload for Trade {
        fn tags<'t>(&'t self, tags: &mut Tags<'t>) {
            tags.push("symbol", self.symbol);
        }
    }
    let bus = Bus::<Trade>::typed(&BusConfig::default());
    let options = SubscribeOptions::default().query(query("symbol STARTS WITH 'A'"));
    let trades = bus.subscribe(&Filter::new("t").unwrap(), options).unwrap();
    for symbol in ["ACME", "INIT", "AXA"] {
        bus.publish("t", Trade { symbol }).unwrap();
    }
    let seen: Vec<_> = trades.take_backlog().iter().map(|one| one.payload().symbol).collect();
    assert_eq!(seen, ["ACME", "AXA"]);
}

#[test]
fn members_of_a_group_get_what_their_own_query_matches() {
    let bus = Bus::default();
    let filter = Filter::new("jobs").unwrap();
    let member = |text: Option<&str>| {
        let options = SubscribeOptions::default().queue_group("g");
        let options = text.into_iter().fold(options, |to, text| to.query(query(text)));
        bus.subscribe(&filter, options).unwrap()
    };
    let [any, red, blue] = [member(None), member(Some("c = 'red'")), member(Some("c = 'blue'"))];
    for n in 0..300 {
        let color = ["red", "blue", "green"][n % 3];
        let report = bus.publish(Envelope::to("jobs").header("c", color), color).unwrap();
        assert_eq!(report.matched, 1, "a group counts as one");
    }
    let (any, red, blue) = (payloads(&any), payloads(&red), payloads(&blue));
    assert_eq!(any.len() + red.len() + blue.len(), 300);
    assert!(red.iter().all(|color| color == "red") && red.len() > 20);
    assert!(blue.iter().all(|color| color == "blue") && blue.len() > 20);
    assert!(any.iter().filter(|color| *color == "green").count() == 100);
}

#[test]
fn only_a_full_one_that_matches_makes_publishers_wait() {
    let bus = Bus::default();
    let options = SubscribeOptions::default().policy(Policy::Block { patience: None });
    let options = options.max_messages(1).query(query("c = 'red'")).name("red");
    let red = bus.subscribe(&Filter::new("s").unwrap(), options).unwrap();
    let publish = |color: &str| bus.publish(Envelope::to("s").header("c", color), "x");
    publish("red").unwrap();
    assert_eq!(publish("red").unwrap_err().refusal, Refusal::Full(vec!["red".into()]));
    assert_eq!(publish("blue").unwrap().matched, 0);
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| bus.publish_wait(Envelope::to("s").header("c", "red"), "later", None));
        while red.metrics().waiting_publishers == 0 {
            std::thread::yield_now();
        }
        red.recv().unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().queued, 1);
    });
    assert_eq!(payloads(&red), ["later"]);
}

const QUERIES: [Option<&str>; 6] = [
    None,
    Some("a = '1'"),
    Some("a = '1' OR b = '2'"),
    Some("NOT a = '1'"),
    Some("a > 1"),
    Some("b EXISTS"),
];
const FILTERS: [&str; 4] = ["x.1", "x.*", ">", "y"];
const SUBJECTS: [&str; 3] = ["x.1", "x.2", "y"];

#[derive(Debug, Clone)]
enum Op {
    Subscribe(usize, usize),
    Drop(prop::sample::Index),
    Publish(Vec<(usize, Option<u8>, Option<u8>)>, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let message = (0..SUBJECTS.len(), prop::option::of(0..4_u8), prop::option::of(0..4_u8));
    let op = prop_oneof![
        3 => (0..FILTERS.len(), 0..QUERIES.len()).prop_map(|(f, q)| Op::Subscribe(f, q)),
        1 => any::<prop::sample::Index>().prop_map(Op::Drop),
        4 => (prop::collection::vec(message, 1..6), any::<bool>())
            .prop_map(|(messages, together)| Op::Publish(messages, together)),
    ];
    prop::collection::vec(op, 1..60)
}

/// Publishes messages together or one by one.
fn publish(bus: &Bus, router: &mut Router, messages: &[(&str, Vec<u8>, String)], together: bool) {
    if !together {
        for (subject, headers, payload) in messages {
            let block = String::from_utf8(headers.clone()).unwrap();
            let lines = block.lines().skip(1).filter_map(|line| line.split_once(": "));
            let to = lines.fold(Envelope::to(*subject), |to, (name, value)| to.header(name, value));
            bus.publish(to, payload).unwrap();
        }
        return;
    }
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let origin = Origin { consumer: None, echo: true };
    let now = Instant::now();
    let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
    for (subject, headers, payload) in messages {
        let message = Message::new(subject.as_bytes(), payload.as_bytes());
        batch.push(message.with_headers(headers));
    }
    batch.commit();
    wakeups.wake_all(now);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_exactly_what_filter_and_query_match(ops in ops()) {
        let bus = Bus::default();
        let mut router = Router::new(bus.clone());
        let mut all: Vec<(Subscription, Filter, Option<Query>, Vec<String>)> = Vec::new();
        let mut number = 0;
        for op in ops {
            match op {
                Op::Subscribe(filter, text) => {
                    let filter = Filter::new(FILTERS[filter]).unwrap();
                    let query = QUERIES[text].map(query);
                    let options = query.clone().into_iter().fold(
                        SubscribeOptions::default(),
                        SubscribeOptions::query,
                    );
                    let subscription = bus.subscribe(&filter, options).unwrap();
                    all.push((subscription, filter, query, Vec::new()));
                }
                Op::Drop(at) if !all.is_empty() => drop(all.swap_remove(at.index(all.len()))),
                Op::Drop(_) => {}
                Op::Publish(messages, together) => {
                    let mut made = Vec::new();
                    for (subject, a, b) in messages {
                        number += 1;
                        let (a, b) = (a.map(|a| a.to_string()), b.map(|b| b.to_string()));
                        let mut tags = Tags::new();
                        let mut headers = b"NATS/1.0\r\n".to_vec();
                        for (name, value) in [("a", &a), ("b", &b)] {
                            if let Some(value) = value {
                                tags.push(name, value);
                                headers.extend(format!("{name}: {value}\r\n").bytes());
                            }
                        }
                        headers.extend(b"\r\n");
                        for (_, filter, query, expected) in &mut all {
                            let matches = query.as_ref().is_none_or(|query| query.matches(&tags));
                            if matches && filter.matches(SUBJECTS[subject].as_bytes()) {
                                expected.push(number.to_string());
                            }
                        }
                        made.push((SUBJECTS[subject], headers, number.to_string()));
                    }
                    publish(&bus, &mut router, &made, together);
                }
            }
            prop_assert_eq!(bus.subscription_count(), all.len());
        }
        for (subscription, _, _, expected) in &all {
            prop_assert_eq!(&payloads(subscription), expected);
        }
    }
}
