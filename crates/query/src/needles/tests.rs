use super::*;
use crate::{Options, Query, Tags};
use proptest::collection::vec;
use proptest::prelude::*;

fn needles(pieces: &[&str]) -> Needles {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    Needles::new(&pieces).unwrap()
}

/// The pieces that are in these values, by events.
fn found(needles: &Needles, values: &[(usize, &str)], wanted: u32) -> Vec<u32> {
    let mut search = Search::new();
    let mut found = vec![0; 64];
    values.iter().for_each(|(event, value)| search.push(needles, *event, wanted, value.as_bytes()));
    search.finish(needles, |piece, events| {
        (0..64).for_each(|event| found[event] |= ((events >> event & 1) as u32) << piece);
    });
    search.finish(needles, |_, _| panic!("what was found is told once"));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // checklist: C3
    #[test]
    fn it_finds_what_is_there(
        pieces in vec("[ab]{1,5}|[abc]{1,3}|[ab]{30,90}", 1..12),
        values in vec((0..64_usize, "[ab]{0,40}|[abc]{0,200}|[ab]{300}c[ab]{200,600}"), 0..150),
        wanted in any::<u32>().prop_map(|wanted| wanted | 1),
    ) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let values: Vec<(usize, &str)> = values.iter().map(|(at, it)| (*at, &**it)).collect();
        let found = found(&needles(&pieces), &values, wanted);
        for (event, found) in found.iter().enumerate() {
            for (at, piece) in pieces.iter().enumerate() {
                let has = |(of, value): &(usize, &str)| *of == event && value.contains(piece);
                let is_there = wanted >> at & 1 == 1 && values.iter().any(has);
                prop_assert_eq!(found >> at & 1 == 1, is_there, "{} {}", event, piece);
            }
        }
    }

    #[test]
    fn one_piece_is_found_or_given_up(
        piece in "[abz]{3,9}",
        text in "[abz]{0,400}| {400}[abz]{9}",
    ) {
        let needles = needles(&[&piece]);
        let single = needles.single.unwrap();
        if let Some(found) = single.find(text.as_bytes(), &mut 10) {
            prop_assert_eq!(found, text.contains(&piece));
        }
    }
}

/// Over each of the places where the parts of a text meet, and at both of its ends: in texts that
/// are too short to be divided, and in those that have two, three and four parts.
#[test]
fn nothing_is_cut() {
    for (pieces, is_there) in
        [(&["needle", "x"][..], 1), (&["needle"], 1), (&["needl", "eedle"], 3)]
    {
        let needles = needles(pieces);
        for length in [64, 513, 16 * 128 - 1, 16 * 128, 2050, 3073, 4098] {
            // So many places with the rarest byte that it is given up.
            let text = "ddle".repeat(length / 4 + 1);
            for at in 0..=length - 6 {
                let text = [&text[..at], "needle", &text[at + 6..length]].concat();
                let found = found(&needles, &[(5, &text)], u32::MAX);
                assert_eq!(found[5], is_there, "{pieces:?} {length} {at}");
            }
        }
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

// checklist: C3
#[test]
fn a_table_is_made_of_whatever_a_query_of_512_bytes_looks_for() {
    // Characters of two and of three bytes, with as many different bytes as there are.
    let mut text: String =
        (0x80..0x800).step_by(31).chain(0x800..0x850).filter_map(char::from_u32).collect();
    text.truncate(text.floor_char_boundary(496));
    let query: Query = format!("a CONTAINS '{text}'").parse().unwrap();
    assert!(query.program().extra().needles.is_some());
}
