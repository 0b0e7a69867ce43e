//! `floodway demo`: what floodway is for, in fifteen seconds.
//!
//! A server in this process, a publisher, and four consumers over real sockets. Two of them read
//! ten times slower than quotes come, one stops reading; each has asked for another policy. The
//! table shows that they flood only themselves, and the sums at the end that nothing vanished.

mod cast;
mod consumer;
mod link;
mod paint;
mod plot;
mod publisher;
mod quote;
mod screen;
mod sum;
mod summary;
mod watch;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use floodway_wire::nats::ServerOp;

use super::client::failure::{Failure, exit_code, say};
use super::client::interrupt::Interrupt;
use crate::config::{Config, Overrides};
use crate::server::{Server, StartError};
use cast::{Actor, Role};
use consumer::{Cues, Seen};
use link::Link;
use paint::{Paint, count, wrapped};
use plot::{Plot, Times};
use publisher::Schedule;
use quote::Quotes;
use screen::Screen;
use sum::Sum;
use summary::{Closing, Outcome};
use watch::{FRAME, Watch};

/// The server of the demo. A connection has room for what its subscription may have; an ended one
/// keeps what is queued until it wakes.
const CONFIG: &str = "\
listen = '127.0.0.1:0'
[overflow]
linger = '5s'
send_buffer = '16KiB'
[overflow.connection]
bytes = '64MiB'
";
/// How long reading what is left may take at the end.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How long the server may take to stop; nobody is connected any more.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Watch four consumers of one fast publisher, three of them too slow.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing has to be running: the demo brings its own server, on a free port of this machine.
It fails (exit 1) if a quote is unaccounted for at the end.

Examples:
  floodway demo
  floodway demo --seconds 60 --rate 50000
  floodway demo --plain > demo.txt")]
pub(crate) struct Args {
    /// How long it takes.
    #[arg(long, value_name = "N", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(2..=3600))]
    seconds: u64,

    /// One table a second, without colours or redrawing, as where there is no terminal.
    #[arg(long)]
    plain: bool,

    /// Quotes a second, outside bursts.
    #[arg(long, value_name = "R", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(100..=500_000))]
    rate: u32,

    /// Symbols that are quoted, each a subject.
    #[arg(long, value_name = "K", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    symbols: u32,
}

/// Runs `floodway demo`: 0 all quotes accounted for, 1 not or failed, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(demo(&args))
}

fn demo(args: &Args) -> Result<(), Failure> {
    let config = Config::parse("the demo", CONFIG, &Overrides::default());
    let server = Server::start(config.map_err(Failure::failed)?).map_err(|error| {
        let (StartError::Listen { error, .. } | StartError::System(error)) = error;
        Failure::Failed(format!("cannot start the server of the demo: {error}"))
    })?;
    let played = play(args, &server);
    server.shutdown(STOP_WAIT);
    played
}

/// Everything between the start of the server and its end.
fn play(args: &Args, server: &Server) -> Result<(), Failure> {
    let addr = server.client_addr();
    let is_live = !args.plain && std::io::stdout().is_terminal();
    let paint = Paint { is_on: is_live };
    let times = Times::of(Duration::from_secs(args.seconds));
    let interrupt = Interrupt::listen()?;
    let mut operator = Link::open(addr, "operator", None)?;
    operator.subscribe("$FLOODWAY.ADVISORY.>")?;
    let actors: Result<Vec<Actor>, Failure> =
        Role::ALL.iter().map(|&role| Actor::enter(role, addr, times.behind)).collect();
    let publisher = Link::open(addr, "publisher", None)?;
    say(&opening(args, addr, times, paint))?;
    let stage = Stage { args, server, times, interrupt: &interrupt, paint };
    stage.run(operator, publisher, actors?)
}

/// The words before the table.
fn opening(args: &Args, addr: SocketAddr, times: Times, paint: Paint) -> String {
    let title = paint.bold("One publisher, four consumers, one server: who pays for the slow?");
    let words = format!(
        "{} quotes/s on {} subjects, in bursts {} times that, over sockets of {addr}. `fast` \
         keeps up. `dashboard` and `recorder` read a tenth as fast. `stalled` stops reading after \
         {:.1} s. Each has told the server what to do when it is slow.",
        count(args.rate.into()),
        count(args.symbols.into()),
        publisher::BURST_FACTOR,
        times.stall_at.as_secs_f64(),
    );
    format!("{title}\n{}", wrapped(&words, 0))
}

/// Sends everybody home when the show is over, also by an error or a panic: the scope of the
/// threads waits for each of them.
struct End<'a> {
    cues: &'a Cues,
    is_over: &'a AtomicBool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        Cues::give(&self.cues.drain);
        Cues::give(&self.cues.stop);
    }
}

/// What the show needs.
struct Stage<'a> {
    args: &'a Args,
    server: &'a Server,
    times: Times,
    interrupt: &'a Interrupt,
    paint: Paint,
}

impl Stage<'_> {
    fn run(&self, operator: Link, publisher: Link, actors: Vec<Actor>) -> Result<(), Failure> {
        let rate = f64::from(self.args.rate);
        let (published, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        let cues = Cues {
            start: Instant::now(),
            stall_at: self.times.stall_at,
            wake: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        };
        let mut links = Vec::new();
        let mut seen: Vec<(Role, u64, Seen)> = Vec::new();
        for Actor { role, link, seen: own } in actors {
            seen.push((role, link.id(), own));
            links.push(link);
        }
        let consumers = seen.iter().map(|(role, id, seen)| (*role, *id, seen));
        let watch = Watch::new(self.server.broker(), &cues, &published, consumers)?;
        std::thread::scope(|scope| {
            let _end = End { cues: &cues, is_over: &is_over };
            for (link, (role, _, seen)) in links.into_iter().zip(&seen) {
                let (habit, cues) = (role.habit(rate), &cues);
                scope.spawn(move || consumer::run(link, habit, cues, seen));
            }
            let quotes = Quotes::of(self.args.symbols as usize);
            let (start, over, published) = (cues.start, &is_over, &published);
            let publishing = scope.spawn(move || {
                let schedule = Schedule { rate: self.args.rate.into() };
                let is_over = || over.load(Ordering::Relaxed);
                publisher::run(publisher, quotes, schedule, start, published, is_over)
            });
            let shown = self.show(operator, watch, &seen, &cues);
            is_over.store(true, Ordering::Relaxed);
            let published_all =
                publishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let shown = shown?;
            published_all?;
            self.close(shown, &seen, &cues, published)
        })
    }

    /// The live part: looks and draws until the time is over or somebody interrupts.
    fn show<'w>(
        &self,
        mut operator: Link,
        mut watch: Watch<'w>,
        seen: &[(Role, u64, Seen)],
        cues: &Cues,
    ) -> Result<(Watch<'w>, Plot, Duration), Failure> {
        let (_, id, stalled) =
            seen.iter().find(|(role, ..)| *role == Role::Stalled).expect("the cast has all roles");
        let mut plot = Plot::new(self.times, *id);
        let mut screen = Screen::new(self.paint);
        let mut next_frame = Duration::ZERO;
        loop {
            let now = cues.start.elapsed();
            if now >= self.times.length || self.interrupt.is_set() {
                return Ok((watch, plot, now));
            }
            // Waits a moment if there is nothing to hear.
            operator.read(4096, |op| {
                if let ServerOp::Message(message) = op {
                    plot.hear(message, cues.start.elapsed());
                }
            })?;
            plot.turn(now, cues, stalled);
            if now >= next_frame {
                next_frame += FRAME;
                let frame = watch.look(plot.act(now));
                let accounts = frame.rows.iter().filter_map(|row| row.account.as_ref());
                accounts.for_each(|account| plot.see(account, now));
                screen.show(&frame, &plot, plot.doing(now, stalled))?;
            }
        }
    }

    /// The end: takes the sums, lets everybody read what is left, and says what happened.
    fn close(
        &self,
        (watch, plot, length): (Watch<'_>, Plot, Duration),
        seen: &[(Role, u64, Seen)],
        cues: &Cues,
        published: &AtomicU64,
    ) -> Result<(), Failure> {
        let sums = watch.sums();
        Cues::give(&cues.drain);
        let deadline = Instant::now() + DRAIN_WAIT;
        let last = loop {
            let last = watch.sums();
            let is_read = |((_, sum), (_, _, seen)): (&(Role, Sum), &(Role, u64, Seen))| {
                sum.queued == 0 && sum.delivered == seen.quotes.load(Ordering::Relaxed)
            };
            if last.iter().zip(seen).all(is_read) || Instant::now() >= deadline {
                break last;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let results = seen.iter().zip(sums).zip(last).map(|(((role, _, seen), sum), last)| {
            Closing { role: *role, seen, sum: sum.1, last: last.1 }
        });
        let outcome = Outcome {
            length,
            published: published.load(Ordering::Relaxed),
            plot: &plot,
            stretches: &watch.stretches,
            results: results.collect(),
        };
        say(&outcome.text(self.paint))?;
        let faults = outcome.faults();
        if faults.is_empty() {
            return say("The readers counted the same. Nothing is unaccounted for.");
        }
        Err(Failure::Failed(faults.join("; ")))
    }
}

#[cfg(test)]
mod tests;
