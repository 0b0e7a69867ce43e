//! Opens and closes sessions, and carries out what they ask for.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use floodway::{
    Bus, BusConfig, Consumer, EndReason, Extract, Filter, LossReason, Overflow, PushbackMode,
    Query, SubscribeError,
};
use floodway_queue::BlockPool;

use crate::access::Access;
use crate::meters::Meters;
use crate::outbox::{Outbox, SubscriptionSpec};
use crate::registry::Registry;
use crate::rules::Rules;
use crate::session::Session;
use crate::sid::Sid;
use crate::snapshot::SessionSnapshot;

/// Spare blocks kept by the process: 4 MiB for outgoing bytes that are written at once.
const SPARE_BLOCKS: usize = 64;
/// Subscriptions taken out of the index under one lock when a session closes.
const UNREGISTER_AT_ONCE: usize = 1024;

/// Settings of a broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Bytes that everything queued may hold together.
    pub memory_budget: u64,
    /// Policy and limits of a connection as a whole.
    pub connection: Overflow,
    /// Bytes beyond the limit of a connection that one which keeps up may earn.
    pub burst: u64,
    /// Policy and limits of each subscription that asks for no others, and for which there is no
    /// rule.
    pub subscription: Overflow,
    /// Policies, limits and queries by subject and user.
    pub rules: Rules,
    /// What is taken out of payloads for queries; see [`BusConfig::extract`].
    pub extract: Vec<Extract>,
    /// A connection with more bytes than this queued is over its mark and slows its publishers.
    pub mark: u64,
    /// When publishers are slowed.
    pub pushback: PushbackMode,
    /// Open subscriptions of one connection.
    pub max_subscriptions: Option<usize>,
    /// Who may connect.
    pub access: Access,
}

/// What all outboxes share.
#[derive(Debug)]
pub(crate) struct OutboxSettings {
    pub(crate) connection: Overflow,
    pub(crate) burst: u64,
    pub(crate) subscription: Arc<Overflow>,
    pub(crate) mark: u64,
    pub(crate) pool: Arc<BlockPool>,
}

/// How a subscribe request that was accepted ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// It is there.
    New,
    /// The client uses that name already; the first one stays as it is.
    Duplicate,
}

/// Why a subscription was refused. The client may go on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeRefused {
    /// The connection has as many as it may.
    TooMany,
    /// The process is short of memory; may succeed later.
    MemoryPressure,
    /// The session has ended.
    Ended,
}

impl fmt::Display for SubscribeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "maximum subscriptions exceeded"),
            Self::MemoryPressure => write!(f, "{}", SubscribeError::MemoryPressure),
            Self::Ended => write!(f, "the session has ended"),
        }
    }
}

/// All sessions, the bus they are on, and the rules for them.
#[derive(Debug)]
pub struct Broker {
    bus: Bus,
    outbox_settings: Arc<OutboxSettings>,
    registry: Registry,
    meters: Meters,
    access: Access,
    rules: Rules,
    pushback: PushbackMode,
    max_subscriptions: usize,
    last_session: AtomicU64,
}

impl Broker {
    /// A broker without sessions.
    pub fn new(config: BrokerConfig) -> Self {
        let settings = OutboxSettings {
            connection: config.connection,
            burst: config.burst,
            subscription: Arc::new(config.subscription.bounded()),
            mark: config.mark,
            pool: Arc::new(BlockPool::new(SPARE_BLOCKS)),
        };
        Self {
            bus: Bus::new(&BusConfig {
                memory_budget: config.memory_budget,
                extract: config.extract,
                ..BusConfig::default()
            }),
            outbox_settings: Arc::new(settings),
            registry: Registry::default(),
            meters: Meters::default(),
            access: config.access,
            rules: config.rules,
            pushback: config.pushback,
            max_subscriptions: config.max_subscriptions.unwrap_or(usize::MAX),
            last_session: AtomicU64::new(0),
        }
    }

    /// The bus the sessions are on.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The blocks outboxes are made of.
    pub fn pool(&self) -> &Arc<BlockPool> {
        &self.outbox_settings.pool
    }

    /// All sessions.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What it measures of its own work.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Who may connect.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// When publishers are slowed.
    pub fn pushback(&self) -> PushbackMode {
        self.pushback
    }

    /// Opens a session. It receives nothing before [`Broker::attach`].
    pub fn open(&self, peer: SocketAddr, now: Instant) -> Arc<Session> {
        let session = self.open_unlisted(peer, now);
        self.registry.opened(session.clone());
        session
    }

    /// A session for a client that is refused at once: it is in no list, takes nobody's place, and
    /// only carries the words that tell the client so.
    pub fn open_unlisted(&self, peer: SocketAddr, now: Instant) -> Arc<Session> {
        let id = self.last_session.fetch_add(1, Ordering::Relaxed) + 1;
        let charge = self.bus.budget().charge(0);
        let outbox = Outbox::new(self.outbox_settings.clone(), charge, now);
        let overhead = self.bus.budget().charge(0);
        Arc::new(Session::new(id, peer, outbox, overhead, self.outbox_settings.mark, now))
    }

    /// Gives a session its place on the bus: `consumer` is what delivers to it.
    pub fn attach(&self, session: &Session, consumer: Arc<dyn Consumer>) {
        session.set_consumer(self.bus.attach(consumer));
    }

    /// Subscribes a session. What `spec` leaves open is that of the rule for it; a subscription
    /// with a policy of its own is as `spec` says.
    ///
    /// # Errors
    ///
    /// [`SubscribeRefused`]; the session stays as it was.
    pub fn subscribe(
        &self,
        session: &Session,
        sid: Sid,
        filter: Filter,
        mut spec: SubscriptionSpec,
    ) -> Result<Subscribed, SubscribeRefused> {
        let Some(consumer) = session.consumer() else { return Err(SubscribeRefused::Ended) };
        // A rule's query is in memory once, however many have it.
        let query_bytes = spec.query.as_ref().map_or(0, Query::held_bytes);
        if spec.overflow.is_none()
            && !self.rules.is_empty()
            && let Some(rule) = self.rules.find(&filter, session.identity().user.as_deref())
        {
            spec.overflow = Some(rule.overflow.clone());
            spec.query = spec.query.or_else(|| rule.query.clone());
        }
        let entered = session.with_outbox(|outbox| {
            if outbox.end_reason().is_some() {
                Err(SubscribeRefused::Ended)
            } else if outbox.open_subscriptions() >= self.max_subscriptions {
                Err(SubscribeRefused::TooMany)
            } else {
                Ok(outbox.subscribe(sid, filter.clone(), &spec, query_bytes))
            }
        });
        let Some(key) = entered? else { return Ok(Subscribed::Duplicate) };
        let group = spec.queue_group.as_deref();
        match self.bus.register(consumer, key, &filter, group, spec.query) {
            Ok(()) => Ok(Subscribed::New),
            Err(refused) => {
                session.with_outbox(|outbox| outbox.retract(key));
                Err(match refused {
                    SubscribeError::MemoryPressure => SubscribeRefused::MemoryPressure,
                    _ => SubscribeRefused::Ended,
                })
            }
        }
    }

    /// Ends a subscription, now or once it got `max` messages in all. An unknown name is nothing.
    pub fn unsubscribe(&self, session: &Session, sid: &Sid, max: Option<u64>) {
        let closed = session.with_outbox(|outbox| outbox.unsubscribe(sid, max));
        if let (Some((key, filter)), Some(consumer)) = (closed, session.consumer()) {
            self.bus.unregister(consumer, key, &filter);
        }
    }

    /// Takes all subscriptions of a session out of the index. What is queued for it stays.
    pub fn unsubscribe_all(&self, session: &Session) {
        let Some(consumer) = session.consumer() else { return };
        let closed = session.with_outbox(Outbox::close_all);
        for some in closed.chunks(UNREGISTER_AT_ONCE) {
            self.bus.unregister_all(consumer, some.iter().map(|(key, filter)| (*key, filter)));
        }
    }

    /// Takes those subscriptions of a session out of the index that ended by themselves.
    pub fn reap(&self, session: &Session) {
        let Some(consumer) = session.consumer() else { return };
        for (key, filter) in session.reap() {
            self.bus.unregister(consumer, key, &filter);
        }
    }

    /// Closes a session for good: what is still queued is lost, and its account is kept.
    pub fn close(&self, session: &Session, now: Instant) -> SessionSnapshot {
        session.end(EndReason::Disconnected { cause: "client closed" });
        let mut last = session.snapshot(now, true);
        self.unsubscribe_all(session);
        if let Some(consumer) = session.consumer() {
            self.bus.detach(consumer);
        }
        session.with_outbox(Outbox::discard);
        let accounts = session.snapshot(now, false);
        let lost = session.end_reason().map_or(LossReason::Disconnected, LossReason::of_end);
        last.subscriptions.iter_mut().for_each(|one| {
            one.account.lose_queued(lost);
            one.oldest_age = None;
        });
        // What a writer has in hand at this moment nobody will count any more: taken as lost.
        last.losses = accounts.losses;
        last.losses.count(lost, accounts.pending_messages);
        (last.matched, last.out_messages) = (accounts.matched, accounts.out_messages);
        (last.pending_messages, last.pending_bytes) = (0, 0);
        self.registry.closed(last.clone());
        last
    }
}
