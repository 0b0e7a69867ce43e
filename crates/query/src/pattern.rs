//! Regular expressions of `MATCHES`, and comparisons that ignore case.
//!
//! A pattern is compiled to a table of states, completely: then matching is one look-up for each
//! byte, whatever the pattern and the text, and needs no memory. A pattern whose table would be
//! too large is refused. What is left is that a byte takes a nanosecond or three, so a pattern
//! looks at the first [`SEEN_MAX`] bytes of a message's values only.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, Input, MatchKind};

use crate::error::{ParseError, Reason};

/// Bytes of a message's values that a pattern sees: a value that ends later does not match.
pub(crate) const SEEN_MAX: usize = 2 * 1024;
/// Patterns a query may have.
pub(crate) const PATTERNS_MAX: usize = 4;
/// Bytes that all the tables of a query may take.
pub(crate) const TABLES_MAX: usize = 1 << 20;
/// Bytes that may be used to build a table.
const BUILDING_MAX: usize = 4 << 20;
/// The largest automaton that a table is made of.
const AUTOMATON_MAX: usize = 1 << 20;

/// A compiled pattern.
#[derive(Clone)]
pub(crate) struct Pattern {
    /// Shared by the clones of a query: it may be a mebibyte.
    table: Arc<dense::DFA<Vec<u32>>>,
}

impl Pattern {
    /// Compiles a pattern that stands at `place` in `text`; its table may have `room` bytes.
    pub(crate) fn new(
        pattern: &str,
        text: &str,
        place: Range<usize>,
        room: usize,
    ) -> Result<Pattern, ParseError> {
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(room))
            .determinize_size_limit(Some(BUILDING_MAX));
        let built = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(AUTOMATON_MAX)))
            .build(pattern);
        built.map(|table| Pattern { table: Arc::new(table) }).map_err(|error| {
            let reason = match error.is_size_limit_exceeded() {
                true => Reason::PatternTooLarge { limit: TABLES_MAX },
                false => Reason::BadPattern(explain(&error)),
            };
            ParseError::new(text, reason, place)
        })
    }

    /// Whether it matches anywhere in the value.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let config = start::Config::new().anchored(Anchored::No);
        let input = Input::new(value).earliest(true);
        // Neither can fail: there are no quit bytes, and the table has an unanchored start.
        self.table.start_state(&config).is_ok()
            && matches!(self.table.try_search_fwd(&input), Ok(Some(_)))
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        self.table.memory_usage()
    }
}

/// The regular expression that matches one of these strings, in letters of any case.
pub(crate) fn ignoring_case<'t>(
    texts: impl Iterator<Item = &'t str>,
    from_start: bool,
    to_end: bool,
) -> String {
    let texts: Vec<String> = texts.map(regex_syntax::escape).collect();
    let (start, end) = (if from_start { r"\A" } else { "" }, if to_end { r"\z" } else { "" });
    format!("(?i){start}(?:{}){end}", texts.join("|"))
}

/// The innermost reason, in one line.
fn explain(error: &dense::BuildError) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    let text = reason.to_string();
    // The parser of regular expressions draws its own picture of several lines.
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}
