//! Many queries and tags from a file, and one answer a line.

use std::io::{BufRead, Write};

use floodway_query::Options;
use serde::Deserialize;

use super::super::client::failure::{Failure, note};
use super::tags_json::TagsJson;

/// A line of the file. Other members are the author's business.
#[derive(Deserialize)]
struct Case {
    query: String,
    #[serde(default)]
    events: TagsJson,
    /// The answer it should have.
    expect: Option<String>,
}

/// The word for an answer.
pub(super) fn answer(yes: bool) -> &'static str {
    if yes { "match" } else { "no_match" }
}

/// Answers every line; true unless one has another answer than it expects.
pub(super) fn run(
    options: &Options,
    lines: impl BufRead,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let mut unexpected = 0;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.map_err(|error| Failure::usage(format!("line {number}: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Case =
            serde_json::from_str(&line).map_err(|error| Failure::usage(broken(number, &error)))?;
        let answer = match options.parse(&case.query) {
            Ok(query) => answer(query.matches(&case.events.tags())),
            Err(_) => "syntax_error",
        };
        writeln!(out, "{answer}").map_err(|error| Failure::output(&error))?;
        if let Some(expect) = case.expect.filter(|expect| expect != answer) {
            unexpected += 1;
            note(&format!("line {number}: {answer}, expected {expect}: {}", case.query));
        }
    }
    Ok(unexpected == 0)
}

/// Where a line is not what it should be. The reader saw one line, so all it knows is the column.
fn broken(line: usize, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("line {line}, column {}: {what}", error.column())
}
