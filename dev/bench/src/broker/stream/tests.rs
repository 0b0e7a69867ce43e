use super::super::stub::{Fault, Stub};
use super::*;

fn stream(subjects: usize) -> Stream {
    let (form, size, rate) = (Form::Bare, 32, Some(20_000.0));
    Stream { subscribers: 2, subjects, form, size, rate, burst: 7, wish: None }
}

fn run(fault: Fault) -> Result<(u64, Summary), String> {
    let server = Stub::start(fault);
    stream(1).run(server.target(), |flowing| {
        let mut delivered = 0.0;
        while delivered < 1_000.0 {
            delivered += flowing.window(Duration::from_millis(10)).delivered;
        }
        assert_eq!(flowing.ports.len(), 2);
        flowing.stop()
    })
}

#[test]
fn a_script_sees_what_comes_and_the_end_is_exact() {
    let (published, summary) = run(Fault::None).unwrap();
    assert!(published >= 500, "{published}");
    assert_eq!(summary.latency.unwrap().len(), published * 2);
}

#[test]
fn a_message_lost_or_repeated_is_a_failure_also_without_a_given_length() {
    let lost = run(Fault::Lose(321)).unwrap_err();
    assert_eq!(lost, "lost 1, out of order 0, duplicated 0, damaged 0");
    let repeated = run(Fault::Repeat(321)).unwrap_err();
    assert_eq!(repeated, "lost 0, out of order 0, duplicated 1, damaged 0");
    assert!(run(Fault::Cut(321)).unwrap_err().contains("a subscriber was cut"));
}

#[test]
fn a_script_that_fails_ends_the_stream() {
    let server = Stub::start(Fault::None);
    let outcome = stream(1).run(server.target(), |_| Err::<(), _>("enough".to_owned()));
    assert_eq!(outcome.unwrap_err(), "enough");
}

#[test]
fn many_subjects_are_heard_through_one_filter() {
    assert_eq!(stream(1).filter(), subject(0));
    assert_eq!(stream(200).filter(), "bench.flow.*");
}
