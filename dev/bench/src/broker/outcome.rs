//! What one run found out, and how each figure is read.

/// The figures of a run, or why it has none.
pub(crate) type Outcome = Result<Vec<(Metric, f64)>, String>;

/// One kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Delivered,
    DeliveredAlone,
    DeliveredBeside,
    DeliveredQueried,
    ShareKept,
    ShareByCpu,
    Requests,
    P50,
    P99,
    CpuPerMillion,
    BytesEach,
    ResidentPeak,
    Growth,
    EndTold,
    HighWater,
    HealthyWater,
    NewestHeld,
    WorstAge,
    AgeAfterPause,
    P50Alone,
    P99Alone,
    Plain,
    Chosen,
    CostRatio,
    Dropped,
    DropShare,
    AllEnded,
    ShareAfter,
    BudgetUsed,
    Exact,
    Stayed,
}

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    Exactly(f64),
}

impl Bar {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Bar::AtLeast(bar) => value >= bar,
            Bar::AtMost(bar) => value <= bar,
            // Counts, which floating point keeps exactly.
            Bar::Exactly(bar) => value == bar,
        }
    }

    pub(crate) fn sign(self) -> (&'static str, f64) {
        match self {
            Bar::AtLeast(bar) => ("≥", bar),
            Bar::AtMost(bar) => ("≤", bar),
            Bar::Exactly(bar) => ("=", bar),
        }
    }
}

impl Metric {
    /// The column's head, with the unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Delivered => "delivered/s",
            Metric::DeliveredAlone => "delivered/s alone",
            Metric::DeliveredBeside => "beside the slow",
            Metric::DeliveredQueried => "beside the others",
            Metric::ShareKept => "share kept %",
            Metric::ShareByCpu => "by CPU %",
            Metric::Requests => "requests/s",
            Metric::P50 => "p50 us",
            Metric::P99 => "p99 us",
            Metric::CpuPerMillion => "server CPU s per M",
            Metric::BytesEach => "RSS bytes each",
            Metric::ResidentPeak => "RSS MB",
            Metric::Growth => "RSS grew MB",
            Metric::EndTold => "end told ms",
            Metric::HighWater => "queued at most",
            Metric::HealthyWater => "for a healthy one",
            Metric::NewestHeld => "newest held",
            Metric::WorstAge => "worst age, passes",
            Metric::AgeAfterPause => "after a standstill",
            Metric::P50Alone => "p50 us alone",
            Metric::P99Alone => "p99 us alone",
            Metric::Plain => "plain, CPU s per M",
            Metric::Chosen => "with it, CPU s per M",
            Metric::CostRatio => "ratio",
            Metric::Dropped => "CPU ns per dropped",
            Metric::DropShare => "share of a delivery %",
            Metric::AllEnded => "all ended after s",
            Metric::ShareAfter => "share kept then %",
            Metric::BudgetUsed => "budget used MB",
            Metric::Exact => "exact accounts",
            Metric::Stayed => "stayed",
        }
    }

    /// The name in the JSON file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Metric::Delivered => "delivered_per_s",
            Metric::DeliveredAlone => "delivered_per_s_alone",
            Metric::DeliveredBeside => "delivered_per_s_beside_stalled",
            Metric::DeliveredQueried => "delivered_per_s_beside_others",
            Metric::ShareKept => "share_kept_percent",
            Metric::ShareByCpu => "share_kept_by_cpu_percent",
            Metric::Requests => "requests_per_s",
            Metric::P50 => "p50_us",
            Metric::P99 => "p99_us",
            Metric::CpuPerMillion => "server_cpu_s_per_million",
            Metric::BytesEach => "rss_bytes_each",
            Metric::ResidentPeak => "rss_mb",
            Metric::Growth => "rss_growth_mb",
            Metric::EndTold => "end_told_ms",
            Metric::HighWater => "queued_at_most",
            Metric::HealthyWater => "queued_at_most_for_healthy",
            Metric::NewestHeld => "newest_held",
            Metric::WorstAge => "worst_age_passes",
            Metric::AgeAfterPause => "worst_age_passes_after_standstill",
            Metric::P50Alone => "p50_us_alone",
            Metric::P99Alone => "p99_us_alone",
            Metric::Plain => "server_cpu_s_per_million_plain",
            Metric::Chosen => "server_cpu_s_per_million_chosen",
            Metric::CostRatio => "cost_ratio",
            Metric::Dropped => "server_cpu_ns_per_dropped",
            Metric::DropShare => "drop_share_of_delivery_percent",
            Metric::AllEnded => "all_ended_after_s",
            Metric::ShareAfter => "share_kept_then_percent",
            Metric::BudgetUsed => "budget_used_mb",
            Metric::Exact => "exact_accounts",
            Metric::Stayed => "stayed",
        }
    }

    /// How many decimals say something.
    pub(crate) fn decimals(self) -> usize {
        match self {
            Metric::CpuPerMillion | Metric::Plain | Metric::Chosen => 3,
            Metric::CostRatio => 2,
            Metric::P50 | Metric::P99 | Metric::P50Alone | Metric::P99Alone => 1,
            Metric::ResidentPeak | Metric::Growth | Metric::BudgetUsed => 1,
            Metric::ShareKept | Metric::ShareByCpu | Metric::ShareAfter | Metric::DropShare => 1,
            Metric::WorstAge | Metric::AgeAfterPause | Metric::AllEnded => 1,
            _ => 0,
        }
    }
}
