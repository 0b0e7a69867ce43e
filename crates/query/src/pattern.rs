//! Regular expressions of `MATCHES`, and comparisons that ignore case.
//!
//! A pattern is compiled to a table of states, completely: then matching is one look-up for each
//! byte, whatever the pattern and the text, and needs no memory. A pattern whose table would be
//! too large, or would take too long to make, is refused. What is left is that a byte takes a
//! nanosecond or three, so a pattern looks at the first [`SEEN_MAX`] bytes of a message's values
//! only.

mod reading;
mod table;

use std::ops::Range;
use std::sync::Arc;

use regex_automata::nfa::thompson::{self, WhichCaptures};

use crate::error::{ParseError, Reason};
use reading::Unread;
use table::Table;

/// Bytes of a message's values that a pattern sees: a value that ends later does not match.
pub(crate) const SEEN_MAX: usize = 2 * 1024;
/// Patterns a query may have.
pub(crate) const PATTERNS_MAX: usize = 4;
/// Bytes that all the tables of a query may take.
pub(crate) const TABLES_MAX: usize = 256 * 1024;
/// Steps that making them may take: of a few nanoseconds each, so less than a millisecond.
const STEPS_MAX: usize = 160 * 1024;
/// The largest automaton that a table is made of, in bytes.
const AUTOMATON_MAX: usize = 64 * 1024;

/// What the patterns of a query may still take.
#[derive(Debug)]
pub(crate) struct Room {
    /// Bytes of tables.
    memory: usize,
    steps: usize,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room { memory: TABLES_MAX, steps: STEPS_MAX }
    }

    fn take_memory(&mut self, bytes: usize) -> Result<(), Shortage> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Shortage::Memory)?;
        Ok(())
    }

    #[inline]
    fn take_steps(&mut self, steps: usize) -> Result<(), Shortage> {
        self.steps = self.steps.checked_sub(steps).ok_or(Shortage::Steps)?;
        Ok(())
    }
}

/// What there was not enough of.
#[derive(Debug, Clone, Copy)]
enum Shortage {
    Memory,
    Steps,
}

impl From<Shortage> for Reason {
    fn from(shortage: Shortage) -> Reason {
        match shortage {
            Shortage::Memory => Reason::PatternTooLarge { limit: TABLES_MAX },
            Shortage::Steps => Reason::PatternTooCostly { limit: STEPS_MAX },
        }
    }
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// Shared by the clones of a query.
    table: Arc<Table>,
}

impl Pattern {
    /// Compiles a pattern that stands at `place` in `text`.
    pub(crate) fn new(
        pattern: &str,
        text: &str,
        place: Range<usize>,
        room: &mut Room,
    ) -> Result<Pattern, ParseError> {
        let failed = |reason| ParseError::new(text, reason, place.clone());
        let short = |shortage: Shortage| failed(shortage.into());
        let read = reading::read(pattern).map_err(|unread| match unread {
            Unread::Wrong(why) => failed(Reason::BadPattern(why)),
            Unread::TooCostly => short(Shortage::Steps),
        })?;
        let automaton = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(AUTOMATON_MAX)),
            )
            .build_from_hir(&read)
            .map_err(|error| match error.size_limit() {
                Some(_) => short(Shortage::Memory),
                None => failed(Reason::BadPattern(error.to_string())),
            })?;
        let table = Table::new(&automaton, room).map_err(short)?;
        Ok(Pattern { table: Arc::new(table) })
    }

    /// Whether it matches anywhere in the value.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        self.table.matches(value)
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Table>() + self.table.held_bytes()
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
