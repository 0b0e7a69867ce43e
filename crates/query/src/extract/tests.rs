use super::*;
use crate::Query;

fn values(extraction: &Extraction, payload: &str) -> Option<Vec<(usize, usize, String)>> {
    let values = extraction.run(payload.as_bytes()).ok()?;
    let text = |value: Value<'_>| {
        (value.key, value.event, String::from_utf8(value.text.into_owned()).unwrap())
    };
    Some(values.into_iter().map(text).collect())
}

fn texts(extraction: &Extraction, payload: &str) -> Option<Vec<String>> {
    Some(values(extraction, payload)?.into_iter().map(|(.., text)| text).collect())
}

#[test]
fn json_values_are_text_as_it_is_written() {
    let extraction = Extraction::json([("v", "/v")]).unwrap();
    for (json, expected) in [
        (r#"{"v": "x"}"#, vec!["x"]),
        (r#"{"v": "a\u00e4\n"}"#, vec!["aä\n"]),
        (r#"{"v": 1.50}"#, vec!["1.50"]),
        (r#"{"v": -123456789012345678901234567890}"#, vec!["-123456789012345678901234567890"]),
        (r#"{"v": true}"#, vec!["true"]),
        (r#"{"v": null}"#, vec![]),
        (r#"{"v": {"w": 1}}"#, vec![]),
        (r#"{"v": ["a", 2, null, [3], {"b": 4}]}"#, vec!["a", "2"]),
        (r#"{"w": 1}"#, vec![]),
        (r#"["v"]"#, vec![]),
        ("5", vec![]),
        (r#"{"\u0076": 7}"#, vec!["7"]),
    ] {
        let found = texts(&extraction, json);
        assert_eq!(found, Some(expected.into_iter().map(str::to_owned).collect()), "{json}");
    }
    for json in ["", "{", r#"{"v": 1} x"#, r#"{"v": 01}"#, "\u{1}", r#"{"v": "x}"#] {
        assert_eq!(texts(&extraction, json), None, "{json}");
    }
}

#[test]
fn json_pointers_reach_into_arrays_and_odd_names() {
    let pairs = [("all", ""), ("one", "/a/1/b"), ("odd", "/~0~1"), ("empty", "/"), ("sub", "/a")];
    let extraction = Extraction::json(pairs).unwrap();
    let found = values(&extraction, r#"{"a": [0, {"b": 1}], "~/": 2, "": 3}"#).unwrap();
    let mut found: Vec<_> = found.into_iter().map(|(key, _, text)| (pairs[key].0, text)).collect();
    found.sort_unstable();
    let expected = [("empty", "3"), ("odd", "2"), ("one", "1"), ("sub", "0")];
    assert_eq!(found, expected.map(|(key, text)| (key, text.to_owned())));
    for pointer in ["a", "/~", "/~2", "~0"] {
        let error = Extraction::json([("a", pointer)]).unwrap_err();
        assert_eq!(error, DeclareError::BadPointer(pointer.to_owned()));
    }
}

#[test]
fn elements_of_an_array_are_events() {
    let pairs = [("transfer.sender", "/from"), ("transfer.amount", "/sum")];
    let extraction = Extraction::json_events("/transfers", pairs).unwrap();
    let json = br#"{"transfers": [{"from": "ann", "sum": 5}, {"from": "bob", "sum": 7}]}"#;
    let payload = Payload::new(&extraction, json);
    let mut tags = Tags::new();
    tags.push("kind", "block");
    tags.set_source(&payload);
    let ask = |text: &str| text.parse::<Query>().unwrap().matches(&tags);
    assert!(ask("transfer.sender = 'ann' AND transfer.amount = 7"));
    assert!(!ask("SAME EVENT (transfer.sender = 'ann' AND transfer.amount = 7)"));
    assert!(ask("kind = 'block' AND SAME EVENT (transfer.sender = 'bob' AND transfer.amount = 7)"));
}

#[test]
fn logfmt_values() {
    let extraction = Extraction::logfmt([("l", "level"), ("m", "msg"), ("f", "flag")]).unwrap();
    let found = |text| texts(&extraction, text);
    let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(found("level=warn msg=\"a \\\"b\\\" c\" flag"), some(&["warn", "a \"b\" c", ""]));
    assert_eq!(found("  x=1 level=  level=a=b\n"), some(&["", "a=b"]));
    assert_eq!(found(""), some(&[]));
    for text in ["level=\"x", "=x", "level=a\"b", "\"level\"=x", "msg=\"a\"b", "msg=\"\\q\""] {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn groups_of_a_regular_expression() {
    let extraction =
        Extraction::text(r"^(?<http.method>\w+) (?<http.path>\S+)(?: (\d+))?").unwrap();
    assert_eq!(extraction.keys(), [Box::from("http.method"), Box::from("http.path")]);
    let expected = vec!["GET".to_owned(), "/x".to_owned()];
    assert_eq!(texts(&extraction, "GET /x 200"), Some(expected));
    assert_eq!(texts(&extraction, "?"), None);
    assert!(matches!(Extraction::text("("), Err(DeclareError::BadRegex(_))));
    assert_eq!(Extraction::text("x").unwrap_err(), DeclareError::NoGroups);
    let error = Extraction::json([("a b", "/a")]).unwrap_err();
    assert_eq!(error, DeclareError::BadKey("a b".to_owned()));
}

#[test]
fn a_payload_is_parsed_once_and_only_if_the_answer_depends_on_it() {
    let extraction = Extraction::json([("price", "/price"), ("q.size", "/size")]).unwrap();
    let parsed = |text: &str| {
        let payload = Payload::new(&extraction, b"{\"price\": 5}");
        let mut tags = Tags::new();
        tags.push("kind", "quote");
        tags.set_source(&payload);
        let query: Query = text.parse().unwrap();
        let answer = query.matches(&tags);
        assert_eq!(query.matches(&tags), answer);
        (payload.is_parsed(), answer)
    };
    assert_eq!(parsed("kind = 'quote'"), (false, true));
    assert_eq!(parsed("price > 4 AND kind = 'trade'"), (false, false));
    assert_eq!(parsed("kind = 'quote' OR price > 4"), (false, true));
    assert_eq!(parsed("other EXISTS"), (false, false));
    assert_eq!(parsed("price > 4 AND kind = 'quote'"), (true, true));
    assert_eq!(parsed("q EXISTS"), (true, false));
    assert_eq!(parsed("NOT price > 5"), (true, true));
}
