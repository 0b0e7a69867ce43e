use clap::Parser;
use floodway_wire::nats::ClientOp;
use serde_json::{Value, json};

use super::control::{self, Wish, parse_limit};
use super::{Args, Screen};
use crate::cli::client::failure::Failure;
use crate::cli::client::fake::{Fake, INFO, Then};
use crate::cli::client::interrupt::Interrupt;

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Typed::parse_from([&["sub"], words].concat()).args
}

/// Runs `sub` against a server that answers the PING after the SUB with `reply`, then closes.
fn run(words: &[&str], reply: &'static [u8]) -> (Result<(), Failure>, String, String) {
    let mut pings = 0;
    let fake = Fake::start(INFO, move |op, out| {
        pings += u32::from(*op == ClientOp::Ping);
        if pings < 2 {
            return Then::Continue;
        }
        out.extend_from_slice(reply);
        Then::Close
    });
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB x 1\r\nPING\r\n");
    let args = args(words);
    let mut screen = Screen::new(&args, client.address(), Vec::new());
    let outcome = screen.run(&mut client, &Interrupt::never(), args.timeout);
    let summary = screen.summary();
    (outcome, String::from_utf8(screen.out).unwrap(), summary)
}

fn failed(why: &str) -> Result<(), Failure> {
    Err(Failure::Failed(why.to_owned()))
}

#[test]
fn it_ends_at_the_count() {
    let three = b"PONG\r\nMSG x 1 1\r\na\r\nMSG x 1 1\r\nb\r\nMSG x 1 1\r\nc\r\n";
    let (outcome, out, summary) = run(&["x", "--raw", "--count", "2"], three);
    assert_eq!((outcome, out.as_str(), summary.as_str()), (Ok(()), "a\nb\n", "2 messages"));
}

#[test]
fn the_end_of_the_connection_is_a_failure() {
    let (outcome, out, _) = run(&["x"], b"PONG\r\nMSG x 1 1\r\na\r\n");
    assert_eq!(outcome, failed("connection closed by the server"));
    assert_eq!(out, "#1 [x] a\n");
}

#[test]
fn a_refused_subscription_is_a_failure() {
    let (outcome, ..) = run(&["x"], b"-ERR 'Permissions Violation'\r\nPONG\r\n");
    assert_eq!(outcome, failed("the server answered -ERR 'Permissions Violation'"));
}

#[test]
fn losses_and_ends_are_told_and_no_messages() {
    let end = b"PONG\r\n\
        HMSG x 1 33 34\r\nNATS/1.0\r\nFloodway-Missed: 12\r\n\r\na\r\n\
        HMSG x 1 57 57\r\nNATS/1.0 409\r\nFloodway-Missed: 3\r\nFloodway-End-Reason: x\r\n\r\n\r\n";
    let end: &'static [u8] = fix_lengths(end).leak();
    let (outcome, out, summary) = run(&["x", "--json"], end);
    assert_eq!(outcome, failed("the server ended the subscription: x"));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["seq"], 1);
    let headers = json!({"Floodway-Missed": ["3"], "Floodway-End-Reason": ["x"]});
    let status = json!({"status": 409, "text": "", "subject": "x", "headers": headers});
    assert_eq!(lines[1..], [status]);
    assert_eq!(summary, "1 message, 15 missed");
}

/// Writes the true lengths into the HMSG lines of a script, which are tedious to count by hand.
fn fix_lengths(script: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(script).unwrap();
    let mut parts = text.split("HMSG x 1 ");
    let mut fixed = parts.next().unwrap().to_owned();
    for part in parts {
        let (_, body) = part.split_once("\r\n").unwrap();
        let header = body.find("\r\n\r\n").unwrap() + 4;
        let total = body.len() - 2;
        fixed.push_str(&format!("HMSG x 1 {header} {total}\r\n{body}"));
    }
    fixed.into_bytes()
}

#[test]
fn a_timeout_fails_only_if_messages_were_expected() {
    for (words, outcome) in [
        (&["x", "--timeout", "1ms"][..], Ok(())),
        (&["x", "--timeout", "1ms", "--count", "2"], failed("timed out with 0 of 2 messages")),
    ] {
        let fake = Fake::quiet();
        let mut client = fake.connect();
        let args = args(words);
        let mut screen = Screen::new(&args, client.address(), Vec::new());
        assert_eq!(screen.run(&mut client, &Interrupt::never(), args.timeout), outcome);
    }
}

fn ask(answer: &'static str) -> (Result<String, Failure>, Vec<String>) {
    let fake = Fake::start(INFO, move |op, out| {
        if let ClientOp::Publish(publish) = op {
            let reply = String::from_utf8_lossy(publish.reply.unwrap()).into_owned();
            let line = if answer.is_empty() {
                format!("HMSG {reply} control 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
            } else {
                format!("MSG {reply} control {}\r\n{answer}\r\n", answer.len())
            };
            out.extend_from_slice(line.as_bytes());
        }
        Then::Continue
    });
    let limits =
        ["messages=1_000", "bytes=8MiB", "behind=5s"].map(|text| parse_limit(text).unwrap());
    let wish = Wish {
        filter: "t.>",
        queue: None,
        deliver: "_INBOX.d",
        overflow: Some("disconnect"),
        limits: &limits,
    };
    let mut client = fake.connect();
    let granted = control::ask(&mut client, &wish, "_INBOX.a");
    drop(client);
    (granted, fake.said())
}

#[test]
fn the_control_request_says_what_was_asked_for() {
    let (granted, said) = ask(r#"{"ok": true, "id": "7", "granted": {"limits": 1}}"#);
    assert_eq!(granted, Ok(r#"{"limits":1}"#.to_owned()));
    assert_eq!(said[2], "SUB _INBOX.a control");
    let question = said[3].strip_prefix("PUB $FLOODWAY.API.SUBSCRIBE _INBOX.a [] ").unwrap();
    let expected = json!({
        "filter": "t.>", "deliver": "_INBOX.d", "overflow": {"policy": "disconnect"},
        "limits": {"messages": 1000, "bytes": "8MiB", "behind": "5s"}, "report": "status",
    });
    assert_eq!(serde_json::from_str::<Value>(question).unwrap(), expected);
}

#[test]
fn a_refusal_says_where_and_why() {
    let error = r#"{"ok": false, "error": {"code": "bad", "message": "no", "at": "limits.bytes"}}"#;
    let refused = "the subscription was refused at limits.bytes: no (bad)".to_owned();
    assert_eq!(ask(error).0, Err(Failure::Failed(refused)));
    let Err(Failure::Failed(why)) = ask("gibberish").0 else { panic!("gibberish was accepted") };
    assert!(why.starts_with("cannot read the answer"), "{why}");
}

#[test]
fn other_servers_are_told_apart() {
    let Err(Failure::Failed(why)) = ask("").0 else { panic!("503 was accepted") };
    assert!(why.contains("is no floodway"), "{why}");
}

#[test]
fn limits_are_words_and_values() {
    for bad in ["messages", "=5", "messages=", "messages=many", "messages=-1"] {
        assert!(parse_limit(bad).is_err(), "{bad}");
    }
}
