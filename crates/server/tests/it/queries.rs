//! Subscriptions that choose by content, over real sockets: by control request, by a rule, and by
//! `floodway sub --query`; from headers, and from what is declared of payloads.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use async_nats::HeaderMap;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::clients::{connect, within_patience};
use crate::raw::{Client, Message};
use crate::server::{FLOODWAY, Launch, Server};
use crate::told::{
    API, Told, WITH_HEADERS, account, ask, assert_conserved, count, hmsg, hpub, lazy, msg,
    read_fill, request, small_sockets, stall, subscribe,
};

const QUOTES: &str = "\
[[extract]]
subject = 'quotes.>'
json = { symbol = '/symbol', quote.price = '/last/price' }

[[extract]]
subject = 'log.*'
logfmt = { level = 'lvl' }

[[extract]]
subject = 'text'
text = '^(?<level>\\w+):'
";

fn launch(more: &str) -> Server {
    Launch::new().config(&format!("threads = 2\n{QUOTES}{more}")).start()
}

/// A block of headers.
fn headers(lines: &[(&str, &str)]) -> String {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n")
}

/// Publishes the name of a color, in a header and as the payload.
fn publish_color(client: &mut Client, subject: &str, color: &str) {
    client.send(&hpub(subject, &headers(&[("color", color)]), color.as_bytes()));
}

/// A message with a color as it arrives.
fn colored(subject: &str, sid: &str, color: &str) -> Vec<u8> {
    hmsg(subject, sid, &headers(&[("color", color)]), color.as_bytes())
}

fn quote(symbol: &str, price: f64) -> Vec<u8> {
    json!({"symbol": symbol, "last": {"price": price}}).to_string().into_bytes()
}

fn number(server: &Server, metric: &str) -> f64 {
    let page = server.get("/metrics").body;
    let line = page.lines().find(|line| line.starts_with(&format!("{metric} ")));
    line.unwrap_or_else(|| panic!("no {metric}")).rsplit(' ').next().unwrap().parse().unwrap()
}

// checklist: B10
// spec: QRY-1 QRY-3
#[test]
fn a_subscription_by_request_gets_what_its_query_matches() {
    let server = launch("");
    let (mut client, mut publisher) = (server.client(), server.client());
    let color = json!({"query": "color='red' OR color  = 'blue'"});
    let answer = ask(&mut client, request("c.*", "_INBOX.1", &color).as_bytes());
    let granted = &answer["granted"];
    let canonical = "color = 'red' OR color = 'blue'";
    assert_eq!((&granted["query"], &granted["dialect"]), (&json!(canonical), &json!("extended")));
    client.subscribe("_INBOX.1", "1");
    subscribe(
        &mut client,
        "quotes.*",
        "2",
        &json!({"query": "symbol = 'ACME' AND quote.price<18"}),
    );
    subscribe(&mut client, "log.*", "3", &json!({"query": "level = 'warn'"}));
    subscribe(&mut client, "text", "4", &json!({"query": "level = 'warn'"}));

    for color in ["red", "green", "blue", "red"] {
        publish_color(&mut publisher, "c.x", color);
    }
    publisher.publish("c.x", b"without a color");
    for (symbol, price) in [("ACME", 17.5), ("ACME", 18.0), ("INIT", 17.0), ("ACME", 3.0)] {
        publisher.publish("quotes.eu", &quote(symbol, price));
    }
    publisher.publish("quotes.eu", b"no JSON");
    publisher.publish("log.a", b"lvl=info x=1");
    publisher.publish("log.a", b"x=1 lvl=\"warn\"");
    publisher.publish("text", b"info: well");
    publisher.publish("text", b"warn: not well");
    publisher.ping();

    let wanted = [
        colored("c.x", "1", "red"),
        colored("c.x", "1", "blue"),
        colored("c.x", "1", "red"),
        msg("quotes.eu", "2", &quote("ACME", 17.5)),
        msg("quotes.eu", "2", &quote("ACME", 3.0)),
        msg("log.a", "3", b"x=1 lvl=\"warn\""),
        msg("text", "4", b"warn: not well"),
    ];
    client.expect(&wanted.concat());
    client.ping();
    let shown = account(&server, client.cid(), "1");
    assert_conserved(&shown);
    assert_eq!((count(&shown, "matched"), &shown["query"]), (3, &json!(canonical)));
    assert_eq!(shown["dialect"], "extended");
    assert_eq!(number(&server, "floodway_payloads_malformed_total"), 1.0);
    assert!(number(&server, "floodway_queries_evaluated_total") >= 7.0);
    assert_eq!(server.get("/varz").json()["payloads_malformed"], 1);
}

// spec: QRY-2
#[test]
fn a_wrong_query_is_refused_with_its_place_and_nothing_is_granted() {
    let server = launch("");
    let mut client = server.client();
    let wrong = |client: &mut Client, wish: Value| {
        let answer = ask(client, request("c.*", "_INBOX.1", &wish).as_bytes());
        assert_eq!(answer["ok"], false, "{answer}");
        let error = &answer["error"];
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (text("code"), text("at"), text("message"))
    };
    let (code, at, message) = wrong(&mut client, json!({"query": "color = red"}));
    assert_eq!((&*code, &*at), ("bad_query", "query"));
    for part in ["line 1, column 9", "found `red`, expected a number", "did you mean `'red'`?"] {
        assert!(message.contains(part), "{message}");
    }
    let extension = json!({"query": "NOT a.b = 5", "dialect": "strict"});
    assert_eq!(wrong(&mut client, extension).0, "bad_query");
    let (code, at, _) = wrong(&mut client, json!({"dialect": "strict"}));
    assert_eq!((&*code, &*at), ("needs_query", "dialect"));
    // So this is an ordinary subscription to an inbox.
    client.subscribe("_INBOX.1", "1");
    publish_color(&mut client, "c.x", "red");
    client.ping();
}

// spec: QRY-1 QRY-4
#[test]
fn a_rule_is_for_plain_subscriptions_of_its_user() {
    let rules = "\
[auth]
users = [{ user = 'ann', password = 'a' }, { user = 'bob', password = 'b' }]
[[overflow.rules]]
subject = 'c.>'
user = 'ann'
query = \"color = 'red'\"
[[overflow.rules]]
subject = 'c.x'
query = \"t.color = 'blue'\"
dialect = 'strict'
";
    let server = launch(rules);
    let hello = |user: &str, password: &str| {
        let connect = json!({"verbose": false, "headers": true, "user": user, "pass": password});
        Client::hello(server.addr(), &connect.to_string())
    };
    let (mut ann, mut bob) = (hello("ann", "a"), hello("bob", "b"));
    ann.subscribe("c.*", "1");
    ann.subscribe(">", "2");
    subscribe(&mut ann, "c.*", "3", &json!({}));
    bob.subscribe("c.x", "1");
    let shown = account(&server, bob.cid(), "1");
    assert_eq!(
        (&shown["query"], &shown["dialect"]),
        (&json!("t.color = 'blue'"), &json!("strict"))
    );
    let mut publisher = hello("bob", "b");
    for color in ["green", "red", "blue"] {
        let block = headers(&[("color", color), ("t.color", color)]);
        publisher.send(&hpub("c.x", &block, b"x"));
    }
    publisher.ping();
    let arrives = |sid: &str, color: &str| {
        hmsg("c.x", sid, &headers(&[("color", color), ("t.color", color)]), b"x")
    };
    bob.expect(&arrives("1", "blue"));
    bob.ping();
    let mut got: Vec<(String, String)> = (0..7)
        .map(|_| {
            let Message { sid, headers, .. } = ann.next_message().unwrap();
            let color = ["green", "red", "blue"]
                .into_iter()
                .find(|color| String::from_utf8_lossy(&headers).contains(color));
            (sid, color.unwrap().to_owned())
        })
        .collect();
    ann.ping();
    got.sort();
    let all = |sid: &str| ["blue", "green", "red"].map(|color| (sid.to_owned(), color.to_owned()));
    let red = [("1".to_owned(), "red".to_owned())];
    assert_eq!(got, [&red[..], &all("2"), &all("3")].concat());
}

// spec: QRY-5
#[test]
fn nobody_answers_a_request_that_no_query_of_a_responder_matches() {
    let server = launch("");
    let (mut responder, mut requester) = (server.client(), server.client());
    subscribe(&mut responder, "ask", "1", &json!({"query": "color = 'red'"}));
    subscribe(&mut responder, "ask", "2", &json!({"query": "color = 'blue'", "queue": "g"}));
    requester.subscribe("_INBOX.r", "9");
    let ask_for = |requester: &mut Client, color: &str| {
        let block = headers(&[("color", color)]);
        let head = format!("HPUB ask _INBOX.r {} {}\r\n", block.len(), block.len());
        requester.send(format!("{head}{block}\r\n").as_bytes());
    };
    for color in ["red", "blue"] {
        ask_for(&mut requester, color);
        let message = responder.next_message().unwrap();
        assert_eq!(message.sid, if color == "red" { "1" } else { "2" });
        responder.publish(&message.reply.unwrap(), color.as_bytes());
        requester.expect(&msg("_INBOX.r", "9", color.as_bytes()));
    }
    ask_for(&mut requester, "green");
    requester.expect(&hmsg("_INBOX.r", "9", "NATS/1.0 503\r\n\r\n", b""));
    requester.send(b"PUB ask _INBOX.r 5\r\nplain\r\n");
    requester.expect(&hmsg("_INBOX.r", "9", "NATS/1.0 503\r\n\r\n", b""));
    responder.ping();
}

// spec: QRY-1
#[test]
fn members_of_a_group_get_what_their_own_query_matches() {
    let server = launch("");
    let mut publisher = server.client();
    let mut members = [Some("color = 'red'"), Some("color = 'blue'"), None].map(|query| {
        let mut member = server.client();
        subscribe(&mut member, "jobs", "1", &json!({"query": query, "queue": "g"}));
        member
    });
    for n in 0..300 {
        publish_color(&mut publisher, "jobs", ["red", "blue", "green"][n % 3]);
    }
    publisher.ping();
    let matched = |client: &Client| count(&account(&server, client.cid(), "1"), "matched");
    let shares: Vec<u64> = members.iter().map(matched).collect();
    assert_eq!(shares.iter().sum::<u64>(), 300, "{shares:?}");
    assert!(shares[0] > 20 && shares[1] > 20 && shares[2] >= 100, "{shares:?}");
    for (member, color) in members.iter_mut().zip(["red", "blue"]) {
        for _ in 0..matched(member) {
            member.expect(&colored("jobs", "1", color));
        }
        member.ping();
    }
}

/// A stock client asks by request, and reads on as ever.
#[test]
fn async_nats_subscribes_by_query() {
    let server = launch("");
    within_patience(async {
        let client = connect(server.addr()).await;
        let deliver = client.new_inbox();
        let wish = json!({"filter": "c.*", "deliver": deliver, "query": "Color = 'red' OR last"});
        let answer = client.request(API, wish.to_string().into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["error"]["code"], "bad_query", "{answer}");
        let wish = json!({"filter": "c.*", "deliver": deliver, "query": "Color = 'red'"});
        let answer = client.request(API, wish.to_string().into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        let mut reds = client.subscribe(deliver).await.unwrap();
        for (number, color) in ["red", "green", "red", "blue", "red"].into_iter().enumerate() {
            let mut headers = HeaderMap::new();
            headers.insert("Color", color);
            let payload = number.to_string().into();
            client.publish_with_headers("c.x", headers, payload).await.unwrap();
        }
        for number in ["0", "2", "4"] {
            let message = reds.next().await.unwrap();
            assert_eq!((message.subject.as_str(), &*message.payload), ("c.x", number.as_bytes()));
        }
    });
}

/// What does not match costs a subscription nothing of its limits.
// spec: QRY-1
#[test]
fn a_stalled_subscription_is_filled_only_by_what_it_asked_for() {
    let server = small_sockets();
    let (mut client, mut publisher) = (lazy(&server, WITH_HEADERS), server.client());
    let wish = json!({"query": "color = 'red'", "overflow": {"policy": "drop-oldest"},
        "limits": {"messages": 2}, "report": "status"});
    subscribe(&mut client, "c", "7", &wish);
    stall(&mut client, &mut publisher);
    for color in ["red", "green", "red", "green", "green", "red"] {
        publish_color(&mut publisher, "c", color);
    }
    publisher.ping();
    let shown = account(&server, client.cid(), "7");
    assert_conserved(&shown);
    let counts = ["matched", "lost", "queued"].map(|name| count(&shown, name));
    assert_eq!(counts, [3, 1, 2], "{shown}");
    read_fill(&mut client);
    let notice = client.next_message().unwrap();
    let missed = Told::of(&notice).missed.unwrap();
    assert_eq!((missed.count, missed.first, missed.last), (1, 1, 1));
    client.expect(&[colored("c", "7", "red"), colored("c", "7", "red")].concat());
    client.ping();
}

/// `floodway sub`, with what it prints.
struct Sub {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Sub {
    /// Starts it and waits until the server has its subscriptions.
    fn start(server: &Server, args: &[&str]) -> Sub {
        let mut child = Command::new(FLOODWAY)
            .args(["sub", "--server", &format!("nats://{}", server.addr())])
            .args(args)
            // So that a test whose message never comes fails instead of waiting for ever.
            .args(["--timeout", "20s"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().unwrap());
        Sub { child, out }
    }

    /// The lines on standard error, until it listens.
    fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        while notes.last().is_none_or(|last: &String| !last.starts_with("listening")) {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {notes:?}");
            notes.push(line.trim_end().to_owned());
        }
        notes
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Sub {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_line_subscribes_by_query() {
    let server = launch("");
    let mut publisher = server.client();
    let query = "symbol = 'ACME' AND quote.price < 18";
    let args =
        ["quotes.>", "--query", query, "--queue", "g", "--overflow", "drop-oldest", "--limit"];
    let args = [&args[..], &["messages=5", "--count", "2", "--raw"]].concat();
    let mut sub = Sub::start(&server, &args);
    let granted = format!("granted quotes.>: drop-oldest, 5 messages; query: {query}");
    assert_eq!(sub.notes()[0], granted);
    for (symbol, price) in [("ACME", 17.5), ("ACME", 18.0), ("INIT", 17.0), ("ACME", 3.0)] {
        publisher.publish("quotes.eu", &quote(symbol, price));
    }
    for price in [17.5, 3.0] {
        assert_eq!(sub.line().trim_end().as_bytes(), quote("ACME", price));
    }
    assert!(sub.child.wait().unwrap().success());

    let mut strict = Sub::start(&server, &["c", "--query", "t.c='red'", "--strict", "--raw"]);
    let granted = "granted c: disconnect, no limit of its own; query (strict): t.c = 'red'";
    assert_eq!(strict.notes()[0], granted);
    for color in ["green", "red"] {
        publisher.send(&hpub("c", &headers(&[("t.c", color)]), color.as_bytes()));
    }
    assert_eq!(strict.line(), "red\n");
}

// checklist: C2
#[test]
fn the_command_line_shows_what_is_wrong_before_it_connects() {
    // Nobody listens there.
    let args = ["sub", "c", "--server", "nats://127.0.0.1:1", "--query", "color = 'red' ADN x > 5"];
    let output = Command::new(FLOODWAY).args(args).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    let wanted = "error: line 1, column 15 (byte 14): found `ADN`, expected AND, OR or the end\n  \
                  color = 'red' ADN x > 5\n                ^^^\ndid you mean `AND`?\n";
    assert_eq!((shown.as_str(), output.status.code()), (wanted, Some(2)));
    assert!(output.stdout.is_empty());
    let check = ["query", "check", "color = 'red' ADN x > 5"];
    let check = Command::new(FLOODWAY).args(check).stdin(Stdio::null()).output().unwrap();
    assert_eq!((String::from_utf8(check.stderr).unwrap(), check.status.code()), (shown, Some(2)));
}

/// As many queries as subscriptions: those of others cost a message nothing.
// checklist: B10
#[test]
fn queries_that_have_nothing_to_do_with_a_message_are_not_evaluated() {
    const COUNT: usize = 2000;
    let server = launch("");
    let (mut client, mut publisher) = (server.client(), server.client());
    // Grants wait for their SUB, so one after the other; the answers go to nobody.
    let mut batch = Vec::new();
    for n in 0..=COUNT {
        // The last one is why it matters which `n` a message has.
        let query = if n < COUNT { format!("color = 'c{n}'") } else { "n = 'none'".into() };
        let wish = json!({"query": query});
        let request = request("c", &format!("_INBOX.{n}"), &wish);
        let line = format!("PUB {} {}\r\n{request}\r\n", API, request.len());
        batch.extend(line.bytes());
        batch.extend(format!("SUB _INBOX.{n} {n}\r\n").bytes());
    }
    client.send(&batch);
    client.ping();
    // No two alike: messages in a row with the same tags, of those asked for, are selected once.
    let block = |n: usize| headers(&[("color", "c17"), ("n", &n.to_string())]);
    for n in 0..100 {
        publisher.send(&hpub("c", &block(n), b"x"));
    }
    publisher.ping();
    for n in 0..100 {
        client.expect(&hmsg("c", "17", &block(n), b"x"));
    }
    assert_eq!(number(&server, "floodway_queries_evaluated_total"), 100.0);
    client.send(b"UNSUB 17\r\n");
    client.ping();
    publisher.send(&hpub("c", &block(100), b"x"));
    publisher.ping();
    client.ping();
    assert_eq!(number(&server, "floodway_queries_evaluated_total"), 100.0, "nothing is left");
    let all: String = (0..=COUNT).map(|n| format!("UNSUB {n}\r\n")).collect();
    client.send(all.as_bytes());
    client.ping();
    assert_eq!(number(&server, "floodway_subscriptions"), 0.0);
}
