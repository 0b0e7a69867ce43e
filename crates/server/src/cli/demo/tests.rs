use std::time::Duration;

use clap::Parser;
use floodway_wire::nats::{ClientOp, ParseLimits, Progress, parse_client};

use super::cast::Role;
use super::consumer::Seen;
use super::paint::{Paint, bytes, count, latency, wrapped};
use super::plot::{Doing, Plot, Times};
use super::publisher::Schedule;
use super::quote::{self, Quotes};
use super::screen;
use super::sum::Sum;
use super::summary::{Closing, Outcome};
use super::watch::{Frame, Row, Stretch};

const PLAIN: Paint = Paint { is_on: false };

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_schedule_has_its_bursts() {
    let schedule = Schedule { rate: 1000 };
    assert_eq!(schedule.due(Duration::ZERO), 0);
    assert_eq!(schedule.due(seconds(1.0)), 1000);
    // 200 ms at five times the rate.
    assert_eq!(schedule.due(seconds(1.1)), 1500);
    assert_eq!(schedule.due(seconds(1.2)), 2000);
    assert_eq!(schedule.due(seconds(2.0)), 2800);
    assert_eq!(schedule.due(seconds(14.0)), 7 * 2800);
    let bursts = [0.9, 1.05, 1.15, 1.25, 3.1].map(|at| Schedule::is_burst(seconds(at)));
    assert_eq!(bursts, [false, true, true, false, true]);
}

#[test]
fn a_quote_carries_when_it_was_made() {
    let (mut quotes, mut out) = (Quotes::of(2), Vec::new());
    for micros in [0, 1_234_567, 3_600_000_000] {
        out.clear();
        quotes.publish_next(&mut out, micros);
        let Ok(Progress::Op { op: ClientOp::Publish(publish), .. }) =
            parse_client(&out, &ParseLimits::default())
        else {
            panic!("{out:?}")
        };
        assert_eq!(quote::made_at(publish.payload), Some(micros));
        serde_json::from_slice::<serde_json::Value>(publish.payload).unwrap();
        let turn = (quotes.made() - 1) % 2;
        assert_eq!(publish.subject, [b"quotes.AAAA", b"quotes.AAAB"][turn as usize]);
    }
    for not_a_quote in [&b""[..], b"{}", b"{\"at\":\"12", b"{\"at\":\"12345678901234x6\"}"] {
        assert_eq!(quote::made_at(not_a_quote), None);
    }
}

#[test]
fn numbers_keep_to_their_columns() {
    for number in [0, 1, 999, 1000, 9_999_999, 10_000_000, 999_999_999] {
        assert!(count(number).len() <= 9, "{}", count(number));
    }
    assert_eq!((count(9_999_999), count(12_345_678)), ("9,999,999".into(), "12.3M".into()));
    for micros in [0, 999, 1000, 9_999, 10_000, 999_999, 1_000_000, 59_000_000] {
        assert!(latency(micros).len() <= 6, "{}", latency(micros));
    }
    assert_eq!((latency(999), latency(9_999)), ("999 us".into(), "9.9 ms".into()));
    assert_eq!((latency(10_000), latency(1_250_000)), ("10 ms".into(), "1.2 s".into()));
    assert_eq!([0, 1023, 1024, 5 << 20].map(bytes), ["0", "1023 B", "1 KiB", "5.0 MiB"]);
}

#[test]
fn long_text_is_broken_at_spaces() {
    let text = format!("name       {}", "word ".repeat(40).trim());
    let lines = wrapped(&text, 11);
    assert!(widest(&lines) <= 80 && lines.lines().count() == 3, "{lines}");
    assert!(lines.lines().skip(1).all(|line| line.starts_with("           word")), "{lines}");
    assert_eq!(lines.split_whitespace().count(), 41);
    assert_eq!(wrapped("short", 11), "short");
}

fn row(role: Role) -> Row {
    let big = 9_999_999;
    let sum =
        Sum { matched: big, delivered: big, lost: big, conflated: big, expired: 0, queued: big };
    Row { role, sum, rate: 999_999, account: None, latency: Some((999_999, 59_000_000)) }
}

#[test]
fn every_frame_has_the_same_height_and_fits_80_columns() {
    let times = Times::of(Duration::from_secs(3600));
    let doings = [
        Doing::Reads,
        Doing::Sleeps(seconds(1234.5)),
        Doing::Ended,
        Doing::ReadsOn(9_999_999),
        Doing::HasRead(9_999_999),
    ];
    let mut plot = Plot::new(times, 7);
    let reason =
        "slow consumer: too far behind, took nothing for 3.0s (1 messages, 2 bytes queued)";
    plot.end = Some((seconds(6.0), reason.to_owned()));
    for doing in doings {
        let rows = Role::ALL.map(row).into();
        let frame = Frame { at: seconds(3599.9), published: 99_999_999, rate: 999_999, rows };
        let lines = screen::lines(&frame, &plot, doing, PLAIN);
        assert_eq!(lines.len(), 14);
        let text = lines.join("\n");
        assert!(widest(&text) <= 80 && !text.contains('\x1b'), "{text}");
        let coloured = screen::lines(&frame, &plot, doing, Paint { is_on: true });
        assert_eq!(coloured.len(), 14);
    }
    let frame = Frame { at: seconds(9.0), published: 1, rate: 1, rows: Role::ALL.map(row).into() };
    let text = screen::lines(&frame, &plot, Doing::Ended, PLAIN).join("\n");
    assert!(text.contains("ENDED: too far behind, took nothing for 3.0s\n"), "{text}");
}

/// A demo at whose end `sum` is the account of every consumer, and all of them counted the same.
fn closing<'a>(
    plot: &'a Plot,
    stretches: &'a [Stretch; 3],
    seen: &'a Seen,
    sum: Sum,
) -> Outcome<'a> {
    use std::sync::atomic::Ordering;
    seen.quotes.store(sum.delivered, Ordering::Relaxed);
    seen.told_missed.store(sum.lost + sum.expired, Ordering::Relaxed);
    seen.told_conflated.store(sum.conflated, Ordering::Relaxed);
    let result = |role| Closing { role, seen, sum, last: sum };
    Outcome {
        length: seconds(15.0),
        published: sum.matched,
        plot,
        stretches,
        results: Role::ALL.map(result).into(),
    }
}

fn stretches() -> [Stretch; 3] {
    std::array::from_fn(|_| Stretch::new().unwrap())
}

#[test]
fn a_sum_that_does_not_hold_is_a_fault() {
    let mut plot = Plot::new(Times::of(seconds(15.0)), 7);
    plot.end = Some((seconds(6.0), "slow consumer: a long story ".repeat(4)));
    let (stretches, seen) = (stretches(), Seen::new().unwrap());
    let (delivered, lost, conflated) = (90_001, 4_300_000, 5_600_000);
    let good = Sum { matched: 9_990_308, delivered, lost, conflated, expired: 300, queued: 7 };
    assert!(good.holds());
    let outcome = closing(&plot, &stretches, &seen, good);
    assert_eq!(outcome.faults(), [""; 0]);
    let text = outcome.text(PLAIN);
    assert!(widest(&text) <= 80 && !text.contains("WRONG"), "{text}");

    let bad = Sum { matched: good.matched + 1, ..good };
    let outcome = closing(&plot, &stretches, &seen, bad);
    assert!(outcome.faults()[0].contains("the sum of fast does not hold"));
    assert_eq!(outcome.text(PLAIN).matches("WRONG").count(), 4);
}

#[test]
fn readers_that_counted_otherwise_are_a_fault() {
    let plot = Plot::new(Times::of(seconds(15.0)), 7);
    let (stretches, seen) = (stretches(), Seen::new().unwrap());
    let sum = Sum { matched: 10, delivered: 5, lost: 3, conflated: 2, expired: 0, queued: 0 };
    let counters = [&seen.quotes, &seen.told_missed, &seen.told_conflated];
    for (counter, faults) in counters.into_iter().zip([4, 3, 3]) {
        let outcome = closing(&plot, &stretches, &seen, sum);
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(outcome.faults().len(), faults, "{:?}", outcome.faults());
    }
    let mut outcome = closing(&plot, &stretches, &seen, sum);
    outcome.published = 11;
    assert_eq!(outcome.faults().len(), 3, "but for the stalled one: {:?}", outcome.faults());
}

#[test]
fn the_arguments_have_bounds() {
    let parse = |args: &[&str]| {
        crate::cli::Cli::try_parse_from([&["floodway", "demo"], args].concat()).map(|_| ())
    };
    assert!(parse(&[]).is_ok());
    assert!(parse(&["--seconds", "2", "--rate", "100", "--symbols", "1", "--plain"]).is_ok());
    for wrong in [["--seconds", "1"], ["--rate", "99"], ["--symbols", "0"], ["--rate", "x"]] {
        assert_eq!(parse(&wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
}
