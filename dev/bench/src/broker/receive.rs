//! All healthy subscribers of a run: one thread that waits for every connection at once.
//!
//! A run is over by events, not by time: once the publishers know that the server has taken all,
//! each subscriber asks PING, and the PONG comes behind everything that was routed to it. Only a
//! subscriber that is then still short is given a moment more, so that a server which answers too
//! early is not blamed for a loss.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::ledger::{Faults, Ledger};
use super::link::{Intake, Link, PATIENCE, Scratch, refused};
use super::payload;
use super::watch::Watch;
use super::wire::{Item, PING, PONG, Protocol};

/// How long a subscriber that is short after its PONG may go without news.
const GRACE: Duration = Duration::from_secs(2);
const WAKE: Token = Token(usize::MAX);

/// What all subscribers together saw.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) delivered: u64,
    pub(crate) faults: Faults,
    /// When the last message came, by [`payload::now`].
    pub(crate) last_at: u64,
    /// Nanoseconds from sent to received, if it was asked for.
    pub(crate) latency: Option<Histogram<u64>>,
    /// What went wrong on a connection, first one only.
    pub(crate) trouble: Option<String>,
}

/// The subscribers of one run.
#[derive(Debug)]
pub(crate) struct Receiver {
    poll: Poll,
    seats: Vec<Seat>,
    scratch: Scratch,
    latency: Option<Histogram<u64>>,
    last_at: u64,
    asked: bool,
    /// Who is shown what has come so far, and knows at the end how much there was.
    watch: Option<Arc<Watch>>,
    /// Messages may be dropped or replaced on the way.
    lossy: bool,
    trouble: Option<String>,
}

#[derive(Debug)]
struct Seat {
    stream: TcpStream,
    intake: Intake,
    protocol: Protocol,
    ledger: Ledger,
    /// The server has closed its side; the end is read behind what came before.
    hung_up: bool,
    /// Answered the closing PING.
    answered: bool,
    closed: bool,
}

impl Receiver {
    /// Takes over subscribed connections, each with what it is to receive, and returns also the
    /// handle that says "the publishers are done". `timed` also records each
    /// message's latency.
    pub(crate) fn new(links: Vec<(Link, Ledger)>, timed: bool) -> io::Result<(Receiver, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let mut seats = Vec::with_capacity(links.len());
        for (index, (link, ledger)) in links.into_iter().enumerate() {
            let protocol = link.protocol();
            let (stream, intake) = link.into_parts();
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            seats.push(Seat {
                stream,
                intake,
                protocol,
                ledger,
                hung_up: false,
                answered: false,
                closed: false,
            });
        }
        let receiver = Receiver {
            poll,
            seats,
            scratch: Scratch::new(),
            latency: timed.then(new_histogram),
            last_at: payload::now(),
            asked: false,
            watch: None,
            lossy: false,
            trouble: None,
        };
        Ok((receiver, waker))
    }

    /// Shows `watch` what comes, and learns from it how much that should have been.
    pub(crate) fn watched(mut self, watch: Arc<Watch>) -> Receiver {
        self.watch = Some(watch);
        self
    }

    /// Does not wait for, nor complain of, what a policy drops or replaces.
    pub(crate) fn lossy(mut self, lossy: bool) -> Receiver {
        self.lossy = lossy;
        self
    }

    /// Reads until all has come, or nothing comes any more.
    pub(crate) fn run(mut self) -> io::Result<Received> {
        let mut events = Events::with_capacity(256);
        // Connections with more to read. Each is read once per turn: whoever reads one until it is
        // empty starves the others, which the server then takes for slow.
        let mut unread = Vec::new();
        loop {
            let all_answered = self.seats.iter().all(|seat| seat.answered || seat.closed);
            let is_whole = |seat: &Seat| self.lossy || seat.ledger.is_complete();
            if all_answered && self.seats.iter().all(is_whole) {
                break;
            }
            let silence = if self.asked && all_answered { GRACE } else { PATIENCE };
            let timeout = if unread.is_empty() { silence } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            if events.is_empty() && unread.is_empty() {
                if !all_answered {
                    self.complain(format!("nothing came for {} s", silence.as_secs()));
                }
                break;
            }
            for event in &events {
                if event.token() == WAKE {
                    self.ask();
                    continue;
                }
                let index = event.token().0;
                self.seats[index].hung_up |= event.is_read_closed();
                if !unread.contains(&index) {
                    unread.push(index);
                }
            }
            unread.retain(|&index| self.read(index));
            // How much there should have been is known only once the publisher has ended.
            let is_known = self.watch.is_none() || self.asked;
            if is_known && self.seats.iter().all(|seat| seat.closed) {
                break;
            }
        }
        Ok(self.account())
    }

    /// Asks every subscriber for the PONG that ends its stream.
    fn ask(&mut self) {
        self.asked = true;
        if let Some(watch) = &self.watch {
            let published = watch.published();
            self.seats.iter_mut().for_each(|seat| seat.ledger.close(published));
        }
        for seat in self.seats.iter_mut().filter(|seat| !seat.closed) {
            if seat.stream.write_all(PING).is_err() {
                seat.closed = true;
            }
        }
    }

    /// Reads one connection once; whether there may be more. A read that did not fill the buffer
    /// took all there was, unless the peer's end is waiting behind it.
    fn read(&mut self, index: usize) -> bool {
        if self.seats[index].closed {
            return false;
        }
        match self.read_once(index) {
            Ok(more) => more,
            Err(error) => {
                self.seats[index].closed = true;
                self.complain(format!("a subscriber was cut: {error}"));
                false
            }
        }
    }

    fn read_once(&mut self, index: usize) -> io::Result<bool> {
        let seat = &mut self.seats[index];
        let mut stream = &seat.stream;
        let filled = match seat.intake.fill(&mut self.scratch, |buffer| stream.read(buffer)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            other => other?.ok_or(ErrorKind::UnexpectedEof)?,
        };
        let now = payload::now();
        let before = seat.ledger.received();
        let (mut pinged, mut told, mut newest) = (false, None, 0);
        seat.intake.take(seat.protocol, &self.scratch, filled, |item| match item {
            Item::Message { payload, .. } => {
                let stamp = seat.ledger.book(payload);
                let Some(stamp) = stamp else { return };
                newest = stamp.sequence;
                if let Some(latency) = &mut self.latency {
                    latency.saturating_record(now.saturating_sub(stamp.sent_at));
                }
            }
            Item::Pong => seat.answered |= self.asked,
            Item::Ping => pinged = true,
            Item::Error(text) => told = Some(refused(text)),
            Item::Other => {}
        })?;
        let more = seat.ledger.received() - before;
        if more > 0 {
            self.last_at = now;
            if let Some(watch) = &self.watch {
                watch.count(more, newest);
            }
        }
        if let Some(error) = told {
            return Err(error);
        }
        if pinged {
            stream.write_all(PONG)?;
        }
        Ok(!filled.drained || seat.hung_up)
    }

    fn complain(&mut self, what: String) {
        self.trouble.get_or_insert(what);
    }

    fn account(self) -> Received {
        let mut faults = Faults::default();
        for seat in &self.seats {
            let its = seat.ledger.faults();
            faults.add(if self.lossy { its.forgiving() } else { its });
        }
        Received {
            delivered: self.seats.iter().map(|seat| seat.ledger.received()).sum(),
            faults,
            last_at: self.last_at,
            latency: self.latency,
            trouble: self.trouble,
        }
    }
}

/// Nanoseconds up to two minutes, three digits.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("the bounds are valid")
}
