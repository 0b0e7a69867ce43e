//! Notices to operators, published as messages.

use std::time::{SystemTime, UNIX_EPOCH};

use floodway::{EndReason, LossReason, Losses};
use serde_json::{Map, Value, json};

use crate::slow::Change;
use crate::snapshot::{SessionSnapshot, SubscriptionSnapshot};

/// Where the end of a slow consumer is announced.
pub const ADVISORY_ENDED: &str = "$FLOODWAY.ADVISORY.ENDED";
/// Where it is announced that a subscription is slow, and that it has recovered.
pub const ADVISORY_SLOW: &str = "$FLOODWAY.ADVISORY.SLOW";

/// Whether only the broker itself publishes on `subject`.
pub fn is_reserved(subject: &[u8]) -> bool {
    subject.starts_with(b"$FLOODWAY.ADVISORY.")
}

/// A message for operators.
#[derive(Debug, Clone)]
pub struct Advisory {
    /// Where it is published.
    pub subject: &'static str,
    /// Its JSON.
    pub payload: Vec<u8>,
}

impl Advisory {
    /// Announces the end of a session whose client was too slow; `None` for any other end.
    pub fn of_end(session: &SessionSnapshot) -> Option<Self> {
        let reason = session.end.as_ref().filter(|reason| reason.is_slow_consumer())?;
        Some(Self::ended(session, reason, &session.subscriptions, "connection"))
    }

    /// Announces the end of one subscription whose client was too slow for it, and goes on.
    pub(crate) fn of_subscription_end(
        session: &SessionSnapshot,
        one: SubscriptionSnapshot,
    ) -> Option<(EndReason, Self)> {
        let reason = one.end.clone().filter(EndReason::is_slow_consumer)?;
        let advisory = Self::ended(session, &reason, &[one], "subscription");
        Some((reason, advisory))
    }

    fn ended(
        session: &SessionSnapshot,
        reason: &EndReason,
        subscriptions: &[SubscriptionSnapshot],
        what: &str,
    ) -> Self {
        let subscriptions: Vec<_> = subscriptions
            .iter()
            .map(|one| {
                json!({
                    "sid": one.sid,
                    "subject": one.subject,
                    "query": one.query.as_ref().map(|query| &*query.text),
                    "dialect": one.query.as_ref().map(|query| query.dialect),
                    "policy": one.policy,
                    "matched": one.account.matched(),
                    "delivered": one.account.delivered(),
                    "lost": one.account.losses().total(),
                    "lost_by_reason": by_reason(&one.account.losses()),
                    "conflated": one.account.conflated(),
                    "expired": one.account.expired(),
                    "queued": one.account.queued(),
                })
            })
            .collect();
        let payload = json!({
            "type": "floodway.advisory.ended",
            "ended": what,
            "time_ms": millis(SystemTime::now()),
            "client": {
                "cid": session.id,
                "ip": session.peer.ip(),
                "port": session.peer.port(),
                "name": session.identity.name,
                "user": session.identity.user,
            },
            "reason": reason.name(),
            "message": reason.to_string(),
            "pending_messages": session.pending_messages,
            "pending_bytes": session.pending_bytes,
            "subscriptions": subscriptions,
        });
        Self { subject: ADVISORY_ENDED, payload: payload.to_string().into_bytes() }
    }

    /// Announces that a subscription is slow, or has recovered. The numbers of `subscription` are
    /// of its whole life, those of `episode` of its slow time only. `suppressed` is how many
    /// announcements before this one were left out because there were too many.
    pub(crate) fn of_slow(change: &Change, suppressed: u64) -> Self {
        let (episode, counts) = (&change.episode, &change.counts);
        let payload = json!({
            "type": "floodway.advisory.slow",
            "state": episode.outcome.name(),
            "time_ms": millis(SystemTime::now()),
            "client": {
                "cid": episode.cid,
                "ip": episode.peer.ip(),
                "port": episode.peer.port(),
                "name": episode.name,
                "user": episode.user,
            },
            "subscription": {
                "sid": episode.sid,
                "subject": episode.subject,
                "query": episode.query.as_ref().map(|query| &*query.text),
                "dialect": episode.query.as_ref().map(|query| query.dialect),
                "policy": episode.policy,
                "matched": counts.total() + episode.queued,
                "delivered": counts.delivered,
                "lost": counts.losses.total(),
                "lost_by_reason": by_reason(&counts.losses),
                "conflated": counts.conflated,
                "expired": counts.expired,
                "queued": episode.queued,
                "queued_bytes": episode.queued_bytes,
                "behind_ms": episode.behind.as_millis() as u64,
            },
            "episode": {
                "matched": episode.matched,
                "delivered": episode.delivered,
                "lost": episode.losses.total(),
                "conflated": episode.conflated,
                "expired": episode.expired,
                "queued_max": episode.queued_max,
                "behind_max_ms": episode.behind_max.as_millis() as u64,
            },
            "since_ms": millis(episode.since),
            "suppressed": suppressed,
        });
        Self { subject: ADVISORY_SLOW, payload: payload.to_string().into_bytes() }
    }
}

/// Only the reasons that occurred.
fn by_reason(losses: &Losses) -> Value {
    let occurred = LossReason::ALL.into_iter().filter(|&reason| losses.of(reason) > 0);
    let counts = occurred.map(|reason| (reason.name().to_owned(), losses.of(reason).into()));
    Value::Object(counts.collect::<Map<_, _>>())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
