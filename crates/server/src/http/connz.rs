//! `/connz`: the connections and what became of every message for them.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use floodway::EndReason;
use floodway_broker::{Session, SessionSnapshot, SubscriptionSnapshot};
use serde::{Serialize, Serializer};

use super::StatusSource;
use super::clock::{before, between, moment, span};
use super::limits::{LimitsShown, millis};
use super::loss::ByReason;
use super::selection::{Selection, Wanted};

/// Subscriptions listed in one answer: half a kilobyte each, so 100 MB at the very most.
const SUBSCRIPTIONS_LISTED: usize = 200_000;

/// The page. With subscriptions, a connection is looked at only while it is being written, so that
/// the details of one are in memory at a time.
#[derive(Serialize)]
pub(super) struct Connz<'a> {
    server_id: &'a str,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Rows,
}

struct Rows {
    picked: Vec<Candidate>,
    subs: bool,
    now: SystemTime,
}

struct Candidate {
    /// Without subscriptions if it is open.
    seen: SessionSnapshot,
    /// Where to look again; none once it is closed.
    session: Option<Arc<Session>>,
}

impl<'a> Connz<'a> {
    pub(super) fn of(source: &'a StatusSource, selection: &Selection) -> Self {
        let now = SystemTime::now();
        let mut found = candidates(source, selection);
        found.sort_unstable_by(|a, b| selection.sort.compare(&a.seen, &b.seen, now));
        let total = found.len();
        let picked: Vec<_> =
            found.into_iter().skip(selection.offset).take(selection.limit).collect();
        Self {
            server_id: &source.server_id,
            now: moment(now),
            num_connections: picked.len(),
            total,
            offset: selection.offset,
            limit: selection.limit,
            connections: Rows { picked, subs: selection.subs, now },
        }
    }
}

fn candidates(source: &StatusSource, selection: &Selection) -> Vec<Candidate> {
    let registry = source.broker.registry();
    let is_asked_for = |id: u64| selection.cid.is_none_or(|cid| cid == id);
    // Open ones first: one that closes meanwhile is in both lists instead of none.
    let open = match (selection.state, selection.cid) {
        (Wanted::Closed, _) => Vec::new(),
        (_, Some(cid)) => registry.find(cid).into_iter().collect(),
        (_, None) => registry.open(),
    };
    // One that has ended belongs to the closed ones, also while it is still written to.
    let open = open.into_iter().filter(|session| session.end_reason().is_none());
    let closed = match selection.state {
        Wanted::Open => Vec::new(),
        Wanted::Closed | Wanted::All => registry.recently_closed(Instant::now()),
    };
    let gone: HashSet<u64> = closed.iter().map(|session| session.id).collect();
    let open = open.filter(|session| !gone.contains(&session.id())).map(|session| Candidate {
        seen: session.snapshot(Instant::now(), false),
        session: Some(session),
    });
    let closed = closed.into_iter().filter(|session| is_asked_for(session.id));
    open.chain(closed.map(|seen| Candidate { seen, session: None })).collect()
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let room = Cell::new(SUBSCRIPTIONS_LISTED);
        serializer.collect_seq(self.picked.iter().map(|candidate| {
            // Everything shown of a session is from one look at it.
            let detailed = candidate.session.as_ref().filter(|_| self.subs);
            let mut seen = detailed.map_or_else(
                || candidate.seen.clone(),
                |session| session.snapshot(Instant::now(), true),
            );
            seen.subscriptions.truncate(room.get());
            room.set(room.get() - seen.subscriptions.len());
            Row { seen, subs: self.subs, now: self.now }
        }))
    }
}

/// One connection, with the snapshot it is written from.
struct Row {
    seen: SessionSnapshot,
    subs: bool,
    now: SystemTime,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Connection::of(self).serialize(serializer)
    }
}

/// Names that nats-server has mean the same here; the rest is ours.
#[derive(Serialize)]
struct Connection<'a> {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    protocol: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    pending_msgs: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_user: Option<&'a str>,
    held_bytes: u64,
    matched: u64,
    lost: ByReason,
    conflated: u64,
    expired: u64,
    paced_by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions_list: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions_list_detail: Option<Vec<Subscription<'a>>>,
    /// Not listed because the answer would be too long, or not kept since the connection closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions_left_out: Option<usize>,
}

impl<'a> Connection<'a> {
    fn of(Row { seen, subs, now }: &'a Row) -> Self {
        let end = seen.stopped.unwrap_or(*now);
        let listed = subs.then_some(&seen.subscriptions);
        let left_out = listed.map(|list| seen.subscription_count.saturating_sub(list.len()));
        Self {
            cid: seen.id,
            kind: "Client",
            protocol: "nats",
            ip: seen.peer.ip().to_string(),
            port: seen.peer.port(),
            start: moment(seen.started),
            last_activity: before(end, seen.idle),
            stop: seen.stopped.map(moment),
            reason: seen.end.as_ref().map(ToString::to_string),
            reason_code: seen.end.as_ref().map(EndReason::name),
            uptime: span(between(seen.started, end)),
            idle: span(seen.idle),
            pending_bytes: seen.pending_bytes,
            pending_msgs: seen.pending_messages,
            in_msgs: seen.in_messages,
            out_msgs: seen.out_messages,
            in_bytes: seen.in_bytes,
            out_bytes: seen.out_bytes,
            subscriptions: seen.subscription_count,
            name: seen.identity.name.as_deref(),
            lang: seen.identity.lang.as_deref(),
            version: seen.identity.version.as_deref(),
            authorized_user: seen.identity.user.as_deref(),
            held_bytes: seen.held_bytes,
            matched: seen.matched,
            lost: ByReason(seen.losses),
            conflated: seen.conflated,
            expired: seen.expired,
            paced_by: &seen.paced_by,
            subscriptions_list: listed
                .map(|list| list.iter().map(|one| one.subject.as_str()).collect()),
            subscriptions_list_detail: listed
                .map(|list| list.iter().map(Subscription::of).collect()),
            subscriptions_left_out: left_out.filter(|&count| count > 0),
        }
    }
}

/// One subscription: `matched = delivered + lost + conflated + expired + queued`.
#[derive(Serialize)]
struct Subscription<'a> {
    sid: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    qgroup: Option<String>,
    policy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    limits: LimitsShown,
    matched: u64,
    delivered: u64,
    queued: u64,
    queued_bytes: u64,
    lost: u64,
    lost_by_reason: ByReason,
    conflated: u64,
    expired: u64,
    /// Of what is queued, messages that stand for others too.
    replaced: u64,
    high_water: u64,
    /// The age of the oldest queued message; 0 if nothing is queued.
    behind_ms: u64,
    /// Why it was ended while its connection goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'a> Subscription<'a> {
    fn of(seen: &'a SubscriptionSnapshot) -> Self {
        let (account, losses) = (&seen.account, seen.account.losses());
        let group = seen.queue_group.as_deref();
        Self {
            sid: &seen.sid,
            subject: &seen.subject,
            qgroup: group.map(|name| String::from_utf8_lossy(name).into_owned()),
            policy: seen.policy,
            key: seen.key.as_deref(),
            query: seen.query.as_ref().map(|query| &*query.text),
            dialect: seen.query.as_ref().map(|query| query.dialect),
            limits: LimitsShown::of(&seen.limits),
            matched: account.matched(),
            delivered: account.delivered(),
            queued: account.queued(),
            queued_bytes: account.queued_bytes(),
            lost: losses.total(),
            lost_by_reason: ByReason(losses),
            conflated: account.conflated(),
            expired: account.expired(),
            replaced: seen.replaced,
            high_water: seen.high_water,
            behind_ms: millis(seen.oldest_age.unwrap_or_default()),
            reason_code: seen.end.as_ref().map(EndReason::name),
            reason: seen.end.as_ref().map(ToString::to_string),
        }
    }
}
