//! Which form of the language is read, and how much of it.

use crate::error::ParseError;
use crate::query::Query;

/// The two forms of the language.
///
/// Exhaustive on purpose: the set is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// What CometBFT (0.38.10 and later) accepts, with its meaning.
    Strict,
    /// The strict language and more: `OR`, `NOT`, `!=`, parentheses, `IN`, negative numbers,
    /// `STARTS WITH`, `ENDS WITH`, `MATCHES`, `IGNORE CASE`, `SAME EVENT`. Decimals are compared
    /// exactly, and keys without a dot can be asked for.
    #[default]
    Extended,
}

impl Dialect {
    /// Its name in requests and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Strict => "strict",
            Dialect::Extended => "extended",
        }
    }
}

/// How a query is read: its dialect and its limits.
///
/// # Examples
///
/// ```
/// use floodway_query::{Options, Reason};
///
/// let strict = Options::strict();
/// assert!(strict.parse("tx.height = 5").is_ok());
/// assert!(strict.parse("tx.height = 5 OR tx.height = 6").is_err());
///
/// let short = Options::extended().length_max(10);
/// let error = short.parse("tx.height = 5").unwrap_err();
/// assert_eq!(*error.reason(), Reason::TooLong { length: 13, limit: 10 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub(crate) dialect: Dialect,
    pub(crate) length_max: usize,
    pub(crate) depth_max: u32,
}

impl Options {
    /// The most that [`Options::length_max`] can be, in bytes: places in a query take 16 bits, and
    /// the canonical text may be twice as long.
    pub const LENGTH_CAP: usize = 16 * 1024;
    /// The most that [`Options::depth_max`] can be: evaluation descends by recursion.
    pub const DEPTH_CAP: u32 = 256;

    /// The extended language: at most 512 bytes, nested at most 32 deep.
    #[must_use]
    pub const fn extended() -> Options {
        Options { dialect: Dialect::Extended, length_max: 512, depth_max: 32 }
    }

    /// The strict language: at most 512 bytes.
    #[must_use]
    pub const fn strict() -> Options {
        Options { dialect: Dialect::Strict, ..Options::extended() }
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// With another limit for the length of the text, in bytes; at most [`Options::LENGTH_CAP`].
    #[must_use]
    pub const fn length_max(mut self, bytes: usize) -> Options {
        self.length_max = if bytes < Self::LENGTH_CAP { bytes } else { Self::LENGTH_CAP };
        self
    }

    /// With another limit for how deep `NOT`, parentheses and `SAME EVENT` may be nested; at most
    /// [`Options::DEPTH_CAP`].
    #[must_use]
    pub const fn depth_max(mut self, levels: u32) -> Options {
        self.depth_max = if levels < Self::DEPTH_CAP { levels } else { Self::DEPTH_CAP };
        self
    }

    /// Reads a query.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] says where the text is wrong, and what would be right.
    pub fn parse(&self, text: &str) -> Result<Query, ParseError> {
        Query::parse(text, self)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::extended()
    }
}
