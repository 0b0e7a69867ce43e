//! What the server's page says, as far as the table shows it.

use serde::Deserialize;

use super::fetch::{FetchError, Site};

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) now: String,
    pub(super) counts: Counts,
    pub(super) slow: Vec<Row>,
    pub(super) lately: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) slow: u64,
    pub(super) lately: u64,
    pub(super) episodes: u64,
}

/// One slow time of one subscription.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) ip: String,
    pub(super) port: u16,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) sid: String,
    pub(super) subject: String,
    pub(super) policy: String,
    pub(super) state: String,
    /// From its begin to its end, or to now.
    pub(super) duration_ms: u64,
    pub(super) behind_ms: u64,
    pub(super) behind_ms_max: u64,
    pub(super) queued: u64,
    pub(super) lost: u64,
    pub(super) conflated: u64,
    pub(super) expired: u64,
}

impl Page {
    pub(super) fn parse(site: &Site, body: &str) -> Result<Self, FetchError> {
        serde_json::from_str(body)
            .map_err(|error| site.foreign(&format!("what is at /slowz is something else: {error}")))
    }
}
