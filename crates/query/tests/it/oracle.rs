//! Random queries and events against the direct, slow way to answer.

use floodway_query::{Dialect, Options, Query, Tags};
use proptest::prelude::*;

use crate::random::{Later, events, expr, joined, strict_expr, tags};

/// The limits do not matter here.
fn parse(text: &str) -> Query {
    let options = Options::extended().length_max(4096);
    options.parse(text).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C5
    #[test]
    fn match_is_what_the_tree_says(expr in expr(), events in events()) {
        let query = parse(&expr.text());
        let expected = expr.holds(&events, Dialect::Extended);
        prop_assert_eq!(query.matches(&tags(&events)), expected, "{}", query);
    }

    // checklist: C1
    #[test]
    fn strict_match_is_what_the_tree_says(expr in strict_expr(), events in events()) {
        let query = Options::strict().parse(&expr.strict_text()).unwrap();
        prop_assert_eq!(query.matches(&tags(&events)), expr.holds(&events, Dialect::Strict));
    }

    // checklist: C4
    #[test]
    fn what_is_printed_reads_as_the_same(expr in expr(), events in events()) {
        let query = parse(&expr.text());
        let again = parse(query.as_str());
        prop_assert_eq!(again.as_str(), query.as_str());
        prop_assert_eq!(&again, &query);
        prop_assert_eq!(again.matches(&tags(&events)), query.matches(&tags(&events)));
    }

    #[test]
    fn it_does_not_matter_which_tags_come_later(
        expr in expr(),
        known in events(),
        later in events(),
    ) {
        let query = parse(&expr.text());
        let source = Later::new(later.clone());
        let mut lazy = tags(&known);
        lazy.set_source(&source);
        let both = joined(&known, &later);
        prop_assert_eq!(query.matches(&lazy), expr.holds(&both, Dialect::Extended), "{}", query);
    }
}

// checklist: C6
#[test]
fn conditions_on_one_event() {
    let mut tags = Tags::new();
    tags.push("transfer.sender", "ann");
    tags.push("transfer.amount", "5");
    tags.next_event();
    tags.push("transfer.sender", "bob");
    tags.push("transfer.amount", "7");
    let matches = |text: &str| parse(text).matches(&tags);
    assert!(matches("transfer.sender = 'ann' AND transfer.amount = 7"));
    assert!(!matches("SAME EVENT (transfer.sender = 'ann' AND transfer.amount = 7)"));
    assert!(matches("SAME EVENT (transfer.sender = 'ann' AND transfer.amount = 5)"));
    assert!(matches("SAME EVENT (transfer.sender = 'bob' AND NOT transfer.amount < 6)"));
    assert!(!matches("SAME EVENT (transfer.sender = 'ann' AND NOT transfer.amount < 6)"));
}
