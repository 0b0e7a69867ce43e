//! What a subscription is made with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway_query::Query;

use crate::budget::Pressure;
use crate::bus::Bus;
use crate::inbox::Inbox;
use crate::overflow::{Limits, Overflow, Policy};
use crate::payload::Carried;
use crate::subject::Filter;
use crate::subscription::Subscription;

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// More than 80 % of the memory budget is in use; may succeed later.
    MemoryPressure,
    /// The bus has as many subscriptions as it may have; may succeed later.
    TooManySubscriptions {
        /// How many that are.
        limit: usize,
    },
    /// The bus has as many clients as it may have, and this would be a further one; may succeed
    /// later.
    TooManyClients {
        /// How many that are.
        limit: usize,
    },
    /// The client has as many subscriptions as one may have; may succeed when it gives one up.
    TooManyOfClient {
        /// The client.
        client: Box<str>,
        /// How many that are.
        limit: usize,
    },
    /// The system gives no thread for an observer, for this reason; may succeed later.
    NoThread(Box<str>),
    /// The bus has been stopped; final.
    Stopped,
    /// The consumer has been detached; no later call will succeed.
    Detached,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryPressure => {
                write!(f, "over 80 % of the memory budget is in use: no new subscriptions now")
            }
            Self::TooManySubscriptions { limit } => {
                write!(f, "the bus has {limit} subscriptions, as many as it may have")
            }
            Self::TooManyClients { limit } => {
                write!(f, "the bus has {limit} clients, as many as it may have")
            }
            Self::TooManyOfClient { client, limit } => {
                write!(f, "client {client:?} has {limit} subscriptions, as many as it may have")
            }
            Self::NoThread(why) => write!(f, "no thread for an observer: {why}"),
            Self::Stopped => write!(f, "the bus has been stopped"),
            Self::Detached => write!(f, "the consumer has been detached"),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// How a subscription queues. The default ends it at 65,536 messages, 16 MiB or 30 s without
/// anything taken; until then it costs what is really queued.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    overflow: Overflow,
    queue_group: Option<Box<[u8]>>,
    client: Option<Arc<str>>,
    name: Option<Box<str>>,
    query: Option<Query>,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        let limits = Limits {
            messages: Some(65_536),
            bytes: Some(16 << 20),
            behind: Some(Duration::from_secs(30)),
            ttl: None,
        };
        let overflow = Overflow::disconnect(limits);
        Self { overflow, queue_group: None, client: None, name: None, query: None }
    }
}

impl SubscribeOptions {
    /// All limits at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.overflow.limits = limits;
        self
    }

    /// At most so many messages queued.
    #[must_use]
    pub fn max_messages(mut self, messages: u64) -> Self {
        self.overflow.limits.messages = Some(messages);
        self
    }

    /// At most so many bytes queued.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.overflow.limits.bytes = Some(bytes);
        self
    }

    /// At most so long without taking anything while something is queued.
    #[must_use]
    pub fn max_behind(mut self, behind: Duration) -> Self {
        self.overflow.limits.behind = Some(behind);
        self
    }

    /// At most so long in the queue, for each message; then it is skipped and counted.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.overflow.limits.ttl = Some(ttl);
        self
    }

    /// What happens at a limit.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.overflow.policy = policy;
        self
    }

    /// Shares the messages with the other members of `group`: each goes to one of them.
    #[must_use]
    pub fn queue_group(mut self, group: impl AsRef<[u8]>) -> Self {
        self.queue_group = Some(group.as_ref().into());
        self
    }

    /// Counts as one of this client's: see [`crate::BusConfig::limits`], and
    /// [`Bus::unsubscribe_client`].
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Gets only the messages that the query matches: it asks for their headers, for what
    /// [`crate::BusConfig::extract`] takes out of their payloads, and for
    /// [`crate::Payload::tags`].
    #[must_use]
    pub fn query(mut self, query: Query) -> Self {
        self.query = Some(query);
        self
    }

    /// What it is called in errors and status pages; its filter, unless it has a name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Subscribes to what `filter` matches.
    ///
    /// # Errors
    ///
    /// See [`SubscribeError`]: the bus is at one of its limits, or stopped.
    pub fn subscribe(
        &self,
        filter: &Filter,
        options: SubscribeOptions,
    ) -> Result<Subscription<P>, SubscribeError> {
        let SubscribeOptions { overflow, queue_group, client, name, query } = options;
        if self.budget().pressure() != Pressure::Calm {
            return Err(SubscribeError::MemoryPressure);
        }
        let budget = self.budget().clone();
        let inbox = Inbox::new(filter.clone(), name, overflow, budget, Instant::now());
        let inbox = Arc::new(inbox);
        let id = self.enter(&inbox, client, queue_group.as_deref(), query)?;
        Ok(Subscription::new(self.clone(), id, inbox))
    }
}
