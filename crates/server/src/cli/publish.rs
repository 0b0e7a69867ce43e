//! `floodway pub`: publishes messages from an argument, a file or standard input.

use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use floodway_wire::nats::{encode_hpub, encode_pub};

use super::client::failure::{Failure, counted, exit_code, say};
use super::client::interrupt::Interrupt;
use super::client::pace::{Pace, parse_rate};
use super::client::payload::{self, Header, parse_header};
use super::client::subject::check_literal;
use super::client::{ANSWER_WAIT, Client, ConnectArgs, TICK, WRITE_BATCH};

/// Lines read ahead of the network; bounds the memory when the server is slower than the file.
const LINES_AHEAD: usize = 1024;

/// Publish messages.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  floodway pub orders.eu 'one order'
  floodway pub orders.eu --file order.json -H source:shop -H priority:high
  tail -f app.log | floodway pub logs.app --lines
  floodway pub load.test ping --count 10000 --rate 500")]
pub(crate) struct Args {
    /// Subject to publish to, without wildcards.
    subject: String,

    /// Payload; without it and without --file, standard input is read to its end.
    #[arg(conflicts_with = "file")]
    payload: Option<String>,

    /// Read the payload from this file.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Publish each line of the input as a message, as soon as it is read.
    #[arg(short, long, conflicts_with_all = ["payload", "count"])]
    lines: bool,

    /// Add a header; may be repeated, also with the same key.
    #[arg(short = 'H', long = "header", value_name = "KEY:VALUE", value_parser = parse_header)]
    headers: Vec<Header>,

    /// Subject that answers should go to.
    #[arg(long, value_name = "SUBJECT")]
    reply: Option<String>,

    /// Publish the message this many times.
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// Publish at most this many messages a second [default: as fast as possible].
    #[arg(short, long, value_name = "N", value_parser = parse_rate)]
    rate: Option<f64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs `floodway pub`: 0 published and confirmed, 1 failed, 2 bad usage.
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(Job::new(args).and_then(Job::publish))
}

/// One checked `pub` command.
struct Job {
    envelope: Envelope,
    source: Source,
    rate: Option<f64>,
    connect: ConnectArgs,
}

/// Everything of a message but its payload.
struct Envelope {
    subject: String,
    reply: Option<String>,
    headers: Vec<u8>,
}

/// Where the next payload comes from.
enum Source {
    Repeat { payload: Vec<u8>, left: u64 },
    Lines(Receiver<Result<Vec<u8>, Failure>>),
}

/// What a [`Source`] has to offer now.
enum Next {
    Payload(Vec<u8>),
    Again,
    Nothing,
    End,
}

/// What went out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    messages: u64,
    bytes: u64,
}

impl Job {
    fn new(args: Args) -> Result<Job, Failure> {
        check_literal("subject", &args.subject)?;
        if let Some(reply) = &args.reply {
            check_literal("reply subject", reply)?;
        }
        let source = match args.payload {
            Some(text) => Source::Repeat { payload: text.into_bytes(), left: args.count },
            None => {
                let mut input = payload::open(args.file.as_deref())?;
                if args.lines {
                    Source::Lines(read_lines(input))
                } else {
                    Source::Repeat { payload: payload::read_all(&mut *input)?, left: args.count }
                }
            }
        };
        let headers = payload::header_block(&args.headers);
        let envelope = Envelope { subject: args.subject, reply: args.reply, headers };
        Ok(Job { envelope, source, rate: args.rate, connect: args.connect })
    }

    fn publish(self) -> Result<(), Failure> {
        let mut client = self.connect.connect()?;
        let subject = self.envelope.subject.clone();
        let sent = self.publish_to(&mut client, &Interrupt::listen()?)?;
        let (messages, bytes) = (counted(sent.messages, "message"), counted(sent.bytes, "byte"));
        say(&format!("published {messages} ({bytes}) to {subject}"))
    }

    /// Sends everything and waits until the server has confirmed it.
    fn publish_to(mut self, client: &mut Client, interrupt: &Interrupt) -> Result<Sent, Failure> {
        let mut sent = Sent::default();
        let outcome = self.send_all(client, interrupt, &mut sent);
        // The PONG says that the server has seen every message, and an -ERR about one comes first.
        match outcome.and_then(|()| Ok(client.confirm(ANSWER_WAIT)?)) {
            Err(Failure::Failed(why)) if sent.messages > 0 => {
                let messages = counted(sent.messages, "message");
                Err(Failure::Failed(format!("{why} (not confirmed: {messages})")))
            }
            outcome => outcome.map(|()| sent),
        }
    }

    fn send_all(
        &mut self,
        client: &mut Client,
        interrupt: &Interrupt,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let pace = Pace::new(start, self.rate);
        let (mut looked, mut wait) = (start, Duration::ZERO);
        while !interrupt.is_set() {
            let now = Instant::now();
            if now.duration_since(looked) >= TICK {
                client.look()?;
                looked = now;
            }
            if sent.messages >= pace.due(now) {
                client.flush()?;
                let due = pace.time_of(sent.messages).saturating_duration_since(now);
                std::thread::sleep(due.min(TICK));
                continue;
            }
            match self.source.next(wait)? {
                Next::Payload(payload) => self.envelope.send(client, &payload, sent)?,
                Next::Again => match &self.source {
                    Source::Repeat { payload, .. } => self.envelope.send(client, payload, sent)?,
                    Source::Lines(_) => {}
                },
                // Whoever feeds us line by line wants each out before the next one is typed.
                Next::Nothing => {
                    client.flush()?;
                    wait = TICK;
                    continue;
                }
                Next::End => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }
}

impl Envelope {
    fn send(&self, client: &mut Client, payload: &[u8], sent: &mut Sent) -> Result<(), Failure> {
        let size = self.headers.len() + payload.len();
        payload::check_size(size, client.info().max_payload)?;
        let (subject, reply) = (self.subject.as_bytes(), self.reply.as_deref().map(str::as_bytes));
        if self.headers.is_empty() {
            encode_pub(&mut client.out, subject, reply, payload);
        } else {
            encode_hpub(&mut client.out, subject, reply, &self.headers, payload);
        }
        sent.messages += 1;
        sent.bytes += payload.len() as u64;
        if client.out.len() >= WRITE_BATCH {
            client.flush()?;
        }
        Ok(())
    }
}

impl Source {
    fn next(&mut self, wait: Duration) -> Result<Next, Failure> {
        match self {
            Source::Repeat { left: 0, .. } => Ok(Next::End),
            Source::Repeat { left, .. } => {
                *left -= 1;
                Ok(Next::Again)
            }
            Source::Lines(lines) => match lines.recv_timeout(wait) {
                Ok(line) => Ok(Next::Payload(line?)),
                Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
                Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
            },
        }
    }
}

/// Reads lines on a thread of their own, so that the connection stays served while `tail -f` is
/// silent. Nobody joins the thread: it may sit in a read that never ends, and then dies with the
/// process.
fn read_lines(mut input: Box<dyn BufRead + Send>) -> Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        loop {
            let item = match payload::read_line(&mut *input, &mut line) {
                Ok(true) => Ok(std::mem::take(&mut line)),
                Ok(false) => break,
                Err(failure) => Err(failure),
            };
            let last = item.is_err();
            if sender.send(item).is_err() || last {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
