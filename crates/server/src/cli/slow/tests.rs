use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use super::fetch::Site;
use super::page::Page;
use super::screen::Screen;
use super::{Args, follow, show, table};
use crate::cli::Cli;
use crate::cli::client::failure::Failure;
use crate::cli::client::interrupt::Interrupt;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn row(name: Option<&str>, state: &str) -> Value {
    json!({
        "cid": 7, "ip": "127.0.0.1", "port": 50001, "name": name, "sid": "9",
        "subject": "quotes.EURUSD", "policy": "drop-oldest", "state": state,
        "since": "2026-01-31T09:30:00.000Z", "duration_ms": 192_000, "behind_ms": 1_540,
        "behind_ms_max": 30_000, "queued": 65_536, "lost": 1_234_567, "conflated": 12, "expired": 0,
    })
}

fn page(slow: &[Value], lately: &[Value], counts: [u64; 2]) -> Value {
    json!({
        "server_id": "NX", "now": "2026-01-31T09:33:12.123Z", "limit": 20,
        "counts": {"slow": counts[0], "lately": counts[1], "episodes": 40},
        "slow": slow, "lately": lately,
    })
}

fn site() -> Site {
    Site::parse("http://127.0.0.1:8222").unwrap()
}

fn text(page: &Value, limit: usize) -> String {
    table::text(&Page::parse(&site(), &page.to_string()).unwrap(), &site(), limit)
}

#[test]
fn the_table_shows_the_worst_first_and_what_became_of_the_messages() {
    let page = page(&[row(Some("risk"), "slow")], &[row(None, "recovered")], [1, 1]);
    let expected = "\
http://127.0.0.1:8222, 09:33:12 UTC: 1 slow now, 1 lately, 40 since the start
WHO          SUBSCRIPTION   POLICY   SINCE BEHIND QUEUED  LOST CONFL   EXP STATE
risk         9 quotes.EURU~ drop-old    3m   1.5s  65.5k  1.2M    12     0 slow
127.0.0.1:5~ 9 quotes.EURU~ drop-old    3m    30s  65.5k  1.2M    12     0 ok
";
    assert_eq!(text(&page, 20), expected);
}

#[test]
fn it_fits_80_columns_whatever_is_in_it() {
    let states = ["slow", "recovered", "unsubscribed", "ended", "something new"];
    let mut rows: Vec<_> = states.map(|state| row(Some("a name of many words"), state)).into();
    for number in [0, 9_999, 10_000, 999_999, 99_999_999, 123_456_789_012, u64::MAX] {
        let mut one = row(None, "slow");
        one["ip"] = json!("fe80::1234:5678:9abc:def0");
        one["policy"] = json!("something-longer");
        for name in ["duration_ms", "behind_ms", "queued", "lost", "conflated", "expired"] {
            one[name] = json!(number);
        }
        rows.push(one);
    }
    let text = text(&page(&rows, &[], [u64::MAX / 2, 1]), 100);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    // Each row has the state in the same column, so no cell was too wide for its place.
    for line in text.lines().filter(|line| line.contains("quotes")) {
        assert_eq!(line.chars().nth(74), Some(' '), "{line}");
        assert!(line.chars().nth(75).is_some_and(|sign| sign != ' '), "{line}");
    }
}

#[test]
fn what_a_client_chose_cannot_steer_the_terminal() {
    let mut one = row(Some("\x1b[2Jx\n\u{9b}1m"), "slow");
    one["subject"] = json!("a\rb");
    let text = text(&page(&[one], &[], [1, 0]), 20);
    assert!(text.contains("?[2Jx??1m") && text.contains("9 a?b"), "{text:?}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn what_does_not_fit_the_limit_is_counted() {
    let rows: Vec<_> = (0..3).map(|_| row(None, "slow")).collect();
    let text = text(&page(&rows, &rows, [1000, 3]), 4);
    assert_eq!(text.lines().count(), 2 + 4 + 1);
    assert!(text.ends_with("and 999 more rows (see --limit)\n"), "{text}");
}

#[test]
fn nobody_slow_is_said_in_words() {
    let text = text(&page(&[], &[], [0, 0]), 20);
    assert!(text.ends_with("40 since the start\nNo subscription is slow.\n"), "{text}");
}

#[test]
fn on_a_terminal_a_table_takes_the_place_of_the_one_before() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, true);
    screen.show("a\nb\nc\n").unwrap();
    screen.show("d\n").unwrap();
    drop(screen);
    let expected = "\x1b[?25l\x1b[2Ka\n\x1b[2Kb\n\x1b[2Kc\n\x1b[J\
        \x1b[?25l\x1b[3A\r\x1b[2Kd\n\x1b[J\x1b[?25h";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn elsewhere_tables_follow_each_other() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false);
    screen.show("a\nb\n").unwrap();
    screen.show("c\n").unwrap();
    drop(screen);
    assert_eq!(String::from_utf8(out).unwrap(), "a\nb\n\nc\n");
}

#[test]
fn addresses_are_checked() {
    let shown = |text: &str| Site::parse(text).map(|site| site.to_string());
    assert_eq!(shown("http://10.0.0.7:1/"), Ok("http://10.0.0.7:1".into()));
    assert_eq!(shown("example.org"), Ok("http://example.org:8222".into()));
    assert_eq!(shown("http://[::1]:90"), Ok("http://[::1]:90".into()));
    assert_eq!(shown("[::1]"), Ok("http://[::1]:8222".into()));
    for wrong in ["https://a", "http://", "http://a:0", "a:70000", "http://a/slowz", "a b", "u@h"] {
        assert!(matches!(shown(wrong), Err(Failure::Usage(_))), "{wrong}");
    }
}

/// Answers one request with `answer`.
fn server(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        assert!(request.starts_with(b"GET /slowz?limit="), "{request:?}");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    addr
}

fn outcome(addr: SocketAddr) -> Result<(), Failure> {
    let url = format!("http://{addr}");
    show(&Line::parse_from(["slow", "--once", "--http", &url]).args)
}

#[test]
fn failures_say_what_to_do() {
    let failed = |answer: &str| match outcome(server(answer.to_owned())) {
        Err(Failure::Failed(text)) => text,
        other => panic!("{other:?}"),
    };
    let foreign = "has no status pages of a floodway server";
    let missing = failed("HTTP/1.1 404 Not Found\r\n\r\n404 page not found");
    assert!(missing.contains(foreign) && missing.contains("is 404"), "{missing}");
    assert!(failed("HTTP/1.1 200 OK\r\n\r\n<html>").contains(foreign));
    assert!(failed("HTTP/1.1 200 OK\r\n\r\n{\"slow\": 1}").contains(foreign));
    assert!(failed("INFO {}\r\n").contains("does not speak HTTP"));
    let error = json!({"error": {"parameter": "limit", "problem": "too many", "expected": "less"}});
    let refused = failed(&format!("HTTP/1.1 400 Bad Request\r\n\r\n{error}"));
    assert!(refused.contains("limit: too many; expected less"), "{refused}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Err(Failure::Failed(refused)) = outcome(nobody) else { panic!() };
    assert!(refused.contains(&format!("floodway serve --http {nobody}")), "{refused}");
}

#[test]
fn a_page_is_shown() {
    let body = page(&[row(None, "slow")], &[], [1, 0]);
    assert_eq!(outcome(server(format!("HTTP/1.0 200 OK\r\nX: y\r\n\r\n{body}"))), Ok(()));
}

/// A terminal that goes away after so many tables.
struct Terminal {
    seen: String,
    tables: usize,
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.tables == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.tables -= 1;
        self.seen.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_server_that_is_away_for_a_while_does_not_end_the_view() {
    let mut terminal = Terminal { seen: String::new(), tables: 3 };
    let looks = Cell::new(0);
    let look = || {
        looks.set(looks.get() + 1);
        if looks.get() == 1 { Err(site().foreign("away")) } else { Ok("back\n".to_owned()) }
    };
    let never = Interrupt::never();
    let mut screen = Screen::new(&mut terminal, true);
    let outcome = follow("first\n".into(), look, Duration::ZERO, &never, &mut screen);
    assert_eq!(outcome, Err(Failure::OutputClosed));
    drop(screen);
    let seen = terminal.seen;
    let place = |text: &str| seen.find(text).unwrap_or_else(|| panic!("no {text} in {seen:?}"));
    assert!(place("first") < place("away") && place("trying again") < place("back"));
}

#[test]
fn the_command_is_there_with_help() {
    let cli = Cli::command();
    let slow = cli.find_subcommand("slow").expect("the command");
    assert!(slow.get_about().is_some() && slow.get_after_help().is_some());
    let parse = |args: &[&str]| Line::try_parse_from([&["slow"], args].concat());
    assert!(parse(&["--interval", "100ms", "--limit", "10000", "--plain"]).is_ok());
    for wrong in
        [["--interval", "99ms"], ["--limit", "0"], ["--limit", "10001"], ["--json", "--once"]]
    {
        assert_eq!(parse(&wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
}
