//! Tables for people and JSON for programs: medians with their spread, and ours at the bar.

use std::fmt::Write;

use serde_json::{Value, json};

use super::case::{Bar, Case, Column};
use super::contender::{Contender, Side};
use super::work::Outcome;
use crate::table::{Spread, aligned, cell, short, wrapped};

/// All runs of one contender in a case, by column; a column it cannot do has none.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) runs: Vec<Vec<Outcome>>,
}

impl Row<'_> {
    /// How many runs have no figure, and why the first of them has none.
    pub(crate) fn failure(&self) -> Option<(usize, &str)> {
        let mut reasons = self.runs.iter().flatten().filter_map(|run| run.as_ref().err());
        let first = reasons.next()?;
        Some((1 + reasons.count(), first))
    }

    /// Of a column, unless any run of the row failed: one bad run makes the others suspect.
    fn spread(&self, column: usize) -> Option<Spread> {
        if self.failure().is_some() {
            return None;
        }
        Spread::of(self.runs.get(column)?.iter().flatten().copied().collect())
    }

    /// The figure that a case makes of a whole row, if it has all of it.
    fn summary(&self, case: &Case) -> Option<f64> {
        let median = |column| self.spread(column).map(|spread| spread.median);
        let medians: Option<Vec<f64>> = (0..case.columns.len()).map(median).collect();
        case.summary?.of(&medians?)
    }
}

/// The table of one case, best first, and ours at the bar below it.
pub(crate) fn table(case: &Case, rows: &[Row<'_>]) -> String {
    let runs = rows.iter().flat_map(|row| &row.runs).map(Vec::len).max().unwrap_or_default();
    let mut text = format!("\n### {}: median (min-max) of {runs}\n\n", case.title);
    for line in wrapped(case.note) {
        let _ = writeln!(text, "{line}");
    }
    let mut heads = vec!["queue".to_owned()];
    heads.extend(case.columns.iter().map(|column| column.head.clone()));
    heads.extend(case.summary.map(|summary| summary.head().to_owned()));
    let mut lines = vec![heads];
    lines.extend(best_first(case, rows).into_iter().map(|row| cells(case, row)));
    text.push('\n');
    text.push_str(&aligned(&lines));
    for row in rows {
        if let Some((failed, why)) = row.failure() {
            let _ = writeln!(text, "\n**FAILED**: {}, {failed} runs: {why}", row.contender.name);
        }
    }
    text.push_str(&judged(case, rows));
    text
}

/// Rows by the median of their first figure; failed ones last.
fn best_first<'a, 'b>(case: &Case, rows: &'a [Row<'b>]) -> Vec<&'a Row<'b>> {
    let first = |row: &Row<'_>| {
        let spread = (0..case.columns.len()).find_map(|column| row.spread(column));
        spread.map_or(f64::INFINITY, |spread| spread.median)
    };
    let mut sorted: Vec<&Row<'_>> = rows.iter().collect();
    sorted.sort_by(|a, b| first(a).total_cmp(&first(b)));
    sorted
}

fn cells(case: &Case, row: &Row<'_>) -> Vec<String> {
    let mark = if row.contender.side == Side::Peer { "" } else { "* " };
    let mut cells = vec![format!("{mark}{}", row.contender.name)];
    let failed = row.failure().is_some();
    for column in 0..case.columns.len() {
        cells.push(match row.spread(column) {
            Some(spread) => cell(spread),
            None if failed => "FAILED".to_owned(),
            None => "-".to_owned(),
        });
    }
    if case.summary.is_some() {
        cells.push(row.summary(case).map_or_else(|| "-".to_owned(), short));
    }
    cells
}

/// What each figure of ours must be, what the best of the others is, and what ours is.
fn judged(case: &Case, rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    let columns = case.columns.iter().enumerate();
    let bars: Vec<_> = columns
        .filter_map(|(index, column)| Some((index, column, limit(column, index, rows)?)))
        .collect();
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    if !bars.is_empty() {
        let bar = |(_, column, limit): &(usize, &Column, f64)| bar_text(column, *limit);
        lines.push(("ours must be".to_owned(), bars.iter().map(bar).collect()));
        let best = |(index, column, _): &(usize, &Column, f64)| {
            Some(format!("{}: {}", column.head, best_peer(*index, rows)?))
        };
        lines.push(("best of the others".to_owned(), bars.iter().filter_map(best).collect()));
    }
    if let Some(summary) = case.summary {
        let (sign, limit) = summary.bar();
        let bar = format!("{} {sign} {}", summary.head(), short(limit));
        lines.push(("ours must be".to_owned(), vec![bar]));
    }
    for row in rows.iter().filter(|row| row.contender.side != Side::Peer) {
        let mut figures: Vec<String> = bars
            .iter()
            .filter_map(|(index, column, limit)| {
                let median = row.spread(*index)?.median;
                Some(format!("{}: {} {}", column.head, short(median), verdict(median <= *limit)))
            })
            .collect();
        if let (Some(summary), Some(value)) = (case.summary, row.summary(case)) {
            figures.push(format!("{} {}", short(value), verdict(summary.is_met_by(value))));
        }
        lines.push((row.contender.name.to_owned(), figures));
    }
    for (head, figures) in lines.into_iter().filter(|(_, figures)| !figures.is_empty()) {
        let line = format!("{head}: {}", figures.join(", "));
        let _ = writeln!(text, "\n{}", wrapped(&line).join("\n"));
    }
    text
}

fn bar_text(column: &Column, limit: f64) -> String {
    match column.bar {
        Some(Bar::AtMostOf(name)) => format!("{}: ≤ {} ({name})", column.head, short(limit)),
        Some(Bar::HalfAgainOf(names)) => {
            let names = names.join(", ");
            format!("{}: ≤ {} (the best of {names}, by 1.5)", column.head, short(limit))
        }
        _ => format!("{}: ≤ {}", column.head, short(limit)),
    }
}

/// What the bar of a column is in this run.
fn limit(column: &Column, index: usize, rows: &[Row<'_>]) -> Option<f64> {
    match column.bar? {
        Bar::AtMost(limit) => Some(limit),
        Bar::AtMostOf(name) => {
            let row = rows.iter().find(|row| row.contender.name == name)?;
            row.spread(index).map(|spread| spread.median)
        }
        Bar::HalfAgainOf(names) => {
            let named = |row: &&Row<'_>| names.iter().any(|it| row.contender.name.starts_with(it));
            let medians = rows.iter().filter(named).filter_map(|row| row.spread(index));
            let best = medians.map(|spread| spread.median).min_by(f64::total_cmp)?;
            Some(best / 1.5)
        }
    }
}

fn best_peer(column: usize, rows: &[Row<'_>]) -> Option<String> {
    let peers = rows.iter().filter(|row| row.contender.side == Side::Peer);
    let figures = peers.filter_map(|row| Some((row.spread(column)?.median, row.contender.name)));
    let (median, name) = figures.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!("{} ({name})", short(median)))
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "**MISSED**" }
}

/// How many figures of ours miss their bar; a stand-in promises nothing.
pub(crate) fn missed(case: &Case, rows: &[Row<'_>]) -> usize {
    let ours = rows.iter().filter(|row| row.contender.side == Side::Ours);
    ours.map(|row| {
        let columns = case.columns.iter().enumerate().filter(|(index, column)| {
            let limit = limit(column, *index, rows).zip(row.spread(*index));
            limit.is_some_and(|(limit, spread)| spread.median > limit)
        });
        let summary = case.summary.zip(row.summary(case));
        columns.count() + usize::from(summary.is_some_and(|(it, value)| !it.is_met_by(value)))
    })
    .sum()
}

/// Everything of one case, run by run.
pub(crate) fn to_json(case: &Case, rows: &[Row<'_>]) -> Value {
    let queues: Vec<Value> = rows.iter().map(|row| row_to_json(case, row, rows)).collect();
    json!({ "group": case.group.name(), "case": case.title, "queues": queues })
}

fn row_to_json(case: &Case, row: &Row<'_>, rows: &[Row<'_>]) -> Value {
    let figures = case.columns.iter().zip(&row.runs).enumerate();
    let figures = figures.filter(|(_, (_, runs))| !runs.is_empty());
    let columns: Vec<Value> = figures
        .map(|(index, (column, runs))| {
            let runs: Vec<Value> = runs.iter().map(run_to_json).collect();
            let mut figure = json!({ "of": column.head, "runs": runs });
            let spread = row.spread(index);
            if let Some(spread) = spread {
                figure["median"] = json!(spread.median);
            }
            let limit = limit(column, index, rows).zip(spread);
            if let (Some((limit, spread)), true) = (limit, row.contender.side != Side::Peer) {
                figure["bar"] = json!(limit);
                figure["ok"] = json!(spread.median <= limit);
            }
            figure
        })
        .collect();
    let mut queue = json!({ "queue": row.contender.name, "figures": columns });
    if let (Some(summary), Some(value)) = (case.summary, row.summary(case)) {
        queue["summary"] = json!({ "of": summary.head(), "value": value });
    }
    queue
}

fn run_to_json(run: &Outcome) -> Value {
    match run {
        Ok(figure) => json!(figure),
        Err(why) => json!({ "failed": why }),
    }
}

#[cfg(test)]
mod tests;
