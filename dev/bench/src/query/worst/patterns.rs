//! Patterns made to be compiled slowly, as often as they fit a query.

use floodway_query::{Options, Query};

use super::{Figure, Pace};

/// The bar for reading a query, in nanoseconds.
const BAR: f64 = 1_000_000.0;

pub(super) fn measure(pace: Pace) -> Result<Vec<Figure>, String> {
    let cases = [
        ("a \\d+ for every third byte", r"\d+".repeat(160)),
        ("two classes that overlap", r"\w{0,40}x\w{0,40}y".to_owned()),
        ("twice exponential", "[ab]{0,60}a[ab]{8}".to_owned()),
        ("as many [^a] as fit", "[^a]".repeat(120)),
        ("sixty gaps", r"(.*\w){60}".to_owned()),
        ("all letters", r"\pL\pL".to_owned()),
        ("all characters, any case", format!("(?i){}", "[ -\u{10FFFF}]".repeat(70))),
        ("many of many", "a{99}".repeat(95)),
    ];
    let mut figures = Vec::new();
    for (name, pattern) in cases {
        let text = format!("a MATCHES '{pattern}'");
        let options = Options::extended();
        let read = |text: &str| options.parse(text).map(|query: Query| query.held_bytes());
        let verdict = if read(&text).is_ok() { "accepted" } else { "refused" };
        let mut figure = Figure::new(format!("parse, {name} ({verdict})"), "ns", BAR);
        figure.runs = pace.nanos(|| read(std::hint::black_box(&text)));
        figures.push(figure);
    }
    Ok(figures)
}
