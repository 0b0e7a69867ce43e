//! `floodway bench`: loads a server with messages and accounts for each of them.
//!
//! Every client is a thread with a connection of its own. All connect and subscribe before the
//! first message is sent, and each payload names its run, publisher and sequence number
//! ([`stamp`]), so a subscriber knows exactly what it did not get ([`ledger`]). When the publishers
//! have the server's PONG, each subscriber sends a PING: a server answers it after everything it
//! had for that subscriber, so the end needs no guessed waiting time.

mod csv;
mod ledger;
mod plan;
mod progress;
mod publisher;
mod report;
mod request;
mod stamp;
mod subscriber;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use super::client::failure::{Failure, exit_code};
use super::client::{Client, ConnectArgs};
use plan::Plan;
use report::Report;

/// Measure a server: throughput, latency, and whether every message is accounted for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The run fails (exit 1) if a message was lost and the server did not report it to the subscriber.
Flat out, latency is mostly the time spent in queues: use --rate to see how fast a server answers.
Numbers may be written with _ and with k, M, G (thousands) or KiB, MiB (bytes).

Examples:
  floodway bench                                     1 publisher, 1 subscriber, 128 bytes
  floodway bench --pubs 4 --subs 8 --msgs 5M
  floodway bench ticks --subjects 1000 --rate 50k --latency
  floodway bench jobs --pubs 2 --subs 4 --queue workers
  floodway bench --request --pubs 4 --subs 2 --msgs 100k
  floodway bench --msgs 1M --csv runs.csv            append one line to runs.csv")]
pub(crate) struct Args {
    /// Subject to use; with --subjects, what they begin with.
    #[arg(default_value = "floodway.bench")]
    subject: String,

    /// Publishers, each a connection and a thread.
    #[arg(short, long, value_name = "P", default_value_t = 1)]
    pubs: u32,

    /// Subscribers, each a connection and a thread; 0 to only publish.
    #[arg(short = 'S', long, value_name = "S", default_value_t = 1)]
    subs: u32,

    /// Payload size in bytes, at least 16, with --latency 24.
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = plan::parse_bytes)]
    size: u64,

    /// Messages to publish, by all publishers together.
    #[arg(short = 'n', long, value_name = "N", default_value = "1M",
          value_parser = plan::parse_count)]
    msgs: u64,

    /// Subjects to cycle through, as SUBJECT.0 to SUBJECT.K-1; subscribers take SUBJECT.*.
    #[arg(short = 'k', long, value_name = "K", default_value = "1",
          value_parser = plan::parse_count)]
    subjects: u64,

    /// Messages a second, by all publishers together [default: as fast as possible].
    #[arg(short, long, value_name = "R", value_parser = plan::parse_big_rate)]
    rate: Option<f64>,

    /// Subscribers share the messages as this queue group.
    #[arg(short, long, value_name = "GROUP")]
    queue: Option<String>,

    /// Request/reply: publishers ask, one request at a time each, subscribers answer.
    #[arg(long)]
    request: bool,

    /// Measure the time from publish to receipt.
    #[arg(short, long)]
    latency: bool,

    /// Bytes a publisher collects before it writes; 1 writes every message by itself.
    #[arg(short, long, value_name = "BYTES", default_value = "64KiB",
          value_parser = plan::parse_bytes)]
    batch: u64,

    /// Give up on a subscriber that hears nothing for this long.
    #[arg(short, long, value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Append the result to this file as a line of CSV (a new file gets a heading).
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Print the result as JSON instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs `floodway bench`: 0 all messages accounted for, 1 not or failed, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(bench(&args))
}

/// What the threads of a run share while it goes on. The counters only feed the progress bar and
/// the end of the run, which may see them late; results are handed over by joining the threads.
struct Live {
    start: Instant,
    published: AtomicU64,
    received: AtomicU64,
    /// Publishers (or requesters) still at work.
    working: AtomicU64,
}

fn bench(args: &Args) -> Result<(), Failure> {
    let plan = Plan::check(args)?;
    let report = if plan.request {
        request::run(&plan, &args.connect)?
    } else {
        run_publish(&plan, &args.connect)?
    };
    if let Some(path) = &args.csv {
        report.append_csv(path)?;
    }
    let shown = if args.json { report.print_json() } else { report.print_table() };
    shown?;
    match report.verdict() {
        None => Ok(()),
        Some(why) => Err(Failure::Failed(format!("the run FAILED: {why}"))),
    }
}

fn run_publish(plan: &Plan, connect: &ConnectArgs) -> Result<Report, Failure> {
    let mut subscribers = Vec::new();
    for index in 0..plan.subs {
        let client = connect_as(connect, "subscriber", index)?;
        subscribers.push(subscriber::Subscriber::new(client, plan)?);
    }
    let mut publishers = Vec::new();
    for index in 0..plan.pubs {
        let client = connect_as(connect, "publisher", index)?;
        publishers.push(publisher::Publisher::new(client, plan, index));
    }
    let server = report::ServerName::of(publishers[0].client());
    let live = Live::new(plan);
    let (published, received) = std::thread::scope(|scope| {
        let live = &live;
        let receiving: Vec<_> = subscribers
            .into_iter()
            .map(|subscriber| scope.spawn(move || subscriber.run(live)))
            .collect();
        let publishing: Vec<_> = publishers
            .into_iter()
            .map(|publisher| scope.spawn(move || publisher.run(live)))
            .collect();
        progress::show(plan, live, || {
            receiving.iter().all(ScopedJoinHandle::is_finished)
                && publishing.iter().all(ScopedJoinHandle::is_finished)
        });
        (join(publishing), join(receiving))
    });
    Ok(Report::of_publish(plan, server, published, received))
}

fn connect_as(connect: &ConnectArgs, who: &str, index: u32) -> Result<Client, Failure> {
    connect.connect().map_err(|failure| match failure {
        Failure::Failed(why) if index > 0 => Failure::Failed(format!("{who} {}: {why}", index + 1)),
        other => other,
    })
}

fn join<T>(threads: Vec<ScopedJoinHandle<'_, T>>) -> Vec<T> {
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        .collect()
}

impl Live {
    fn new(plan: &Plan) -> Live {
        Live {
            start: Instant::now(),
            published: AtomicU64::new(0),
            received: AtomicU64::new(0),
            working: AtomicU64::new(u64::from(plan.pubs)),
        }
    }

    /// Nanoseconds since the start of the run, for stamps that other threads compare.
    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether every publisher is done. What they sent is then in the server's hands.
    fn is_settled(&self) -> bool {
        self.working.load(Ordering::Acquire) == 0
    }
}

/// Counts a publisher out when its thread ends, also by a panic: else the others wait for ever.
struct Working<'a>(&'a Live);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Live::is_settled`, so its counts are seen too.
        self.0.working.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
