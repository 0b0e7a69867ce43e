use clap::Parser;
use floodway_wire::nats::ClientOp;

use super::{Args, ask};
use crate::cli::client::failure::Failure;
use crate::cli::client::fake::{Fake, INFO, Then};

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: Args,
}

/// Runs `request` against a server that sends `reply` (with `INBOX` replaced) for the request.
fn run(words: &[&str], reply: &'static str) -> (Result<(), Failure>, String, Vec<String>) {
    let fake = Fake::start(INFO, move |op, out| {
        if let ClientOp::Publish(publish) = op {
            let inbox = String::from_utf8_lossy(publish.reply.unwrap()).into_owned();
            out.extend_from_slice(reply.replace("INBOX", &inbox).as_bytes());
        }
        Then::Continue
    });
    let mut out = Vec::new();
    let args = Typed::parse_from([&["request"], words].concat()).args;
    let outcome = ask(&args, &mut fake.connect(), &mut out);
    (outcome, String::from_utf8(out).unwrap(), fake.said())
}

fn failed(why: &str) -> Result<(), Failure> {
    Err(Failure::Failed(why.to_owned()))
}

#[test]
fn the_reply_is_printed() {
    let (outcome, out, said) = run(&["a", "hi", "-H", "k:v"], "MSG INBOX 1 2\r\nyo\r\n");
    assert_eq!((outcome, out.as_str()), (Ok(()), "yo\n"));
    let inbox = said[2].strip_prefix("SUB ").unwrap().strip_suffix(" 1").unwrap();
    assert_eq!(said[3], format!("PUB a {inbox} [NATS/1.0|k: v||] hi"));
}

#[test]
fn nobody_there_is_a_failure() {
    let nobody = "HMSG INBOX 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    assert_eq!(run(&["a"], nobody).0, failed("no responders"));
}

#[test]
fn an_error_is_a_failure() {
    assert_eq!(run(&["a"], "-ERR 'x'\r\n").0, failed("the server answered -ERR 'x'"));
}

#[test]
fn it_waits_for_as_many_replies_as_asked() {
    let two = "MSG INBOX 1 1\r\n1\r\nMSG INBOX 1 1\r\n2\r\n";
    let short = ["a", "--timeout", "50ms", "--replies"];
    let replies = |count| run(&[&short[..], &[count]].concat(), two);
    assert_eq!(replies("2").0, Ok(()));
    assert_eq!(replies("3").0, failed("2 of 3 replies within 50ms"));
    let (outcome, out, _) = replies("0");
    assert_eq!((outcome, out.as_str()), (Ok(()), "1\n2\n"));
    assert_eq!(replies("1").1, "1\n");
    assert_eq!(run(&["a", "--timeout", "50ms"], "").0, failed("no reply within 50ms"));
}
