//! Limits in JSON, as the reply to a control request has them.

use std::time::Duration;

use floodway::Limits;
use serde::Serialize;

/// A limit that does not limit is null.
#[derive(Serialize)]
pub(super) struct LimitsShown {
    messages: Option<u64>,
    bytes: Option<u64>,
    behind_ms: Option<u64>,
    ttl_ms: Option<u64>,
}

impl LimitsShown {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            messages: limits.messages,
            bytes: limits.bytes,
            behind_ms: limits.behind.map(millis),
            ttl_ms: limits.ttl.map(millis),
        }
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}
