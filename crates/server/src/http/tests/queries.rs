//! What the pages say of queries.

use floodway::Envelope;
use serde_json::{Value, json};

use super::missing;
use super::rig::Rig;

#[test]
fn queries_are_shown_and_what_they_cost_is_counted() {
    let rig = Rig::new();
    let client = rig.client(1001);
    let query = |text: &str| text.parse().unwrap();
    client.subscribe_by_query("1", "k", query("kind='a'"));
    client.subscribe_by_query("2", "k", query("kind = 'a'"));
    client.subscribe_by_query("3", "k", query("kind = 'b'"));
    let strict = floodway::QueryOptions::strict().parse("p.q = 'a'").unwrap();
    client.subscribe_by_query("4", "other", strict);
    client.subscribe_by_query("5", "prices.*", query("price = '5'"));
    client.subscribe("6", "plain", None);
    let publish = |envelope: Envelope<'_>, payload: &str| {
        rig.broker.bus().publish(envelope, payload).unwrap().matched
    };
    // Two equal queries are one; a message of another kind comes upon none.
    let kinds = ["a", "a", "a", "b", "c"];
    let matched = kinds.map(|kind| publish(Envelope::to("k").header("kind", kind), "x"));
    assert_eq!(matched, [2, 2, 2, 1, 0]);
    let payloads = [r#"{"price": "5"}"#, "no JSON", r#"{"price": "6"}"#, "{", ""];
    let matched = payloads.map(|payload| publish(Envelope::to("prices.eu"), payload));
    assert_eq!(matched, [1, 0, 0, 0, 0]);
    publish(Envelope::to("plain"), "no JSON either");
    let prices = |count: usize| format!(r#"{{"price": [{}"5"]}}"#, "1,".repeat(count - 1));
    let matched = [512, 513, 514].map(|tags| publish(Envelope::to("prices.eu"), &prices(tags)));
    assert_eq!(matched, [1, 0, 0]);

    let metrics = rig.metrics();
    assert_eq!(metrics["floodway_queries_evaluated_total"], 8.0);
    assert_eq!(metrics["floodway_payloads_malformed_total"], 3.0);
    assert_eq!(metrics["floodway_tags_dropped_total"], 3.0);
    let varz = rig.get("/varz").json();
    assert_eq!((&varz["queries_evaluated"], &varz["payloads_malformed"]), (&json!(8), &json!(3)));
    assert_eq!(varz["tags_dropped"], 3);

    let page = rig.get("/connz?subs=detail").json();
    let details = page["connections"][0]["subscriptions_list_detail"].as_array().unwrap();
    let shown: Vec<_> = details.iter().map(|one| (one.get("query"), one.get("dialect"))).collect();
    let [a, b, p] = ["kind = 'a'", "kind = 'b'", "price = '5'"].map(Value::from);
    let (extended, strict, q) = ("extended".into(), "strict".into(), "p.q = 'a'".into());
    let in_extended = |query| (Some(query), Some(&extended));
    let [a, b, p] = [&a, &b, &p].map(in_extended);
    assert_eq!(shown, [a, a, b, (Some(&q), Some(&strict)), p, (None, None)]);
    assert!(details.iter().all(|one| missing(one) == 0), "{page}");
}
