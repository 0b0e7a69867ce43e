//! The cases: which load each puts on a server, and what is fresh for it.

use clap::ValueEnum;

use super::ask::Ask;
use super::contender::Contender;
use super::crowd::Crowd;
use super::flow::{Flow, Route};
use super::outcome::{Metric, Outcome};

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
}

impl Group {
    /// As it is typed after `--cases`.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// One row of the comparison.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) title: String,
    /// The CPU that server and load share; `None` is wherever the system puts them.
    pub(crate) cpu: Option<usize>,
    work: Work,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Flow(Flow),
    Ask(Ask),
    Crowd(Crowd),
    /// The flow twice, each on a fresh server: as it is, and beside one stalled subscriber.
    Stall(Flow),
}

impl Case {
    /// Runs the case once against a fresh server. Call it on a thread that is already where the
    /// load is to run.
    pub(crate) fn run(&self, contender: &Contender) -> Outcome {
        let server = contender.start(self.cpu)?;
        match self.work {
            Work::Flow(flow) => flow.run(server.target()),
            Work::Ask(ask) => ask.run(server.target()),
            Work::Crowd(crowd) => {
                let (outcome, links) = crowd.run(server.target());
                drop(server);
                drop(links);
                outcome
            }
            Work::Stall(flow) => {
                let alone = flow.run(server.target())?;
                drop(server);
                let server = contender.start(self.cpu)?;
                let beside = Flow { stalled: 1, ..flow }.run(server.target())?;
                Ok(compare(&alone, beside))
            }
        }
    }

    /// The most connections it has open at once.
    pub(crate) fn connections(&self) -> usize {
        match self.work {
            Work::Flow(flow) | Work::Stall(flow) => flow.publishers + flow.subscribers + 1,
            Work::Ask(ask) => 2 * ask.requesters + 2,
            Work::Crowd(crowd) => crowd.connections,
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
        for (title, work) in works(group, shorten, quick) {
            let both = matches!(group, Group::Latency | Group::Rr) && pin.is_none();
            cases.push(Case { group, title: title.clone(), cpu: pin, work });
            if both {
                let title = format!("{title}, one CPU");
                cases.push(Case { group, title, cpu: Some(ONE_CPU), work });
            }
        }
    }
    cases
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
            vec![(title, Work::Crowd(Crowd { connections }))]
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

#[cfg(test)]
mod tests;
