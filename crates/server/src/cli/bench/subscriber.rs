//! One subscriber: reads as fast as it can and accounts for every message.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, PING_LINE, ServerOp, encode_sub};
use hdrhistogram::Histogram;

use super::Live;
use super::ledger::Ledger;
use super::plan::Plan;
use super::stamp::Stamp;
use crate::cli::client::failure::Failure;
use crate::cli::client::print::{header_value, human_status};
use crate::cli::client::{ANSWER_WAIT, Client, Polled, TICK, printable};

/// When messages are missing at the end, a cluster may still bring them: wait until it has been
/// quiet for this long.
const QUIET: Duration = Duration::from_secs(1);

/// A connected and subscribed subscriber.
pub(super) struct Subscriber<'a> {
    client: Client,
    plan: &'a Plan,
    tally: Tally,
}

/// What a subscriber got.
#[derive(Debug)]
pub(super) struct Tally {
    run: u32,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) ledger: Ledger,
    /// Messages that are not of this run.
    pub(super) foreign: u64,
    /// How many lost messages the server has reported.
    pub(super) reported: u64,
    /// What the server said when it ended the subscription.
    pub(super) end: Option<String>,
    pub(super) error: Option<String>,
    /// From the start of the run to the last message.
    pub(super) elapsed: Duration,
    /// In nanoseconds, if it is measured.
    pub(super) latency: Option<Histogram<u64>>,
    /// When the bytes at hand were read, as nanoseconds of the run; one look at the clock for all.
    arrival: Option<u64>,
    pongs: u64,
}

impl<'a> Subscriber<'a> {
    /// Subscribes and waits until the server has accepted it.
    pub(super) fn new(mut client: Client, plan: &'a Plan) -> Result<Subscriber<'a>, Failure> {
        let queue = plan.queue.as_deref().map(str::as_bytes);
        encode_sub(&mut client.out, plan.filter().as_bytes(), queue, b"1");
        client.confirm(ANSWER_WAIT)?;
        Ok(Subscriber { client, plan, tally: Tally::new(plan)? })
    }

    /// Receives until the server has handed over everything it had for us.
    pub(super) fn run(mut self, live: &Live) -> Tally {
        let (mut fenced, mut heard) = (false, Instant::now());
        loop {
            let (before, settled) = (self.tally.messages, live.is_settled());
            if settled && !fenced {
                // Its PONG comes after every message that the server has for us by now.
                self.client.out.extend_from_slice(PING_LINE);
                (fenced, heard) = (true, Instant::now());
            }
            self.tally.arrival = None;
            let tally = &mut self.tally;
            let polled = self.client.poll(TICK, |_, op| tally.handle(live, &op));
            let new = self.tally.messages - before;
            live.received.fetch_add(new, Ordering::Relaxed);
            match polled {
                Err(error) => {
                    self.tally.error.get_or_insert_with(|| error.to_string());
                    return self.tally;
                }
                Ok(Polled::Worked | Polled::Stopped) => heard = Instant::now(),
                Ok(Polled::Idle) => {}
            }
            if self.tally.pongs > 0 && (self.is_complete(live) || heard.elapsed() >= QUIET) {
                return self.tally;
            }
            if settled && self.tally.pongs == 0 && heard.elapsed() >= self.plan.timeout {
                let wait = self.plan.timeout;
                self.tally.error = Some(format!("heard nothing for {wait:?}, not even a PONG"));
                return self.tally;
            }
        }
    }

    fn is_complete(&self, live: &Live) -> bool {
        if self.tally.end.is_some() {
            return true;
        }
        let got = match self.plan.queue {
            Some(_) => live.received.load(Ordering::Relaxed),
            None => self.tally.ledger.distinct + self.tally.reported,
        };
        got >= live.published.load(Ordering::Relaxed)
    }
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Result<Tally, Failure> {
        let ledger = match plan.queue {
            Some(_) => Ledger::part((0..plan.pubs).map(|publisher| plan.share(publisher))),
            None => Ledger::whole(plan.pubs),
        };
        Ok(Tally {
            run: plan.run,
            messages: 0,
            bytes: 0,
            ledger,
            foreign: 0,
            reported: 0,
            end: None,
            error: None,
            elapsed: Duration::ZERO,
            latency: if plan.latency { Some(new_histogram()?) } else { None },
            arrival: None,
            pongs: 0,
        })
    }

    pub(super) fn handle(&mut self, live: &Live, op: &ServerOp<'_>) -> ControlFlow<()> {
        match op {
            ServerOp::Message(message) => self.message(live, message),
            ServerOp::Pong => self.pongs += 1,
            ServerOp::Err(text) => {
                let text = printable(text);
                self.error.get_or_insert_with(|| format!("the server said -ERR '{text}'"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, live: &Live, message: &Delivered<'_>) {
        // Publishers of a run send no headers, so these are the server's own words.
        if !message.headers.is_empty() && self.is_status(message) {
            return;
        }
        let arrival = *self.arrival.get_or_insert_with(|| {
            let now = Instant::now();
            self.elapsed = now.saturating_duration_since(live.start);
            live.nanos(now)
        });
        match Stamp::read(message.payload) {
            Some(stamp) if stamp.run == self.run => {
                if !self.ledger.record(stamp.publisher, stamp.seq) {
                    self.foreign += 1;
                    return;
                }
                self.messages += 1;
                self.bytes += message.payload.len() as u64;
                if let Some(latency) = &mut self.latency {
                    latency.saturating_record(arrival.saturating_sub(stamp.nanos));
                }
            }
            _ => self.foreign += 1,
        }
    }

    /// Takes the losses that the server reports; true if the message is nothing else.
    fn is_status(&mut self, message: &Delivered<'_>) -> bool {
        let missed = header_value(message.headers, "Floodway-Missed");
        self.reported += missed.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let Some(status) = HeaderView::new(message.headers).status() else { return false };
        if header_value(message.headers, "Floodway-End-Reason").is_some() {
            self.end = Some(human_status(status, message));
        }
        true
    }
}

/// Nanoseconds up to an hour in three significant digits: some 270 KB. Fixed, because recording
/// into one that grows either fails or is cut off at where it has grown to.
pub(super) fn new_histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
        .map_err(|error| Failure::failed(format!("cannot make a histogram: {error}")))
}
