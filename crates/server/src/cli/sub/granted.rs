//! What the server granted, in a line for people.

use std::time::Duration;

use serde::Deserialize;

use crate::cli::client::failure::counted;
use crate::config::about_bytes;

/// The `granted` part of the answer. Absent fields are those an older server does not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Granted {
    overflow: Overflow,
    limits: Limits,
    query: Option<String>,
    dialect: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Overflow {
    policy: Option<String>,
    key: Option<String>,
    fallback: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    messages: Option<u64>,
    bytes: Option<u64>,
    behind_ms: Option<u64>,
    ttl_ms: Option<u64>,
}

impl Granted {
    /// `conflate by subject (at more keys: drop-oldest), 65536 messages, 16 MiB; query: x > 5`.
    pub(super) fn describe(&self) -> String {
        let dialect = match self.dialect.as_deref() {
            None | Some("extended") => String::new(),
            Some(other) => format!(" ({other})"),
        };
        let query = self.query.as_ref().map(|text| format!("; query{dialect}: {text}"));
        self.describe_overflow() + &query.unwrap_or_default()
    }

    fn describe_overflow(&self) -> String {
        let Overflow { policy, key, fallback } = &self.overflow;
        let mut policy = policy.as_deref().unwrap_or("disconnect").to_owned();
        if let Some(key) = key {
            policy.push_str(&format!(" by {key}"));
        }
        if let Some(fallback) = fallback {
            policy.push_str(&format!(" (at more keys: {fallback})"));
        }
        let time = |ms| humantime::format_duration(Duration::from_millis(ms));
        let Limits { messages, bytes, behind_ms, ttl_ms } = self.limits;
        let parts: Vec<String> = [
            Some(policy),
            messages.map(|messages| counted(messages, "message")),
            bytes.map(about_bytes),
            behind_ms.map(|ms| format!("{} behind", time(ms))),
            ttl_ms.map(|ms| format!("ttl {}", time(ms))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.len() == 1 {
            return format!("{}, no limit of its own", parts[0]);
        }
        parts.join(", ")
    }
}
