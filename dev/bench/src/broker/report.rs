//! Tables for people and JSON for programs: medians with their spread, and ours beside each peer.

use std::fmt::Write;

use serde_json::{Value, json};

use super::case::{Case, Entry};
use super::contender::{Contender, Kind};
use super::outcome::{Bar, Metric, Outcome};
use crate::table::Spread;

/// All runs of one server in one entry of a case.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) entry: &'a Entry,
    pub(crate) runs: Vec<Outcome>,
}

impl Row<'_> {
    /// The server, and what it did if it did several things.
    pub(crate) fn name(&self) -> String {
        match (self.contender.name(), self.entry.label) {
            (server, "") => server.to_owned(),
            (server, label) => format!("{server}, {label}"),
        }
    }

    fn is_ours(&self) -> bool {
        self.contender.kind == Kind::Floodway
    }

    /// The bar of a figure, if it has one and there is a figure.
    fn bar(&self, metric: Metric) -> Option<Bar> {
        let bars = if self.is_ours() { self.entry.bars() } else { Vec::new() };
        bars.into_iter().find(|(found, _)| *found == metric).map(|(_, bar)| bar)
    }

    /// How many of its figures miss their bar.
    pub(crate) fn missed(&self) -> usize {
        let is_missed = |metric: &Metric| {
            let (bar, spread) = (self.bar(*metric), self.spread(*metric));
            bar.zip(spread).is_some_and(|(bar, spread)| !bar.is_met_by(spread.median))
        };
        self.metrics().iter().filter(|metric| is_missed(metric)).count()
    }

    /// How many runs have no figure, and why the first of them has none.
    pub(crate) fn failure(&self) -> Option<(usize, &str)> {
        let mut reasons = self.runs.iter().filter_map(|run| run.as_ref().err());
        let first = reasons.next()?;
        Some((1 + reasons.count(), first))
    }

    fn spread(&self, metric: Metric) -> Option<Spread> {
        // One bad run makes the others suspect: what it lost, it did not have to deliver.
        if self.failure().is_some() {
            return None;
        }
        let figures = self.runs.iter().flatten().flatten();
        Spread::of(figures.filter(|(found, _)| *found == metric).map(|(_, value)| *value).collect())
    }

    fn metrics(&self) -> Vec<Metric> {
        let first = self.runs.iter().flatten().next();
        first.into_iter().flatten().map(|(metric, _)| *metric).collect()
    }
}

/// The table of one case, and the lines that compare.
pub(crate) fn table(case: &Case, rows: &[Row<'_>]) -> String {
    let runs = rows.first().map_or(0, |row| row.runs.len());
    let mut text = format!("\n### {}: median (min-max) of {runs}\n\n", case.title);
    let metrics = columns(rows);
    text.push_str("| server |");
    for metric in &metrics {
        let _ = write!(text, " {} |", metric.title());
    }
    text.push_str(" lost |\n|---|");
    text.push_str(&"---:|".repeat(metrics.len() + 1));
    text.push('\n');
    for row in rows {
        let _ = write!(text, "| {} |", row.name());
        match row.failure() {
            Some((failed, why)) => {
                let _ = write!(text, " **FAILED** {failed} of {runs}: {why} |");
            }
            None => {
                for metric in &metrics {
                    let bar = row.bar(*metric);
                    let cell = row.spread(*metric).map(|it| cell(it, metric.decimals(), bar));
                    let _ = write!(text, " {} |", cell.as_deref().unwrap_or("-"));
                }
                // A run that lost anything is a failure, so this is always so.
                text.push_str(" 0 |");
            }
        }
        text.push('\n');
    }
    text.push_str(&comparison(&metrics, rows));
    text
}

/// The figures that any row has, each after those that a row has before it.
fn columns(rows: &[Row<'_>]) -> Vec<Metric> {
    let mut columns: Vec<Metric> = Vec::new();
    for row in rows {
        let mut at = 0;
        for metric in row.metrics() {
            at = match columns.iter().position(|column| *column == metric) {
                Some(found) => found + 1,
                None => {
                    columns.insert(at, metric);
                    at + 1
                }
            };
        }
    }
    columns
}

/// One line per peer: our median of each metric divided by its.
fn comparison(metrics: &[Metric], rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for peer in rows.iter().filter(|row| !row.is_ours()) {
        let is_same = |row: &&Row<'_>| row.is_ours() && row.entry.label == peer.entry.label;
        let Some(ours) = rows.iter().find(is_same) else { continue };
        let ratios: Vec<String> = metrics
            .iter()
            .filter_map(|metric| {
                let (ours, its) = (ours.spread(*metric)?, peer.spread(*metric)?);
                Some(format!("{} × {}", metric.title(), ratio(ours.median, its.median)?))
            })
            .collect();
        if !ratios.is_empty() {
            let name = peer.name();
            let _ = write!(text, "\nfloodway / {name}: {}\n", ratios.join(", "));
        }
    }
    text
}

/// Two or three significant digits; `None` where a ratio means nothing.
fn ratio(ours: f64, its: f64) -> Option<String> {
    if its <= 0.0 || ours < 0.0 {
        return None;
    }
    Some(format!("{:.2}", ours / its))
}

fn cell(spread: Spread, decimals: usize, bar: Option<Bar>) -> String {
    let number = |value| grouped(value, decimals);
    let (least, most) = (number(spread.least), number(spread.most));
    let text = format!("{} ({least}-{most})", number(spread.median));
    let Some(bar) = bar else { return text };
    let (sign, limit) = bar.sign();
    let verdict = if bar.is_met_by(spread.median) { "ok" } else { "**MISSED**" };
    format!("{text} {sign} {}: {verdict}", number(limit))
}

/// A number with a comma after every three digits before the point.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    if value < 0.0 {
        grouped.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// Everything of one case, run by run.
pub(crate) fn to_json(case: &Case, rows: &[Row<'_>]) -> Value {
    let servers: Vec<Value> = rows
        .iter()
        .map(|row| {
            let runs: Vec<Value> = row.runs.iter().map(run_to_json).collect();
            let mut server = json!({ "server": row.contender.name(), "runs": runs });
            if !row.entry.label.is_empty() {
                server["entry"] = json!(row.entry.label);
            }
            let bars: Vec<Value> = row.metrics().iter().filter_map(|m| judged(row, *m)).collect();
            if !bars.is_empty() {
                server["bars"] = json!(bars);
            }
            server
        })
        .collect();
    json!({ "group": case.group.name(), "case": case.title, "cpu": case.cpu, "servers": servers })
}

/// A figure that has a bar, and whether it is met.
fn judged(row: &Row<'_>, metric: Metric) -> Option<Value> {
    let (bar, spread) = (row.bar(metric)?, row.spread(metric)?);
    let (sign, limit) = bar.sign();
    let ok = bar.is_met_by(spread.median);
    let (figure, median) = (metric.key(), spread.median);
    Some(json!({ "figure": figure, "median": median, "is": sign, "bar": limit, "ok": ok }))
}

fn run_to_json(run: &Outcome) -> Value {
    match run {
        Ok(figures) => {
            figures.iter().map(|(metric, value)| (metric.key().to_owned(), json!(value))).collect()
        }
        Err(why) => json!({ "failed": why }),
    }
}

#[cfg(test)]
mod tests;
