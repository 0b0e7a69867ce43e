//! What makes two messages the same thing, for policies that keep one of a kind.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::message::Message;

/// Where the key of a message is. Its text form is `subject`, `header:NAME` or `json:POINTER`.
///
/// # Examples
///
/// ```
/// use floodway::{Key, Message};
/// let key: Key = "json:/quote/symbol".parse()?;
/// let message = Message::new(b"quotes", br#"{"quote": {"symbol": "ACME", "bid": 17}}"#);
/// assert_eq!(key.of(&message).as_deref(), Some(&b"ACME"[..]));
/// assert_eq!(key.to_string(), "json:/quote/symbol");
/// # Ok::<(), floodway::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Key {
    /// The whole subject.
    #[default]
    Subject,
    /// The value of the first header of this name; case does not matter.
    Header(Arc<str>),
    /// The value at a place of the payload, which is JSON.
    Json(Pointer),
}

/// A place in a JSON document, as RFC 6901 writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    text: Arc<str>,
    tokens: Arc<[Box<str>]>,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// It starts with none of the three kinds.
    Unknown(String),
    /// `header:` without a name, or with one that no header has.
    BadHeader(String),
    /// `json:` with something that is no JSON pointer.
    BadPointer(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(
                    f,
                    "{text:?} is no key; write \"subject\", \"header:NAME\" or \"json:/POINTER\""
                )
            }
            Self::BadHeader(name) => write!(f, "{name:?} is no name of a header"),
            Self::BadPointer(text) => {
                write!(f, "{text:?} is no JSON pointer; it starts with '/', ")?;
                write!(f, "and '~' is written ~0 and '/' ~1")
            }
        }
    }
}

impl std::error::Error for KeyError {}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text == "subject" {
            return Ok(Self::Subject);
        }
        if let Some(name) = text.strip_prefix("header:") {
            let printable = |byte: u8| byte.is_ascii_graphic() && byte != b':';
            if name.is_empty() || !name.bytes().all(printable) {
                return Err(KeyError::BadHeader(name.to_owned()));
            }
            return Ok(Self::Header(name.into()));
        }
        match text.strip_prefix("json:") {
            Some(pointer) => Pointer::new(pointer).map(Self::Json),
            None => Err(KeyError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pointer) => write!(f, "json:{}", pointer.text),
        }
    }
}

impl Key {
    /// The key of a message; none if it has no such header, or its payload no such place.
    pub fn of<'m>(&self, message: &'m Message<'_>) -> Option<Cow<'m, [u8]>> {
        match self {
            Self::Subject => Some(Cow::Borrowed(message.subject)),
            Self::Header(name) => header(message.headers, name).map(Cow::Borrowed),
            Self::Json(pointer) => pointer.find(message.payload),
        }
    }
}

/// The value of a header in a block as it stands on the wire.
fn header<'h>(block: &'h [u8], name: &str) -> Option<&'h [u8]> {
    block.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let value = &line[colon + 1..];
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then_some(value.trim_ascii())
    })
}

impl Pointer {
    fn new(text: &str) -> Result<Self, KeyError> {
        let refuse = || KeyError::BadPointer(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(refuse)?;
        let token = |token: &str| {
            let bad = token.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
            let plain = token.replace("~1", "/").replace("~0", "~");
            (!bad).then_some(plain.into_boxed_str())
        };
        let tokens: Option<Arc<[Box<str>]>> = rest.split('/').map(token).collect();
        Ok(Self { text: text.into(), tokens: tokens.ok_or_else(refuse)? })
    }

    /// The text of the value: of a string its content, of anything else as it is written. The rest
    /// of the document is skipped, not built.
    fn find<'p>(&self, payload: &'p [u8]) -> Option<Cow<'p, [u8]>> {
        let mut document = serde_json::Deserializer::from_slice(payload);
        let found = Seek(&self.tokens).deserialize(&mut document).ok()??;
        let raw = found.get();
        if !raw.starts_with('"') {
            return Some(Cow::Borrowed(raw.as_bytes()));
        }
        let text: Cow<'p, str> = Text::from_json(raw)?;
        Some(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }
}

/// A JSON string, borrowed if nothing in it is escaped.
struct Text;

impl Text {
    fn from_json(raw: &str) -> Option<Cow<'_, str>> {
        match serde_json::from_str::<&str>(raw) {
            Ok(text) => Some(Cow::Borrowed(text)),
            Err(_escaped) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        }
    }
}

/// Looks for the rest of a pointer in whatever value comes.
struct Seek<'t>(&'t [Box<str>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return serde::Deserialize::deserialize(value).map(Some);
        }
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (Some((wanted, rest)), mut found) = (self.0.split_first(), None) else {
            return Ok(None);
        };
        while let Some(is_wanted) = map.next_key_seed(IsName(wanted))? {
            // Of several entries of one name the last one counts, as in most readers of JSON.
            if is_wanted {
                found = map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (Some((wanted, rest)), mut found) = (self.0.split_first(), None) else {
            return Ok(None);
        };
        // Written as RFC 6901 has it: digits without sign and leading zeros.
        let canonical = |at: &usize| at.to_string() == **wanted;
        let wanted = wanted.parse::<usize>().ok().filter(canonical);
        for at in 0.. {
            let more = if Some(at) == wanted {
                list.next_element_seed(Seek(rest))?.map(|value| found = value)
            } else {
                list.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a name in a JSON object is this one; builds no copy of it.
struct IsName<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<bool, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests;
