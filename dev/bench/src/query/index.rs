//! Many queries, of which a message meets one.

use floodway_query::{Index, Query, Tags};

use super::{Figure, Pace, heap};

fn text(number: usize) -> String {
    format!("account = 'v{number}' AND kind = 'w{}'", number % 7)
}

pub(super) fn measure(pace: Pace) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for (queries, bar) in [(10, None), (10_000, Some(1_000.0)), (1_000_000, Some(3_000.0))] {
        if pace.quick && queries > 10_000 {
            continue;
        }
        let before = heap::resident();
        let mut index = Index::new();
        for number in 0..queries {
            let query: Query = text(number).parse().map_err(|error| format!("{error}"))?;
            index.insert(number, query);
        }
        let bytes = heap::resident().saturating_sub(before) as f64 / queries as f64;

        // Messages all over the index, so that nothing is in the cache because it was just there.
        let wanted: Vec<usize> = (0..1024).map(|number| number * 7919 % queries).collect();
        let messages: Vec<(String, String)> =
            wanted.iter().map(|at| (format!("v{at}"), format!("w{}", at % 7))).collect();
        let (mut at, mut evaluated, mut asked) = (0, 0, 0);
        let mut room = Some(Tags::new());
        let mut wrong = None;
        let mut figure = Figure::new(format!("index of {queries} queries, a message"), "ns", bar);
        figure.runs = pace.nanos(|| {
            let (account, kind) = &messages[at];
            let mut tags = room.take().unwrap_or_default().recycle();
            tags.push("account", account);
            tags.push("kind", kind);
            tags.push("price", "17.05");
            let mut found = None;
            evaluated += index.matching(&tags, |key| found = Some(*key));
            asked += 1;
            if found != Some(wanted[at]) {
                wrong = Some(format!("{account}, {kind} is {found:?}"));
            }
            at = (at + 1) % messages.len();
            room = Some(tags.recycle());
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        figures.push(figure);
        let mut figure = Figure::new(format!("index of {queries} queries, evaluations"), "", 2.0);
        figure.runs = vec![evaluated as f64 / f64::from(asked)];
        figures.push(figure);
        // Of few, the memory that other figures left behind is a good part.
        if queries > 10_000 {
            let what = format!("index of {queries} queries, memory of each");
            let mut figure = Figure::new(what, "B", 300.0);
            figure.runs = vec![bytes];
            figures.push(figure);
        }
    }
    Ok(figures)
}
