//! JSON as it was written, and its objects sorted into the fields they may have.
//!
//! [`serde_json::Value`] keeps the last of two fields with one name and forgets the first, so a
//! client would be granted something other than what it reads in its own request. Here both are
//! kept until somebody has looked.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Refused, refused};

/// Characters of a client's own text that are repeated in a message.
const SHOWN_CHARS: usize = 40;

/// One value.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// No field is a list, so what is in it does not matter.
    List,
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a whole document.
    pub(super) fn parse(document: &[u8]) -> Result<Node, Refused> {
        serde_json::from_slice(document)
            .map_err(|error| refused("bad_json", "", format!("the request is not JSON: {error}")))
    }
}

/// For messages: `null`, `true`, `17`, `"text"`, `a list`, `an object`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

/// A text of the client in quotes, shortened.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The depth is bounded: serde_json refuses documents nested deeper than 128.
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = object.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }
}

/// The fields of one object, by the paths they may have.
pub(super) struct Fields {
    paths: &'static [&'static str],
    values: Vec<Option<Node>>,
}

/// One field; `null` counts as absent.
pub(super) struct Field {
    pub(super) at: &'static str,
    pub(super) value: Option<Node>,
}

impl Fields {
    /// Sorts the fields of an object at the path `section`. `elsewhere` are the paths of fields in
    /// other objects, for the message if one of them turns up here.
    pub(super) fn sort(
        section: &'static str,
        paths: &'static [&'static str],
        elsewhere: &[&'static str],
        object: Vec<(String, Node)>,
    ) -> Result<Fields, Refused> {
        let mut values: Vec<Option<Node>> = paths.iter().map(|_| None).collect();
        for (name, value) in object {
            let Some(place) = paths.iter().position(|path| name_of(path) == name) else {
                let at =
                    if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
                return Err(refused("unknown_field", at, unknown(&name, paths, elsewhere)));
            };
            if values[place].replace(value).is_some() {
                let text = format!("the field {name:?} is there twice");
                return Err(refused("duplicate_field", paths[place], text));
            }
        }
        Ok(Fields { paths, values })
    }

    /// Takes the field at a path, which must be one of those the object may have.
    pub(super) fn take(&mut self, at: &'static str) -> Field {
        let place = self.paths.iter().position(|path| *path == at);
        let value = place.and_then(|place| self.values[place].take());
        debug_assert!(place.is_some(), "{at} is no field of this object");
        Field { at, value: value.filter(|value| !matches!(value, Node::Null)) }
    }
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn unknown(name: &str, paths: &[&'static str], elsewhere: &[&'static str]) -> String {
    let names = || paths.iter().map(|path| name_of(path));
    let misplaced = || elsewhere.iter().copied().find(|path| name_of(path) == name);
    let hint = nearest(name, names()).or_else(misplaced);
    let hint = hint.map_or(String::new(), |meant| format!("; did you mean {meant:?}"));
    let known: Vec<&str> = names().collect();
    format!("unknown field {}{hint}; known: {}", quoted(name), known.join(", "))
}

/// The candidate that is most likely meant; none if none is close enough to be of help.
pub(super) fn nearest<'c>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // The distance takes time with the product of both lengths, and a long text is no slip.
    if typed.len() > SHOWN_CHARS {
        return None;
    }
    let typed = typed.to_ascii_lowercase().replace('_', "-");
    let allowed = (typed.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
