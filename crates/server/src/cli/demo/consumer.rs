//! The readers: each has a thread, a connection and a habit, and counts what it gets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp};
use hdrhistogram::Histogram;

use super::link::Link;
use super::quote;
use crate::cli::client::failure::Failure;
use crate::cli::client::printable;

/// Bytes of a quote on the wire with a header or two: what a slow reader reads for each it may.
const ABOUT_A_QUOTE: usize = 200;
/// Bytes that a slow reader takes at once.
const SIP: usize = 4096;
/// Bytes that a fast one does.
const GULP: usize = 64 * 1024;
/// How long one that may not read looks away.
const NAP: Duration = Duration::from_millis(5);

/// How a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Habit {
    /// Everything, at once.
    Eager,
    /// So many quotes a second.
    Slow(f64),
    /// Everything, until it stops; it goes on once it is woken.
    Stalls,
}

/// What the demo tells its readers.
#[derive(Debug)]
pub(super) struct Cues {
    /// When the first quote is made.
    pub(super) start: Instant,
    /// How long after that a [`Habit::Stalls`] reads nothing more.
    pub(super) stall_at: Duration,
    /// It shall read again.
    pub(super) wake: AtomicBool,
    /// Nothing more is published: read what is left, without pausing.
    pub(super) drain: AtomicBool,
    /// The end.
    pub(super) stop: AtomicBool,
}

impl Cues {
    fn is(cue: &AtomicBool) -> bool {
        // Relaxed: nothing is handed over with a cue.
        cue.load(Ordering::Relaxed)
    }

    /// Gives a cue.
    pub(super) fn give(cue: &AtomicBool) {
        cue.store(true, Ordering::Relaxed);
    }
}

/// What a reader has seen so far; others read it while it goes on.
#[derive(Debug)]
pub(super) struct Seen {
    /// Quotes read.
    pub(super) quotes: AtomicU64,
    /// Lost and expired ones that it was told of.
    pub(super) told_missed: AtomicU64,
    /// Replaced ones that it was told of.
    pub(super) told_conflated: AtomicU64,
    /// What the server said when it ended the subscription.
    pub(super) end: OnceLock<String>,
    /// Why the connection is over.
    pub(super) closed: OnceLock<String>,
    /// Latencies in microseconds since somebody last took them.
    latency: Mutex<Histogram<u64>>,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new() -> Result<Seen, Failure> {
        Ok(Seen {
            quotes: AtomicU64::new(0),
            told_missed: AtomicU64::new(0),
            told_conflated: AtomicU64::new(0),
            end: OnceLock::new(),
            closed: OnceLock::new(),
            latency: Mutex::new(new_histogram()?),
        })
    }

    fn latency(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the latencies collected so far to `into`, which is emptied before.
    pub(super) fn take_latency(&self, into: &mut Histogram<u64>) {
        into.reset();
        std::mem::swap(into, &mut *self.latency());
    }
}

/// Microseconds up to ten minutes in two significant digits: some 40 KB.
pub(super) fn new_histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 600_000_000, 2)
        .map_err(|error| Failure::failed(format!("cannot make a histogram: {error}")))
}

/// Reads by its habit until the demo ends or the connection does.
pub(super) fn run(mut link: Link, habit: Habit, cues: &Cues, seen: &Seen) {
    let mut ages = Vec::new();
    while !Cues::is(&cues.stop) {
        let most = allowance(habit, cues, seen);
        if most == 0 {
            std::thread::sleep(NAP);
            continue;
        }
        let read = link.read(most, |op| {
            if let ServerOp::Message(message) = op {
                seen.message(message, cues.start, &mut ages);
            }
        });
        seen.quotes.fetch_add(ages.len() as u64, Ordering::Relaxed);
        let mut latency = seen.latency();
        ages.drain(..).for_each(|age| latency.saturating_record(age));
        drop(latency);
        if let Err(error) = read {
            let _first = seen.closed.set(error.to_string());
            return;
        }
    }
}

/// Bytes that may be read now; 0 is a pause.
fn allowance(habit: Habit, cues: &Cues, seen: &Seen) -> usize {
    if Cues::is(&cues.drain) {
        return GULP;
    }
    let elapsed = cues.start.elapsed();
    match habit {
        Habit::Eager => GULP,
        Habit::Slow(per_second) => {
            let due = (elapsed.as_secs_f64() * per_second) as u64;
            let left = due.saturating_sub(seen.quotes.load(Ordering::Relaxed));
            usize::try_from(left).unwrap_or(usize::MAX).saturating_mul(ABOUT_A_QUOTE).min(SIP)
        }
        Habit::Stalls if elapsed >= cues.stall_at && !Cues::is(&cues.wake) => 0,
        Habit::Stalls => GULP,
    }
}

impl Seen {
    /// Counts a message: a quote, or the server's own words about the subscription.
    fn message(&self, message: &Delivered<'_>, start: Instant, ages: &mut Vec<u64>) {
        if !message.headers.is_empty() {
            let headers = HeaderView::new(message.headers);
            let number = |name| headers.get(name).and_then(|text| text.parse::<u64>().ok());
            let (missed, conflated) = (number("Floodway-Missed"), number("Floodway-Conflated"));
            self.told_missed.fetch_add(missed.unwrap_or(0), Ordering::Relaxed);
            self.told_conflated.fetch_add(conflated.unwrap_or(0), Ordering::Relaxed);
            if let Some(reason) = headers.get("Floodway-End-Reason") {
                let _first = self.end.set(printable(reason.as_bytes()));
            }
            if headers.status().is_some() {
                return;
            }
        }
        if let Some(made) = quote::made_at(message.payload) {
            let now = start.elapsed().as_micros() as u64;
            ages.push(now.saturating_sub(made));
        }
    }
}
