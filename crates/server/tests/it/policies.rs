//! Subscriptions with a policy, byte by byte: what is asked for, granted, delivered and told.
//!
//! A stalled client is one whose stream a plain subscription has filled ([`stall`]): what comes
//! then waits in lanes, so each test knows exactly what is kept and what is lost.

use serde_json::{Value, json};

use crate::raw::{Client, publish_bytes};
use crate::server::Server;
use crate::told::{
    API, Missed, WITH_HEADERS, WITHOUT_HEADERS, account, ask, assert_conserved, barrier, count,
    hmsg, hpub, keeping, lazy, msg, numbered, publish, read_fill, refill, request, small_sockets,
    stall, subscribe,
};

/// The messages `numbers` of `q.a`, as they were sent.
fn plain(sid: &str, numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(|number| msg("q.a", sid, &numbered(number, 8))).collect()
}

/// The status message that tells of `missed` on `q.>`.
fn missed_status(sid: &str, missed: &Missed) -> Vec<u8> {
    let headers = format!("NATS/1.0 100 Messages Missed\r\n{}\r\n", missed.lines());
    hmsg("q.>", sid, &headers, b"")
}

fn limits(messages: Value, bytes: Value, behind_ms: Value, ttl_ms: Value) -> Value {
    json!({"messages": messages, "bytes": bytes, "behind_ms": behind_ms, "ttl_ms": ttl_ms})
}

// spec: OVF-8
#[test]
fn each_policy_is_granted_echoed_and_delivers() {
    const NONE: Value = Value::Null;
    let server = Server::start();
    let mut client = server.client();
    let bounded = || limits(65_536.into(), (16 << 20).into(), NONE, NONE);
    let cases = [
        (json!({"policy": "disconnect"}), json!({}), limits(NONE, NONE, NONE, NONE)),
        (json!({"policy": "drop-newest"}), json!({}), bounded()),
        (
            json!({"policy": "drop-oldest"}),
            json!({"messages": 10, "behind": "10s"}),
            limits(10.into(), NONE, 10_000.into(), NONE),
        ),
        (
            json!({"policy": "conflate", "key": "subject", "fallback": "drop-oldest"}),
            json!({"ttl": 5000}),
            limits(65_536.into(), (16 << 20).into(), NONE, 5000.into()),
        ),
        (
            json!({"policy": "conflate", "key": "header:Symbol", "fallback": "drop-newest"}),
            json!({"bytes": "8MiB"}),
            limits(NONE, (8 << 20).into(), NONE, NONE),
        ),
        (
            json!({"policy": "conflate", "key": "json:/a/b", "fallback": "disconnect"}),
            json!({"messages": 1}),
            limits(1.into(), NONE, NONE, NONE),
        ),
    ];
    for (at, (overflow, asked, granted)) in cases.into_iter().enumerate() {
        let report = ["header", "status", "none"][at % 3];
        let (sid, deliver) = (format!("s{at}"), format!("_INBOX.{at}"));
        let wish = json!({"overflow": overflow, "limits": asked, "report": report});
        let answer = ask(&mut client, request("q.*", &deliver, &wish).as_bytes());
        let mut shown = overflow.clone();
        for absent in ["key", "fallback"] {
            shown[absent] = overflow.get(absent).cloned().unwrap_or(NONE);
        }
        let echo = json!({"filter": "q.*", "deliver": deliver, "queue": null, "overflow": shown,
            "limits": granted, "report": report, "query": null, "dialect": null});
        let id = format!("{}:{deliver}", client.cid());
        assert_eq!(answer, json!({"ok": true, "id": id, "granted": echo}));
        client.send(format!("SUB {deliver} {sid}\r\nPUB q.a 2\r\nhi\r\n").as_bytes());
        client.expect(&msg("q.a", &sid, b"hi"));
        let shown = account(&server, client.cid(), &sid);
        assert_eq!((&shown["policy"], &shown["limits"]), (&overflow["policy"], &granted));
        client.send(format!("UNSUB {sid}\r\n").as_bytes());
        client.ping();
    }
}

/// The same gap, for clients that are told in each way there is.
// checklist: A8
// spec: TLD-1, OVF-4
#[test]
fn a_gap_is_told_at_its_place() {
    let server = small_sockets();
    let mut publisher = server.client();
    let missed = Missed::run("dropped_oldest", 1, 17);
    let headers = format!("NATS/1.0\r\n{}\r\n", missed.lines());
    let by_header = [hmsg("q.a", "7", &headers, &numbered(17, 8)), plain("7", 18..20)].concat();
    let by_status = [missed_status("7", &missed), plain("7", 17..20)].concat();
    let not_at_all = plain("7", 17..20);
    let cases = [
        ("header", WITH_HEADERS, &by_header),
        ("status", WITH_HEADERS, &by_status),
        ("none", WITH_HEADERS, &not_at_all),
        ("header", WITHOUT_HEADERS, &not_at_all),
        ("status", WITHOUT_HEADERS, &not_at_all),
        ("none", WITHOUT_HEADERS, &not_at_all),
    ];
    let mut clients = cases.map(|(report, hello, wanted)| {
        let mut client = lazy(&server, hello);
        subscribe(&mut client, "q.>", "7", &keeping("drop-oldest", 3, report));
        stall(&mut client, &mut publisher);
        (client, wanted)
    });
    publish(&mut publisher, "q.a", 0..20, 8);
    for (client, wanted) in &mut clients {
        let shown = account(&server, client.cid(), "7");
        assert_conserved(&shown);
        assert_eq!((count(&shown, "lost"), count(&shown, "queued")), (17, 3), "{shown}");
        read_fill(client);
        client.expect(wanted);
        client.ping();
    }
    // Told once: what follows is as it was sent.
    publish(&mut publisher, "q.a", 20..21, 8);
    for (client, _) in &mut clients {
        client.expect(&plain("7", 20..21));
        client.ping();
    }
}

// spec: TLD-3
#[test]
fn a_gap_behind_the_last_message_is_told_at_once_by_status_and_else_with_the_next() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut clients = ["status", "header"].map(|report| {
        let mut client = lazy(&server, WITH_HEADERS);
        subscribe(&mut client, "q.>", "7", &keeping("drop-newest", 3, report));
        stall(&mut client, &mut publisher);
        client
    });
    publish(&mut publisher, "q.a", 0..20, 8);
    let missed = Missed::run("dropped_newest", 4, 17);
    let [by_status, by_header] = &mut clients;
    read_fill(by_status);
    by_status.expect(&[plain("7", 0..3), missed_status("7", &missed)].concat());
    read_fill(by_header);
    by_header.expect(&plain("7", 0..3));
    by_header.ping();
    publish(&mut publisher, "q.a", 20..22, 8);
    by_status.expect(&plain("7", 20..22));
    let headers = format!("NATS/1.0\r\n{}\r\n", missed.lines());
    by_header.expect(&hmsg("q.a", "7", &headers, &numbered(20, 8)));
    by_header.expect(&plain("7", 21..22));
}

/// Headers of the publisher stay, in front; a block that cannot be added to leaves it to the next.
// spec: TLD-2
#[test]
fn what_is_told_is_added_to_the_headers_of_the_publisher() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut lossy = lazy(&server, WITH_HEADERS);
    subscribe(&mut lossy, "q.>", "1", &keeping("drop-oldest", 3, "header"));
    stall(&mut lossy, &mut publisher);
    let mut latest = lazy(&server, WITH_HEADERS);
    subscribe(&mut latest, "q.>", "2", &json!({"overflow": {"policy": "conflate"}}));
    stall(&mut latest, &mut publisher);

    let (whole, cut) = ("NATS/1.0\r\nTrace: 7\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: b\r\n");
    let batch = [("q.a", whole), ("q.a", whole), ("q.a", cut), ("q.b", whole), ("q.a", whole)];
    for (subject, headers) in batch {
        publisher.send(&hpub(subject, headers, b"x"));
    }
    publisher.ping();
    read_fill(&mut lossy);
    // The first message kept has no room for it, the second has.
    let missed = Missed::run("dropped_oldest", 1, 2);
    let merged = format!("NATS/1.0\r\nTrace: 7\r\nA: b\r\n{}\r\n", missed.lines());
    lossy.expect(&hmsg("q.a", "1", cut, b"x"));
    lossy.expect(&hmsg("q.b", "1", &merged, b"x"));
    lossy.expect(&hmsg("q.a", "1", whole, b"x"));
    read_fill(&mut latest);
    let merged = "NATS/1.0\r\nTrace: 7\r\nA: b\r\nFloodway-Conflated: 3\r\n\r\n";
    latest.expect(&hmsg("q.a", "2", merged, b"x"));
    latest.expect(&hmsg("q.b", "2", whole, b"x"));
    [lossy, latest].iter_mut().for_each(Client::ping);
}

/// Messages so large that a lane feeds one a turn, and answers are looked at after each.
// spec: ORD-2
#[test]
fn an_answer_follows_what_was_queued_before_it_and_waits_for_nothing_else() {
    const SIZE: usize = 9000;
    let large = |numbers: std::ops::Range<usize>| -> Vec<u8> {
        numbers.flat_map(|number| msg("q.a", "1", &numbered(number, SIZE))).collect()
    };
    let told = |first, count, number| {
        let missed = Missed::run("dropped_oldest", first, count);
        let headers = format!("NATS/1.0\r\n{}\r\n", missed.lines());
        hmsg("q.a", "1", &headers, &numbered(number, SIZE))
    };
    let server = small_sockets();
    let (mut publisher, mut monitor) = (server.client(), server.client());
    let mut client = lazy(&server, WITH_HEADERS);
    subscribe(&mut client, "q.>", "1", &keeping("drop-oldest", 10, "header"));
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..10, SIZE);
    client.send(b"PING\r\n");
    barrier(&mut client, &mut monitor);
    // Four of those before the answer make room for four behind it.
    publish(&mut publisher, "q.a", 10..14, SIZE);
    read_fill(&mut client);
    client.expect(&told(1, 4, 4));
    client.expect(&[large(5..10), b"PONG\r\n".to_vec(), large(10..14)].concat());
    // Nothing that was before it is left: it waits for nothing.
    refill(&client, &mut publisher);
    publish(&mut publisher, "q.a", 14..16, SIZE);
    client.send(b"PING\r\n");
    barrier(&mut client, &mut monitor);
    publish(&mut publisher, "q.a", 16..30, SIZE);
    read_fill(&mut client);
    client.expect(b"PONG\r\n");
    client.expect(&[told(15, 6, 20), large(21..30)].concat());
    client.ping();
}

/// A lossy subscription and a plain one share a connection: the plain one loses nothing.
// checklist: A1
// spec: OVF-7
#[test]
fn a_plain_subscription_beside_a_lossy_one_keeps_everything_in_order() {
    const COUNT: usize = 20_000;
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    subscribe(&mut client, "q.>", "1", &keeping("drop-oldest", 5, "header"));
    client.subscribe("q.>", "2");
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..COUNT, 8);
    read_fill(&mut client);
    // All of it was in the stream before the lane could go on.
    client.expect(&plain("2", 0..COUNT));
    let missed = Missed::run("dropped_oldest", 1, COUNT as u64 - 5);
    let headers = format!("NATS/1.0\r\n{}\r\n", missed.lines());
    client.expect(&hmsg("q.a", "1", &headers, &numbered(COUNT - 5, 8)));
    client.expect(&plain("1", COUNT - 4..COUNT));
    client.ping();
}

#[test]
fn unsubscribing_after_so_many_counts_what_is_delivered() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    subscribe(&mut client, "q.>", "1", &keeping("drop-oldest", 10, "header"));
    client.send(b"UNSUB 1 15\r\n");
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..100, 8);
    read_fill(&mut client);
    let headers = format!("NATS/1.0\r\n{}\r\n", Missed::run("dropped_oldest", 1, 90).lines());
    client.expect(&hmsg("q.a", "1", &headers, &numbered(90, 8)));
    client.expect(&plain("1", 91..100));
    // Ten of fifteen were delivered.
    publish(&mut publisher, "q.a", 100..200, 8);
    client.expect(&plain("1", 100..105));
    client.ping();
    let list = server.get(&format!("/connz?subs=1&cid={}", client.cid())).json();
    assert_eq!(list["connections"][0]["subscriptions_list"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_refused_request_grants_nothing() {
    let server = Server::start();
    let mut client = server.client();
    let mut publisher = server.client();
    let bad = [
        (r#"{"filter": "q.>", "deliver": "d", "limits": {"ttl": "soon"}}"#, "limits.ttl"),
        (r#"{"filter": "q.>", "deliver": "d", "overflow": {"policy": "lose"}}"#, "overflow.policy"),
        (r#"{"filter": "q.>", "deliver": "d", "report": 1}"#, "report"),
        (r#"{"filter": "q..a", "deliver": "d"}"#, "filter"),
        (r#"{"deliver": "d"}"#, "filter"),
        (r#"{"filter": "q.>", "deliver": "d""#, ""),
    ];
    for (request, at) in bad {
        let answer = ask(&mut client, request.as_bytes());
        assert_eq!((&answer["ok"], &answer["error"]["at"]), (&false.into(), &at.into()));
        // So this is a plain subscription to `d` itself.
        client.subscribe("d", "1");
        publisher.send(&[publish_bytes("q.a", b"no"), publish_bytes("d", b"yes")].concat());
        publisher.ping();
        client.expect(&msg("d", "1", b"yes"));
        client.send(b"UNSUB 1\r\n");
    }
    // Without a reply subject a request is carried out all the same; nobody is told.
    let right = request("q.>", "d", &keeping("drop-oldest", 3, "none"));
    client.send(&publish_bytes(API, right.as_bytes()));
    client.subscribe("d", "1");
    publisher.publish("q.a", b"now");
    client.expect(&msg("q.a", "1", b"now"));
}
