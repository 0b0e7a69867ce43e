use super::super::case::{Group, Scale, cases};
use super::*;
use crate::table::{TERMINAL, chars};

fn contender(side: Side, name: &'static str) -> Contender {
    Contender::new(side, name)
}

fn case(group: Group) -> Case {
    cases(&[group], &Scale { divisor: 1, payloads: Vec::new(), counter: None }).remove(0)
}

fn ok(figures: &[f64]) -> Vec<Outcome> {
    figures.iter().map(|figure| Ok(*figure)).collect()
}

#[test]
fn a_table_is_aligned_and_has_the_best_first() {
    let (slow, fast) = (contender(Side::Peer, "slow"), contender(Side::Peer, "the fast one"));
    let rows = [
        Row { contender: &slow, runs: vec![ok(&[50.0, 60.0, 40.0]), ok(&[100.0])] },
        Row { contender: &fast, runs: vec![ok(&[4.0, 4.5, 5.0]), Vec::new()] },
    ];
    let text = table(&case(Group::Many), &rows);
    let expected = "\
        | queue        |        u64 |          18 B |\n\
        |--------------|-----------:|--------------:|\n\
        | the fast one |  4.5 (4-5) |             - |\n\
        | slow         | 50 (40-60) | 100 (100-100) |\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("\nours must be: u64: ≤ 25, 18 B: ≤ 45\n"), "{text}");
    let best = "\nbest of the others: u64: 4.5 (the fast one), 18 B: 100 (slow)\n";
    assert!(text.contains(best), "{text}");
}

#[test]
fn one_failed_run_hides_the_figures_of_its_row() {
    let peer = contender(Side::Peer, "lossy");
    let bad = vec![Ok(1.0), Err("1 of 2 messages arrived".to_owned())];
    let rows = [Row { contender: &peer, runs: vec![bad, ok(&[7.0, 7.0])] }];
    assert_eq!(rows[0].failure(), Some((1, "1 of 2 messages arrived")));
    let text = table(&case(Group::Many), &rows);
    assert!(text.contains("| lossy | FAILED | FAILED |"), "{text}");
    assert!(text.contains("**FAILED**: lossy, 1 runs: 1 of 2 messages arrived"), "{text}");
    assert!(!text.contains("best of the others"), "{text}");
    let json = to_json(&case(Group::Many), &rows);
    let runs = &json["queues"][0]["figures"][0]["runs"];
    assert_eq!((&runs[0], &runs[1]["failed"]), (&json!(1.0), &json!("1 of 2 messages arrived")));
}

#[test]
fn ours_is_judged_by_the_bar_and_a_peer_is_not() {
    let (ours, peer) = (contender(Side::Ours, "mailbox"), contender(Side::Peer, "kanal"));
    let rows = [
        Row { contender: &ours, runs: vec![ok(&[25.0]), ok(&[45.5])] },
        Row { contender: &peer, runs: vec![ok(&[99.0]), ok(&[99.0])] },
    ];
    let case = case(Group::Many);
    let text = table(&case, &rows);
    assert!(text.contains("\nmailbox: u64: 25 ok, 18 B: 46 **MISSED**\n"), "{text}");
    assert!(text.contains("| * mailbox |"), "{text}");
    assert_eq!(missed(&case, &rows), 1);
    let json = to_json(&case, &rows);
    assert_eq!(json["queues"][0]["figures"][1]["ok"], false);
    assert_eq!(json["queues"][1]["figures"][1]["ok"], Value::Null, "a peer promised nothing");
}

#[test]
fn a_bar_can_be_a_peer() {
    let (ours, rtrb) = (contender(Side::Ours, "ring"), contender(Side::Peer, "rtrb, spin"));
    let rows = [
        Row { contender: &ours, runs: vec![ok(&[4.0]), ok(&[16.0])] },
        Row { contender: &rtrb, runs: vec![ok(&[4.0]), ok(&[15.0])] },
    ];
    let case = case(Group::Ring);
    let text = table(&case, &rows);
    assert!(text.contains("u64: ≤ 4 (rtrb, spin), 18 B: ≤ 15 (rtrb, spin)"), "{text}");
    assert!(text.contains("\nring: u64: 4 ok, 18 B: 16 **MISSED**\n"), "{text}");
    assert_eq!(missed(&case, &rows), 1);
    assert_eq!(missed(&case, &rows[..1]), 0, "nothing to compare with");
}

#[test]
fn a_whole_row_can_be_judged() {
    let (ours, other) = (contender(Side::Ours, "ring"), contender(Side::StandIn, "stand-in"));
    let row = |contender, few, many| Row { contender, runs: vec![ok(&[few]), ok(&[many])] };
    let rows = [row(&ours, 100.0, 199.0), row(&other, 100.0, 200.0)];
    let crowd = case(Group::Crowd);
    let text = table(&crowd, &rows);
    assert!(text.contains("\nours must be: rate kept % > 50\n"), "{text}");
    assert!(text.contains("\nring: 50 ok\n\nstand-in: 50 **MISSED**\n"), "{text}");
    let rows = [row(&ours, 100.0, 250.0), row(&other, 100.0, 250.0)];
    assert_eq!(missed(&crowd, &rows), 1, "a stand-in promised nothing");

    let deep = case(Group::Depth);
    let at_depths = |figures: [f64; 3]| {
        let runs = figures.map(|figure| ok(&[figure])).into();
        Row { contender: &ours, runs }
    };
    assert_eq!(at_depths([10.0, 12.0, 11.0]).summary(&deep).map(f64::round), Some(20.0));
    assert_eq!(missed(&deep, &[at_depths([10.0, 12.0, 11.0])]), 0);
    assert_eq!(missed(&deep, &[at_depths([10.0, 13.0, 10.0])]), 1);
}

#[test]
fn everything_fits_a_terminal() {
    let lines = wrapped(&"some words ".repeat(40));
    assert!(lines.len() > 4 && lines.iter().all(|line| chars(line) <= TERMINAL));
    let wide: Vec<String> = (0..9).map(|column| format!("column {column} of nine")).collect();
    let text = aligned(&[wide.clone(), wide]);
    assert!(text.lines().all(|line| chars(line) <= TERMINAL), "{text}");
    assert_eq!(text.matches("column 0").count(), 4, "two tables\n{text}");
    for column in 1..9 {
        assert_eq!(text.matches(&format!("column {column}")).count(), 2, "{text}");
    }
}
