//! Regular expressions of `MATCHES`, and comparisons that ignore case.
//!
//! A pattern is compiled to a table of states, completely: then matching is one look-up for each
//! byte, whatever the pattern and the text, and needs no memory. A pattern whose table would take
//! too long to make is refused. What is left is that a byte takes a nanosecond or three, so a
//! pattern looks at the first [`SEEN_MAX`] bytes of a message's values only.

mod reading;

use std::ops::Range;
use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use crate::error::{ParseError, Reason};
use reading::Unread;

/// Bytes of a message's values that a pattern sees: a value that ends later does not match.
pub(crate) const SEEN_MAX: usize = 2 * 1024;
/// Patterns a query may have.
pub(crate) const PATTERNS_MAX: usize = 4;
/// What making the tables of a query may take, in bytes of sets of places in an automaton, times
/// the classes of bytes for each of which a set is followed. Such a byte takes a dozen nanoseconds
/// at most, mostly one: 384 Ki * 13 ns = 5 ms.
///
/// It bounds the tables too. A set has 45 bytes at least, and its row less than two words of four
/// bytes for each class, so they take less than 384 KiB / 45 * 8 = 69 KiB.
pub(crate) const WORK_MAX: usize = 384 * 1024;
/// The largest automaton that a table is made of, in bytes.
const AUTOMATON_MAX: usize = 24 * 1024;

/// A compiled pattern.
#[derive(Clone)]
pub(crate) struct Pattern {
    /// Shared by the clones of a query.
    table: Arc<dense::DFA<Vec<u32>>>,
    /// The state before the first byte.
    start: StateID,
}

impl Pattern {
    /// Compiles a pattern that stands at `place` in `text`; making its table may take `work`, a
    /// share of [`WORK_MAX`].
    pub(crate) fn new(
        pattern: &str,
        text: &str,
        place: Range<usize>,
        work: usize,
    ) -> Result<Pattern, ParseError> {
        let table = compile(pattern, work);
        let table = table.map_err(|reason| ParseError::new(text, reason, place))?;
        let config = start::Config::new().anchored(Anchored::No);
        let start = table.start_state(&config);
        let start = start.expect("there are no quit bytes, and the table has an unanchored start");
        Ok(Pattern { table: Arc::new(table), start })
    }

    /// Whether it matches anywhere in the value.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        // By hand: values are short, and setting up a search takes as long as thirty bytes.
        let (table, mut state) = (&*self.table, self.start);
        for byte in value {
            state = table.next_state(state, *byte);
            if table.is_special_state(state) {
                if table.is_match_state(state) {
                    return true;
                }
                if table.is_dead_state(state) {
                    return false;
                }
            }
        }
        table.is_match_state(table.next_eoi_state(state))
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of_val(&*self.table) + self.table.memory_usage()
    }
}

fn compile(pattern: &str, work: usize) -> Result<dense::DFA<Vec<u32>>, Reason> {
    let read = reading::read(pattern).map_err(|unread| match unread {
        Unread::Wrong(why) => Reason::BadPattern(why),
        Unread::TooManyCharacters => Reason::PatternTooLarge { limit: AUTOMATON_MAX },
    })?;
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(AUTOMATON_MAX));
    let automaton = NFA::compiler().configure(config).build_from_hir(&read);
    let automaton = automaton.map_err(|error| match error.size_limit() {
        Some(limit) => Reason::PatternTooLarge { limit },
        None => Reason::BadPattern(error.to_string()),
    })?;
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .determinize_size_limit(Some(work / automaton.byte_classes().alphabet_len()));
    let table = dense::Builder::new().configure(config).build_from_nfa(&automaton);
    table.map_err(|error| match error.is_size_limit_exceeded() {
        true => Reason::PatternTooCostly { limit: WORK_MAX },
        false => Reason::BadPattern(error.to_string()),
    })
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
