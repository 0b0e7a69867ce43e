//! What a subscriber asks of floodway before it subscribes: the control request.

use std::fmt::Write;
use std::io;

use serde_json::{Map, Value, json};

use super::link::Link;

const API_SUBSCRIBE: &str = "$FLOODWAY.API.SUBSCRIBE";

/// The name of the one subscription that is measured, on each connection.
pub(crate) const SID: &str = "1";

/// What is to happen when the subscriber is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Disconnect,
    DropNewest,
    DropOldest,
    /// By subject.
    Conflate,
    /// Too old is skipped; beyond its limits the oldest are dropped.
    Ttl,
}

impl Policy {
    pub(crate) const ALL: [Policy; 5] =
        [Self::Disconnect, Self::DropNewest, Self::DropOldest, Self::Conflate, Self::Ttl];

    /// Those under which a slow subscriber stays.
    pub(crate) const STAYING: [Policy; 4] =
        [Self::DropNewest, Self::DropOldest, Self::Conflate, Self::Ttl];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::Conflate => "conflate",
            Self::Ttl => "ttl",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ttl => "drop-oldest",
            other => other.name(),
        }
    }
}

/// A policy and its limits; what is absent is left to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) policy: Policy,
    pub(crate) messages: Option<u64>,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) query: Option<&'static str>,
}

impl Wish {
    pub(crate) fn new(policy: Policy) -> Wish {
        Wish { policy, messages: None, ttl_ms: None, query: None }
    }

    fn request(&self, filter: &str, deliver: &str) -> Value {
        let mut overflow = Map::new();
        overflow.insert("policy".to_owned(), json!(self.policy.word()));
        if self.policy == Policy::Conflate {
            overflow.insert("key".to_owned(), json!("subject"));
        }
        let mut limits = Map::new();
        if let Some(messages) = self.messages {
            limits.insert("messages".to_owned(), json!(messages));
        }
        if let Some(ttl) = self.ttl_ms {
            limits.insert("ttl".to_owned(), json!(format!("{ttl}ms")));
        }
        let mut request =
            json!({ "filter": filter, "deliver": deliver, "overflow": overflow, "limits": limits });
        if let Some(query) = self.query {
            request["query"] = json!(query);
        }
        request
    }

    /// Asks for it and waits for the answer. Nothing is delivered before [`subscribe`] to the
    /// subject that this returns.
    pub(crate) fn ask(&self, link: &mut Link, filter: &str) -> io::Result<String> {
        let inbox = format!("_INBOX.bench.{}", link.port()?);
        let deliver = format!("{inbox}.deliver");
        let request = self.request(filter, &deliver).to_string();
        let mut text = format!("SUB {inbox} 2\r\nUNSUB 2 1\r\n");
        let _ = write!(text, "PUB {API_SUBSCRIBE} {inbox} {}\r\n{request}\r\n", request.len());
        link.send(text.as_bytes())?;
        let mut answer = Value::Null;
        link.sync_with(|payload| answer = serde_json::from_slice(payload).unwrap_or_default())?;
        if answer["ok"] == true {
            return Ok(deliver);
        }
        Err(io::Error::other(format!("{} was refused: {answer}", self.policy.name())))
    }
}

/// Subscribes to `filter` by each of `queries`, which are not more than the server lets wait for
/// their SUB, and waits until it has them all. They are named from 3 on.
pub(crate) fn subscribe_by_queries(
    link: &mut Link,
    filter: &str,
    queries: &[String],
) -> io::Result<()> {
    let inbox = format!("_INBOX.bench.{}", link.port()?);
    let mut text = format!("SUB {inbox} 2\r\n");
    for (sid, query) in (3..).zip(queries) {
        let deliver = format!("{inbox}.{sid}");
        let request = json!({ "filter": filter, "deliver": deliver, "query": query }).to_string();
        let size = request.len();
        let _ = write!(text, "PUB {API_SUBSCRIBE} {inbox} {size}\r\n{request}\r\n");
    }
    let (mut granted, mut refusal) = (0, None);
    link.send(text.as_bytes())?;
    link.sync_with(|payload| match serde_json::from_slice::<Value>(payload) {
        Ok(answer) if answer["ok"] == true => granted += 1,
        _ => refusal = Some(String::from_utf8_lossy(payload).into_owned()),
    })?;
    if granted < queries.len() {
        let text = refusal.unwrap_or_else(|| "it was not answered".to_owned());
        return Err(io::Error::other(format!("a query was refused: {text}")));
    }
    let mut commands = b"UNSUB 2\r\n".to_vec();
    for sid in (3..).take(queries.len()) {
        link.protocol().subscribe(&mut commands, &format!("{inbox}.{sid}"), sid);
    }
    link.send(&commands)?;
    link.sync()
}

/// Subscribes without waiting: the stream begins.
pub(crate) fn subscribe(link: &mut Link, subject: &str) -> io::Result<()> {
    let mut command = Vec::new();
    link.protocol().subscribe(&mut command, subject, 1);
    link.send(&command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_is_wished() {
        let plain = Wish::new(Policy::Disconnect).request("a", "b");
        assert_eq!(
            plain.to_string(),
            r#"{"deliver":"b","filter":"a","limits":{},"overflow":{"policy":"disconnect"}}"#
        );
        let wish = Wish { messages: Some(7), ..Wish::new(Policy::Conflate) }.request("a.*", "b");
        assert_eq!(wish["overflow"], json!({ "policy": "conflate", "key": "subject" }));
        assert_eq!(wish["limits"], json!({ "messages": 7 }));
        let ttl = Wish { ttl_ms: Some(20), ..Wish::new(Policy::Ttl) }.request("a", "b");
        assert_eq!(ttl["overflow"], json!({ "policy": "drop-oldest" }));
        assert_eq!(ttl["limits"], json!({ "ttl": "20ms" }));
        let queried = Wish { query: Some("a = 'b'"), ..Wish::new(Policy::Disconnect) };
        assert_eq!(queried.request("a", "b")["query"], "a = 'b'");
    }
}
