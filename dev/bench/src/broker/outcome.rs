//! What one run found out, and how each figure is read.

/// The figures of a run, or why it has none.
pub(crate) type Outcome = Result<Vec<(Metric, f64)>, String>;

/// One kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Delivered,
    DeliveredAlone,
    DeliveredBeside,
    ShareKept,
    Requests,
    P50,
    P99,
    CpuPerMillion,
    BytesEach,
    ResidentPeak,
}

impl Metric {
    /// The column's head, with the unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Delivered => "delivered/s",
            Metric::DeliveredAlone => "delivered/s alone",
            Metric::DeliveredBeside => "beside one stalled",
            Metric::ShareKept => "share kept %",
            Metric::Requests => "requests/s",
            Metric::P50 => "p50 us",
            Metric::P99 => "p99 us",
            Metric::CpuPerMillion => "server CPU s per M",
            Metric::BytesEach => "RSS bytes each",
            Metric::ResidentPeak => "RSS MB",
        }
    }

    /// The name in the JSON file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Metric::Delivered => "delivered_per_s",
            Metric::DeliveredAlone => "delivered_per_s_alone",
            Metric::DeliveredBeside => "delivered_per_s_beside_stalled",
            Metric::ShareKept => "share_kept_percent",
            Metric::Requests => "requests_per_s",
            Metric::P50 => "p50_us",
            Metric::P99 => "p99_us",
            Metric::CpuPerMillion => "server_cpu_s_per_million",
            Metric::BytesEach => "rss_bytes_each",
            Metric::ResidentPeak => "rss_mb",
        }
    }

    /// How many decimals say something.
    pub(crate) fn decimals(self) -> usize {
        match self {
            Metric::CpuPerMillion => 3,
            Metric::P50 | Metric::P99 | Metric::ResidentPeak | Metric::ShareKept => 1,
            _ => 0,
        }
    }
}
