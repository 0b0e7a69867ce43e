//! The control request: says how this subscription wants to be treated when it is slow, and which
//! messages it wants.
//!
//! The NATS protocol has no fields for it, so it travels as an ordinary request, and works with
//! every client library too.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use floodway_wire::nats::header::HeaderView;
use floodway_wire::nats::{Delivered, ServerOp, encode_pub, encode_sub, encode_unsub};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::granted::Granted;
use super::overflow::OverflowArgs;
use super::query::QueryArgs;
use crate::cli::client::failure::Failure;
use crate::cli::client::{Client, ClientError, printable};

const SUBJECT: &str = "$FLOODWAY.API.SUBSCRIBE";
const WAIT: Duration = Duration::from_secs(2);

/// What is asked for.
pub(super) struct Wish<'a> {
    pub(super) filter: &'a str,
    pub(super) queue: Option<&'a str>,
    pub(super) deliver: &'a str,
    pub(super) overflow: &'a OverflowArgs,
    pub(super) query: &'a QueryArgs,
}

#[derive(Serialize)]
struct Question<'a> {
    filter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    deliver: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    overflow: Option<Overflow<'a>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    limits: Map<String, Value>,
    report: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
}

#[derive(Serialize)]
struct Overflow<'a> {
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    granted: Granted,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    at: Option<String>,
}

impl Wish<'_> {
    /// The JSON text of the request.
    fn encode(&self) -> String {
        let OverflowArgs { overflow, key, fallback, .. } = self.overflow;
        let question = Question {
            filter: self.filter,
            queue: self.queue,
            deliver: self.deliver,
            overflow: overflow.as_deref().map(|policy| Overflow {
                policy,
                key: key.as_ref().map(ToString::to_string),
                fallback: fallback.as_deref(),
            }),
            limits: self.overflow.limits(),
            report: "status",
            query: self.query.query.as_deref(),
            dialect: self.query.dialect(),
        };
        serde_json::to_string(&question).expect("strings and numbers always have a JSON form")
    }
}

/// Makes the request and returns what was granted.
///
/// # Errors
///
/// A [`Failure`] if the server refuses, or is no floodway.
pub(super) fn ask(client: &mut Client, wish: &Wish<'_>, inbox: &str) -> Result<Granted, Failure> {
    const SID: &[u8] = b"control";
    encode_sub(&mut client.out, inbox.as_bytes(), None, SID);
    let question = wish.encode();
    encode_pub(&mut client.out, SUBJECT.as_bytes(), Some(inbox.as_bytes()), question.as_bytes());
    let deadline = Instant::now() + WAIT;
    let mut answer = None;
    while answer.is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(no_floodway(client, "did not answer"));
        }
        client.poll(left, |_, op| match op {
            ServerOp::Message(message) if message.sid == SID => {
                answer = Some(read_answer(&message));
                ControlFlow::Break(())
            }
            ServerOp::Err(text) => {
                answer = Some(Err(Some(ClientError::Server(printable(text)).into())));
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        })?;
    }
    encode_unsub(&mut client.out, SID, None);
    match answer {
        Some(Ok(granted)) => Ok(granted),
        Some(Err(Some(failure))) => Err(failure),
        Some(Err(None)) | None => Err(no_floodway(client, "has nobody listening")),
    }
}

/// `Err(None)` means that nobody serves the control subject.
fn read_answer(message: &Delivered<'_>) -> Result<Granted, Option<Failure>> {
    if let Some((503, _)) = HeaderView::new(message.headers).status() {
        return Err(None);
    }
    let answer: Answer = serde_json::from_slice(message.payload).map_err(|error| {
        Some(Failure::failed(format!("cannot read the answer of {SUBJECT}: {error}")))
    })?;
    if answer.ok {
        return Ok(answer.granted);
    }
    let refusal = answer.error.unwrap_or(Refusal {
        code: "unknown".to_owned(),
        message: "no reason given".to_owned(),
        at: None,
    });
    let at = refusal.at.filter(|at| !at.is_empty());
    let place = at.map_or(String::new(), |at| format!(" at {at}"));
    let (code, why) = (refusal.code, refusal.message);
    Err(Some(Failure::Failed(format!("the subscription was refused{place}: {why} ({code})"))))
}

fn no_floodway(client: &Client, what: &str) -> Failure {
    Failure::Failed(format!(
        "{} is no floodway: it {what} on {SUBJECT}, so --query, --overflow and --limit do not work \
         there",
        client.address()
    ))
}
