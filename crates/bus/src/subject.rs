//! Subjects and filters: dot-separated tokens, by the rules of NATS.
//!
//! A subject is any bytes a protocol lets through; only a *filter*, which goes into the index, is
//! checked. A subject with an empty token is not refused, it just matches nothing.

use std::fmt;
use std::sync::Arc;

/// Why a text is not a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no token at all.
    Empty,
    /// Two dots in a row, or a dot at an end; `at` is the byte where a token was expected.
    EmptyToken {
        /// Byte offset.
        at: usize,
    },
    /// `>` stands for the rest of a subject, so nothing can follow it.
    RestNotLast {
        /// Byte offset of the `>`.
        at: usize,
    },
    /// A blank or a control character.
    Blank {
        /// Byte offset.
        at: usize,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the subject is empty"),
            Self::EmptyToken { at } => write!(f, "empty token at byte {at}"),
            Self::RestNotLast { at } => write!(f, "'>' at byte {at} must be the last token"),
            Self::Blank { at } => write!(f, "blank at byte {at}: subjects have none"),
        }
    }
}

impl std::error::Error for FilterError {}

/// A checked subject filter. Cheap to clone.
///
/// # Examples
///
/// ```
/// use floodway::{Filter, FilterError};
/// assert!(Filter::new("orders.*.eu")?.matches(b"orders.17.eu"));
/// assert!(Filter::new("orders.>")?.matches(b"orders.17.eu"));
/// assert!(!Filter::new("orders.>")?.matches(b"orders"));
/// assert_eq!(Filter::new("orders..eu"), Err(FilterError::EmptyToken { at: 7 }));
/// # Ok::<(), FilterError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    text: Arc<[u8]>,
}

impl Filter {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says what is wrong and where.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, FilterError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if let Some(at) = text.iter().position(|b| matches!(b, 0 | b' ' | b'\t' | b'\r' | b'\n')) {
            return Err(FilterError::Blank { at });
        }
        let mut at = 0;
        for token in tokens(text) {
            if token.is_empty() {
                return Err(FilterError::EmptyToken { at });
            }
            if token == b">" && at + 1 != text.len() {
                return Err(FilterError::RestNotLast { at });
            }
            at += token.len() + 1;
        }
        Ok(Self { text: text.into() })
    }

    /// The text it was made from.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn shared_text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// Whether it matches one subject only.
    pub fn is_literal(&self) -> bool {
        !tokens(&self.text).any(|token| token == b"*" || token == b">")
    }

    /// Whether `subject` is matched. For one filter; the bus uses an index.
    pub fn matches(&self, subject: &[u8]) -> bool {
        let (mut filter, mut subject) = (tokens(&self.text), tokens(subject));
        loop {
            match (filter.next(), subject.next()) {
                (None, None) => return true,
                (Some(b">"), Some(rest)) => {
                    return !rest.is_empty() && subject.all(|token| !token.is_empty());
                }
                (Some(b"*"), Some(token)) if !token.is_empty() => {}
                (Some(expected), Some(token)) if !token.is_empty() && expected == token => {}
                _ => return false,
            }
        }
    }
}

impl Filter {
    /// Whether it matches everything that `other` matches.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway::Filter;
    /// let covers = |one: &str, other: &str| Ok(Filter::new(one)?.covers(&Filter::new(other)?));
    /// assert!(covers("quotes.>", "quotes.*.eu")?);
    /// assert!(!covers("quotes.*", "quotes.>")?);
    /// # Ok::<(), floodway::FilterError>(())
    /// ```
    pub fn covers(&self, other: &Filter) -> bool {
        let (mut mine, mut theirs) = (tokens(&self.text), tokens(&other.text));
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) | (Some(b">"), Some(_)) => return true,
                (Some(_), Some(b">")) => return false,
                (Some(b"*"), Some(_)) => {}
                (Some(token), Some(other)) if token == other => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// Whether `subject` names one subject: no empty token, no wildcard token.
pub fn is_literal_subject(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty() && token != b"*" && token != b">")
}

/// The tokens between the dots; one (empty) token for an empty text.
pub(crate) fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_whole_tokens_only() {
        for literal in ["foo*", "f*o", "foo.a>", "*a.b", ">x"] {
            assert!(Filter::new(literal).unwrap().is_literal(), "{literal}");
        }
        for wild in ["*", ">", "a.*", "*.a", "a.>"] {
            assert!(!Filter::new(wild).unwrap().is_literal(), "{wild}");
        }
    }

    #[test]
    fn refuses_what_can_match_nothing_and_says_where() {
        use FilterError::*;
        let table: [(&str, FilterError); 7] = [
            ("", Empty),
            (".", EmptyToken { at: 0 }),
            ("a.", EmptyToken { at: 2 }),
            ("a..b", EmptyToken { at: 2 }),
            (".a", EmptyToken { at: 0 }),
            ("a.>.b", RestNotLast { at: 2 }),
            ("a b", Blank { at: 1 }),
        ];
        for (text, error) in table {
            assert_eq!(Filter::new(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn empty_tokens_in_a_subject_match_nothing() {
        for filter in [">", "a.>", "a.*.b", "*.*.*"] {
            assert!(!Filter::new(filter).unwrap().matches(b"a..b"), "{filter}");
        }
        assert!(!Filter::new("a").unwrap().matches(b""));
    }
}
