//! A configuration in the making: who set what, and every mistake found so far.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::Config;
use super::extract;
use super::keys::{KEYS, Key};
use super::overflow_rule::{self, WrittenRule};
use super::problem::{ConfigError, Source, nearest};
use super::value::{Refusal, Value};

/// What other brokers call a key; the error for these names ours.
const FOREIGN: [(&str, &str); 17] = [
    ("addr", "listen"),
    ("authorization", "auth"),
    ("debug", "log.level"),
    ("host", "listen"),
    ("http_port", "http"),
    ("log_file", "log.file"),
    ("logfile", "log.file"),
    ("max_connections", "limits.connections"),
    ("max_control_line", "limits.control_line"),
    ("max_payload", "limits.payload"),
    ("max_pending", "overflow.connection.bytes"),
    ("max_subscriptions", "limits.subscriptions"),
    ("monitor_port", "http"),
    ("net", "listen"),
    ("port", "listen"),
    ("trace", "log.level"),
    ("write_deadline", "overflow.connection.behind"),
];

/// Keys that look as if they should be there, and why they are not.
const EXPLAINED: [(&str, &str); 4] = [
    ("overflow.connection.policy", "at its limits a connection always ends"),
    (
        "overflow.connection.ttl",
        "a time to live is for subscriptions: write `ttl` below [overflow.subscription] or in \
         one of `overflow.rules`",
    ),
    ("overflow.fallback", "it is for one of `overflow.rules`; without a rule it is `drop-oldest`"),
    ("overflow.key", "it is for one of `overflow.rules`; without a rule it is `subject`"),
];

/// Values given on the command line; each wins over the file.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    flags: Vec<(&'static str, &'static str, String)>,
    user: Option<(String, String)>,
}

impl Overrides {
    /// Sets a key to what was typed behind a flag. `flag` is how errors call it, `key` the path
    /// of the key in the file, such as `limits.payload`. Without text nothing changes.
    pub fn set(&mut self, flag: &'static str, key: &'static str, text: Option<&str>) {
        self.flags.extend(text.map(|text| (flag, key, text.to_owned())));
    }

    /// Replaces all users by this one.
    pub fn set_user(&mut self, user: &str, password: &str) {
        self.user = Some((user.to_owned(), password.to_owned()));
    }
}

/// Who set a key.
#[derive(Debug, Clone)]
enum Origin {
    File(Range<usize>),
    Flag(&'static str),
}

pub(super) struct Draft<'s> {
    pub(super) config: Config,
    /// `overflow.rules` as read; the checked ones are in the configuration.
    pub(super) rules: Vec<WrittenRule>,
    source: Source<'s>,
    origins: BTreeMap<&'static str, Origin>,
    /// Place in the file and text, so that they can be told from top to bottom.
    problems: Vec<(usize, String)>,
}

impl<'s> Draft<'s> {
    /// The defaults, and the text that [`Draft::read_file`] will read.
    pub(super) fn new(name: &'s str, text: &'s str) -> Draft<'s> {
        Draft {
            config: Config::default(),
            rules: Vec::new(),
            source: Source { name, text },
            origins: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn read_file(&mut self) {
        match DeTable::parse(self.source.text) {
            Ok(table) => self.read_table(table.get_ref(), ""),
            Err(error) => {
                let end = self.source.text.len();
                let message = error.message().trim().replace('\n', ", ");
                self.wrong_at(&error.span().unwrap_or(end..end), &format!("not TOML: {message}"));
            }
        }
    }

    pub(super) fn read_flags(&mut self, overrides: &Overrides) {
        for (flag, path, text) in &overrides.flags {
            self.read_flag(flag, path, Value::Flag(text));
        }
        if let Some((user, password)) = &overrides.user {
            self.read_flag("--user", "auth.users", Value::FlagUser(user, password));
        }
    }

    /// True if nothing was wrong so far. Rules between keys are worth checking only then: beside
    /// a value that was refused they would complain about the default that stands in for it.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// True if a file or a flag set the key.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.origins.contains_key(path)
    }

    /// Notes a mistake that several keys make together, at the first of them that was set.
    pub(super) fn wrong_together(&mut self, paths: &[&'static str], message: &str) {
        let found =
            paths.iter().find_map(|path| self.origins.get(path).map(|origin| (path, origin)));
        match found {
            Some((path, Origin::File(span))) => {
                let span = span.clone();
                self.wrong_at(&span, &format!("wrong value for `{path}`: {message}"));
            }
            Some((_, Origin::Flag(flag))) => {
                let text = format!("{flag}: {message}");
                self.problems.push((usize::MAX, text));
            }
            None => self.problems.push((usize::MAX, message.to_owned())),
        }
    }

    pub(super) fn finish(mut self) -> Result<Config, ConfigError> {
        if self.problems.is_empty() {
            return Ok(self.config);
        }
        self.problems.sort_by_key(|(place, _)| *place);
        Err(ConfigError::new(self.problems.into_iter().map(|(_, text)| text).collect()))
    }

    fn read_table(&mut self, table: &DeTable<'_>, section: &str) {
        for (name, value) in table {
            let path = join(section, name.get_ref());
            if path == overflow_rule::PATH {
                overflow_rule::read(self, value.get_ref(), value.span());
            } else if path == extract::PATH {
                extract::read(self, value.get_ref(), value.span());
            } else if let Some(key) = KEYS.iter().find(|key| key.path == path) {
                self.read_value(key, value.get_ref(), value.span());
            } else if !keys_below(&path).is_empty() {
                match value.get_ref() {
                    DeValue::Table(inner) => self.read_table(inner, &path),
                    _ => {
                        let names = keys_below(&path).join("`, `");
                        let message =
                            format!("`{path}` is a section: write [{path}], with `{names}` in it");
                        self.wrong_at(&value.span(), &message);
                    }
                }
            } else {
                let hint = hint(section, name.get_ref());
                self.wrong_at(&name.span(), &format!("unknown key `{path}`; {hint}"));
            }
        }
    }

    fn read_value(&mut self, key: &'static Key, value: &DeValue<'_>, span: Range<usize>) {
        match (key.set)(&mut self.config, Value::from(value)) {
            Ok(()) => {
                self.origins.insert(key.path, Origin::File(span));
            }
            Err(Refusal { message, span: narrower }) => {
                let message = format!("wrong value for `{}`: {message}", key.path);
                let span = narrower.unwrap_or(span);
                if key.is_secret() {
                    // Errors end up in logs; the line with the secret must not.
                    let problem = self.source.name_place(&span, &message);
                    self.problems.push((span.start, problem));
                } else {
                    self.wrong_at(&span, &message);
                }
            }
        }
    }

    fn read_flag(&mut self, flag: &'static str, path: &str, value: Value<'_>) {
        let Some(key) = KEYS.iter().find(|key| key.path == path) else {
            self.problems.push((usize::MAX, format!("{flag}: there is no key `{path}`")));
            return;
        };
        match (key.set)(&mut self.config, value) {
            Ok(()) => {
                self.origins.insert(key.path, Origin::Flag(flag));
            }
            Err(refusal) => {
                self.problems.push((usize::MAX, format!("{flag}: {}", refusal.message)));
            }
        }
    }

    /// The line that a place in the file is on.
    pub(super) fn line(&self, at: usize) -> usize {
        self.source.line(at)
    }

    /// The place in the file of what is at `offset` in a text that was read from `span`; all of
    /// `span` if the text does not stand there as it is.
    pub(super) fn place_in(&self, span: &Range<usize>, text: &str, offset: usize) -> Range<usize> {
        let written = self.source.text.get(span.clone()).unwrap_or_default();
        let quotes = ["'''", "\"\"\"", "'", "\""];
        let is_it = |quote: &&&str| {
            let inner = written.strip_prefix(**quote).and_then(|rest| rest.strip_suffix(**quote));
            inner == Some(text)
        };
        match quotes.iter().find(is_it) {
            Some(quote) => {
                let at = span.start + quote.len() + offset;
                at..at + 1
            }
            None => span.clone(),
        }
    }

    /// Notes a mistake at a place in the file.
    pub(super) fn wrong_at(&mut self, span: &Range<usize>, message: &str) {
        self.problems.push((span.start, self.source.point_at(span, message)));
    }
}

/// A key whose value is a list of tables.
pub(super) struct List {
    pub(super) path: &'static str,
    /// One of its tables, as it would be written.
    pub(super) example: &'static str,
    /// What they are called.
    pub(super) things: &'static str,
    pub(super) most: usize,
}

impl List {
    /// What is in it; if it is no list, or too long, that is noted.
    pub(super) fn read<'v, 'i>(
        &self,
        draft: &mut Draft<'_>,
        value: &'v DeValue<'i>,
        span: &Range<usize>,
    ) -> Option<&'v DeArray<'i>> {
        let Self { path, example, things, most } = self;
        let Some(list) = value.as_array() else {
            let message = match value {
                DeValue::Table(_) => {
                    format!("`{path}` is a list: write [[{path}]], in two brackets")
                }
                other => format!(
                    "wrong value for `{path}`: {} is not a list; write [{example}]",
                    Value::from(other)
                ),
            };
            draft.wrong_at(span, &message);
            return None;
        };
        if let Some(beyond) = list.get(*most) {
            let message = format!("there are {} {things} in `{path}`; at most {most}", list.len());
            draft.wrong_at(&beyond.span(), &message);
            return None;
        }
        Some(list)
    }
}

pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// Names of the keys and sections directly in a section, as they would be written there.
fn keys_below(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section)?.strip_prefix('.'),
        })
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    names.dedup();
    names
}

/// What was probably meant by a key that does not exist.
fn hint(section: &str, name: &str) -> String {
    let siblings = keys_below(section);
    let path = join(section, name);
    if let Some((_, why)) = EXPLAINED.iter().find(|(explained, _)| *explained == path) {
        return (*why).to_owned();
    }
    if let Some(sibling) = nearest(name, siblings.iter().copied()) {
        return format!("did you mean `{}`?", join(section, sibling));
    }
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let elsewhere = || KEYS.iter().find(|key| last(key.path) == name).map(|key| key.path);
    let foreign = || FOREIGN.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
    if let Some(path) = foreign().or_else(elsewhere) {
        return match path.rsplit_once('.') {
            Some((section, name)) => format!("did you mean `{name}` below [{section}]?"),
            None if keys_below(path).is_empty() => {
                format!("did you mean `{path}`, above the first [section]?")
            }
            None => format!("did you mean the section [{path}]?"),
        };
    }
    format!("there are `{}`", siblings.join("`, `"))
}
