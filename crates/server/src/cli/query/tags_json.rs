//! Tags as JSON: `{"key": ["value", ...], ...}`, or a list of those, one for each event.

use std::fmt;

use floodway_query::Tags;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Keys and their values, by events.
#[derive(Debug, Default)]
pub(super) struct TagsJson {
    events: Vec<Vec<(String, Vec<String>)>>,
}

impl TagsJson {
    /// The tags, as a query sees them.
    pub(super) fn tags(&self) -> Tags<'_> {
        let mut tags = Tags::new();
        for (number, event) in self.events.iter().enumerate() {
            if number > 0 {
                tags.next_event();
            }
            for (key, values) in event {
                if values.is_empty() {
                    tags.push_empty(key);
                }
                values.iter().for_each(|value| tags.push(key, value));
            }
        }
        tags
    }
}

impl<'de> Deserialize<'de> for TagsJson {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Events)
    }
}

struct Events;

impl<'de> Visitor<'de> for Events {
    type Value = TagsJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of keys and their values, or a list of such objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TagsJson, A::Error> {
        Ok(TagsJson { events: vec![EventVisitor.visit_map(map)?] })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TagsJson, A::Error> {
        let mut events = Vec::new();
        while let Some(Event(event)) = list.next_element()? {
            events.push(event);
        }
        Ok(TagsJson { events })
    }
}

/// Keys and their values.
struct Event(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(EventVisitor).map(Event)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Vec<(String, Vec<String>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of keys and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut event = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value: Box<RawValue> = map.next_value()?;
            let values = values(&value).ok_or_else(|| {
                let what = format!("`{key}` has {value}, which is no string and no list of them");
                A::Error::custom(what)
            })?;
            event.push((key, values));
        }
        Ok(event)
    }
}

/// A string, a number or a boolean as it is written, or a list of those; `null` is no value.
fn values(raw: &RawValue) -> Option<Vec<String>> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => Some(vec![serde_json::from_str(text).ok()?]),
        b'{' => None,
        b'n' => Some(Vec::new()),
        b'[' => {
            let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let nested = list.iter().any(|one| one.get().starts_with('['));
            let all: Option<Vec<_>> = list.into_iter().map(values).collect();
            if nested { None } else { all.map(|all| all.concat()) }
        }
        _ => Some(vec![text.to_owned()]),
    }
}
