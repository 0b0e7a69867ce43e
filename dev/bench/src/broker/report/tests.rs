use super::super::case::{Group, cases};
use super::*;

fn contender(kind: Kind) -> Contender {
    // Any program that says something when it is asked for its version.
    let mut contender = Contender::new(kind, env!("CARGO").into()).unwrap();
    contender.version = "1".to_owned();
    contender
}

fn run(delivered: f64, cost: f64) -> Outcome {
    Ok(vec![(Metric::Delivered, delivered), (Metric::CpuPerMillion, cost)])
}

fn case() -> Case {
    cases(&[Group::Tput], true, None).remove(0)
}

#[test]
fn numbers_are_grouped_by_three() {
    assert_eq!(grouped(0.0, 0), "0");
    assert_eq!(grouped(999.0, 0), "999");
    assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
    assert_eq!(grouped(-1234.56, 1), "-1,234.6");
}

#[test]
fn a_table_has_a_row_for_each_and_ours_beside_each_peer() {
    let (ours, peer) = (contender(Kind::Floodway), contender(Kind::Nats));
    let case = case();
    let entry = &case.entries[0];
    let rows = [
        Row { contender: &ours, entry, runs: vec![run(3000.0, 0.2), run(5000.0, 0.2)] },
        Row { contender: &peer, entry, runs: vec![run(1000.0, 0.8), run(1000.0, 0.8)] },
    ];
    let text = table(&case, &rows);
    assert!(text.contains("| server | delivered/s | server CPU s per M | lost |"), "{text}");
    let ours = "| floodway | 4,000 (3,000-5,000) | 0.200 (0.200-0.200) | 0 |";
    assert!(text.contains(ours), "{text}");
    let beside = "floodway / nats-server: delivered/s × 4.00, server CPU s per M × 0.25";
    assert!(text.contains(beside), "{text}");
}

#[test]
fn one_failed_run_hides_the_figures_of_all() {
    let (ours, peer) = (contender(Kind::Floodway), contender(Kind::Redis));
    let case = case();
    let entry = &case.entries[0];
    let rows = [
        Row { contender: &ours, entry, runs: vec![run(3000.0, 0.2), Err("lost 1".to_owned())] },
        Row { contender: &peer, entry, runs: vec![run(1000.0, 0.8), run(1000.0, 0.8)] },
    ];
    assert_eq!(rows[0].failure(), Some((1, "lost 1")));
    let text = table(&case, &rows);
    assert!(text.contains("| floodway | **FAILED** 1 of 2: lost 1 |"), "{text}");
    assert!(!text.contains("3,000") && !text.contains('×'), "{text}");
    let json = to_json(&case, &rows);
    assert_eq!(json["servers"][0]["runs"][1]["failed"], "lost 1");
    assert_eq!(json["servers"][1]["runs"][0]["delivered_per_s"], 1000.0);
}

#[test]
fn a_bar_stands_beside_the_figure_and_says_whether_it_is_met() {
    let case = cases(&[Group::Slow], true, None).remove(0);
    let (ours, peer) = (contender(Kind::Floodway), contender(Kind::Nats));
    let kept = |share| vec![Ok(vec![(Metric::ShareKept, share)])];
    let told = |millis| vec![Ok(vec![(Metric::EndTold, millis), (Metric::ShareKept, 99.0)])];
    let disconnect = &case.entries[0];
    let rows = [
        Row { contender: &ours, entry: disconnect, runs: told(1_500.0) },
        Row { contender: &peer, entry: disconnect, runs: kept(10.0) },
        Row { contender: &ours, entry: &case.entries[1], runs: kept(96.9) },
    ];
    let text = table(&case, &rows);
    let lines = [
        "| server | end told ms | share kept % | lost |",
        "| floodway, disconnect | 1,500 (1,500-1,500) ≤ 1,000: **MISSED** \
            | 99.0 (99.0-99.0) ≥ 97.0: ok | 0 |",
        "| nats-server, disconnect | - | 10.0 (10.0-10.0) | 0 |",
        "| floodway, drop-newest | - | 96.9 (96.9-96.9) ≥ 97.0: **MISSED** | 0 |",
        "floodway / nats-server, disconnect: share kept % × 9.90",
    ];
    for line in lines {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(rows.iter().map(Row::missed).sum::<usize>(), 2);
    let json = to_json(&case, &rows);
    assert_eq!(json["servers"][2]["entry"], "drop-newest");
    assert_eq!(json["servers"][2]["bars"][0]["ok"], false);
    assert_eq!(json["servers"][1]["bars"], Value::Null, "a peer has promised nothing");
}
