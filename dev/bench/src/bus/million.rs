//! A million messages to a thousand subscribers, of which one never reads: everybody else gets all
//! of them in order, and publishing takes no longer for it.

use super::audience::{Audience, Seats};
use super::case::Scale;
use super::contenders::OnlyLatest;
use super::drive::runtime;
use super::fan::Fan;
use super::report::{Bar, Head, Outcome, Row, Side, Table};
use crate::watchdog::Watchdog;

const READERS: usize = 1_000;

/// Messages beside the stalled one.
const MESSAGES: u64 = 1_000_000;

/// Messages of a window: many, so that it is about messages and not about wake-ups.
const WINDOW: u64 = 1_000;

/// Windows of a turn.
const WINDOWS: u64 = 5;

/// Turns to one in which all read, which is as long: for the comparison, few of those will do.
const TURNS_TO_ONE_ALONE: u64 = 10;

const TITLE: &str = "a million messages to a thousand, one never reads";

const NOTE: &str = "once, however many repetitions are asked for; 999 tasks checked that they got \
    every message, each once and in order; of every eleven turns one is to a thousand who read";

pub(super) fn measure(scale: Scale, watchdog: &Watchdog) -> Table {
    let heads = vec![
        Head::new("messages"),
        Head::new("ns a delivery"),
        Head::new("p99 of publish").with(Bar::AtMost(2.0)),
        Head::new("p99, ns"),
    ];
    let mut row = Row::new(Side::Ours, "floodway, drop oldest", heads.len());
    row.add(0, run::<OnlyLatest<u64>>(scale, watchdog));
    Table { title: TITLE.to_owned(), note: NOTE, heads, rows: vec![row] }
}

fn run<F: Fan>(scale: Scale, watchdog: &Watchdog) -> Outcome {
    let runtime = runtime()?;
    let messages = scale.messages(MESSAGES);
    let turn = messages.min(WINDOWS * WINDOW);
    let turns = messages / turn;
    let seats = Seats { readers: READERS, stalled: 1, window: WINDOW };
    let mut with = Audience::<F>::open(&runtime, seats, turn * turns)?;
    let seats = Seats { stalled: 0, ..seats };
    let alone = turn * turns.div_ceil(TURNS_TO_ONE_ALONE);
    let mut without = Audience::<F>::open(&runtime, seats, alone)?;
    let mut took = 0.0;
    for number in 0..turns {
        if number.is_multiple_of(TURNS_TO_ONE_ALONE) {
            // It lasts for minutes, but no turn does.
            watchdog.watch(TITLE);
            eprintln!("{TITLE}: {number} of {turns} turns");
            without.publish(turn)?;
        }
        took += with.publish(turn)?.wall.as_nanos() as f64;
    }
    let calls = [without.check(&runtime)?, with.check(&runtime)?];
    let [without, with] = calls.map(|calls| calls.value_at_quantile(0.99) as f64);
    let messages = (turn * turns) as f64;
    Ok(vec![messages, took / messages / (READERS - 1) as f64, with / without, with])
}
