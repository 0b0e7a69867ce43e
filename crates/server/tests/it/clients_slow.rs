//! Stock clients that fall behind: policies by configuration and by request, and what they see.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::clients::run_python;
use crate::raw::{self, PATIENCE, publish_bytes};
use crate::server::{Launch, Server};
use crate::told::{API, connection, numbered, publish, request};

const COUNT: usize = 20_000;
const KEYS: usize = 20;

const CONFLATES_QUOTES: &str =
    "[[overflow.rules]]\nsubject = \"quotes.>\"\npolicy = \"conflate\"\n";

/// A client whose program can stand still: nothing of it runs outside [`Program::run`].
struct Program {
    runtime: Runtime,
    client: Client,
}

impl Program {
    fn start(server: &Server, options: ConnectOptions) -> Program {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(options.connect(server.addr().to_string()));
        Program { runtime, client: client.expect("the client connects") }
    }

    fn run<T>(&self, scenario: impl Future<Output = T>) -> T {
        let limited = async { timeout(PATIENCE, scenario).await.expect("the scenario hangs") };
        self.runtime.block_on(limited)
    }

    fn subscribe(&self, subject: &str) -> Subscriber {
        self.run(async {
            let subscriber = self.client.subscribe(subject.to_owned()).await.unwrap();
            // A round trip: `flush` only writes.
            self.client.request("nobody.is.there", "".into()).await.expect_err("nobody is there");
            subscriber
        })
    }
}

fn header(message: &Message, name: &str) -> Option<u64> {
    let value = message.headers.as_ref().map(|headers: &HeaderMap| headers.get(name))??;
    Some(value.as_str().parse().expect("a number"))
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(&message.payload).unwrap().trim().parse().expect("a number")
}

/// Publishes [`COUNT`] messages on [`KEYS`] subjects while nobody reads.
fn publish_quotes(publisher: &mut raw::Client) {
    let one = |at| publish_bytes(&format!("quotes.{}", at % KEYS), &numbered(at, 200));
    for start in (0..COUNT).step_by(100) {
        publisher.send(&(start..start + 100).flat_map(one).collect::<Vec<_>>());
    }
    publisher.ping();
}

/// Reads until all that was published has come, or has been replaced by what came; how many were.
async fn read_conflated(quotes: &mut Subscriber) -> usize {
    let (mut received, mut replaced, mut latest) = (0, 0, BTreeMap::new());
    while received + replaced < COUNT {
        let message = quotes.next().await.expect("the subscription lives");
        replaced += header(&message, "Floodway-Conflated").unwrap_or(0) as usize;
        received += 1;
        let before = latest.insert(message.subject.to_string(), number(&message));
        assert!(before.is_none_or(|before| before < number(&message)), "{message:?}");
    }
    assert_eq!(received + replaced, COUNT);
    let mut latest: Vec<usize> = latest.into_values().collect();
    latest.sort_unstable();
    assert_eq!(latest, (COUNT - KEYS..COUNT).collect::<Vec<_>>(), "the latest of each key");
    replaced
}

// spec: OVF-8
#[test]
fn a_rule_makes_async_nats_conflate() {
    let server = Launch::new().config(CONFLATES_QUOTES).start();
    let program = Program::start(&server, ConnectOptions::new());
    let mut quotes = program.subscribe("quotes.*");
    publish_quotes(&mut server.client());
    let replaced = program.run(read_conflated(&mut quotes));
    assert!(replaced > COUNT / 2, "{replaced}");
}

// spec: OVF-8
#[test]
fn a_rule_for_a_user_is_for_nobody_else() {
    let rule = "[auth]\nusers = [\n\
        { user = \"screen\", password = \"s\" }, { user = \"audit\", password = \"a\" }]\n\
        [[overflow.rules]]\nsubject = \">\"\nuser = \"screen\"\npolicy = \"conflate\"\n";
    let server = Launch::new().config(rule).start();
    let start = |user: &str, password: &str| {
        let (user, password) = (user.to_owned(), password.to_owned());
        Program::start(&server, ConnectOptions::with_user_and_password(user, password))
    };
    let (screen, audit) = (start("screen", "s"), start("audit", "a"));
    let (mut on_screen, mut in_audit) = (screen.subscribe("quotes.>"), audit.subscribe("quotes.>"));
    let hello = "{\"verbose\":false,\"user\":\"audit\",\"pass\":\"a\"}";
    publish_quotes(&mut raw::Client::hello(server.addr(), hello));
    assert!(screen.run(read_conflated(&mut on_screen)) > COUNT / 2);
    audit.run(async {
        for at in 0..COUNT {
            let message = in_audit.next().await.expect("the subscription lives");
            assert_eq!((number(&message), message.headers), (at, None));
        }
    });
}

// checklist: A8
// spec: TLD-1
#[test]
fn async_nats_sees_what_it_missed() {
    let server = Server::start();
    for report in ["header", "status"] {
        let program = Program::start(&server, ConnectOptions::new());
        let deliver = program.client.new_inbox();
        let wish = json!({"overflow": {"policy": "drop-oldest"}, "limits": {"messages": 500},
            "report": report});
        let asked = request("ticks", &deliver, &wish);
        let reply = program.run(program.client.request(API, asked.into())).expect("a reply");
        let reply: serde_json::Value = serde_json::from_slice(&reply.payload).expect("JSON");
        assert_eq!(reply["granted"]["limits"]["messages"], 500, "{reply}");
        let mut ticks = program.subscribe(&deliver);
        publish(&mut server.client(), "ticks", 0..COUNT, 200);
        let (missed, statuses) = program.run(read_ticks(&mut ticks));
        assert!(missed > COUNT / 2, "{missed}");
        assert_eq!(statuses > 0, report == "status", "{statuses}");
    }
}

/// Reads [`COUNT`] messages, or that they were missed; how many were, and status messages.
async fn read_ticks(ticks: &mut Subscriber) -> (usize, usize) {
    let (mut next, mut all_missed, mut statuses) = (0, 0, 0);
    while next < COUNT {
        let message = ticks.next().await.expect("the subscription lives");
        if let Some(missed) = header(&message, "Floodway-Missed") {
            let range = message.headers.as_ref().unwrap().get("Floodway-Missed-Range").unwrap();
            let wanted = format!("{}-{}", next + 1, next + missed as usize);
            assert_eq!(range.as_str(), wanted, "{message:?}");
            next += missed as usize;
            all_missed += missed as usize;
        }
        if let Some(status) = message.status {
            assert_eq!((status.as_u16(), message.payload.len()), (100, 0), "{message:?}");
            statuses += 1;
            continue;
        }
        assert_eq!((number(&message), message.subject.as_str()), (next, "ticks"));
        next += 1;
    }
    (all_missed, statuses)
}

/// The end of a connection is what every client recovers from: it comes back and subscribes again.
// checklist: B3
#[test]
fn async_nats_comes_back_after_it_was_too_slow() {
    let config = "[overflow]\nlinger = \"100ms\"\n\
        [[overflow.rules]]\nsubject = \"ticks\"\nmessages = 500\n";
    let server = Launch::new().config(config).start();
    let delay = |_| Duration::from_millis(1);
    let options = ConnectOptions::new().reconnect_delay_callback(delay);
    let program = Program::start(&server, options);
    let mut ticks = program.subscribe("ticks");
    let cid = program.client.server_info().client_id;
    let mut publisher = server.client();
    publish(&mut publisher, "ticks", 0..COUNT, 200);
    let shown = connection(&server, cid);
    assert_eq!(shown["reason_code"], "out_of_capacity", "{shown}");
    program.run(async {
        // A front without holes, and then what is published when it is back.
        for at in 0.. {
            let next = timeout(Duration::from_millis(5), ticks.next());
            match next.await {
                Ok(message) => {
                    let message = message.expect("the subscription lives");
                    if number(&message) == COUNT {
                        break;
                    }
                    assert_eq!(number(&message), at);
                }
                Err(_) => publisher.publish("ticks", &numbered(COUNT, 8)),
            }
        }
    });
    assert_ne!(program.client.server_info().client_id, cid);
}

#[test]
fn nats_py_falls_behind() {
    run_python("nats_py_slow.py", &Launch::new().config(CONFLATES_QUOTES).start());
}
