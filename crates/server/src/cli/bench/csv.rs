//! The result of a run as a line of CSV, so that many runs become one table.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::report::{Mode, Report};
use crate::cli::client::failure::Failure;

/// Appends to the file; a new or empty file gets the heading first.
pub(super) fn append(report: &Report, path: &Path) -> Result<(), Failure> {
    write(report, path).map_err(|error| {
        Failure::failed(format!("cannot write the CSV file {}: {error}", path.display()))
    })
}

fn write(report: &Report, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let (names, values): (Vec<_>, Vec<_>) = columns(report).into_iter().unzip();
    let mut text = String::new();
    if file.metadata()?.len() == 0 {
        text.push_str(&names.join(","));
        text.push('\n');
    }
    text.push_str(&values.join(","));
    text.push('\n');
    // One write for all: runs side by side then do not mix their lines.
    file.write_all(text.as_bytes())
}

/// Name and value of each column. New ones go to the end, to keep old files readable.
pub(super) fn columns(report: &Report) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mode = match report.mode {
        Mode::Publish => "publish",
        Mode::Request => "request",
    };
    let rate = report.rate.map_or(String::new(), |rate| rate.to_string());
    let latency = report.latency_us.as_ref();
    let micros = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1}"));
    vec![
        ("unix_time", now.as_secs().to_string()),
        ("server", field(&report.server.address)),
        ("server_version", field(&report.server.version)),
        ("mode", mode.to_owned()),
        ("pubs", report.sent.clients.to_string()),
        ("subs", report.received.clients.to_string()),
        ("subjects", report.subjects.to_string()),
        ("size", report.size.to_string()),
        ("msgs", report.msgs.to_string()),
        ("rate", rate),
        ("queue", field(report.queue.as_deref().unwrap_or_default())),
        ("sent", report.sent.messages.to_string()),
        ("sent_seconds", format!("{:.6}", report.sent.seconds)),
        ("sent_per_second", format!("{:.0}", report.sent.per_second)),
        ("received", report.received.messages.to_string()),
        ("received_seconds", format!("{:.6}", report.received.seconds)),
        ("received_per_second", format!("{:.0}", report.received.per_second)),
        ("lost", report.lost.to_string()),
        ("lost_unreported", report.lost_unreported.to_string()),
        ("out_of_order", report.out_of_order.to_string()),
        ("duplicates", report.duplicates.to_string()),
        ("p50_us", micros(latency.map(|latency| latency.p50))),
        ("p90_us", micros(latency.map(|latency| latency.p90))),
        ("p99_us", micros(latency.map(|latency| latency.p99))),
        ("p999_us", micros(latency.map(|latency| latency.p999))),
        ("max_us", micros(latency.map(|latency| latency.max))),
        ("ok", report.ok.to_string()),
    ]
}

/// Quotes what would break the line.
pub(super) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
