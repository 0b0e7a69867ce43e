//! Queries of many conditions on messages of many tags, which are answered in one sweep, against
//! the direct, slow way.

use floodway_query::{Dialect, Options, Query, Tags};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::random::{Event, Later, events, expr, number, strict_expr, tags};

/// Tags that nothing asks for, and more of them than are looked at one condition after the other.
const PADDING: usize = 440;

/// Conditions that change nothing, and make a query long enough for a sweep.
const NOTHING: &str = " AND NOT (q1 EXISTS OR q2 > 5 OR q3 = 'x' OR q4 != 5 OR q5 EXISTS)";

/// Numbers of few digits and of many, some of which differ little.
const NUMBER: &str = "(0{0,3}[0-9]{1,3}|9{17,38}|1[0-9]{16,40})\
                      ([.]([0-9]{0,3}|0{15,40}1?|9{36,40}))?";

/// The same events with more tags, before and behind and between them.
fn padded(events: &[Event]) -> Vec<Event> {
    let padding = |tags: usize| vec![("padding.of", vec!["v"; tags])];
    let mut all = vec![padding(1); PADDING / 2];
    for event in events {
        all.push(event.clone());
        all.push(padding(1));
    }
    all.push(padding(PADDING / 2));
    all
}

/// Events are decided 64 at a time, and the last ones are mostly fewer.
#[test]
fn a_sweep_knows_how_many_events_there_are() {
    let never = "NOT (q1 EXISTS OR q2 > 5 OR q3 = 'x' OR q4 != 5 OR q5 EXISTS)";
    let [without, with] = ["NOT a = 'v'", "a = 'v' AND last EXISTS"]
        .map(|it| format!("{never} AND SAME EVENT ({it})").parse::<Query>().unwrap());
    for number in [1, 2, 63, 64, 65, 127, 128, 129] {
        let mut events = vec![vec![("a", vec!["v"])]; number];
        events[0].push(("padding.of", vec!["v"; Tags::MOST - number - 1]));
        assert!(!with.matches(&tags(&events)), "{number}");
        events[number - 1].push(("last", vec!["v"]));
        assert!(!without.matches(&tags(&events)), "{number}");
        assert!(with.matches(&tags(&events)), "{number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C3, C5, C6
    #[test]
    fn a_sweep_says_what_the_tree_says(expr in expr(), other in expr(), events in events()) {
        let events = padded(&events);
        let text = format!("(({}) OR ({})){NOTHING}", expr.text(), other.text());
        let Ok(query) = Options::extended().length_max(4096).parse(&text) else { return Ok(()) };
        let expected = [expr, other].iter().any(|it| it.holds(&events, Dialect::Extended));
        prop_assert_eq!(query.matches(&tags(&events)), expected, "{}", query);
    }

    // checklist: C1, C3
    #[test]
    fn a_strict_sweep_says_what_the_tree_says(expr in strict_expr(), events in events()) {
        let events = padded(&events);
        let more = " AND padding.of EXISTS".repeat(5);
        let query = Options::strict().parse(&(expr.strict_text() + &more)).unwrap();
        let expected = expr.holds(&events, Dialect::Strict);
        prop_assert_eq!(query.matches(&tags(&events)), expected, "{}", query);
    }

    // checklist: C3
    #[test]
    fn a_sweep_asks_for_tags_that_come_later(
        expr in expr(),
        known in events(),
        later in events(),
        first in any::<bool>(),
    ) {
        let (known, later) = match first {
            true => (padded(&known), later),
            false => (known, padded(&later)),
        };
        let source = Later::new(later.clone());
        let mut lazy = tags(&known);
        lazy.set_source(&source);
        let number = known.len().max(later.len());
        let event = |at: usize| known.get(at).into_iter().chain(later.get(at)).flatten().cloned();
        let both: Vec<Event> = (0..number).map(|at| event(at).collect()).collect();
        let query: Query = Options::extended()
            .length_max(4096)
            .parse(&format!("({}){NOTHING}", expr.text()))
            .unwrap();
        prop_assert_eq!(query.matches(&lazy), expr.holds(&both, Dialect::Extended), "{}", query);
    }

    // checklist: C3
    #[test]
    fn a_sweep_compares_numbers_of_any_size(
        values in vec(("-?", NUMBER, "[a-z]?").prop_map(|(a, b, c)| a + &b + &c), 1..5),
        bounds in vec(NUMBER, 6..9),
        sign in 0..6_usize,
        negative in any::<bool>(),
    ) {
        let sign = ["<", "<=", ">", ">=", "=", "!="][sign];
        let minus = if negative { "-" } else { "" };
        let bounds: Vec<String> = bounds.iter().map(|it| format!("{minus}{it}")).collect();
        for dialect in [Dialect::Strict, Dialect::Extended] {
            let is_strict = dialect == Dialect::Strict;
            if is_strict && (negative || sign == "!=") {
                continue;
            }
            let options = if is_strict { Options::strict() } else { Options::extended() };
            let options = options.length_max(4096);
            let mut tags = Tags::new();
            (0..PADDING).for_each(|_| tags.push("padding.of", "v"));
            values.iter().for_each(|value| tags.push("a.b", value));
            // One comparison is made by itself; that it is right is tested elsewhere.
            let holds = |bound: &String| {
                options.parse(&format!("a.b {sign} {bound}")).unwrap().matches(&tags)
            };
            if !is_strict {
                let all: Vec<String> = bounds.iter().map(|it| format!("a.b {sign} {it}")).collect();
                let query = options.parse(&all.join(" OR ")).unwrap();
                prop_assert_eq!(query.matches(&tags), bounds.iter().any(holds), "{}", query);
            }
            let all: Vec<String> = bounds.iter().map(|it| format!("a.b {sign} {it}")).collect();
            let query = options.parse(&all.join(" AND ")).unwrap();
            prop_assert_eq!(query.matches(&tags), bounds.iter().all(holds), "{}", query);
            // Each by itself, as the others are always met.
            for bound in &bounds {
                let always = " AND padding.of = 'v'".repeat(6);
                let query = options.parse(&format!("a.b {sign} {bound}{always}")).unwrap();
                prop_assert_eq!(query.matches(&tags), holds(bound), "{}", query);
            }
            if !is_strict && sign == "=" {
                let expected = values.iter().any(|value| {
                    let value = number(value, true);
                    bounds.iter().any(|bound| value.is_some() && value == number(bound, true))
                });
                let query = options.parse(&format!("a.b IN ({})", bounds.join(", "))).unwrap();
                prop_assert_eq!(query.matches(&tags), expected, "{}", query);
            }
        }
    }

    // checklist: C3
    #[test]
    fn a_sweep_finds_pieces_in_short_values(
        pieces in vec("[ab]{1,4}", 6..12),
        values in vec("[abc]{0,90}", 1..80),
        same in any::<bool>(),
    ) {
        let mut tags = Tags::new();
        (0..PADDING).for_each(|_| tags.push("padding.of", "v"));
        for value in &values {
            tags.next_event();
            tags.push("a", value);
        }
        for joint in [" AND ", " OR "] {
            let all: Vec<String> = pieces.iter().map(|it| format!("a CONTAINS '{it}'")).collect();
            let all = all.join(joint);
            let text = if same { format!("SAME EVENT ({all})") } else { all };
            let query: Query = text.parse().unwrap();
            let within = |piece: &String| values.iter().any(|value| value.contains(piece.as_str()));
            let expected = match (joint, same) {
                (" OR ", _) => pieces.iter().any(within),
                (_, false) => pieces.iter().all(within),
                (_, true) => values.iter().any(|value| {
                    pieces.iter().all(|piece| value.contains(piece.as_str()))
                }),
            };
            prop_assert_eq!(query.matches(&tags), expected, "{}", query);
        }
    }
}
