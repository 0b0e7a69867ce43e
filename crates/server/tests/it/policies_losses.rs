//! What a stalled subscription keeps under each policy, and that it is told exactly of the rest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::footprint::wait_until;
use crate::raw::{Client, Event, Message, publish_bytes};
use crate::server::Server;
use crate::told::{
    Missed, Told, WITH_HEADERS, WITHOUT_HEADERS, account, assert_conserved, connection, count,
    keeping, lazy, msg, number, numbered, publish, read_fill, refill, small_sockets, stall,
    subscribe,
};

/// Reads all that was queued before a PING: messages of `sid`, and what each of them told.
fn read_queued(client: &mut Client, sid: &str) -> Vec<(Message, Told)> {
    client.send(b"PING\r\n");
    let mut read = Vec::new();
    loop {
        match client.event() {
            Event::Message(message) if message.sid == sid => {
                let told = Told::of(&message);
                read.push((message, told));
            }
            Event::Pong => return read,
            Event::Message(_) | Event::Ping => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Every number from 0 on was either read or told as missed, in order; returns those gaps.
fn gaps(read: &[(Message, Told)]) -> Vec<Missed> {
    let (mut next, mut gaps) = (0, Vec::new());
    for (message, told) in read {
        if let Some(missed) = &told.missed {
            assert_eq!((missed.first, missed.count), (next + 1, missed.last - next), "{missed:?}");
            next = missed.last;
            gaps.push(missed.clone());
        }
        if told.status.is_none() {
            assert_eq!(number(message) as u64, next, "a hole that nobody told of");
            next += 1;
        }
    }
    gaps
}

fn numbers(read: &[(Message, Told)]) -> Vec<usize> {
    read.iter().filter(|(_, told)| told.status.is_none()).map(|(one, _)| number(one)).collect()
}

// checklist: A9
// spec: OVF-4, OVF-2
#[test]
fn an_overrun_by_one_loses_one() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    subscribe(&mut client, "q.>", "1", &keeping("drop-oldest", 1000, "header"));
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..1000, 100);
    assert_eq!(count(&account(&server, client.cid(), "1"), "lost"), 0);
    publish(&mut publisher, "q.a", 1000..1001, 100);
    read_fill(&mut client);
    let read = read_queued(&mut client, "1");
    assert_eq!(gaps(&read), [Missed::run("dropped_oldest", 1, 1)]);
    assert_eq!(numbers(&read), (1..1001).collect::<Vec<_>>());
}

/// Whatever the sockets took before: gaps with exact ranges, and then the newest.
// checklist: A8
// spec: OVF-4, OVF-7, TLD-1
#[test]
fn drop_oldest_holds_exactly_the_newest() {
    const COUNT: usize = 20_000;
    const KEPT: usize = 700;
    let server = Server::start();
    let mut publisher = server.client();
    for report in ["header", "status"] {
        let mut client = lazy(&server, WITH_HEADERS);
        subscribe(&mut client, "q.>", "1", &keeping("drop-oldest", KEPT as u64, report));
        publish(&mut publisher, "q.a", 0..COUNT, 200);
        let shown = account(&server, client.cid(), "1");
        assert_conserved(&shown);
        assert_eq!(count(&shown, "matched"), COUNT as u64);
        let read = read_queued(&mut client, "1");
        let gaps = gaps(&read);
        let missed: u64 = gaps.iter().map(|gap| gap.count).sum();
        assert!(missed > 0 && missed == count(&shown, "lost"), "{gaps:?}: {shown}");
        let numbers = numbers(&read);
        assert_eq!(numbers[numbers.len() - KEPT..], (COUNT - KEPT..COUNT).collect::<Vec<_>>());
        // What is written is counted right after it, so the client may know first.
        wait_until("all is counted as delivered", || {
            let shown = account(&server, client.cid(), "1");
            count(&shown, "delivered") == numbers.len() as u64 && shown["queued"] == 0
        });
        client.send(b"UNSUB 1\r\n");
        client.ping();
    }
}

// spec: OVF-4
#[test]
fn drop_newest_keeps_what_came_first() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    // Each counts with its subject: 10 times 103 bytes fit.
    let wish = json!({"overflow": {"policy": "drop-newest"}, "limits": {"bytes": 1033}});
    subscribe(&mut client, "q.>", "1", &wish);
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..50, 100);
    // What would not fit into the empty queue is refused, and what is smaller still fits.
    publish(&mut publisher, "q.a", 50..51, 5000);
    read_fill(&mut client);
    client.expect(&(0..10).flat_map(|at| msg("q.a", "1", &numbered(at, 100))).collect::<Vec<_>>());
    publish(&mut publisher, "q.a", 51..53, 100);
    let read = read_queued(&mut client, "1");
    let told: Vec<_> = read.iter().map(|(one, told)| (number(one), told.missed.clone())).collect();
    assert_eq!(told, [(51, Some(Missed::run("dropped_newest", 11, 41))), (52, None)]);
}

// checklist: E9
// spec: OVF-5, TLD-2
#[test]
fn conflate_keeps_the_latest_of_each_key_in_the_order_of_the_keys() {
    const KEYS: usize = 100;
    const COUNT: usize = 50_000;
    let server = Server::start();
    let mut publisher = server.client();
    let keys = ["subject", "header:Key", "json:/k"].map(|key| {
        let mut client = lazy(&server, WITH_HEADERS);
        let overflow = json!({"policy": "conflate", "key": key});
        subscribe(&mut client, "c.>", "1", &json!({"overflow": overflow}));
        client
    });
    let mut batch = Vec::new();
    for at in 0..COUNT {
        let payload = format!("{{\"k\":{},\"n\":{at}}}", at % KEYS);
        let headers = format!("NATS/1.0\r\nKey: {}\r\n\r\n", at % KEYS);
        let (head, total) = (headers.len(), headers.len() + payload.len());
        let line = format!("HPUB c.{} {head} {total}\r\n{headers}{payload}\r\n", at % KEYS);
        batch.extend_from_slice(line.as_bytes());
    }
    publisher.send(&batch);
    publisher.ping();
    for mut client in keys {
        let shown = account(&server, client.cid(), "1");
        assert_conserved(&shown);
        // One a key waits, and each stands for others.
        assert_eq!(count(&shown, "replaced"), KEYS as u64, "{shown}");
        let read = read_queued(&mut client, "1");
        let replaced: u64 = read.iter().map(|(_, told)| told.conflated).sum();
        assert_eq!(read.len() as u64 + replaced, COUNT as u64);
        assert_eq!(replaced, count(&shown, "conflated"));
        let last: Vec<u64> = read[read.len() - KEYS..].iter().map(|(one, _)| value(one)).collect();
        // The keys stand in the order in which they first had to wait.
        let turn = last[0] as usize % KEYS;
        let wanted = (turn..turn + KEYS).map(|key| (COUNT - KEYS + key % KEYS) as u64);
        assert_eq!(last, wanted.collect::<Vec<_>>());
        let mut latest = BTreeMap::new();
        for (message, _) in &read {
            let before = latest.insert(message.subject.clone(), value(message));
            assert!(before.is_none_or(|before| before < value(message)), "{message:?}");
        }
    }
}

/// The number in a JSON payload.
fn value(message: &Message) -> u64 {
    let json: Value = serde_json::from_slice(&message.payload).expect("JSON");
    json["n"].as_u64().expect("a number")
}

// spec: OVF-5
#[test]
fn too_many_keys_are_what_the_fallback_says() {
    let server = small_sockets();
    let mut publisher = server.client();
    let fallbacks = ["drop-oldest", "drop-newest", "disconnect"];
    let mut clients = fallbacks.map(|fallback| {
        let mut client = lazy(&server, WITH_HEADERS);
        let wish = json!({"overflow": {"policy": "conflate", "fallback": fallback},
            "limits": {"messages": 3}, "report": "status"});
        subscribe(&mut client, "q.*", "1", &wish);
        stall(&mut client, &mut publisher);
        client
    });
    // Key a three times, then b, c, d, e, and a again.
    let subjects = ["q.a", "q.a", "q.a", "q.b", "q.c", "q.d", "q.e", "q.a"];
    let batch = subjects.iter().enumerate();
    let batch: Vec<u8> =
        batch.flat_map(|(at, subject)| publish_bytes(subject, &numbered(at, 8))).collect();
    publisher.send(&batch);
    publisher.ping();
    let told = clients.each_mut().map(|client| {
        read_fill(client);
        let read = read_queued(client, "1");
        read.into_iter()
            .map(|(message, told)| match (&told.missed, &told.end_code) {
                (Some(missed), _) => format!("missed {}-{}", missed.first, missed.last),
                (_, Some(code)) => code.clone(),
                _ => format!("{}+{}", number(&message), told.conflated),
            })
            .collect::<Vec<_>>()
    });
    // The place of a made room for d, that of b for e, and that of c for the new a.
    assert_eq!(told[0], ["missed 3-5", "5+0", "6+0", "7+0"]);
    assert_eq!(told[1], ["7+3", "3+0", "4+0", "missed 6-7"]);
    assert_eq!(told[2], ["2+2", "3+0", "4+0", "out_of_capacity"]);
}

/// Of a message that waited too long only the count is left; a fresh one is not held up.
// checklist: E5
// spec: OVF-6
#[test]
fn what_waited_too_long_is_skipped_and_told() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut clients = ["status", "header"].map(|report| {
        let mut client = lazy(&server, WITH_HEADERS);
        let wish = json!({"overflow": {"policy": "drop-oldest"}, "limits": {"ttl": "300ms"},
            "report": report});
        subscribe(&mut client, "q.>", "1", &wish);
        stall(&mut client, &mut publisher);
        client
    });
    let start = Instant::now();
    publish(&mut publisher, "q.a", 0..5000, 20);
    for client in &clients {
        wait_until("all of it has expired", || {
            let shown = account(&server, client.cid(), "1");
            assert_conserved(&shown);
            count(&shown, "expired") == 5000
        });
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    let missed = Some(Missed::run("expired", 1, 5000));
    let [by_status, by_header] = &mut clients;
    read_fill(by_status);
    read_fill(by_header);
    let read = read_queued(by_status, "1");
    assert_eq!((read.len(), read[0].1.status, &read[0].1.missed), (1, Some(100), &missed));
    by_header.ping();
    publish(&mut publisher, "q.a", 5000..5001, 20);
    let read = read_queued(by_header, "1");
    assert_eq!((numbers(&read), &read[0].1.missed), (vec![5000], &missed));
    assert_eq!(numbers(&read_queued(by_status, "1")), [5000]);
}

/// The end of one subscription, told on it after what was queued: the connection goes on, and the
/// same name can be used again.
// checklist: B3
// spec: OVF-1, END-2, END-3
#[test]
fn a_subscription_that_ends_by_itself_leaves_its_connection() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    let (cid, mut operator) = (client.cid(), server.client());
    operator.subscribe("$FLOODWAY.ADVISORY.ENDED", "1");
    let wish = keeping("disconnect", 100, "status");
    for round in 0..3 {
        subscribe(&mut client, "q.>", "1", &wish);
        if round == 0 {
            stall(&mut client, &mut publisher);
        } else {
            refill(&client, &mut publisher);
        }
        publish(&mut publisher, "q.a", 0..250, 8);
        read_fill(&mut client);
        let read = read_queued(&mut client, "1");
        let (end, before) = read.split_last().expect("it is told");
        assert_eq!(numbers(before), (0..100).collect::<Vec<_>>());
        assert_eq!((end.1.status, end.1.end_code.as_deref()), (Some(409), Some("out_of_capacity")));
        let text = String::from_utf8_lossy(&end.0.headers).into_owned();
        let start = "NATS/1.0 409 Subscription Ended\r\nFloodway-End-Code: out_of_capacity\r\n\
            Floodway-End-Reason: slow consumer: ";
        assert!(text.starts_with(start) && end.0.payload.is_empty(), "{text:?}");
        assert_eq!(end.0.subject, "q.>");
        // Nothing matches it any more; nor does the end count as a delivery.
        publish(&mut publisher, "q.a", 250..260, 8);
        assert_eq!(read_queued(&mut client, "1"), []);
        let shown = connection(&server, client.cid());
        let lost = shown["lost"]["out_of_capacity"].as_u64().unwrap_or(0);
        assert_eq!(lost, round + 1, "the message it ended over, each time: {shown}");
        let said = operator.next_message().expect("an advisory");
        let said: Value = serde_json::from_slice(&said.payload).expect("JSON");
        assert_eq!((&said["ended"], &said["client"]["cid"]), (&"subscription".into(), &cid.into()));
        assert_eq!(
            (&said["subscriptions"][0]["sid"], &said["reason"]),
            (&"1".into(), &"out_of_capacity".into())
        );
        let open = server.get("/connz").json()["total"].clone();
        assert_eq!(open, 3, "clients are the live ones");
    }
}

/// Without headers there is no way to tell, so the connection ends, which every client notices.
// spec: OVF-1
#[test]
fn a_client_that_cannot_be_told_of_the_end_loses_its_connection() {
    let server = small_sockets();
    let mut publisher = server.client();
    for ttl in [Value::Null, "1m".into()] {
        let mut client = lazy(&server, WITHOUT_HEADERS);
        let mut wish = keeping("disconnect", 100, "status");
        wish["limits"]["ttl"] = ttl;
        subscribe(&mut client, "q.>", "1", &wish);
        stall(&mut client, &mut publisher);
        publish(&mut publisher, "q.a", 0..250, 8);
        read_fill(&mut client);
        client
            .expect(&(0..100).flat_map(|at| msg("q.a", "1", &numbered(at, 8))).collect::<Vec<_>>());
        client.expect_closed();
        assert_eq!(connection(&server, client.cid())["reason_code"], "out_of_capacity");
    }
}

// checklist: A5
#[test]
fn a_lossy_subscription_that_takes_nothing_ends_at_its_own_limit_of_time() {
    let server = small_sockets();
    let mut publisher = server.client();
    let mut client = lazy(&server, WITH_HEADERS);
    let wish = json!({"overflow": {"policy": "drop-oldest"}, "report": "status",
        "limits": {"messages": 3, "behind": "300ms"}});
    subscribe(&mut client, "q.>", "1", &wish);
    stall(&mut client, &mut publisher);
    publish(&mut publisher, "q.a", 0..10, 8);
    wait_until("it is ended", || connection(&server, client.cid())["subscriptions"] == 1);
    read_fill(&mut client);
    let read = read_queued(&mut client, "1");
    let (end, before) = read.split_last().expect("it is told");
    assert_eq!(gaps(before), [Missed::run("dropped_oldest", 1, 7)]);
    assert_eq!(numbers(before), [7, 8, 9]);
    assert_eq!(end.1.end_code.as_deref(), Some("too_far_behind"));
}
