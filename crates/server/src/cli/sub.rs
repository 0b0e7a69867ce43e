//! `floodway sub`: subscribes and prints what comes, what was lost, and why it ended.

mod control;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp, encode_sub};

use super::client::address::Address;
use super::client::failure::{Failure, counted, exit_code, note};
use super::client::interrupt::Interrupt;
use super::client::print::{self, Format};
use super::client::subject::{check_filter, check_queue};
use super::client::{Client, ClientError, ConnectArgs, Polled, TICK, new_inbox, printable};
use control::{Limit, Wish, parse_limit};

/// Counts messages that were lost before the one that carries it.
const MISSED: &str = "Floodway-Missed";
/// Says why the subscription is over.
const END_REASON: &str = "Floodway-End-Reason";

/// Subscribe and print messages.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Messages go to standard output; losses, ends and the summary go to standard error.

Examples:
  floodway sub 'orders.>'
  floodway sub orders.eu orders.us --json --count 10
  floodway sub jobs --queue workers --raw
  floodway sub 'ticks.>' --overflow disconnect --limit messages=1000 --limit bytes=8MiB
  floodway sub 'ticks.>' --limit behind=5s")]
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

    /// Print one JSON object a line: subject, reply, headers, payload (or payload_base64), seq.
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

    /// What the server does when we are too slow, e.g. disconnect. Needs a floodway server.
    #[arg(long, value_name = "POLICY")]
    overflow: Option<String>,

    /// When we are too slow: messages=1000, bytes=8MiB or behind=5s; may be repeated. Needs a
    /// floodway server.
    #[arg(long = "limit", value_name = "WHAT=VALUE", value_parser = parse_limit)]
    limits: Vec<Limit>,

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
    let mut screen = Screen::new(args, client.address(), out);
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
            overflow: args.overflow.as_deref(),
            limits: &args.limits,
        };
        let granted = control::ask(client, &wish, &format!("{inbox}.answer"))?;
        note(&format!("granted {filter}: {granted}"));
        delivers.push(deliver);
    }
    Ok(delivers)
}

impl Args {
    fn is_controlled(&self) -> bool {
        self.overflow.is_some() || !self.limits.is_empty()
    }

    fn format(&self) -> Format {
        match (self.json, self.raw) {
            (true, _) => Format::Json,
            (_, true) => Format::Raw,
            _ => Format::Human { headers: self.headers },
        }
    }
}

/// Prints what comes and remembers what the summary needs.
struct Screen<W> {
    out: W,
    format: Format,
    greeting: String,
    /// The server has accepted every SUB.
    confirmed: bool,
    stop_after: Option<u64>,
    subscriptions: usize,
    messages: u64,
    missed: u64,
    ended: usize,
    errors: u64,
    /// What ends the run early.
    failure: Option<Failure>,
}

impl<W: Write> Screen<W> {
    fn new(args: &Args, address: &Address, out: W) -> Screen<W> {
        let group = args.queue.as_ref().map_or(String::new(), |queue| format!(" as {queue}"));
        Screen {
            out,
            format: args.format(),
            greeting: format!("listening on {}{group} at {address}", args.subjects.join(", ")),
            confirmed: false,
            stop_after: args.count,
            subscriptions: args.subjects.len(),
            messages: 0,
            missed: 0,
            ended: 0,
            errors: 0,
            failure: None,
        }
    }

    fn run(
        &mut self,
        client: &mut Client,
        interrupt: &Interrupt,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let (mut last_message, mut seen) = (Instant::now(), 0);
        let wait = timeout.map_or(TICK, |timeout| timeout.clamp(Duration::from_millis(1), TICK));
        while !interrupt.is_set() {
            let polled = client.poll(wait, |_, op| self.handle(&op));
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.flush()?;
            if polled? == Polled::Stopped {
                return Ok(());
            }
            if self.messages > seen {
                (last_message, seen) = (Instant::now(), self.messages);
            } else if timeout.is_some_and(|timeout| last_message.elapsed() >= timeout) {
                return self.timed_out();
            }
        }
        Ok(())
    }

    fn handle(&mut self, op: &ServerOp<'_>) -> ControlFlow<()> {
        let printed = match op {
            ServerOp::Message(message) => self.message(message),
            ServerOp::Err(text) => {
                self.error(&printable(text));
                Ok(())
            }
            ServerOp::Pong if !self.confirmed => {
                self.confirmed = true;
                note(&self.greeting);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = printed {
            self.failure = Some(Failure::output(&error));
        }
        let full = self.stop_after.is_some_and(|count| self.messages >= count);
        if full || self.failure.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, message: &Delivered<'_>) -> io::Result<()> {
        if !message.headers.is_empty() {
            if let Some(status) = HeaderView::new(message.headers).status() {
                return self.status(status, message);
            }
            if let Some(missed) = self.count_missed(message.headers) {
                // Both streams may be one terminal: keep the notice at its place.
                self.out.flush()?;
                note(&format!("missed {} here", counted(missed, "message")));
            }
        }
        self.messages += 1;
        print::message(&mut self.out, self.format, self.messages, message)
    }

    /// A message from the server about the subscription.
    fn status(&mut self, status: (u16, &str), message: &Delivered<'_>) -> io::Result<()> {
        self.count_missed(message.headers);
        self.out.flush()?;
        if self.format == Format::Json {
            print::json_status(&mut self.out, status, message)?;
        }
        note(&print::human_status(status, message));
        if let Some(reason) = print::header_value(message.headers, END_REASON) {
            self.ended += 1;
            if self.ended >= self.subscriptions {
                self.failure =
                    Some(Failure::Failed(format!("the server ended the subscription: {reason}")));
            }
        }
        Ok(())
    }

    fn count_missed(&mut self, headers: &[u8]) -> Option<u64> {
        let missed = print::header_value(headers, MISSED)?.parse().ok()?;
        self.missed += missed;
        Some(missed)
    }

    fn error(&mut self, text: &str) {
        self.errors += 1;
        if self.confirmed {
            note(&format!("the server said -ERR '{text}'"));
        } else {
            // Before the PONG it is about our SUB: there is nothing to wait for.
            self.failure = Some(ClientError::Server(text.to_owned()).into());
        }
    }

    fn timed_out(&self) -> Result<(), Failure> {
        match self.stop_after {
            Some(count) => Err(Failure::Failed(format!(
                "timed out with {} of {count} messages",
                self.messages
            ))),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    fn summary(&self) -> String {
        let mut line = counted(self.messages, "message");
        if self.missed > 0 {
            line.push_str(&format!(", {} missed", self.missed));
        }
        if self.errors > 0 {
            line.push_str(&format!(", {}", counted(self.errors, "error")));
        }
        line
    }
}

#[cfg(test)]
mod tests;
