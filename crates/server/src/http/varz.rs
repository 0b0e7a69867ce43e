//! `/varz`: the process and the sums over all of its sessions.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::{Instant, SystemTime};

use floodway::{Budget, Pressure};
use serde::Serialize;

use super::clock::{between, moment, span};
use super::loss::ByReason;
use super::{Status, process};

/// The page. Names that nats-server has mean the same here; the rest is ours.
#[derive(Serialize)]
pub(super) struct Varz<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'static str,
    proto: u32,
    host: String,
    port: u16,
    max_connections: usize,
    /// Nanoseconds, as there.
    ping_interval: u64,
    ping_max: u32,
    http_host: String,
    http_port: u16,
    max_payload: usize,
    auth_required: bool,
    start: String,
    now: String,
    uptime: String,
    config_load_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    cores: usize,
    threads: usize,
    connections: usize,
    total_connections: u64,
    /// Connections ended for it, as there.
    slow_consumers: u64,
    /// Subscriptions that are slow now.
    slow_now: u64,
    subscriptions: usize,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    matched: u64,
    lost: ByReason,
    conflated: u64,
    expired: u64,
    pending_messages: u64,
    /// Queries evaluated for messages.
    queries_evaluated: u64,
    /// Payloads that were not what `[[extract]]` says of them.
    payloads_malformed: u64,
    /// Tags that queries were not shown, as their messages have too many.
    tags_dropped: u64,
    ends: BTreeMap<&'static str, u64>,
    memory_budget: Memory,
}

impl<'a> Varz<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        let (source, now) = (&status.source, SystemTime::now());
        let registry = source.broker.registry();
        let totals = registry.totals(Instant::now());
        Self {
            server_id: &source.server_id,
            server_name: &source.server_name,
            version: source.version,
            proto: 1,
            host: source.client_addr.ip().to_string(),
            port: source.client_addr.port(),
            max_connections: source.max_connections,
            ping_interval: source.ping_interval.as_nanos() as u64,
            ping_max: source.ping_max,
            http_host: status.addr.ip().to_string(),
            http_port: status.addr.port(),
            max_payload: source.max_payload,
            auth_required: source.auth_required,
            start: moment(source.started),
            now: moment(now),
            uptime: span(between(source.started, now)),
            config_load_time: moment(source.config_load_time),
            mem: process::resident_bytes(),
            cpu: status.cpu.percent(),
            cores: available_parallelism().map_or(1, usize::from),
            threads: source.threads,
            connections: registry.open_count(),
            total_connections: totals.sessions,
            slow_consumers: totals.slow_consumers,
            slow_now: registry.slow_now(),
            subscriptions: source.broker.bus().subscription_count(),
            in_msgs: totals.in_messages,
            out_msgs: totals.delivered,
            in_bytes: totals.in_bytes,
            out_bytes: totals.out_bytes,
            matched: totals.matched,
            lost: ByReason(totals.losses),
            conflated: totals.conflated,
            expired: totals.expired,
            pending_messages: totals.pending_messages,
            queries_evaluated: source.broker.bus().query_evaluations(),
            payloads_malformed: source.broker.bus().malformed_payloads(),
            tags_dropped: source.broker.bus().tags_dropped(),
            ends: totals.ends.into_iter().collect(),
            memory_budget: Memory::of(source.broker.bus().budget()),
        }
    }
}

#[derive(Serialize)]
struct Memory {
    limit: u64,
    used: u64,
    pressure: &'static str,
}

impl Memory {
    fn of(budget: &Budget) -> Self {
        let pressure = match budget.pressure() {
            Pressure::Calm => "calm",
            Pressure::High => "high",
            Pressure::Full => "full",
        };
        Self { limit: budget.limit(), used: budget.used(), pressure }
    }
}
