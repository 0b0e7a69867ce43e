use super::*;

fn tally(producers: usize, seen: &[(u64, u64)]) -> Tally {
    let mut tally = Tally::new(producers);
    for (producer, number) in seen {
        tally.see(identity(*producer, *number));
    }
    tally
}

fn why(outcome: Result<(), String>) -> String {
    outcome.unwrap_err()
}

#[test]
fn all_of_them_in_the_order_of_each_producer_is_complete() {
    assert_eq!(tally(1, &[(0, 0), (0, 1), (0, 2)]).complete(3), Ok(()));
    assert_eq!(tally(2, &[(1, 0), (0, 0), (0, 1), (1, 1)]).complete(2), Ok(()));
    assert_eq!(tally(3, &[]).complete(0), Ok(()));
}

#[test]
fn a_lost_message_is_found_wherever_it_was() {
    for seen in [[(0, 1), (0, 2)], [(0, 0), (0, 2)], [(0, 0), (0, 1)]] {
        assert_eq!(why(tally(1, &seen).complete(3)), "2 of 3 messages arrived");
    }
    assert_eq!(why(tally(2, &[(0, 0)]).complete(1)), "1 of 2 messages arrived");
}

#[test]
fn a_repeated_message_is_found() {
    let twice = tally(1, &[(0, 0), (0, 0), (0, 1)]);
    assert_eq!(why(twice.complete(2)), "number 0 of producer 0 after 0");
    let instead = tally(1, &[(0, 0), (0, 1), (0, 1)]);
    assert_eq!(why(instead.complete(3)), "number 1 of producer 0 after 1");
    let beyond = tally(1, &[(0, 0), (0, 1), (0, 2)]);
    assert_eq!(why(beyond.complete(2)), "3 of 2 messages arrived");
}

#[test]
fn a_reordered_message_is_found() {
    let swapped = tally(1, &[(0, 1), (0, 0), (0, 2)]);
    assert_eq!(why(swapped.complete(3)), "number 0 of producer 0 after 1");
    let second = tally(2, &[(1, 1), (0, 0), (1, 0), (0, 1)]);
    assert_eq!(why(second.complete(2)), "number 0 of producer 1 after 1");
}

#[test]
fn a_message_from_nowhere_is_found() {
    let mut stranger = tally(1, &[(0, 0)]);
    stranger.see(UNKNOWN);
    assert_eq!(why(stranger.complete(2)), "a message that nobody sent arrived");
    let other = tally(1, &[(0, 0), (0, 7)]);
    let what = "as many messages as were sent, but not the same ones";
    assert_eq!(why(other.complete(2)), what);
}

#[test]
fn receivers_that_share_a_queue_need_all_of_it_between_them() {
    let halves = [tally(1, &[(0, 0), (0, 3)]), tally(1, &[(0, 1), (0, 2)])];
    assert_eq!(Tally::shared(&halves, 4), Ok(()));
    assert_eq!(why(halves[0].complete(2)), "as many messages as were sent, but not the same ones");
    let both = [tally(1, &[(0, 0), (0, 1)]), tally(1, &[(0, 1), (0, 2)])];
    assert!(Tally::shared(&both, 4).is_err(), "one message twice, one not at all");
    let backwards = [tally(1, &[(0, 3), (0, 0)]), tally(1, &[(0, 1), (0, 2)])];
    assert!(Tally::shared(&backwards, 4).is_err());
    assert!(Tally::shared(&[], 1).is_ok(), "nobody sent and nobody received");
}

#[test]
fn what_was_overwritten_must_be_what_is_missing() {
    let rest = tally(1, &[(0, 2), (0, 3), (0, 6)]);
    assert_eq!(rest.overwritten(7, 4), Ok(()));
    assert_eq!(why(rest.overwritten(7, 3)), "3 arrived and 3 reported lost, of 7");
    assert_eq!(why(rest.overwritten(8, 5)), "4 were skipped and 5 reported lost", "the newest");
    let stale = tally(1, &[(0, 4), (0, 5), (0, 2), (0, 3)]);
    assert_eq!(why(stale.overwritten(6, 2)), "number 2 of producer 0 after 5", "the talk's ring");
}
