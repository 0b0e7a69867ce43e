//! What each operation of a client does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::{Batch, Filter, Message, Origin, is_literal_subject};
use floodway_broker::{
    API_SUBSCRIBE, Broker, Grant, Sid, SubscribeRefused, SubscriptionSpec, is_reserved,
};
use floodway_wire::nats::header::HeaderBlock;
use floodway_wire::nats::{
    ClientOp, OK_LINE, PONG_LINE, ParseLimits, Publish, Violation, encode_err, encode_hmsg,
    encode_msg,
};

use super::connection::Connection;
use super::info::ServerFacts;
use crate::shard::Command;

/// What the NATS listener was configured with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) facts: ServerFacts,
    pub(crate) parse_limits: ParseLimits,
    pub(crate) max_connections: usize,
    pub(crate) auth_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_max: u32,
    pub(crate) linger: Duration,
    pub(crate) send_buffer: Option<usize>,
}

/// Why a connection is closed: the words for the log, and those for the client if it gets any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) cause: &'static str,
    pub(crate) error: Option<&'static str>,
}

impl Close {
    pub(crate) const fn silent(cause: &'static str) -> Self {
        Self { cause, error: None }
    }

    pub(crate) const fn told(error: &'static str) -> Self {
        Self { cause: error, error: Some(error) }
    }
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Self {
        match violation.wire_text() {
            Some(error) => Close::told(error),
            None => Close::silent("protocol violation: wrong arguments"),
        }
    }
}

pub(super) const AUTHORIZATION_VIOLATION: Close = Close::told("Authorization Violation");

/// What the client's CONNECT asked for. Without one it is verbose and pedantic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) verbose: bool,
    pub(super) pedantic: bool,
    pub(super) echo: bool,
    pub(super) headers: bool,
    pub(super) no_responders: bool,
    pub(super) protocol: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
        }
    }
}

/// The state of one client's conversation.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(super) broker: Arc<Broker>,
    pub(super) settings: Arc<Settings>,
    pub(super) connection: Arc<Connection>,
    pub(super) options: Options,
    /// It may do something: no credentials are required, or it has shown the right ones.
    pub(super) authorized: bool,
    pub(super) connected: bool,
    pub(super) pings_unanswered: u32,
    pub(super) pongs_sent: bool,
}

impl Protocol {
    pub(crate) fn new(
        broker: Arc<Broker>,
        settings: Arc<Settings>,
        connection: Arc<Connection>,
    ) -> Self {
        let authorized = !broker.access().is_required();
        Self {
            broker,
            settings,
            connection,
            options: Options::default(),
            authorized,
            connected: false,
            pings_unanswered: 0,
            pongs_sent: false,
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { consumer: self.connection.session().consumer(), echo: self.options.echo }
    }

    pub(crate) fn parse_limits(&self) -> &ParseLimits {
        &self.settings.parse_limits
    }

    /// What a violation means: before it has shown who it is, a client can only be refused.
    pub(crate) fn violation(&self, violation: Violation) -> Close {
        if self.authorized { violation.into() } else { AUTHORIZATION_VIOLATION }
    }

    pub(super) fn answer(&self, bytes: &[u8], now: Instant) {
        // Answers that nobody reads pile up like messages, and end a session like them.
        let open = self.connection.session().answer(bytes, now);
        if !open {
            self.connection.shard().send(Command::Ended(self.connection.place()));
        }
    }

    pub(super) fn error(&self, text: &str, now: Instant) {
        let mut line = Vec::new();
        encode_err(&mut line, text);
        self.answer(&line, now);
    }

    fn ok(&self, now: Instant) {
        if self.options.verbose {
            self.answer(OK_LINE, now);
        }
    }

    /// Publishes a message: adds it to the batch, which routes it.
    #[inline]
    pub(crate) fn publish<'m>(
        &mut self,
        publish: Publish<'m>,
        batch: &mut Batch<'_, 'm>,
        now: Instant,
    ) -> Result<(), Close> {
        if !self.authorized {
            return Err(AUTHORIZATION_VIOLATION);
        }
        if publish.is_hpub && !self.options.headers {
            return Err(Close::silent("protocol violation: HPUB without headers in CONNECT"));
        }
        // Few publish to `$` subjects or are pedantic or verbose; one branch for all of them.
        if self.options.verbose | self.options.pedantic || publish.subject.first() == Some(&b'$') {
            batch.commit();
            if self.is_special(&publish, batch, now) {
                return Ok(());
            }
        }
        let message = Message::new(publish.subject, publish.payload)
            .with_reply(publish.reply)
            .with_headers(publish.headers);
        let reply = publish.reply.filter(|_| self.options.no_responders);
        if reply.is_some() && !self.options.echo {
            // What is committed below is this message only.
            batch.commit();
        }
        let mut takers = batch.push(message);
        if let Some(reply) = reply {
            // Without echo, whoever matched may be the client itself.
            if takers > 0 && !self.options.echo {
                // A responder that was too slow for it is one all the same.
                let report = batch.commit();
                takers = (report.queued + report.lost()) as usize;
            }
            if takers == 0 {
                // An answer follows what was routed to the client before.
                batch.commit();
                self.no_responders(reply, batch, now);
            }
        }
        Ok(())
    }

    /// What goes before the fan-out for clients that want it, and subjects of the server itself;
    /// true if the message goes no further.
    #[cold]
    fn is_special(&self, publish: &Publish<'_>, batch: &mut Batch<'_, '_>, now: Instant) -> bool {
        if self.options.pedantic && !is_literal_subject(publish.subject) {
            self.error("Invalid Publish Subject", now);
        }
        if is_reserved(publish.subject) {
            self.broker.meters().count_refused();
            let subject = String::from_utf8_lossy(publish.subject);
            self.error(&format!("Permissions Violation for Publish to \"{subject}\""), now);
            return true;
        }
        self.ok(now);
        if publish.subject != API_SUBSCRIBE.as_bytes() {
            return false;
        }
        let answer = self.connection.session().request_subscription(publish.payload);
        if let Some(reply) = publish.reply
            && let Some(sid) = self.own_sid(reply, batch)
        {
            let mut message = Vec::new();
            encode_msg(&mut message, reply, &sid, None, &answer);
            self.answer(&message, now);
        }
        true
    }

    /// The name of the client's own plain subscription that `subject` matches.
    fn own_sid(&self, subject: &[u8], batch: &mut Batch<'_, '_>) -> Option<Vec<u8>> {
        let key = batch.own_subscription(subject)?;
        self.connection.session().with_outbox(|outbox| {
            let mut text = Vec::new();
            outbox.sid_of(key)?.write_to(&mut text);
            Some(text)
        })
    }

    #[cold]
    fn no_responders(&self, reply: &[u8], batch: &mut Batch<'_, '_>, now: Instant) {
        let Some(sid) = self.own_sid(reply, batch) else { return };
        let headers = HeaderBlock::new().with_status(503, "").encode();
        let mut message = Vec::new();
        encode_hmsg(&mut message, reply, &sid, None, &headers, &[]);
        self.answer(&message, now);
    }

    /// Carries out anything but a publish.
    pub(crate) fn operate(&mut self, op: ClientOp<'_>, now: Instant) -> Result<(), Close> {
        if !self.authorized && !matches!(op, ClientOp::Connect(_)) {
            return Err(AUTHORIZATION_VIOLATION);
        }
        match op {
            ClientOp::Connect(json) => {
                self.connect(json, now)?;
                self.ok(now);
            }
            ClientOp::Subscribe { subject, queue, sid } => {
                self.subscribe(subject, queue, sid, now);
            }
            ClientOp::Unsubscribe { sid, max } => {
                let session = self.connection.session();
                self.broker.unsubscribe(session, &Sid::new(sid), max);
                self.ok(now);
            }
            ClientOp::Ping => {
                self.pongs_sent = true;
                self.answer(PONG_LINE, now);
            }
            ClientOp::Pong => self.pings_unanswered = 0,
            ClientOp::Ok | ClientOp::Info(_) => {}
            ClientOp::Err(_) => return Err(Close::silent("client reported an error")),
            ClientOp::Publish(_) => debug_assert!(false, "publishes go to the batch"),
        }
        Ok(())
    }

    fn subscribe(&self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8], now: Instant) {
        let Ok(filter) = Filter::new(subject) else {
            return self.error("Invalid Subject", now);
        };
        let session = self.connection.session();
        let plain = || {
            let queue_group = queue.map(Into::into);
            Grant { filter, spec: SubscriptionSpec { queue_group, ..SubscriptionSpec::default() } }
        };
        let Grant { filter, spec } = session.take_grant(subject).unwrap_or_else(plain);
        match self.broker.subscribe(session, Sid::new(sid), filter, spec) {
            // A second subscription of one name is ignored, and the client is not told.
            Ok(_) => {
                if let Some(bytes) = self.settings.send_buffer
                    && session.has_lanes()
                {
                    self.connection.shrink_send_buffer(bytes);
                }
                self.ok(now);
            }
            Err(SubscribeRefused::Ended) => {}
            Err(refused) => {
                tracing::warn!(cid = session.id(), %refused, "Refused a subscription");
                self.error("maximum subscriptions exceeded", now);
            }
        }
    }
}
