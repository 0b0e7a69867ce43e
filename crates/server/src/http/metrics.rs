//! `/metrics`: the text that Prometheus and its like read.

use std::fmt;
use std::time::{Instant, SystemTime};

use floodway::LossReason;
use floodway_broker::{DurationsSnapshot, Totals};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::clock::between;
use super::series::{Busiest, Series};
use super::{StatusSource, process};

/// The classic text format: every scraper reads it.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Subscriptions with series of their own: 10 lines each, so a scrape stays below 2 MB.
const SUBSCRIPTIONS_SHOWN: usize = 1000;

/// The whole page, as of now.
pub(super) fn text(source: &StatusSource) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("floodway");
    registry.register_collector(Box::new(Scrape::of(source)));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    version: &'static str,
    started: SystemTime,
    connections: usize,
    subscriptions: usize,
    totals: Totals,
    publish: DurationsSnapshot,
    refused: u64,
    lookups: u64,
    queries_evaluated: u64,
    payloads_malformed: u64,
    tags_dropped: u64,
    publishers_paused: u64,
    slow_now: u64,
    slow_episodes: u64,
    memory_limit: u64,
    memory_used: u64,
    resident_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    series: Vec<Series>,
    left_out: usize,
}

impl Scrape {
    fn of(source: &StatusSource) -> Self {
        let (registry, bus) = (source.broker.registry(), source.broker.bus());
        let mut busiest = Busiest::new(SUBSCRIPTIONS_SHOWN);
        let mut publishers_paused = 0;
        for session in registry.open() {
            let seen = session.snapshot(Instant::now(), true);
            publishers_paused += u64::from(!seen.paced_by.is_empty());
            busiest.add(seen);
        }
        let (series, left_out) = busiest.finish();
        Self {
            version: source.version,
            started: source.started,
            connections: registry.open_count(),
            subscriptions: bus.subscription_count(),
            totals: registry.totals(Instant::now()),
            publish: source.broker.meters().publish.snapshot(),
            refused: source.broker.meters().refused(),
            lookups: bus.lookup_count(),
            queries_evaluated: bus.query_evaluations(),
            payloads_malformed: bus.malformed_payloads(),
            tags_dropped: bus.tags_dropped(),
            publishers_paused,
            slow_now: registry.slow_now(),
            slow_episodes: registry.slow_episodes(),
            memory_limit: bus.budget().limit(),
            memory_used: bus.budget().used(),
            resident_bytes: process::resident_bytes(),
            cpu_seconds: process::cpu_seconds(),
            series,
            left_out,
        }
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet { encoder };
        self.write_process(&mut sheet)?;
        self.write_sums(&mut sheet)?;
        self.write_losses(&mut sheet)?;
        self.write_subscriptions(&mut sheet)
    }
}

impl Scrape {
    fn write_process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let version = [("version", self.version)];
        sheet.gauges("build_info", "The version of the program.", [(version, 1_u64)])?;
        let started = between(SystemTime::UNIX_EPOCH, self.started).as_secs_f64();
        let help = "When the process started, in seconds since 1970.";
        sheet.gauge("process_start_time_seconds", help, started)?;
        if let Some(bytes) = self.resident_bytes {
            sheet.gauge("process_resident_memory_bytes", "Memory of the process in RAM.", bytes)?;
        }
        if let Some(seconds) = self.cpu_seconds {
            let help = "CPU time used by all threads of the process.";
            sheet.counter("process_cpu_seconds_total", help, seconds)?;
        }
        let help = "The memory that everything queued may hold together.";
        sheet.gauge("memory_budget_bytes", help, self.memory_limit)?;
        let help = "The memory that everything queued holds.";
        sheet.gauge("memory_used_bytes", help, self.memory_used)
    }

    fn write_sums(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let totals = &self.totals;
        sheet.gauge("connections", "Connections open now.", self.connections)?;
        sheet.counter("connections_total", "Connections ever opened.", totals.sessions)?;
        sheet.gauge("subscriptions", "Subscriptions open now.", self.subscriptions)?;
        let help = "Clients kept from publishing until their consumers have caught up.";
        sheet.gauge("publishers_paused", help, self.publishers_paused)?;
        let help = "Messages received from clients.";
        sheet.counter("messages_in_total", help, totals.in_messages)?;
        let help = "Payload and header bytes received from clients.";
        sheet.counter("bytes_in_total", help, totals.in_bytes)?;
        let help = "Messages refused before they were routed; their sender was told.";
        sheet.counter("messages_refused_total", help, self.refused)?;
        let help = "Subjects looked up in the index of subscriptions.";
        sheet.counter("route_lookups_total", help, self.lookups)?;
        let help = "Queries of subscriptions evaluated for messages.";
        sheet.counter("queries_evaluated_total", help, self.queries_evaluated)?;
        let help = "Payloads that a query asked for and that were not what [[extract]] says.";
        sheet.counter("payloads_malformed_total", help, self.payloads_malformed)?;
        let help = "Tags that queries were not shown: all behind the first 512 of a message.";
        sheet.counter("tags_dropped_total", help, self.tags_dropped)?;
        let help = "From a read of a socket until what it brought was routed and written.";
        sheet.histogram("publish_duration_seconds", help, &self.publish)?;
        let help = "Messages that matched a subscription, once for each.";
        sheet.counter("messages_matched_total", help, totals.matched)?;
        let help = "Messages handed to the socket of a client.";
        sheet.counter("messages_delivered_total", help, totals.delivered)?;
        sheet.counter("bytes_out_total", "Bytes written to sockets.", totals.out_bytes)?;
        let help = "Messages waiting for the socket of a client.";
        sheet.gauge("messages_pending", help, totals.pending_messages)
    }

    fn write_losses(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let lost = LossReason::ALL
            .map(|reason| ([("reason", reason.name())], self.totals.losses.of(reason)));
        let help = "Messages that matched and were not delivered, by reason.";
        sheet.counters("messages_lost_total", help, lost)?;
        let help = "Messages replaced by a later one of their key.";
        sheet.counter("messages_conflated_total", help, self.totals.conflated)?;
        let help = "Messages that were too old to be delivered.";
        sheet.counter("messages_expired_total", help, self.totals.expired)?;
        let help = "Subscriptions that are slow now.";
        sheet.gauge("subscriptions_slow", help, self.slow_now)?;
        let help = "How often a subscription became slow.";
        sheet.counter("slow_episodes_total", help, self.slow_episodes)?;
        let help = "Connections ended because their client was too slow.";
        sheet.counter("slow_consumers_total", help, self.totals.slow_consumers)?;
        let ends = self.totals.ends.iter().map(|(name, count)| ([("reason", *name)], *count));
        sheet.counters("session_ends_total", "Connections ended, by reason.", ends)
    }

    fn write_subscriptions(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let help = "Subscriptions without series of their own: others have more queued.";
        sheet.gauge("subscriptions_left_out", help, self.left_out)?;
        let mut counter = |name: &str, help: &str, value: fn(&Series) -> u64| {
            let samples = self.series.iter().map(|one| (one.labels(), value(one)));
            sheet.counters(name, help, samples)
        };
        let help = "Messages that matched the subscription.";
        counter("subscription_matched_total", help, |one| one.matched)?;
        let help = "Messages of the subscription handed to the socket.";
        counter("subscription_delivered_total", help, |one| one.delivered)?;
        let help = "Messages of the subscription replaced by a later one of their key.";
        counter("subscription_conflated_total", help, |one| one.conflated)?;
        let help = "Messages of the subscription that were too old to be delivered.";
        counter("subscription_expired_total", help, |one| one.expired)?;
        let lost = self.series.iter().flat_map(Series::losses_with_labels);
        let help = "Messages of the subscription that were lost, by reason; only if there are any.";
        sheet.counters("subscription_lost_total", help, lost)?;
        let mut gauge = |name: &str, help: &str, value: fn(&Series) -> u64| {
            let samples = self.series.iter().map(|one| (one.labels(), value(one)));
            sheet.gauges(name, help, samples)
        };
        let help = "Messages of the subscription waiting for the socket.";
        gauge("subscription_queued_messages", help, |one| one.queued)?;
        let help = "Bytes of the subscription waiting for the socket.";
        gauge("subscription_queued_bytes", help, |one| one.queued_bytes)?;
        let help = "Waiting messages of the subscription that took the place of earlier ones.";
        gauge("subscription_replaced_messages", help, |one| one.replaced)?;
        let help = "The most messages of the subscription that ever waited.";
        gauge("subscription_high_water_messages", help, |one| one.high_water)?;
        let help = "How long the oldest message of the subscription has been waiting.";
        let age = |one: &Series| one.oldest_age.unwrap_or_default().as_secs_f64();
        let ages = self.series.iter().map(|one| (one.labels(), age(one)));
        sheet.gauges("subscription_oldest_age_seconds", help, ages)
    }
}

impl Series {
    fn labels(&self) -> [(&'static str, &str); 3] {
        [("cid", &*self.cid), ("sid", &*self.sid), ("subject", &*self.subject)]
    }

    /// One sample for each reason that occurred; all of them for all would be most of the page.
    fn losses_with_labels(&self) -> impl Iterator<Item = ([(&'static str, &str); 4], u64)> {
        let [cid, sid, subject] = self.labels();
        LossReason::ALL.into_iter().filter(|reason| self.losses.of(*reason) > 0).map(
            move |reason| ([cid, sid, subject, ("reason", reason.name())], self.losses.of(reason)),
        )
    }
}

/// Writes metrics in the classic text format. The library writes OpenMetrics, which differs for
/// counters: there the metric is called `x` and its sample `x_total`, here both `x_total` (and
/// `connections` may stand beside `connections_total`). Declared as counters with the full name
/// and written the way of gauges, whose samples are called like their metric, they come out right.
struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Sheet<'_> {
    fn histogram(&mut self, name: &str, help: &str, seen: &DurationsSnapshot) -> fmt::Result {
        let mut encoder =
            self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(seen.sum, seen.count, &seen.buckets, None)
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        debug_assert!(name.ends_with("_total"));
        self.one(MetricType::Counter, name, help, &value)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.one(MetricType::Gauge, name, help, &value)
    }

    fn counters<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        debug_assert!(name.ends_with("_total"));
        self.many(MetricType::Counter, name, help, samples)
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.many(MetricType::Gauge, name, help, samples)
    }

    fn one(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, kind)?.encode_gauge(value)
    }

    fn many<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}
