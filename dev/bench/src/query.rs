//! `floodway-bench query`: what content queries cost, beside the bars they are to meet.
//!
//! Every figure is the median of several runs, and every run is checked: a query that gave a wrong
//! answer is a failure and not a figure.

mod heap;
mod index;
mod single;
mod worst;

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Repetitions of every run; the table shows the median and the spread [default: 9, quick: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Short runs, and no index of a million queries: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Also write every run's figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Why there is no complete table.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// A query gave a wrong answer.
    Wrong(String),
    /// The result could not be written.
    Output(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Wrong(why) => write!(f, "a wrong answer: {why}"),
            QueryError::Output(why) => f.write_str(why),
        }
    }
}

/// A line of the table.
struct Figure {
    what: String,
    unit: &'static str,
    /// At most this; without a bar it is there to be seen.
    bar: Option<f64>,
    runs: Vec<f64>,
}

impl Figure {
    fn new(what: impl Into<String>, unit: &'static str, bar: impl Into<Option<f64>>) -> Figure {
        Figure { what: what.into(), unit, bar: bar.into(), runs: Vec::new() }
    }

    fn median(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort_by(f64::total_cmp);
        runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn is_met(&self) -> bool {
        self.bar.is_none_or(|bar| self.median() <= bar)
    }

    fn line(&self) -> String {
        let least = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.runs.iter().copied().fold(0.0, f64::max);
        let bar = match self.bar {
            None => String::new(),
            Some(bar) => format!("≤ {bar}{}", if self.is_met() { "" } else { " **MISSED**" }),
        };
        let (what, unit) = (&self.what, self.unit);
        format!("| {what:<56} | {:>9.1} {unit:<3} ({least:.1}-{most:.1}) | {bar} |", self.median())
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what, "unit": self.unit, "bar": self.bar, "ok": self.is_met(),
            "median": self.median(), "runs": self.runs,
        })
    }
}

/// How long and how often something is measured.
#[derive(Clone, Copy)]
struct Pace {
    runs: u32,
    time: Duration,
    quick: bool,
}

impl Pace {
    /// Nanoseconds of each call, once for each run.
    fn nanos<T>(self, mut work: impl FnMut() -> T) -> Vec<f64> {
        // As many calls as fill the time, in powers of two.
        let mut calls = 1_u32;
        while elapsed(calls, &mut work) < self.time / 4 {
            calls *= 2;
        }
        let one = |_| elapsed(calls, &mut work).as_nanos() as f64 / f64::from(calls);
        (0..self.runs).map(one).collect()
    }
}

fn elapsed<T>(calls: u32, work: &mut impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    start.elapsed()
}

/// Measures, prints the table, and fails if an answer was wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<(), QueryError> {
    let (runs, millis) = if arguments.quick { (3, 20) } else { (9, 100) };
    let runs = arguments.runs.unwrap_or(runs);
    let pace = Pace { runs, time: Duration::from_millis(millis), quick: arguments.quick };
    println!("# content queries: median (least-most) of {runs} runs\n");
    println!("| {:<56} | measured | bar |\n|---|---:|---|", "");
    let mut figures = Vec::new();
    for measure in [single::measure, worst::measure, index::measure] {
        for figure in measure(pace).map_err(QueryError::Wrong)? {
            println!("{}", figure.line());
            figures.push(figure);
        }
    }
    let missed = figures.iter().filter(|figure| !figure.is_met()).count();
    if missed > 0 {
        println!("\n{missed} figures MISSED their bar.");
    }
    let Some(file) = &arguments.json else { return Ok(()) };
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    let document = json!({ "quick": arguments.quick, "figures": figures });
    fs::write(file, format!("{document:#}\n")).map_err(|error| {
        QueryError::Output(format!("{} cannot be written: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_once() {
        let pace = Pace { runs: 1, time: Duration::ZERO, quick: true };
        for measure in [single::measure, worst::measure, index::measure] {
            let figures = measure(pace).unwrap();
            assert!(figures.iter().all(|figure| figure.runs.len() == 1));
        }
    }
}
