//! What time brings to a client, and how it ends: told why, drained, closed, forgotten.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use floodway::EndReason;
use floodway_broker::Advisory;
use floodway_wire::nats::{PING_LINE, encode_err};

use super::{FIRST_PING, Peer, Progress, Stage};
use crate::nats::Close;
use crate::shard::ShardContext;

/// How long a client may take to close its side after we closed ours.
const HALF_CLOSED: Duration = Duration::from_secs(1);

impl Peer {
    /// What time has brought: an unanswered PING, a timeout, the end of draining.
    pub(crate) fn tick(&mut self, cx: &mut ShardContext, now: Instant) -> Progress {
        match self.stage {
            Stage::Open => {
                self.tick_open(cx, now);
                Progress::Wait
            }
            Stage::Draining { until } => {
                if now >= until {
                    return Progress::Gone;
                }
                self.drained(now)
            }
            Stage::HalfClosed { until } if now >= until => Progress::Gone,
            Stage::HalfClosed { .. } => Progress::Wait,
        }
    }

    fn tick_open(&mut self, cx: &mut ShardContext, now: Instant) {
        self.pushback.forget_older(now);
        let session = self.connection.session();
        if let Some(reason) = session.sweep(&self.connection.framing(), now) {
            session.end(reason);
            self.begin_drain(cx, now);
            return;
        }
        if session.has_queued() {
            // Subscriptions may have ended alone, and lanes have something to tell.
            self.protocol.broker.reap(session);
            self.announce(cx, now);
            self.connection.flush(now);
        }
        for advisory in self.protocol.broker.registry().watch(self.connection.session(), now) {
            cx.publish(advisory.subject.as_bytes(), &advisory.payload, now);
        }
        let settings = self.protocol.settings.clone();
        if !self.protocol.authorized && now >= self.opened + settings.auth_timeout {
            return self.close(Close::told("Authentication Timeout"), cx, now);
        }
        if now < self.next_ping {
            return;
        }
        let silent = now.saturating_duration_since(self.heard);
        let first = self.protocol.pings_unanswered == 0 && self.heard < self.opened + FIRST_PING;
        if silent < settings.ping_interval && !first {
            self.protocol.pings_unanswered = 0;
            self.next_ping = self.heard + settings.ping_interval;
            return;
        }
        if self.protocol.pings_unanswered + 1 > settings.ping_max {
            return self.close(Close::told("Stale Connection"), cx, now);
        }
        self.protocol.pings_unanswered += 1;
        self.next_ping = now + settings.ping_interval;
        self.connection.session().answer(PING_LINE, now);
        self.connection.flush(now);
    }

    /// The session, or a subscription of it, has ended over what was queued for it.
    pub(crate) fn ended(&mut self, cx: &mut ShardContext, now: Instant) -> Progress {
        self.announce(cx, now);
        if self.connection.session().end_reason().is_some() {
            self.begin_drain(cx, now);
        }
        self.drained(now)
    }

    /// Tells operators of subscriptions that have ended while the connection goes on.
    fn announce(&self, cx: &mut ShardContext, now: Instant) {
        let session = self.connection.session();
        for (reason, advisory) in session.take_announcements(now) {
            let (cid, client) = (session.id(), session.peer());
            tracing::warn!(cid, %client, "Ended a subscription: {reason}");
            cx.publish(advisory.subject.as_bytes(), &advisory.payload, now);
        }
    }

    /// Ends the connection for a fault of the client, or the server's own reasons.
    pub(crate) fn close(&mut self, close: Close, cx: &mut ShardContext, now: Instant) {
        if !self.is_open() {
            return;
        }
        let session = self.connection.session();
        if let Some(error) = close.error {
            let mut line = Vec::new();
            encode_err(&mut line, error);
            session.last_words(&line, now);
        }
        session.end(EndReason::Disconnected { cause: close.cause });
        self.begin_drain(cx, now);
    }

    /// The session has ended, for whatever reason: takes it off the bus, and lets the client read
    /// what is queued for a while.
    pub(crate) fn begin_drain(&mut self, cx: &mut ShardContext, now: Instant) {
        if !self.is_open() {
            return;
        }
        let until = now + self.protocol.settings.linger;
        self.drain_until(until, cx, now);
    }

    /// As [`Peer::begin_drain`], with the end of that while given.
    pub(crate) fn drain_until(&mut self, until: Instant, cx: &mut ShardContext, now: Instant) {
        self.stage = Stage::Draining { until };
        (self.carry, self.carried, self.needed) = (Vec::new(), 0, 0);
        self.carry_charge.set(0);
        self.readable = true;
        let session = self.connection.session();
        let ended = session.snapshot(now, true);
        self.protocol.broker.unsubscribe_all(session);
        let reason = ended.end.as_ref().map(ToString::to_string).unwrap_or_default();
        let (cid, client) = (session.id(), session.peer());
        match Advisory::of_end(&ended) {
            Some(advisory) => {
                tracing::warn!(cid, %client, name = ended.identity.name, "Ended a {reason}");
                cx.publish(advisory.subject.as_bytes(), &advisory.payload, now);
            }
            None => tracing::debug!(cid, %client, "Closing: {reason}"),
        }
        self.connection.flush(now);
    }

    /// Nothing more is read: the server is stopping.
    pub(crate) fn stop_reading(&mut self) {
        self.paused = true;
        self.stopping = true;
    }

    /// The server stops: what is queued may be written until `until`.
    pub(crate) fn stop(&mut self, until: Instant, cx: &mut ShardContext, now: Instant) {
        self.last_moment = Some(until);
        self.connection.session().end(EndReason::ServerStopped);
        match &mut self.stage {
            Stage::Open => self.drain_until(until, cx, now),
            Stage::Draining { until: end } | Stage::HalfClosed { until: end } => {
                *end = until.min(*end);
            }
        }
    }

    /// Closes our side once everything is written.
    pub(crate) fn drained(&mut self, now: Instant) -> Progress {
        let Stage::Draining { .. } = self.stage else { return Progress::Wait };
        if !self.connection.session().with_outbox(|outbox| outbox.is_drained()) {
            return Progress::Wait;
        }
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return Progress::Gone;
        }
        let until = now + HALF_CLOSED;
        let until = self.last_moment.map_or(until, |last| last.min(until));
        self.stage = Stage::HalfClosed { until };
        Progress::ReadMore
    }

    /// Tells the client to go elsewhere, if it can be told.
    pub(crate) fn lame_duck(&self, now: Instant) {
        if self.is_open() && self.protocol.options.protocol >= 1 {
            let session = self.connection.session();
            let info = self.protocol.settings.facts.line(session.id(), session.peer(), true);
            session.answer(&info, now);
            self.connection.flush(now);
        }
    }

    /// Forgets the client: its account is closed, its socket let go.
    pub(crate) fn forget(self, now: Instant) {
        let last = self.protocol.broker.close(self.connection.session(), now);
        self.connection.close_socket();
        let reason = last.end.map(|reason| reason.to_string()).unwrap_or_default();
        tracing::debug!(cid = last.id, client = %last.peer, "Closed: {reason}");
    }
}
