//! The control request: how a client of a protocol without a field for it chooses a policy.
//!
//! A client publishes JSON to [`API_SUBSCRIBE`] and then subscribes to the deliver subject it
//! named. The broker remembers the *grant* until then; the subscription receives what the filter
//! matches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use floodway::{Filter, Limits, Overflow};
use serde_json::{Map, Value, json};

use crate::outbox::{Report, SubscriptionSpec};
use crate::session::Session;

/// Where the request goes.
pub const API_SUBSCRIBE: &str = "$FLOODWAY.API.SUBSCRIBE";

/// Grants that wait for their subscription, per session.
const MAX_GRANTS: usize = 256;

/// A subscription that was granted and not made yet.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What it receives.
    pub filter: Filter,
    /// How.
    pub spec: SubscriptionSpec,
}

/// Grants of one session by deliver subject.
pub(crate) type Grants = HashMap<Box<[u8]>, Grant>;

#[derive(Debug, PartialEq)]
struct Refused {
    code: &'static str,
    message: String,
    at: &'static str,
}

fn refused(code: &'static str, at: &'static str, message: impl Into<String>) -> Refused {
    Refused { code, message: message.into(), at }
}

impl Session {
    /// Carries out a control request and returns the JSON to answer with. Nothing is granted unless
    /// every field of it is right.
    pub fn request_subscription(&self, request: &[u8]) -> Vec<u8> {
        let answer = match self.grant(request) {
            Ok(granted) => granted,
            Err(Refused { code, message, at }) => {
                json!({"ok": false, "error": {"code": code, "message": message, "at": at}})
            }
        };
        answer.to_string().into_bytes()
    }

    /// Takes the grant that waits for a subscription to `deliver`.
    pub fn take_grant(&self, deliver: &[u8]) -> Option<Grant> {
        self.with_grants(|grants| grants.remove(deliver))
    }

    fn grant(&self, request: &[u8]) -> Result<Value, Refused> {
        let (deliver, grant) = parse(request)?;
        let overflow = grant.spec.overflow.clone().unwrap_or_default();
        let granted = json!({
            "filter": grant.filter.to_string(),
            "deliver": deliver.to_string(),
            "overflow": {"policy": overflow.policy.name()},
            "limits": {
                "messages": overflow.limits.messages,
                "bytes": overflow.limits.bytes,
                "behind_ms": overflow.limits.behind.map(|behind| behind.as_millis() as u64),
            },
            "report": grant.spec.report.name(),
        });
        self.with_grants(|grants| {
            if grants.len() >= MAX_GRANTS && !grants.contains_key(deliver.as_bytes()) {
                let text = format!("{MAX_GRANTS} grants wait for their SUB already");
                return Err(refused("too_many", "deliver", text));
            }
            grants.insert(deliver.as_bytes().into(), grant);
            Ok(json!({"ok": true, "id": format!("{}:{deliver}", self.id()), "granted": granted}))
        })
    }
}

fn parse(request: &[u8]) -> Result<(Filter, Grant), Refused> {
    let request: Value = serde_json::from_slice(request)
        .map_err(|error| refused("bad_json", "", format!("the request is not JSON: {error}")))?;
    let Value::Object(mut fields) = request else {
        return Err(refused("bad_json", "", "the request must be a JSON object"));
    };
    let filter = subject(&mut fields, "filter")?;
    let deliver = subject(&mut fields, "deliver")?;
    if !deliver.is_literal() {
        return Err(refused("bad_subject", "deliver", "the deliver subject has a wildcard"));
    }
    let queue_group = match fields.remove("queue") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if !name.is_empty() && !name.contains([' ', '\t']) => {
            Some(name.into_bytes().into())
        }
        Some(_) => return Err(refused("bad_value", "queue", "must be a name without blanks")),
    };
    match fields.remove("overflow") {
        None | Some(Value::Null) => {}
        Some(overflow) => policy(overflow)?,
    }
    let limits = match fields.remove("limits") {
        None | Some(Value::Null) => Limits::default(),
        Some(Value::Object(limits)) => self::limits(limits)?,
        Some(_) => return Err(refused("bad_value", "limits", "must be an object")),
    };
    let report = match fields.remove("report") {
        None | Some(Value::Null) => Report::default(),
        Some(Value::String(text)) if text == "status" => Report::Status,
        Some(Value::String(text)) if text == "none" => Report::None,
        Some(_) => return Err(refused("bad_value", "report", "must be \"status\" or \"none\"")),
    };
    if let Some(unknown) = fields.keys().next() {
        let text = format!(
            "unknown field {unknown:?}; known: filter, deliver, queue, overflow, limits, report"
        );
        return Err(refused("unknown_field", "", text));
    }
    let spec = SubscriptionSpec {
        queue_group,
        overflow: Some(Arc::new(Overflow::disconnect(limits))),
        report,
    };
    Ok((deliver, Grant { filter, spec }))
}

fn subject(fields: &mut Map<String, Value>, at: &'static str) -> Result<Filter, Refused> {
    match fields.remove(at) {
        Some(Value::String(text)) => {
            Filter::new(&text).map_err(|error| refused("bad_subject", at, error.to_string()))
        }
        Some(_) => Err(refused("bad_value", at, "must be a string")),
        None => Err(refused("missing", at, format!("{at} is required"))),
    }
}

fn policy(overflow: Value) -> Result<(), Refused> {
    let Value::Object(mut overflow) = overflow else {
        return Err(refused("bad_value", "overflow", "must be an object with a policy"));
    };
    match overflow.remove("policy") {
        None => {}
        Some(Value::String(policy)) if policy == "disconnect" => {}
        Some(other) => {
            let text = format!("{other} is not a policy of this server; it has \"disconnect\"");
            return Err(refused("unknown_policy", "overflow.policy", text));
        }
    }
    match overflow.keys().next() {
        None => Ok(()),
        Some(unknown) => {
            let text = format!("unknown field {unknown:?}; known: policy");
            Err(refused("unknown_field", "overflow", text))
        }
    }
}

fn limits(mut fields: Map<String, Value>) -> Result<Limits, Refused> {
    let limits = Limits {
        messages: number(fields.remove("messages"), "limits.messages", |_| None)?,
        bytes: number(fields.remove("bytes"), "limits.bytes", byte_size)?,
        behind: number(fields.remove("behind"), "limits.behind", duration_ms)?
            .map(Duration::from_millis),
        ttl: None,
    };
    match fields.keys().next() {
        None => Ok(limits),
        Some(unknown) => {
            let text = format!("unknown limit {unknown:?}; known: messages, bytes, behind");
            Err(refused("unknown_field", "limits", text))
        }
    }
}

/// A positive number, or a text that `parse` understands.
fn number(
    value: Option<Value>,
    at: &'static str,
    parse: fn(&str) -> Option<u64>,
) -> Result<Option<u64>, Refused> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => parse(&text),
        Some(_) => None,
    };
    match number {
        Some(number) if number > 0 => Ok(Some(number)),
        _ => {
            let right = match at {
                "limits.messages" => "a positive number",
                "limits.bytes" => "a positive number of bytes, or a text such as \"8MiB\"",
                _ => "a positive number of milliseconds, or a text such as \"10s\"",
            };
            Err(refused("bad_value", at, format!("must be {right}")))
        }
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

fn byte_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text.trim())?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text.trim())?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(request: &str) -> &'static str {
        parse(request.as_bytes()).unwrap_err().at
    }

    #[test]
    fn a_right_request_is_taken_whole() {
        let request = r#"{"filter": "q.>", "deliver": "_INBOX.x", "queue": "g",
            "overflow": {"policy": "disconnect"}, "report": "status",
            "limits": {"messages": 1000, "bytes": "8MiB", "behind": "10s"}}"#;
        let (deliver, grant) = parse(request.as_bytes()).unwrap();
        assert_eq!(deliver.as_bytes(), b"_INBOX.x");
        let limits = grant.spec.overflow.unwrap().limits;
        assert_eq!((limits.messages, limits.bytes), (Some(1000), Some(8 << 20)));
        assert_eq!(limits.behind, Some(Duration::from_secs(10)));
        assert!(
            grant.spec.report == Report::Status && grant.spec.queue_group.as_deref() == Some(b"g")
        );
    }

    #[test]
    fn every_wrong_field_is_named() {
        let with = |more: &str| format!(r#"{{"filter": "a", "deliver": "b"{more}}}"#);
        assert_eq!(at("{"), "");
        assert_eq!(at(r#"{"deliver": "b"}"#), "filter");
        assert_eq!(at(r#"{"filter": "a..b", "deliver": "b"}"#), "filter");
        assert_eq!(at(r#"{"filter": "a", "deliver": "b.*"}"#), "deliver");
        assert_eq!(at(&with(r#", "overflow": {"policy": "drop"}"#)), "overflow.policy");
        assert_eq!(at(&with(r#", "limits": {"bytes": "8 hogsheads"}"#)), "limits.bytes");
        assert_eq!(at(&with(r#", "limits": {"messages": 0}"#)), "limits.messages");
        assert_eq!(at(&with(r#", "limits": {"behind": -1}"#)), "limits.behind");
        assert_eq!(at(&with(r#", "limits": {"ttl": "1s"}"#)), "limits");
        assert_eq!(at(&with(r#", "report": true"#)), "report");
        assert_eq!(at(&with(r#", "queue": "a b"#)), "");
    }
}
