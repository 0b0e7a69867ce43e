//! The number of tags of a message that queries look at.

use floodway_query::{Dialect, Extraction, Options, Payload, Query, Tags};
use proptest::prelude::*;

use crate::random::{Event, Later, events, expr, joined, tags};

fn both(text: &str) -> [Query; 2] {
    [Options::strict(), Options::extended()].map(|options| options.parse(text).unwrap())
}

fn extended(text: &str) -> Query {
    text.parse().unwrap()
}

/// Conditions that are evaluated one by one, looked up by hash, and answered in a sweep.
const SEEN: [&str; 6] = [
    "last.tag EXISTS",
    "last.tag = 'v'",
    "last.tag CONTAINS 'v'",
    "last EXISTS",
    "last.tag EXISTS AND padding.of EXISTS AND padding.of = 'v' AND padding.of CONTAINS 'v' \
     AND last EXISTS AND last.tag CONTAINS ''",
    "last.tag CONTAINS 'v' AND last.tag CONTAINS ''",
];

// checklist: C3
#[test]
fn the_last_that_is_seen_and_the_first_that_is_not() {
    for (padding, seen) in [(Tags::MOST - 1, true), (Tags::MOST, false)] {
        let mut tags = Tags::new();
        (0..padding).for_each(|_| tags.push("padding.of", "v"));
        tags.push("last.tag", "v");
        assert_eq!(tags.dropped(), u64::from(!seen));
        assert_eq!(tags.len(), Tags::MOST);
        for query in SEEN.iter().flat_map(|text| both(text)) {
            assert_eq!(query.matches(&tags), seen, "{query}");
        }
        for text in SEEN {
            assert_eq!(extended(&format!("NOT ({text})")).matches(&tags), !seen, "{text}");
            assert_eq!(extended(&format!("SAME EVENT ({text})")).matches(&tags), seen, "{text}");
        }
        let tags = tags.recycle();
        assert_eq!((tags.dropped(), tags.len()), (0, 0));
    }
}

// checklist: C3
#[test]
fn headers_and_what_is_extracted_count_together() {
    let extraction = Extraction::json([("padding.of", "/p"), ("last.tag", "/l")]).unwrap();
    for known in [0, 1, 300, Tags::MOST - 1, Tags::MOST, Tags::MOST + 3] {
        for extracted in [0, 1, 211, 212, Tags::MOST - 1, Tags::MOST] {
            let payload = format!(r#"{{"p": [{}null], "l": "v"}}"#, "1,".repeat(extracted));
            for query in SEEN.iter().flat_map(|text| both(text)) {
                let payload = Payload::new(&extraction, payload.as_bytes());
                let mut tags = Tags::new();
                (0..known).for_each(|_| tags.push("padding.of", "v"));
                tags.set_source(&payload);
                let all = known + extracted + 1;
                // What it says of the padding needs some.
                let padded = !query.as_str().contains("padding") || known > 0;
                let seen = all <= Tags::MOST && padded;
                assert_eq!(query.matches(&tags), seen, "{known} {extracted} {query}");
                if payload.is_parsed() {
                    assert_eq!(tags.dropped(), all.saturating_sub(Tags::MOST) as u64);
                }
            }
        }
    }
}

/// However many there are, events without tags neither count nor take memory.
#[test]
fn events_without_tags_are_none() {
    let mut tags = Tags::new();
    (0..1_000_000).for_each(|_| tags.next_event());
    tags.push("a", "1");
    tags.next_event();
    tags.push("a", "2");
    (0..1_000_000).for_each(|_| tags.next_event());
    assert!(extended("SAME EVENT (a = '1' AND NOT a = '2')").matches(&tags));
    assert!(!extended("SAME EVENT (a = '1' AND a = '2')").matches(&tags));
    assert!(!extended("SAME EVENT (NOT a EXISTS)").matches(&tags));
    assert_eq!(format!("{tags:?}").matches('1').count(), 1);
}

// checklist: C3
#[test]
fn an_event_of_which_nothing_is_seen_is_none() {
    let without = extended("SAME EVENT (NOT padding.of EXISTS)");
    let padding = || vec![("padding.of", vec!["v"; Tags::MOST])];
    let beyond = vec![padding(), vec![("a", vec!["1"])]];
    assert!(!without.matches(&tags(&beyond)));
    let source = Later::new(beyond);
    let mut lazy = Tags::new();
    lazy.set_source(&source);
    assert!(!without.matches(&lazy));
    assert_eq!(lazy.dropped(), 1);
}

/// The events of a source are counted from the first one of the message at hand.
#[test]
fn tags_in_used_memory_begin_with_the_first_event() {
    let source = Later::new(vec![vec![("b", vec!["2"])]]);
    let mut tags = tags(&[vec![("a", vec!["1"])], vec![("a", vec!["1"])]]).recycle();
    tags.push("a", "1");
    tags.set_source(&source);
    assert!(extended("SAME EVENT (a = '1' AND b = '2')").matches(&tags));
}

/// Patterns look at the first 2 KiB of the values, those of a source behind the others.
#[test]
fn the_text_of_a_source_is_counted_behind_that_of_the_message() {
    let query = extended("b MATCHES '^v$'");
    let source = Later::new(vec![vec![("b", vec!["v"])]]);
    for (length, seen) in [(2047, true), (2048, false)] {
        let long = "x".repeat(length);
        let mut tags = Tags::new();
        tags.push("a", &long);
        tags.set_source(&source);
        assert_eq!(query.matches(&tags), seen, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    // checklist: C3
    #[test]
    fn what_is_beyond_might_as_well_not_be_there(
        expr in expr(),
        known in events(),
        later in events(),
        beyond in events(),
        padded_later in any::<bool>(),
    ) {
        let count = |events: &[Event]| -> usize {
            events.iter().flatten().map(|(_, values)| values.len().max(1)).sum()
        };
        let padding = Tags::MOST - count(&known) - count(&later);
        let padding: Event = vec![("padding.of", vec!["v"; padding])];
        let (mut known, mut later) = (known, later);
        if padded_later { later.push(padding) } else { known.push(padding) }
        let text = format!("{} OR q EXISTS OR q1 EXISTS OR q2 EXISTS OR q3 EXISTS", expr.text());
        let query = Options::extended().length_max(4096).parse(&text).unwrap();
        let all: Vec<Event> = later.iter().chain(&beyond).cloned().collect();
        let source = Later::new(all);
        let mut lazy = tags(&known);
        lazy.set_source(&source);
        let both = joined(&known, &later);
        prop_assert_eq!(query.matches(&lazy), expr.holds(&both, Dialect::Extended), "{}", query);
    }
}
