//! One query and one message, as in the benchmark of CometBFT, with more conditions.

use floodway_query::{Options, Query, Tags};

use super::{Figure, Pace};

const TEXT: &str = "tm.events.type='NewBlock' AND abci.account.name='Igor' \
    AND abci.owner.name='Ivan' AND tx.gas > 7 AND tx.gas < 9";
const PAIRS: [(&str, &str); 6] = [
    ("tm.events.index", "25"),
    ("tm.events.type", "NewBlock"),
    ("abci.account.name", "Anya"),
    ("abci.account.name", "Igor"),
    ("abci.owner.name", "Ivan"),
    ("tx.gas", "8"),
];

pub(super) fn measure(pace: Pace) -> Result<Vec<Figure>, String> {
    let mut tags = Tags::new();
    PAIRS.iter().for_each(|(key, value)| tags.push(*key, *value));
    let mut figures = Vec::new();
    for (name, options) in [("strict", Options::strict()), ("extended", Options::extended())] {
        let query = options.parse(TEXT).map_err(|error| error.to_string())?;
        if !query.matches(&tags) {
            return Err(format!("{query} does not match"));
        }
        let mut figure = Figure::new(format!("match, five conditions, {name}"), "ns", 60.0);
        figure.runs = pace.nanos(|| std::hint::black_box(&query).matches(&tags));
        figures.push(figure);
        let mut figure = Figure::new(format!("parse, five conditions, {name}"), "ns", 700.0);
        figure.runs = pace.nanos(|| options.parse(std::hint::black_box(TEXT)));
        figures.push(figure);
    }
    let upstream = "tm.events.type='NewBlock' AND abci.account.name='Igor'";
    let query: Query = upstream.parse().map_err(|error| format!("{error}"))?;
    let mut figure = Figure::new("match, upstream's two conditions", "ns", 294.0);
    figure.runs = pace.nanos(|| std::hint::black_box(&query).matches(&tags));
    figures.push(figure);
    let mut figure = Figure::new("parse, upstream's two conditions", "ns", 2167.0);
    figure.runs = pace.nanos(|| std::hint::black_box(upstream).parse::<Query>());
    figures.push(figure);

    // A time in nanoseconds, say, that nobody asks about.
    tags.push("sent_ns", "1763800000123456789");
    let query: Query = TEXT.parse().map_err(|error| format!("{error}"))?;
    let mut figure =
        Figure::new("match, five conditions, beside a number of 19 digits", "ns", None);
    figure.runs = pace.nanos(|| std::hint::black_box(&query).matches(&tags));
    figures.push(figure);

    let mut room = Some(tags);
    let mut figure = Figure::new("making the tags of that message", "ns", None);
    figure.runs = pace.nanos(|| {
        let mut tags = room.take().unwrap_or_default().recycle();
        PAIRS.iter().for_each(|(key, value)| tags.push(*key, *value));
        room = Some(tags);
    });
    figures.push(figure);
    Ok(figures)
}
