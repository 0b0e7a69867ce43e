//! Tags from payloads: what a configuration declares, taken out when a query needs it.
//!
//! An [`Extraction`] is declared once and used for many messages. A [`Payload`] is one message's;
//! it is a [`Source`], so it is parsed at most once and only if the answer of some query depends
//! on it. A payload that does not parse has no such tags, and [`Payload::is_malformed`] says so to
//! whoever counts.

mod json;
mod logfmt;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::error::Error;
use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::tags::{Source, Tags};

/// Bytes a compiled regular expression may take.
const REGEX_MAX: usize = 1 << 20;

/// What is taken out of the payloads of some messages, and which tags it becomes.
///
/// # Examples
///
/// ```
/// use floodway_query::{Extraction, Payload, Query, Tags};
///
/// let quotes = Extraction::json([("symbol", "/symbol"), ("price", "/last/price")])?;
/// let query: Query = "symbol = 'ACME' AND price < 18".parse().unwrap();
///
/// let payload = Payload::new(&quotes, br#"{"symbol": "ACME", "last": {"price": 17.05}}"#);
/// let mut tags = Tags::new();
/// tags.set_source(&payload);
/// assert!(query.matches(&tags));
///
/// let payload = Payload::new(&quotes, b"not JSON");
/// let mut tags = Tags::new();
/// tags.set_source(&payload);
/// assert!(!query.matches(&tags));
/// assert!(payload.is_malformed());
/// # Ok::<(), floodway_query::DeclareError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Extraction {
    keys: Box<[Box<str>]>,
    format: Format,
}

#[derive(Debug, Clone)]
enum Format {
    Json(json::Paths),
    /// The names in the payload, in the order of the keys.
    Logfmt(Box<[Box<str>]>),
    /// With the group of each key.
    Text(Regex, Box<[usize]>),
}

/// Why a declaration is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclareError {
    /// Not a JSON pointer: it is neither empty nor begins with `/`, or has a `~` that is not part
    /// of `~0` or `~1`.
    BadPointer(String),
    /// Not a regular expression, or one that is too large; why.
    BadRegex(String),
    /// The regular expression has no named groups, so there is nothing to take out.
    NoGroups,
    /// A key that no query can ask for.
    BadKey(String),
}

impl Extraction {
    /// From JSON: pairs of a key and the JSON pointer (RFC 6901) to its value.
    ///
    /// A string, a number as it is written, `true` or `false` is a value; each of these in an
    /// array is one; `null` and objects are none.
    ///
    /// # Errors
    ///
    /// [`DeclareError::BadPointer`], [`DeclareError::BadKey`].
    pub fn json<'d>(
        pairs: impl IntoIterator<Item = (&'d str, &'d str)>,
    ) -> Result<Extraction, DeclareError> {
        let (keys, pointers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let paths = json::Paths::new(None, &pointers)?;
        Ok(Extraction { keys: checked(keys)?, format: Format::Json(paths) })
    }

    /// From JSON with an array of events: `events` is the pointer to the array, and the others are
    /// within each of its elements, which become events for `SAME EVENT`.
    ///
    /// # Errors
    ///
    /// [`DeclareError::BadPointer`], [`DeclareError::BadKey`].
    pub fn json_events<'d>(
        events: &str,
        pairs: impl IntoIterator<Item = (&'d str, &'d str)>,
    ) -> Result<Extraction, DeclareError> {
        let (keys, pointers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let paths = json::Paths::new(Some(events), &pointers)?;
        Ok(Extraction { keys: checked(keys)?, format: Format::Json(paths) })
    }

    /// From logfmt, `name=value name="a value"`: pairs of a key and a name.
    ///
    /// # Errors
    ///
    /// [`DeclareError::BadKey`].
    pub fn logfmt<'d>(
        pairs: impl IntoIterator<Item = (&'d str, &'d str)>,
    ) -> Result<Extraction, DeclareError> {
        let (keys, names): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let names = names.into_iter().map(Box::from).collect();
        Ok(Extraction { keys: checked(keys)?, format: Format::Logfmt(names) })
    }

    /// From text, by the named groups of a regular expression: `(?<log.level>\w+)` becomes
    /// `log.level`. A text in which it is not found counts as one that does not parse.
    ///
    /// # Errors
    ///
    /// [`DeclareError::BadRegex`], [`DeclareError::NoGroups`], [`DeclareError::BadKey`].
    pub fn text(regex: &str) -> Result<Extraction, DeclareError> {
        let mut builder = RegexBuilder::new(regex);
        let regex = builder.size_limit(REGEX_MAX).dfa_size_limit(REGEX_MAX).build();
        let regex = regex.map_err(|error| {
            let text = error.to_string();
            let line = text.lines().last().unwrap_or_default();
            DeclareError::BadRegex(line.trim().trim_start_matches("error: ").to_owned())
        })?;
        let groups = regex.capture_names().enumerate();
        let named: Vec<(usize, &str)> = groups.filter_map(|(at, name)| Some((at, name?))).collect();
        if named.is_empty() {
            return Err(DeclareError::NoGroups);
        }
        let keys = checked(named.iter().map(|(_, name)| *name).collect())?;
        let groups = named.iter().map(|(at, _)| *at).collect();
        Ok(Extraction { keys, format: Format::Text(regex, groups) })
    }

    /// The keys of the tags.
    #[must_use]
    pub fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn run<'p>(&'p self, payload: &'p [u8]) -> Result<Vec<Value<'p>>, Malformed> {
        let mut values = Vec::new();
        match &self.format {
            Format::Json(paths) => paths.run(payload, &mut values)?,
            Format::Logfmt(names) => logfmt::run(names, payload, &mut values)?,
            Format::Text(regex, groups) => {
                let found = regex.captures(payload).ok_or(Malformed)?;
                for (key, group) in groups.iter().enumerate() {
                    if let Some(group) = found.get(*group) {
                        let text = Cow::Borrowed(group.as_bytes());
                        values.push(Value { key, event: 0, text });
                    }
                }
            }
        }
        Ok(values)
    }
}

/// Keys that queries can ask for.
fn checked(keys: Vec<&str>) -> Result<Box<[Box<str>]>, DeclareError> {
    let is_tag = |key: &str| {
        let options = crate::Options::strict().length_max(key.len() + 7);
        let query = options.parse(&format!("{key} EXISTS"));
        query.is_ok_and(|query| query.tags().eq([key]))
    };
    match keys.iter().find(|key| !is_tag(key)) {
        Some(key) => Err(DeclareError::BadKey((*key).to_owned())),
        None => Ok(keys.into_iter().map(Box::from).collect()),
    }
}

/// A value that was taken out.
#[derive(Debug, PartialEq)]
struct Value<'p> {
    /// Its key's number.
    key: usize,
    event: usize,
    text: Cow<'p, [u8]>,
}

/// A payload that is not what was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// The payload of one message, and what an extraction takes out of it.
#[derive(Debug)]
pub struct Payload<'p> {
    extraction: &'p Extraction,
    bytes: &'p [u8],
    outcome: OnceCell<Result<Vec<Value<'p>>, Malformed>>,
}

impl<'p> Payload<'p> {
    /// A payload that has not been looked at.
    #[must_use]
    pub fn new(extraction: &'p Extraction, bytes: &'p [u8]) -> Payload<'p> {
        Payload { extraction, bytes, outcome: OnceCell::new() }
    }

    /// Whether a query needed it, so that it was parsed.
    #[must_use]
    pub fn is_parsed(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// What was taken out of it, which parses it unless that was done: the numbers of the key and
    /// of the event, and the value. `None` if it is malformed.
    pub fn values(&self) -> Option<impl Iterator<Item = (usize, usize, &[u8])>> {
        let values = self.outcome().as_ref().ok()?;
        Some(values.iter().map(|value| (value.key, value.event, &*value.text)))
    }

    fn outcome(&self) -> &Result<Vec<Value<'p>>, Malformed> {
        self.outcome.get_or_init(|| self.extraction.run(self.bytes))
    }

    /// Whether it was parsed and is not what was declared.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.outcome.get().is_some_and(Result::is_err)
    }
}

impl Source for Payload<'_> {
    fn keys(&self) -> &[Box<str>] {
        &self.extraction.keys
    }

    fn supply<'s>(&'s self, tags: &mut Tags<'s>) {
        let values = match self.outcome() {
            Ok(values) => values,
            Err(Malformed) => return,
        };
        let mut event = 0;
        for value in values {
            while event < value.event {
                tags.next_event();
                event += 1;
            }
            tags.push(&*self.extraction.keys[value.key], &*value.text);
        }
    }
}

impl Error for DeclareError {}

impl fmt::Display for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeclareError::BadPointer(pointer) => {
                write!(f, "`{pointer}` is not a JSON pointer such as /quote/price")
            }
            DeclareError::BadRegex(why) => write!(f, "not a regular expression: {why}"),
            DeclareError::NoGroups => {
                f.write_str("the regular expression has no named group such as (?<level>\\w+)")
            }
            DeclareError::BadKey(key) => {
                write!(f, "`{key}` is no tag: letters, digits and _ . - after a letter or _")
            }
        }
    }
}

#[cfg(test)]
mod tests;
