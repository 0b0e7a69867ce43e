use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::rc::Rc;

use clap::{CommandFactory, Parser};
use floodway_wire::nats::ClientOp;
use serde_json::{Value, json};

use super::control::{self, Wish};
use super::granted::Granted;
use super::{Args, Screen};
use crate::cli::client::failure::Failure;
use crate::cli::client::fake::{Fake, INFO, Then};
use crate::cli::client::interrupt::Interrupt;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Typed::parse_from([&["sub"], words].concat()).args
}

/// What a run left behind.
struct Ran {
    outcome: Result<(), Failure>,
    out: String,
    notes: String,
    summary: String,
}

/// Runs `sub` against a server that answers the PING after the SUB with `reply`, then closes.
fn run(words: &[&str], reply: &str) -> Ran {
    let (outcome, screen) = run_into(words, reply, Vec::new(), Vec::new());
    let summary = screen.summary();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { outcome, out: text(screen.out), notes: text(screen.notes), summary }
}

fn run_into<W: Write, N: Write>(
    words: &[&str],
    reply: &str,
    out: W,
    notes: N,
) -> (Result<(), Failure>, Screen<W, N>) {
    let (mut pings, reply) = (0, fix_lengths(reply));
    let fake = Fake::start(INFO, move |op, out| {
        pings += u32::from(*op == ClientOp::Ping);
        if pings < 2 {
            return Then::Continue;
        }
        out.extend_from_slice(reply.as_bytes());
        Then::Close
    });
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB x 1\r\nPING\r\n");
    let args = args(words);
    let mut screen = Screen::new(&args, client.address(), out, notes);
    let outcome = screen.run(&mut client, &Interrupt::never(), args.timeout);
    (outcome, screen)
}

/// Writes the true lengths into the HMSG lines of a script, which are tedious to count by hand.
fn fix_lengths(script: &str) -> String {
    let mut parts = script.split("HMSG x 1 ");
    let mut fixed = parts.next().unwrap().to_owned();
    for part in parts {
        let (_, body) = part.split_once("\r\n").unwrap();
        let header = body.find("\r\n\r\n").unwrap() + 4;
        let total = body.len() - 2;
        fixed.push_str(&format!("HMSG x 1 {header} {total}\r\n{body}"));
    }
    fixed
}

fn failed(why: &str) -> Result<(), Failure> {
    Err(Failure::Failed(why.to_owned()))
}

#[test]
fn it_ends_at_the_count() {
    let three = "PONG\r\nMSG x 1 1\r\na\r\nMSG x 1 1\r\nb\r\nMSG x 1 1\r\nc\r\n";
    let Ran { outcome, out, summary, .. } = run(&["x", "--raw", "--count", "2"], three);
    assert_eq!((outcome, out.as_str(), summary.as_str()), (Ok(()), "a\nb\n", "2 messages"));
}

#[test]
fn the_end_of_the_connection_is_a_failure() {
    let Ran { outcome, out, .. } = run(&["x"], "PONG\r\nMSG x 1 1\r\na\r\n");
    assert_eq!(outcome, failed("connection closed by the server"));
    assert_eq!(out, "#1 [x] a\n");
}

#[test]
fn a_refused_subscription_is_a_failure() {
    let Ran { outcome, .. } = run(&["x"], "-ERR 'Permissions Violation'\r\nPONG\r\n");
    assert_eq!(outcome, failed("the server answered -ERR 'Permissions Violation'"));
}

/// A message, a loss told as a status, two messages of which one replaced others, a loss told as a
/// header, and the end.
const SLOW: &str = "PONG\r\n\
    MSG x 1 1\r\na\r\n\
    HMSG x 1 ?\r\nNATS/1.0 100 Messages Missed\r\nFloodway-Missed: 120\r\n\
    Floodway-Missed-Range: 17-136\r\n\
    Floodway-Missed-Reason: dropped_oldest=100, expired=20\r\n\r\n\r\n\
    HMSG x 1 ?\r\nNATS/1.0\r\nFloodway-Conflated: 3\r\n\r\nb\r\n\
    HMSG x 1 ?\r\nNATS/1.0\r\nFloodway-Missed: 1\r\nFloodway-Missed-Range: 9-9\r\n\r\nc\r\n\
    HMSG x 1 ?\r\nNATS/1.0 409 Subscription Ended\r\nFloodway-Missed: 3\r\n\
    Floodway-End-Code: out_of_capacity\r\nFloodway-End-Reason: too much\r\n\r\n\r\n";

/// Both streams of a program, as one terminal shows them.
#[derive(Clone, Default)]
struct Terminal(Rc<RefCell<Vec<u8>>>);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn losses_and_the_end_are_told_at_their_place() {
    let terminal = Terminal::default();
    let out = BufWriter::new(terminal.clone());
    let (outcome, mut screen) = run_into(&["x.>"], SLOW, out, terminal.clone());
    screen.flush().unwrap();
    let end = "the server ended the subscription to x.>: too much (out_of_capacity)";
    assert_eq!(outcome, failed(end));
    assert_eq!(screen.summary(), "3 messages, 124 missed, 3 conflated");
    let shown = String::from_utf8(terminal.0.take()).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("listening on x.> at "), "{shown}");
    let expected = [
        "#1 [x] a",
        "missed 120 messages here (17-136: dropped_oldest 100, expired 20)",
        "#2 [x] b (+3 conflated)",
        "missed 1 message here (9-9)",
        "#3 [x] c",
        "missed 3 messages here",
    ];
    assert_eq!(lines[1..], expected);
}

#[test]
fn scripts_get_losses_and_ends_as_lines_of_their_own() {
    let Ran { out, notes, .. } = run(&["x", "--json"], SLOW);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{out}");
    assert_eq!((&lines[0]["seq"], lines[0].get("conflated")), (&json!(1), None));
    let missed = json!({
        "Floodway-Missed": ["120"], "Floodway-Missed-Range": ["17-136"],
        "Floodway-Missed-Reason": ["dropped_oldest=100, expired=20"],
    });
    let status =
        json!({"status": 100, "text": "Messages Missed", "subject": "x", "headers": missed});
    assert_eq!(lines[1], status);
    assert_eq!((&lines[2]["seq"], &lines[2]["conflated"]), (&json!(2), &json!(3)));
    assert_eq!((&lines[3]["seq"], &lines[3]["payload"]), (&json!(3), &json!("c")));
    assert_eq!(lines[4]["status"], 409);
    assert_eq!(notes.lines().count(), 4, "{notes}");
}

#[test]
fn the_end_of_one_of_several_ends_only_that() {
    let Ran { outcome, notes, .. } = run(&["x.>", "y"], SLOW);
    assert_eq!(outcome, failed("connection closed by the server"));
    let end = "the server ended the subscription to x.>: too much (out_of_capacity)";
    assert_eq!(notes.lines().last(), Some(end));
}

#[test]
fn notices_are_not_messages() {
    let Ran { outcome, out, summary, .. } = run(&["x", "--raw", "--count", "2"], SLOW);
    assert_eq!((outcome, out.as_str()), (Ok(()), "a\nb\n"));
    assert_eq!(summary, "2 messages, 120 missed, 3 conflated");
}

#[test]
fn other_statuses_are_shown_as_they_are() {
    let beat = "PONG\r\nHMSG x 1 ?\r\nNATS/1.0 100 Idle Heartbeat\r\nA: 1\r\n\r\n\r\n";
    let Ran { out, notes, summary, .. } = run(&["x"], beat);
    assert_eq!((out.as_str(), summary.as_str()), ("", "0 messages"));
    assert_eq!(notes.lines().last(), Some("status 100 Idle Heartbeat (A: 1)"));
}

#[test]
fn nonsense_in_a_notice_counts_nothing() {
    let nonsense = "PONG\r\n\
        HMSG x 1 ?\r\nNATS/1.0\r\nFloodway-Missed: many\r\nFloodway-Conflated: -1\r\n\r\na\r\n\
        HMSG x 1 ?\r\nNATS/1.0\r\nFloodway-Missed: 18446744073709551615\r\n\r\nb\r\n\
        HMSG x 1 ?\r\nNATS/1.0\r\nFloodway-Missed: 2\r\n\r\nc\r\n";
    let Ran { out, summary, .. } = run(&["x", "--raw"], nonsense);
    assert_eq!(out, "a\nb\nc\n");
    assert_eq!(summary, "3 messages, 18446744073709551615 missed");
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
        let mut screen = Screen::new(&args, client.address(), Vec::new(), Vec::new());
        assert_eq!(screen.run(&mut client, &Interrupt::never(), args.timeout), outcome);
    }
}

fn ask(words: &[&str], answer: &'static str) -> (Result<Granted, Failure>, Vec<String>) {
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
    let args = args(words);
    let wish = Wish {
        filter: &args.subjects[0],
        queue: args.queue.as_deref(),
        deliver: "_INBOX.d",
        overflow: &args.overflow,
        query: &args.query,
    };
    let mut client = fake.connect();
    let granted = control::ask(&mut client, &wish, "_INBOX.a");
    drop(client);
    (granted, fake.said())
}

/// The request that `words` make.
fn question(words: &[&str]) -> Value {
    let (granted, said) = ask(words, r#"{"ok": true, "id": "7", "granted": {}}"#);
    assert!(granted.is_ok());
    assert_eq!(said[2], "SUB _INBOX.a control");
    let question = said[3].strip_prefix("PUB $FLOODWAY.API.SUBSCRIBE _INBOX.a [] ").unwrap();
    serde_json::from_str(question).unwrap()
}

#[test]
fn the_control_request_says_what_was_asked_for() {
    let all = "t.> --queue g --overflow conflate --key json:/quote/symbol --fallback drop-newest \
        --limit messages=1_000 --limit bytes=8MiB --limit behind=5s --limit ttl=250ms";
    let words: Vec<&str> = all.split_whitespace().collect();
    let expected = json!({
        "filter": "t.>", "queue": "g", "deliver": "_INBOX.d",
        "overflow":
            {"policy": "conflate", "key": "json:/quote/symbol", "fallback": "drop-newest"},
        "limits": {"messages": 1000, "bytes": 8 << 20, "behind": 5000, "ttl": 250},
        "report": "status",
    });
    assert_eq!(question(&words), expected);
    let few = json!({
        "filter": "t", "deliver": "_INBOX.d", "overflow": {"policy": "drop-oldest"},
        "report": "status",
    });
    assert_eq!(question(&["t", "--overflow", "drop-oldest"]), few);
    let limit = json!({
        "filter": "t", "deliver": "_INBOX.d", "limits": {"ttl": 90_000}, "report": "status",
    });
    assert_eq!(question(&["t", "--limit", "ttl=1m 30s"]), limit);
    let query = json!({
        "filter": "t", "deliver": "_INBOX.d", "query": "a.b > 5", "dialect": "strict",
        "report": "status",
    });
    assert_eq!(question(&["t", "--query", "a.b > 5", "--strict"]), query);
    let both = json!({
        "filter": "t", "queue": "g", "deliver": "_INBOX.d", "query": "NOT a = 'x'",
        "overflow": {"policy": "drop-oldest"}, "report": "status",
    });
    let words = ["t", "--queue", "g", "--query", "NOT a = 'x'", "--overflow", "drop-oldest"];
    assert_eq!(question(&words), both);
}

#[test]
fn what_was_granted_reads_well() {
    let described = |granted| {
        let (granted, _) = ask(&["t", "--overflow", "conflate"], granted);
        granted.unwrap().describe()
    };
    assert_eq!(
        described(
            r#"{"ok": true, "granted": {"filter": "t", "deliver": "_INBOX.d", "queue": null,
            "overflow": {"policy": "conflate", "key": "subject", "fallback": "drop-oldest"},
            "limits": {"messages": 65536, "bytes": 16777216, "behind_ms": null, "ttl_ms": null},
            "report": "status"}}"#
        ),
        "conflate by subject (at more keys: drop-oldest), 65536 messages, 16 MiB"
    );
    assert_eq!(
        described(
            r#"{"ok": true, "granted": {"overflow": {"policy": "drop-newest", "key": null},
            "limits": {"messages": 1, "behind_ms": 5000, "ttl_ms": 90500}}}"#
        ),
        "drop-newest, 1 message, 5s behind, ttl 1m 30s 500ms"
    );
    let plain = r#"{"ok": true, "granted": {"overflow": {"policy": "disconnect"}}}"#;
    assert_eq!(described(plain), "disconnect, no limit of its own");
    let query = r#"{"ok": true, "granted": {"overflow": {"policy": "disconnect"},
        "query": "a = 'b'", "dialect": "extended"}}"#;
    assert_eq!(described(query), "disconnect, no limit of its own; query: a = 'b'");
    let strict = r#"{"ok": true, "granted": {"overflow": {"policy": "drop-oldest"},
        "limits": {"messages": 5}, "query": "a.b > 5", "dialect": "strict"}}"#;
    assert_eq!(described(strict), "drop-oldest, 5 messages; query (strict): a.b > 5");
}

#[test]
fn a_refusal_says_where_and_why() {
    let words = ["t", "--overflow", "disconnect"];
    let error = r#"{"ok": false, "error": {"code": "bad", "message": "no", "at": "limits.bytes"}}"#;
    let refused = |text: &str| Err(Failure::Failed(text.to_owned()));
    let told = ask(&words, error).0.map(|_| ());
    assert_eq!(told, refused("the subscription was refused at limits.bytes: no (bad)"));
    let whole = r#"{"ok": false, "error": {"code": "bad", "message": "no", "at": ""}}"#;
    let told = ask(&words, whole).0.map(|_| ());
    assert_eq!(told, refused("the subscription was refused: no (bad)"));
    let Err(Failure::Failed(why)) = ask(&words, "gibberish").0 else {
        panic!("gibberish was accepted")
    };
    assert!(why.starts_with("cannot read the answer"), "{why}");
}

#[test]
fn other_servers_are_told_apart() {
    let Err(Failure::Failed(why)) = ask(&["t", "--overflow", "conflate"], "").0 else {
        panic!("503 was accepted")
    };
    assert!(why.contains("is no floodway"), "{why}");
}

/// What is said about options that are wrong, and that it is a mistake in what was typed.
fn mistake(words: &[&str]) -> String {
    match Typed::try_parse_from([&["sub", "x"], words].concat()) {
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{words:?}");
            error.to_string()
        }
        Ok(typed) => match typed.args.overflow.check().and_then(|()| typed.args.query.check()) {
            Err(Failure::Usage(why)) => why,
            other => panic!("{words:?} was taken: {other:?}"),
        },
    }
}

#[test]
fn mistakes_are_told_before_connecting() {
    let cases: [(&[&str], &str); 23] = [
        (&["--strict"], "--query <QUERY>"),
        (
            &["--query", "a > 5 AN b < 6"],
            "byte 6): found `AN`, expected AND, OR or the end\n  a > 5 AN b < 6\n        ^^",
        ),
        (&["--query", "a.b = 5 OR a.b = 6", "--strict"], "\n          ^^"),
        (&["--overflow", "drop"], "possible values: disconnect, drop-newest, drop-oldest"),
        (&["--key", "subject"], "--overflow <POLICY>"),
        (&["--overflow", "drop-oldest", "--key", "subject"], "--key goes with --overflow conflate"),
        (&["--overflow", "disconnect", "--fallback", "drop-oldest"], "--fallback goes with"),
        (&["--overflow", "conflate", "--fallback", "conflate"], "[possible values: drop-oldest"),
        (&["--overflow", "conflate", "--key", "symbol"], "write \"subject\", \"header:NAME\" or"),
        (&["--overflow", "conflate", "--key", "json:a"], "no JSON pointer"),
        (&["--limit", "messages"], "written WHAT=VALUE: messages=1000, bytes=8MiB, behind=5s"),
        (&["--limit", "=5"], "there is no limit \"\"; there are messages=1000, bytes=8MiB"),
        (&["--limit", "tll=5s"], "there is no limit \"tll\"; there are messages=1000"),
        (&["--limit", "messages="], "write for example messages=1000"),
        (&["--limit", "messages=many"], "\"many\" is not right; write for example messages=1000"),
        (&["--limit", "messages=-1"], "write for example messages=1000"),
        (&["--limit", "messages=0"], "messages must be more than 0"),
        (&["--limit", "messages=99999999999999999999"], "too large"),
        (&["--limit", "bytes=8 hogsheads"], "`8 hogsheads` is not a size; write"),
        (&["--limit", "behind=5"], "`5` has no unit; write \"5s\""),
        (&["--limit", "ttl=1500us"], "whole milliseconds"),
        (&["--limit", "ttl=2y"], "at most 365 days"),
        (&["--limit", "ttl=1s", "--limit", "ttl=2s"], "--limit ttl is given twice"),
    ];
    for (words, hint) in cases {
        let why = mistake(words);
        assert!(why.contains(hint), "{words:?}: {why}");
    }
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [("1", 1_u64), ("2 KiB", 2048), ("5kB", 5000), ("1gib", 1 << 30)] {
        let words = format!("bytes={text}");
        let question = question(&["t", "--limit", &words]);
        assert_eq!(question["limits"]["bytes"], bytes, "{text}");
    }
}

#[test]
fn help_lists_the_policies_and_what_they_do() {
    let help = Typed::command().render_long_help().to_string();
    for policy in floodway::Policy::NAMES {
        let line = help.lines().find(|line| line.trim_start().starts_with(&format!("- {policy}:")));
        assert!(line.is_some_and(|line| line.len() > policy.len() + 20), "{policy}: {help}");
    }
}
