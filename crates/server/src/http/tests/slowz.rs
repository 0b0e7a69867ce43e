//! Who is slow, on every page that says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::{Conflation, Envelope, Filter, Limits, Overflow, Policy};
use floodway_broker::{Advisory, Report, Sid, SubscriptionSpec};
use serde_json::{Value, json};

use super::{connections, missing, missing_of_all};
use crate::http::rig::{Client, QUEUE_LIMIT, Rig};

/// Looks at a client as a shard does, `seconds` from now; what operators are told of it.
fn watch(rig: &Rig, client: &Client, seconds: f64) -> Vec<Value> {
    let at = Instant::now() + Duration::from_secs_f64(seconds);
    let advisories = rig.broker.registry().watch(&client.session, at);
    let json = advisories.iter().map(|advisory| {
        assert_eq!(advisory.subject, "$FLOODWAY.ADVISORY.SLOW");
        serde_json::from_slice(&advisory.payload).unwrap()
    });
    json.collect()
}

fn subscribe(rig: &Rig, client: &Client, filter: &str, policy: Policy, limits: Limits) {
    let overflow = Some(Arc::new(Overflow::new(policy, limits)));
    let spec = SubscriptionSpec { overflow, report: Report::None, ..SubscriptionSpec::default() };
    let filter = Filter::new(filter).unwrap();
    rig.broker.subscribe(&client.session, Sid::new(b"1"), filter, spec).unwrap();
}

/// Its socket is full, so that messages wait where its policy can change them.
fn stall(rig: &Rig, client: &Client) {
    let own = format!("stall.{}", client.id());
    client.subscribe("0", &own, None);
    rig.publish(&own, 2);
    client.take(1);
}

fn rows<'p>(page: &'p Value, list: &str) -> &'p Vec<Value> {
    let rows = page[list].as_array().unwrap();
    assert!(rows.iter().all(|row| missing(row) == 0), "{page}");
    rows
}

// checklist: E9
#[test]
fn slowz_shows_who_is_slow_and_then_that_they_recovered() {
    let rig = Rig::new();
    let slow = rig.client(1001).named("slow");
    slow.subscribe("9", "a.*", None);
    rig.publish("a.b", 5);
    slow.take(1);
    assert!(watch(&rig, &slow, 0.0).is_empty());
    let page = rig.get("/slowz").json();
    assert_eq!((rows(&page, "slow").len(), &page["counts"]["slow"]), (0, &json!(0)));

    let told = watch(&rig, &slow, 2.0);
    assert_eq!((told.len(), &told[0]["state"]), (1, &json!("slow")));
    assert_eq!(told[0]["client"]["name"], "slow");
    let told = &told[0]["subscription"];
    assert_eq!((missing(told), &told["queued"], &told["matched"]), (0, &json!(4), &json!(5)));
    assert!(told["behind_ms"].as_u64().unwrap() >= 1900, "{told}");
    let page = rig.get("/slowz").json();
    let [row] = &rows(&page, "slow")[..] else { panic!("{page}") };
    let is = |name: &str, value: Value| assert_eq!(row[name], value, "{name}: {row}");
    is("cid", json!(slow.id()));
    is("ip", json!("127.0.0.1"));
    is("port", json!(1001));
    is("name", json!("slow"));
    is("authorized_user", json!("slow's user"));
    is("sid", json!("9"));
    is("subject", json!("a.*"));
    is("policy", json!("disconnect"));
    is("limits", json!({"messages": 6, "bytes": null, "behind_ms": null, "ttl_ms": null}));
    is("state", json!("slow"));
    is("queued", json!(4));
    is("queued_max", json!(4));
    is("matched", json!(4));
    assert!(row["behind_ms_max"].as_u64().unwrap() >= 1900 && row.get("until").is_none());
    assert_eq!(rig.get("/varz").json()["slow_now"], 1);
    let metrics = rig.metrics();
    assert_eq!(metrics["floodway_subscriptions_slow"], 1.0);
    assert_eq!(metrics["floodway_slow_episodes_total"], 1.0);

    slow.take(4);
    assert!(watch(&rig, &slow, 2.5).is_empty());
    let told = watch(&rig, &slow, 3.5);
    assert_eq!((told.len(), &told[0]["state"]), (1, &json!("recovered")));
    let page = rig.get("/slowz").json();
    assert!(rows(&page, "slow").is_empty(), "{page}");
    let [row] = &rows(&page, "lately")[..] else { panic!("{page}") };
    assert_eq!((&row["state"], &row["delivered"]), (&json!("recovered"), &json!(4)));
    assert_eq!(page["counts"], json!({"slow": 0, "lately": 1, "episodes": 1}));
    assert_eq!(rows(&rig.get("/slowz?since=1h").json(), "lately").len(), 1);
    let future = rig.get("/slowz?since=2999-01-01T00:00:00Z").json();
    assert_eq!((rows(&future, "lately").len(), &future["counts"]["lately"]), (0, &json!(0)));
    assert_eq!(rig.metrics()["floodway_subscriptions_slow"], 0.0);
}

// checklist: E9
// spec: TLD-4
#[test]
fn a_query_is_named_with_the_subscription_that_is_slow() {
    let rig = Rig::new();
    let slow = rig.client(1001);
    slow.subscribe_by_query("1", "a.*", "kind='quote' AND price<5".parse().unwrap());
    slow.subscribe("2", "a.*", None);
    let publish = || {
        let quote = Envelope::to("a.b").header("kind", "quote").header("price", "4");
        rig.broker.bus().publish(quote, "0123456789").unwrap();
    };
    publish();
    publish();
    slow.take(1);
    let of = |one: &Value| (one["query"].clone(), one["dialect"].clone());
    let queried = (json!("kind = 'quote' AND price < 5"), json!("extended"));

    assert!(watch(&rig, &slow, 0.0).is_empty());
    let told = watch(&rig, &slow, 2.0);
    let told: Vec<_> = told.iter().map(|one| of(&one["subscription"])).collect();
    assert_eq!(told, [queried.clone(), (Value::Null, Value::Null)], "always there");
    let page = rig.get("/slowz").json();
    let mut shown: Vec<_> = rows(&page, "slow").iter().collect();
    shown.sort_by_key(|row| row["sid"].to_string());
    assert_eq!(of(shown[0]), queried, "{page}");
    assert_eq!((shown[1].get("query"), shown[1].get("dialect")), (None, None), "{page}");

    (0..QUEUE_LIMIT).for_each(|_| publish());
    let end = Advisory::of_end(&slow.session.snapshot(Instant::now(), true)).unwrap();
    let end: Value = serde_json::from_slice(&end.payload).unwrap();
    let ended: Vec<_> = end["subscriptions"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(ended, [queried.clone(), (Value::Null, Value::Null)], "{end}");
    slow.close();
    let page = rig.get("/slowz").json();
    assert!(rows(&page, "lately").iter().any(|row| of(row) == queried), "{page}");
}

// checklist: E9
#[test]
fn a_slow_consumer_that_was_ended_is_there_at_once_and_once() {
    let rig = Rig::new();
    let stuck = rig.client(1);
    stuck.subscribe("1", "a", None);
    rig.publish("a", QUEUE_LIMIT + 3);
    for closed in [false, true] {
        let page = rig.get("/slowz").json();
        assert!(rows(&page, "slow").is_empty(), "{page}");
        let [row] = &rows(&page, "lately")[..] else { panic!("{page}") };
        assert_eq!((&row["state"], &row["matched"]), (&json!("ended"), &json!(7)));
        assert_eq!(row["reason_code"], "out_of_capacity");
        assert!(row["reason"].as_str().unwrap().contains("its limit of messages"), "{row}");
        let lost = if closed { 7 } else { 1 };
        assert_eq!(row["lost_by_reason"]["out_of_capacity"], lost);
        stuck.close();
    }
    assert_eq!(rig.metrics()["floodway_slow_episodes_total"], 1.0);
}

#[test]
fn the_worst_comes_first_and_the_rest_is_counted() {
    let rig = Rig::new();
    let policies = [(7, 10), (5, 20), (6, 30), (3, 40)];
    let clients = policies.map(|(limit, port)| {
        let client = rig.client(port);
        stall(&rig, &client);
        let limits = Limits { messages: Some(limit), ..Limits::NONE };
        subscribe(&rig, &client, "a", Policy::DropNewest, limits);
        client
    });
    rig.publish("a", 9);
    clients.iter().for_each(|client| assert_eq!(watch(&rig, client, 0.0).len(), 1));
    // Nobody is behind any more: only what they lost tells them apart.
    policies.iter().zip(&clients).for_each(|(&(limit, _), client)| client.take(1 + limit as usize));
    let page = rig.get("/slowz").json();
    let lost: Vec<_> =
        rows(&page, "slow").iter().map(|row| row["lost"].as_u64().unwrap()).collect();
    assert_eq!(lost, [6, 4, 3, 2]);
    let page = rig.get("/slowz?limit=1").json();
    assert_eq!((rows(&page, "slow").len(), &page["slow"][0]["lost"]), (1, &json!(6)));
    assert_eq!((&page["counts"]["slow"], &page["limit"]), (&json!(4), &json!(1)));
    clients.iter().for_each(Client::close);
    let page = rig.get("/slowz?limit=2").json();
    assert_eq!((rows(&page, "lately").len(), &page["counts"]["lately"]), (2, &json!(4)));
    assert_eq!(page["lately"][0]["cid"], clients[3].id(), "the latest first");
}

// checklist: I1
#[test]
fn what_is_replaced_dropped_and_expired_is_in_every_sum() {
    let rig = Rig::new();
    let clients = [rig.client(1), rig.client(2), rig.client(3)];
    clients.iter().for_each(|client| stall(&rig, client));
    let [conflated, dropped, expired] = &clients;
    let conflate = Policy::Conflate(Conflation::default());
    subscribe(&rig, conflated, "a.*", conflate, Limits { messages: Some(100), ..Limits::NONE });
    let limits = Limits { messages: Some(2), behind: Some(Duration::from_secs(9)), ..Limits::NONE };
    subscribe(&rig, dropped, "a.*", Policy::DropOldest, limits);
    let limits = Limits { ttl: Some(Duration::from_secs(600)), ..Limits::NONE };
    subscribe(&rig, expired, "a.*", Policy::Disconnect, limits);
    for _ in 0..5 {
        rig.publish("a.x", 1);
        rig.publish("a.y", 1);
    }
    expired.sweep(Duration::from_secs(700));
    rig.publish("a.x", 1);
    let page = rig.get("/connz?subs=detail").json();
    let details = connections(&page).iter().map(|one| &one["subscriptions_list_detail"][1]);
    let [one, two, three] = details.collect::<Vec<_>>()[..] else { panic!("{page}") };
    for (one, conflated, lost, expired, queued) in
        [(one, 9, 0, 0, 2), (two, 0, 9, 0, 2), (three, 0, 0, 10, 1)]
    {
        let is = |name: &str, value: u64| assert_eq!(one[name], value, "{name}: {one}");
        assert_eq!(missing(one), 0, "{one}");
        is("conflated", conflated);
        is("lost", lost);
        is("expired", expired);
        is("queued", queued);
    }
    assert_eq!((&one["policy"], &one["key"]), (&json!("conflate"), &json!("subject")));
    assert_eq!((&one["replaced"], two.get("key")), (&json!(2), None));
    assert_eq!((&two["high_water"], &three["high_water"]), (&json!(2), &json!(10)));
    let limits = json!({"messages": 2, "bytes": null, "behind_ms": 9000, "ttl_ms": null});
    assert_eq!(two["limits"], limits);
    for one in connections(&page) {
        assert_eq!(missing_of_all(one, "out_msgs", "pending_msgs"), 0, "{one}");
    }
    let varz = rig.get("/varz").json();
    assert_eq!(missing_of_all(&varz, "out_msgs", "pending_messages"), 0, "{varz}");
    assert_eq!((&varz["conflated"], &varz["expired"]), (&json!(9), &json!(10)));
    let metrics = rig.metrics();
    assert_eq!(metrics["floodway_messages_conflated_total"], 9.0);
    assert_eq!(metrics["floodway_messages_expired_total"], 10.0);
    assert_eq!(metrics["floodway_messages_lost_total{reason=\"dropped_oldest\"}"], 9.0);
    let labels = "{cid=\"1\",sid=\"1\",subject=\"a.*\"}";
    assert_eq!(metrics[&format!("floodway_subscription_conflated_total{labels}")], 9.0);
    assert_eq!(metrics[&format!("floodway_subscription_replaced_messages{labels}")], 2.0);
    // Losing is being slow, however young what is queued may be.
    let told = clients.each_ref().map(|client| watch(&rig, client, 0.0).remove(0));
    assert_eq!(told[0]["subscription"]["conflated"], 9);
    assert_eq!(told[1]["subscription"]["lost_by_reason"], json!({"dropped_oldest": 9}));
    assert_eq!(told[2]["subscription"]["expired"], 10);
    assert!(told.iter().all(|told| missing(&told["subscription"]) == 0), "{told:?}");
    assert_eq!(rows(&rig.get("/slowz").json(), "slow").len(), 3);
}

#[test]
fn wrong_parameters_are_a_400_that_says_what_is_right() {
    let rig = Rig::new();
    let answer = rig.get("/slowz?limit=1000000");
    assert_eq!(answer.status, 400);
    let expected = json!({"error": {"parameter": "limit", "problem": "\"1000000\" is not valid",
        "expected": "a number from 0 to 10000"}});
    assert_eq!(answer.json(), expected);
    assert_eq!(rig.get("/slowz?since=soon").json()["error"]["parameter"], "since");
    assert_eq!(rig.get("/slowz?sort=lost").json()["error"]["problem"], "unknown parameter");
}
