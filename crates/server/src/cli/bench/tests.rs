use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use floodway_wire::nats::{ClientOp, Delivered, ServerOp, encode_hmsg, encode_msg};

use super::ledger::Ledger;
use super::plan::{Plan, parse_big_rate, parse_bytes, parse_count};
use super::publisher::Publisher;
use super::report::{Losses, Report, ServerName};
use super::stamp::Stamp;
use super::subscriber::{Subscriber, Tally};
use super::{Args, Live, csv, table};
use crate::cli::client::failure::Failure;
use crate::cli::client::fake::{Fake, INFO, Then};

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: Args,
}

fn plan(words: &str) -> Result<Plan, Failure> {
    let words = ["bench"].into_iter().chain(words.split_whitespace());
    Plan::check(&Typed::parse_from(words).args)
}

#[test]
fn arguments_are_checked_against_each_other() {
    for good in ["", "--size 16", "--size 24 --latency", "--subs 0 --queue q"] {
        assert!(plan(good).is_ok(), "{good}");
    }
    for bad in [
        "--size 15",
        "--size 23 --latency",
        "--pubs 0",
        "--msgs 0",
        "--subjects 0",
        "--batch 0",
        "--timeout 0s",
        "a.*",
        "--pubs 5000 --subs 5001",
        "--queue q --subs 100 --msgs 10G",
    ] {
        assert!(matches!(plan(bad), Err(Failure::Usage(_))), "{bad}");
    }
}

#[test]
fn numbers_have_units() {
    assert_eq!(parse_count("2.5M"), Ok(2_500_000));
    assert_eq!(parse_count("1_000"), Ok(1000));
    assert_eq!(parse_bytes("64KiB"), Ok(65536));
    assert_eq!(parse_bytes("1kB"), Ok(1000));
    assert_eq!(parse_big_rate("50k"), Ok(50_000.0));
    assert_eq!(parse_big_rate("0.5"), Ok(0.5));
    for bad in ["", "k", "-1", "1.5", "inf", "nan", "1T", "1e30"] {
        assert!(parse_count(bad).is_err(), "{bad}");
    }
    assert!(parse_big_rate("0").is_err());
}

#[test]
fn shares_add_up() {
    let plan = plan("--pubs 3 --msgs 10").unwrap();
    assert_eq!([0, 1, 2].map(|index| plan.share(index)), [4, 3, 3]);
}

#[test]
fn a_stamp_survives_the_trip() {
    let stamp = Stamp { run: 1, publisher: 2, seq: u64::MAX, nanos: 4 };
    let mut payload = [0; 24];
    stamp.write(&mut payload);
    assert_eq!(Stamp::read(&payload), Some(stamp));
    let mut short = [0; 16];
    stamp.write(&mut short);
    assert_eq!(Stamp::read(&short), Some(Stamp { nanos: 0, ..stamp }));
    assert_eq!(Stamp::read(&short[..15]), None);
}

/// Distinct, duplicates, out of order.
fn counts(ledger: &Ledger) -> (u64, u64, u64) {
    (ledger.distinct, ledger.duplicates, ledger.out_of_order)
}

#[test]
fn a_ledger_tells_faults_apart() {
    let seqs = [0, 1, 4, 2, 2, 3, 0, 9, 7, 7, 5, 8, 6];
    for mut ledger in [Ledger::whole(2), Ledger::part([10, 10].into_iter())] {
        for seq in seqs {
            assert!(ledger.record(1, seq));
        }
        // 0 to 9 are there; 2, 0 and 7 came twice; 2, 3, 5, 6, 7, 8 came after a later one.
        assert_eq!(counts(&ledger), (10, 3, 6));
        assert!(!ledger.record(2, 0), "there is no third publisher");
    }
    let mut part = Ledger::part([10].into_iter());
    assert!(!part.record(0, 64), "beyond what the publisher sends");
}

#[test]
fn a_group_has_what_its_members_have() {
    let members = [[0, 2, 4], [1, 2, 9]].map(|seqs| {
        let mut ledger = Ledger::part([10].into_iter());
        seqs.into_iter().for_each(|seq| assert!(ledger.record(0, seq)));
        ledger
    });
    assert_eq!(Ledger::union(&members.each_ref()), 5);
}

fn tally(plan: &Plan, seqs: impl IntoIterator<Item = u64>) -> Tally {
    let mut tally = Tally::new(plan).unwrap();
    for seq in seqs {
        tally.ledger.record(0, seq);
    }
    tally
}

#[test]
fn silent_losses_are_told_from_reported_ones() {
    let plan = plan("--msgs 10").unwrap();
    let losses = |reported, end: Option<&str>| {
        let mut tally = tally(&plan, [0, 1, 2, 5]);
        tally.reported = reported;
        tally.end = end.map(str::to_owned);
        Losses::of(&plan, 10, &[tally])
    };
    assert_eq!((losses(0, None).lost, losses(0, None).unreported), (6, 6));
    assert_eq!(losses(2, None).unreported, 4);
    assert_eq!(losses(6, None).unreported, 0);
    assert_eq!(losses(7, None).overcounted, [(0, 7, 6)]);
    assert_eq!(losses(2, Some("out of capacity")).unreported, 0);
}

#[test]
fn a_group_loses_only_what_no_member_has() {
    let plan = plan("--msgs 4 --queue q --subs 2").unwrap();
    let losses = Losses::of(&plan, 4, &[tally(&plan, [0, 1]), tally(&plan, [1, 3])]);
    assert_eq!((losses.lost, losses.unreported, losses.duplicates), (1, 1, 1));
}

/// A server that sends a subscriber the messages of `seqs` and a status before its last PONG.
fn feed(plan: &Plan, seqs: &'static [u64], status: &'static str) -> Fake {
    let (run, mut pings) = (plan.run, 0);
    Fake::start(INFO, move |op, out| {
        pings += u32::from(*op == ClientOp::Ping);
        // The first two PINGs are of connecting and subscribing.
        if *op == ClientOp::Ping && pings == 3 {
            for &seq in seqs {
                let mut payload = [0; 24];
                Stamp { run, publisher: 0, seq, nanos: 0 }.write(&mut payload);
                encode_msg(out, b"a", b"1", None, &payload);
            }
            if !status.is_empty() {
                encode_hmsg(out, b"a", b"1", None, status.as_bytes(), b"");
            }
        }
        Then::Continue
    })
}

fn receive(seqs: &'static [u64], status: &'static str) -> Report {
    let plan = plan("a --msgs 5 --size 24 --latency").unwrap();
    let fake = feed(&plan, seqs, status);
    let subscriber = Subscriber::new(fake.connect(), &plan).unwrap();
    let server = ServerName::of(&Fake::quiet().connect());
    let live = Live::new(&plan);
    live.working.store(0, Ordering::Release);
    live.published.store(5, Ordering::Release);
    let published =
        super::publisher::Published { messages: 5, elapsed: Duration::from_millis(1), error: None };
    Report::of_publish(&plan, server, vec![published], vec![subscriber.run(&live)])
}

#[test]
fn a_complete_run_is_fine() {
    let report = receive(&[0, 1, 2, 3, 4], "");
    assert_eq!(report.verdict(), None);
    let latency = report.latency_us.as_ref().unwrap();
    assert_eq!(latency.count, 5);
    assert!(latency.min > 0.0 && latency.p50 <= latency.max, "{latency:?}");
    let text = table::text(&report);
    assert!(text.contains("lost 0, out of order 0, duplicates 0"), "{text}");
}

#[test]
fn a_lossy_run_fails_unless_the_server_said_so() {
    let silent = receive(&[0, 1, 3, 4], "");
    assert_eq!(
        silent.verdict().as_deref(),
        Some("messages lost and not reported by the server: 1")
    );
    assert!(table::text(&silent).contains("lost 1 (NOT reported)"));
    let status = "NATS/1.0 100 x\r\nFloodway-Missed: 1\r\n\r\n";
    let told = receive(&[0, 1, 3, 4], status);
    assert_eq!(told.verdict(), None);
    assert!(table::text(&told).contains("lost 1 (all reported by the server)"));
}

#[test]
fn duplicates_and_disorder_fail() {
    let report = receive(&[0, 2, 1, 2, 3, 4], "");
    let verdict = report.verdict().unwrap();
    assert_eq!(verdict, "messages that came twice: 1; messages out of order: 1");
}

#[test]
fn an_end_with_a_reason_accounts_for_the_rest() {
    let plan = plan("--msgs 5").unwrap();
    let mut tally = Tally::new(&plan).unwrap();
    let headers = b"NATS/1.0 409 Too Slow\r\nFloodway-End-Reason: behind\r\n\r\n";
    let op = ServerOp::Message(Delivered {
        subject: b"a",
        sid: b"1",
        reply: None,
        headers,
        payload: b"",
    });
    let _continue = tally.handle(&Live::new(&plan), &op);
    assert_eq!(tally.end.as_deref(), Some("status 409 Too Slow (Floodway-End-Reason: behind)"));
    assert_eq!((tally.messages, tally.foreign), (0, 0));
}

#[test]
fn a_publisher_sends_its_share_in_order_and_over_all_subjects() {
    let mut plan = plan("a --pubs 2 --msgs 7 --subjects 3 --size 16 --batch 1").unwrap();
    // The fake records text, in which random bytes would change their length.
    plan.run = u32::from_le_bytes(*b"runs");
    let fake = Fake::quiet();
    let publisher = Publisher::new(fake.connect(), &plan, 0);
    let live = Live::new(&plan);
    let published = publisher.run(&live);
    assert_eq!((published.messages, published.error), (4, None));
    assert_eq!(live.published.load(Ordering::Acquire), 4);
    assert_eq!(live.working.load(Ordering::Acquire), 1, "the other publisher has not run");
    let said = fake.said();
    let subjects: Vec<&str> =
        said[2..].iter().map(|line| line.split(' ').nth(1).unwrap_or("")).collect();
    assert_eq!(subjects, ["a.0", "a.1", "a.2", "a.0", ""], "four messages and a PING");
    let seq_of_second = said[3].split_once("[] ").unwrap().1.as_bytes()[8];
    assert_eq!(seq_of_second, 1);
}

#[test]
fn csv_lines_match_their_heading() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let report = receive(&[0, 1, 2, 3, 4], "");
    report.append_csv(file.path()).unwrap();
    report.append_csv(file.path()).unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "one heading, two runs");
    assert!(lines[0].starts_with("unix_time,server,"));
    let columns = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == columns), "{text}");
    assert_eq!(csv::field("a,\"b\""), "\"a,\"\"b\"\"\"");
}
