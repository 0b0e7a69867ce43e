//! The side of a client that only its own shard uses: reading its socket, and its life as a whole.

mod ending;
mod pace;

use std::io::{self, Read};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use floodway::{Charge, EndReason, Pushback, ReadBuffer};
use floodway_broker::Broker;
use floodway_wire::nats::{self, ClientOp, parse_client};
use mio::net::TcpStream;

use super::connection::Connection;
use super::protocol::{AUTHORIZATION_VIOLATION, Protocol, Settings};
use crate::shard::ShardContext;

/// The first PING comes early: it measures the way to the client, as other servers do.
const FIRST_PING: Duration = Duration::from_secs(2);

/// What is to happen with a peer next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Wait for its socket, or for time to pass.
    Wait,
    /// There may be more to read.
    ReadMore,
    /// It is over; forget it.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// It has ended; what is queued may still be written.
    Draining {
        until: Instant,
    },
    /// Everything is written and our side closed; what still comes in is thrown away, for closing
    /// a socket with unread bytes makes the client lose what it has not read yet.
    HalfClosed {
        until: Instant,
    },
}

/// See the [module header](self).
#[derive(Debug)]
pub(crate) struct Peer {
    socket: Arc<TcpStream>,
    connection: Arc<Connection>,
    protocol: Protocol,
    pushback: Pushback,
    /// The start of a message whose rest has not come yet.
    carry: Vec<u8>,
    /// How much of it is filled; only a message larger than the read buffer has room left.
    carried: usize,
    /// How long that message is known to become.
    needed: usize,
    carry_charge: Charge,
    stage: Stage,
    /// The socket has something to read, or may have.
    readable: bool,
    /// The client has closed its side. No event will tell that again, so it is read to its end.
    hung_up: bool,
    /// Not read: its consumers are over their marks.
    paused: bool,
    /// Wakes it when it may go on; one for its whole life, so that consumers know it again.
    resume: Option<Waker>,
    /// It waits for its turn to read on.
    queued: bool,
    /// Paused for good.
    stopping: bool,
    /// When the server stops waiting for anybody.
    last_moment: Option<Instant>,
    opened: Instant,
    heard: Instant,
    next_ping: Instant,
}

impl Peer {
    /// A client that just connected. It is greeted with INFO.
    pub(crate) fn open(
        broker: Arc<Broker>,
        settings: Arc<Settings>,
        socket: Arc<TcpStream>,
        connection: Arc<Connection>,
        now: Instant,
    ) -> Self {
        let session = connection.session().clone();
        let pushback = Pushback::new(broker.pushback());
        let next_ping = now + settings.ping_interval.min(FIRST_PING);
        let info = settings.facts.line(session.id(), session.peer(), false);
        let carry_charge = broker.bus().budget().charge(0);
        let protocol = Protocol::new(broker, settings, connection.clone());
        session.answer(&info, now);
        Self {
            socket,
            connection,
            protocol,
            pushback,
            carry: Vec::new(),
            carried: 0,
            needed: 0,
            carry_charge,
            stage: Stage::Open,
            readable: false,
            hung_up: false,
            paused: false,
            resume: None,
            queued: false,
            stopping: false,
            last_moment: None,
            opened: now,
            heard: now,
            next_ping,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The socket has something to read; `hung_up` if that ends with its end.
    pub(crate) fn set_readable(&mut self, hung_up: bool) {
        self.readable = true;
        self.hung_up |= hung_up;
    }

    /// Puts it in line to read on; false if it is there already.
    pub(crate) fn enqueue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// Its turn has come.
    pub(crate) fn dequeue(&mut self) {
        self.queued = false;
    }

    // ----- reading

    /// Reads once and carries out what came.
    pub(crate) fn read(&mut self, cx: &mut ShardContext, now: Instant) -> Progress {
        if !self.readable || self.paused && self.is_open() {
            return Progress::Wait;
        }
        let Some(mut buffer) = cx.buffer.take() else { return Progress::Wait };
        let progress = if self.is_open() {
            self.read_into(&mut buffer, cx, now)
        } else {
            self.throw_away(buffer.writable())
        };
        cx.buffer = Some(buffer);
        progress
    }

    fn read_into(
        &mut self,
        buffer: &mut ReadBuffer,
        cx: &mut ShardContext,
        now: Instant,
    ) -> Progress {
        let memory = buffer.writable();
        let (carried, size) = (self.carried, memory.len());
        if self.needed > size {
            return self.read_large(cx, now);
        }
        memory[..carried].copy_from_slice(&self.carry[..carried]);
        let mut socket = &*self.socket;
        match socket.read(&mut memory[carried..]) {
            Ok(0) => self.closed_by_client(),
            Ok(count) => {
                // A short read has emptied the socket: the next bytes come with a new event.
                self.readable = self.hung_up || carried + count == size;
                let input = &buffer.filled()[..carried + count];
                let used = self.carry_out(input, Some(buffer), cx, now);
                self.carry_over(&input[used..]);
                self.after_read(now)
            }
            Err(error) => self.read_failed(&error),
        }
    }

    /// A message larger than the read buffer is collected in memory of its own, which grows with
    /// what really came: a size on a line is only a claim.
    fn read_large(&mut self, cx: &mut ShardContext, now: Instant) -> Progress {
        if self.carried == self.carry.len() {
            let size = (self.carried * 2).clamp(cx.buffer_bytes(), self.needed);
            self.carry.resize(size, 0);
            self.carry_charge.set(self.carry.capacity());
        }
        let mut socket = &*self.socket;
        match socket.read(&mut self.carry[self.carried..]) {
            Ok(0) => self.closed_by_client(),
            Ok(count) => {
                self.carried += count;
                self.readable = self.hung_up || self.carried == self.carry.len();
                if self.carried == self.needed {
                    let carry = std::mem::take(&mut self.carry);
                    let used = self.carry_out(&carry, None, cx, now);
                    self.carry_over(&carry[used..]);
                }
                self.after_read(now)
            }
            Err(error) => self.read_failed(&error),
        }
    }

    fn after_read(&mut self, now: Instant) -> Progress {
        if !self.is_open() {
            // What it read made it end; often everything is written by now.
            return self.drained(now);
        }
        if self.readable { Progress::ReadMore } else { Progress::Wait }
    }

    fn carry_over(&mut self, rest: &[u8]) {
        if rest.is_empty() && self.carry.capacity() > 0 {
            self.carry = Vec::new();
        } else {
            self.carry.clear();
            self.carry.extend_from_slice(rest);
        }
        self.carried = rest.len();
        self.carry_charge.set(self.carry.capacity());
    }

    fn closed_by_client(&mut self) -> Progress {
        self.connection.session().end(EndReason::Disconnected { cause: "client closed" });
        Progress::Gone
    }

    fn read_failed(&mut self, error: &io::Error) -> Progress {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.readable = false;
                Progress::Wait
            }
            io::ErrorKind::Interrupted => Progress::ReadMore,
            _ => {
                let cause = "connection lost while reading";
                self.connection.session().end(EndReason::Disconnected { cause });
                Progress::Gone
            }
        }
    }

    fn throw_away(&mut self, buffer: &mut [u8]) -> Progress {
        let mut socket = &*self.socket;
        match socket.read(buffer) {
            Ok(0) => Progress::Gone,
            Ok(_) => Progress::ReadMore,
            Err(error) => self.read_failed(&error),
        }
    }

    /// Carries out every whole operation in `input`, which may lie in a buffer; returns how much of
    /// it that was.
    fn carry_out(
        &mut self,
        input: &[u8],
        buffer: Option<&ReadBuffer>,
        cx: &mut ShardContext,
        now: Instant,
    ) -> usize {
        let (mut used, mut messages, mut bytes) = (0, 0, 0);
        let Self { protocol, pushback, .. } = self;
        let mut batch = cx.router.batch(protocol.origin(), pushback, &mut cx.wakeups, now);
        if let Some(buffer) = buffer {
            batch = batch.lying_in(buffer);
        }
        let close = loop {
            match parse_client(&input[used..], protocol.parse_limits()) {
                Ok(nats::Progress::Op { op: ClientOp::Publish(publish), used: size }) => {
                    used += size;
                    messages += 1;
                    bytes += (publish.payload.len() + publish.headers.len()) as u64;
                    if let Err(close) = protocol.publish(publish, &mut batch, now) {
                        break Some(close);
                    }
                }
                Ok(nats::Progress::Op { op, used: size }) => {
                    used += size;
                    // What was published before takes effect before: a PONG comes after it.
                    batch.commit();
                    if let Err(close) = protocol.operate(op, now) {
                        break Some(close);
                    }
                    batch.set_origin(protocol.origin());
                }
                Ok(nats::Progress::More { needed }) => {
                    self.needed = needed;
                    break (!protocol.authorized && !starts_connect(&input[used..]))
                        .then_some(AUTHORIZATION_VIOLATION);
                }
                Err(violation) => break Some(protocol.violation(violation)),
            }
        };
        batch.commit();
        self.heard = now;
        let session = self.connection.session();
        session.count_in(messages, bytes, now);
        if session.has_queued() {
            cx.answered.push(self.connection.clone());
        }
        if let Some(close) = close {
            self.close(close, cx, now);
            return input.len();
        }
        used
    }
}

/// Whether `bytes` may become a CONNECT: the only thing a client may say before it is authorized.
fn starts_connect(bytes: &[u8]) -> bool {
    let verb = b"CONNECT";
    bytes.iter().zip(verb).all(|(byte, expected)| byte.to_ascii_uppercase() == *expected)
}
