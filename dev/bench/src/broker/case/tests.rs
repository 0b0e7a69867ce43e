use super::*;

#[test]
fn every_group_has_cases_and_only_two_are_run_both_ways() {
    for &group in Group::value_variants() {
        let cases = cases(&[group], true, None);
        assert!(cases.iter().all(|case| !case.entries.is_empty()), "{group:?}");
        assert!(!cases.is_empty(), "{group:?}");
        let pinned = cases.iter().filter(|case| case.cpu == Some(ONE_CPU)).count();
        let both = matches!(group, Group::Latency | Group::Rr);
        assert_eq!(pinned * 2, if both { cases.len() } else { 0 }, "{group:?}");
    }
}

#[test]
fn pinning_puts_every_case_on_that_cpu() {
    let all = cases(Group::value_variants(), false, Some(1));
    assert!(all.iter().all(|case| case.cpu == Some(1)));
    assert_eq!(all.iter().filter(|case| case.group == Group::Tput).count(), 7);
}

#[test]
fn the_share_kept_is_of_the_run_alone() {
    let alone = [(Metric::Delivered, 200.0), (Metric::CpuPerMillion, 9.0)];
    let beside = vec![(Metric::Delivered, 50.0), (Metric::CpuPerMillion, 7.0)];
    let right = [
        (Metric::DeliveredAlone, 200.0),
        (Metric::DeliveredBeside, 50.0),
        (Metric::ShareKept, 25.0),
        (Metric::CpuPerMillion, 7.0),
    ];
    assert_eq!(compare(&alone, beside), right);
}

#[test]
fn policies_are_for_floodway_and_plain_subscriptions_for_all() {
    let kinds = [Kind::Floodway, Kind::Nats, Kind::Redis];
    for case in cases(Group::value_variants(), false, None) {
        for entry in &case.entries {
            let taking_part = kinds.iter().filter(|kind| entry.takes_part(**kind)).count();
            let ours_only = match case.group {
                Group::Slow => {
                    // The case `stall` has the peers of this one.
                    entry.label != "disconnect" || case.title.contains("1→8 beside 1 stalled")
                }
                Group::Crowd | Group::Policy | Group::Queries => true,
                _ => false,
            };
            assert_eq!(taking_part, if ours_only { 1 } else { 3 }, "{}", case.title);
            let new = [Group::Slow, Group::Crowd, Group::Policy, Group::Queries];
            let is_new = new.contains(&case.group);
            assert!(!is_new || !entry.bars().is_empty(), "{} has no bar", case.title);
        }
    }
}

#[test]
fn a_table_has_a_row_for_each_policy() {
    let labels = |group| -> Vec<usize> {
        cases(&[group], false, None).iter().map(|case| case.entries.len()).collect()
    };
    assert_eq!(labels(Group::Slow), [6; 4], "conflation on one subject and on many");
    assert_eq!(labels(Group::Crowd), [1, 1]);
    assert_eq!(labels(Group::Policy), [4; 6]);
    assert_eq!(labels(Group::Queries), [4]);
}
