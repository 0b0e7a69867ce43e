//! How a client chooses a policy and what it is told: control requests, and `Floodway-*` headers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::footprint::wait_until;
use crate::raw::{Client, Message, connect_with_receive_buffer, publish_bytes};
use crate::server::{Launch, Server};

pub(crate) const API: &str = "$FLOODWAY.API.SUBSCRIBE";

/// Sockets that take little, so that a client that does not read is stalled after some kilobytes;
/// and two threads also where there are few CPUs.
const SMALL_SOCKETS: &str = "threads = 2\n[overflow]\nsend_buffer = \"16KiB\"\n";
/// Bytes that are surely more than a stalled client's sockets and stream take: twice 16 KiB here,
/// as much there, and 64 KiB.
const MORE_THAN_IN_FLIGHT: usize = 400 * 1024;

pub(crate) const WITH_HEADERS: &str = "{\"verbose\":false,\"headers\":true,\"no_responders\":true}";
pub(crate) const WITHOUT_HEADERS: &str = "{\"verbose\":false}";

pub(crate) fn small_sockets() -> Server {
    Launch::new().config(SMALL_SOCKETS).start()
}

/// A client that will not read for a while: its socket takes little.
pub(crate) fn lazy(server: &Server, connect_json: &str) -> Client {
    let mut client = Client::over(connect_with_receive_buffer(server.addr(), 8 * 1024));
    client.send(format!("CONNECT {connect_json}\r\n").as_bytes());
    client.ping();
    client
}

/// Sends a control request and returns the whole answer.
pub(crate) fn ask(client: &mut Client, request: &[u8]) -> Value {
    client.send(b"SUB _INBOX.ask ask\r\n");
    let head = format!("PUB {API} _INBOX.ask {}\r\n", request.len());
    client.send(&[head.as_bytes(), request, b"\r\nUNSUB ask\r\n"].concat());
    let answer = client.next_message().expect("an answer");
    assert_eq!(answer.sid, "ask");
    serde_json::from_slice(&answer.payload).expect("an answer in JSON")
}

/// Asks for `filter` with `wish` (overflow, limits, report), and subscribes to it as `sid`.
pub(crate) fn subscribe(client: &mut Client, filter: &str, sid: &str, wish: &Value) {
    let answer = ask(client, request(filter, &format!("_INBOX.{sid}"), wish).as_bytes());
    assert_eq!(answer["ok"], true, "{answer}");
    client.subscribe(&format!("_INBOX.{sid}"), sid);
}

/// A control request as text.
pub(crate) fn request(filter: &str, deliver: &str, wish: &Value) -> String {
    let mut request = wish.clone();
    request["filter"] = filter.into();
    request["deliver"] = deliver.into();
    request.to_string()
}

/// A wish for `policy` that keeps `messages`.
pub(crate) fn keeping(policy: &str, messages: u64, report: &str) -> Value {
    json!({"overflow": {"policy": policy}, "limits": {"messages": messages}, "report": report})
}

/// `number`, padded to `size` bytes.
pub(crate) fn numbered(number: usize, size: usize) -> Vec<u8> {
    format!("{number:<size$}").into_bytes()
}

/// Publishes `numbers` on `subject` and waits until all are routed.
pub(crate) fn publish(
    client: &mut Client,
    subject: &str,
    numbers: impl IntoIterator<Item = usize>,
    size: usize,
) {
    let mut batch = Vec::new();
    for number in numbers {
        batch.extend(publish_bytes(subject, &numbered(number, size)));
        if batch.len() > 64 * 1024 {
            client.send(&batch);
            batch.clear();
        }
    }
    client.send(&batch);
    client.ping();
}

/// The number that the payload starts with.
pub(crate) fn number(message: &Message) -> usize {
    let text = std::str::from_utf8(&message.payload).expect("a text");
    text.split_ascii_whitespace().next().expect("a number").parse().expect("a number")
}

/// All that the server has processed of what `client` sent, without waiting for its own stream:
/// `monitor` hears of it.
pub(crate) fn barrier(client: &mut Client, monitor: &mut Client) {
    monitor.subscribe("barrier", "barrier");
    client.send(b"PUB barrier 0\r\n\r\n");
    assert_eq!(monitor.next_message().expect("the barrier").sid, "barrier");
    monitor.send(b"UNSUB barrier\r\n");
}

/// What the server says of one connection, with each of its subscriptions.
pub(crate) fn connection(server: &Server, cid: u64) -> Value {
    let mut found = None;
    // One that is just being closed may be in neither list for a moment.
    wait_until("the connection is listed", || {
        let list = server.get(&format!("/connz?subs=detail&state=all&cid={cid}")).json();
        found = list["connections"].as_array().and_then(|all| all.first().cloned());
        found.is_some()
    });
    found.expect("it was waited for")
}

/// What the server says of one subscription.
pub(crate) fn account(server: &Server, cid: u64, sid: &str) -> Value {
    let connection = connection(server, cid);
    let details = connection["subscriptions_list_detail"].as_array().expect("details");
    let found = details.iter().find(|detail| detail["sid"] == sid).cloned();
    found.unwrap_or_else(|| panic!("no subscription {sid}: {connection}"))
}

/// A number of an account.
pub(crate) fn count(account: &Value, name: &str) -> u64 {
    account[name].as_u64().unwrap_or_else(|| panic!("no {name}: {account}"))
}

/// Law 1 for one subscription.
pub(crate) fn assert_conserved(account: &Value) {
    let parts = ["delivered", "lost", "queued", "conflated", "expired"];
    let sum: u64 = parts.iter().map(|name| count(account, name)).sum();
    assert_eq!(count(account, "matched"), sum, "{account}");
    let reasons = account["lost_by_reason"].as_object().expect("reasons");
    let by_reason: u64 = reasons.values().map(|lost| lost.as_u64().expect("a count")).sum();
    assert_eq!(count(account, "lost"), by_reason, "{account}");
}

/// Messages missed at one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Missed {
    pub(crate) count: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// What a message says besides what its publisher said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// It is the server's own.
    pub(crate) status: Option<u16>,
    pub(crate) missed: Option<Missed>,
    pub(crate) conflated: u64,
    pub(crate) end_code: Option<String>,
}

impl Told {
    /// Reads the headers of a message. A header that breaks its promise fails the test.
    pub(crate) fn of(message: &Message) -> Told {
        let mut told = Told::default();
        if message.headers.is_empty() {
            return told;
        }
        let text = std::str::from_utf8(&message.headers).expect("headers are text");
        let mut lines = text.strip_suffix("\r\n\r\n").expect("an empty line ends it").split("\r\n");
        let version = lines.next().and_then(|line| line.strip_prefix("NATS/1.0"));
        told.status = version
            .expect("a version")
            .split(' ')
            .nth(1)
            .map(|code| code.parse().unwrap_or_else(|_| panic!("no status: {text:?}")));
        let mut headers = BTreeMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            let first = headers.insert(name, value).is_none();
            assert!(first || !name.starts_with("Floodway-"), "twice: {text:?}");
        }
        let number = |name: &str| headers.get(name).map(|value| value.parse().expect("a number"));
        told.conflated = number("Floodway-Conflated").unwrap_or(0);
        told.missed = number("Floodway-Missed").map(|count| Missed::of(count, &headers));
        told.end_code = headers.get("Floodway-End-Code").map(|&code| code.to_owned());
        told
    }
}

impl Missed {
    fn of(count: u64, headers: &BTreeMap<&str, &str>) -> Missed {
        let range = headers["Floodway-Missed-Range"].split_once('-').expect("a range");
        let reasons = headers["Floodway-Missed-Reason"].split(", ").map(|reason| {
            let (name, count) = reason.split_once('=').expect("a reason and its count");
            (name.to_owned(), count.parse().expect("a count"))
        });
        let (first, last) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        let missed = Missed { count, first, last, reasons: reasons.collect() };
        assert!(count > 0 && first > 0 && last - first + 1 >= count, "{missed:?}");
        assert_eq!(missed.reasons.values().sum::<u64>(), count, "{missed:?}");
        missed
    }

    /// Its header lines, as they stand on the wire.
    pub(crate) fn lines(&self) -> String {
        let reasons: Vec<_> =
            self.reasons.iter().map(|(name, count)| format!("{name}={count}")).collect();
        format!(
            "Floodway-Missed: {}\r\nFloodway-Missed-Range: {}-{}\r\nFloodway-Missed-Reason: {}\r\n",
            self.count,
            self.first,
            self.last,
            reasons.join(", ")
        )
    }

    /// `count` messages from `first` on, for one reason.
    pub(crate) fn run(reason: &str, first: u64, count: u64) -> Missed {
        let reasons = BTreeMap::from([(reason.to_owned(), count)]);
        Missed { count, first, last: first + count - 1, reasons }
    }
}

/// Messages that stand before everything else in the stream of a stalled client.
const FILLS: usize = 100;
const FILL_BYTES: usize = MORE_THAN_IN_FLIGHT / FILLS;

/// Stalls a client that does not read: a plain subscription fills its sockets and more than the 64
/// KiB of stream below which lanes would feed it. What comes after stays where policies apply.
pub(crate) fn stall(client: &mut Client, publisher: &mut Client) {
    let subject = format!("fill.{}", client.cid());
    client.subscribe(&subject, "fill");
    refill(client, publisher);
}

/// Stalls a client again that has read all of the first time.
pub(crate) fn refill(client: &Client, publisher: &mut Client) {
    publish(publisher, &format!("fill.{}", client.cid()), 0..FILLS, FILL_BYTES);
}

/// Reads what [`stall`] put there; what was queued in lanes comes next.
pub(crate) fn read_fill(client: &mut Client) {
    let subject = format!("fill.{}", client.cid());
    for at in 0..FILLS {
        client.expect(&msg(&subject, "fill", &numbered(at, FILL_BYTES)));
    }
}

/// `MSG` as bytes.
pub(crate) fn msg(subject: &str, sid: &str, payload: &[u8]) -> Vec<u8> {
    let line = format!("MSG {subject} {sid} {}\r\n", payload.len());
    [line.as_bytes(), payload, b"\r\n"].concat()
}

/// `HMSG` as bytes.
pub(crate) fn hmsg(subject: &str, sid: &str, headers: &str, payload: &[u8]) -> Vec<u8> {
    let (head, total) = (headers.len(), headers.len() + payload.len());
    let line = format!("HMSG {subject} {sid} {head} {total}\r\n{headers}");
    [line.as_bytes(), payload, b"\r\n"].concat()
}

/// `HPUB` as bytes.
pub(crate) fn hpub(subject: &str, headers: &str, payload: &[u8]) -> Vec<u8> {
    let (head, total) = (headers.len(), headers.len() + payload.len());
    let line = format!("HPUB {subject} {head} {total}\r\n{headers}");
    [line.as_bytes(), payload, b"\r\n"].concat()
}
