//! `overflow.rules`: other policies, and queries, for some subscriptions, by subject and user.
//!
//! A rule is read in two steps. First each of its keys by itself; what is wrong there is told with
//! its place. Then, when everything else of the configuration is known, what it has in common with
//! other keys: limits it does not set, the users, the largest message, and the rules before it.

mod cover;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use floodway::{Conflation, Fallback, Filter, Key, Limits, Overflow, Policy};
use floodway_query::Options;
use toml::de::DeValue;

use self::cover::Covers;
use super::draft::{Draft, List, join};
use super::keys::{policy, show_duration, show_size};
use super::problem::nearest;
use super::rules::{granted_bytes, granted_too_little};
use super::value::{Value, quoted};
use super::{OverflowRule, RuleQuery, size};

/// The key of the rules.
pub(super) const PATH: &str = "overflow.rules";

/// Every SUB may have to look at all of them, one after the other.
const MOST: usize = 10_000;

const EXAMPLE: &str = "{ subject = \"quotes.>\", policy = \"conflate\" }";

/// A rule as it was written. An absent limit is that of `overflow.subscription`; the inner `None`
/// is no limit.
#[derive(Debug, Default)]
pub(super) struct WrittenRule {
    subject: Option<Filter>,
    user: Option<String>,
    policy: Policy,
    key: Option<Key>,
    fallback: Option<Fallback>,
    messages: Option<Option<u64>>,
    bytes: Option<Option<u64>>,
    behind: Option<Option<Duration>>,
    ttl: Option<Option<Duration>>,
    query: Option<String>,
    dialect: Option<Options>,
    checked_query: Option<RuleQuery>,
    /// Where the whole rule is.
    span: Range<usize>,
    /// Where the values are that were read.
    places: BTreeMap<&'static str, Range<usize>>,
}

/// One key of a rule.
struct Field {
    name: &'static str,
    set: fn(&mut WrittenRule, Value<'_>) -> Result<(), String>,
}

const FIELDS: [Field; 11] = [
    Field {
        name: "subject",
        set: |rule, value| {
            let text = value.text()?;
            let filter = Filter::new(text);
            rule.subject = Some(filter.map_err(|error| format!("`{text}` is no filter: {error}"))?);
            Ok(())
        },
    },
    Field {
        name: "user",
        set: |rule, value| {
            rule.user = value.optional_text()?.map(str::to_owned);
            let none = || "it is empty; leave it out for every user".to_owned();
            rule.user.is_some().then_some(()).ok_or_else(none)
        },
    },
    Field {
        name: "policy",
        set: |rule, value| {
            rule.policy = policy(value)?;
            Ok(())
        },
    },
    Field {
        name: "key",
        set: |rule, value| {
            let key = value.text()?.parse::<Key>();
            rule.key = Some(key.map_err(|error| error.to_string())?);
            Ok(())
        },
    },
    Field {
        name: "fallback",
        set: |rule, value| {
            rule.fallback = Some(value.choice(&Fallback::ALL.map(|one| (one.name(), one)))?);
            Ok(())
        },
    },
    Field {
        name: "messages",
        set: |rule, value| {
            rule.messages = Some(value.limit(|v| v.number(&(0..=u64::MAX)))?);
            Ok(())
        },
    },
    Field {
        name: "bytes",
        set: |rule, value| {
            rule.bytes = Some(value.limit(|v| v.bytes(&(0..=u64::MAX)))?);
            Ok(())
        },
    },
    Field {
        name: "behind",
        set: |rule, value| {
            rule.behind = Some(value.limit(Value::duration)?);
            Ok(())
        },
    },
    Field {
        name: "ttl",
        set: |rule, value| {
            rule.ttl = Some(value.limit(Value::duration)?);
            Ok(())
        },
    },
    Field {
        name: "query",
        set: |rule, value| {
            rule.query = Some(value.text()?.to_owned());
            Ok(())
        },
    },
    Field {
        name: "dialect",
        set: |rule, value| {
            let dialects = [Options::extended(), Options::strict()];
            rule.dialect = Some(value.choice(&dialects.map(|one| (one.dialect().name(), one)))?);
            Ok(())
        },
    },
];

/// Reads the list of rules; every mistake in it is noted.
pub(super) fn read(draft: &mut Draft<'_>, value: &DeValue<'_>, span: Range<usize>) {
    let list = List { path: PATH, example: EXAMPLE, things: "rules", most: MOST };
    let Some(list) = list.read(draft, value, &span) else { return };
    for entry in list {
        read_rule(draft, entry.get_ref(), entry.span());
    }
}

fn read_rule(draft: &mut Draft<'_>, entry: &DeValue<'_>, span: Range<usize>) {
    let Some(table) = entry.as_table() else {
        return draft.wrong_at(&span, &format!("each of `{PATH}` is like {EXAMPLE}"));
    };
    let mut rule = WrittenRule { span, ..WrittenRule::default() };
    for (name, value) in table {
        let Some(field) = FIELDS.iter().find(|field| field.name == name.get_ref()) else {
            let path = join(PATH, name.get_ref());
            let message = format!("unknown key `{path}`; {}", hint(name.get_ref()));
            draft.wrong_at(&name.span(), &message);
            continue;
        };
        match (field.set)(&mut rule, Value::from(value.get_ref())) {
            Ok(()) => {
                rule.places.insert(field.name, value.span());
            }
            Err(message) => {
                let message = format!("wrong value for `{}`: {message}", join(PATH, field.name));
                draft.wrong_at(&value.span(), &message);
            }
        }
    }
    if !table.contains_key("subject") {
        let message = format!("each of `{PATH}` needs a `subject`, as in {EXAMPLE}");
        draft.wrong_at(&rule.span, &message);
    }
    // Beside a policy that was refused nobody knows whether it has a key.
    let known = rule.places.contains_key("policy") || !table.contains_key("policy");
    if known {
        conflate(draft, &mut rule);
    }
    // Likewise in a dialect that was refused.
    if rule.dialect.is_some() || !table.contains_key("dialect") {
        query(draft, &mut rule, table.contains_key("query"));
    }
    draft.rules.push(rule);
}

/// Reads the query in its dialect, which is there for nothing else.
fn query(draft: &mut Draft<'_>, rule: &mut WrittenRule, is_there: bool) {
    let Some(written) = rule.query.take() else {
        if let (Some(place), false) = (rule.places.get("dialect"), is_there) {
            let path = join(PATH, "dialect");
            let message = format!("`{path}` is only for a rule with a `query`; this one has none");
            draft.wrong_at(place, &message);
        }
        return;
    };
    match rule.dialect.unwrap_or_default().parse(&written) {
        Ok(query) => rule.checked_query = Some(RuleQuery { written, query }),
        Err(error) => {
            let path = join(PATH, "query");
            let place = draft.place_in(rule.place("query"), &written, error.offset());
            let why = error.in_one_line();
            draft.wrong_at(&place, &format!("wrong value for `{path}`: {why}"));
        }
    }
}

/// Moves the key and the fallback into the policy, which must be the one that has them.
fn conflate(draft: &mut Draft<'_>, rule: &mut WrittenRule) {
    if let Policy::Conflate(Conflation { key, fallback }) = &mut rule.policy {
        *key = rule.key.take().unwrap_or_default();
        *fallback = rule.fallback.take().unwrap_or_default();
        return;
    }
    for name in ["key", "fallback"] {
        if let Some(place) = rule.places.get(name) {
            let path = join(PATH, name);
            let policy = rule.policy.name();
            let message = format!(
                "`{path}` is only for the policy `conflate`, and this rule's is `{policy}`"
            );
            draft.wrong_at(place, &message);
        }
    }
}

fn hint(name: &str) -> String {
    let names = FIELDS.map(|field| field.name);
    match nearest(name, names) {
        Some(name) => format!("did you mean `{}`?", join(PATH, name)),
        None => format!("there are `{}`", names.join("`, `")),
    }
}

/// Checks what the rules have in common with other keys, and completes the configuration.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut covers = Covers::default();
    let mut starts = Vec::new();
    for rule in std::mem::take(&mut draft.rules) {
        // Without a subject the draft is not sound, and nobody would ask for this.
        let Some(subject) = &rule.subject else { continue };
        let start = rule.span.start;
        check_user(draft, &rule);
        check_bytes(draft, &rule);
        match covers.insert(subject, rule.user.as_deref(), starts.len()) {
            Some(earlier) => {
                let line = draft.line(starts[earlier]);
                let message = format!(
                    "this rule can never apply: the one on line {line} is for all of `{subject}`"
                );
                draft.wrong_at(&rule.span, &message);
            }
            None => {
                let overflow = rule.overflow(&draft.config.overflow.subscription);
                let subject = subject.clone();
                let (user, query) = (rule.user, rule.checked_query);
                draft.config.overflow.rules.push(OverflowRule { subject, user, overflow, query });
            }
        }
        starts.push(start);
    }
}

fn check_user(draft: &mut Draft<'_>, rule: &WrittenRule) {
    let users = &draft.config.auth.users;
    let (Some(user), false) = (&rule.user, users.is_empty()) else { return };
    if users.iter().any(|known| known.user == *user) {
        return;
    }
    let hint = nearest(user, users.iter().map(|known| known.user.as_str()))
        .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let path = join(PATH, "user");
    let message = format!("wrong value for `{path}`: no `{user}` is in `auth.users`{hint}");
    draft.wrong_at(rule.place("user"), &message);
}

/// A message larger than the queue may be would never be delivered.
fn check_bytes(draft: &mut Draft<'_>, rule: &WrittenRule) {
    let payload = draft.config.limits.payload as u64;
    let path = join(PATH, "bytes");
    if let Some(bytes) = rule.bytes.flatten() {
        if bytes < payload {
            let message = format!(
                "wrong value for `{path}`: `limits.payload` ({}) must not be more than it ({})",
                size::exact(payload),
                size::exact(bytes),
            );
            draft.wrong_at(rule.place("bytes"), &message);
        }
        return;
    }
    let overflow = rule.overflow(&draft.config.overflow.subscription);
    if let Some(granted) = granted_bytes(&overflow).filter(|granted| *granted < payload) {
        draft.wrong_at(&rule.span, &granted_too_little(payload, granted, &path));
    }
}

impl WrittenRule {
    /// Where a key is; the whole rule if it is not there.
    fn place(&self, name: &str) -> &Range<usize> {
        self.places.get(name).unwrap_or(&self.span)
    }

    fn overflow(&self, default: &Limits) -> Overflow {
        let limits = Limits {
            messages: self.messages.unwrap_or(default.messages),
            bytes: self.bytes.unwrap_or(default.bytes),
            behind: self.behind.unwrap_or(default.behind),
            ttl: self.ttl.unwrap_or(default.ttl),
        };
        Overflow::new(self.policy.clone(), limits)
    }
}

/// The rules as TOML, one a line. All limits are written: what is printed stands by itself.
pub(super) fn show(rules: &[OverflowRule]) -> String {
    if rules.is_empty() {
        return "[]".to_owned();
    }
    let lines: String = rules.iter().map(|rule| format!("    {},\n", show_rule(rule))).collect();
    format!("[\n{lines}]")
}

fn show_rule(rule: &OverflowRule) -> String {
    let OverflowRule { subject, user, overflow: Overflow { policy, limits }, query } = rule;
    let mut text = format!("{{ subject = {}", quoted(subject.to_string()));
    if let Some(user) = user {
        text.push_str(&format!(", user = {}", quoted(user)));
    }
    text.push_str(&format!(", policy = {}", quoted(policy.name())));
    if let Policy::Conflate(Conflation { key, fallback }) = policy {
        let (key, fallback) = (quoted(key.to_string()), quoted(fallback.name()));
        text.push_str(&format!(", key = {key}, fallback = {fallback}"));
    }
    text.push_str(&format!(
        ", messages = {}, bytes = {}, behind = {}, ttl = {}",
        limits.messages.unwrap_or(0),
        show_size(limits.bytes.unwrap_or(0)),
        show_duration(limits.behind.unwrap_or_default()),
        show_duration(limits.ttl.unwrap_or_default()),
    ));
    if let Some(RuleQuery { written, query }) = query {
        let (written, dialect) = (quoted(written), quoted(query.dialect().name()));
        text.push_str(&format!(", query = {written}, dialect = {dialect}"));
    }
    text + " }"
}

#[cfg(test)]
mod tests;
