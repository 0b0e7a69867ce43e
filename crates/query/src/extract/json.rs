//! Values at some places of a JSON text, without building the rest of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{DeclareError, Malformed, Value};

/// All places that are wanted.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    /// Where the array of events is, if there is one.
    events: Option<Node>,
    values: Node,
}

/// A place, and those below it.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The keys whose value is here.
    keys: Vec<usize>,
    /// Names in an object, or numbers in an array.
    below: Vec<(Box<str>, Node)>,
}

impl Paths {
    pub(super) fn new(events: Option<&str>, pointers: &[&str]) -> Result<Paths, DeclareError> {
        let events = match events {
            None => None,
            Some(pointer) => {
                let mut node = Node::default();
                node.add(pointer, 0)?;
                Some(node)
            }
        };
        let mut values = Node::default();
        for (key, pointer) in pointers.iter().enumerate() {
            values.add(pointer, key)?;
        }
        Ok(Paths { events, values })
    }

    pub(super) fn run<'p>(
        &self,
        payload: &'p [u8],
        values: &mut Vec<Value<'p>>,
    ) -> Result<(), Malformed> {
        let text = str::from_utf8(payload).map_err(|_| Malformed)?;
        let mut put = |event: usize, key: usize, text: Cow<'p, [u8]>| {
            values.push(Value { key, event, text });
        };
        match &self.events {
            None => self.values.read(text, &mut |key, raw| {
                scalars(raw, &mut |text| {
                    put(0, key, text);
                });
            }),
            Some(events) => events.read(text, &mut |_, raw| {
                let elements = serde_json::from_str(raw.get()).unwrap_or_else(|_| vec![raw]);
                for (event, element) in elements.into_iter().enumerate() {
                    // The first event of a message is its own: headers.
                    self.values.visit(element, &mut |key, raw| {
                        scalars(raw, &mut |text| {
                            put(event + 1, key, text);
                        });
                    });
                }
            }),
        }
    }
}

impl Node {
    fn add(&mut self, pointer: &str, key: usize) -> Result<(), DeclareError> {
        let bad = || DeclareError::BadPointer(pointer.to_owned());
        let escapes = pointer.split('~').skip(1);
        let names = match pointer.strip_prefix('/') {
            Some(names) => Some(names),
            None if pointer.is_empty() => None,
            None => return Err(bad()),
        };
        if !escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])) {
            return Err(bad());
        }
        let mut node = self;
        for name in names.into_iter().flat_map(|names| names.split('/')) {
            let name = name.replace("~1", "/").replace("~0", "~");
            let at = node.below.iter().position(|(known, _)| **known == *name);
            let at = at.unwrap_or_else(|| {
                node.below.push((name.into(), Node::default()));
                node.below.len() - 1
            });
            node = &mut node.below[at].1;
        }
        node.keys.push(key);
        Ok(())
    }

    /// Calls `each` with what is at each wanted place of a payload, which is read once. If there
    /// is a mistake in it, that may be after some of them.
    fn read<'p>(
        &self,
        text: &'p str,
        each: &mut dyn FnMut(usize, &'p RawValue),
    ) -> Result<(), Malformed> {
        let has_below = text.trim_ascii_start().starts_with(['{', '[']);
        if !self.keys.is_empty() || self.below.is_empty() || !has_below {
            let whole = serde_json::from_str(text).map_err(|_| Malformed)?;
            self.visit(whole, each);
            return Ok(());
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = reader.deserialize_any(Below { node: self, each });
        read.and_then(|()| reader.end()).map_err(|_| Malformed)
    }

    /// Calls `each` with what is at each wanted place.
    fn visit<'p>(&self, raw: &'p RawValue, each: &mut dyn FnMut(usize, &'p RawValue)) {
        for key in &self.keys {
            each(*key, raw);
        }
        if self.below.is_empty() || !raw.get().starts_with(['{', '[']) {
            return;
        }
        let mut reader = serde_json::Deserializer::from_str(raw.get());
        // Only what was read before, and had no mistake, is a raw value.
        let _read = reader.deserialize_any(Below { node: self, each });
    }

    fn named(&self, name: &str) -> Option<&Node> {
        self.below.iter().find(|(known, _)| **known == *name).map(|(_, node)| node)
    }
}

/// Reads what is directly below a place.
struct Below<'n, 'f, 'p> {
    node: &'n Node,
    each: &'f mut dyn FnMut(usize, &'p RawValue),
}

impl<'p> Visitor<'p> for Below<'_, '_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            match self.node.named(&name) {
                Some(node) => node.visit(map.next_value()?, self.each),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'p>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0_usize;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if let Some(node) = self.node.named(&number.to_string()) {
                node.visit(element, self.each);
            }
            number += 1;
        }
        Ok(())
    }
}

/// A name in an object, a copy only if it has escapes.
struct Name<'p>(Cow<'p, str>);

impl<'p> Deserialize<'p> for Name<'p> {
    fn deserialize<D: Deserializer<'p>>(reader: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'p> Visitor<'p> for Text {
            type Value = Name<'p>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'p str) -> Result<Name<'p>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'p>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        reader.deserialize_str(Text)
    }
}

/// The text of a scalar, or of each scalar in an array.
fn scalars<'p>(raw: &'p RawValue, put: &mut dyn FnMut(Cow<'p, [u8]>)) {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            if memchr::memchr(b'\\', text.as_bytes()).is_none() {
                return put(Cow::Borrowed(&text.as_bytes()[1..text.len() - 1]));
            }
            if let Ok(Name(text)) = serde_json::from_str(text) {
                put(match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                });
            }
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            for element in elements {
                if !element.get().starts_with('[') {
                    scalars(element, put);
                }
            }
        }
        // An object, or `null`.
        Some(b'{' | b'n') | None => {}
        Some(_) => put(Cow::Borrowed(text.as_bytes())),
    }
}

#[cfg(test)]
mod tests;
