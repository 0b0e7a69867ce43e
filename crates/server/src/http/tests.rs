//! Every page over real sockets, against a scripted broker.

mod queries;
mod slowz;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use floodway::LossReason;
use serde_json::{Value, json};

use super::door::Patience;
use super::rig::{self, MEMORY, QUEUE_LIMIT, Rig};
use super::start;

fn connections(page: &Value) -> &Vec<Value> {
    page["connections"].as_array().unwrap()
}

fn cids(page: &Value) -> Vec<u64> {
    connections(page).iter().map(|one| one["cid"].as_u64().unwrap()).collect()
}

/// `matched - (delivered + lost + conflated + expired + queued)`.
fn missing(subscription: &Value) -> i64 {
    let number = |name: &str| subscription[name].as_i64().unwrap_or_else(|| panic!("no {name}"));
    let known = ["delivered", "lost", "conflated", "expired", "queued"].map(number);
    number("matched") - known.iter().sum::<i64>()
}

/// The same of a whole connection, or of the process.
fn missing_of_all(page: &Value, delivered: &str, queued: &str) -> i64 {
    let number = |name: &str| page[name].as_i64().unwrap_or_else(|| panic!("no {name}"));
    let known = [delivered, "conflated", "expired", queued].map(number).iter().sum::<i64>();
    let lost = page["lost"].as_object().unwrap().values().filter_map(Value::as_i64).sum::<i64>();
    number("matched") - known - lost
}

/// What happens in the scripted run. `fast` gets 5 + 3 messages on one subscription and 5 on
/// another, takes 13 and gives one up; `slow` takes 2 of 5; `stuck` takes 1 of 5, ends at its
/// limit with 6 queued over 2 more, and is closed; `gone` hangs up with 2 queued.
struct Script {
    rig: Rig,
    fast: rig::Client,
    slow: rig::Client,
    stuck: rig::Client,
    gone: rig::Client,
}

fn scripted_run() -> Script {
    let rig = Rig::new();
    let fast = rig.client(1001).named("fast");
    fast.subscribe("1", "a.>", None);
    fast.subscribe("2", "a.b", Some("workers"));
    let slow = rig.client(1002).named("slow");
    slow.subscribe("9", "a.b", None);
    let stuck = rig.client(1003);
    stuck.subscribe("7", "*.b", None);
    rig.publish("a.b", 5);
    fast.take(10);
    slow.take(2);
    stuck.take(1);
    rig.publish("a.c", 3);
    fast.take(3);
    fast.unsubscribe("2");
    rig.publish("x.b", 3);
    assert!(stuck.session.end_reason().is_some(), "4 queued, 2 more, and one too many");
    stuck.close();
    let gone = rig.client(1004).named("gone");
    gone.subscribe("1", "z", None);
    rig.publish("z", 2);
    gone.close();
    fast.session.count_in(11, 110, Instant::now());
    Script { rig, fast, slow, stuck, gone }
}

// checklist: I1
#[test]
fn connz_shows_what_became_of_every_message() {
    let Script { rig, fast, slow, .. } = scripted_run();
    let page = rig.get("/connz?subs=detail").json();
    assert_eq!((&page["num_connections"], &page["total"]), (&json!(2), &json!(2)));
    assert_eq!((&page["offset"], &page["limit"]), (&json!(0), &json!(1024)));
    assert_eq!(cids(&page), [fast.id(), slow.id()]);
    let [first, second] = &connections(&page)[..] else { panic!("{page}") };

    assert_eq!((&first["name"], &first["lang"]), (&json!("fast"), &json!("rust")));
    assert_eq!((&first["kind"], &first["type"]), (&json!("Client"), &json!("nats")));
    assert_eq!((&first["ip"], &first["port"]), (&json!("127.0.0.1"), &json!(1001)));
    assert_eq!(
        (&first["authorized_user"], &first["version"]),
        (&json!("fast's user"), &json!("0.1"))
    );
    assert_eq!((&first["in_msgs"], &first["in_bytes"]), (&json!(11), &json!(110)));
    assert_eq!((&first["out_msgs"], &first["out_bytes"]), (&json!(13), &json!(130)));
    assert_eq!((&first["matched"], &first["subscriptions"]), (&json!(13), &json!(1)));
    assert_eq!(first["subscriptions_list"], json!(["a.>"]));
    assert_eq!((first.get("stop"), first.get("reason")), (None, None));

    assert_eq!((&second["pending_msgs"], &second["pending_bytes"]), (&json!(3), &json!(30)));
    let [detail] = &second["subscriptions_list_detail"].as_array().unwrap()[..] else { panic!() };
    let is = |name: &str, value: Value| assert_eq!(detail[name], value, "{name}: {detail}");
    is("sid", json!("9"));
    is("subject", json!("a.b"));
    is("policy", json!("disconnect"));
    is("matched", json!(5));
    is("delivered", json!(2));
    is("queued", json!(3));
    is("queued_bytes", json!(30));
    is("lost", json!(0));
    is("high_water", json!(5));
    is("limits", json!({"messages": 6, "bytes": null, "behind_ms": null, "ttl_ms": null}));
    is("replaced", json!(0));
    assert!(detail["behind_ms"].as_u64().unwrap() < 60_000 && detail.get("qgroup").is_none());
    for one in connections(&page) {
        let details = one["subscriptions_list_detail"].as_array().unwrap();
        assert!(details.iter().all(|detail| missing(detail) == 0), "{one}");
        assert_eq!(missing_of_all(one, "out_msgs", "pending_msgs"), 0, "{one}");
    }
}

// checklist: I1
#[test]
fn connz_remembers_who_ended_why_and_what_they_lost() {
    let Script { rig, stuck, gone, .. } = scripted_run();
    let page = rig.get("/connz?state=closed&subs=1").json();
    assert_eq!(cids(&page), [stuck.id(), gone.id()]);
    let [first, second] = &connections(&page)[..] else { panic!("{page}") };
    assert_eq!(first["reason_code"], "out_of_capacity");
    let reason = first["reason"].as_str().unwrap();
    let text = "slow consumer: out of capacity at its limit of messages (6 messages, 60 bytes";
    assert!(reason.starts_with(text), "{reason}");
    assert!(first["stop"].as_str().unwrap().ends_with('Z'));
    // 5 and 3 matched, 1 was taken; the one too many and the 6 queued are lost.
    assert_eq!((&first["matched"], &first["out_msgs"]), (&json!(8), &json!(1)));
    assert_eq!(first["lost"]["out_of_capacity"], QUEUE_LIMIT + 1);
    assert_eq!((&first["pending_msgs"], &first["pending_bytes"]), (&json!(0), &json!(0)));
    let detail = &first["subscriptions_list_detail"][0];
    assert_eq!((missing(detail), &detail["lost"], &detail["queued"]), (0, &json!(7), &json!(0)));
    assert_eq!(detail["lost_by_reason"]["out_of_capacity"], 7);

    assert_eq!(
        (&second["reason_code"], &second["reason"]),
        (&json!("disconnected"), &json!("client closed"))
    );
    assert_eq!(second["lost"]["disconnected"], 2);
    let all = rig.get("/connz?state=all").json();
    assert_eq!(cids(&all), [1, 2, 3, 4]);
    assert_eq!(cids(&rig.get("/connz?state=closed&cid=4").json()), [4]);
    assert_eq!(cids(&rig.get("/connz?cid=4").json()), [0; 0]);
    assert_eq!(cids(&rig.get("/connz?state=any&cid=2").json()), [2]);
}

// checklist: I1
#[test]
fn metrics_are_the_ground_truth_of_a_scripted_run() {
    let Script { rig, .. } = scripted_run();
    let metrics = rig.metrics();
    let is = |name: &str, value: f64| {
        let name = format!("floodway_{name}");
        assert_eq!(metrics.get(&name), Some(&value), "{name} in {metrics:#?}");
    };
    is("connections", 2.0);
    is("connections_total", 4.0);
    is("subscriptions", 2.0);
    is("messages_in_total", 11.0);
    is("bytes_in_total", 110.0);
    is("messages_matched_total", 13.0 + 5.0 + 8.0 + 2.0);
    is("messages_delivered_total", 13.0 + 2.0 + 1.0);
    is("bytes_out_total", 160.0);
    is("messages_pending", 3.0);
    is("messages_lost_total{reason=\"out_of_capacity\"}", 7.0);
    is("messages_lost_total{reason=\"disconnected\"}", 2.0);
    is("messages_lost_total{reason=\"too_far_behind\"}", 0.0);
    is("session_ends_total{reason=\"out_of_capacity\"}", 1.0);
    is("session_ends_total{reason=\"disconnected\"}", 1.0);
    is("slow_consumers_total", 1.0);
    is("subscriptions_slow", 0.0);
    is("slow_episodes_total", 1.0);
    is("messages_conflated_total", 0.0);
    is("messages_expired_total", 0.0);
    is("publishers_paused", 0.0);
    is("memory_budget_bytes", MEMORY as f64);
    is("subscriptions_left_out", 0.0);
    is("build_info{version=\"1.2.3\"}", 1.0);
    let slow = "{cid=\"2\",sid=\"9\",subject=\"a.b\"}";
    is(&format!("subscription_matched_total{slow}"), 5.0);
    is(&format!("subscription_delivered_total{slow}"), 2.0);
    is(&format!("subscription_conflated_total{slow}"), 0.0);
    is(&format!("subscription_expired_total{slow}"), 0.0);
    is(&format!("subscription_queued_messages{slow}"), 3.0);
    is(&format!("subscription_queued_bytes{slow}"), 30.0);
    is(&format!("subscription_replaced_messages{slow}"), 0.0);
    is(&format!("subscription_high_water_messages{slow}"), 5.0);
    assert!(metrics[&format!("floodway_subscription_oldest_age_seconds{slow}")] < 60.0);
    let fast = "{cid=\"1\",sid=\"1\",subject=\"a.>\"}";
    is(&format!("subscription_matched_total{fast}"), 8.0);
    is(&format!("subscription_oldest_age_seconds{fast}"), 0.0);
}

#[test]
fn a_session_that_ended_is_listed_as_closed_while_it_is_still_written_to() {
    let rig = Rig::new();
    let stuck = rig.client(1);
    stuck.subscribe("1", "a", None);
    rig.publish("a", QUEUE_LIMIT + 3);
    for query in ["", "?cid=1"] {
        assert_eq!(cids(&rig.get(&format!("/connz{query}")).json()), [0; 0], "{query}");
    }
    assert_eq!(cids(&rig.get("/connz?state=all&cid=1").json()), [1]);
    let page = rig.get("/connz?state=closed&subs=detail&sort=stop").json();
    let one = &connections(&page)[0];
    assert_eq!((&one["reason_code"], &one["pending_msgs"]), (&json!("out_of_capacity"), &json!(6)));
    let detail = &one["subscriptions_list_detail"][0];
    // What came after the end matched nothing any more.
    assert_eq!((missing(detail), &detail["matched"], &detail["lost"]), (0, &json!(7), &json!(1)));
    let metrics = rig.metrics();
    assert_eq!(metrics["floodway_messages_lost_total{reason=\"out_of_capacity\"}"], 1.0);
    assert_eq!(metrics["floodway_messages_pending"], 6.0);
}

#[test]
fn a_subscription_that_ended_alone_has_its_losses_by_reason() {
    let rig = Rig::new();
    let client = rig.client(1);
    client.subscribe_alone("1", "a");
    rig.publish("a", QUEUE_LIMIT + 3);
    let labels = "{cid=\"1\",sid=\"1\",subject=\"a\",reason=\"out_of_capacity\"}";
    assert_eq!(rig.metrics()[&format!("floodway_subscription_lost_total{labels}")], 1.0);
    let page = rig.get("/connz?subs=detail").json();
    let detail = &connections(&page)[0]["subscriptions_list_detail"][0];
    assert_eq!((missing(detail), &detail["queued"], &detail["lost"]), (0, &json!(6), &json!(1)));
}

#[test]
fn metrics_are_well_formed_classic_text() {
    let Script { rig, .. } = scripted_run();
    let answer = rig.get("/metrics");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let mut current = "";
    for line in answer.body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap();
            assert!(help.len() > current.len() + 1 && help.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let is = match current {
                name if name.ends_with("_total") => "counter",
                name if name.ends_with("_duration_seconds") => "histogram",
                _ => "gauge",
            };
            assert_eq!(kind, format!("{current} {is}"));
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            let of_histogram = name.strip_prefix(current).is_some_and(|rest| {
                current.ends_with("_duration_seconds")
                    && matches!(rest, "_sum" | "_count" | "_bucket")
            });
            assert!(name == current || of_histogram, "{line}");
        }
    }
    assert_eq!(answer.body.matches("# TYPE floodway_connections ").count(), 1);
    assert_eq!(answer.body.matches("# TYPE floodway_connections_total ").count(), 1);
}

#[test]
fn label_values_are_escaped_and_no_series_appears_twice() {
    let rig = Rig::new();
    let client = rig.client(1);
    client.subscribe("a\"b\\c", "q\"uo\\te", None);
    rig.publish("q\"uo\\te", 2);
    // Its first use still has two messages queued.
    client.unsubscribe("a\"b\\c");
    client.subscribe("a\"b\\c", "q\"uo\\te", None);
    rig.publish("q\"uo\\te", 3);
    let labels = r#"{cid="1",sid="a\"b\\c",subject="q\"uo\\te"}"#;
    assert_eq!(rig.metrics()[&format!("floodway_subscription_queued_messages{labels}")], 5.0);
}

#[test]
fn only_the_busiest_subscriptions_have_series() {
    let rig = Rig::new();
    let many = [rig.client(1), rig.client(2), rig.client(3)];
    for client in &many {
        (0..1500).for_each(|sid| client.subscribe(&sid.to_string(), &format!("s.{sid}"), None));
    }
    let last = rig.client(4);
    last.subscribe("1", "busy", None);
    rig.publish("busy", 2);
    rig.publish("s.1499", 1);
    let metrics = rig.metrics();
    let shown = metrics.keys().filter(|name| name.contains("subscription_queued_messages{"));
    assert_eq!(shown.count(), 1000);
    assert_eq!(metrics["floodway_subscriptions_left_out"], 3501.0);
    let queued = |labels: &str| {
        metrics.get(&format!("floodway_subscription_queued_messages{{{labels}}}")).copied()
    };
    assert_eq!(queued("cid=\"4\",sid=\"1\",subject=\"busy\""), Some(2.0));
    for cid in 1..=3 {
        let labels = format!("cid=\"{cid}\",sid=\"1499\",subject=\"s.1499\"");
        assert_eq!(queued(&labels), Some(1.0), "{labels}");
    }
}

#[test]
fn connz_sorts_and_pages() {
    let rig = Rig::new();
    let clients = [rig.client(1), rig.client(2), rig.client(3)];
    clients[1].subscribe("1", "a", None);
    clients[2].subscribe("1", "a", None);
    clients[2].subscribe("2", "b", None);
    rig.publish("a", 4);
    clients[1].take(1);
    clients[2].take(3);
    clients[0].session.set_paced_by(vec!["cid 2".into()]);
    let order = |query: &str| cids(&rig.get(&format!("/connz?{query}")).json());
    assert_eq!(order("sort=pending"), [2, 3, 1]);
    assert_eq!(order("sort=msgs_to"), [3, 2, 1]);
    assert_eq!(order("sort=subs"), [3, 2, 1]);
    assert_eq!(order("sort=start"), [1, 2, 3]);
    assert_eq!(order("sort=pending&limit=1"), [2]);
    assert_eq!(order("sort=pending&limit=5&offset=1"), [3, 1]);
    let page = rig.get("/connz?limit=1&offset=2").json();
    let counts = (&page["num_connections"], &page["total"], &page["offset"], &page["limit"]);
    assert_eq!(counts, (&json!(1), &json!(3), &json!(2), &json!(1)));
    assert_eq!(order("offset=3"), [0; 0]);
    let page = rig.get("/connz?cid=1").json();
    assert_eq!(connections(&page)[0]["paced_by"], json!(["cid 2"]));
    assert_eq!(connections(&page)[0].get("subscriptions_list"), None);
    assert_eq!(rig.metrics()["floodway_publishers_paused"], 1.0);
}

#[test]
fn a_queue_group_is_named() {
    let rig = Rig::new();
    let client = rig.client(1);
    client.subscribe("3", "jobs", Some("workers"));
    let page = rig.get("/connz?subs=detail").json();
    assert_eq!(connections(&page)[0]["subscriptions_list_detail"][0]["qgroup"], "workers");
}

#[test]
fn a_wrong_parameter_is_a_400_that_says_what_is_right() {
    let rig = Rig::new();
    let answer = rig.get("/connz?state=opened");
    assert_eq!(answer.status, 400);
    assert!(answer.head.contains("content-type: application/json"));
    let expected = json!({"error": {"parameter": "state", "problem": "\"opened\" is not valid",
        "expected": "one of open, closed, all, any"}});
    assert_eq!(answer.json(), expected);
    assert_eq!(rig.get("/connz?subs=detail%26x").status, 400);
    assert_eq!(rig.get("/connz?stat=open").json()["error"]["problem"], "unknown parameter");
}

#[test]
fn varz_has_the_settings_and_the_sums() {
    let Script { rig, .. } = scripted_run();
    let page = rig.get("/varz").json();
    let expected = json!({
        "server_id": "NTEST", "server_name": "a test", "version": "1.2.3", "proto": 1,
        "host": "127.0.0.1", "port": 4222, "max_connections": 65_536,
        "ping_interval": 120_000_000_000_u64, "ping_max": 2, "http_host": "127.0.0.1",
        "http_port": rig.http.addr().port(), "max_payload": 1_048_576, "auth_required": true,
        "config_load_time": "1970-01-01T00:00:00.000Z", "threads": 3, "connections": 2,
        "total_connections": 4, "slow_consumers": 1, "subscriptions": 2, "in_msgs": 11,
        "out_msgs": 16, "in_bytes": 110, "out_bytes": 160, "matched": 28, "pending_messages": 3,
        "conflated": 0, "expired": 0, "slow_now": 0,
        "ends": {"disconnected": 1, "out_of_capacity": 1},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&page[name], value, "{name}");
    }
    let lost = page["lost"].as_object().unwrap();
    assert_eq!(lost.len(), LossReason::ALL.len());
    assert_eq!(lost.values().filter_map(Value::as_u64).sum::<u64>(), 9);
    assert_eq!(missing_of_all(&page, "out_msgs", "pending_messages"), 0);
    assert_eq!(page["memory_budget"]["limit"], MEMORY);
    assert_eq!(page["memory_budget"]["pressure"], "calm");
    assert!(page["memory_budget"]["used"].as_u64().unwrap() > 0);
    assert!(page["uptime"].as_str().unwrap().starts_with("1m"), "{page}");
    if cfg!(target_os = "linux") {
        assert!(page["mem"].as_u64().unwrap() > 100_000 && page["cpu"].is_number());
    }
}

#[test]
fn the_small_pages_and_the_missing_ones() {
    let rig = Rig::new();
    let index = rig.get("/");
    assert!(index.status == 200 && index.head.contains("text/html"));
    for page in ["/healthz", "/varz", "/connz", "/slowz", "/metrics"] {
        assert!(index.body.contains(&format!("href=\"{page}\"")), "{page}");
        assert_eq!(rig.get(page).status, 200);
    }
    assert_eq!(rig.get("/healthz").json(), json!({"status": "ok"}));
    assert_eq!(rig.get("/varzz").status, 404);
    assert!(rig.get("/varzz").json()["error"]["expected"].as_str().unwrap().contains("/varz"));
    assert_eq!(rig::ask(rig.http.addr(), "POST", "/varz").status, 405);
    assert_eq!(rig::ask(rig.http.addr(), "HEAD", "/varz").body, "");
}

#[test]
fn a_taken_port_is_an_error_at_the_start() {
    let rig = Rig::new();
    let again = start(rig.http.addr(), rig::source(rig.broker.clone()));
    assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn several_requests_share_a_connection_until_the_stop() {
    let rig = Rig::new();
    let addr = rig.http.addr();
    let mut stream = rig::connect(addr);
    let expected = "{\n  \"status\": \"ok\"\n}";
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(expected.as_bytes()) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
    let before = Instant::now();
    rig.http.stop();
    assert!(before.elapsed() < Duration::from_millis(800), "an idle connection held it up");
    assert!(rig::is_cut_off(&mut stream));
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn a_client_that_never_finishes_its_request_does_not_hold_up_the_stop() {
    let rig = Rig::new();
    let mut stream = rig::connect(rig.http.addr());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    // Served after it, so the server has it.
    assert_eq!(rig.get("/healthz").status, 200);
    let before = Instant::now();
    rig.http.stop();
    assert!(before.elapsed() < Duration::from_millis(1500), "{:?}", before.elapsed());
}

/// With one place, the next client is served only once the one before was cut off.
fn one_place() -> Patience {
    Patience { places: 1, ..Patience::default() }
}

#[test]
fn a_client_that_never_finishes_its_request_is_cut_off() {
    let request = Duration::from_millis(50);
    let rig = Rig::with_patience(Patience { request, ..one_place() });
    let mut stream = rig::connect(rig.http.addr());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    assert_eq!(rig.get("/healthz").status, 200);
    assert!(rig::is_cut_off(&mut stream));
}

#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let answer = Duration::from_millis(50);
    let rig = Rig::with_patience(Patience { answer, ..one_place() });
    let many = rig.client(1);
    // Some 30 MB as JSON, more than the sockets in between hold.
    (0..50_000).for_each(|sid| many.subscribe(&sid.to_string(), &format!("s.{sid}"), None));
    let mut stream = rig::connect(rig.http.addr());
    stream.write_all(b"GET /connz?subs=detail HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!(rig.get("/healthz").status, 200);
    let mut read = Vec::new();
    let whole = stream.read_to_end(&mut read).is_ok() && read.ends_with(b"]\n}");
    assert!(!whole && !read.is_empty(), "{} bytes", read.len());
}

#[test]
fn an_endless_request_is_cut_off() {
    let rig = Rig::with_patience(Patience { request_bytes: 300, ..Patience::default() });
    assert_eq!(rig.get(&format!("/healthz?{}", "x".repeat(200))).status, 200);
    let mut stream = rig::connect(rig.http.addr());
    let line = format!("GET /healthz?{} HTTP/1.1\r\n\r\n", "x".repeat(300));
    stream.write_all(line.as_bytes()).unwrap();
    assert!(rig::is_cut_off(&mut stream));
}
