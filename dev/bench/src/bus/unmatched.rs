//! Publishing to a subject that nobody matches, with many other subscriptions: what a bus costs
//! those whom nobody listens to.

use std::hint::black_box;
use std::time::Instant;

use floodway::{Bus, BusConfig, Filter, SubscribeOptions, Subscription};

use super::case::Scale;
use super::report::{Bar, Head, Outcome, Row, Side, Table};

/// Messages of one run.
const MESSAGES: u64 = 1_000_000;

/// Messages are about so many subjects, in turn.
const SUBJECTS: usize = 64;

const NOTE: &str = "of a bus of u64, all others subscribed to subjects of their own; what is new \
    is looked up in the index, the others are remembered; peers have no subjects";

/// What the others subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filters {
    Literal,
    /// One of eight has a wildcard.
    WithWildcards,
}

pub(super) fn measure(scale: Scale) -> Vec<Table> {
    let title = |filters| format!("nobody matches, other filters {filters}, ns a publish");
    vec![
        table(title("literal"), Filters::Literal, scale),
        table(title("with wildcards among them"), Filters::WithWildcards, scale),
    ]
}

fn table(title: String, filters: Filters, scale: Scale) -> Table {
    let counts: &[usize] = if scale.divisor > 1 { &[10, 10_000] } else { &[10, 10_000, 1_000_000] };
    let head = |count: &usize| Head::new(format!("{count} others, ns")).with(Bar::AtMost(150.0));
    let mut heads: Vec<Head> = counts.iter().map(head).collect();
    heads.push(Head::new("most to least").with(Bar::AtMost(1.5)));
    let columns = heads.len();
    let mut rows = vec![
        Row::new(Side::Ours, "one subject", columns),
        Row::new(Side::Ours, "64 subjects in turn", columns),
        Row::new(Side::Variant, "a new subject each time", columns),
    ];
    for (column, count) in counts.iter().enumerate() {
        eprintln!("{title}: {count} others");
        match Others::subscribe(*count, filters) {
            Ok(others) => others.measure(column, &mut rows, scale),
            Err(why) => rows.iter_mut().for_each(|row| row.add(column, Err(why.clone()))),
        }
    }
    for row in &mut rows {
        // Of each repetition by itself.
        for run in 0..scale.runs as usize {
            let figures = row.figures[..counts.len()].iter().filter_map(|runs| runs.get(run));
            let most = figures.clone().copied().fold(0.0, f64::max);
            let least = figures.copied().fold(f64::INFINITY, f64::min);
            row.add(counts.len(), Ok(vec![most / least]));
        }
    }
    Table { title, note: NOTE, heads, rows }
}

/// A bus with subscriptions of which none matches.
struct Others {
    bus: Bus<u64>,
    _subscriptions: Vec<Subscription<u64>>,
}

impl Others {
    fn subscribe(count: usize, filters: Filters) -> Result<Self, String> {
        let bus = Bus::typed(&BusConfig::default());
        let subscribe = |number| {
            let filter = match (filters, number % 8) {
                (Filters::WithWildcards, 1) => format!("accounts.{number}.*"),
                (Filters::WithWildcards, 3) => format!("accounts.*.orders.{number}"),
                (Filters::WithWildcards, 5) if number < 1000 => format!("*.{number}.orders"),
                (Filters::WithWildcards, 7) => format!("accounts.{number}.>"),
                _ => format!("accounts.{number}.orders"),
            };
            let filter = Filter::new(&filter).map_err(|error| error.to_string())?;
            bus.subscribe(&filter, SubscribeOptions::default()).map_err(|error| error.to_string())
        };
        let subscriptions = (0..count).map(subscribe).collect::<Result<_, String>>()?;
        Ok(Self { bus, _subscriptions: subscriptions })
    }

    fn measure(&self, column: usize, rows: &mut [Row], scale: Scale) {
        let some = |count: usize| -> Vec<String> {
            (0..count).map(|number| format!("accounts.none{number}.orders")).collect()
        };
        let messages = scale.messages(MESSAGES);
        for run in 0..scale.runs {
            rows[0].add(column, self.publish(&some(1), messages));
            rows[1].add(column, self.publish(&some(SUBJECTS), messages));
            let new = (0..messages / 10).map(|number| format!("accounts.new{run}-{number}.orders"));
            let new: Vec<String> = new.collect();
            rows[2].add(column, self.publish(&new, new.len() as u64));
        }
    }

    /// Nanoseconds of a publish, on each of the subjects in turn.
    fn publish(&self, subjects: &[String], messages: u64) -> Outcome {
        let started = Instant::now();
        let mut matched = 0;
        for (number, subject) in (0..messages).zip(subjects.iter().cycle()) {
            let report = self.bus.publish(black_box(subject), number);
            matched += report.map_err(|error| error.to_string())?.matched;
        }
        let nanos = started.elapsed().as_nanos() as f64 / messages as f64;
        if matched == 0 { Ok(vec![nanos]) } else { Err(format!("{matched} messages matched")) }
    }
}
