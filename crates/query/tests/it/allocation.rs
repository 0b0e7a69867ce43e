//! Matching allocates nothing.

use std::hint::black_box;
use std::sync::LazyLock;

use floodway_query::{Index, Query, Tags};

fn tags() -> Tags<'static> {
    let mut tags = Tags::new();
    for (key, value) in [
        ("tm.event", "Tx"),
        ("tx.height", "5"),
        ("tx.height", "99999999999999999999999999999999999999999999.5"),
        ("account", "a17"),
        ("kind", "quote"),
        ("tx.time", "2013-05-03T14:45:00Z"),
        ("text", "some text that is longer than the others"),
        ("long", &LONG),
    ] {
        tags.push(key, value);
    }
    tags
}

/// More text than is searched without the tables of `CONTAINS`.
static LONG: LazyLock<String> = LazyLock::new(|| "need need".repeat(8 * 1024));

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

// checklist: C3
#[test]
fn match_allocates_nothing() {
    let tags = tags();
    assert!(allocations(|| drop(black_box(Box::new(5)))) > 0, "the counter counts");
    for text in [
        "tm.event = 'Tx' AND tx.height > 4 AND tx.height < 6",
        "tx.height > 99999999999999999999999999999999999999999999 AND NOT tx.height < 0.5",
        "tx.height IN (1, 2, 5) OR kind IN ('a', 'b', 'quote')",
        "text MATCHES '(longer|shorter) than' AND text CONTAINS 'OTHERS' IGNORE CASE",
        "SAME EVENT (tx.time > TIME 2000-01-01T00:00:00Z AND text CONTAINS 'than the')",
        "long CONTAINS 'eedneed' AND NOT long CONTAINS 'needle'",
        "SAME EVENT (long CONTAINS 'd n' AND long CONTAINS 'dn' AND NOT long CONTAINS 'deed')",
        "tm EXISTS AND (account = 'a17' OR account STARTS WITH 'b')",
    ] {
        let query: Query = text.parse().unwrap();
        let mut matched = false;
        let count = allocations(|| matched = black_box(&query).matches(black_box(&tags)));
        assert!(matched, "{text}");
        assert_eq!(count, 0, "{text}");
    }
}

// checklist: C3
#[test]
fn an_index_allocates_nothing() {
    let mut index = Index::new();
    for number in 0..1000 {
        let query = format!("account = 'a{number}' AND kind = 'quote' AND tx.height > {number}");
        index.insert(number, query.parse().unwrap());
    }
    let tags = tags();
    let mut found = 0;
    let count = allocations(|| {
        index.matching(&tags, |_| found += 1);
    });
    assert_eq!((found, count), (1, 0));
}

// checklist: C3
#[test]
fn a_sweep_allocates_nothing() {
    let mut tags = tags();
    for _ in 0..600 {
        tags.next_event();
        tags.push("tx.height", "7");
        tags.push("text", "nothing in it");
    }
    for text in [
        "a = 1 OR b = 2 OR tx.height < 4.9 OR tx.height > 1000000 OR c = 5 OR text CONTAINS 'x'",
        "tx.height IN (1, 2, 3, 4, 6, 99999999999999999999999999999999999999999999.50)",
        "SAME EVENT (text CONTAINS 'hing' AND NOT text CONTAINS 'some' AND tx.height = 7.0)",
        "NOT SAME EVENT (text MATCHES 'it$' AND tx.height > 8) AND NOT (a = 1 OR a = 2 OR a = 3)",
    ] {
        let query: Query = text.parse().unwrap();
        let mut matched = false;
        let count = allocations(|| matched = black_box(&query).matches(black_box(&tags)));
        assert!(matched, "{text}");
        assert_eq!(count, 0, "{text}");
    }
}
