//! Keys by what is written by hand, and JSON pointers against those of serde_json.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::*;

fn find(pointer: &str, payload: &str) -> Option<String> {
    let key: Key = format!("json:{pointer}").parse().unwrap();
    let message = Message::new(b"s", payload.as_bytes());
    key.of(&message).map(|key| String::from_utf8(key.into_owned()).unwrap())
}

#[test]
fn finds_the_value_at_a_place() {
    let document = r#"{"a": {"b": [1, {"c": "x\n\"y"}, 2.50, null]}, "/~": true, "a b": "z"}"#;
    let found = |pointer| find(pointer, document);
    assert_eq!(found("/a/b/0").as_deref(), Some("1"));
    assert_eq!(found("/a/b/1/c").as_deref(), Some("x\n\"y"));
    assert_eq!(found("/a/b/2").as_deref(), Some("2.50"));
    assert_eq!(found("/a/b/3").as_deref(), Some("null"));
    assert_eq!(found("/~1~0").as_deref(), Some("true"));
    assert_eq!(found("/a b").as_deref(), Some("z"));
    for nothing in ["/a/c", "/a/b/4", "/a/b/01", "/a/b/-1", "/a b/x", "/x"] {
        assert_eq!(found(nothing), None, "{nothing}");
    }
    assert_eq!(find("/a", "{\"a\": 1"), None, "no JSON");
    assert_eq!(find("/a", ""), None);
    assert_eq!(find("/a", "17"), None);
}

#[test]
fn finds_a_header_whatever_its_case() {
    let key: Key = "header:Symbol".parse().unwrap();
    let block = b"NATS/1.0\r\nOther: a\r\nsymbol:  ACME \r\nSymbol: B\r\n\r\n";
    let message = Message::new(b"s", b"").with_headers(block);
    assert_eq!(key.of(&message).as_deref(), Some(&b"ACME"[..]));
    let without = Message::new(b"s", b"").with_headers(b"NATS/1.0\r\n\r\n");
    assert_eq!(key.of(&without), None);
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["", "Subject", "header:", "header:a b", "header:a:", "json:", "json:a", "json:/~2"]
    {
        assert!(text.parse::<Key>().is_err(), "{text}");
    }
}

#[test]
fn of_several_entries_of_one_name_the_last_counts() {
    for (document, found) in [
        (r#"{"a": 1, "a": 2}"#, Some("2")),
        (r#"{"a": {"b": 1}, "a": 2}"#, Some("2")),
        (r#"{"a": 2, "a": {"b": 1}}"#, Some("{\"b\": 1}")),
        (r#"{"\u0061": "x"}"#, Some("x")),
    ] {
        assert_eq!(find("/a", document).as_deref(), found, "{document}");
    }
    assert_eq!(find("/a/b", r#"{"a": {"b": 1}, "a": 2}"#), None);
    assert_eq!(find("/a/b", r#"{"a": {"b": 1}, "a": {}}"#), None);
    assert_eq!(find("/a/b", r#"{"a": 2, "a": {"b": 1}}"#).as_deref(), Some("1"));
}

#[test]
fn a_key_is_written_as_it_was_read() {
    for text in ["subject", "header:Nats-Msg-Id", "json:/", "json:/a~1b/0/~0"] {
        let key: Key = text.parse().unwrap();
        assert_eq!(
            (key.to_string().as_str(), key.clone()),
            (text, key.to_string().parse().unwrap())
        );
    }
}

#[test]
fn what_is_no_header_has_no_key() {
    let key: Key = "header:A".parse().unwrap();
    for (block, found) in [
        (&b""[..], None),
        (b"NATS/1.0", None),
        (b"NATS/1.0\r\nA", None),
        (b"NATS/1.0\r\nA:", Some(&b""[..])),
        (b"NATS/1.0\r\nA: b: c\r\n", Some(b"b: c")),
        (b"NATS/1.0\r\nAB: x\r\na:\ty\r\n\r\n", Some(b"y")),
        // The first line is no header, whatever it looks like.
        (b"A: x\r\n\r\n", None),
    ] {
        let message = Message::new(b"s", b"").with_headers(block);
        assert_eq!(key.of(&message).as_deref(), found, "{}", block.escape_ascii());
    }
}

const NAMES: [&str; 12] = ["a", "b", "", "/", "~", "~1", "0", "1", "\u{e9}", "\"", "a\\b", "\n"];

/// JSON as somebody might write it: with spaces, escapes and names that come twice.
fn json() -> impl Strategy<Value = String> {
    let string = |text: &str, escape: bool| match text {
        text if escape => {
            let each = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", each.collect::<String>())
        }
        text => serde_json::to_string(text).unwrap(),
    };
    let text = (select(&NAMES[..]), any::<bool>()).prop_map(move |(text, esc)| string(text, esc));
    let literal = select(&["null", "true", "-1", "0", "2.50", "1e3", "12345678901234567890"][..]);
    let leaf = prop_oneof![text.clone(), literal.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let space = select(&["", " ", "\n\t"][..]);
        let entry = (text.clone(), inner.clone(), space.clone())
            .prop_map(|(name, value, space)| format!("{space}{name}{space}:{space}{value}{space}"));
        let list = (proptest::collection::vec(inner, 0..4), space)
            .prop_map(|(all, space)| format!("[{space}{}{space}]", all.join(",")));
        let object = proptest::collection::vec(entry, 0..5)
            .prop_map(|entries| format!("{{{}}}", entries.join(",")));
        prop_oneof![1 => list, 2 => object]
    })
}

fn pointer() -> impl Strategy<Value = String> {
    let token = prop_oneof![5 => select(&NAMES[..]), 1 => select(&["2", "01", "-", "+1", "x"][..])];
    proptest::collection::vec(token, 1..4).prop_map(|tokens| {
        let escaped = tokens.iter().map(|token| token.replace('~', "~0").replace('/', "~1"));
        escaped.map(|token| format!("/{token}")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_serde_json_finds(document in json(), pointer in pointer()) {
        let value: Value = serde_json::from_str(&document).unwrap();
        let found = find(&pointer, &document);
        match value.pointer(&pointer) {
            None => prop_assert_eq!(found, None),
            Some(Value::String(text)) => prop_assert_eq!(found.as_ref(), Some(text)),
            Some(other) => {
                let found = found.expect("it is there");
                prop_assert_eq!(&serde_json::from_str::<Value>(&found).unwrap(), other);
                prop_assert!(document.contains(&found), "as it is written");
            }
        }
    }

    #[test]
    fn what_is_cut_off_has_no_key(document in json(), pointer in pointer(), cut in 0..200_usize) {
        let cut = document.floor_char_boundary(cut.min(document.len()));
        if serde_json::from_str::<Value>(&document[..cut]).is_err() {
            prop_assert_eq!(find(&pointer, &document[..cut]), None);
        }
    }

    #[test]
    fn no_text_makes_it_panic(pointer in pointer(), document in "[\\[\\]{}:,\"\\\\ab0~u/ ]{0,40}") {
        find(&pointer, &document);
    }
}
