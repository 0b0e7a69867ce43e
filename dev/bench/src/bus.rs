//! `floodway-bench bus`: the bus beside what a program of one process takes instead of it.
//!
//! That is tokio's broadcast channel, a tokio channel for each subscriber, and async-broadcast.
//! Within a repetition every contender of a case has its turn, so a noisy minute hurts all of them.
//! Every run is checked to the last message: one that lost, repeated or reordered anything that it
//! must not is a failure and not a figure.
//!
//! A contender is a type behind a trait of `fan.rs`, in `contenders/`. What is measured, and what
//! ours must reach, is in the file of its case: `fanout.rs`, `stalled.rs`, `million.rs`,
//! `unmatched.rs`, `allocations.rs` and `publishers.rs`.

mod allocations;
mod audience;
mod case;
mod contenders;
mod content;
mod drive;
mod fan;
mod fanout;
mod million;
mod publishers;
mod report;
mod stalled;
mod tally;
mod unmatched;

use std::fmt;
use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::counted;
use crate::watchdog::Watchdog;
use allocations::Counter;
use case::{Case, Scale};
use report::Table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Repetitions of every run; the table shows the median and the spread [default: 5, quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Which groups of cases [default: all but million]
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Group>,
    /// Only contenders with one of these in their name
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// A tenth of the messages, two repetitions, and no million of subscriptions: to see that it
    /// works, not to quote
    #[arg(long)]
    quick: bool,
    /// Also write every run's figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Cases that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// One publisher, 1 to 10,000 subscribers that read
    Fanout,
    /// The same with one that does not
    Stalled,
    /// A million messages to a thousand, one of which does not read: takes minutes
    Million,
    /// Nobody matches, beside 10 to 1,000,000 other subscriptions
    Unmatched,
    /// What a publish allocates
    Allocations,
    /// Four publishers against one
    Publishers,
}

/// Why there is no complete table.
#[derive(Debug)]
pub(crate) enum BusError {
    /// Somebody lost messages or broke down, so many times; the tables say who.
    Failed(usize),
    /// What is needed for it is not there.
    Setup(String),
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusError::Failed(runs) => write!(f, "{runs} runs FAILED, see the tables"),
            BusError::Setup(why) => f.write_str(why),
        }
    }
}

/// Measures, prints the tables, and fails if any run failed. Without a counter of allocations, the
/// case that needs one is left to the program that has one.
pub(crate) fn run(arguments: &Arguments, counter: Option<Counter>) -> Result<(), BusError> {
    let mut groups = arguments.cases.clone();
    if groups.is_empty() {
        groups.extend(Group::value_variants().iter().filter(|group| **group != Group::Million));
    }
    let (runs, divisor) = if arguments.quick { (2, 10) } else { (5, 1) };
    let scale = Scale { runs: arguments.runs.unwrap_or(runs), divisor };
    println!("# the bus beside other ways to publish (* ours)");
    let (mut results, mut failed, mut missed) = (Vec::new(), 0, 0);
    for group in groups {
        for table in tables(group, scale, counter, &arguments.only)? {
            print!("{}", table.text());
            failed += table.failed();
            missed += table.missed();
            results.push(table.json());
        }
    }
    if missed > 0 {
        println!("\n{missed} figures MISSED their bar.");
    }
    if let Some(file) = &arguments.json {
        let document = json!({ "quick": arguments.quick, "cases": results });
        fs::write(file, format!("{document:#}\n")).map_err(|error| {
            BusError::Setup(format!("{} cannot be written: {error}", file.display()))
        })?;
    }
    if failed == 0 { Ok(()) } else { Err(BusError::Failed(failed)) }
}

fn tables(
    group: Group,
    scale: Scale,
    counter: Option<Counter>,
    only: &[String],
) -> Result<Vec<Table>, BusError> {
    let mut cases = match group {
        Group::Fanout => fanout::cases(scale),
        Group::Stalled => stalled::cases(scale),
        Group::Million => return Ok(vec![million::measure(scale, &Watchdog::start())]),
        Group::Unmatched => return Ok(unmatched::measure(scale)),
        Group::Allocations => allocations::cases(scale, counter),
        Group::Publishers => publishers::cases(scale),
    };
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    for case in &mut cases {
        case.contenders.retain(|contender| is_wanted(contender.name));
    }
    let watchdog = Watchdog::start();
    let measure = |case: Case| case.measure(scale, &watchdog);
    let mut tables: Vec<Table> = cases.into_iter().map(measure).collect();
    if group == Group::Allocations && counter.is_none() {
        let counted = counted_elsewhere(scale.runs).map_err(BusError::Setup)?;
        for (table, json) in tables.iter_mut().zip(&counted) {
            table.fill_in(json);
        }
    }
    Ok(tables)
}

/// The tables of allocations, as the counting program has them.
fn counted_elsewhere(runs: u32) -> Result<Vec<Value>, String> {
    let document = counted::run(&["bus", "--cases", "allocations", "--runs", &runs.to_string()])?;
    document["cases"].as_array().cloned().ok_or_else(|| "the counting program has no cases".into())
}

#[cfg(test)]
mod tests;
