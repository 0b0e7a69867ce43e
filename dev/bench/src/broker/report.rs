//! Tables for people and JSON for programs: medians with their spread, and ours beside each peer.

use std::fmt::Write;

use serde_json::{Value, json};

use super::case::Case;
use super::contender::{Contender, Kind};
use super::outcome::{Metric, Outcome};

/// All runs of one server in one case.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) runs: Vec<Outcome>,
}

impl Row<'_> {
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

/// Median, least and most of several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values[middle - 1] + values[middle]) / 2.0
        } else {
            values[middle]
        };
        Some(Spread { median, least, most })
    }
}

/// The table of one case, and the lines that compare.
pub(crate) fn table(case: &Case, rows: &[Row<'_>]) -> String {
    let runs = rows.first().map_or(0, |row| row.runs.len());
    let mut text = format!("\n### {}: median (min-max) of {runs}\n\n", case.title);
    let metrics = rows.iter().map(Row::metrics).find(|metrics| !metrics.is_empty());
    let metrics = metrics.unwrap_or_default();
    text.push_str("| server |");
    for metric in &metrics {
        let _ = write!(text, " {} |", metric.title());
    }
    text.push_str(" lost |\n|---|");
    text.push_str(&"---:|".repeat(metrics.len() + 1));
    text.push('\n');
    for row in rows {
        let _ = write!(text, "| {} |", row.contender.name());
        match row.failure() {
            Some((failed, why)) => {
                let _ = write!(text, " **FAILED** {failed} of {runs}: {why} |");
            }
            None => {
                for metric in &metrics {
                    let cell = row.spread(*metric).map(|spread| cell(spread, metric.decimals()));
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

/// One line per peer: our median of each metric divided by its.
fn comparison(metrics: &[Metric], rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    let is_ours = |row: &&Row<'_>| row.contender.kind == Kind::Floodway;
    let Some(ours) = rows.iter().find(is_ours) else { return text };
    for peer in rows.iter().filter(|row| !is_ours(row)) {
        let ratios: Vec<String> = metrics
            .iter()
            .filter_map(|metric| {
                let (ours, its) = (ours.spread(*metric)?, peer.spread(*metric)?);
                Some(format!("{} × {}", metric.title(), ratio(ours.median, its.median)?))
            })
            .collect();
        if !ratios.is_empty() {
            let name = peer.contender.name();
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

fn cell(spread: Spread, decimals: usize) -> String {
    let number = |value| grouped(value, decimals);
    format!("{} ({}-{})", number(spread.median), number(spread.least), number(spread.most))
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
            json!({ "server": row.contender.name(), "runs": runs })
        })
        .collect();
    json!({ "group": case.group.name(), "case": case.title, "cpu": case.cpu, "servers": servers })
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
