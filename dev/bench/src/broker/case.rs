//! The cases: which load each puts on a server, and what is fresh for it.

use clap::ValueEnum;

use super::ask::Ask;
use super::contender::{Contender, Kind};
use super::crowd::Crowd;
use super::flow::{Flow, Route};
use super::idle::Idle;
use super::outcome::{Bar, Metric, Outcome};
use super::policy::{Kept, Missed};
use super::queries::Queries;
use super::slow::Slow;

/// The CPU of the one-CPU cases, unless another is asked for.
const ONE_CPU: usize = 0;

/// Cases that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Throughput, flat out
    Tput,
    /// Latency at 10,000 messages a second
    Latency,
    /// Request and reply
    Rr,
    /// Memory of idle connections
    Idle,
    /// Very many subscriptions on one connection
    Fan,
    /// Healthy subscribers beside one that never reads
    Stall,
    /// Healthy subscribers beside slow ones, under each policy
    Slow,
    /// Healthy subscribers beside ten thousand stalled ones
    Crowd,
    /// What each policy costs, kept up with or not
    Policy,
    /// One subscriber beside a thousand whose queries do not match
    Queries,
}

impl Group {
    /// As it is typed after `--cases`.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Repetitions that are enough: those that compare within a run need fewer of them.
    pub(crate) fn runs(self) -> u32 {
        match self {
            Group::Slow | Group::Crowd | Group::Policy | Group::Queries => 3,
            _ => 5,
        }
    }
}

/// One table of the comparison.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) title: String,
    /// The CPU that server and load share; `None` is wherever the system puts them.
    pub(crate) cpu: Option<usize>,
    pub(crate) entries: Vec<Entry>,
}

/// One thing that each server does in a case: one row for each in the table.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What tells the rows of one server apart; empty if there is one.
    pub(crate) label: &'static str,
    work: Work,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Flow(Flow),
    Ask(Ask),
    Idle(Idle),
    /// The flow twice, each on a fresh server: as it is, and beside one stalled subscriber.
    Stall(Flow),
    Slow(Slow),
    Crowd(Crowd),
    Kept(Kept),
    Missed(Missed),
    Queries(Queries),
}

impl Case {
    /// The most connections it has open at once.
    pub(crate) fn connections(&self) -> usize {
        self.entries.iter().map(Entry::connections).max().unwrap_or_default()
    }
}

impl Entry {
    /// Runs it once against a fresh server on `cpu`. Call it on a thread that is already where the
    /// load is to run.
    pub(crate) fn run(&self, contender: &Contender, cpu: Option<usize>) -> Outcome {
        match self.work {
            Work::Flow(flow) => flow.run(contender.start(cpu)?.target()),
            Work::Ask(ask) => ask.run(contender.start(cpu)?.target()),
            Work::Idle(idle) => {
                let server = contender.start(cpu)?;
                let (outcome, links) = idle.run(server.target());
                drop(server);
                drop(links);
                outcome
            }
            Work::Stall(flow) => {
                let alone = flow.run(contender.start(cpu)?.target())?;
                let server = contender.start(cpu)?;
                let beside = Flow { stalled: 1, ..flow }.run(server.target())?;
                Ok(compare(&alone, beside))
            }
            Work::Slow(slow) => slow.run(contender, cpu),
            Work::Crowd(crowd) => crowd.run(contender, cpu),
            Work::Kept(kept) => kept.run(contender, cpu),
            Work::Missed(missed) => missed.run(contender, cpu),
            Work::Queries(queries) => queries.run(contender, cpu),
        }
    }

    /// Whether the program can do it: only floodway has policies, and a budget of memory.
    pub(crate) fn takes_part(&self, kind: Kind) -> bool {
        match self.work {
            Work::Flow(_) | Work::Ask(_) | Work::Idle(_) | Work::Stall(_) => true,
            Work::Slow(slow) => slow.takes_part(kind),
            Work::Crowd(_) | Work::Kept(_) | Work::Missed(_) | Work::Queries(_) => {
                kind == Kind::Floodway
            }
        }
    }

    /// What floodway has to reach.
    pub(crate) fn bars(&self) -> Vec<(Metric, Bar)> {
        match self.work {
            Work::Flow(_) | Work::Ask(_) | Work::Idle(_) => Vec::new(),
            Work::Stall(_) => vec![(Metric::ShareKept, Bar::AtLeast(97.0))],
            Work::Slow(slow) => slow.bars(),
            Work::Crowd(crowd) => crowd.bars(),
            Work::Kept(_) => Kept::bars(),
            Work::Missed(_) => Missed::bars(),
            Work::Queries(_) => Queries::bars(),
        }
    }

    fn connections(&self) -> usize {
        match self.work {
            Work::Flow(flow) | Work::Stall(flow) => flow.publishers + flow.subscribers + 1,
            Work::Ask(ask) => 2 * ask.requesters + 2,
            Work::Idle(idle) => idle.connections,
            Work::Slow(slow) => slow.connections(),
            Work::Crowd(crowd) => crowd.connections(),
            Work::Kept(kept) => kept.subscribers + 2,
            Work::Missed(_) => 4,
            Work::Queries(_) => Queries::CONNECTIONS,
        }
    }
}

/// The figures of the run beside a stalled subscriber, with the share it kept.
fn compare(alone: &[(Metric, f64)], beside: Vec<(Metric, f64)>) -> Vec<(Metric, f64)> {
    let delivered = |figures: &[(Metric, f64)]| {
        figures.iter().find(|(metric, _)| *metric == Metric::Delivered).map_or(0.0, |(_, x)| *x)
    };
    let (before, after) = (delivered(alone), delivered(&beside));
    let mut figures = vec![
        (Metric::DeliveredAlone, before),
        (Metric::DeliveredBeside, after),
        (Metric::ShareKept, after / before * 100.0),
    ];
    figures.extend(beside.into_iter().filter(|(metric, _)| *metric != Metric::Delivered));
    figures
}

/// The cases of `groups`, in the order of the table; `quick` makes each an eighth as long.
///
/// With `pin` all of them run on that CPU; without, latency and request/reply are measured both
/// wherever the system puts them and on one CPU, where a wake-up costs least and varies least.
pub(crate) fn cases(groups: &[Group], quick: bool, pin: Option<usize>) -> Vec<Case> {
    let shorten = |count: u64| if quick { count / 8 } else { count };
    let mut cases = Vec::new();
    for &group in groups {
        for (title, entries) in tables(group, shorten, quick) {
            let both = matches!(group, Group::Latency | Group::Rr) && pin.is_none();
            let entries_again = both.then(|| entries.clone());
            cases.push(Case { group, title: title.clone(), cpu: pin, entries });
            if let Some(entries) = entries_again {
                let title = format!("{title}, one CPU");
                cases.push(Case { group, title, cpu: Some(ONE_CPU), entries });
            }
        }
    }
    cases
}

fn tables(group: Group, shorten: impl Fn(u64) -> u64, quick: bool) -> Vec<(String, Vec<Entry>)> {
    match group {
        Group::Slow => tables::slow(quick),
        Group::Crowd => tables::crowd(quick),
        Group::Policy => tables::policy(quick),
        Group::Queries => tables::queries(quick),
        _ => {
            let single = |(title, work)| (title, vec![Entry { label: "", work }]);
            works(group, shorten, quick).into_iter().map(single).collect()
        }
    }
}

fn works(group: Group, shorten: impl Fn(u64) -> u64, quick: bool) -> Vec<(String, Work)> {
    match group {
        Group::Tput => throughput(shorten),
        Group::Latency => {
            let flow = Flow { rate: Some(10_000.0), ..shared(1, 128, shorten(40_000)) };
            vec![("128 B 1→1 at 10,000 msg/s".to_owned(), Work::Flow(flow))]
        }
        Group::Rr => [1, 8]
            .map(|requesters| {
                let title = format!("128 B request/reply, {requesters} at once");
                (title, Work::Ask(Ask { requesters, size: 128, count: shorten(64_000) }))
            })
            .into(),
        Group::Idle => {
            let (connections, many) = if quick { (2_000, "2,000") } else { (10_000, "10,000") };
            let title = format!("{many} idle connections, one subscription each");
            vec![(title, Work::Idle(Idle { connections }))]
        }
        Group::Fan => {
            let (subjects, many) = if quick { (20_000, "20,000") } else { (100_000, "100,000") };
            let flow = Flow { route: Route::Each(subjects), ..shared(1, 16, shorten(2_000_000)) };
            let title = format!("{many} subscriptions on one connection, 16 B to each in turn");
            vec![(title, Work::Flow(flow))]
        }
        Group::Stall => {
            // Never shorter: a stalled subscriber hurts only when the server's buffer for it is
            // full, after 64 MiB in one peer; and filling it costs something once, which is not
            // its share.
            let flow = shared(8, 128, 4_000_000);
            vec![("128 B 1→8 without and with one stalled".to_owned(), Work::Stall(flow))]
        }
        Group::Slow | Group::Crowd | Group::Policy | Group::Queries => Vec::new(),
    }
}

/// Long enough that the CPU time of a cheap server is many of the kernel's ticks.
fn throughput(shorten: impl Fn(u64) -> u64) -> Vec<(String, Work)> {
    let pairs = Flow { publishers: 4, route: Route::Pairs, ..shared(4, 128, shorten(6_000_000)) };
    let flows = [
        ("16 B 1→1", shared(1, 16, shorten(8_000_000))),
        ("128 B 1→1", shared(1, 128, shorten(6_000_000))),
        ("128 B 1→8", shared(8, 128, shorten(1_280_000))),
        ("128 B 1→64", shared(64, 128, shorten(160_000))),
        ("128 B 4→4", pairs),
        ("1 KiB 1→8", shared(8, 1024, shorten(400_000))),
        ("64 KiB 1→1", shared(1, 65_536, shorten(60_000))),
    ];
    flows.map(|(title, flow)| (format!("{title}, flat out"), Work::Flow(flow))).into()
}

/// One publisher, flat out, to so many subscribers of one subject.
fn shared(subscribers: usize, size: usize, count: u64) -> Flow {
    let route = Route::Shared;
    Flow { publishers: 1, subscribers, route, size, count, rate: None, stalled: 0 }
}

mod tables;
#[cfg(test)]
mod tests;
