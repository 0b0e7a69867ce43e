use serde_json::json;

use super::*;

fn connection(cid: u64, port: u16, queued: u64) -> Value {
    json!({
        "cid": cid, "port": port, "out_bytes": 77, "reason_code": "too_far_behind",
        "subscriptions_list_detail": [
            { "sid": "2", "matched": 9 },
            { "sid": "1", "matched": 20, "delivered": 3, "lost": 4, "conflated": 5, "expired": 6,
              "queued": queued, "high_water": 8 },
        ],
    })
}

#[test]
fn the_account_is_of_the_measured_subscription_and_of_the_latest_with_the_port() {
    let page = json!({ "connections": [
        connection(9, 4000, 2), connection(5, 4000, 1), connection(6, 4001, 1), { "cid": 7 },
    ] });
    let accounts = accounts_in(&page);
    assert_eq!(accounts.len(), 2);
    let account = &accounts[&4000];
    assert_eq!((account.cid, account.gone(), account.out_bytes), (9, 15, 77));
    assert_eq!(account.end.as_deref(), Some("too_far_behind"));
    assert!(account.is_conserved() && account.check().is_ok());
    assert_eq!(
        accounts[&4001].check().unwrap_err(),
        "matched 20 is not delivered 3 + lost 4 + conflated 5 + expired 6 + queued 1"
    );
}

#[test]
fn an_answer_that_is_not_whole_or_not_good_has_no_body() {
    let good = b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    assert_eq!(body(good), Some(json!({ "a": 1 })));
    for end in 0..good.len() {
        assert_eq!(body(&good[..end]), None, "cut at {end}");
    }
    assert_eq!(body(b"HTTP/1.0 400 Bad Request\r\n\r\n{\"a\":1}"), None);
}
