//! The result of a run for people.

use std::fmt::Write;

use indicatif::HumanCount;

use super::report::{Mode, Report, Side};
use crate::cli::client::failure::{Failure, say};

/// More clients than this are summed up; `--json` has each.
const ROWS_MAX: usize = 16;

/// Prints the table on standard output.
pub(super) fn print(report: &Report) -> Result<(), Failure> {
    say(text(report).trim_end())
}

/// The whole table as text.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    let (sent, received) = match report.mode {
        Mode::Publish => ("publisher", "subscriber"),
        Mode::Request => ("requester", "responder"),
    };
    let _infallible = writeln!(
        out,
        "\n{:<16}{:>15}{:>11}{:>14}{:>10}",
        "", "messages", "seconds", "msgs/s", "MiB/s"
    );
    side(&mut out, sent, &report.sent);
    side(&mut out, received, &report.received);
    out.push('\n');
    account(&mut out, report);
    latency(&mut out, report);
    out
}

fn head(out: &mut String, report: &Report) {
    let what = match report.mode {
        Mode::Publish => "messages",
        Mode::Request => "requests",
    };
    let mut line = format!(
        "{} {what} of {} bytes on {}",
        HumanCount(report.msgs),
        HumanCount(report.size as u64),
        report.subject
    );
    if report.subjects > 1 {
        line.push_str(&format!(".0 to .{}", report.subjects - 1));
    }
    if let Some(rate) = report.rate {
        line.push_str(&format!(", {rate} a second"));
    }
    if let Some(queue) = &report.queue {
        line.push_str(&format!(", queue group {queue}"));
    }
    let server = &report.server;
    out.push_str(&format!(
        "{line}\nserver {} (version {}, name {})\n",
        server.address, server.version, server.name
    ));
}

fn side(out: &mut String, name: &str, side: &Side) {
    if side.clients == 0 {
        return;
    }
    let title =
        if side.clients == 1 { name.to_owned() } else { format!("{} {name}s", side.clients) };
    let _infallible = writeln!(
        out,
        "{title:<16}{:>15}{:>11.3}{:>14}{:>10.1}",
        HumanCount(side.messages).to_string(),
        side.seconds,
        HumanCount(side.per_second.round() as u64).to_string(),
        side.mib_per_second
    );
    if side.clients == 1 || side.clients > ROWS_MAX {
        return;
    }
    for (index, each) in side.each.iter().enumerate() {
        let _infallible = writeln!(
            out,
            "{:<16}{:>15}{:>11.3}{:>14}",
            format!("  {}", index + 1),
            HumanCount(each.messages).to_string(),
            each.seconds,
            HumanCount(each.per_second.round() as u64).to_string()
        );
    }
}

fn account(out: &mut String, report: &Report) {
    let lost = match (report.lost, report.lost_unreported) {
        (0, _) => "0".to_owned(),
        (lost, 0) => format!("{} (all reported by the server)", HumanCount(lost)),
        (lost, silent) if silent == lost => format!("{} (NOT reported)", HumanCount(lost)),
        (lost, silent) => format!("{} ({} NOT reported)", HumanCount(lost), HumanCount(silent)),
    };
    out.push_str(&format!(
        "lost {lost}, out of order {}, duplicates {}",
        HumanCount(report.out_of_order),
        HumanCount(report.duplicates)
    ));
    if report.foreign > 0 {
        out.push_str(&format!(", {} not of this run", HumanCount(report.foreign)));
    }
    out.push('\n');
    for line in &report.ends {
        out.push_str(&format!("ended: {line}\n"));
    }
    for line in report.errors.iter().take(ROWS_MAX) {
        out.push_str(&format!("error: {line}\n"));
    }
}

fn latency(out: &mut String, report: &Report) {
    let Some(latency) = &report.latency_us else { return };
    let what = match report.mode {
        Mode::Publish => "publish to receipt",
        Mode::Request => "request to reply",
    };
    out.push_str(&format!("latency in microseconds, {what}:\n"));
    let columns = [
        ("min", latency.min),
        ("mean", latency.mean),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("max", latency.max),
    ];
    let names: String = columns.iter().map(|(name, _)| format!("{name:>11}")).collect();
    let values: String = columns.iter().map(|(_, value)| format!("{value:>11.1}")).collect();
    out.push_str(&format!("{names}\n{values}\n"));
}
