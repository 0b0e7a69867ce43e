//! Reads a control request. It is right as a whole, or it is nothing.

use std::sync::Arc;
use std::time::Duration;

use floodway::{Conflation, Fallback, Filter, Key, Limits, Overflow, Policy, Query, QueryOptions};

use super::document::{Field, Fields, Node, nearest, quoted};
use super::quantity::Quantity;
use super::{Grant, Refused, refused};
use crate::outbox::{Report, SubscriptionSpec};

/// Bytes of a request; one with every field is a few hundred.
pub(super) const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Bytes of a subject or a queue group, which are kept with the grant. A SUB line has no room for
/// longer ones either.
pub(super) const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of a key. Kept in its parts, which may be one for each byte, it takes 17 times as many.
pub(super) const MAX_KEY_BYTES: usize = 256;

pub(super) const TOP: [&str; 8] =
    ["filter", "deliver", "queue", "overflow", "limits", "report", "query", "dialect"];
pub(super) const OVERFLOW: [&str; 3] = ["overflow.policy", "overflow.key", "overflow.fallback"];
pub(super) const LIMITS: [&str; 4] =
    ["limits.messages", "limits.bytes", "limits.behind", "limits.ttl"];

/// Reads a request: the subject to deliver on, and what to grant there.
pub(super) fn parse(request: &[u8]) -> Result<(Filter, Grant), Refused> {
    if request.len() > MAX_REQUEST_BYTES {
        let text = format!("the request has {} bytes; at most {MAX_REQUEST_BYTES}", request.len());
        return Err(refused("too_large", "", text));
    }
    let object = match Node::parse(request)? {
        Node::Object(object) => object,
        other => {
            let text = format!("the request must be a JSON object, not {other}");
            return Err(refused("bad_json", "", text));
        }
    };
    let below: Vec<&str> = OVERFLOW.into_iter().chain(LIMITS).collect();
    let mut fields = Fields::sort("", &TOP, &below, object)?;
    let filter = fields.take("filter").subject()?;
    let deliver = fields.take("deliver").subject()?;
    if !deliver.is_literal() {
        return Err(refused("bad_subject", "deliver", "the deliver subject has a wildcard"));
    }
    let queue_group = queue_group(fields.take("queue"))?;
    let policy = policy(fields.take("overflow"))?;
    let limits = limits(fields.take("limits"))?;
    let report = fields.take("report").choice(&Report::NAMES)?.unwrap_or_default();
    let query = query(fields.take("query"), fields.take("dialect"))?;
    let overflow = Some(Arc::new(Overflow::new(policy, limits).bounded()));
    Ok((deliver, Grant { filter, spec: SubscriptionSpec { queue_group, overflow, report, query } }))
}

fn queue_group(field: Field) -> Result<Option<Box<[u8]>>, Refused> {
    let at = field.at;
    let Some(name) = field.text()? else { return Ok(None) };
    if name.is_empty() || name.contains(['\0', ' ', '\t', '\r', '\n']) {
        let text = format!("must be a name without blanks, not {}", quoted(&name));
        return Err(refused("bad_value", at, text));
    }
    Ok(Some(name.into_bytes().into()))
}

fn policy(field: Field) -> Result<Policy, Refused> {
    let mut fields = field.section(&OVERFLOW)?;
    let policy = fields.take("overflow.policy");
    let (key, fallback) = (fields.take("overflow.key"), fields.take("overflow.fallback"));
    let policy = match policy.text()? {
        None => Policy::default(),
        Some(name) => Policy::from_name(&name).ok_or_else(|| {
            let text = format!("{} is not a policy of this server", quoted(&name));
            refused("unknown_policy", "overflow.policy", text + &instead(&name, &Policy::NAMES))
        })?,
    };
    if matches!(policy, Policy::Conflate(_)) {
        let key = key.key()?.unwrap_or_default();
        let fallback = fallback.choice(&Fallback::ALL.map(|one| (one.name(), one)))?;
        return Ok(Policy::Conflate(Conflation { key, fallback: fallback.unwrap_or_default() }));
    }
    for field in [key, fallback] {
        if field.value.is_some() {
            let text = format!("only \"conflate\" has it, and the policy is {:?}", policy.name());
            return Err(refused("needs_conflate", field.at, text));
        }
    }
    Ok(policy)
}

fn query(query: Field, dialect: Field) -> Result<Option<Query>, Refused> {
    // Its length is what the language allows: whoever exceeds that is told so.
    let at = query.at;
    let Some(text) = query.text_up_to(MAX_REQUEST_BYTES)? else {
        if dialect.value.is_some() {
            let text = "only a request with a query has it, and this one has none";
            return Err(refused("needs_query", dialect.at, text));
        }
        return Ok(None);
    };
    let dialects = [QueryOptions::extended(), QueryOptions::strict()];
    let options = dialect.choice(&dialects.map(|one| (one.dialect().name(), one)))?;
    let query = options.unwrap_or_default().parse(&text);
    query.map(Some).map_err(|error| refused("bad_query", at, error.in_one_line()))
}

fn limits(field: Field) -> Result<Limits, Refused> {
    let mut fields = field.section(&LIMITS)?;
    let mut take = |at, quantity| fields.take(at).quantity(quantity);
    Ok(Limits {
        messages: take("limits.messages", Quantity::Messages)?,
        bytes: take("limits.bytes", Quantity::Bytes)?,
        behind: take("limits.behind", Quantity::Milliseconds)?.map(Duration::from_millis),
        ttl: take("limits.ttl", Quantity::Milliseconds)?.map(Duration::from_millis),
    })
}

impl Field {
    /// The fields of an object; of none if it is absent.
    fn section(self, paths: &'static [&'static str]) -> Result<Fields, Refused> {
        let object = match self.value {
            None => Vec::new(),
            Some(Node::Object(object)) => object,
            Some(other) => {
                let text = format!("must be an object, not {other}");
                return Err(refused("bad_value", self.at, text));
            }
        };
        let elsewhere: Vec<&str> = OVERFLOW.into_iter().chain(LIMITS).chain(TOP).collect();
        Fields::sort(self.at, paths, &elsewhere, object)
    }

    fn text(self) -> Result<Option<String>, Refused> {
        self.text_up_to(MAX_TEXT_BYTES)
    }

    fn text_up_to(self, max: usize) -> Result<Option<String>, Refused> {
        match self.value {
            None => Ok(None),
            Some(Node::Text(text)) if text.len() > max => {
                let text = format!("has {} bytes; at most {max}", text.len());
                Err(refused("too_large", self.at, text))
            }
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => {
                Err(refused("bad_value", self.at, format!("must be a string, not {other}")))
            }
        }
    }

    fn subject(self) -> Result<Filter, Refused> {
        let at = self.at;
        let Some(text) = self.text()? else {
            return Err(refused("missing", at, format!("{at} is required")));
        };
        Filter::new(&text).map_err(|error| refused("bad_subject", at, error.to_string()))
    }

    fn key(self) -> Result<Option<Key>, Refused> {
        let at = self.at;
        let Some(text) = self.text_up_to(MAX_KEY_BYTES)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| refused("bad_key", at, format!("{error}")))
    }

    /// One of a few words.
    fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Result<Option<T>, Refused> {
        let at = self.at;
        let Some(typed) = self.text()? else { return Ok(None) };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == typed) {
            return Ok(Some(*choice));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let text = format!("{} is none of those there are", quoted(&typed));
        Err(refused("bad_value", at, text + &instead(&typed, &names)))
    }

    fn quantity(self, quantity: Quantity) -> Result<Option<u64>, Refused> {
        let at = self.at;
        let number = self.value.map(|value| quantity.read(&value)).transpose();
        number.map_err(|text| refused("bad_value", at, text))
    }
}

/// The end of a message about a wrong word: the one that was meant, and all that there are.
fn instead(typed: &str, names: &[&'static str]) -> String {
    let hint = nearest(typed, names.iter().copied());
    let hint = hint.map_or(String::new(), |meant| format!("; did you mean {meant:?}"));
    format!("{hint}; known: {}", names.join(", "))
}
