//! `floodway slow`: who is slow, as a table that keeps itself up to date.

mod fetch;
mod page;
mod screen;
mod table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::client::failure::{Failure, exit_code, note};
use super::client::interrupt::Interrupt;
use fetch::{FetchError, Site};
use page::Page;
use screen::Screen;

/// The shortest time between two requests: each looks at every slow session.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How long Ctrl-C may go unheard.
const NAP: Duration = Duration::from_millis(50);

/// Show which subscriptions are slow, and what was done about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The worst comes first, then those that were slow lately. The numbers are of the slow time only.
STATE: slow; ok, it has caught up; unsub, the client gave it up; ended, by the server or with its
connection. Needs a server with status pages: floodway serve --http 127.0.0.1:8222

Examples:
  floodway slow
  floodway slow --http http://10.0.0.7:8222 --interval 5s
  floodway slow --once | head
  floodway slow --json --limit 1000 | jq '.slow[].subject'")]
pub(crate) struct Args {
    /// Where the status pages of the server are; port 8222 if none is given.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8222")]
    http: String,

    /// How often to look, e.g. 500ms or 5s.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// At most so many subscriptions.
    #[arg(short, long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,

    /// Print the table once and end.
    #[arg(long)]
    once: bool,

    /// Print one table after the other, as without a terminal.
    #[arg(long)]
    plain: bool,

    /// Print the page of the server as it is, once.
    #[arg(long, conflicts_with_all = ["once", "plain"])]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(interval) if interval >= INTERVAL_MIN => Ok(interval),
        Ok(_) => Err("at least 100ms".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs `floodway slow`: 0 ended as asked, 1 failed, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(show(&args))
}

fn show(args: &Args) -> Result<(), Failure> {
    let site = Site::parse(&args.http)?;
    let target = format!("/slowz?limit={}", args.limit);
    if args.json {
        let page = site.get(&target)?;
        return write_all(&mut io::stdout().lock(), page.trim_end());
    }
    let limit = args.limit as usize;
    let look = || Ok(table::text(&Page::parse(&site, &site.get(&target)?)?, &site, limit));
    // A mistake in the address is better told at once than tried again and again.
    let first = look().map_err(|error: FetchError| Failure::failed(error))?;
    if args.once {
        return write_all(&mut io::stdout().lock(), &first);
    }
    let interrupt = Interrupt::listen()?;
    let in_place = io::stdout().is_terminal() && !args.plain;
    let mut screen = Screen::new(io::stdout().lock(), in_place);
    follow(first, look, args.interval, &interrupt, &mut screen)
}

/// Shows a table per interval until it is interrupted. A server that is away for a while does not
/// end it: whoever watches a server watches it restart, too.
fn follow<W: Write>(
    first: String,
    look: impl Fn() -> Result<String, FetchError>,
    interval: Duration,
    interrupt: &Interrupt,
    screen: &mut Screen<W>,
) -> Result<(), Failure> {
    let mut next = Ok(first);
    let mut away = false;
    loop {
        match &next {
            Ok(text) => screen.show(text)?,
            Err(error) if screen.is_in_place() => screen.show(&format!("{error}\ntrying again"))?,
            Err(error) if !away => note(&format!("{error}; trying again")),
            Err(_) => {}
        }
        away = next.is_err();
        if !sleep(interval, interrupt) {
            return Ok(());
        }
        next = look();
    }
}

/// False once it was interrupted.
fn sleep(time: Duration, interrupt: &Interrupt) -> bool {
    let until = Instant::now() + time;
    loop {
        if interrupt.is_set() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NAP));
    }
}

fn write_all(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    writeln!(out, "{}", text.trim_end()).map_err(|error| Failure::output(&error))
}

#[cfg(test)]
mod tests;
