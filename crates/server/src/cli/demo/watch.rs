//! Looks at the server and at the readers a few times a second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use floodway_broker::{Broker, SessionSnapshot};
use hdrhistogram::Histogram;

use super::cast::Role;
use super::consumer::{Cues, Seen, new_histogram};
use super::sum::Sum;
use crate::cli::client::failure::Failure;

/// Between two looks.
pub(super) const FRAME: Duration = Duration::from_millis(200);
/// Looks that make up what is shown as now: one second.
const WINDOW: usize = 5;

/// The parts of the story, by what `stalled` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It reads.
    Before,
    /// It reads nothing, and its queue grows.
    Stall,
    /// The server has ended it.
    After,
}

/// What the fast consumer got in one act.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) time: Duration,
    /// Published meanwhile.
    pub(super) published: u64,
    /// Read meanwhile.
    pub(super) read: u64,
    pub(super) latency: Histogram<u64>,
}

/// One consumer at one moment.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) role: Role,
    pub(super) sum: Sum,
    /// Quotes read a second.
    pub(super) rate: u64,
    /// The server's account of its connection.
    pub(super) account: Option<SessionSnapshot>,
    /// Microseconds from making to reading, of half and of 99 in 100 quotes.
    pub(super) latency: Option<(u64, u64)>,
}

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) at: Duration,
    pub(super) published: u64,
    /// Quotes published a second.
    pub(super) rate: u64,
    pub(super) rows: Vec<Row>,
}

/// A consumer under observation.
struct Seat<'a> {
    role: Role,
    id: u64,
    seen: &'a Seen,
    latencies: VecDeque<Histogram<u64>>,
    reads: Meter,
}

/// A counter's rate over the last second.
#[derive(Default)]
struct Meter {
    counts: VecDeque<(Instant, u64)>,
}

/// See the [module header](self).
pub(super) struct Watch<'a> {
    broker: &'a Broker,
    cues: &'a Cues,
    published: &'a AtomicU64,
    publishing: Meter,
    seats: Vec<Seat<'a>>,
    /// Of the fast consumer, by [`Act`].
    pub(super) stretches: [Stretch; 3],
    looked: Instant,
}

impl<'a> Watch<'a> {
    /// Watches the consumers of these numbers.
    pub(super) fn new(
        broker: &'a Broker,
        cues: &'a Cues,
        published: &'a AtomicU64,
        consumers: impl Iterator<Item = (Role, u64, &'a Seen)>,
    ) -> Result<Watch<'a>, Failure> {
        let seats: Result<Vec<Seat<'a>>, Failure> = consumers
            .map(|(role, id, seen)| {
                let latencies = (0..WINDOW).map(|_| new_histogram()).collect::<Result<_, _>>()?;
                Ok(Seat { role, id, seen, latencies, reads: Meter::default() })
            })
            .collect();
        Ok(Watch {
            broker,
            cues,
            published,
            publishing: Meter::default(),
            seats: seats?,
            stretches: [Stretch::new()?, Stretch::new()?, Stretch::new()?],
            looked: cues.start,
        })
    }

    /// The server's account of a consumer, also once it is gone.
    fn account(&self, id: u64, now: Instant) -> Option<SessionSnapshot> {
        let registry = self.broker.registry();
        let open = registry.find(id).map(|session| session.snapshot(now, true));
        open.or_else(|| registry.recently_closed(now).into_iter().find(|one| one.id == id))
    }

    /// Each consumer's sum as the server has it.
    pub(super) fn sums(&self) -> Vec<(Role, Sum)> {
        let now = Instant::now();
        let sum = |seat: &Seat<'_>| {
            let account = self.account(seat.id, now);
            (seat.role, account.as_ref().map(Sum::of).unwrap_or_default())
        };
        self.seats.iter().map(sum).collect()
    }

    /// Looks once; what the fast consumer got since the last look counts for `act`.
    pub(super) fn look(&mut self, act: Act) -> Frame {
        let now = Instant::now();
        let published = self.published.load(Ordering::Relaxed);
        let new = published - self.publishing.last();
        let mut rows = Vec::with_capacity(self.seats.len());
        for at in 0..self.seats.len() {
            let account = self.account(self.seats[at].id, now);
            let seat = &mut self.seats[at];
            let quotes = seat.turn();
            let before = seat.reads.last();
            let rate = seat.reads.rate(now, quotes);
            if seat.role == Role::Fast {
                let stretch = &mut self.stretches[act as usize];
                stretch.time += now.saturating_duration_since(self.looked);
                stretch.published += new;
                stretch.read += quotes - before;
                stretch.add(seat.latencies.back());
            }
            rows.push(Row {
                role: seat.role,
                sum: account.as_ref().map(Sum::of).unwrap_or_default(),
                rate,
                latency: seat.latency(),
                account,
            });
        }
        self.looked = now;
        let at = now.saturating_duration_since(self.cues.start);
        Frame { at, published, rate: self.publishing.rate(now, published), rows }
    }
}

impl Seat<'_> {
    /// Takes what was read since the last look into the window; returns the quotes read so far.
    fn turn(&mut self) -> u64 {
        if let Some(mut oldest) = self.latencies.pop_front() {
            self.seen.take_latency(&mut oldest);
            self.latencies.push_back(oldest);
        }
        self.seen.quotes.load(Ordering::Relaxed)
    }

    fn latency(&self) -> Option<(u64, u64)> {
        let (first, rest) = (self.latencies.front()?, self.latencies.iter().skip(1));
        let mut window = first.clone();
        for part in rest {
            // All have the same bounds, so none is refused.
            let _same_bounds = window.add(part);
        }
        let quantile = |share| window.value_at_quantile(share);
        (!window.is_empty()).then(|| (quantile(0.5), quantile(0.99)))
    }
}

impl Meter {
    fn last(&self) -> u64 {
        self.counts.back().map_or(0, |&(_, count)| count)
    }

    fn rate(&mut self, now: Instant, count: u64) -> u64 {
        self.counts.push_back((now, count));
        if self.counts.len() > WINDOW + 1 {
            self.counts.pop_front();
        }
        let Some(&(then, before)) = self.counts.front() else { return 0 };
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds > 0.0 { ((count - before) as f64 / seconds).round() as u64 } else { 0 }
    }
}

impl Stretch {
    pub(super) fn new() -> Result<Stretch, Failure> {
        Ok(Stretch { time: Duration::ZERO, published: 0, read: 0, latency: new_histogram()? })
    }

    fn add(&mut self, latency: Option<&Histogram<u64>>) {
        if let Some(latency) = latency {
            let _same_bounds = self.latency.add(latency);
        }
    }

    /// So many quotes as a rate, if there was any time.
    pub(super) fn rate(&self, quotes: u64) -> Option<u64> {
        let seconds = self.time.as_secs_f64();
        (seconds > 0.0).then(|| (quotes as f64 / seconds).round() as u64)
    }

    /// In microseconds, if anything was read.
    pub(super) fn p99(&self) -> Option<u64> {
        (!self.latency.is_empty()).then(|| self.latency.value_at_quantile(0.99))
    }
}
