use super::super::stub::{Fault, Stub};
use super::*;

fn run(requesters: usize, fault: Fault) -> Outcome {
    let server = Stub::start(fault);
    Ask { requesters, size: 64, count: 400 }.run(server.target())
}

#[test]
fn every_request_is_answered_and_timed() {
    for requesters in [1, 4] {
        let figures = run(requesters, Fault::None).unwrap();
        let of = |wanted| figures.iter().find(|(found, _)| *found == wanted).map(|(_, x)| *x);
        let (p50, p99) = (of(Metric::P50).unwrap(), of(Metric::P99).unwrap());
        assert!(p50 > 0.0 && p50 <= p99, "{p50} {p99}");
        assert!(of(Metric::Requests).unwrap() > 0.0);
    }
}

#[test]
fn a_second_reply_is_a_failure() {
    // Deliveries alternate: a request, its reply. Nothing follows the last reply, so only the
    // closing question can find its repetition.
    for fault in [Fault::Repeat(1), Fault::Repeat(799), Fault::Linger(799)] {
        let outcome = run(1, fault);
        assert_eq!(outcome.unwrap_err(), "lost 0, out of order 0, duplicated 1, damaged 0");
    }
}
