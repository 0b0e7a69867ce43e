//! The page as a table of 80 columns.

use std::fmt::Write;

use super::fetch::Site;
use super::page::{Page, Row};
use crate::cli::client::failure::counted;

/// The table must fit a terminal of the usual width.
const WIDTH: usize = 80;
const WHO: usize = 12;
const SUBSCRIPTION: usize = 14;
const POLICY: usize = 8;
const HEAD: &str = " SINCE BEHIND QUEUED  LOST CONFL   EXP STATE";

/// The whole table, with at most `limit` subscriptions.
pub(super) fn text(page: &Page, site: &Site, limit: usize) -> String {
    let counts = &page.counts;
    let time = page.now.get(11..19).unwrap_or("");
    let title = format!(
        "{site}, {time} UTC: {} slow now, {} lately, {} since the start",
        counts.slow, counts.lately, counts.episodes
    );
    let mut out = fit(&title, WIDTH);
    let rows: Vec<_> = page.slow.iter().chain(&page.lately).take(limit).collect();
    if rows.is_empty() {
        out.push_str("\nNo subscription is slow.\n");
        return out;
    }
    let _infallible = write!(
        out,
        "\n{:<WHO$} {:<SUBSCRIPTION$} {:<POLICY$}{HEAD}\n",
        "WHO", "SUBSCRIPTION", "POLICY"
    );
    rows.iter().for_each(|row| line(&mut out, row));
    let left_out = (counts.slow + counts.lately).saturating_sub(rows.len() as u64);
    if left_out > 0 {
        let _infallible = writeln!(out, "and {} (see --limit)", counted(left_out, "more row"));
    }
    out
}

fn line(out: &mut String, row: &Row) {
    let who = match &row.name {
        Some(name) if !name.is_empty() => name.clone(),
        _ if row.ip.contains(':') => format!("[{}]:{}", row.ip, row.port),
        _ => format!("{}:{}", row.ip, row.port),
    };
    let (policy, state) = (short_policy(&row.policy), short_state(&row.state));
    // Of one that is over, how far it was behind at the worst: now it is not.
    let behind = if row.state == "slow" { row.behind_ms } else { row.behind_ms_max };
    let _infallible = writeln!(
        out,
        "{:<WHO$} {:<SUBSCRIPTION$} {:<POLICY$}{:>6}{:>7}{:>7}{:>6}{:>6}{:>6} {}",
        fit(&who, WHO),
        fit(&format!("{} {}", row.sid, row.subject), SUBSCRIPTION),
        fit(policy, POLICY),
        span(row.duration_ms),
        span(behind),
        count(row.queued),
        count(row.lost),
        count(row.conflated),
        count(row.expired),
        fit(state, 5),
    );
}

fn short_policy(policy: &str) -> &str {
    match policy {
        "disconnect" => "disconn",
        "drop-newest" => "drop-new",
        "drop-oldest" => "drop-old",
        other => other,
    }
}

fn short_state(state: &str) -> &str {
    match state {
        "recovered" => "ok",
        "unsubscribed" => "unsub",
        other => other,
    }
}

/// At most `width` characters of a text that a client chose: it must not move our cursor.
fn fit(text: &str, width: usize) -> String {
    let harmless = |sign: char| if sign.is_control() { '?' } else { sign };
    let mut fitting: String = text.chars().map(harmless).take(width).collect();
    if text.chars().nth(width).is_some() {
        fitting.pop();
        fitting.push('~');
    }
    fitting
}

/// In at most 5 characters: `250ms`, `1.5s`, `42s`, `12m`, `7h`, `30d`.
fn span(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..1000 => format!("{ms}ms"),
        1000..10_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{}s", ms / 1000),
        120_000..7_200_000 => format!("{}m", ms / 60_000),
        7_200_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", (ms / 86_400_000).min(9999)),
    }
}

/// In at most 5 characters: `9999`, `12.3k`, `456k`, `7.8M`. Rounded down: never more than it is.
fn count(number: u64) -> String {
    let scaled = |unit: u64, name: char| match number / unit {
        whole @ 0..100 => format!("{whole}.{}{name}", number % unit * 10 / unit),
        whole => format!("{whole}{name}"),
    };
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => scaled(1000, 'k'),
        1_000_000..1_000_000_000 => scaled(1_000_000, 'M'),
        1_000_000_000..1_000_000_000_000 => scaled(1_000_000_000, 'G'),
        1_000_000_000_000..1_000_000_000_000_000 => scaled(1_000_000_000_000, 'T'),
        _ => "lots".to_owned(),
    }
}
