use std::time::Duration;

use super::{MAX, exact, parse};

#[test]
fn durations_are_read_with_units() {
    let cases = [
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("250ms", Duration::from_millis(250)),
        ("2s", Duration::from_secs(2)),
        ("2m", Duration::from_secs(120)),
        ("1m 30s", Duration::from_secs(90)),
        ("1m30s", Duration::from_secs(90)),
        ("365d", MAX),
    ];
    for (text, duration) in cases {
        assert_eq!(parse(text), Ok(duration), "{text}");
    }
}

#[test]
fn what_is_no_duration_says_what_would_be() {
    let cases = [
        ("5", "`5` has no unit; write \"5s\" or \"5ms\""),
        ("10x", "write for example \"500ms\""),
        ("", "is not a duration"),
        ("-2s", "is not a duration"),
        ("365d 1s", "too long"),
        ("99999999999999999999y", "is not a duration"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn exact_durations_come_back_the_same() {
    for millis in [0, 1, 999, 1001, 90_000, 86_400_000, 31_536_000_000] {
        let duration = Duration::from_millis(millis);
        assert_eq!(parse(&exact(duration)), Ok(duration), "{}", exact(duration));
    }
}
