//! The status pages against the truth of a scripted run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde_json::Value;

use crate::footprint::wait_until;
use crate::raw::{Client, connect_with_receive_buffer, publish_bytes};
use crate::server::{Launch, Server};

#[test]
fn healthz_is_200_and_unknown_pages_are_404() {
    let server = Server::start();
    let health = server.get("/healthz");
    assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get("/nothing").status, 404);
    // A wrong question is not answered with something else.
    let wrong = server.get("/connz?sort=color");
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("sort"), "{}", wrong.body);
}

#[test]
fn a_page_of_many_connections_comes_whole_also_if_others_do_not_read_theirs() {
    let server = Server::start();
    let clients: Vec<_> = (0..200u64)
        .map(|number| {
            let mut client = server.client();
            (0..5).for_each(|sid| {
                client.subscribe(&format!("many.{number}.{sid}"), &sid.to_string());
            });
            client.ping();
            client
        })
        .collect();
    // Each of these holds one thread that writes, and nothing else.
    let http = server.http();
    let _idle: Vec<_> = (0..10)
        .map(|_| {
            let mut reader = connect_with_receive_buffer(http, 4096);
            let request = "GET /connz?subs=detail HTTP/1.1\r\nHost: x\r\n\r\n";
            reader.write_all(request.as_bytes()).unwrap();
            reader
        })
        .collect();
    let page = server.get("/connz?subs=detail");
    assert!(page.body.len() > 4 * 64 * 1024, "{} bytes", page.body.len());
    let page = page.json();
    let connections = page["connections"].as_array().unwrap();
    let cids: BTreeSet<_> = connections.iter().map(|one| one["cid"].as_u64().unwrap()).collect();
    assert!(clients.iter().all(|client| cids.contains(&client.cid())));
    let subscriptions = connections.iter().map(|one| &one["subscriptions_list_detail"]);
    let count: usize = subscriptions.filter_map(|list| Some(list.as_array()?.len())).sum();
    assert_eq!(count, 1000);
    assert_eq!(server.get("/healthz").status, 200);
}

/// Samples of a Prometheus page: `name{labels}` as written, and the value.
fn samples(server: &Server) -> BTreeMap<String, f64> {
    let page = server.get("/metrics");
    assert_eq!(page.status, 200);
    assert!(page.head.to_ascii_lowercase().contains("content-type: text/plain"), "{}", page.head);
    let lines = page.body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The value of the one sample of `metric` whose labels hold all of `labels`.
fn sample(samples: &BTreeMap<String, f64>, metric: &str, labels: &[(&str, &str)]) -> f64 {
    let is_asked_for = |name: &str| {
        let (base, rest) = name.split_once('{').unwrap_or((name, ""));
        base == metric && labels.iter().all(|(k, v)| rest.contains(&format!("{k}=\"{v}\"")))
    };
    let found: Vec<_> = samples.iter().filter(|(name, _)| is_asked_for(name)).collect();
    assert_eq!(found.len(), 1, "{metric} {labels:?}: {found:?}");
    *found[0].1
}

/// Publishes 400 messages of 10 bytes to `m.a` and 100 to `m.b`; all have been routed after it.
fn scripted_run(publisher: &mut Client) {
    for number in 0..500 {
        let subject = if number % 5 == 0 { "m.b" } else { "m.a" };
        publisher.send(&publish_bytes(subject, b"0123456789"));
    }
    publisher.ping();
}

fn read_messages(client: &mut Client, count: usize) {
    for _ in 0..count {
        client.next_message().expect("a message");
    }
    client.ping();
}

// checklist: I1
#[test]
fn metrics_are_the_truth_of_a_scripted_run() {
    let server = Server::start();
    let (mut all, mut some, mut publisher) = (server.client(), server.client(), server.client());
    all.send(b"SUB m.> 1\r\nSUB other 2\r\n");
    all.ping();
    some.subscribe("m.a", "x");
    scripted_run(&mut publisher);
    read_messages(&mut all, 500);
    read_messages(&mut some, 400);
    let samples = samples(&server);
    let (all_cid, some_cid) = (all.cid().to_string(), some.cid().to_string());
    let wanted = [
        (all_cid.as_str(), "1", "m.>", 500.0),
        (&all_cid, "2", "other", 0.0),
        (&some_cid, "x", "m.a", 400.0),
    ];
    for (cid, sid, subject, count) in wanted {
        let labels = [("cid", cid), ("sid", sid), ("subject", subject)];
        let value = |metric: &str| sample(&samples, metric, &labels);
        assert_eq!(value("floodway_subscription_matched_total"), count);
        assert_eq!(value("floodway_subscription_delivered_total"), count);
        assert_eq!(value("floodway_subscription_queued_messages"), 0.0);
        assert_eq!(value("floodway_subscription_queued_bytes"), 0.0);
        assert_eq!(value("floodway_subscription_oldest_age_seconds"), 0.0);
    }
    let value = |metric: &str| sample(&samples, metric, &[]);
    assert_eq!(value("floodway_connections"), 3.0);
    assert_eq!(value("floodway_connections_total"), 3.0);
    assert_eq!(value("floodway_subscriptions"), 3.0);
    assert_eq!(value("floodway_messages_in_total"), 500.0);
    assert_eq!(value("floodway_bytes_in_total"), 5000.0);
    assert_eq!(value("floodway_messages_matched_total"), 900.0);
    assert_eq!(value("floodway_messages_delivered_total"), 900.0);
    assert_eq!(value("floodway_messages_pending"), 0.0);
    assert_eq!(value("floodway_slow_consumers_total"), 0.0);
}

// checklist: I1
#[test]
fn losses_are_counted_with_their_reason() {
    let config = concat!(
        "[limits]\npayload = \"64KiB\"\n[overflow]\nlinger = \"0s\"\n",
        "[overflow.connection]\nbytes = \"1MiB\"\n",
        "[pushback]\nmode = \"none\"\nmark = \"256KiB\"\n",
    );
    let server = Launch::new().config(config).start();
    let mut stalled = Client::over(connect_with_receive_buffer(server.addr(), 8 * 1024));
    stalled.send(b"CONNECT {\"verbose\":false}\r\n");
    stalled.subscribe("m", "1");
    let mut publisher = server.client();
    let payload = vec![b'x'; 50_000];
    // 20 MB: far more than its queue and the sockets on the way hold.
    const SENT: u32 = 400;
    for _ in 0..SENT {
        publisher.publish("m", &payload);
    }
    publisher.ping();
    wait_until("the end is counted", || {
        sample(&samples(&server), "floodway_slow_consumers_total", &[]) == 1.0
    });
    wait_until("the account of the ended one is closed", || {
        sample(&samples(&server), "floodway_messages_pending", &[]) == 0.0
    });
    let samples = samples(&server);
    let value = |metric: &str| sample(&samples, metric, &[]);
    let lost: f64 = samples
        .iter()
        .filter(|(name, _)| name.starts_with("floodway_messages_lost_total{"))
        .map(|(_, count)| count)
        .sum();
    let (matched, delivered) =
        (value("floodway_messages_matched_total"), value("floodway_messages_delivered_total"));
    assert_eq!(matched, delivered + lost, "law 1, over the whole server");
    assert!(lost > 0.0 && matched <= f64::from(SENT), "{matched} matched, {lost} lost");
    let ends = [("reason", "out_of_capacity")];
    assert_eq!(sample(&samples, "floodway_session_ends_total", &ends), 1.0);
}

#[test]
fn varz_sums_up() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.client(), server.client());
    subscriber.subscribe("m.>", "1");
    scripted_run(&mut publisher);
    read_messages(&mut subscriber, 500);
    drop(subscriber);
    wait_until("the subscriber is gone", || server.get("/varz").json()["connections"] == 1);
    let varz = server.get("/varz").json();
    let wanted = [
        ("in_msgs", 500_u64),
        ("out_msgs", 500),
        ("in_bytes", 5000),
        ("matched", 500),
        ("connections", 1),
        ("total_connections", 2),
        ("subscriptions", 0),
        ("slow_consumers", 0),
        ("max_payload", 1 << 20),
        ("port", u64::from(server.addr().port())),
    ];
    for (key, value) in wanted {
        assert_eq!(varz[key], value, "{key} in {varz}");
    }
    assert_eq!(varz["server_id"], publisher.info["server_id"]);
    assert!(varz["mem"].as_u64() > Some(1 << 20), "{varz}");
}

#[test]
fn connz_shows_who_is_there_and_who_was() {
    let server = Server::start();
    let json = "{\"verbose\":false,\"name\":\"reader\",\"lang\":\"test\",\"version\":\"9.8\"}";
    let mut client = Client::hello(server.addr(), json);
    client.send(b"SUB m.a 1\r\nSUB m.b workers 2\r\n");
    client.ping();
    let entry_of = |list: Value, cid: u64| {
        let connections = list["connections"].as_array().expect("connections").clone();
        connections.into_iter().find(|entry| entry["cid"] == cid)
    };
    let entry = entry_of(server.get("/connz?subs=detail").json(), client.cid()).unwrap();
    assert_eq!((&entry["name"], &entry["lang"]), (&"reader".into(), &"test".into()));
    assert_eq!((&entry["ip"], &entry["subscriptions"]), (&"127.0.0.1".into(), &2.into()));
    assert_eq!(entry["port"], client.stream().local_addr().unwrap().port());
    let details = entry["subscriptions_list_detail"].as_array().unwrap();
    let group = details.iter().find(|detail| detail["sid"] == "2").unwrap();
    assert_eq!((&group["subject"], &group["qgroup"]), (&"m.b".into(), &"workers".into()));

    let cid = client.cid();
    drop(client);
    let closed = || entry_of(server.get("/connz?state=closed").json(), cid);
    wait_until("it is listed as closed", || closed().is_some());
    let entry = closed().unwrap();
    assert!(entry["reason"].is_string() && entry["stop"].is_string(), "{entry}");
    assert!(entry_of(server.get("/connz").json(), cid).is_none());
}

/// Overload is told once, not once a message.
// checklist: I2
#[test]
fn the_log_stays_short_under_overload() {
    let config = concat!(
        "[limits]\npayload = \"64KiB\"\n[overflow]\nlinger = \"0s\"\n",
        "[overflow.connection]\nbytes = \"1MiB\"\n",
        "[pushback]\nmode = \"none\"\nmark = \"256KiB\"\n",
    );
    let server = Launch::new().config(config).start();
    let stalled: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = Client::over(connect_with_receive_buffer(server.addr(), 8 * 1024));
            client.send(b"CONNECT {\"verbose\":false}\r\n");
            client.subscribe("m", "1");
            client
        })
        .collect();
    let before = server.log().lines().len();
    let mut publisher = server.client();
    let batch: Vec<u8> = (0..1000).flat_map(|_| publish_bytes("m", &[b'x'; 1000])).collect();
    // Nobody else listens: these go nowhere, and each is a chance to say so.
    let nowhere: Vec<u8> = (0..1000).flat_map(|_| publish_bytes("void", b"x")).collect();
    for _ in 0..40 {
        publisher.send(&batch);
        publisher.send(&nowhere);
    }
    publisher.ping();
    for client in &stalled {
        let wanted = format!("cid={}", client.cid());
        assert!(server.log().wait_for(&wanted).is_some(), "{wanted} is told");
    }
    let added = server.log().lines().len() - before;
    assert!(added <= 3 * stalled.len(), "{added} lines for {} ends", stalled.len());
    assert!(added >= stalled.len(), "{added}");
}

/// A question while the server is busy is answered: the pages have a thread of their own.
#[test]
fn pages_are_served_under_load() {
    let server = Server::start();
    let mut subscriber = server.client();
    subscriber.subscribe("m", "1");
    let mut publisher = server.client();
    let batch: Vec<u8> = (0..20_000).flat_map(|_| publish_bytes("m", &[b'x'; 100])).collect();
    let writer = std::thread::spawn(move || {
        publisher.send(&batch);
        publisher.ping();
    });
    let reader = std::thread::spawn(move || read_messages(&mut subscriber, 20_000));
    for page in ["/healthz", "/varz", "/connz?subs=detail", "/metrics"] {
        assert_eq!(server.get(page).status, 200);
    }
    writer.join().unwrap();
    reader.join().unwrap();
}
