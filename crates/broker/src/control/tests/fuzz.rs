//! Requests that are nearly right, or not at all.

use std::collections::BTreeSet;

use floodway::{Conflation, QueryOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::Value;

use super::super::request::{LIMITS, OVERFLOW, TOP};
use super::*;

/// Right requests to start from.
const RIGHT: [&str; 5] = [
    r#"{"filter": "a", "deliver": "b"}"#,
    r#"{"filter": "q.>", "deliver": "_INBOX.x", "queue": "g", "overflow": {"policy": "conflate",
        "key": "json:/quote/symbol", "fallback": "drop-newest"}, "limits": {"messages": 1000,
        "bytes": "8MiB", "behind": "10s", "ttl": 5000}, "report": "status"}"#,
    r#"{"deliver":"b","filter":"*","overflow":{"policy":"drop-oldest"},"report":"none"}"#,
    r#"{"filter": "a.b", "deliver": "c", "queue": null, "limits": {"ttl": "2m"},
        "overflow": {"policy": "conflate", "key": "header:Symbol"}}"#,
    r#"{"filter": "a.>", "deliver": "b", "query": "tx.height > 5 AND tx.hash EXISTS",
        "dialect": "strict", "limits": {"messages": 5}}"#,
];

/// Words that stand in requests, or nearly.
const WORDS: [&str; 30] = [
    "filter",
    "deliver",
    "queue",
    "overflow",
    "limits",
    "report",
    "query",
    "dialect",
    "policy",
    "key",
    "fallback",
    "messages",
    "bytes",
    "behind",
    "ttl",
    "tll",
    "conflate",
    "drop-oldest",
    "drop_oldest",
    "status",
    "strict",
    "a = 'b' OR NOT c > 5",
    "a.b = 5",
    "a MATCHES '(x'",
    "header:X",
    "json:/a~2",
    "8MiB",
    "99999999999999999999h",
    "a.>",
    "",
];

/// A change of the text.
#[derive(Debug, Clone)]
enum Slip {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    /// Copies a piece to another place.
    Copy(Index, usize, Index),
}

/// Puts a value at a path of the document, which is made if need be.
#[derive(Debug, Clone)]
struct Put {
    section: Option<&'static str>,
    name: String,
    value: Value,
}

fn slip() -> impl Strategy<Value = Slip> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, bits)| Slip::Flip(at, bits)),
        (place(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Slip::Insert(at, bytes)),
        (place(), select(&b"{}[]\",:0-e\\"[..])).prop_map(|(at, b)| Slip::Insert(at, vec![b])),
        (place(), 1..9_usize).prop_map(|(at, length)| Slip::Delete(at, length)),
        (place(), 1..40_usize, place()).prop_map(|(from, length, to)| Slip::Copy(from, length, to)),
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => select(&WORDS[..]).prop_map(str::to_owned),
        1 => vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => word().prop_map(Value::from),
        2 => (0..100_000_u64).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((word(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn put() -> impl Strategy<Value = Put> {
    let section = select(&[None, Some("overflow"), Some("limits")][..]);
    (section, word(), value()).prop_map(|(section, name, value)| Put { section, name, value })
}

/// A right request after a few changes.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let right = || select(&RIGHT[..]);
    let slipped = (right(), vec(slip(), 1..4)).prop_map(|(text, slips)| {
        let mut text = text.as_bytes().to_vec();
        slips.iter().for_each(|slip| slip.make(&mut text));
        text
    });
    let changed = (right(), vec(put(), 1..4)).prop_map(|(text, puts)| {
        let mut document = serde_json::from_str(text).unwrap();
        puts.into_iter().for_each(|put| put.make(&mut document));
        document.to_string().into_bytes()
    });
    prop_oneof![slipped, changed, vec(any::<u8>(), 0..60)]
}

impl Slip {
    fn make(&self, text: &mut Vec<u8>) {
        let place = |at: &Index, text: &[u8]| at.index(text.len() + 1);
        let piece = |at: &Index, length: usize, text: &[u8]| {
            let start = place(at, text);
            start..(start + length).min(text.len())
        };
        match self {
            Self::Flip(at, bits) => {
                let at = place(at, text);
                text[at..].iter_mut().take(1).for_each(|byte| *byte ^= bits);
            }
            Self::Insert(at, bytes) => {
                let at = place(at, text);
                text.splice(at..at, bytes.iter().copied());
            }
            Self::Delete(at, length) => drop(text.drain(piece(at, *length, text))),
            Self::Copy(from, length, to) => {
                let copy = text[piece(from, *length, text)].to_vec();
                let to = place(to, text);
                text.splice(to..to, copy);
            }
        }
    }
}

impl Put {
    fn make(self, document: &mut Value) {
        let object = match self.section {
            None => document,
            Some(section) => &mut document[section],
        };
        if !object.is_object() {
            *object = json!({});
        }
        object[self.name] = self.value;
    }
}

/// The grant is what was echoed, field by field.
pub(super) fn check_grant(grant: &Grant, echo: &Value) -> TestCaseResult {
    let Grant { filter, spec } = grant;
    prop_assert_eq!(echo.as_object().map(serde_json::Map::len), Some(8));
    prop_assert_eq!(filter.as_bytes(), echo["filter"].as_str().unwrap().as_bytes());
    prop_assert_eq!(spec.queue_group.as_deref(), echo["queue"].as_str().map(str::as_bytes));
    prop_assert_eq!(spec.report.name(), echo["report"].as_str().unwrap());
    let query = spec.query.as_ref();
    prop_assert_eq!(query.map(|query| query.dialect().name()), echo["dialect"].as_str());
    prop_assert_eq!(query.map(Query::as_str), echo["query"].as_str());
    if let Some(query) = query {
        // Its canonical text is the same query, and may be longer than what a client may type.
        let options = match query.dialect().name() {
            "strict" => QueryOptions::strict(),
            _ => QueryOptions::extended(),
        };
        prop_assert_eq!(Ok(query.clone()), options.length_max(2048).parse(query.as_str()));
    }
    let overflow = spec.overflow.as_ref().unwrap();
    let told = &echo["overflow"];
    prop_assert_eq!(overflow.policy.name(), told["policy"].as_str().unwrap());
    let (key, fallback) = (told["key"].as_str(), told["fallback"].as_str());
    if let Policy::Conflate(Conflation { key: kept, fallback: at_more }) = &overflow.policy {
        prop_assert_eq!((Ok(kept.clone()), Some(at_more.name())), (key.unwrap().parse(), fallback));
    } else {
        prop_assert_eq!((key, fallback), (None, None));
    }
    let (limits, told) = (overflow.limits, &echo["limits"]);
    let ms = |name: &str| told[name].as_u64().map(Duration::from_millis);
    prop_assert_eq!(
        (limits.messages, limits.bytes),
        (told["messages"].as_u64(), told["bytes"].as_u64())
    );
    prop_assert_eq!((limits.behind, limits.ttl), (ms("behind_ms"), ms("ttl_ms")));
    let bounded = limits.messages.is_some() || limits.bytes.is_some();
    prop_assert!(bounded || overflow.policy == Policy::Disconnect);
    Ok(())
}

/// Paths of all fields in a document.
fn paths(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        paths(value, &path, found);
        found.insert(path);
    }
}

/// Asks, checks what every answer promises, and returns its code; `ok` if it was granted.
fn check(request: &[u8]) -> Result<String, TestCaseError> {
    let mut grants = Grants::default();
    ask(&mut grants, br#"{"filter": "earlier", "deliver": "b", "queue": "earlier"}"#);
    let before = format!("{:?}", grants[&b"b"[..]]);
    let answer = ask(&mut grants, request);
    if answer["ok"] == true {
        let echo = &answer["granted"];
        let deliver = echo["deliver"].as_str().unwrap();
        prop_assert_eq!(&answer["id"], &json!(format!("7:{deliver}")));
        let grant = grants.get(deliver.as_bytes());
        prop_assert!(grant.is_some(), "nothing is granted at {}", deliver);
        check_grant(grant.unwrap(), echo)?;
        prop_assert_eq!(grants.len(), if deliver == "b" { 1 } else { 2 });
        return Ok("ok".to_owned());
    }
    prop_assert_eq!(&answer["ok"], &json!(false));
    prop_assert_eq!(grants.len(), 1);
    prop_assert_eq!(format!("{:?}", grants[&b"b"[..]]), before);
    let error = &answer["error"];
    let text = |name: &str| error[name].as_str().map(str::to_owned);
    let (code, message, at) = (text("code"), text("message"), text("at"));
    prop_assert!(message.is_some_and(|message| !message.is_empty()), "{}", answer);
    let mut places: BTreeSet<String> =
        TOP.iter().chain(&OVERFLOW).chain(&LIMITS).map(|path| (*path).to_owned()).collect();
    if let Ok(document) = serde_json::from_slice(request) {
        paths(&document, "", &mut places);
    }
    places.insert(String::new());
    prop_assert!(at.is_some_and(|at| places.contains(&at)), "{} names no field", answer);
    Ok(code.unwrap_or_default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_request_is_granted_as_echoed_or_refused_with_its_place(request in request()) {
        check(&request)?;
    }
}

// A fuzzer that only ever breaks the syntax would prove nothing about the fields.
#[test]
fn the_changes_reach_every_answer() {
    let (mut runner, mut seen) = (TestRunner::deterministic(), BTreeSet::new());
    let strategy = request();
    for _ in 0..4000 {
        let request = strategy.new_tree(&mut runner).unwrap().current();
        seen.insert(check(&request).unwrap());
    }
    let all = [
        "bad_json",
        "bad_key",
        "bad_query",
        "bad_subject",
        "bad_value",
        "duplicate_field",
        "missing",
        "needs_conflate",
        "needs_query",
        "ok",
        "unknown_field",
        "unknown_policy",
    ];
    assert_eq!(seen, all.map(str::to_owned).into());
}
