//! Whatever the policy of the slow one: everybody else gets everything, and everybody can see who
//! is slow.

use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::footprint::wait_until;
use crate::raw::{Client, Event, publish_bytes};
use crate::server::Server;
use crate::told::{
    Missed, Told, WITH_HEADERS, assert_conserved, connection, count, keeping, lazy, number,
    numbered, publish, small_sockets, stall, subscribe,
};

const HEALTHY: usize = 8;
const COUNT: usize = 10_000;
const SLICES: usize = 10;
const SIZE: usize = 200;
/// What the slow one may hold: a tenth of what is published.
const BYTES: u64 = 256 * 1024;
/// And besides: a stream of 64 KiB, the blocks it stands in, and what an entry is more than its
/// message, for the 1200 that fit.
const BESIDES: u64 = 512 * 1024;

fn healthy(server: &Server) -> JoinHandle<()> {
    let mut client = server.client();
    client.subscribe("load.>", "1");
    thread::spawn(move || {
        for at in 0..COUNT {
            let message = client.next_message().expect("it is not cut off");
            assert_eq!((number(&message), message.headers.len()), (at, 0));
        }
        client.ping();
    })
}

/// Message `at` goes to one of ten subjects.
fn publish_slice(publisher: &mut Client, slice: usize) {
    let numbers = slice * COUNT / SLICES..(slice + 1) * COUNT / SLICES;
    let one = |at| publish_bytes(&format!("load.{}", at % 10), &numbered(at, SIZE));
    publisher.send(&numbers.flat_map(one).collect::<Vec<_>>());
    publisher.ping();
}

/// Law 1 for every subscription there is.
fn look(server: &Server) {
    let list = server.get("/connz?subs=detail").json();
    for connection in list["connections"].as_array().expect("connections") {
        let details = connection["subscriptions_list_detail"].as_array().expect("details");
        details.iter().for_each(assert_conserved);
    }
}

/// Eight healthy subscribers beside a stalled one with `overflow`; what the slow one got.
fn flood(server: &Server, overflow: &Value) -> (Value, Vec<Told>, u64) {
    let mut slow = lazy(server, WITH_HEADERS);
    // With a time to live `disconnect` has a lane too, and so a small send buffer.
    let limits = json!({"bytes": BYTES, "ttl": "1m"});
    let wish = json!({"overflow": overflow, "limits": limits, "report": "status"});
    subscribe(&mut slow, "load.>", "1", &wish);
    let readers: Vec<_> = (0..HEALTHY).map(|_| healthy(server)).collect();
    let mut publisher = server.client();
    for slice in 0..SLICES {
        publish_slice(&mut publisher, slice);
        look(server);
        let shown = connection(server, slow.cid());
        let held = count(&shown, "held_bytes");
        assert!(held <= BYTES + BESIDES, "slice {slice}: {shown}");
    }
    for reader in readers {
        reader.join().expect("a healthy subscriber gets everything in order");
    }
    let shown = connection(server, slow.cid());
    let (mut told, mut received) = (Vec::new(), 0);
    slow.send(b"PING\r\n");
    loop {
        match slow.event() {
            Event::Message(message) => {
                told.push(Told::of(&message));
                received += u64::from(told.last().is_some_and(|told| told.status.is_none()));
            }
            Event::Pong => break,
            other => panic!("{other:?}"),
        }
    }
    (shown, told, received)
}

// checklist: A1, A5, E7
// spec: ISO-1, OVF-2, BND-1
#[test]
fn under_every_policy_the_healthy_ones_get_everything() {
    let server = small_sockets();
    for policy in ["drop-oldest", "drop-newest", "conflate", "disconnect"] {
        let (shown, told, received) = flood(&server, &json!({"policy": policy}));
        let missed: u64 = told.iter().filter_map(|told| Some(told.missed.as_ref()?.count)).sum();
        let conflated: u64 = told.iter().map(|told| told.conflated).sum();
        let statuses: Vec<u16> = told.iter().filter_map(|told| told.status).collect();
        let lost: u64 = shown["lost"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(
            (missed, conflated),
            match policy {
                "conflate" => (0, COUNT as u64 - received),
                "disconnect" => (0, 0),
                _ => (COUNT as u64 - received, 0),
            },
            "{policy}: {shown}"
        );
        match policy {
            "conflate" => assert!(statuses.is_empty(), "{shown}"),
            // The message it ended over is counted, and is not queued; the rest does not match.
            "disconnect" => assert_eq!((lost, &statuses[..]), (1, &[409][..]), "{shown}"),
            _ => assert_eq!((lost, statuses[0]), (missed, 100), "{policy}: {shown}"),
        }
    }
}

/// The next advisory on one subscription of one connection.
fn advisory(operator: &mut Client, cid: u64, sid: &str) -> Value {
    loop {
        let message = operator.next_message().expect("an advisory");
        let json: Value = serde_json::from_slice(&message.payload).expect("JSON");
        if json["client"]["cid"] == cid && json["subscription"]["sid"] == sid {
            return json;
        }
    }
}

/// The entry of a subscription in one of the lists of `/slowz`.
fn slow_entry(server: &Server, list: &str, cid: u64, sid: &str) -> Option<Value> {
    let page = server.get("/slowz").json();
    let entries = page[list].as_array().unwrap_or_else(|| panic!("no {list}: {page}"));
    entries.iter().find(|entry| entry["cid"] == cid && entry["sid"] == sid).cloned()
}

// spec: TLD-4
#[test]
fn who_is_slow_is_announced_and_listed_until_it_has_recovered() {
    let server = small_sockets();
    let mut operator = server.client();
    operator.subscribe("$FLOODWAY.ADVISORY.SLOW", "1");
    let mut publisher = server.client();
    let hello = "{\"verbose\":false,\"headers\":true,\"name\":\"screen 4\"}";
    let mut slow = lazy(&server, hello);
    subscribe(&mut slow, "q.>", "7", &keeping("drop-oldest", 100, "header"));
    stall(&mut slow, &mut publisher);
    publish(&mut publisher, "q.a", 0..1000, 20);

    let said = advisory(&mut operator, slow.cid(), "7");
    assert_eq!((&said["type"], &said["state"]), (&"floodway.advisory.slow".into(), &"slow".into()));
    assert_eq!(said["client"]["name"], "screen 4");
    let subscription = &said["subscription"];
    assert_eq!(subscription["subject"], "q.>");
    assert_eq!(
        (count(subscription, "lost"), &subscription["policy"]),
        (900, &"drop-oldest".into())
    );
    assert_conserved(subscription);
    let listed = slow_entry(&server, "slow", slow.cid(), "7").expect("it is slow now");
    assert_conserved(&listed);
    assert_eq!((&listed["policy"], &listed["name"]), (&"drop-oldest".into(), &"screen 4".into()));
    assert!(listed["since"].is_string() && listed["until"].is_null(), "{listed}");

    slow.send(b"PING\r\n");
    while slow.event() != Event::Pong {}
    let said = advisory(&mut operator, slow.cid(), "7");
    assert_eq!(said["state"], "recovered");
    assert_eq!(
        (count(&said["subscription"], "delivered"), count(&said["subscription"], "lost")),
        (100, 900)
    );
    wait_until("it was slow lately", || slow_entry(&server, "lately", slow.cid(), "7").is_some());
    let listed = slow_entry(&server, "lately", slow.cid(), "7").unwrap();
    assert_conserved(&listed);
    assert!(listed["state"] == "recovered" && listed["until"].is_string(), "{listed}");
    assert!(slow_entry(&server, "slow", slow.cid(), "7").is_none());
}

/// One that is not told on its subscription loses its connection, and operators hear of it.
// checklist: A5
// spec: END-3, END-2
#[test]
fn the_end_of_a_lossy_subscription_is_announced_with_its_account() {
    let server = small_sockets();
    let mut operator = server.client();
    operator.subscribe("$FLOODWAY.ADVISORY.ENDED", "1");
    let mut publisher = server.client();
    let mut slow = lazy(&server, WITH_HEADERS);
    slow.allow_cut();
    let wish = json!({"overflow": {"policy": "drop-oldest"},
        "limits": {"messages": 10, "behind": "300ms"}});
    subscribe(&mut slow, "q.>", "7", &wish);
    stall(&mut slow, &mut publisher);
    publish(&mut publisher, "q.a", 0..100, 20);
    let message = operator.next_message().expect("an advisory");
    let said: Value = serde_json::from_slice(&message.payload).expect("JSON");
    assert_eq!(
        (&said["client"]["cid"], &said["reason"]),
        (&slow.cid().into(), &"too_far_behind".into())
    );
    let all = said["subscriptions"].as_array().expect("subscriptions");
    all.iter().for_each(assert_conserved);
    let ended = all.iter().find(|one| one["sid"] == "7").expect("its own");
    assert_eq!(
        (count(ended, "matched"), count(ended, "lost"), &ended["policy"]),
        (100, 90, &"drop-oldest".into())
    );
    // What was queued may still be read, the gap in front of it.
    crate::told::read_fill(&mut slow);
    let first = slow.next_message().expect("it is not cut off yet");
    let told = Told::of(&first);
    assert_eq!((number(&first), told.missed), (90, Some(Missed::run("dropped_oldest", 1, 90))));
    for at in 91..100 {
        assert_eq!(number(&slow.next_message().expect("the rest")), at);
    }
    assert_eq!(slow.next_message(), None);
}
