//! One publisher: encodes into a buffer as fast as it can, or as slow as it should.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::stamp::Stamp;
use super::{Live, Working};
use crate::cli::client::pace::Pace;
use crate::cli::client::{ANSWER_WAIT, Client, ClientError, TICK};

/// A paced message may go out this late and still count as sent now. Beyond that its latency
/// counts from when it was due, or a stalled server would look fast.
const LATE: Duration = Duration::from_millis(1);

/// A connected publisher.
pub(super) struct Publisher<'a> {
    client: Client,
    plan: &'a Plan,
    index: u32,
    heads: Heads,
    /// Payload and CRLF; the stamp at its front is rewritten for each message.
    tail: Vec<u8>,
}

/// What a publisher did.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) messages: u64,
    /// Until the server's PONG.
    pub(super) elapsed: Duration,
    pub(super) error: Option<String>,
}

/// `PUB subject [reply] size\r\n` for every subject, one after the other.
pub(super) struct Heads {
    text: Vec<u8>,
    ends: Vec<usize>,
    at: usize,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(client: Client, plan: &'a Plan, index: u32) -> Publisher<'a> {
        let mut tail = vec![b'.'; plan.size];
        tail.extend_from_slice(b"\r\n");
        Publisher { client, plan, index, heads: Heads::new(plan, index, ""), tail }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Publishes this publisher's share and waits until the server has seen all of it.
    pub(super) fn run(mut self, live: &Live) -> Published {
        let _working = Working(live);
        let mut messages = 0;
        let outcome = self.publish(live, &mut messages);
        let outcome =
            outcome.and_then(|()| self.client.confirm(ANSWER_WAIT.max(self.plan.timeout)));
        Published {
            messages,
            elapsed: live.start.elapsed(),
            error: outcome.err().map(|error| error.to_string()),
        }
    }

    fn publish(&mut self, live: &Live, seq: &mut u64) -> Result<(), ClientError> {
        let total = self.plan.share(self.index);
        let pace = pace(self.plan, self.index, live.start);
        let mut looked = live.start;
        while *seq < total {
            let now = Instant::now();
            if now.saturating_duration_since(looked) >= TICK {
                self.client.look()?;
                looked = now;
            }
            let due = pace.due(now).min(total);
            if *seq >= due {
                std::thread::sleep(pace.time_of(*seq).saturating_duration_since(now).min(TICK));
                continue;
            }
            let before = *seq;
            let out = &mut self.client.out;
            while *seq < due && (out.len() < self.plan.batch) {
                let nanos = if self.plan.latency { sent_at(live, &pace, *seq, now) } else { 0 };
                let stamp = Stamp { run: self.plan.run, publisher: self.index, seq: *seq, nanos };
                stamp.write(&mut self.tail[..self.plan.size]);
                out.extend_from_slice(self.heads.next());
                out.extend_from_slice(&self.tail);
                *seq += 1;
            }
            self.client.flush()?;
            live.published.fetch_add(*seq - before, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// This publisher's schedule; publishers take turns instead of all sending at once.
pub(super) fn pace(plan: &Plan, index: u32, start: Instant) -> Pace {
    match plan.rate {
        None => Pace::new(start, None),
        Some(rate) => {
            let first = Pace::new(start, Some(rate)).time_of(u64::from(index));
            Pace::new(first, Some(rate / f64::from(plan.pubs)))
        }
    }
}

fn sent_at(live: &Live, pace: &Pace, seq: u64, now: Instant) -> u64 {
    let due = pace.time_of(seq);
    // Flat out nothing is ever due: `time_of` is then the start, which must not count.
    let late = pace.is_paced() && now.saturating_duration_since(due) > LATE;
    live.nanos(if late { due } else { now })
}

impl Heads {
    /// `reply` is empty or ends with a space.
    pub(super) fn new(plan: &Plan, index: u32, reply: &str) -> Heads {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for number in 0..plan.subjects {
            let subject = plan.subject(number);
            text.extend_from_slice(format!("PUB {subject} {reply}{}\r\n", plan.size).as_bytes());
            ends.push(text.len());
        }
        // Publishers start at different subjects, so that they do not walk in step.
        let at = u64::from(index) * plan.subjects / u64::from(plan.pubs);
        Heads { text, ends, at: usize::try_from(at).unwrap_or(0) }
    }

    /// The head of the next message.
    pub(super) fn next(&mut self) -> &[u8] {
        let start = if self.at == 0 { 0 } else { self.ends[self.at - 1] };
        let head = &self.text[start..self.ends[self.at]];
        self.at = if self.at + 1 == self.ends.len() { 0 } else { self.at + 1 };
        head
    }
}
