use super::super::stub::{Fault, Stub};
use super::*;

fn shape(pace: Pace) -> Slow {
    let (alone, beside) = (Duration::from_millis(40), Duration::from_millis(60));
    let policy = Policy::Disconnect;
    let (healthy, slow, subjects, peers, rounds) = (2, 1, 1, true, 2);
    Slow { healthy, slow, pace, policy, subjects, peers, alone, beside, rounds }
}

#[test]
fn a_peer_without_policies_gets_the_shares_only() {
    for pace in [Pace::Stalled, Pace::Tenth] {
        let (server, shape) = (Stub::start(Fault::None), shape(pace));
        // The stub blocks on a full socket; at this rate the slow one's holds it all.
        let stream = Stream {
            subscribers: 2,
            subjects: 1,
            form: Form::Bare,
            size: SIZE,
            rate: Some(500.0),
            burst: 1,
            wish: None,
        };
        let target = server.target();
        let bench = Bench { shape: &shape, stream: &stream, target, pages: None };
        let (figures, _) = stream.run(target, |flowing| bench.measure(flowing)).unwrap();
        let metrics: Vec<Metric> = figures.iter().map(|(metric, _)| *metric).collect();
        let right = [
            Metric::DeliveredAlone,
            Metric::DeliveredBeside,
            Metric::ShareKept,
            Metric::ShareByCpu,
            Metric::Growth,
        ];
        assert_eq!(metrics, right);
        assert!(figures[0].1 > 100.0 && figures[2].1 > 10.0, "{figures:?}");
    }
}

#[test]
fn a_policy_that_did_nothing_is_a_failure() {
    let account =
        |lost, conflated, expired| Account { lost, conflated, expired, ..Account::default() };
    assert!(has_acted(Policy::DropOldest, &account(1, 0, 0)).is_ok());
    assert!(has_acted(Policy::DropNewest, &account(0, 1, 1)).is_err());
    assert!(has_acted(Policy::Conflate, &account(0, 1, 0)).is_ok());
    assert!(has_acted(Policy::Conflate, &account(1, 0, 1)).is_err());
    assert!(has_acted(Policy::Ttl, &account(0, 0, 1)).is_ok());
    assert!(has_acted(Policy::Ttl, &account(1, 1, 0)).is_err());
    let ended = Account { end: Some("too_far_behind".to_owned()), ..account(1, 1, 1) };
    assert!(has_acted(Policy::DropOldest, &ended).is_err(), "it was to stay");
    assert!(has_acted(Policy::Disconnect, &ended).is_ok());
    assert!(has_acted(Policy::Disconnect, &account(1, 0, 0)).is_err(), "it was to end");
}

#[test]
fn the_advisory_of_an_end_says_who_when_and_why() {
    let text = br#"{"client":{"port":4000},"reason":"out_of_capacity","time_ms":1700000000123}"#;
    assert_eq!(end_in(text), Some((4000, 1_700_000_000_123.0)));
    assert_eq!(end_in(br#"{"client":{"port":4000},"time_ms":17}"#), None, "no reason");
    assert_eq!(end_in(b"PONG"), None);
}
