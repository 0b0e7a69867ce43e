//! Why a text is not a query, said to the person who wrote it.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// How much of a line is shown on either side of the place, in characters.
const SHOWN: usize = 60;
/// How much of what was found is shown, in characters.
const QUOTED: usize = 40;

/// Why a text is not a query: the place, what was found there and what was expected.
///
/// Its `Display` is a line that says it all, the line of the query with a caret under the place,
/// and a suggestion if there is one.
///
/// # Examples
///
/// ```
/// let error = "tx.gas >= 7 ADN tx.gas < 9".parse::<floodway_query::Query>().unwrap_err();
/// assert_eq!(error.to_string(), "\
/// line 1, column 13 (byte 12): found `ADN`, expected AND, OR or the end
///   tx.gas >= 7 ADN tx.gas < 9
///               ^^^
/// did you mean `AND`?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    // An error is a pointer, so that the usual result of reading a query is small.
    details: Box<Details>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    reason: Reason,
    place: Range<usize>,
    line: usize,
    column: usize,
    excerpt: String,
    found: String,
    expected: String,
    suggestion: Option<String>,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The text is not in the language.
    Syntax,
    /// The text is longer than the limit, in bytes.
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// It is nested deeper than the limit.
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// A number has more digits than the limit.
    NumberTooLong {
        /// The limit.
        limit: usize,
    },
    /// There are more conditions with `MATCHES` or `IGNORE CASE` than the limit.
    TooManyPatterns {
        /// The limit.
        limit: usize,
    },
    /// A pattern of `MATCHES` is not a regular expression, or one that cannot be compiled; why.
    BadPattern(String),
    /// Written out, with everything repeated as often as it may be, a pattern takes more memory
    /// than the limit; or it has too many classes of Unicode.
    PatternTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// To compile the patterns of the query would take more work than the limit.
    PatternTooCostly {
        /// The limit of all of them, in bytes that would have to be looked at.
        limit: usize,
    },
}

impl ParseError {
    pub(crate) fn new(text: &str, reason: Reason, place: Range<usize>) -> ParseError {
        let start = text.floor_char_boundary(place.start.min(text.len()));
        let end = text.ceil_char_boundary(place.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let details = Details {
            reason,
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            excerpt: excerpt(text, line_start, start..end),
            found: quoted(&text[start..end]),
            expected: String::new(),
            suggestion: None,
            place: start..end,
        };
        ParseError { details: Box::new(details) }
    }

    pub(crate) fn expecting(mut self, expected: impl Into<String>) -> ParseError {
        self.details.expected = expected.into();
        self
    }

    pub(crate) fn finding(mut self, found: impl Into<String>) -> ParseError {
        self.details.found = found.into();
        self
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<String>) -> ParseError {
        self.details.suggestion = suggestion;
        self
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.details.reason
    }

    /// Where it is: bytes from the start of the text. At most the length of the text, which is
    /// where something is missing at the end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.details.place.start
    }

    /// The line it is on, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.details.line
    }

    /// The character of the line it is at, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.details.column
    }

    /// What was found there, for people.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.details.found
    }

    /// What was expected there, for people; empty if the mistake is not one of syntax.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.details.expected
    }

    /// What the author may have meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.details.suggestion.as_deref()
    }

    /// All of it but the line of the query, in one line: for logs, and where carets would not stand
    /// below their place.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = "tx.gas >= 7 ADN tx.gas < 9".parse::<floodway_query::Query>().unwrap_err();
    /// let said = "line 1, column 13 (byte 12): found `ADN`, expected AND, OR or the end; \
    ///             did you mean `AND`?";
    /// assert_eq!(error.in_one_line(), said);
    /// ```
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let suggestion = self.suggestion();
        let hint = suggestion.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        format!("{}{hint}", Said(&self.details))
    }
}

impl Error for ParseError {}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", Said(&self.details), self.details.excerpt)?;
        match self.suggestion() {
            Some(suggestion) => write!(f, "\ndid you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

/// The place and the mistake.
struct Said<'e>(&'e Details);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { reason, place, line, column, found, expected, .. } = self.0;
        write!(f, "line {line}, column {column} (byte {}): ", place.start)?;
        match reason {
            Reason::Syntax => write!(f, "found {found}, expected {expected}"),
            Reason::TooLong { length, limit } => {
                write!(f, "the query has {length} bytes, at most {limit} are allowed")
            }
            Reason::TooDeep { limit } => write!(f, "nested more than {limit} deep"),
            Reason::NumberTooLong { limit } => write!(f, "a number has at most {limit} digits"),
            Reason::TooManyPatterns { limit } => {
                write!(f, "at most {limit} conditions may have MATCHES or IGNORE CASE")
            }
            Reason::BadPattern(why) => write!(f, "this pattern cannot be used: {why}"),
            Reason::PatternTooLarge { limit } => write!(
                f,
                "written out, this pattern takes more than {limit} bytes; \
                 repeat less, such as `a+` for `a{{1,500}}`, and name at most two classes"
            ),
            Reason::PatternTooCostly { limit } => write!(
                f,
                "compiling the patterns of this query takes more than {limit} steps; \
                 count less, such as `.*` for `.{{0,20}}`, and name a script, not all letters"
            ),
        }
    }
}

/// A piece of the query as it stands in a sentence.
fn quoted(piece: &str) -> String {
    let mut chars = piece.chars();
    let shown: String = chars.by_ref().take(QUOTED).map(printable).collect();
    match (shown.is_empty(), chars.next()) {
        (true, _) => "the end".to_owned(),
        (_, None) => format!("`{shown}`"),
        (_, Some(_)) => format!("`{shown}…`"),
    }
}

/// The line of the place, and carets below the place.
fn excerpt(text: &str, line_start: usize, place: Range<usize>) -> String {
    let before: Vec<char> = text[line_start..place.start].chars().map(printable).collect();
    let line_end = text[place.start..].find('\n').map_or(text.len(), |at| place.start + at);
    let mut after = text[place.start..line_end].chars().map(printable);
    let from = before.len().saturating_sub(SHOWN);
    let mut line = String::from(if from > 0 { "…" } else { "" });
    line.extend(&before[from..]);
    let indent = line.chars().count();
    let wanted = text[place.start..place.end.min(line_end)].chars().count().clamp(1, SHOWN);
    line.extend(after.by_ref().take(SHOWN));
    if after.next().is_some() {
        line.push('…');
    }
    format!("  {}\n  {}{}", line.trim_end(), " ".repeat(indent), "^".repeat(wanted))
}

/// Tabs and other blanks and controls take one column, so that the caret stands below its place.
fn printable(c: char) -> char {
    if c.is_whitespace() || c.is_control() { ' ' } else { c }
}
