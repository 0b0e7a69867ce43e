//! Moments and spans as the status pages write them.

use std::time::{Duration, SystemTime};

/// A moment, in UTC to the millisecond.
pub(super) fn moment(at: SystemTime) -> String {
    // A clock that was never set may stand before the epoch, which the format cannot express.
    humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH)).to_string()
}

/// The moment `ago` before `now`.
pub(super) fn before(now: SystemTime, ago: Duration) -> String {
    moment(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// A span in the style of nats-server: `1m3s`, `2d0h0m7s`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let (years, of_year) = (days / 365, days % 365);
    let (s, m, h) = (seconds % 60, minutes % 60, hours % 24);
    if years > 0 {
        format!("{years}y{of_year}d{h}h{m}m{s}s")
    } else if days > 0 {
        format!("{days}d{h}h{m}m{s}s")
    } else if hours > 0 {
        format!("{h}h{m}m{s}s")
    } else if minutes > 0 {
        format!("{m}m{s}s")
    } else {
        format!("{s}s")
    }
}

/// The time from `start` to `end`; nothing if the clock was set back in between.
pub(super) fn between(start: SystemTime, end: SystemTime) -> Duration {
    end.duration_since(start).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_nats_server_does() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!((text(0), text(59), text(60)), ("0s".into(), "59s".into(), "1m0s".into()));
        assert_eq!((text(63), text(3_599)), ("1m3s".into(), "59m59s".into()));
        assert_eq!((text(3_600), text(86_399)), ("1h0m0s".into(), "23h59m59s".into()));
        assert_eq!(
            (text(86_400), text(365 * 86_400 - 1)),
            ("1d0h0m0s".into(), "364d23h59m59s".into())
        );
        assert_eq!(text(366 * 86_400 + 61), "1y1d0h1m1s");
    }

    #[test]
    fn a_clock_before_the_epoch_does_not_break_the_page() {
        let epoch = "1970-01-01T00:00:00.000Z";
        assert_eq!(moment(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), epoch);
        assert_eq!(before(SystemTime::UNIX_EPOCH, Duration::from_millis(1)), epoch);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(before(at, Duration::from_millis(249)), "1970-01-01T00:00:01.251Z");
        assert_eq!(between(at, SystemTime::UNIX_EPOCH), Duration::ZERO);
    }
}
