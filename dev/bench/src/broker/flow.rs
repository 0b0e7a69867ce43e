//! One run of publishers to subscribers: set up, drive, and account for every message.

use std::io;
use std::sync::Barrier;
use std::thread;

use super::form::Form;
use super::ledger::Ledger;
use super::link::{Link, Target};
use super::outcome::{Metric, Outcome};
use super::payload;
use super::publish::Load;
use super::receive::{Received, Receiver};
use super::usage;

/// Who hears whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// One subject; every subscriber hears every publisher.
    Shared,
    /// Publisher and subscriber `i` have subject `i` to themselves.
    Pairs,
    /// One subscriber with so many subscriptions; publishers go round all of their subjects.
    Each(usize),
}

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) route: Route,
    pub(crate) size: usize,
    /// Messages of all publishers together.
    pub(crate) count: u64,
    /// Messages per second of all publishers together, with latency recorded; `None` is flat out.
    pub(crate) rate: Option<f64>,
    /// Further subscribers that never read.
    pub(crate) stalled: usize,
}

impl Flow {
    /// Runs it against a fresh server.
    pub(crate) fn run(&self, target: Target) -> Outcome {
        self.measure(target).map_err(|error| error.to_string())?
    }

    fn measure(&self, target: Target) -> io::Result<Outcome> {
        let mut links = Vec::with_capacity(self.subscribers);
        for index in 0..self.subscribers {
            links.push((Link::open(target)?, self.ledger(index)));
        }
        let resident_before = target.pid.and_then(usage::resident);
        for (index, (link, _)) in links.iter_mut().enumerate() {
            link.subscribe(&self.subscribed(index))?;
        }
        let resident_after = target.pid.and_then(usage::resident);
        let mut stalled = Vec::with_capacity(self.stalled);
        for _ in 0..self.stalled {
            let mut link = Link::open(target)?;
            link.subscribe(&self.subscribed(0))?;
            stalled.push(link);
        }

        let cpu_before = target.pid.and_then(usage::cpu_seconds);
        let (received, started_at, published) = self.drive(target, links)?;
        let cpu_after = target.pid.and_then(usage::cpu_seconds);
        drop(stalled);

        if !received.faults.is_clean() || received.trouble.is_some() {
            let trouble =
                received.trouble.or(published).map_or(String::new(), |t| format!(" ({t})"));
            return Ok(Err(format!("{}{trouble}", received.faults)));
        }
        if let Some(trouble) = published {
            return Ok(Err(format!("a publisher failed: {trouble}")));
        }
        let mut figures = Vec::new();
        if let Some(latency) = &received.latency {
            let micros = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
            figures.extend([(Metric::P50, micros(0.5)), (Metric::P99, micros(0.99))]);
        } else {
            let seconds = (received.last_at - started_at) as f64 / 1e9;
            figures.push((Metric::Delivered, received.delivered as f64 / seconds));
        }
        if let (Some(before), Some(after)) = (cpu_before, cpu_after) {
            let cost = (after - before) / received.delivered as f64 * 1e6;
            figures.push((Metric::CpuPerMillion, cost));
        }
        if let (Route::Each(subjects), Some(before), Some(after)) =
            (self.route, resident_before, resident_after)
        {
            figures.push((Metric::BytesEach, (after - before) / subjects as f64));
        }
        if let Some(peak) = target.pid.and_then(usage::resident_peak) {
            figures.push((Metric::ResidentPeak, peak / 1e6));
        }
        Ok(Ok(figures))
    }

    /// Starts all publishers at once; what was received, when it began, and the first trouble a
    /// publisher had.
    fn drive(
        &self,
        target: Target,
        links: Vec<(Link, Ledger)>,
    ) -> io::Result<(Received, u64, Option<String>)> {
        let (receiver, done) = Receiver::new(links, self.rate.is_some())?;
        let mut publishers = Vec::with_capacity(self.publishers);
        for index in 0..self.publishers {
            publishers.push((Link::open(target)?, self.load(index)));
        }
        let start = Barrier::new(self.publishers + 1);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| receiver.run());
            let publishers: Vec<_> = publishers
                .into_iter()
                .map(|(mut link, load)| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        load.run(&mut link)
                    })
                })
                .collect();
            let started_at = payload::now();
            start.wait();
            let mut trouble = None;
            for publisher in publishers {
                if let Err(error) = publisher.join().expect("publishers do not panic") {
                    trouble.get_or_insert(error.to_string());
                }
            }
            done.wake()?;
            let received = receiver.join().expect("the receiver does not panic")?;
            Ok((received, started_at, trouble))
        })
    }

    fn load(&self, index: usize) -> Load {
        Load {
            publisher: index as u16,
            subjects: match self.route {
                Route::Shared => vec![subject(0)],
                Route::Pairs => vec![subject(index)],
                Route::Each(subjects) => (0..subjects).map(subject).collect(),
            },
            form: Form::Bare,
            size: self.size,
            count: self.count / self.publishers as u64,
            rate: self.rate.map(|rate| rate / self.publishers as f64),
            burst: 1,
            watch: None,
        }
    }

    fn subscribed(&self, index: usize) -> Vec<String> {
        match self.route {
            Route::Shared => vec![subject(0)],
            Route::Pairs => vec![subject(index)],
            Route::Each(subjects) => (0..subjects).map(subject).collect(),
        }
    }

    fn ledger(&self, index: usize) -> Ledger {
        let count = self.count / self.publishers as u64;
        match self.route {
            Route::Pairs => Ledger::new(index as u16, 1, count, self.size),
            Route::Shared | Route::Each(_) => Ledger::new(0, self.publishers, count, self.size),
        }
    }
}

/// All of the same length, so that a publisher can patch its commands in place.
pub(crate) fn subject(index: usize) -> String {
    format!("bench.flow.{index:06}")
}

#[cfg(test)]
mod tests;
