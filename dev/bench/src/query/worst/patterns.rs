//! Patterns made to be compiled slowly, as often as they fit a query; and some that are usual.

use floodway_query::{Options, Query};

use super::{Figure, Pace};

/// The bar for reading a query, in nanoseconds.
const BAR: f64 = 5_000_000.0;

pub(super) fn measure(pace: Pace) -> Result<Vec<Figure>, String> {
    let letters: String = ('a'..='z').map(|letter| format!("{letter}|")).collect();
    let cases = [
        ("a date", r"\d{4}-\d{2}-\d{2}".to_owned()),
        ("words, any case", "(?i)warn|error|fatal".to_owned()),
        ("an address", r"^user-[^@]{1,64}@.*\.example\.(com|org)$".to_owned()),
        ("a short gap", "error.{0,10}timeout".to_owned()),
        ("a long gap", "error.{0,20}timeout".to_owned()),
        ("a letter", r"\pL+".to_owned()),
        ("a \\d+ for every third byte", r"\d+".repeat(160)),
        ("two classes that overlap", r"\w{0,40}x\w{0,40}y".to_owned()),
        ("one class that overlaps", r"[\w-]{0,120}a".to_owned()),
        ("twice exponential", "[ab]{0,60}a[ab]{8}".to_owned()),
        ("as many [^a] as fit", "[^a]".repeat(120)),
        ("many gaps", r"(.*\w){60}".to_owned()),
        ("many optional letters", "(a?){200}z".to_owned()),
        ("many optional ranges", "([ -~]{0,9}[!-~]?){15}".to_owned()),
        ("many optional classes that overlap", "([a-m]?[h-z]?){60}0".to_owned()),
        ("many alternatives", format!("({letters}){{14}}z")),
        ("many lines", r"(?mR)(^.*$\n?){40}".to_owned()),
        ("all letters", r"\pL\pL".to_owned()),
        ("all letters, any case", r"(?i)\pL\pL".to_owned()),
        ("all characters, any case", format!("(?i){}", "[ -\u{10FFFF}]".repeat(70))),
        ("many of many", "a{99}".repeat(95)),
    ];
    let mut figures = Vec::new();
    let alone = cases.map(|(name, pattern)| (name, format!("a MATCHES '{pattern}'")));
    let four = ["[ab]{0,60}a[ab]{5}"; 4].map(|pattern| format!("a MATCHES '{pattern}'"));
    for (name, text) in alone.into_iter().chain([("four patterns", four.join(" OR "))]) {
        let options = Options::extended();
        let read = |text: &str| options.parse(text).map(|query: Query| query.held_bytes());
        let verdict = if read(&text).is_ok() { "accepted" } else { "refused" };
        let mut figure = Figure::new(format!("parse, {name} ({verdict})"), "ns", BAR);
        figure.runs = pace.nanos(|| read(std::hint::black_box(&text)));
        figures.push(figure);
    }
    Ok(figures)
}
