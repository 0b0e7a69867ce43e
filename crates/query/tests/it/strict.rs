//! The strict language, by a table that was written from its rules.

use floodway_query::{Options, Query, Reason, Tags};
use serde_json::Value;

const TABLE: &str = include_str!("../data/strict.jsonl");

struct Row {
    number: usize,
    query: String,
    events: Vec<(String, Vec<String>)>,
    expect: String,
    offset: Option<usize>,
}

fn table() -> Vec<Row> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let values = |list: &Value| list.as_array().unwrap().iter().map(text).collect();
    let rows = (1..).zip(TABLE.lines()).map(|(number, line)| {
        let row: Value = serde_json::from_str(line).unwrap();
        let events = row["events"].as_object().unwrap();
        Row {
            number,
            query: text(&row["query"]),
            events: events.iter().map(|(key, list)| (key.clone(), values(list))).collect(),
            expect: text(&row["expect"]),
            offset: row["offset"].as_u64().map(|offset| offset as usize),
        }
    });
    rows.collect()
}

fn tags(events: &[(String, Vec<String>)]) -> Tags<'_> {
    let mut tags = Tags::new();
    for (key, values) in events {
        if values.is_empty() {
            tags.push_empty(key);
        }
        values.iter().for_each(|value| tags.push(key, value));
    }
    tags
}

// checklist: C1
#[test]
fn every_row_has_its_answer() {
    let rows = table();
    assert!(rows.len() >= 150, "{}", rows.len());
    let mut wrong = Vec::new();
    for Row { number, query, events, expect, .. } in &rows {
        let answer = match Options::strict().parse(query) {
            Ok(query) if query.matches(&tags(events)) => "match",
            Ok(_) => "no_match",
            Err(_) => "syntax_error",
        };
        if answer != expect {
            wrong.push(format!("row {number}: {answer}, expected {expect}: {query}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// checklist: C2
#[test]
fn every_error_has_its_place() {
    let mut wrong = Vec::new();
    for Row { number, query, offset, .. } in &table() {
        let error = match Options::strict().parse(query) {
            Ok(_) => continue,
            Err(error) => error,
        };
        assert_eq!(*error.reason(), Reason::Syntax);
        assert!(query.is_char_boundary(error.offset()), "row {number}");
        assert!(!error.found().is_empty() && !error.expected().is_empty(), "row {number}");
        if Some(error.offset()) != *offset {
            wrong.push(format!("row {number}: {}, not {offset:?}: {query}", error.offset()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// checklist: C4
#[test]
fn canonical_texts_of_the_table_are_fixed() {
    for row in table() {
        let Ok(query) = Options::strict().parse(&row.query) else { continue };
        let again = Options::strict().length_max(2000).parse(query.as_str()).unwrap();
        assert_eq!((again.as_str(), &again), (query.as_str(), &query));
        assert_eq!(again.matches(&tags(&row.events)), query.matches(&tags(&row.events)));
    }
}

// checklist: C5
#[test]
fn a_strict_query_is_an_extended_query_of_the_same_text() {
    for row in table() {
        let Ok(strict) = Options::strict().parse(&row.query) else { continue };
        let extended: Query = row.query.parse().unwrap();
        assert_eq!(extended.as_str(), strict.as_str());
        assert_ne!(extended, strict, "their meanings differ, so they are not equal");
    }
}

#[test]
fn the_text_may_have_512_bytes() {
    let query = |length: usize| format!("a.b = '{}'", "x".repeat(length - 8));
    assert!(Options::strict().parse(&query(512)).is_ok());
    let error = Options::strict().parse(&query(513)).unwrap_err();
    assert_eq!(*error.reason(), Reason::TooLong { length: 513, limit: 512 });
    assert!(Options::strict().length_max(513).parse(&query(513)).is_ok());
}
