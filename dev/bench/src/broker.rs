//! `floodway-bench broker`: the floodway binary beside nats-server and redis-server.
//!
//! For every case and repetition each server is started fresh, with default settings, and driven
//! by the same load over loopback TCP; the servers take turns within a repetition. The figure to
//! compare first is server CPU seconds per million deliveries: rates depend on what else the
//! machine does, and at the fast end on the load itself.

mod ask;
mod case;
mod contender;
mod crowd;
mod flow;
mod form;
mod idle;
mod ledger;
mod link;
mod outcome;
mod pages;
mod payload;
mod policy;
mod publish;
mod queries;
mod receive;
mod report;
mod slow;
mod stream;
#[cfg(test)]
mod stub;
mod usage;
mod watch;
mod wire;
mod wish;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::thread;

use clap::ValueEnum;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use serde_json::{Value, json};

use case::{Case, Entry, Group};
use contender::{Contender, Kind};
use outcome::Outcome;
use report::Row;

/// Descriptors the load needs beside its connections.
const SPARE_DESCRIPTORS: u64 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Repetitions of every case; the table shows the median and the spread [default: 5, or 3 of
    /// those that alternate within a run; quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Which groups of cases [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Group>,
    /// An eighth of most messages, two repetitions: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Put server and load on this CPU in every case
    #[arg(long, value_name = "CPU")]
    pin: Option<usize>,
    /// Also write every run's figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A floodway binary to measure, instead of building one
    #[arg(long, value_name = "PATH", conflicts_with = "no_floodway")]
    floodway: Option<PathBuf>,
    /// Measure only the peers
    #[arg(long)]
    no_floodway: bool,
}

/// Why there is no complete table.
#[derive(Debug)]
pub(crate) enum BrokerError {
    /// It could not begin, or could not write its result.
    Setup(String),
    /// So many runs lost messages or broke down; the table says which.
    Failed(usize),
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerError::Setup(why) => f.write_str(why),
            BrokerError::Failed(runs) => write!(f, "{runs} runs FAILED, see the table"),
        }
    }
}

/// Measures, prints the tables, and fails if any run failed.
pub(crate) fn run(arguments: &Arguments) -> Result<(), BrokerError> {
    let groups = match arguments.cases.as_slice() {
        [] => Group::value_variants(),
        chosen => chosen,
    };
    let cases = case::cases(groups, arguments.quick, arguments.pin);
    let runs =
        |group: Group| arguments.runs.unwrap_or(if arguments.quick { 2 } else { group.runs() });
    let contenders = contenders(arguments).map_err(BrokerError::Setup)?;
    raise_descriptor_limit(&cases).map_err(BrokerError::Setup)?;

    println!("# floodway beside its peers\n");
    for contender in &contenders {
        println!("- {}: {}", contender.name(), contender.version);
    }
    let (mut results, mut failed, mut missed) = (Vec::new(), 0, 0);
    for (number, case) in (1..).zip(&cases) {
        let rows =
            measure(case, &contenders, runs(case.group), &format!("{number}/{}", cases.len()));
        if rows.is_empty() {
            continue;
        }
        print!("{}", report::table(case, &rows));
        failed += rows.iter().filter_map(Row::failure).map(|(failed, _)| failed).sum::<usize>();
        missed += rows.iter().map(Row::missed).sum::<usize>();
        results.push(report::to_json(case, &rows));
    }
    if missed > 0 {
        println!("\n{missed} figures MISSED their bar.");
    }
    if let Some(file) = &arguments.json {
        let document = document(&contenders, arguments.quick, &results);
        fs::write(file, format!("{document:#}\n")).map_err(|error| {
            BrokerError::Setup(format!("{} cannot be written: {error}", file.display()))
        })?;
    }
    if failed == 0 { Ok(()) } else { Err(BrokerError::Failed(failed)) }
}

/// Everything that is to be done for one table; rows take turns, so a noisy minute hurts all.
fn measure<'a>(
    case: &'a Case,
    contenders: &'a [Contender],
    runs: u32,
    number: &str,
) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for entry in &case.entries {
        let taking_part = contenders.iter().filter(|contender| entry.takes_part(contender.kind));
        rows.extend(taking_part.map(|contender| Row { contender, entry, runs: Vec::new() }));
    }
    for repetition in 1..=runs {
        for row in &mut rows {
            eprint!("[{number}] {}, run {repetition}/{runs}, {}: ", case.title, row.name());
            let outcome = run_pinned(row.entry, case.cpu, row.contender);
            eprintln!("{}", progress(&outcome));
            row.runs.push(outcome);
        }
    }
    rows
}

/// Runs one entry on a thread of its own, so that pinning it leaves this one where it was; threads
/// it starts inherit its CPU.
fn run_pinned(entry: &Entry, cpu: Option<usize>, contender: &Contender) -> Outcome {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            if let Some(cpu) = cpu {
                let mut only = CpuSet::new();
                only.set(cpu);
                rustix::thread::sched_setaffinity(None, &only)
                    .map_err(|error| format!("CPU {cpu} cannot be used: {error}"))?;
            }
            entry.run(contender, cpu)
        });
        load.join().unwrap_or_else(|_| Err("the load broke down, see above".to_owned()))
    })
}

/// Floodway and whichever peers are installed.
fn contenders(arguments: &Arguments) -> Result<Vec<Contender>, String> {
    let mut contenders = Vec::new();
    if !arguments.no_floodway {
        let path = match &arguments.floodway {
            // Servers run in a folder of their own.
            Some(path) => path
                .canonicalize()
                .map_err(|error| format!("{} cannot be found: {error}", path.display()))?,
            None => contender::build_floodway()?,
        };
        contenders.push(Contender::new(Kind::Floodway, path)?);
    }
    for kind in Kind::PEERS {
        match contender::find(kind) {
            Some(path) => contenders.push(Contender::new(kind, path)?),
            None => eprintln!("{} is not on PATH: it does not take part", kind.program()),
        }
    }
    if contenders.is_empty() {
        Err("there is nothing to measure".to_owned())
    } else {
        Ok(contenders)
    }
}

/// Raises the soft limit as far as the largest case needs; servers inherit it.
fn raise_descriptor_limit(cases: &[Case]) -> Result<(), String> {
    let connections = cases.iter().map(Case::connections).max().unwrap_or_default();
    let needed = connections as u64 + SPARE_DESCRIPTORS;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!("{needed} open files are needed; raise the hard limit (ulimit -Hn)"));
    }
    let raised = Rlimit { current: limit.maximum.or(Some(needed)), maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("the limit of open files cannot be raised: {error}"))
}

/// What a run found, on one line.
fn progress(outcome: &Outcome) -> String {
    match outcome {
        Ok(figures) => {
            let figure = |(metric, value): &(outcome::Metric, f64)| {
                format!("{} {value:.*}", metric.title(), metric.decimals())
            };
            figures.iter().map(figure).collect::<Vec<_>>().join(", ")
        }
        Err(why) => format!("FAILED: {why}"),
    }
}

fn document(contenders: &[Contender], quick: bool, cases: &[Value]) -> Value {
    let servers: Vec<Value> = contenders
        .iter()
        .map(|contender| json!({ "name": contender.name(), "version": contender.version }))
        .collect();
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "host": { "cpus": cpus, "kernel": kernel.trim() },
        "quick": quick,
        "servers": servers,
        "cases": cases,
    })
}
