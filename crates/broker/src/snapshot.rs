//! What a status page shows of a session, as plain values at one moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use floodway::{Account, EndReason, Limits, Losses, Query};

/// One subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionSnapshot {
    /// The client's name for it.
    pub sid: String,
    /// Its filter.
    pub subject: String,
    /// Its queue group.
    pub queue_group: Option<Box<[u8]>>,
    /// Its overflow policy.
    pub policy: &'static str,
    /// What makes two of its messages the same thing, if its policy is `conflate`.
    pub key: Option<String>,
    /// What a message must have in it, if it gets only some.
    pub query: Option<QuerySnapshot>,
    /// At which limits the policy acts.
    pub limits: Limits,
    /// What became of every message that matched.
    pub account: Account,
    /// Queued messages that took the place of earlier ones of their key.
    pub replaced: u64,
    /// The most messages ever queued for it.
    pub high_water: u64,
    /// The age of its oldest queued message.
    pub oldest_age: Option<Duration>,
    /// Why it was ended by itself, if it was; the session goes on.
    pub end: Option<EndReason>,
}

/// The query of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySnapshot {
    /// Its canonical text. Shared, as whoever looks again and again at a slow one keeps it.
    pub text: Arc<str>,
    /// The name of the dialect it is read in.
    pub dialect: &'static str,
}

impl QuerySnapshot {
    pub(crate) fn of(query: &Query) -> Self {
        Self { text: query.as_str().into(), dialect: query.dialect().name() }
    }
}

/// One session, open or closed.
#[derive(Debug, Clone)]
pub struct SessionSnapshot {
    /// The number of the connection, as in INFO's `client_id`.
    pub id: u64,
    /// Where it came from.
    pub peer: SocketAddr,
    /// When it was opened.
    pub started: SystemTime,
    /// When it ended, if it did.
    pub stopped: Option<SystemTime>,
    /// How long the client has sent nothing.
    pub idle: Duration,
    /// Why it ended, if it did.
    pub end: Option<EndReason>,
    /// Who the client said it is.
    pub identity: super::Identity,
    /// Messages received from the client.
    pub in_messages: u64,
    /// Their payload and header bytes.
    pub in_bytes: u64,
    /// Messages handed to its socket.
    pub out_messages: u64,
    /// Bytes written to its socket.
    pub out_bytes: u64,
    /// Messages that matched its subscriptions, those that are gone included.
    pub matched: u64,
    /// Messages lost, by reason.
    pub losses: Losses,
    /// Messages replaced by a later one of their key.
    pub conflated: u64,
    /// Messages that were too old to be delivered.
    pub expired: u64,
    /// Messages waiting for its socket.
    pub pending_messages: u64,
    /// Bytes waiting for its socket.
    pub pending_bytes: u64,
    /// Memory held for it.
    pub held_bytes: u64,
    /// Who keeps it from publishing, while it is paused.
    pub paced_by: Vec<String>,
    /// Open subscriptions.
    pub subscription_count: usize,
    /// Each of them; empty unless asked for.
    pub subscriptions: Vec<SubscriptionSnapshot>,
}
