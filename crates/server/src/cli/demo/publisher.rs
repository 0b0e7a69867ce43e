//! The publisher: a steady rate with short bursts, on time whatever the consumers do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::link::Link;
use super::quote::Quotes;
use crate::cli::client::ClientError;

/// How often there is a burst.
pub(super) const BURST_EVERY: Duration = Duration::from_secs(2);
/// How long it lasts.
pub(super) const BURST_LENGTH: Duration = Duration::from_millis(200);
/// How many times the steady rate it is.
pub(super) const BURST_FACTOR: u32 = 5;
/// When in its period it begins.
const BURST_AT: Duration = Duration::from_secs(1);

/// Between two writes; a hundred thousand quotes a second are a hundred a write.
const WRITE_EVERY: Duration = Duration::from_millis(1);
/// Quotes in one write: one that is late catches up in pieces.
const MOST_AT_ONCE: u64 = 1000;

/// How many quotes are due by when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Quotes a second outside bursts.
    pub(super) rate: u64,
}

impl Schedule {
    /// Quotes due so long after the start.
    pub(super) fn due(&self, elapsed: Duration) -> u64 {
        let [elapsed, period, begin, length] =
            [elapsed, BURST_EVERY, BURST_AT, BURST_LENGTH].map(|time| time.as_micros() as u64);
        let burst = (elapsed % period).saturating_sub(begin).min(length);
        // A microsecond of a burst counts as so many of them.
        let more = (elapsed / period * length + burst) * u64::from(BURST_FACTOR - 1);
        (elapsed + more) * self.rate / 1_000_000
    }

    /// Whether there is a burst so long after the start.
    pub(super) fn is_burst(elapsed: Duration) -> bool {
        let within = elapsed.as_micros() % BURST_EVERY.as_micros();
        let begin = BURST_AT.as_micros();
        (begin..begin + BURST_LENGTH.as_micros()).contains(&within)
    }
}

/// Publishes by the schedule until `is_over`, counting in `published` as it goes. On return the
/// server has taken every quote.
pub(super) fn run(
    mut link: Link,
    mut quotes: Quotes,
    schedule: Schedule,
    start: Instant,
    published: &AtomicU64,
    is_over: impl Fn() -> bool,
) -> Result<(), ClientError> {
    while !is_over() {
        let elapsed = start.elapsed();
        let micros = elapsed.as_micros() as u64;
        let due = schedule.due(elapsed).min(quotes.made() + MOST_AT_ONCE);
        while quotes.made() < due {
            quotes.publish_next(&mut link.out, micros);
        }
        link.flush()?;
        // Relaxed: for show; the last value is read after the thread has been joined.
        published.store(quotes.made(), Ordering::Relaxed);
        std::thread::sleep(WRITE_EVERY);
    }
    link.confirm()
}
