//! `floodway request`: asks a question and prints the answers.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp, encode_hpub, encode_pub, encode_sub};

use super::client::failure::{Failure, exit_code, note};
use super::client::payload::{Header, check_size, header_block, parse_header};
use super::client::print::{self, Format};
use super::client::subject::check_literal;
use super::client::{Client, ClientError, ConnectArgs, Polled, new_inbox, printable};

/// Send a request and print the replies.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Replies go to standard output, one a line; how long each took goes to standard error.

Examples:
  floodway request time.now
  floodway request users.get '{\"id\": 7}' --timeout 500ms
  floodway request service.ping --replies 5 --timeout 1s
  floodway request service.ping --replies 0      (all that come within the timeout)")]
pub(crate) struct Args {
    /// Subject to send the request to, without wildcards.
    subject: String,

    /// Payload of the request.
    #[arg(default_value = "", hide_default_value = true)]
    payload: String,

    /// How long to wait for the replies, e.g. 500ms or 1m.
    #[arg(short, long, value_name = "TIME", default_value = "2s",
          value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// End after this many replies; 0 takes all that come within the timeout.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    replies: u64,

    /// Add a header; may be repeated, also with the same key.
    #[arg(short = 'H', long = "header", value_name = "KEY:VALUE", value_parser = parse_header)]
    headers: Vec<Header>,

    /// Print one JSON object a line: subject, reply, headers, payload (or payload_base64), seq.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs `floodway request`: 0 answered, 1 not (all) answered in time, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(request(&args))
}

fn request(args: &Args) -> Result<(), Failure> {
    check_literal("subject", &args.subject)?;
    let mut client = args.connect.connect()?;
    ask(args, &mut client, BufWriter::new(io::stdout().lock()))
}

fn ask(args: &Args, client: &mut Client, out: impl Write) -> Result<(), Failure> {
    // Before the sending: the answer may be there when the call that sends returns.
    let sent = Instant::now();
    send(args, client)?;
    let mut replies = Replies {
        out,
        format: if args.json { Format::Json } else { Format::Raw },
        sent,
        wanted: args.replies,
        count: 0,
        failure: None,
    };
    replies.collect(client, sent + args.timeout)?;
    match (args.replies, replies.count) {
        (wanted, got) if got >= wanted.max(1) => Ok(()),
        (_, 0) => Err(Failure::Failed(format!("no reply within {:?}", args.timeout))),
        (wanted, got) => {
            Err(Failure::Failed(format!("{got} of {wanted} replies within {:?}", args.timeout)))
        }
    }
}

fn send(args: &Args, client: &mut Client) -> Result<(), Failure> {
    let (headers, inbox) = (header_block(&args.headers), new_inbox());
    let (subject, reply) = (args.subject.as_bytes(), Some(inbox.as_bytes()));
    let payload = args.payload.as_bytes();
    check_size(headers.len() + payload.len(), client.info().max_payload)?;
    encode_sub(&mut client.out, inbox.as_bytes(), None, b"1");
    if headers.is_empty() {
        encode_pub(&mut client.out, subject, reply, payload);
    } else {
        encode_hpub(&mut client.out, subject, reply, &headers, payload);
    }
    Ok(client.flush()?)
}

/// Prints the replies as they come.
struct Replies<W> {
    out: W,
    format: Format,
    sent: Instant,
    /// 0 is no end.
    wanted: u64,
    count: u64,
    failure: Option<Failure>,
}

impl<W: Write> Replies<W> {
    fn collect(&mut self, client: &mut Client, deadline: Instant) -> Result<(), Failure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let polled = client.poll(left, |_, op| self.handle(&op));
            self.out.flush().map_err(|error| Failure::output(&error))?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if polled? == Polled::Stopped {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, op: &ServerOp<'_>) -> ControlFlow<()> {
        match op {
            ServerOp::Message(message) => self.message(message),
            ServerOp::Err(text) => {
                self.failure = Some(ClientError::Server(printable(text)).into());
            }
            _ => {}
        }
        if self.failure.is_some() || (self.wanted > 0 && self.count >= self.wanted) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, message: &Delivered<'_>) {
        if let Some(status) = HeaderView::new(message.headers).status() {
            if status.0 == 503 {
                self.failure = Some(Failure::failed("no responders"));
            } else {
                note(&print::human_status(status, message));
            }
            return;
        }
        self.count += 1;
        let took = humantime::format_duration(round(self.sent.elapsed()));
        // The notice first, at its place: both streams are usually one terminal.
        note(&format!("reply {} in {took}", self.count));
        let printed = if self.format == Format::Raw && !message.headers.is_empty() {
            print::header_lines(&mut io::stderr(), message.headers)
        } else {
            Ok(())
        };
        let printed = printed
            .and_then(|()| print::message(&mut self.out, self.format, self.count, message))
            .and_then(|()| self.out.flush());
        if let Err(error) = printed {
            self.failure = Some(Failure::output(&error));
        }
    }
}

/// Microseconds are what a person reads; nanoseconds are noise.
fn round(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
