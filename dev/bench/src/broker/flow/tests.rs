use super::super::stub::{Fault, Stub};
use super::*;

fn flow(publishers: usize, subscribers: usize, route: Route) -> Flow {
    Flow { publishers, subscribers, route, size: 32, count: 4_000, rate: None, stalled: 0 }
}

fn run(flow: Flow, fault: Fault) -> Outcome {
    let server = Stub::start(fault);
    flow.run(server.target())
}

fn delivered(outcome: &Outcome) -> bool {
    let figures = outcome.as_ref().unwrap();
    figures.iter().any(|(metric, value)| *metric == Metric::Delivered && *value > 0.0)
}

#[test]
fn an_honest_server_gets_figures_on_every_route() {
    assert!(delivered(&run(flow(1, 1, Route::Shared), Fault::None)));
    assert!(delivered(&run(flow(2, 3, Route::Shared), Fault::None)));
    assert!(delivered(&run(flow(4, 4, Route::Pairs), Fault::None)));
    let each = run(flow(1, 1, Route::Each(300)), Fault::None);
    assert!(delivered(&each));
    assert!(each.unwrap().iter().any(|(metric, _)| *metric == Metric::BytesEach));
}

#[test]
fn a_rate_gives_latency_instead_of_throughput() {
    let paced = Flow { rate: Some(20_000.0), count: 1_000, ..flow(1, 2, Route::Shared) };
    let figures = run(paced, Fault::None).unwrap();
    let of = |wanted| figures.iter().find(|(metric, _)| *metric == wanted).map(|(_, value)| *value);
    let (p50, p99) = (of(Metric::P50).unwrap(), of(Metric::P99).unwrap());
    assert!(p50 > 0.0 && p50 <= p99, "{p50} {p99}");
    assert_eq!(of(Metric::Delivered), None);
}

#[test]
fn a_stalled_subscriber_is_not_counted() {
    let outcome = run(Flow { stalled: 1, ..flow(1, 2, Route::Shared) }, Fault::None);
    assert!(delivered(&outcome), "{outcome:?}");
}

#[test]
fn one_message_lost_is_a_failure_and_not_a_figure() {
    let outcome = run(flow(1, 1, Route::Shared), Fault::Lose(1_234));
    assert_eq!(outcome.unwrap_err(), "lost 1, out of order 0, duplicated 0, damaged 0");
    // Nothing follows the last one, so only the closing question can find it missing.
    let outcome = run(flow(1, 1, Route::Shared), Fault::Lose(3_999));
    assert_eq!(outcome.unwrap_err(), "lost 1, out of order 0, duplicated 0, damaged 0");
}

#[test]
fn messages_swapped_repeated_or_damaged_are_failures() {
    let swapped = run(flow(1, 1, Route::Shared), Fault::Swap(77));
    assert_eq!(swapped.unwrap_err(), "lost 0, out of order 1, duplicated 0, damaged 0");
    let repeated = run(flow(1, 1, Route::Shared), Fault::Repeat(3_999));
    assert_eq!(repeated.unwrap_err(), "lost 0, out of order 0, duplicated 1, damaged 0");
    let damaged = run(flow(1, 1, Route::Shared), Fault::Damage(5));
    assert_eq!(damaged.unwrap_err(), "lost 1, out of order 0, duplicated 0, damaged 1");
}

#[test]
fn a_subscriber_that_is_cut_is_a_failure() {
    let cut = run(flow(1, 2, Route::Shared), Fault::Cut(100)).unwrap_err();
    assert!(cut.contains("a subscriber was cut") && !cut.starts_with("lost 0"), "{cut}");
}
