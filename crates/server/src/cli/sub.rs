//! `floodway sub`: subscribes and prints what comes, what was lost, and why it ended.

mod control;
mod granted;
mod notice;
mod overflow;
mod query;
mod screen;

use std::io::{self, BufWriter};
use std::process::ExitCode;
use std::time::Duration;

use floodway_wire::nats::encode_sub;

use super::client::failure::{Failure, exit_code, note};
use super::client::interrupt::Interrupt;
use super::client::print::Format;
use super::client::subject::{check_filter, check_queue};
use super::client::{Client, ConnectArgs, new_inbox};
use control::Wish;
use overflow::OverflowArgs;
use query::QueryArgs;
use screen::Screen;

/// Subscribe and print messages.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Messages go to standard output; losses, ends and the summary go to standard error. With --json,
what the server says about the subscription is a line of its own on standard output: status, text,
subject, headers.

Examples:
  floodway sub 'orders.>'
  floodway sub orders.eu orders.us --json --count 10
  floodway sub jobs --queue workers --raw

Only some of the messages:
  floodway sub 'quotes.>' --query \"symbol = 'ACME' AND price < 18\"
  floodway sub jobs --queue eu --query \"region STARTS WITH 'eu-'\" --overflow drop-oldest
  floodway sub 'tx.>' --strict --query \"tx.height > 5 AND transfer.sender = 'ann'\"

When it is too slow:
  # the newest 1000 messages, and none that waited for more than 5 s
  floodway sub 'log.>' --overflow drop-oldest --limit messages=1000 --limit ttl=5s
  # the latest quote of each subject; of each symbol in the payload
  floodway sub 'quotes.>' --overflow conflate
  floodway sub 'quotes.>' --overflow conflate --key json:/symbol --fallback drop-newest
  # end it once nothing was taken for 5 s
  floodway sub 'ticks.>' --overflow disconnect --limit behind=5s --limit bytes=8MiB")]
pub(crate) struct Args {
    /// Subjects to subscribe to; * is one token, > the rest.
    #[arg(required = true, value_name = "SUBJECT")]
    subjects: Vec<String>,

    /// Share the messages with the other members of this queue group.
    #[arg(short, long, value_name = "GROUP")]
    queue: Option<String>,

    /// End after this many messages.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Print one JSON object a line: subject, reply, headers, payload (or payload_base64), seq; and
    /// conflated, if the message replaced others.
    #[arg(long, conflicts_with = "raw")]
    json: bool,

    /// Print only the payload and a line end.
    #[arg(long)]
    raw: bool,

    /// Print headers under each message.
    #[arg(long, conflicts_with_all = ["raw", "json"])]
    headers: bool,

    /// End when no message came for this long, e.g. 500ms or 1m; exit 1 if --count was not
    /// reached.
    #[arg(short, long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    query: QueryArgs,

    #[command(flatten)]
    overflow: OverflowArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs `floodway sub`: 0 ended as asked, 1 failed or ended by the server, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(subscribe(&args))
}

fn subscribe(args: &Args) -> Result<(), Failure> {
    args.subjects.iter().try_for_each(|subject| check_filter("subject", subject))?;
    check_queue(args.queue.as_deref())?;
    args.overflow.check()?;
    args.query.check()?;
    let mut client = args.connect.connect()?;
    let interrupt = Interrupt::listen()?;
    let delivers = subscriptions(args, &mut client)?;
    for (index, deliver) in delivers.iter().enumerate() {
        // A controlled subscription is in its group already, by the control request.
        let queue = args.queue.as_deref().filter(|_| !args.is_controlled());
        let sid = (index + 1).to_string();
        let queue = queue.map(str::as_bytes);
        encode_sub(&mut client.out, deliver.as_bytes(), queue, sid.as_bytes());
    }
    client.out.extend_from_slice(b"PING\r\n");
    let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut screen = Screen::new(args, client.address(), out, io::stderr());
    let outcome = screen.run(&mut client, &interrupt, args.timeout);
    let shown = screen.flush();
    note(&screen.summary());
    outcome.and(shown)
}

/// The subjects to SUB to: those that were typed, or the ones the server delivers them on.
fn subscriptions(args: &Args, client: &mut Client) -> Result<Vec<String>, Failure> {
    if !args.is_controlled() {
        return Ok(args.subjects.clone());
    }
    let inbox = new_inbox();
    let mut delivers = Vec::with_capacity(args.subjects.len());
    for (index, filter) in args.subjects.iter().enumerate() {
        let deliver = format!("{inbox}.{}", index + 1);
        let wish = Wish {
            filter,
            queue: args.queue.as_deref(),
            deliver: &deliver,
            overflow: &args.overflow,
            query: &args.query,
        };
        let granted = control::ask(client, &wish, &format!("{inbox}.answer"))?;
        note(&format!("granted {filter}: {}", granted.describe()));
        delivers.push(deliver);
    }
    Ok(delivers)
}

impl Args {
    /// Whether the server is asked for what SUB has no room for.
    fn is_controlled(&self) -> bool {
        self.overflow.is_given() || self.query.is_given()
    }

    fn format(&self) -> Format {
        match (self.json, self.raw) {
            (true, _) => Format::Json,
            (_, true) => Format::Raw,
            _ => Format::Human { headers: self.headers },
        }
    }
}

#[cfg(test)]
mod tests;
