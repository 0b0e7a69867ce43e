//! `floodway reply`: answers requests with a fixed text, their own payload, or a command's output.

mod command;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use floodway_wire::nats::header::{HeaderBlock, HeaderView};
use floodway_wire::nats::{Delivered, ServerOp, encode_hpub, encode_pub, encode_sub, encode_unsub};

use super::client::failure::{Failure, counted, exit_code, note};
use super::client::interrupt::Interrupt;
use super::client::payload::check_size;
use super::client::print::{human_status, shown};
use super::client::subject::{check_filter, check_queue};
use super::client::{ANSWER_WAIT, Client, ClientError, ConnectArgs, TICK, WRITE_BATCH, printable};
use command::Shell;

const SID: &[u8] = b"1";

/// Answer requests.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A command is run by sh for each request, one after the other: it gets the request's payload on
standard input and its subject in $FLOODWAY_SUBJECT, and its standard output is the reply. If it
fails, the reply has the headers Nats-Service-Error and Nats-Service-Error-Code.

Examples:
  floodway reply service.ping pong
  floodway reply 'echo.>' --echo --queue workers
  floodway reply time.now --command date
  floodway reply text.upper --command 'tr a-z A-Z'")]
pub(crate) struct Args {
    /// Subject to answer on; * is one token, > the rest.
    subject: String,

    /// Payload of every reply.
    #[arg(required_unless_present_any = ["echo", "command"])]
    payload: Option<String>,

    /// Reply with the payload and the headers of the request.
    #[arg(short, long, conflicts_with_all = ["payload", "command"])]
    echo: bool,

    /// Reply with what this shell command prints.
    #[arg(long, value_name = "CMD", conflicts_with = "payload")]
    command: Option<String>,

    /// Kill a command that takes longer than this, e.g. 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "command",
          value_parser = humantime::parse_duration)]
    command_timeout: Duration,

    /// Share the requests with the other members of this queue group.
    #[arg(short, long, value_name = "GROUP")]
    queue: Option<String>,

    /// End after this many replies.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs `floodway reply`: 0 ended as asked, 1 failed, 2 bad usage.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    exit_code(reply(&args))
}

/// What a request is answered with.
enum Answer {
    Fixed(Vec<u8>),
    Echo,
    Command(Shell),
}

fn reply(args: &Args) -> Result<(), Failure> {
    check_filter("subject", &args.subject)?;
    check_queue(args.queue.as_deref())?;
    let mut client = args.connect.connect()?;
    let interrupt = Interrupt::listen()?;
    let mut responder = Responder {
        answer: match (&args.payload, &args.command) {
            (Some(text), _) => Answer::Fixed(text.clone().into_bytes()),
            (_, Some(command)) => Answer::Command(Shell::new(command, args.command_timeout)),
            (None, None) => Answer::Echo,
        },
        greeting: format!("answering on {} at {}", args.subject, client.address()),
        confirmed: false,
        max_payload: client.info().max_payload,
        stop_after: args.count,
        replies: 0,
        unanswerable: 0,
        failure: None,
    };
    let queue = args.queue.as_deref().map(str::as_bytes);
    encode_sub(&mut client.out, args.subject.as_bytes(), queue, SID);
    client.out.extend_from_slice(b"PING\r\n");
    let outcome = responder.run(&mut client, &interrupt);
    note(&responder.summary());
    outcome
}

struct Responder {
    answer: Answer,
    greeting: String,
    /// The server has accepted the SUB.
    confirmed: bool,
    max_payload: usize,
    stop_after: Option<u64>,
    replies: u64,
    /// Messages without a reply subject.
    unanswerable: u64,
    failure: Option<Failure>,
}

impl Responder {
    fn run(&mut self, client: &mut Client, interrupt: &Interrupt) -> Result<(), Failure> {
        while !interrupt.is_set() {
            client.poll(TICK, |out, op| self.handle(out, &op, interrupt))?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.stop_after.is_some_and(|count| self.replies >= count) {
                break;
            }
        }
        // Whoever asked must have the answer before this process is gone.
        encode_unsub(&mut client.out, SID, None);
        Ok(client.confirm(ANSWER_WAIT)?)
    }

    fn handle(
        &mut self,
        out: &mut Vec<u8>,
        op: &ServerOp<'_>,
        interrupt: &Interrupt,
    ) -> ControlFlow<()> {
        match op {
            ServerOp::Message(message) => self.request(out, message, interrupt),
            ServerOp::Pong if !self.confirmed => {
                self.confirmed = true;
                note(&self.greeting);
            }
            ServerOp::Err(text) if self.confirmed => {
                note(&format!("the server said -ERR '{}'", printable(text)));
            }
            ServerOp::Err(text) => {
                self.failure = Some(ClientError::Server(printable(text)).into());
            }
            _ => {}
        }
        let enough = self.stop_after.is_some_and(|count| self.replies >= count);
        // A command may take long, and its answer should not wait for the ones behind it.
        let eager = matches!(self.answer, Answer::Command(_)) && !out.is_empty();
        // Breaking off lets the replies out; the rest of the requests is handled after that.
        if enough || eager || self.failure.is_some() || out.len() >= WRITE_BATCH {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn request(&mut self, out: &mut Vec<u8>, message: &Delivered<'_>, interrupt: &Interrupt) {
        if let Some(status) = HeaderView::new(message.headers).status() {
            note(&human_status(status, message));
            return;
        }
        let Some(reply) = message.reply else {
            self.unanswerable += 1;
            return;
        };
        self.replies += 1;
        match &self.answer {
            Answer::Fixed(payload) => encode_pub(out, reply, None, payload),
            Answer::Echo if message.headers.is_empty() => {
                encode_pub(out, reply, None, message.payload);
            }
            Answer::Echo => encode_hpub(out, reply, None, message.headers, message.payload),
            Answer::Command(shell) => {
                let output = shell.answer(message.subject, message.payload, interrupt);
                let output =
                    output.and_then(|payload| match check_size(payload.len(), self.max_payload) {
                        Ok(()) => Ok(payload),
                        Err(_) => Err("the output is larger than the server takes".to_owned()),
                    });
                match output {
                    Ok(payload) => encode_pub(out, reply, None, &payload),
                    Err(why) => {
                        note(&format!("command failed for {}: {why}", shown(message.subject)));
                        let headers = HeaderBlock::new()
                            .append("Nats-Service-Error", &why)
                            .append("Nats-Service-Error-Code", "500")
                            .encode();
                        encode_hpub(out, reply, None, &headers, b"");
                    }
                }
            }
        }
    }

    fn summary(&self) -> String {
        let replies = counted(self.replies, "reply");
        match self.unanswerable {
            0 => replies,
            count => format!("{replies}, {} without a reply subject", counted(count, "message")),
        }
    }
}

#[cfg(test)]
mod tests;
