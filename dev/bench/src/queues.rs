//! `floodway-bench queues`: queues of this process beside each other, ours among them.
//!
//! Within a repetition every contender of a case has its turn, so a noisy minute hurts all of
//! them. Every run is checked to the last message: one that lost, repeated or reordered anything
//! is a failure and not a figure.
//!
//! A contender is a type behind one of the shapes in `shape.rs`, and a line in `contenders.rs`, or
//! in `ours.rs` if it is ours. What a run measures is in the file of its shape: `alone.rs`,
//! `threads.rs`, `overwrite.rs`, `broadcast.rs`, `fan.rs` and `memory.rs`.

mod alone;
mod broadcast;
mod case;
mod contender;
mod contenders;
mod fan;
mod memory;
mod ours;
mod overwrite;
mod payload;
mod report;
mod shape;
mod tally;
mod threads;
mod work;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::thread;

use clap::ValueEnum;
use serde_json::{Value, json};

use case::{Case, Group, Scale};
use contender::Contender;
use memory::Counter;
use payload::Kind;
use report::Row;
use work::{Outcome, Shape};

use crate::watchdog::Watchdog;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Repetitions of every run; the table shows the median and the spread [default: 5, quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Which groups of cases [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Group>,
    /// `u64`, or sizes of `Bytes` [default: u64 and 18, in some cases 4266, 6786 and 79435 too]
    #[arg(long, value_name = "PAYLOAD", value_delimiter = ',')]
    payloads: Vec<Kind>,
    /// Only queues with one of these in their name
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// A tenth of the messages, two repetitions: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Also write every run's figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Why there is no complete table.
#[derive(Debug)]
pub(crate) enum QueuesError {
    /// It could not begin, or could not write its result.
    Setup(String),
    /// So many runs lost messages or broke down; the tables say which.
    Failed(usize),
}

impl fmt::Display for QueuesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueuesError::Setup(why) => f.write_str(why),
            QueuesError::Failed(runs) => write!(f, "{runs} runs FAILED, see the tables"),
        }
    }
}

/// Measures, prints the tables, and fails if any run failed. Without a counter of the heap, the
/// case that needs one is left to the program that has one.
pub(crate) fn run(arguments: &Arguments, counter: Option<Counter>) -> Result<(), QueuesError> {
    let groups = match arguments.cases.as_slice() {
        [] => Group::value_variants(),
        chosen => chosen,
    };
    let divisor = if arguments.quick { 10 } else { 1 };
    let scale = Scale { divisor, payloads: arguments.payloads.clone(), counter };
    let cases = case::cases(groups, &scale);
    let runs = arguments.runs.unwrap_or(if arguments.quick { 2 } else { 5 });
    let contenders = contenders(&arguments.only);
    if contenders.is_empty() {
        return Err(QueuesError::Setup("no queue has a name like that".to_owned()));
    }

    println!("# queues beside each other (* ours)");
    let (mut results, mut failed, mut missed) = (Vec::new(), 0, 0);
    for (number, case) in (1..).zip(&cases) {
        let number = format!("{number}/{}", cases.len());
        let mut rows = measure(case, &contenders, runs, &number);
        if counter.is_none() {
            fill_in(case, &mut rows, runs);
        }
        if rows.is_empty() {
            continue;
        }
        print!("{}", report::table(case, &rows));
        failed += rows.iter().filter_map(Row::failure).map(|(failed, _)| failed).sum::<usize>();
        missed += report::missed(case, &rows);
        results.push(report::to_json(case, &rows));
    }
    if missed > 0 {
        println!("\n{missed} figures MISSED their bar.");
    }
    if let Some(file) = &arguments.json {
        let document = document(arguments.quick, &results);
        fs::write(file, format!("{document:#}\n")).map_err(|error| {
            QueuesError::Setup(format!("{} cannot be written: {error}", file.display()))
        })?;
    }
    if failed == 0 { Ok(()) } else { Err(QueuesError::Failed(failed)) }
}

/// Everybody, or those with one of these texts in their name.
fn contenders(only: &[String]) -> Vec<Contender> {
    let mut all = ours::ours();
    all.extend(contenders::peers());
    all.retain(|it| only.is_empty() || only.iter().any(|text| it.name.contains(text.as_str())));
    all
}

/// Everything that is to be done for one table; rows take turns, so a noisy minute hurts all.
fn measure<'a>(case: &Case, contenders: &'a [Contender], runs: u32, number: &str) -> Vec<Row<'a>> {
    let can = |contender: &&Contender| {
        case.columns.iter().any(|column| contender.run(column.shape).is_some())
    };
    let columns = case.columns.len();
    let row = |contender| Row { contender, runs: vec![Vec::new(); columns] };
    let mut rows: Vec<Row<'_>> = contenders.iter().filter(can).map(row).collect();
    let watchdog = Watchdog::start();
    for repetition in 1..=runs {
        eprintln!("[{number}] {}, run {repetition}/{runs}", case.title);
        for row in &mut rows {
            for (column, runs) in case.columns.iter().zip(&mut row.runs) {
                let Some(run) = row.contender.run(column.shape) else { continue };
                if column.shape == Shape::Heap && column.work.counter.is_none() {
                    continue;
                }
                watchdog.watch(&format!("{}, {}", row.contender.name, column.head));
                let outcome = run(&column.work);
                if let Err(why) = &outcome {
                    eprintln!("{}, {}: FAILED: {why}", row.contender.name, column.head);
                }
                runs.push(outcome);
            }
        }
    }
    rows
}

/// What only the counting program can measure, as it measured it.
fn fill_in(case: &Case, rows: &mut [Row<'_>], runs: u32) {
    let Some(column) = case.columns.iter().position(|column| column.shape == Shape::Heap) else {
        return;
    };
    let counted = memory::counted(runs);
    for row in rows {
        row.runs[column] = match &counted {
            Ok(found) => figures(found, row.contender.name, &case.columns[column].head),
            Err(why) => vec![Err(why.clone())],
        };
    }
}

/// The runs of a queue in the JSON of another program.
fn figures(case: &Value, queue: &str, head: &str) -> Vec<Outcome> {
    let named = |list: &Value, key: &str, name: &str| {
        list.as_array()?.iter().find(|it| it[key] == name).cloned()
    };
    let runs = named(&case["queues"], "queue", queue)
        .and_then(|row| named(&row["figures"], "of", head))
        .and_then(|figure| figure["runs"].as_array().cloned());
    let figure = |run: &Value| {
        run.as_f64().ok_or_else(|| run["failed"].as_str().unwrap_or("no figure").to_owned())
    };
    match runs {
        Some(runs) => runs.iter().map(figure).collect(),
        None => vec![Err("the counting program did not measure it".to_owned())],
    }
}

fn document(quick: bool, cases: &[Value]) -> Value {
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "host": { "cpus": cpus, "kernel": kernel.trim() },
        "quick": quick,
        "cases": cases,
    })
}

#[cfg(test)]
mod tests;
