//! Tables for people and JSON for programs: medians with their spread, and ours at the bar.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::table::{Spread, aligned, cell, short, wrapped};

/// What a run came to: the figures of some columns, or why there are none.
pub(super) type Outcome = Result<Vec<f64>, String>;

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: String,
    /// What one has to know to read the figures.
    pub(super) note: &'static str,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Row>,
}

/// What a column is of, its unit among it.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) text: String,
    /// What ours must reach.
    pub(super) bar: Option<Bar>,
}

impl Head {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), bar: None }
    }

    pub(super) fn with(self, bar: Bar) -> Self {
        Self { bar: Some(bar), ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Bar::AtMost(bar) => value <= bar,
            Bar::AtLeast(bar) => value >= bar,
        }
    }

    fn text(self) -> String {
        match self {
            Bar::AtMost(bar) => format!("≤ {bar}"),
            Bar::AtLeast(bar) => format!("≥ {bar}"),
        }
    }
}

/// One contender.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) side: Side,
    /// By column, the figures of all runs.
    pub(super) figures: Vec<Vec<f64>>,
    pub(super) failures: Vec<String>,
}

/// Whose it is, and whether bars are for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Ours, and it must reach the bars.
    Ours,
    /// Ours in another way, to be seen.
    Variant,
    Peer,
}

impl Row {
    pub(super) fn new(side: Side, name: &'static str, columns: usize) -> Self {
        Self { name, side, figures: vec![Vec::new(); columns], failures: Vec::new() }
    }

    /// What a run came to, in the columns from `first` on.
    pub(super) fn add(&mut self, first: usize, outcome: Outcome) {
        match outcome {
            Ok(figures) => {
                let columns = self.figures[first..].iter_mut();
                columns.zip(figures).for_each(|(column, figure)| column.push(figure));
            }
            Err(why) => self.failures.push(why),
        }
    }

    /// Of a column, unless any run of the row failed: one bad run makes the others suspect.
    fn spread(&self, column: usize) -> Option<Spread> {
        if !self.failures.is_empty() {
            return None;
        }
        Spread::of(self.figures.get(column)?.clone())
    }

    fn cells(&self) -> Vec<String> {
        let mark = if self.side == Side::Peer { "" } else { "* " };
        let mut cells = vec![format!("{mark}{}", self.name)];
        cells.extend((0..self.figures.len()).map(|column| match self.spread(column) {
            Some(spread) => cell(spread),
            None if self.failures.is_empty() => "-".to_owned(),
            None => "FAILED".to_owned(),
        }));
        cells
    }
}

impl Table {
    /// For people.
    pub(super) fn text(&self) -> String {
        let runs = self.rows.iter().flat_map(|row| &row.figures).map(Vec::len).max();
        let runs = runs.unwrap_or_default();
        let mut text = format!("\n### {}: median (min-max) of {runs}\n\n", self.title);
        for line in wrapped(self.note) {
            let _ = writeln!(text, "{line}");
        }
        let heads = self.heads.iter().map(|head| head.text.clone());
        let mut lines = vec![std::iter::once(String::new()).chain(heads).collect()];
        lines.extend(self.rows.iter().map(Row::cells));
        text.push('\n');
        text.push_str(&aligned(&lines));
        for row in self.rows.iter().filter(|row| !row.failures.is_empty()) {
            let (name, runs, why) = (row.name, row.failures.len(), &row.failures[0]);
            let _ = writeln!(text, "\n**FAILED**: {name}, {runs} runs: {why}");
        }
        for row in self.rows.iter().filter(|row| row.side == Side::Ours) {
            let judged: Vec<String> = self.judged(row).map(|(text, _)| text).collect();
            if !judged.is_empty() {
                let line = format!("{} must be: {}", row.name, judged.join(", "));
                let _ = writeln!(text, "\n{}", wrapped(&line).join("\n"));
            }
        }
        text
    }

    /// The columns of a row of ours that have a bar, and whether it is met.
    fn judged(&self, row: &Row) -> impl Iterator<Item = (String, bool)> {
        let columns = self.heads.iter().enumerate();
        columns.filter_map(|(column, head)| {
            let (bar, median) = (head.bar?, row.spread(column)?.median);
            let is_met = bar.is_met_by(median);
            let verdict = if is_met { "ok" } else { "**MISSED**" };
            let text = format!("{} {}: {} {verdict}", head.text, bar.text(), short(median));
            Some((text, is_met))
        })
    }

    /// How many figures of ours miss their bar.
    pub(super) fn missed(&self) -> usize {
        let ours = self.rows.iter().filter(|row| row.side == Side::Ours);
        ours.flat_map(|row| self.judged(row)).filter(|(_, is_met)| !is_met).count()
    }

    /// How many runs failed.
    pub(super) fn failed(&self) -> usize {
        self.rows.iter().map(|row| row.failures.len()).sum()
    }

    /// Everything, run by run.
    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            let figures = self.heads.iter().zip(&row.figures).filter(|(_, runs)| !runs.is_empty());
            let figure =
                |(head, runs): (&Head, &Vec<f64>)| json!({ "of": head.text, "runs": runs });
            let figures: Vec<Value> = figures.map(figure).collect();
            json!({ "who": row.name, "figures": figures, "failures": row.failures })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "case": self.title, "rows": rows })
    }

    /// Takes the figures that another program wrote as JSON.
    pub(super) fn fill_in(&mut self, json: &Value) {
        let named = |list: &Value, key: &str, name: &str| {
            list.as_array()?.iter().find(|it| it[key] == name).cloned()
        };
        for row in &mut self.rows {
            let found = named(&json["rows"], "who", row.name).unwrap_or_default();
            let failures = found["failures"].as_array().into_iter().flatten();
            row.failures = failures.map(Value::to_string).collect();
            for (head, runs) in self.heads.iter().zip(&mut row.figures) {
                let figure = named(&found["figures"], "of", &head.text).unwrap_or_default();
                *runs = figure["runs"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_f64)
                    .collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let heads = vec![
            Head::new("1, ns").with(Bar::AtMost(10.0)),
            Head::new("share").with(Bar::AtLeast(0.5)),
            Head::new("CPU, ns"),
        ];
        let mut ours = Row::new(Side::Ours, "ours", 3);
        ours.add(0, Ok(vec![9.0, 0.4]));
        ours.add(0, Ok(vec![11.0, 0.4]));
        ours.add(2, Ok(vec![4.0]));
        let mut peer = Row::new(Side::Peer, "peer", 3);
        peer.add(0, Ok(vec![1.0, 1.0]));
        peer.add(0, Err("lost one".to_owned()));
        Table { title: "fan".to_owned(), note: "a note", heads, rows: vec![ours, peer] }
    }

    #[test]
    fn a_bar_that_is_missed_and_a_run_that_failed_are_told() {
        let table = table();
        let text = table.text();
        assert!(text.contains("1, ns ≤ 10: 10 ok, share ≥ 0.5: 0.4 **MISSED**"), "{text}");
        assert!(text.contains("**FAILED**: peer, 1 runs: lost one"), "{text}");
        assert_eq!((table.missed(), table.failed()), (1, 1));
    }

    #[test]
    fn what_another_program_measured_is_taken_over() {
        let mut read = table();
        read.rows.iter_mut().for_each(|row| *row = Row::new(row.side, row.name, 3));
        read.fill_in(&table().json());
        assert_eq!(read.rows[0].figures, table().rows[0].figures);
        assert_eq!((read.missed(), read.failed()), (1, 1));
    }
}
