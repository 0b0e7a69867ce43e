//! Queries of 512 bytes made to be slow, against messages of 64 KiB made for them.

mod patterns;
mod values;

use floodway_query::{Options, Query, Tags};

use super::{Figure, Pace};

/// The bar, in nanoseconds.
const BAR: f64 = 50_000.0;
const MESSAGE: usize = 64 * 1024;
/// As many values as are seen.
const MOST: usize = Tags::MOST;

/// As many of these conditions, joined by a word, as 512 bytes hold.
fn repeated(condition: impl Fn(usize) -> String, word: &str) -> Result<Query, String> {
    let mut text = condition(0);
    for number in 1.. {
        let longer = format!("{text}{word}{}", condition(number));
        if longer.len() > 512 {
            break;
        }
        text = longer;
    }
    Options::extended().parse(&text).map_err(|error| error.to_string())
}

/// Letters that tell conditions apart.
fn letters(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    format!("{}{}", letter(number / 26), letter(number))
}

pub(super) fn measure(pace: Pace) -> Result<Vec<Figure>, String> {
    let zeros = format!("{}7", "0".repeat(MESSAGE - 1));
    let fraction = format!("7.{}1", "0".repeat(MESSAGE - 3));
    let spread: String = "etaoin shrdlu ".repeat(MESSAGE / 14);
    let same = "a".repeat(MESSAGE);
    // As many tags as queries look at, of 128 bytes; and twenty times as many.
    let keys: Vec<String> = (0..10_240).map(|number| format!("key.{number:04}")).collect();
    let value = "v".repeat(120);
    let all: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), value.as_str())).collect();
    let many = all[..MOST].to_vec();
    let long = |end: &str| format!("a CONTAINS '{}{end}'", "a".repeat(490));
    let pairs = "zq".repeat(MESSAGE / 2);
    let triples = "zqz".repeat(MESSAGE / 3);
    let cases: [(&str, Result<Query, String>, &str); 10] = [
        ("numbers, zeros", repeated(|n| format!("a>={}", n % 8), "AND "), &zeros),
        ("numbers, fraction", repeated(|n| format!("a>{}.{n}", n % 7), "AND "), &fraction),
        ("a CONTAINS", repeated(|_| long("x"), " OR "), &spread),
        ("a CONTAINS, nearly everywhere", repeated(|_| long("b"), " OR "), &same),
        ("CONTAINS", repeated(|n| format!("a CONTAINS'{}'", letters(n)), "OR "), &spread),
        (
            "CONTAINS, nearly everywhere",
            repeated(|n| format!("a CONTAINS'aaa{}'", letters(n + 26)), "OR "),
            &same,
        ),
        // A piece whose rarest bytes are everywhere and which is nowhere.
        ("one CONTAINS, of frequent bytes", repeated(|_| long_of_pairs(), " AND "), &pairs),
        (
            "CONTAINS, of frequent bytes",
            repeated(|n| format!("a CONTAINS'zq{}z'", letters(n + 26)), "OR "),
            &triples,
        ),
        (
            "SAME EVENT, CONTAINS",
            repeated(|n| format!("SAME EVENT(a CONTAINS'zq{}z')", letters(n + 26)), "OR "),
            &triples,
        ),
        // More than this they do not see.
        ("four MATCHES", four(), &spread[..2048]),
    ];
    let cases = cases.map(|(name, query, text)| (name, query, vec![("a", text)]));
    let equalities = repeated(|n| format!("key.{n:04}='v'"), "OR ");
    let exists = repeated(|n| format!("k{} EXISTS", letters(n)), " OR ");
    let of_many = [
        ("512 keys, EXISTS", exists, many.clone()),
        ("512 keys, equalities", equalities.clone(), many),
        // Those that are not seen cost nothing.
        ("10240 keys, equalities", equalities, all),
    ];
    let mut figures = Vec::new();
    for (name, query, pairs) in cases.into_iter().chain(of_many) {
        let events: Vec<Vec<(&str, &str)>> = vec![pairs];
        figures.push(figure(pace, name, query, &events)?);
    }
    for (name, query, values, is_one_event) in values::cases() {
        let named = query.clone();
        let key = named.as_ref().ok().and_then(|query| query.tags().next()).unwrap_or("a");
        let tag = |value| (key, value);
        let tags = values.iter().map(String::as_str).map(tag);
        let events: Vec<Vec<(&str, &str)>> = match is_one_event {
            true => vec![tags.collect()],
            false => tags.map(|tag| vec![tag]).collect(),
        };
        figures.push(figure(pace, &name, query, &events)?);
    }
    figures.push(worst_of(&figures));
    figures.extend(patterns::measure(pace)?);
    Ok(figures)
}

/// The line that says which of all these is the worst.
fn worst_of(figures: &[Figure]) -> Figure {
    let worst = figures.iter().max_by(|a, b| a.median().total_cmp(&b.median()));
    let (what, runs) = worst.map_or(("", &[][..]), |it| (&it.what, &it.runs));
    Figure {
        what: format!("the worst of these, {what}"),
        unit: "ns",
        bar: Some(BAR),
        runs: runs.into(),
    }
}

fn figure(
    pace: Pace,
    name: &str,
    query: Result<Query, String>,
    events: &[Vec<(&str, &str)>],
) -> Result<Figure, String> {
    let query = query.map_err(|why| format!("{name}: {why}"))?;
    let mut tags = Tags::new();
    for event in events {
        event.iter().for_each(|(key, value)| tags.push(*key, *value));
        tags.next_event();
    }
    let mut figure = Figure::new(format!("512 B, 64 KiB: {name}"), "ns", BAR);
    figure.runs = pace.nanos(|| std::hint::black_box(&query).matches(&tags));
    Ok(figure)
}

fn long_of_pairs() -> String {
    format!("a CONTAINS '{}e{}'", "zq".repeat(100), "zq".repeat(20))
}

/// As many patterns as a query may have.
fn four() -> Result<Query, String> {
    let patterns: Vec<String> =
        (0..4).map(|n| format!("a MATCHES '(e|i|o)+ ?(s|t).*{n}x'")).collect();
    patterns.join(" OR ").parse::<Query>().map_err(|error| error.to_string())
}
