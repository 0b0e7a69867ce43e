//! `/slowz`: which subscriptions are slow, which were, and what was done about it.

use std::time::{Duration, Instant, SystemTime};

use floodway::EndReason;
use floodway_broker::{SlowEpisode, SlowOutcome};
use serde::Serialize;

use super::StatusSource;
use super::clock::moment;
use super::limits::{LimitsShown, millis};
use super::loss::ByReason;
use super::parameter::{BadParameter, bad, check_once, not_valid, number};

/// Episodes in each of the two lists, unless asked for another number.
const LIMIT_DEFAULT: usize = 100;
/// The most that may be asked for: about a kilobyte each.
const LIMIT_MAX: usize = 10_000;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    limit: usize,
    since: Option<SystemTime>,
}

impl Request {
    /// Checks the parameters as they stood in the address.
    pub(super) fn parse(
        parameters: &[(String, String)],
        now: SystemTime,
    ) -> Result<Self, BadParameter> {
        let mut request = Self { limit: LIMIT_DEFAULT, since: None };
        for (at, (name, value)) in parameters.iter().enumerate() {
            check_once(parameters, at)?;
            match name.as_str() {
                "limit" => request.limit = number("limit", value, LIMIT_MAX as u64)? as usize,
                "since" => request.since = Some(since(value, now)?),
                _ => return Err(bad(name, "unknown parameter", "one of limit, since")),
            }
        }
        Ok(request)
    }
}

/// A moment, or how long it is ago.
fn since(value: &str, now: SystemTime) -> Result<SystemTime, BadParameter> {
    if let Ok(ago) = humantime::parse_duration(value) {
        // Longer ago than the clock can say is everything.
        return Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let expected = "how long ago, like 90s or 10m, or a time like 2026-01-31T09:30:00Z";
    humantime::parse_rfc3339(value).map_err(|_| not_valid("since", value, expected))
}

/// The page.
#[derive(Serialize)]
pub(super) struct Slowz<'a> {
    server_id: &'a str,
    now: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    limit: usize,
    counts: Counts,
    slow: Vec<Row>,
    lately: Vec<Row>,
}

/// How many there are, those left out of the lists included.
#[derive(Serialize)]
struct Counts {
    slow: u64,
    lately: u64,
    /// Since the start of the process.
    episodes: u64,
}

impl<'a> Slowz<'a> {
    pub(super) fn of(source: &'a StatusSource, request: &Request) -> Self {
        let registry = source.broker.registry();
        let report = registry.slow(Instant::now(), request.limit, request.since);
        Self {
            server_id: &source.server_id,
            now: moment(SystemTime::now()),
            since: request.since.map(moment),
            limit: request.limit,
            counts: Counts {
                slow: report.now_total,
                lately: report.lately_total,
                episodes: report.episodes,
            },
            slow: report.now.into_iter().map(Row::of).collect(),
            lately: report.lately.into_iter().map(Row::of).collect(),
        }
    }
}

/// One episode: `matched = delivered + lost + conflated + expired + queued`, of that time only.
#[derive(Serialize)]
struct Row {
    cid: u64,
    ip: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_user: Option<String>,
    sid: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    policy: &'static str,
    limits: LimitsShown,
    state: &'static str,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    duration_ms: u64,
    behind_ms: u64,
    behind_ms_max: u64,
    queued: u64,
    queued_bytes: u64,
    queued_max: u64,
    matched: u64,
    delivered: u64,
    lost: u64,
    lost_by_reason: ByReason,
    conflated: u64,
    expired: u64,
}

impl Row {
    fn of(episode: SlowEpisode) -> Self {
        let end = match &episode.outcome {
            SlowOutcome::Ended(reason) => Some(reason),
            _ => None,
        };
        let until = episode.until.unwrap_or_else(SystemTime::now);
        let lasted = until.duration_since(episode.since).unwrap_or(Duration::ZERO);
        Self {
            cid: episode.cid,
            ip: episode.peer.ip().to_string(),
            port: episode.peer.port(),
            query: episode.query.as_ref().map(|query| query.text.to_string()),
            dialect: episode.query.as_ref().map(|query| query.dialect),
            policy: episode.policy,
            limits: LimitsShown::of(&episode.limits),
            state: episode.outcome.name(),
            since: moment(episode.since),
            until: episode.until.map(moment),
            reason: end.map(ToString::to_string),
            reason_code: end.map(EndReason::name),
            duration_ms: millis(lasted),
            behind_ms: millis(episode.behind),
            behind_ms_max: millis(episode.behind_max),
            queued: episode.queued,
            queued_bytes: episode.queued_bytes,
            queued_max: episode.queued_max,
            matched: episode.matched,
            delivered: episode.delivered,
            lost: episode.losses.total(),
            lost_by_reason: ByReason(episode.losses),
            conflated: episode.conflated,
            expired: episode.expired,
            name: episode.name,
            authorized_user: episode.user,
            sid: episode.sid,
            subject: episode.subject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, BadParameter> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        Request::parse(&pairs, at(1000))
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn right_ones_are_taken() {
        assert_eq!(parse(""), Ok(Request { limit: 100, since: None }));
        assert_eq!(parse("limit=10000").unwrap().limit, 10_000);
        let since = |text: &str| parse(&format!("since={text}")).unwrap().since;
        assert_eq!(since("10m"), Some(at(400)));
        assert_eq!(since("1970-01-01T00:01:02Z"), Some(at(62)));
        assert_eq!(since("1h"), Some(SystemTime::UNIX_EPOCH - Duration::from_secs(2600)));
    }

    #[test]
    fn wrong_ones_are_named_with_what_would_be_right() {
        let cases = [
            ("limit=10001", "limit", "from 0 to 10000"),
            ("limit=many", "limit", "from 0 to 10000"),
            ("since=10", "since", "10m"),
            ("since=yesterday", "since", "2026-01-31T09:30:00Z"),
            ("sort=lost", "sort", "limit, since"),
            ("limit=1&limit=2", "limit", "once"),
        ];
        for (text, parameter, expected) in cases {
            let error = parse(text).expect_err(text);
            assert_eq!(error.parameter, parameter, "{text}");
            assert!(error.expected.contains(expected), "{text}: {error:?}");
        }
    }
}
