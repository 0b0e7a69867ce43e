//! `extract`: what is taken out of payloads for queries to ask for, by subject.
//!
//! Read in one step, like `overflow.rules` in the first of theirs: every mistake is told with its
//! place, down to the single tag.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use floodway::Filter;
use floodway_query::{DeclareError, Extraction};
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, List, join};
use super::problem::nearest;
use super::value::{Value, quoted};

/// The key of the list.
pub(super) const PATH: &str = "extract";

/// Every new subject looks at all of them, one after the other.
const MOST: usize = 1_000;

const FIELDS: [&str; 5] = ["subject", "json", "events", "logfmt", "text"];

const EXAMPLE: &str = "{ subject = \"quotes.>\", json = { price = \"/last/price\" } }";

/// One entry of `extract`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExtractConfig {
    /// It is for messages on this.
    pub subject: Filter,
    /// What is taken out, as it was written.
    pub declared: Declared,
    /// The same, ready to be used.
    pub extraction: Extraction,
}

/// What is taken out of payloads, and which tags it becomes: pairs of a tag and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// Places in JSON.
    Json {
        /// The pointer to the array whose elements the others are in; none for the whole payload.
        events: Option<String>,
        /// JSON pointers.
        tags: BTreeMap<String, String>,
    },
    /// Names in logfmt.
    Logfmt(BTreeMap<String, String>),
    /// The named groups of a regular expression.
    Text(String),
}

// The extraction follows from what is declared.
impl PartialEq for ExtractConfig {
    fn eq(&self, other: &ExtractConfig) -> bool {
        (&self.subject, &self.declared) == (&other.subject, &other.declared)
    }
}

impl Eq for ExtractConfig {}

impl Declared {
    fn extraction(&self) -> Result<Extraction, DeclareError> {
        fn pairs(tags: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
            tags.iter().map(|(tag, source)| (tag.as_str(), source.as_str()))
        }
        match self {
            Declared::Json { events: None, tags } => Extraction::json(pairs(tags)),
            Declared::Json { events: Some(events), tags } => {
                Extraction::json_events(events, pairs(tags))
            }
            Declared::Logfmt(tags) => Extraction::logfmt(pairs(tags)),
            Declared::Text(regex) => Extraction::text(regex),
        }
    }
}

/// Reads the list; every mistake in it is noted.
pub(super) fn read(draft: &mut Draft<'_>, value: &DeValue<'_>, span: Range<usize>) {
    let list = List { path: PATH, example: EXAMPLE, things: "entries", most: MOST };
    let Some(list) = list.read(draft, value, &span) else { return };
    let mut starts: Vec<usize> = Vec::new();
    for entry in list {
        let Some(read) = read_entry(draft, entry.get_ref(), &entry.span()) else { continue };
        let mut earlier = draft.config.extract.iter();
        match earlier.position(|earlier| earlier.subject.covers(&read.subject)) {
            Some(earlier) => {
                let line = draft.line(starts[earlier]);
                let message = format!(
                    "this can never apply: the one on line {line} is for all of `{}`",
                    read.subject
                );
                draft.wrong_at(&entry.span(), &message);
            }
            None => {
                starts.push(entry.span().start);
                draft.config.extract.push(read);
            }
        }
    }
}

fn read_entry(
    draft: &mut Draft<'_>,
    entry: &DeValue<'_>,
    span: &Range<usize>,
) -> Option<ExtractConfig> {
    let Some(table) = entry.as_table() else {
        draft.wrong_at(span, &format!("each of `{PATH}` is like {EXAMPLE}"));
        return None;
    };
    for name in table.keys().filter(|name| !is_known(name)) {
        let path = join(PATH, name.get_ref());
        let hint = match nearest(name.get_ref(), FIELDS) {
            Some(name) => format!("did you mean `{}`?", join(PATH, name)),
            None => format!("there are `{}`", FIELDS.join("`, `")),
        };
        draft.wrong_at(&name.span(), &format!("unknown key `{path}`; {hint}"));
    }
    let subject = subject(draft, table, span);
    let declared = declared(draft, table, span)?;
    // What is wrong with a single tag has been told, so nothing can be wrong with all of them.
    let extraction = declared.extraction().ok()?;
    Some(ExtractConfig { subject: subject?, declared, extraction })
}

fn is_known(name: &toml::Spanned<Cow<'_, str>>) -> bool {
    FIELDS.contains(&&**name.get_ref())
}

fn subject(draft: &mut Draft<'_>, table: &DeTable<'_>, span: &Range<usize>) -> Option<Filter> {
    if !table.contains_key("subject") {
        draft.wrong_at(span, &format!("each of `{PATH}` needs a `subject`, as in {EXAMPLE}"));
        return None;
    }
    let (text, place) = text(draft, table, "subject")?;
    match Filter::new(&text) {
        Ok(filter) => Some(filter),
        Err(error) => {
            wrong(draft, "subject", &place, &format!("`{text}` is no filter: {error}"));
            None
        }
    }
}

/// The one format of an entry.
fn declared(draft: &mut Draft<'_>, table: &DeTable<'_>, span: &Range<usize>) -> Option<Declared> {
    let formats: Vec<_> = ["json", "logfmt", "text"]
        .into_iter()
        .filter_map(|name| Some((name, table.get(name)?)))
        .collect();
    let (name, value) = match formats[..] {
        [] => {
            // What is not known has been told, and was meant to be the format.
            if table.keys().all(is_known) {
                let message = format!("each of `{PATH}` needs one of `json`, `logfmt` and `text`");
                draft.wrong_at(span, &message);
            }
            return None;
        }
        [one] => one,
        [_, (second, value), ..] => {
            let message = "an entry has one of `json`, `logfmt` and `text`; write another entry";
            wrong(draft, second, &value.span(), message);
            return None;
        }
    };
    let events = table.get("events");
    if let (Some(events), true) = (events, name != "json") {
        let message = format!("`{}` is only for `json`", join(PATH, "events"));
        draft.wrong_at(&events.span(), &message);
    }
    match name {
        "json" => {
            let events = match events {
                Some(_) => Some(events_pointer(draft, table)?),
                None => None,
            };
            let tags = tags(draft, name, value, |tag, from| Extraction::json([(tag, from)]))?;
            Some(Declared::Json { events, tags })
        }
        "logfmt" => {
            let tags = tags(draft, name, value, |tag, from| Extraction::logfmt([(tag, from)]))?;
            Some(Declared::Logfmt(tags))
        }
        _ => {
            let (regex, place) = text(draft, table, "text")?;
            match Extraction::text(&regex) {
                Ok(_) => Some(Declared::Text(regex)),
                Err(error) => {
                    wrong(draft, "text", &place, &error.to_string());
                    None
                }
            }
        }
    }
}

fn events_pointer(draft: &mut Draft<'_>, table: &DeTable<'_>) -> Option<String> {
    let (pointer, place) = text(draft, table, "events")?;
    match Extraction::json_events(&pointer, []) {
        Ok(_) => Some(pointer),
        Err(error) => {
            wrong(draft, "events", &place, &error.to_string());
            None
        }
    }
}

type ReadTag = fn(&str, &str) -> Result<Extraction, DeclareError>;

/// The tags of a table, each by itself read with `read`.
fn tags(
    draft: &mut Draft<'_>,
    format: &str,
    value: &toml::Spanned<DeValue<'_>>,
    read: ReadTag,
) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    let Some(table) = value.get_ref().as_table().filter(|table| !table.is_empty()) else {
        let message = "it is a table of tags and where they are, as in { price = \"...\" }";
        wrong(draft, format, &value.span(), message);
        return None;
    };
    let all_right = read_tags(draft, format, "", table, read, &mut tags);
    all_right.then_some(tags)
}

/// Reads tags, those too whose dots TOML takes for tables; false if some are wrong.
fn read_tags(
    draft: &mut Draft<'_>,
    format: &str,
    above: &str,
    table: &DeTable<'_>,
    read: ReadTag,
    tags: &mut BTreeMap<String, String>,
) -> bool {
    let mut all_right = true;
    for (name, value) in table {
        let tag = join(above, name.get_ref());
        let path = format!("{format}.{tag}");
        let source = match value.get_ref() {
            DeValue::Table(inner) => {
                all_right &= read_tags(draft, format, &tag, inner, read, tags);
                continue;
            }
            other => Value::from(other).text(),
        };
        let (place, why) = match source.map(|source| (source, read(&tag, source))) {
            Ok((source, Ok(_))) => match tags.insert(tag, source.to_owned()) {
                None => continue,
                Some(_) => (name.span(), "this tag is there twice".to_owned()),
            },
            Ok((_, Err(error @ DeclareError::BadKey(_)))) => (name.span(), error.to_string()),
            Ok((_, Err(error))) => (value.span(), error.to_string()),
            Err(message) => (value.span(), message),
        };
        all_right = false;
        wrong(draft, &path, &place, &why);
    }
    all_right
}

/// A text and its place.
fn text(draft: &mut Draft<'_>, table: &DeTable<'_>, name: &str) -> Option<(String, Range<usize>)> {
    let value = table.get(name)?;
    match Value::from(value.get_ref()).text() {
        Ok(text) => Some((text.to_owned(), value.span())),
        Err(message) => {
            wrong(draft, name, &value.span(), &message);
            None
        }
    }
}

fn wrong(draft: &mut Draft<'_>, name: &str, place: &Range<usize>, message: &str) {
    draft.wrong_at(place, &format!("wrong value for `{}`: {message}", join(PATH, name)));
}

/// The list as TOML, one entry a line.
pub(super) fn show(all: &[ExtractConfig]) -> String {
    if all.is_empty() {
        return "[]".to_owned();
    }
    let lines: String = all.iter().map(|one| format!("    {},\n", show_entry(one))).collect();
    format!("[\n{lines}]")
}

fn show_entry(entry: &ExtractConfig) -> String {
    let declared = match &entry.declared {
        Declared::Json { events: None, tags } => format!("json = {}", show_tags(tags)),
        Declared::Json { events: Some(events), tags } => {
            format!("json = {}, events = {}", show_tags(tags), quoted(events))
        }
        Declared::Logfmt(tags) => format!("logfmt = {}", show_tags(tags)),
        Declared::Text(regex) => format!("text = {}", quoted(regex)),
    };
    format!("{{ subject = {}, {declared} }}", quoted(entry.subject.to_string()))
}

fn show_tags(tags: &BTreeMap<String, String>) -> String {
    // Quoted keys: a tag with a dot stays one key.
    let tags = tags.iter().map(|(tag, source)| format!("\"{tag}\" = {}", quoted(source)));
    format!("{{ {} }}", tags.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
