//! How a query is looked for, and what evaluating it costs.

use std::fmt;

use crate::index::{Way, ways};
use crate::pattern::SEEN_MAX;
use crate::program::{Condition, List, Program, Test};

/// Nanoseconds to find a key among ten or so, on a machine of 2024.
const FIND: f64 = 5.0;
/// Nanoseconds to read and compare a number, a date or a time.
const READ: f64 = 6.0;
/// Nanoseconds to begin a search in text, and for each KiB of it.
const SEARCH: (f64, f64) = (15.0, 40.0);
/// The same for a pattern.
const PATTERN: (f64, f64) = (25.0, 1100.0);

/// How an index looks for a query, and what evaluating it costs. Its `Display` is for people.
///
/// # Examples
///
/// ```
/// use floodway_query::{Access, Query};
///
/// let query: Query = "account = 'v' AND kind = 'w' AND price > 5".parse()?;
/// let explain = query.explain();
/// let expected = Access::Hashed {
///     keys: vec!["account".to_owned(), "kind".to_owned()],
///     ordered: Some("price".to_owned()),
/// };
/// assert_eq!(explain.access(), [expected]);
/// # Ok::<(), floodway_query::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    text: String,
    access: Vec<Access>,
    steps: Vec<Step>,
}

/// One of the ways in which an index comes upon a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// By the values of these keys, with one look-up; of those, if there is one, by the range of
    /// another key.
    Hashed {
        /// The keys that are compared with strings.
        keys: Vec<String>,
        /// The key whose values must be in a range.
        ordered: Option<String>,
    },
    /// By the range that values of this key are in.
    Ordered {
        /// The key.
        key: String,
    },
    /// Whenever a message has this key, or this event type.
    Present {
        /// The key.
        key: String,
    },
    /// With every message.
    Always,
}

/// What a condition costs when a query is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The condition's key.
    pub key: String,
    /// Estimated nanoseconds for a message of about ten tags.
    pub nanos: f64,
    /// Estimated nanoseconds for each KiB of the key's values.
    pub nanos_per_kib: f64,
}

impl Explain {
    pub(crate) fn of(program: &Program) -> Explain {
        let key = |condition: u16| key(&program.conditions[condition as usize], program);
        let ways = ways(program);
        let access = ways.iter().map(|way| match way {
            Way::Equal(pairs, range) => Access::Hashed {
                keys: pairs.iter().map(|(condition, _)| key(*condition)).collect(),
                ordered: range.as_ref().map(|range| key(range.condition)),
            },
            Way::Range(range) => Access::Ordered { key: key(range.condition) },
            Way::Present(condition) => Access::Present { key: key(*condition) },
            Way::Always => Access::Always,
        });
        Explain {
            text: program.text.to_string(),
            access: access.collect(),
            steps: program.conditions.iter().map(|condition| step(condition, program)).collect(),
        }
    }

    /// The ways in which an index comes upon the query; none if nothing can meet it.
    #[must_use]
    pub fn access(&self) -> &[Access] {
        &self.access
    }

    /// The conditions, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether every message must be evaluated.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        !self.access.contains(&Access::Always)
    }

    /// Estimated nanoseconds of one evaluation in which every condition is looked at, for a
    /// message of about ten short tags.
    #[must_use]
    pub fn nanos(&self) -> f64 {
        self.steps.iter().map(|step| step.nanos).sum()
    }

    /// Estimated further nanoseconds for each KiB of values.
    #[must_use]
    pub fn nanos_per_kib(&self) -> f64 {
        self.steps.iter().map(|step| step.nanos_per_kib).sum()
    }
}

fn key(condition: &Condition, program: &Program) -> String {
    condition.key.str_of(&program.text).to_owned()
}

fn step(condition: &Condition, program: &Program) -> Step {
    let (nanos, nanos_per_kib) = match condition.test {
        Test::Exists | Test::Equal(_) | Test::Differs(_) => (0.0, 0.0),
        Test::StartsWith(_) | Test::EndsWith(_) => (1.0, 0.0),
        Test::Compare(..) => (READ, 0.0),
        Test::In(list) => {
            let List { texts, bounds } = &program.extra().lists[list as usize];
            (f64::from(texts.len() as u32 + 1).log2() * 3.0 + bounds.len() as f64 * READ, 0.0)
        }
        Test::Contains(..) => SEARCH,
        Test::Pattern(_) | Test::NoPattern(_) => PATTERN,
    };
    Step { key: key(condition, program), nanos: FIND + nanos, nanos_per_kib }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "query      {}", self.text)?;
        let several = self.access.len() > 1;
        for (number, access) in self.access.iter().enumerate() {
            let word = if number == 0 { "evaluated" } else { "or" };
            writeln!(f, "{word:<10} {access}")?;
        }
        if self.access.is_empty() {
            writeln!(f, "evaluated  never: nothing can meet it")?;
        } else if several {
            writeln!(f, "           once per message, however many of these apply")?;
        }
        write!(f, "cost       about {:.0} ns an evaluation", self.nanos())?;
        if self.nanos_per_kib() > 0.0 {
            write!(f, ", and {:.0} ns for each KiB of", self.nanos_per_kib())?;
            let mut keys: Vec<&str> = Vec::new();
            for step in self.steps.iter().filter(|step| step.nanos_per_kib > 0.0) {
                if !keys.contains(&step.key.as_str()) {
                    keys.push(&step.key);
                }
            }
            write!(f, " {}", keys.join(", "))?;
        }
        let has_pattern = self.steps.iter().any(|step| step.nanos_per_kib >= PATTERN.1);
        if has_pattern {
            write!(f, "\nlimit      patterns see the first {SEEN_MAX} bytes of the values")?;
        }
        Ok(())
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Hashed { keys, ordered } => {
                write!(f, "for messages with these values of {} (hashed)", keys.join(", "))?;
                match ordered {
                    Some(key) => write!(f, " and a value of {key} in the range (ordered)"),
                    None => Ok(()),
                }
            }
            Access::Ordered { key } => {
                write!(f, "for messages with a value of {key} in the range (ordered)")
            }
            Access::Present { key } => write!(f, "for messages that have {key}"),
            Access::Always => f.write_str("for every message: no key decides"),
        }
    }
}
