//! What is to be known of a bus as a whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::account::{Account, Losses};
use crate::bus::Bus;
use crate::end::EndReason;
use crate::inbox::SubscriptionMetrics;
use crate::payload::Carried;

/// One of so many publishes is measured, as a look at the clock costs as much as a short one.
const MEASURED: u64 = 64;
/// Durations up to 2^40 ns, a quarter of an hour.
const BUCKETS: usize = 41;

/// Sums over subscriptions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Copies of messages that matched a subscription.
    pub matched: u64,
    /// Copies received.
    pub delivered: u64,
    /// Copies replaced by a later one of their key.
    pub conflated: u64,
    /// Copies that became too old.
    pub expired: u64,
    /// Copies lost, by reason.
    pub losses: Losses,
    /// Copies waiting.
    pub queued: u64,
    /// Bytes waiting.
    pub queued_bytes: u64,
}

impl Totals {
    fn add(&mut self, account: &Account) {
        self.matched += account.matched();
        self.delivered += account.delivered();
        self.conflated += account.conflated();
        self.expired += account.expired();
        self.losses.add(&account.losses());
        self.queued += account.queued();
        self.queued_bytes += account.queued_bytes();
    }
}

/// Durations, by powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    counts: [u64; BUCKETS],
}

impl Latency {
    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What a share of them did not exceed, to within a factor of two; none if none were measured.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        let bucket = self.counts.iter().position(reached)?;
        Some(Duration::from_nanos(1 << bucket))
    }
}

/// The state of a bus, as of about one moment: others publish and receive meanwhile.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BusMetrics {
    /// Messages published one by one, those refused for want of room included; those of a
    /// [`crate::Router`] are not among them.
    pub published: u64,
    /// Those of them that matched nothing.
    pub unmatched: u64,
    /// Messages not published, as their publisher was told.
    pub refused: u64,
    /// How long publishing took, without waiting for room: one of 64 is measured.
    pub publish_latency: Latency,
    /// How often a publisher waited for room.
    pub waits: u64,
    /// For how long, together.
    pub waited: Duration,
    /// For how long publishers were delayed by subscriptions that throttle, together.
    pub delayed: Duration,
    /// Circles of waiting publishers that were found.
    pub wait_cycles: u64,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Clients with a subscription now.
    pub clients: usize,
    /// Subscriptions that ended, by the name of the reason.
    pub ended: Vec<(&'static str, u64)>,
    /// How often the table of subscriptions was searched; routes that are remembered save that.
    pub lookups: u64,
    /// Queries evaluated for messages.
    pub queries_evaluated: u64,
    /// Payloads that were not what [`crate::BusConfig::extract`] has declared of them, and so had
    /// no such tags.
    pub malformed_payloads: u64,
    /// Tags that queries were not shown, as their messages have more than
    /// [`crate::Tags::MOST`]. What is in payloads counts if a query asks for it.
    pub tags_dropped: u64,
    /// Bytes in use of the memory budget.
    pub memory_used: u64,
    /// The memory budget.
    pub memory_budget: u64,
    /// What became of all messages, of subscriptions that are gone as well.
    pub totals: Totals,
}

#[derive(Debug, Default)]
struct Closed {
    totals: Totals,
    ended: Vec<(&'static str, u64)>,
}

impl Closed {
    fn add(&mut self, account: &Account, reason: Option<&EndReason>) {
        self.totals.add(account);
        let Some(name) = reason.map(EndReason::name) else { return };
        match self.ended.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.ended.push((name, 1)),
        }
    }
}

/// What a bus counts beside its tables.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Subscriptions whose handles are dropped.
    closed: Mutex<Closed>,
    refused: AtomicU64,
    waits: AtomicU64,
    waited_ns: AtomicU64,
    delayed_ns: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            closed: Mutex::default(),
            refused: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
            delayed_ns: AtomicU64::new(0),
            latency: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Meter {
    /// Whether the publish of this number, of those that share a counter, is measured.
    pub(crate) fn measures(nth: u64) -> bool {
        nth.is_multiple_of(MEASURED)
    }

    pub(crate) fn took(&self, started: Instant) {
        let ns = started.elapsed().as_nanos() as u64;
        let bucket = (u64::BITS - ns.saturating_sub(1).leading_zeros()) as usize;
        self.latency[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, since: Instant) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.waited_ns.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn delayed(&self, delay: Duration) {
        self.delayed_ns.fetch_add(delay.as_nanos() as u64, Ordering::Relaxed);
    }

    /// A subscription handle is dropped, with all of its account settled.
    pub(crate) fn close(&self, account: &Account, reason: Option<&EndReason>) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).add(account, reason);
    }
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Queries evaluated for messages.
    pub fn query_evaluations(&self) -> u64 {
        self.shared().query_meter.evaluated.load(Ordering::Relaxed)
    }

    /// Payloads that were not what [`crate::BusConfig::extract`] has declared of them.
    pub fn malformed_payloads(&self) -> u64 {
        self.shared().query_meter.malformed.load(Ordering::Relaxed)
    }

    /// Tags that queries were not shown, as their messages have more than
    /// [`crate::Tags::MOST`].
    pub fn tags_dropped(&self) -> u64 {
        self.shared().query_meter.dropped.load(Ordering::Relaxed)
    }

    /// The state of the bus, in numbers.
    pub fn metrics(&self) -> BusMetrics {
        let shared = self.shared();
        let (published, unmatched) = shared.routes.counts();
        let mut all = Closed::default();
        {
            let closed = shared.meter.closed.lock().unwrap_or_else(PoisonError::into_inner);
            (all.totals, all.ended) = (closed.totals, closed.ended.clone());
        }
        for inbox in self.inboxes() {
            all.add(&inbox.account(), inbox.end_reason().as_ref());
        }
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let meter = &shared.meter;
        BusMetrics {
            published,
            unmatched,
            refused: load(&meter.refused),
            publish_latency: Latency { counts: std::array::from_fn(|at| load(&meter.latency[at])) },
            waits: load(&meter.waits),
            waited: Duration::from_nanos(load(&meter.waited_ns)),
            delayed: Duration::from_nanos(load(&meter.delayed_ns)),
            wait_cycles: shared.waits.found(),
            subscriptions: self.subscription_count(),
            clients: self.client_count(),
            ended: all.ended,
            lookups: self.lookup_count(),
            queries_evaluated: self.query_evaluations(),
            malformed_payloads: self.malformed_payloads(),
            tags_dropped: self.tags_dropped(),
            memory_used: self.budget().used(),
            memory_budget: self.budget().limit(),
            totals: all.totals,
        }
    }

    /// The state of each subscription whose handle is held, ended ones included; in no order.
    pub fn subscriptions(&self) -> Vec<SubscriptionMetrics> {
        let now = Instant::now();
        self.inboxes().iter().map(|inbox| inbox.metrics(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_power_of_two_that_is_not_exceeded() {
        let mut latency = Latency { counts: [0; BUCKETS] };
        assert_eq!(latency.quantile(0.5), None);
        (latency.counts[7], latency.counts[10]) = (99, 1);
        let at = |share| latency.quantile(share).unwrap().as_nanos();
        assert_eq!((at(0.0), at(0.5), at(0.99), at(1.0)), (128, 128, 128, 1024));
    }
}
