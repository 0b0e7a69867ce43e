//! What is remembered of headers and payloads, against queries asked about each message.

use floodway_query::Payload as Source;

use super::*;

/// About what is there and what is not, in headers and payloads, and in one event.
const QUERIES: [&str; 10] = [
    "a = '1'",
    "NOT a = '1'",
    "b EXISTS AND NOT a = '2'",
    "p = 1",
    "a = '1' AND p > 1",
    "NOT p = 1 AND NOT a = '1'",
    "SAME EVENT (NOT a = '1')",
    "t EXISTS",
    "SAME EVENT (t.p = 1 AND NOT t.q = 1)",
    "a MATCHES '^[12]$'",
];

/// A header: of few values, of a value of its own, or long enough to hide what is behind it.
#[derive(Debug, Clone, Copy)]
enum Line {
    A(u8),
    B(u8),
    Own,
    Long,
}

/// A payload: in the shape of its subject or not, with few values or with one of its own.
#[derive(Debug, Clone)]
struct Shape {
    subject: usize,
    lines: Vec<Line>,
    /// Of each event.
    values: Vec<(Option<u8>, Option<u8>)>,
    broken: bool,
}

const SUBJECTS: [&str; 3] = ["plain", "json", "events"];

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let line = prop_oneof![
        4 => (1..3_u8).prop_map(Line::A),
        2 => (1..3_u8).prop_map(Line::B),
        4 => Just(Line::Own),
        1 => Just(Line::Long),
    ];
    let value = || prop::option::of(1..3_u8);
    let shape = (
        0..3_usize,
        prop::collection::vec(line, 0..4),
        prop::collection::vec((value(), value()), 0..3),
        prop::bool::weighted(0.1),
    );
    let shape =
        shape.prop_map(|(subject, lines, values, broken)| Shape { subject, lines, values, broken });
    prop::collection::vec(shape, 1..5)
}

impl Shape {
    fn headers(&self, number: usize) -> Vec<(&'static str, String)> {
        let header = |line: &Line| match line {
            Line::A(value) => ("a", value.to_string()),
            Line::B(value) => ("b", value.to_string()),
            Line::Own => ("id", "7".repeat(number % 5)),
            Line::Long => ("long", "x".repeat(2_000 + 30 * (number % 4))),
        };
        self.lines.iter().map(header).collect()
    }

    fn payload(&self, number: usize) -> String {
        let object = |(p, q): &(Option<u8>, Option<u8>)| {
            let [p, q] = [p, q].map(|it| it.map_or("null".to_owned(), |it| it.to_string()));
            format!(r#"{{"p": {p}, "own": "{number}", "q": [{q}]}}"#)
        };
        let objects: Vec<String> = self.values.iter().map(object).collect();
        let end = if self.broken { "" } else { "}" };
        let first = self.values.first().and_then(|(p, _)| *p).unwrap_or_default();
        let rest = objects.join(", ");
        format!(r#"{{"p": {first}, "number": {number}, "events": [{rest}]{end}"#)
    }
}

fn extracts() -> [Option<Extraction>; 3] {
    let json = Extraction::json([("p", "/p"), ("number", "/number")]).unwrap();
    let pairs = [("t.p", "/p"), ("own", "/own"), ("t.q", "/q")];
    [None, Some(json), Some(Extraction::json_events("/events", pairs).unwrap())]
}

/// A block as it stands on the wire; none is no block at all.
fn block(headers: &[(&str, String)]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("NATS/1.0\r\n{}\r\n", lines.collect::<String>()).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    // A few shapes come again and again, each time with something of its own.
    #[test]
    fn selects_as_if_it_asked_about_each_message(
        shapes in shapes(),
        order in prop::collection::vec((any::<prop::sample::Index>(), 1..4_usize), 1..40),
        chosen in prop::collection::vec(0..QUERIES.len(), 1..5),
    ) {
        let extracts = extracts();
        let declared = SUBJECTS.iter().zip(&extracts).filter_map(|(subject, extraction)| {
            let filter = Filter::new(subject).unwrap();
            Some(Extract { filter, extraction: extraction.clone()? })
        });
        let bus = Bus::new(&BusConfig { extract: declared.collect(), ..BusConfig::default() });
        let subscribers: Vec<_> =
            chosen.iter().map(|at| queried(&bus, ">", QUERIES[*at])).collect();
        let mut expected = vec![Vec::new(); chosen.len()];
        let mut router = Router::new(bus.clone());
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let mut number = 0;
        for (shape, times) in order {
            let shape = shape.get(&shapes);
            let made: Vec<_> = (0..times).map(|_| {
                number += 1;
                (block(&shape.headers(number)), shape.payload(number))
            }).collect();
            let subject = SUBJECTS[shape.subject];
            let origin = Origin { consumer: None, echo: true };
            let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
            for (headers, payload) in &made {
                let message = Message::new(subject.as_bytes(), payload.as_bytes());
                batch.push(message.with_headers(headers));
            }
            batch.commit();
            for (headers, payload) in &made {
                let mut tags = Tags::new();
                let headers: Vec<_> = floodway::Headers::of(headers).iter().collect();
                headers.iter().for_each(|(name, value)| tags.push(*name, *value));
                let source = extracts[shape.subject].as_ref();
                let source = source.map(|of| Source::new(of, payload.as_bytes()));
                if let Some(source) = &source {
                    tags.set_source(source);
                }
                for (at, expected) in chosen.iter().zip(&mut expected) {
                    if query(QUERIES[*at]).matches(&tags) {
                        expected.push(payload.clone());
                    }
                }
            }
        }
        for (subscription, expected) in subscribers.iter().zip(&expected) {
            prop_assert_eq!(&payloads(subscription), expected);
        }
    }
}

// checklist: C3
#[test]
fn what_is_beyond_the_last_tag_that_is_seen_is_not_remembered() {
    let extraction = Extraction::json([("p", "/p"), ("q", "/q")]).unwrap();
    let extract = vec![Extract { filter: Filter::new(">").unwrap(), extraction }];
    let bus = Bus::new(&BusConfig { extract, ..BusConfig::default() });
    let subscriber = queried(&bus, ">", "q EXISTS");
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let origin = Origin { consumer: None, echo: true };
    let mut publish = |(headers, p): (usize, usize)| {
        let headers = block(&vec![("h", String::new()); headers]);
        let payload = format!(r#"{{"p": [{}""], "q": 1}}"#, "\"\",".repeat(p - 1));
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
        let message = Message::new(b"json", payload.as_bytes());
        let matched = batch.push(message.with_headers(&headers));
        batch.commit();
        matched
    };
    // Nobody asks for `p`: what is remembered of the first message would fit the second.
    let matched = [1, 1, 511, 511, 512, 512, 1].map(|p| publish((0, p)));
    assert_eq!(matched, [1, 1, 1, 1, 0, 0, 1]);
    // Nor for the headers.
    let matched = [1, 211, 211, 212, 212, 1].map(|headers| publish((headers, 300)));
    assert_eq!(matched, [1, 1, 1, 0, 0, 1]);
    assert_eq!((bus.tags_dropped(), subscriber.account().queued()), (4, 9));
}

// checklist: C3
#[test]
fn headers_of_two_bytes_count_as_well() {
    let bus = Bus::new(&BusConfig::default());
    let _subscriber = queried(&bus, ">", "q EXISTS");
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let origin = Origin { consumer: None, echo: true };
    let mut publish = |others: usize| {
        let headers = format!("NATS/1.0\n{}q:1\n", ":\n".repeat(others));
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
        let message = Message::new(b"plain", b"");
        let matched = batch.push(message.with_headers(headers.as_bytes()));
        batch.commit();
        matched
    };
    // Nobody asks for the others, and the text of them all is short enough to be remembered.
    assert_eq!([1, 511, 512, 512, 1].map(&mut publish), [1, 1, 0, 0, 1]);
    assert_eq!(bus.tags_dropped(), 2);
}

// checklist: B10
#[test]
fn what_nobody_asks_for_may_differ_at_no_cost() {
    let extraction = Extraction::json([("kind", "/kind"), ("price", "/price")]).unwrap();
    let extract = vec![Extract { filter: Filter::new("json").unwrap(), extraction }];
    let bus = Bus::new(&BusConfig { extract, ..BusConfig::default() });
    let asked: Vec<_> = (0..1000).map(|n| queried(&bus, ">", &format!("kind = 'k{n}'"))).collect();
    let mut router = Router::new(bus.clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let origin = Origin { consumer: None, echo: true };
    let mut publish = |subject: &str, headers: &str, payload: &str| {
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, Instant::now());
        let message = Message::new(subject.as_bytes(), payload.as_bytes());
        let matched = batch.push(message.with_headers(headers.as_bytes()));
        batch.commit();
        matched
    };
    for number in 0..100 {
        let kind = number / 10 % 2;
        let headers = format!("NATS/1.0\r\nid: {number}\r\nkind: k{kind}\r\n\r\n");
        assert_eq!(publish("plain", &headers, ""), 1);
        let payload = format!(r#"{{"kind": "k{kind}", "price": {number}}}"#);
        assert_eq!(publish("json", "", &payload), 1);
    }
    // The first message of the second subject is read for its headers' sake, its second for its
    // payload's.
    assert_eq!(bus.metrics().queries_evaluated, 5);
    assert_eq!([0, 1, 2].map(|n| asked[n].account().queued()), [100, 100, 0]);

    // A payload that is none is counted each time, remembered or not.
    (0..10).for_each(|_| assert_eq!(publish("json", "", "none"), 0));
    assert_eq!(bus.metrics().malformed_payloads, 10);
}
