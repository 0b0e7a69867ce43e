//! The extended language, by examples.

use floodway_query::{Options, ParseError, Query, Reason, Tags};

fn tags() -> Tags<'static> {
    let mut tags = Tags::new();
    for (key, value) in [
        ("kind", "quote"),
        ("tx.fee", "-0.25atom"),
        ("tx.height", "5"),
        ("tx.height", "12"),
        ("name.first", "Émile"),
        ("text", "GET /index.html 200"),
        ("NOT.a", "1"),
        ("SAME", "2"),
    ] {
        tags.push(key, value);
    }
    tags
}

// checklist: C5
#[test]
fn what_matches() {
    for text in [
        "kind = 'trade' OR kind = 'quote'",
        "kind = 'trade' AND tx.height = 1 OR tx.height = 5",
        "NOT kind = 'trade'",
        "NOT kind = 'trade' AND tx.height = 5",
        "NOT (kind = 'trade' OR tx.height = 1)",
        "NOT NOT kind = 'quote'",
        "NOT absent EXISTS",
        "kind != 'trade'",
        "tx.height != 5",
        "tx.height IN (1, 3, 5)",
        "kind IN ('trade', 'quote')",
        "tx.height IN ('12', 99)",
        "tx.fee < 0",
        "tx.fee = -0.250",
        "tx.fee > -1 AND tx.fee >= -0.25",
        "kind STARTS WITH 'quo' AND kind ENDS WITH 'ote'",
        "kind = 'QUOTE' IGNORE CASE",
        "kind IN ('TRADE', 'QUOTE') IGNORE CASE",
        "kind CONTAINS 'UOT' IGNORE CASE",
        "name.first = 'éMILE' IGNORE CASE",
        "name.first STARTS WITH 'é' IGNORE CASE",
        "kind != 'TRADE' IGNORE CASE",
        "text MATCHES '^GET /\\S+ 2\\d\\d$'",
        "text MATCHES 'INDEX' IGNORE CASE",
        "name.first MATCHES '^.mile$'",
        "NOT = 5 OR NOT EXISTS",
        "SAME = 2 AND SAME EXISTS",
        "SAME EVENT (kind = 'quote' AND tx.height = 5)",
        "((((kind = 'quote'))))",
    ] {
        assert!(text.parse::<Query>().unwrap().matches(&tags()), "{text}");
    }
}

// checklist: C5
#[test]
fn what_does_not() {
    for text in [
        "kind = 'trade' OR kind = 'Quote'",
        "kind = 'quote' AND (tx.height = 1 OR tx.height = 2)",
        "NOT tx.height = 5",
        "kind != 'quote'",
        "absent != 'x'",
        "kind != 5",
        "NOT kind = 'x' AND kind = 'trade'",
        "tx.height IN (1, 3)",
        "kind IN ('5', 5)",
        "tx.fee > 0",
        "kind = 'QUOTE'",
        "kind STARTS WITH 'uote'",
        "kind != 'QUOTE' IGNORE CASE",
        "text MATCHES '^POST'",
        "kind MATCHES '^uote'",
    ] {
        assert!(!text.parse::<Query>().unwrap().matches(&tags()), "{text}");
    }
}

#[test]
fn canonical_texts() {
    for (text, canonical) in [
        ("(a=1 OR b=2)AND c=3", "(a = 1 OR b = 2) AND c = 3"),
        ("(a=1 AND b=2)OR(c=3)", "a = 1 AND b = 2 OR c = 3"),
        ("(a=1)OR((b=2 OR c=3))", "a = 1 OR b = 2 OR c = 3"),
        ("NOT(a=1)AND NOT(b=2 AND c=3)", "NOT a = 1 AND NOT (b = 2 AND c = 3)"),
        ("a IN('x' ,2)", "a IN ('x', 2)"),
        ("a='x'IGNORE CASE", "a = 'x' IGNORE CASE"),
        ("SAME EVENT((a=1))", "SAME EVENT (a = 1)"),
        ("a STARTS\nWITH'x'", "a STARTS WITH 'x'"),
    ] {
        assert_eq!(text.parse::<Query>().unwrap().as_str(), canonical);
    }
}

// checklist: C5
#[test]
fn extensions_are_off_in_the_strict_language() {
    for (text, offset) in [
        ("a.b = 1 OR a.c = 2", 8),
        ("NOT a.b = 1", 4),
        ("a.b != 1", 4),
        ("(a.b = 1)", 0),
        ("a.b IN (1, 2)", 4),
        ("a.b > -1", 6),
        ("a.b STARTS WITH 'x'", 4),
        ("a.b ENDS WITH 'x'", 4),
        ("a.b MATCHES 'x'", 4),
        ("a.b = 'x' IGNORE CASE", 10),
        ("SAME EVENT (a.b = 1)", 5),
    ] {
        assert!(text.parse::<Query>().is_ok(), "{text}");
        let error = Options::strict().parse(text).unwrap_err();
        assert_eq!((error.offset(), error.reason()), (offset, &Reason::Syntax), "{text}");
    }
    // Where both read the same text, the extended language sees more.
    let tags = tags();
    for text in ["kind = 'quote'", "tx.fee < 5"] {
        assert!(text.parse::<Query>().unwrap().matches(&tags), "{text}");
        assert!(!Options::strict().parse(text).unwrap().matches(&tags), "{text}");
    }
}

fn error(text: &str) -> ParseError {
    text.parse::<Query>().unwrap_err()
}

// checklist: C2
#[test]
fn errors_have_places_and_suggestions() {
    for (text, offset, suggestion) in [
        ("a = 1 AN b = 2", 6, Some("AND")),
        ("a = 1 and b = 2", 6, Some("AND")),
        ("a = 1 or b = 2", 6, Some("OR")),
        ("a = 1 && b = 2", 6, Some("AND")),
        ("a = 1 || b = 2", 6, Some("OR")),
        ("a = \"x\"", 4, Some("'x'")),
        ("a = x", 4, Some("'x'")),
        ("a > '5'", 4, Some("5")),
        ("a == 5", 3, Some("=")),
        ("a => 5", 3, Some(">=")),
        ("a =< 5", 3, Some("<=")),
        ("a <> 5", 3, Some("!=")),
        ("a exists", 2, Some("EXISTS")),
        ("a CONTAIN 'x'", 2, Some("CONTAINS")),
        ("a LIKE 'x'", 2, Some("CONTAINS")),
        ("a STARTSWITH 'x'", 2, None),
        ("a START WITH 'x'", 2, Some("STARTS WITH")),
        ("not a = 1", 0, Some("NOT")),
        ("! a = 1", 0, Some("NOT")),
        ("'a' = 1", 0, Some("a")),
        ("a = DAT 2013-01-01", 4, Some("DATE")),
        ("a = DATE2013-01-01", 4, Some("DATE 2013-01-01")),
        ("a CONTAINS 5", 11, Some("'5'")),
        ("a = 'x' IGNORECASE", 8, None),
        ("a = 'x' IGNOR CASE", 8, Some("IGNORE CASE")),
        ("(a = 1", 6, None),
        ("a = 1)", 5, None),
        ("a IN 5", 5, None),
        ("a IN (5 6)", 8, None),
        ("a IN ()", 6, None),
        ("SAME EVENT a = 1", 11, None),
        ("SAME EVENT (SAME EVENT (a = 1))", 12, None),
        ("a = 5 IGNORE CASE", 6, None),
    ] {
        let error = error(text);
        let found = (error.offset(), error.suggestion());
        assert_eq!(found, (offset, suggestion), "{text}\n{error}");
        assert_eq!(*error.reason(), Reason::Syntax, "{text}");
    }
}

#[test]
fn errors_know_lines_and_columns() {
    let error = error("kind = 'ä' AND\n  size >> 5");
    assert_eq!((error.line(), error.column(), error.offset()), (2, 9, 24));
    let lines = [
        "line 2, column 9 (byte 24): found `>`, expected a number, DATE or TIME",
        "    size >> 5",
        "          ^",
    ];
    assert_eq!(error.to_string(), lines.join("\n"));
}

#[test]
fn limits_are_typed() {
    let deep = |levels: usize| format!("{}a = 1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(deep(32).parse::<Query>().is_ok());
    assert_eq!(*error(&deep(33)).reason(), Reason::TooDeep { limit: 32 });
    assert!(Options::extended().depth_max(33).parse(&deep(33)).is_ok());
    let long = Options::extended().length_max(Options::LENGTH_CAP);
    let number = |digits: usize| format!("a = {}", "1".repeat(digits));
    assert!(long.parse(&number(1000)).is_ok());
    let error = long.parse(&number(1001)).unwrap_err();
    assert_eq!(*error.reason(), Reason::NumberTooLong { limit: 1000 });
    let patterns = |count| vec!["a MATCHES 'x'"; count].join(" OR ");
    assert!(patterns(4).parse::<Query>().is_ok());
    let error = patterns(5).parse::<Query>().unwrap_err();
    assert_eq!(*error.reason(), Reason::TooManyPatterns { limit: 4 });
    let error = "a MATCHES '[ab]*a[ab]{30}'".parse::<Query>().unwrap_err();
    assert!(matches!(error.reason(), Reason::PatternTooCostly { .. }), "{error}");
    let error = "a MATCHES 'x('".parse::<Query>().unwrap_err();
    assert!(matches!(error.reason(), Reason::BadPattern(_)), "{error}");
    assert_eq!(error.offset(), 11);
}

#[test]
fn a_pattern_sees_the_first_2_kib() {
    let query: Query = "a MATCHES 'x$'".parse().unwrap();
    for (length, seen) in [(2 * 1024, true), (2 * 1024 + 1, false)] {
        let text = format!("{}x", " ".repeat(length - 1));
        let mut tags = Tags::new();
        tags.push("a", &text);
        assert_eq!(query.matches(&tags), seen);
    }
}
