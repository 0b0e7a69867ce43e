//! Pacing: how many messages are due by now at so many a second.

use std::time::{Duration, Instant};

const YEAR_SECS: f64 = 365.0 * 86_400.0;

/// A schedule of evenly spaced messages, or none at all.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    start: Instant,
    /// Messages a second; `None` is flat out.
    rate: Option<f64>,
}

impl Pace {
    /// Starts a schedule; without a rate everything is due at once.
    pub(crate) fn new(start: Instant, rate: Option<f64>) -> Pace {
        debug_assert!(rate.is_none_or(|rate| rate > 0.0), "checked where it was parsed");
        Pace { start, rate }
    }

    /// How many messages are due at `now`, the first at the very start.
    pub(crate) fn due(&self, now: Instant) -> u64 {
        match self.rate {
            None => u64::MAX,
            Some(_) if now < self.start => 0,
            // A float past the end saturates, which is what is meant.
            Some(rate) => (now.duration_since(self.start).as_secs_f64() * rate) as u64 + 1,
        }
    }

    /// Whether there is a schedule at all.
    pub(crate) fn is_paced(&self) -> bool {
        self.rate.is_some()
    }

    /// When message `index` (from 0) is due.
    pub(crate) fn time_of(&self, index: u64) -> Instant {
        match self.rate {
            None => self.start,
            Some(rate) => {
                // A year is beyond any run, and keeps the sum inside what the clock can hold.
                self.start + Duration::from_secs_f64((index as f64 / rate).min(YEAR_SECS))
            }
        }
    }
}

/// Parses a rate in messages a second for clap.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.replace('_', "").parse::<f64>() {
        Ok(rate) if rate.is_finite() && (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a rate is messages a second, from 0.001 to 1000000000".to_owned()),
    }
}
