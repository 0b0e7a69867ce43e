//! Notices to operators, published as messages.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::snapshot::SessionSnapshot;

/// Where the end of a slow consumer is announced.
pub const ADVISORY_ENDED: &str = "$FLOODWAY.ADVISORY.ENDED";

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
        let subscriptions: Vec<_> = session
            .subscriptions
            .iter()
            .map(|one| {
                json!({
                    "sid": one.sid,
                    "subject": one.subject,
                    "policy": one.policy,
                    "matched": one.account.matched(),
                    "delivered": one.account.delivered(),
                    "lost": one.account.losses().total(),
                    "queued": one.account.queued(),
                })
            })
            .collect();
        let payload = json!({
            "type": "floodway.advisory.ended",
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
        Some(Self { subject: ADVISORY_ENDED, payload: payload.to_string().into_bytes() })
    }
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
