//! The control request: how a client of a protocol without fields for it chooses a policy, and
//! messages by a query.
//!
//! A client publishes JSON to [`API_SUBSCRIBE`] and then subscribes to the deliver subject it
//! named. The broker remembers the *grant* until then; the subscription receives what the filter
//! matches, and the query if there is one. The answer echoes all that was granted, with `null` for
//! what does not apply; the query in its canonical text, as it was understood.
//!
//! A request that is not right in every field changes nothing. Its answer has the path of a wrong
//! field as `at` (empty if it is about the request as a whole), a message for people, and one of
//! these codes for programs:
//!
//! | code | what is wrong |
//! | --- | --- |
//! | `bad_json` | it is no JSON object; mistakes in the syntax are told by line and column |
//! | `too_large` | the request, or a text in it, is longer than it may be |
//! | `missing` | a required field is absent or `null` |
//! | `unknown_field` | there is no field of this name |
//! | `duplicate_field` | the field is there twice |
//! | `bad_value` | the value is of the wrong kind, out of range, or none of those there are |
//! | `bad_subject` | a filter or a deliver subject that cannot be subscribed to |
//! | `unknown_policy` | the policy is none that can be asked for |
//! | `bad_key` | the key is none of `subject`, `header:NAME` and `json:/POINTER` |
//! | `needs_conflate` | a field that only the policy `conflate` has |
//! | `bad_query` | the query cannot be read; the message says where and why |
//! | `needs_query` | a dialect, without a query that is written in it |
//! | `too_many` | too many grants wait for their subscription |

mod document;
mod quantity;
mod request;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use floodway::{Filter, Policy, Query};
use serde_json::{Value, json};

use crate::outbox::SubscriptionSpec;
use crate::session::Session;

/// Where the request goes.
pub const API_SUBSCRIBE: &str = "$FLOODWAY.API.SUBSCRIBE";

/// Grants that wait for their subscription, per session. Each holds at most three texts of 4 KiB
/// and 4.3 KiB for a key, so all of them about 4 MiB, and as much again for queries.
const MAX_GRANTS: usize = 256;
/// Bytes of the queries of grants that wait: one with patterns may take some seventy KiB.
const MAX_QUERY_BYTES: usize = 4 << 20;

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

/// Why a request was refused: the client's fault, and the same request will be refused again.
#[derive(Debug, PartialEq)]
struct Refused {
    code: &'static str,
    message: String,
    at: Cow<'static, str>,
}

fn refused(
    code: &'static str,
    at: impl Into<Cow<'static, str>>,
    message: impl Into<String>,
) -> Refused {
    Refused { code, message: message.into(), at: at.into() }
}

impl Session {
    /// Carries out a control request and returns the JSON to answer with. Nothing is granted unless
    /// every field of it is right.
    pub fn request_subscription(&self, request: &[u8]) -> Vec<u8> {
        answer(self.id(), request, |deliver, grant| {
            self.with_grants(|grants| keep(grants, deliver, grant))
        })
    }

    /// Takes the grant that waits for a subscription to `deliver`.
    pub fn take_grant(&self, deliver: &[u8]) -> Option<Grant> {
        self.with_grants(|grants| grants.remove(deliver))
    }
}

/// The answer to a request; `keep` is called last, with what is granted.
fn answer(
    session: u64,
    request: &[u8],
    keep: impl FnOnce(&Filter, Grant) -> Result<(), Refused>,
) -> Vec<u8> {
    let outcome = request::parse(request).and_then(|(deliver, grant)| {
        let granted = echo(&deliver, &grant);
        keep(&deliver, grant)?;
        Ok(json!({"ok": true, "id": format!("{session}:{deliver}"), "granted": granted}))
    });
    let answer = outcome.unwrap_or_else(|Refused { code, message, at }| {
        json!({"ok": false, "error": {"code": code, "message": message, "at": at}})
    });
    answer.to_string().into_bytes()
}

/// Remembers a grant, in place of an earlier one for the same deliver subject.
fn keep(grants: &mut Grants, deliver: &Filter, grant: Grant) -> Result<(), Refused> {
    if grants.len() >= MAX_GRANTS && !grants.contains_key(deliver.as_bytes()) {
        let text = format!("{MAX_GRANTS} grants wait for their SUB already");
        return Err(refused("too_many", "deliver", text));
    }
    let bytes = |grant: &Grant| grant.spec.query.as_ref().map_or(0, Query::held_bytes);
    let others = grants.iter().filter(|(other, _)| ***other != *deliver.as_bytes());
    if bytes(&grant) + others.map(|(_, other)| bytes(other)).sum::<usize>() > MAX_QUERY_BYTES {
        let text = "the queries of the grants that wait for their SUB would take more than \
                    4 MiB of memory: subscribe first";
        return Err(refused("too_many", "query", text));
    }
    grants.insert(deliver.as_bytes().into(), grant);
    Ok(())
}

/// All of a grant, every field always there.
fn echo(deliver: &Filter, grant: &Grant) -> Value {
    let spec = &grant.spec;
    let overflow = spec.overflow.as_deref().cloned().unwrap_or_default();
    let (key, fallback) = match &overflow.policy {
        Policy::Conflate(conflation) => {
            (Some(conflation.key.to_string()), Some(conflation.fallback.name()))
        }
        _ => (None, None),
    };
    let limits = &overflow.limits;
    // Durations are read from whole milliseconds, at most a year of them.
    let ms = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
    json!({
        "filter": grant.filter.to_string(),
        "deliver": deliver.to_string(),
        "queue": spec.queue_group.as_deref().map(String::from_utf8_lossy),
        "overflow": {"policy": overflow.policy.name(), "key": key, "fallback": fallback},
        "limits": {
            "messages": limits.messages,
            "bytes": limits.bytes,
            "behind_ms": ms(limits.behind),
            "ttl_ms": ms(limits.ttl),
        },
        "report": spec.report.name(),
        "query": spec.query.as_ref().map(Query::as_str),
        "dialect": spec.query.as_ref().map(|query| query.dialect().name()),
    })
}

#[cfg(test)]
mod tests;
