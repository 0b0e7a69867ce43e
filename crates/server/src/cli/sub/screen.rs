//! Prints what comes, each notice at its place, and remembers what the summary needs.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp};

use super::Args;
use super::notice::{End, Missed};
use crate::cli::client::address::Address;
use crate::cli::client::failure::{Failure, counted};
use crate::cli::client::interrupt::Interrupt;
use crate::cli::client::print::{self, Format};
use crate::cli::client::{Client, ClientError, Polled, TICK, printable};

/// Messages go to `out`, notices to `notes`.
pub(super) struct Screen<W, N> {
    pub(super) out: W,
    pub(super) notes: N,
    format: Format,
    greeting: String,
    /// What was typed, in the order of the sids, which count from 1.
    filters: Vec<String>,
    /// The server has accepted every SUB.
    confirmed: bool,
    stop_after: Option<u64>,
    messages: u64,
    missed: u64,
    conflated: u64,
    ended: usize,
    errors: u64,
    /// What ends the run early.
    failure: Option<Failure>,
}

impl<W: Write, N: Write> Screen<W, N> {
    pub(super) fn new(args: &Args, address: &Address, out: W, notes: N) -> Screen<W, N> {
        let group = args.queue.as_ref().map_or(String::new(), |queue| format!(" as {queue}"));
        Screen {
            out,
            notes,
            format: args.format(),
            greeting: format!("listening on {}{group} at {address}", args.subjects.join(", ")),
            filters: args.subjects.clone(),
            confirmed: false,
            stop_after: args.count,
            messages: 0,
            missed: 0,
            conflated: 0,
            ended: 0,
            errors: 0,
            failure: None,
        }
    }

    /// Prints until the count is reached, nothing came for `timeout`, or somebody ends it.
    pub(super) fn run(
        &mut self,
        client: &mut Client,
        interrupt: &Interrupt,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let (mut last_message, mut seen) = (Instant::now(), 0);
        let wait = timeout.map_or(TICK, |timeout| timeout.clamp(Duration::from_millis(1), TICK));
        while !interrupt.is_set() {
            let polled = client.poll(wait, |_, op| self.handle(&op));
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.flush()?;
            if polled? == Polled::Stopped {
                return Ok(());
            }
            if self.messages > seen {
                (last_message, seen) = (Instant::now(), self.messages);
            } else if timeout.is_some_and(|timeout| last_message.elapsed() >= timeout) {
                return self.timed_out();
            }
        }
        Ok(())
    }

    fn handle(&mut self, op: &ServerOp<'_>) -> ControlFlow<()> {
        let printed = match op {
            ServerOp::Message(message) => self.message(message),
            ServerOp::Err(text) => self.error(&printable(text)),
            ServerOp::Pong if !self.confirmed => {
                self.confirmed = true;
                let greeting = std::mem::take(&mut self.greeting);
                self.note(&greeting)
            }
            _ => Ok(()),
        };
        if let Err(error) = printed {
            self.failure = Some(Failure::output(&error));
        }
        let full = self.stop_after.is_some_and(|count| self.messages >= count);
        if full || self.failure.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, message: &Delivered<'_>) -> io::Result<()> {
        if !message.headers.is_empty() {
            if let Some(status) = HeaderView::new(message.headers).status() {
                return self.status(status, message);
            }
            self.missed(message)?;
            let replaced = print::conflated(message.headers).unwrap_or(0);
            self.conflated = self.conflated.saturating_add(replaced);
        }
        self.messages += 1;
        print::message(&mut self.out, self.format, self.messages, message)
    }

    /// A message from the server about the subscription; it does not count as one.
    fn status(&mut self, status: (u16, &str), message: &Delivered<'_>) -> io::Result<()> {
        if self.format == Format::Json {
            print::json_status(&mut self.out, status, message)?;
        }
        let missed = self.missed(message)?;
        let Some(end) = End::read(message.headers) else {
            if missed {
                return Ok(());
            }
            return self.note(&print::human_status(status, message));
        };
        let line = end.line(&self.filter_of(message));
        self.ended += 1;
        if self.ended < self.filters.len() {
            return self.note(&line);
        }
        // Nothing more can come. What ends the run is said last, after the summary.
        self.failure = Some(Failure::Failed(line));
        Ok(())
    }

    /// Says what was missed at this place, if anything was.
    fn missed(&mut self, message: &Delivered<'_>) -> io::Result<bool> {
        let Some(missed) = Missed::read(message.headers) else { return Ok(false) };
        self.missed = self.missed.saturating_add(missed.count);
        self.note(&missed.line())?;
        Ok(true)
    }

    /// The filter as it was typed; the subject of a notice may be one that nobody has seen.
    fn filter_of(&self, message: &Delivered<'_>) -> String {
        let sid = std::str::from_utf8(message.sid).ok().and_then(|sid| sid.parse::<usize>().ok());
        let filter = sid.and_then(|sid| self.filters.get(sid.checked_sub(1)?));
        filter.cloned().unwrap_or_else(|| print::shown(message.subject))
    }

    fn error(&mut self, text: &str) -> io::Result<()> {
        self.errors += 1;
        if self.confirmed {
            return self.note(&format!("the server said -ERR '{text}'"));
        }
        // Before the PONG it is about our SUB: there is nothing to wait for.
        self.failure = Some(ClientError::Server(text.to_owned()).into());
        Ok(())
    }

    fn timed_out(&self) -> Result<(), Failure> {
        match self.stop_after {
            Some(count) => Err(Failure::Failed(format!(
                "timed out with {} of {count} messages",
                self.messages
            ))),
            None => Ok(()),
        }
    }

    /// Prints a line beside the messages.
    fn note(&mut self, line: &str) -> io::Result<()> {
        // Both streams may be one terminal: keep the notice at its place.
        self.out.flush()?;
        let _unheard = writeln!(self.notes, "{line}");
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    /// `1000 messages, 120 missed, 37 conflated`.
    pub(super) fn summary(&self) -> String {
        let mut line = counted(self.messages, "message");
        for (count, what) in [(self.missed, "missed"), (self.conflated, "conflated")] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        if self.errors > 0 {
            line.push_str(&format!(", {}", counted(self.errors, "error")));
        }
        line
    }
}
