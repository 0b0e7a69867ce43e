use super::*;

#[test]
fn every_group_has_cases_and_only_two_are_run_both_ways() {
    for &group in Group::value_variants() {
        let cases = cases(&[group], true, None);
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
