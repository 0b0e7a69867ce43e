mod fuzz;

use serde_json::Value;

use super::request::{MAX_KEY_BYTES, MAX_REQUEST_BYTES, MAX_TEXT_BYTES};
use super::*;

/// Answers a request of session 7 and keeps what it is granted.
fn ask(grants: &mut Grants, request: &[u8]) -> Value {
    let answer = answer(7, request, |deliver, grant| keep(grants, deliver, grant));
    serde_json::from_slice(&answer).expect("every answer is JSON")
}

fn granted(request: &str) -> Value {
    let answer = ask(&mut Grants::default(), request.as_bytes());
    assert_eq!(answer["ok"], true, "{answer}");
    answer["granted"].clone()
}

/// The code, the place and the message of a refusal.
fn refusal(request: &str) -> (String, String, String) {
    let mut grants = Grants::default();
    let answer = ask(&mut grants, request.as_bytes());
    assert!(answer["ok"] == false && grants.is_empty(), "{request}: {answer}");
    let text = |name: &str| answer["error"][name].as_str().unwrap().to_owned();
    (text("code"), text("at"), text("message"))
}

/// A request that is right but for `more`.
fn with(more: &str) -> String {
    format!(r#"{{"filter": "a", "deliver": "b", {more}}}"#)
}

#[test]
fn a_right_request_is_granted_whole_and_echoed() {
    let request = r#"{"filter": "q.>", "deliver": "_INBOX.x", "queue": "g",
        "overflow": {"policy": "conflate", "key": "json:/quote/symbol", "fallback": "disconnect"},
        "limits": {"messages": 1000, "bytes": "8MiB", "behind": "10s", "ttl": 250},
        "report": "status", "query": "kind='quote'AND( price<5 )", "dialect": "extended"}"#;
    let mut grants = Grants::default();
    let answer = ask(&mut grants, request.as_bytes());
    let echo = json!({
        "filter": "q.>", "deliver": "_INBOX.x", "queue": "g",
        "overflow":
            {"policy": "conflate", "key": "json:/quote/symbol", "fallback": "disconnect"},
        "limits": {"messages": 1000, "bytes": 8 << 20, "behind_ms": 10_000, "ttl_ms": 250},
        "report": "status", "query": "kind = 'quote' AND price < 5", "dialect": "extended",
    });
    assert_eq!(answer, json!({"ok": true, "id": "7:_INBOX.x", "granted": echo}));
    fuzz::check_grant(&grants[&b"_INBOX.x"[..]], &answer["granted"]).unwrap();
}

#[test]
fn what_is_not_asked_for_has_its_default() {
    let plain = granted(r#"{"filter": "a.*", "deliver": "b", "queue": null, "limits": {}}"#);
    let none = json!({"messages": null, "bytes": null, "behind_ms": null, "ttl_ms": null});
    let echo = json!({
        "filter": "a.*", "deliver": "b", "queue": null,
        "overflow": {"policy": "disconnect", "key": null, "fallback": null},
        "limits": none, "report": "header", "query": null, "dialect": null,
    });
    assert_eq!(plain, echo);
    let conflate = granted(&with(r#""overflow": {"policy": "conflate"}"#));
    let defaults = json!({"policy": "conflate", "key": "subject", "fallback": "drop-oldest"});
    assert_eq!(conflate["overflow"], defaults);
}

#[test]
fn only_disconnect_goes_without_a_bound() {
    for policy in ["drop-newest", "drop-oldest", "conflate"] {
        let policy = format!(r#""overflow": {{"policy": "{policy}"}}"#);
        let limits = &granted(&with(&policy))["limits"];
        assert_eq!((&limits["messages"], &limits["bytes"]), (&json!(65_536), &json!(16 << 20)));
        let one = granted(&with(&format!(r#"{policy}, "limits": {{"bytes": 100}}"#)));
        assert_eq!(
            (&one["limits"]["messages"], &one["limits"]["bytes"]),
            (&Value::Null, &json!(100))
        );
    }
}

#[test]
fn every_name_there_is_can_be_asked_for() {
    for name in Policy::NAMES {
        let overflow = format!(r#""overflow": {{"policy": "{name}"}}"#);
        assert_eq!(granted(&with(&overflow))["overflow"]["policy"], name);
    }
    for name in floodway::Fallback::ALL.map(floodway::Fallback::name) {
        let overflow = format!(r#""overflow": {{"policy": "conflate", "fallback": "{name}"}}"#);
        assert_eq!(granted(&with(&overflow))["overflow"]["fallback"], name);
    }
    for (name, _) in crate::outbox::Report::NAMES {
        assert_eq!(granted(&with(&format!(r#""report": "{name}""#)))["report"], name);
    }
    for key in ["subject", "header:Symbol", "json:/a/b~1c", "json:/"] {
        let overflow = format!(r#""overflow": {{"policy": "conflate", "key": "{key}"}}"#);
        assert_eq!(granted(&with(&overflow))["overflow"]["key"], key);
    }
}

#[test]
fn sizes_and_durations_have_units() {
    for (text, bytes) in
        [("1", 1), ("3B", 3), ("2 KiB", 2048), ("5kB", 5000), ("1MB", 1_000_000), ("1GiB", 1 << 30)]
    {
        let limits = granted(&with(&format!(r#""limits": {{"bytes": "{text}"}}"#)));
        assert_eq!(limits["limits"]["bytes"], bytes, "{text}");
    }
    for (text, ms) in [("250ms", 250), ("5s", 5000), ("2m", 120_000), (" 1 h ", 3_600_000)] {
        let limits = granted(&with(&format!(r#""limits": {{"ttl": "{text}"}}"#)));
        assert_eq!(limits["limits"]["ttl_ms"], ms, "{text}");
    }
}

/// One wrong value for each field: what is put into a right request, the code, the place.
const WRONG: [(&str, &str, &str); 71] = [
    (r#""queue": 5"#, "bad_value", "queue"),
    (r#""queue": "a b""#, "bad_value", "queue"),
    (r#""queue": """#, "bad_value", "queue"),
    (r#""queue": "g", "queue": "h""#, "duplicate_field", "queue"),
    (r#""filter": "c""#, "duplicate_field", "filter"),
    (r#""deliver": "b""#, "duplicate_field", "deliver"),
    (r#""overflow": {}, "overflow": {}"#, "duplicate_field", "overflow"),
    (r#""limits": null, "limits": {}"#, "duplicate_field", "limits"),
    (r#""report": "none", "report": "none""#, "duplicate_field", "report"),
    (r#""quue": "g""#, "unknown_field", "quue"),
    (r#""ttl": "5s""#, "unknown_field", "ttl"),
    (r#""": 1"#, "unknown_field", ""),
    (r#""overflow": "conflate""#, "bad_value", "overflow"),
    (r#""overflow": ["conflate"]"#, "bad_value", "overflow"),
    (r#""overflow": {"policy": 1}"#, "bad_value", "overflow.policy"),
    (r#""overflow": {"policy": {}}"#, "bad_value", "overflow.policy"),
    (r#""overflow": {"policy": "block"}"#, "unknown_policy", "overflow.policy"),
    (r#""overflow": {"policy": "Conflate"}"#, "unknown_policy", "overflow.policy"),
    (r#""overflow": {"policy": "custom"}"#, "unknown_policy", "overflow.policy"),
    (r#""overflow": {"policy": "conflate", "policy": 1}"#, "duplicate_field", "overflow.policy"),
    (r#""overflow": {"pollicy": "conflate"}"#, "unknown_field", "overflow.pollicy"),
    (r#""overflow": {"key": "subject"}"#, "needs_conflate", "overflow.key"),
    (r#""overflow": {"policy": "drop-oldest", "key": "x"}"#, "needs_conflate", "overflow.key"),
    (r#""overflow": {"fallback": "disconnect"}"#, "needs_conflate", "overflow.fallback"),
    (r#""overflow": {"policy": "conflate", "key": 5}"#, "bad_value", "overflow.key"),
    (r#""overflow": {"policy": "conflate", "key": "sym"}"#, "bad_key", "overflow.key"),
    (r#""overflow": {"policy": "conflate", "key": "header:"}"#, "bad_key", "overflow.key"),
    (r#""overflow": {"policy": "conflate", "key": "json:a"}"#, "bad_key", "overflow.key"),
    (r#""overflow": {"key": null, "key": null}"#, "duplicate_field", "overflow.key"),
    (r#""overflow": {"policy": "conflate", "fallback": true}"#, "bad_value", "overflow.fallback"),
    (r#""overflow": {"policy": "conflate", "fallback": "x"}"#, "bad_value", "overflow.fallback"),
    (r#""overflow": {"fallback": 1, "fallback": 2}"#, "duplicate_field", "overflow.fallback"),
    (r#""limits": 1000"#, "bad_value", "limits"),
    (r#""limits": []"#, "bad_value", "limits"),
    (r#""limits": {"tll": "5s"}"#, "unknown_field", "limits.tll"),
    (r#""limits": {"limits.ttl": "5s"}"#, "unknown_field", "limits.limits.ttl"),
    (r#""limits": {"messages": 0}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": -1}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": 1.5}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": 1e3}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": 9007199254740992}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": 18446744073709551616}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": "1000"}"#, "bad_value", "limits.messages"),
    (r#""limits": {"messages": 1, "messages": 1}"#, "duplicate_field", "limits.messages"),
    (r#""limits": {"bytes": "8 hogsheads"}"#, "bad_value", "limits.bytes"),
    (r#""limits": {"bytes": "MiB"}"#, "bad_value", "limits.bytes"),
    (r#""limits": {"bytes": "-8MiB"}"#, "bad_value", "limits.bytes"),
    (r#""limits": {"bytes": "8388608GiB"}"#, "bad_value", "limits.bytes"),
    (r#""limits": {"bytes": true}"#, "bad_value", "limits.bytes"),
    (r#""limits": {"bytes": 1, "bytes": 2}"#, "duplicate_field", "limits.bytes"),
    (r#""limits": {"behind": -1}"#, "bad_value", "limits.behind"),
    (r#""limits": {"behind": "5"}"#, "bad_value", "limits.behind"),
    (r#""limits": {"behind": "8761h"}"#, "bad_value", "limits.behind"),
    (r#""limits": {"behind": 1, "behind": null}"#, "duplicate_field", "limits.behind"),
    (r#""limits": {"ttl": "0s"}"#, "bad_value", "limits.ttl"),
    (r#""limits": {"ttl": [5]}"#, "bad_value", "limits.ttl"),
    (r#""limits": {"ttl": 1, "ttl": 2}"#, "duplicate_field", "limits.ttl"),
    (r#""report": true"#, "bad_value", "report"),
    (r#""report": "loud""#, "bad_value", "report"),
    (r#""query": 5"#, "bad_value", "query"),
    (r#""query": {"text": "a = 5"}"#, "bad_value", "query"),
    (r#""query": """#, "bad_query", "query"),
    (r#""query": "a = b""#, "bad_query", "query"),
    (r#""query": "a = 5", "query": "a = 5""#, "duplicate_field", "query"),
    (r#""query": "a = 5", "dialect": "Strict""#, "bad_value", "dialect"),
    (r#""query": "a = 5", "dialect": true"#, "bad_value", "dialect"),
    (r#""query": "a.b = 5 OR a.b = 6", "dialect": "strict""#, "bad_query", "query"),
    (r#""query": "a = 5", "dialect": "strict", "dialect": null"#, "duplicate_field", "dialect"),
    (r#""dialect": "strict""#, "needs_query", "dialect"),
    (r#""query": null, "dialect": 5"#, "needs_query", "dialect"),
    (r#""overflow": {"query": "a = 5"}"#, "unknown_field", "overflow.query"),
];

#[test]
fn every_wrong_field_is_named() {
    for (more, code, at) in WRONG {
        let request = with(more);
        let told = refusal(&request);
        assert_eq!((told.0.as_str(), told.1.as_str()), (code, at), "{request}: {}", told.2);
    }
    for (request, code, at) in [
        (r#"{"deliver": "b"}"#, "missing", "filter"),
        (r#"{"filter": "a", "deliver": null}"#, "missing", "deliver"),
        (r#"{"filter": 5, "deliver": "b"}"#, "bad_value", "filter"),
        (r#"{"filter": "a..b", "deliver": "b"}"#, "bad_subject", "filter"),
        (r#"{"filter": "", "deliver": "b"}"#, "bad_subject", "filter"),
        (r#"{"filter": "a", "deliver": ["b"]}"#, "bad_value", "deliver"),
        (r#"{"filter": "a", "deliver": "b c"}"#, "bad_subject", "deliver"),
        (r#"{"filter": "a", "deliver": "b.*"}"#, "bad_subject", "deliver"),
    ] {
        let told = refusal(request);
        assert_eq!((told.0.as_str(), told.1.as_str()), (code, at), "{request}: {}", told.2);
    }
}

#[test]
fn what_is_no_json_object_is_told_with_its_place() {
    let place = |request: &str| {
        let (code, at, message) = refusal(request);
        assert_eq!((code.as_str(), at.as_str()), ("bad_json", ""), "{request}");
        message
    };
    assert!(place("").contains("line 1 column 0"));
    assert!(place("{\n  \"filter\": a}").contains("line 2 column 13"));
    assert!(place(r#"{"filter": "a", "deliver": "b"} x"#).contains("line 1 column 33"));
    assert!(place(r#"{"filter": "a", "deliver": "b","#).contains("line 1 column 31"));
    assert!(place(&"[".repeat(10_000)).contains("line 1 column"));
    assert!(place(&r#"{"a":"#.repeat(10_000)).contains("line 1 column"));
    for (other, what) in [("null", "null"), ("[1, 2]", "a list"), ("\"x\"", "\"x\""), ("5", "5")] {
        assert!(place(other).ends_with(&format!("not {what}")), "{other}: {}", place(other));
    }
}

#[test]
fn a_slip_is_told_with_what_was_meant() {
    for (more, hint) in [
        (r#""limits": {"tll": 1}"#, "did you mean \"ttl\"; known: messages, bytes, behind, ttl"),
        (r#""limit": {}"#, "did you mean \"limits\""),
        (r#""ttl": 1"#, "did you mean \"limits.ttl\""),
        (r#""limits": {"policy": 1}"#, "did you mean \"overflow.policy\""),
        (r#""overflow": {"policy": "drop_oldest"}"#, "did you mean \"drop-oldest\""),
        (r#""overflow": {"policy": "latest"}"#, "known: disconnect, drop-newest, drop-oldest"),
        (r#""report": "Status""#, "did you mean \"status\"; known: header, status, none"),
        (r#""quary": "a = 5""#, "did you mean \"query\""),
        (r#""query": "a = 5", "dialect": "strct""#, "did you mean \"strict\"; known: extended"),
        (
            r#""limits": {"ttl": 1.5}"#,
            "a text such as \"250ms\", \"10s\", \"2m\" or \"1h\", not 1.5",
        ),
    ] {
        let (.., message) = refusal(&with(more));
        assert!(message.contains(hint), "{more}: {message}");
    }
}

// checklist: C2
#[test]
fn a_wrong_query_is_told_with_its_place_and_what_would_be_right() {
    let told = |query: &str| refusal(&with(&format!(r#""query": "{query}""#))).2;
    assert_eq!(
        told("kind = 'quote'\\nAN price < 5"),
        "line 2, column 1 (byte 15): found `AN`, expected AND, OR or the end; did you mean `AND`?"
    );
    assert_eq!(
        told("kind = quote"),
        "line 1, column 8 (byte 7): found `quote`, expected a number, a string in single \
         quotes, DATE or TIME; did you mean `'quote'`?"
    );
    let long = told(&format!("kind = '{}'", "x".repeat(600)));
    assert!(long.contains("the query has 609 bytes, at most 512 are allowed"), "{long}");
    assert!(told("a MATCHES '('").contains("this pattern cannot be used: "));
}

#[test]
fn a_dialect_says_how_the_query_is_read() {
    let read = |dialect: &str| granted(&with(&format!(r#""query": "a.b=5"{dialect}"#)));
    for (dialect, name) in [
        ("", "extended"),
        (r#", "dialect": null"#, "extended"),
        (r#", "dialect": "extended""#, "extended"),
        (r#", "dialect": "strict""#, "strict"),
    ] {
        let granted = read(dialect);
        assert_eq!((&granted["query"], &granted["dialect"]), (&json!("a.b = 5"), &json!(name)));
    }
}

#[test]
fn queries_of_grants_that_wait_have_a_limit_of_memory() {
    // About the largest that is accepted, so that there are fewer than there may be grants.
    let request = |n: usize| {
        let query = r"a MATCHES '[a-q][^u-z]{8}x'";
        json!({"filter": "a", "deliver": format!("b{n}"), "query": query}).to_string()
    };
    let bytes = ask_for_query(&request(0)).held_bytes();
    assert!((MAX_QUERY_BYTES / MAX_GRANTS..MAX_QUERY_BYTES).contains(&bytes), "{bytes}");

    let most = MAX_QUERY_BYTES / bytes;
    let mut grants = Grants::default();
    for n in 0..most {
        assert_eq!(ask(&mut grants, request(n).as_bytes())["ok"], true);
    }
    let refused = ask(&mut grants, request(most).as_bytes());
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["at"]),
        (&json!("too_many"), &json!("query"))
    );
    assert_eq!(ask(&mut grants, request(1).as_bytes())["ok"], true, "in place of the earlier one");
    assert_eq!(ask(&mut grants, with(r#""queue": "g""#).as_bytes())["ok"], true, "without a query");
}

fn ask_for_query(request: &str) -> Query {
    let mut grants = Grants::default();
    ask(&mut grants, request.as_bytes());
    grants.into_values().next().unwrap().spec.query.unwrap()
}

#[test]
fn texts_have_a_limit() {
    let filter = |bytes| format!(r#"{{"filter": "{}", "deliver": "b"}}"#, "f".repeat(bytes));
    granted(&filter(MAX_TEXT_BYTES));
    let (code, at, _) = refusal(&filter(MAX_TEXT_BYTES + 1));
    assert_eq!((code.as_str(), at.as_str()), ("too_large", "filter"));

    let key = |bytes: usize| {
        let key = format!("json:{}", "/".repeat(bytes - "json:".len()));
        with(&format!(r#""overflow": {{"policy": "conflate", "key": "{key}"}}"#))
    };
    granted(&key(MAX_KEY_BYTES));
    let (code, at, _) = refusal(&key(MAX_KEY_BYTES + 1));
    assert_eq!((code.as_str(), at.as_str()), ("too_large", "overflow.key"));

    let request = |bytes: usize| {
        let request = with(r#""limits": {}"#);
        let blanks = " ".repeat(bytes - request.len());
        request + &blanks
    };
    granted(&request(MAX_REQUEST_BYTES));
    let (code, at, _) = refusal(&request(MAX_REQUEST_BYTES + 1));
    assert_eq!((code.as_str(), at.as_str()), ("too_large", ""));
}

#[test]
fn a_refused_request_leaves_an_earlier_grant_as_it_was() {
    let mut grants = Grants::default();
    ask(&mut grants, with(r#""limits": {"messages": 5}"#).as_bytes());
    let before = format!("{grants:?}");
    ask(&mut grants, with(r#""limits": {"messages": 6, "ttl": 0}"#).as_bytes());
    assert_eq!(format!("{grants:?}"), before);
    ask(&mut grants, with(r#""limits": {"messages": 6}"#).as_bytes());
    assert_ne!(format!("{grants:?}"), before);
    assert_eq!(grants.len(), 1);
}

#[test]
fn grants_that_wait_are_counted() {
    let request = |n: usize| format!(r#"{{"filter": "a", "deliver": "b{n}"}}"#);
    let mut grants = Grants::default();
    for n in 0..MAX_GRANTS {
        assert_eq!(ask(&mut grants, request(n).as_bytes())["ok"], true);
    }
    let answer = ask(&mut grants, request(MAX_GRANTS).as_bytes());
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["at"]),
        (&json!("too_many"), &json!("deliver"))
    );
    assert_eq!(grants.len(), MAX_GRANTS);
    let again = ask(&mut grants, request(3).as_bytes());
    assert_eq!(again["ok"], true, "the place of an earlier grant is free for a later one");
}
