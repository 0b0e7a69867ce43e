//! A query: text that was read and checked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::compile::compile;
use crate::error::ParseError;

use crate::explain::Explain;
use crate::options::{Dialect, Options};
use crate::parser;
use crate::program::Program;
use crate::tags::Tags;

/// A checked query.
///
/// Its `Display` is its canonical text, which reads as the same query. Two queries are equal if
/// their canonical texts and their dialects are: `a='b'` and `a = 'b'`, but not `a = 5` and
/// `a = 05`.
///
/// # Examples
///
/// ```
/// use floodway_query::Query;
///
/// let query: Query = "( kind='quote' )AND(price>=17.05 OR NOT stale EXISTS)".parse()?;
/// assert_eq!(
///     query.to_string(),
///     "kind = 'quote' AND (price >= 17.05 OR NOT stale EXISTS)"
/// );
/// assert_eq!(query, query.to_string().parse()?);
///
/// let error = "kind = quote".parse::<Query>().unwrap_err();
/// assert_eq!(error.suggestion(), Some("'quote'"));
/// # Ok::<(), floodway_query::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Query {
    program: Program,
}

impl Query {
    pub(crate) fn parse(text: &str, options: &Options) -> Result<Query, ParseError> {
        let tree = parser::parse(text, options)?;
        Ok(Query { program: compile(&tree, text, options)? })
    }

    /// Whether a message has what the query asks for. Never fails and never allocates, but for
    /// what a [`Source`](crate::Source) does if the answer depends on it.
    ///
    /// A value that is not what a condition compares with, such as `abc` for `x > 5`, does not
    /// meet it. The cost grows with the conditions and, for values longer than a number,
    /// `CONTAINS` and `MATCHES`, with the text; see [`Query::explain`].
    #[must_use]
    #[inline]
    pub fn matches(&self, tags: &Tags<'_>) -> bool {
        self.program.matches(tags)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.program.text
    }

    /// The dialect it was read in.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.program.dialect
    }

    /// The keys and event types it asks for, each as often as it does.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let text = self.as_str();
        self.program.conditions.iter().map(move |condition| condition.key.str_of(text))
    }

    /// Bytes of memory it takes, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        size_of::<Query>() + self.program.held_bytes()
    }

    /// How it would be looked for in an [`Index`](crate::Index), and what evaluating it costs.
    #[must_use]
    pub fn explain(&self) -> Explain {
        Explain::of(&self.program)
    }

    #[inline]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

impl FromStr for Query {
    type Err = ParseError;

    /// Reads a query of the extended language, with the default limits.
    fn from_str(text: &str) -> Result<Query, ParseError> {
        Options::extended().parse(text)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.as_str()).finish()
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Query) -> bool {
        (self.dialect(), self.as_str()) == (other.dialect(), other.as_str())
    }
}

impl Eq for Query {}

impl Hash for Query {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.dialect(), self.as_str()).hash(state);
    }
}
