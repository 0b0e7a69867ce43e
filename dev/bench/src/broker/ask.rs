//! Request and reply: requesters with one question out at a time, one responder for all.

use std::io;
use std::sync::Barrier;
use std::thread;

use hdrhistogram::Histogram;

use super::ledger::{Faults, Ledger};
use super::link::{Link, Target, refused};
use super::outcome::{Metric, Outcome};
use super::payload::{self, Stamp};
use super::receive::new_histogram;
use super::usage;
use super::wire::{Item, Protocol, reply_subject};

const QUESTIONS: &str = "bench.ask";

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) requesters: usize,
    pub(crate) size: usize,
    /// Requests of all requesters together.
    pub(crate) count: u64,
}

/// One side of a conversation: Redis subscribers cannot publish, so they need a second connection.
#[derive(Debug)]
struct Party {
    hears: Link,
    speaks: Option<Link>,
}

impl Party {
    fn open(target: Target, subject: String) -> io::Result<Party> {
        let mut hears = Link::open(target)?;
        hears.subscribe(&[subject])?;
        let speaks = match target.protocol {
            Protocol::Nats => None,
            Protocol::Redis => Some(Link::open(target)?),
        };
        Ok(Party { hears, speaks })
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.speaks {
            None => self.hears.send(bytes),
            Some(link) => {
                link.send(bytes)?;
                // The counts Redis answers with.
                link.drain()
            }
        }
    }
}

impl Ask {
    /// Runs it against a fresh server.
    pub(crate) fn run(&self, target: Target) -> Outcome {
        self.measure(target).map_err(|error| error.to_string())?
    }

    fn measure(&self, target: Target) -> io::Result<Outcome> {
        let responder = Party::open(target, QUESTIONS.to_owned())?;
        let mut requesters = Vec::with_capacity(self.requesters);
        for index in 0..self.requesters {
            requesters.push((index, Party::open(target, inbox(index))?));
        }
        let start = Barrier::new(self.requesters + 1);
        let each = self.count / self.requesters as u64;
        thread::scope(|scope| {
            let responder = scope.spawn(|| respond(responder, each * self.requesters as u64));
            let requesters: Vec<_> = requesters
                .into_iter()
                .map(|(index, party)| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        self.request(index, party, each)
                    })
                })
                .collect();
            let cpu_before = target.pid.and_then(usage::cpu_seconds);
            let started_at = payload::now();
            start.wait();
            let (mut latency, mut faults, mut trouble) = (new_histogram(), Faults::default(), None);
            for requester in requesters {
                match requester.join().expect("requesters do not panic") {
                    Ok((its_latency, its_faults)) => {
                        latency.add(its_latency).expect("all histograms have the same bounds");
                        faults.add(its_faults);
                    }
                    Err(error) => _ = trouble.get_or_insert(error),
                }
            }
            let seconds = (payload::now() - started_at) as f64 / 1e9;
            let cpu_after = target.pid.and_then(usage::cpu_seconds);
            // A responder still waits for requests that a failed requester never sent; it gives up
            // by itself, and its complaint is the consequence, not the cause.
            let responded = responder.join().expect("the responder does not panic");
            if let Some(error) = trouble {
                return Err(error);
            }
            responded?;
            if !faults.is_clean() {
                return Ok(Err(faults.to_string()));
            }
            Ok(Ok(figures(&latency, seconds, target, cpu_before.zip(cpu_after))))
        })
    }

    /// One requester: asks, waits for the answer, asks again.
    fn request(
        &self,
        index: usize,
        mut party: Party,
        count: u64,
    ) -> io::Result<(Histogram<u64>, Faults)> {
        let mut latency = new_histogram();
        let mut ledger = Ledger::new(index as u16, 1, count, self.size);
        let mut question = payload::blank(self.size);
        let (reply, protocol) = (inbox(index), party.hears.protocol());
        let mut command = Vec::new();
        for sequence in 0..count {
            let sent_at = payload::now();
            Stamp { publisher: index as u16, sequence, sent_at }.write(&mut question);
            command.clear();
            protocol.publish(&mut command, QUESTIONS, &reply, &question);
            party.say(&command)?;
            let asked = ledger.received();
            while ledger.received() == asked {
                let mut told = None;
                party.hears.wait(|item| match item {
                    Item::Message { payload, .. } => _ = ledger.book(payload),
                    Item::Error(text) => told = Some(refused(text)),
                    _ => {}
                })?;
                if let Some(error) = told {
                    return Err(error);
                }
            }
            latency.saturating_record(payload::now() - sent_at);
        }
        // Whatever comes before the answer is one reply too many.
        party.hears.sync_with(|payload| _ = ledger.book(payload))?;
        Ok((latency, ledger.faults()))
    }
}

/// Answers `count` requests with what was asked, all of one read with one write.
fn respond(mut party: Party, count: u64) -> io::Result<()> {
    let protocol = party.hears.protocol();
    let (mut answered, mut answers) = (0, Vec::new());
    while answered < count {
        answers.clear();
        party.hears.wait(|item| {
            let Item::Message { line, payload, .. } = item else { return };
            answered += 1;
            match reply_subject(line) {
                "" => {
                    let asker = Stamp::read(payload, payload.len()).map(|stamp| stamp.publisher);
                    let inbox = inbox(usize::from(asker.unwrap_or_default()));
                    protocol.publish(&mut answers, &inbox, "", payload);
                }
                reply => protocol.publish(&mut answers, reply, "", payload),
            }
        })?;
        party.say(&answers)?;
    }
    Ok(())
}

fn figures(
    latency: &Histogram<u64>,
    seconds: f64,
    target: Target,
    cpu: Option<(f64, f64)>,
) -> Vec<(Metric, f64)> {
    let micros = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    let answered = latency.len() as f64;
    let mut figures = vec![
        (Metric::P50, micros(0.5)),
        (Metric::P99, micros(0.99)),
        (Metric::Requests, answered / seconds),
    ];
    if let Some((before, after)) = cpu {
        figures.push((Metric::CpuPerMillion, (after - before) / answered * 1e6));
    }
    if let Some(peak) = target.pid.and_then(usage::resident_peak) {
        figures.push((Metric::ResidentPeak, peak / 1e6));
    }
    figures
}

fn inbox(index: usize) -> String {
    format!("bench.inbox.{index}")
}

#[cfg(test)]
mod tests;
