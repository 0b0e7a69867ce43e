//! What a broker measures of its own work, besides the accounts of its sessions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds; a last bucket takes the rest.
const BOUNDS_US: [u64; 12] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// [`Durations`] at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationsSnapshot {
    /// Upper bound in seconds (infinite for the last) and how many were at most so long but longer
    /// than the bound before.
    pub buckets: Vec<(f64, u64)>,
    /// All of them together, in seconds.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

impl Durations {
    /// Counts one.
    #[inline]
    pub fn record(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = BOUNDS_US.iter().position(|&bound| us <= bound).unwrap_or(BOUNDS_US.len());
        // Relaxed: counts, read for a page that does not need them to agree to the last one.
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// As of now.
    pub fn snapshot(&self) -> DurationsSnapshot {
        let bounds = BOUNDS_US.iter().map(|&us| us as f64 / 1e6).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        DurationsSnapshot {
            count: buckets.iter().map(|(_, count)| count).sum(),
            sum: self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9,
            buckets,
        }
    }
}

/// The meters of one broker; any thread may count.
#[derive(Debug, Default)]
pub struct Meters {
    /// From a read that brought messages until they were routed and written, as far as the
    /// consumers' sockets took them.
    pub publish: Durations,
    refused: AtomicU64,
}

impl Meters {
    /// A message was refused before it was routed, and its sender was told.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages refused before they were routed.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let durations = Durations::default();
        for us in [10, 11, 250_000, 250_001] {
            durations.record(Duration::from_micros(us));
        }
        let seen = durations.snapshot();
        let filled: Vec<_> = seen.buckets.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [&(1e-5, 1), &(2.5e-5, 1), &(0.25, 1), &(f64::INFINITY, 1)]);
        assert_eq!(seen.count, 4);
    }
}
