use super::*;
use crate::{Options, Query, Tags};
use proptest::collection::vec;
use proptest::prelude::*;

fn needles(pieces: &[&str]) -> Needles {
    let pieces: Vec<(&[u8], u64)> =
        pieces.iter().enumerate().map(|(at, piece)| (piece.as_bytes(), 1 << at)).collect();
    Needles::new(Span::new(0, 0), &pieces).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C3
    #[test]
    fn it_finds_what_is_there(
        pieces in vec("[ab]{1,5}|[abc]{1,3}", 1..12),
        text in "[ab]{0,40}|[abc]{0,200}|[ab]{300}c[ab]{200,600}",
    ) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let found = needles(&pieces).find(text.as_bytes(), 0);
        for (at, piece) in pieces.iter().enumerate() {
            prop_assert_eq!(found >> at & 1 == 1, text.contains(piece), "{}", piece);
        }
    }

    #[test]
    fn one_piece_is_found_or_given_up(
        piece in "[abz]{3,9}",
        text in "[abz]{0,400}| {400}[abz]{9}",
    ) {
        let needles = needles(&[&piece]);
        if let Some(found) = needles.find_one(text.as_bytes(), piece.as_bytes()) {
            prop_assert_eq!(found, text.contains(&piece));
        }
    }
}

/// Over each of the places where the parts of a text meet, and at both of its ends.
#[test]
fn nothing_is_cut() {
    let needles = needles(&["needle", "x"]);
    for length in [192, 193, 194, 195, 1000] {
        for at in 0..=length - 6 {
            let mut text = " ".repeat(length);
            text.replace_range(at..at + 6, "needle");
            assert_eq!(needles.find(text.as_bytes(), 0), 1, "{length} {at}");
        }
    }
}

#[test]
fn what_is_known_of_an_event_is_not_taken_for_another() {
    // More events than slots, in all of them more text than what is searched without the table.
    let query: Query = "SAME EVENT (a CONTAINS 'xyz1' AND a CONTAINS 'yz2') OR \
        SAME EVENT (a CONTAINS 'xyz3' AND NOT a CONTAINS 'yz2')"
        .parse()
        .unwrap();
    let filler = "xyz".repeat(100);
    for (first, second, expected) in [
        ("1", "2", false),
        ("12", "", false),
        ("1xyz2", "", true),
        ("", "3", true),
        ("2", "3yz2", false),
    ] {
        let values: Vec<String> = (0..2 * SLOTS)
            .map(|at| match at {
                7 => format!("{filler}{first}"),
                at if at == 7 + SLOTS => format!("{filler}{second}"),
                _ => filler.clone(),
            })
            .collect();
        let mut tags = Tags::new();
        for value in &values {
            tags.push("a", value);
            tags.next_event();
        }
        assert_eq!(query.matches(&tags), expected, "{first} {second}");
    }
}

#[test]
fn more_pieces_than_bits_and_longer_ones_than_a_table_takes() {
    let piece = |at: usize| format!("a CONTAINS 'piece {at}.'");
    let text = (0..100).map(piece).collect::<Vec<_>>().join(" AND ");
    let query = Options::extended().length_max(4096).parse(&text).unwrap();
    let mut value = "piece 5 piece 17".repeat(1000);
    (0..99).for_each(|at| value.push_str(&format!("piece {at}.")));
    let mut tags = Tags::new();
    tags.push("a", &value);
    assert!(!query.matches(&tags));
    value.push_str("piece 99.");
    let mut tags = Tags::new();
    tags.push("a", &value);
    assert!(query.matches(&tags));

    let piece: String = (0..3000_u32).filter_map(|at| char::from_u32(0x4E00 + at)).collect();
    let query = format!("a CONTAINS '{piece}' AND a CONTAINS '{}'", &piece[3..]);
    let query = Options::extended().length_max(Options::LENGTH_CAP).parse(&query);
    assert!(query.is_err_and(|error| matches!(error.reason(), crate::Reason::TooLong { .. })));
    let query = format!("a CONTAINS '{piece}'");
    let query = Options::extended().length_max(Options::LENGTH_CAP).parse(&query).unwrap();
    let value = format!("{}{piece}", "x".repeat(5000));
    let mut tags = Tags::new();
    tags.push("a", &value);
    assert!(query.matches(&tags));
}
