//! Tests of CONNECT's JSON.

use super::*;

/// What nats.go sends, with a field that we do not know.
const STOCK: &[u8] = br#"{"verbose":false,"pedantic":false,"user":"u","pass":"p",
    "tls_required":false,"name":"","lang":"go","version":"1.30.0","protocol":1,"echo":true,
    "headers":true,"no_responders":true,"later":[{}]}"#;

#[test]
fn reads_what_a_stock_client_sends() {
    let options = ConnectOptions::from_json(STOCK).unwrap();
    let expected = ConnectOptions {
        verbose: Some(false),
        pedantic: Some(false),
        user: Some("u".to_owned()),
        pass: Some("p".to_owned()),
        tls_required: Some(false),
        name: Some(String::new()),
        lang: Some("go".to_owned()),
        version: Some("1.30.0".to_owned()),
        protocol: Some(1),
        echo: Some(true),
        headers: Some(true),
        no_responders: Some(true),
        ..ConnectOptions::default()
    };
    assert_eq!(options, expected);
    assert_eq!(ConnectOptions::from_json(options.to_json().as_bytes()).unwrap(), options);
}

#[test]
fn absent_and_null_are_none() {
    let options = ConnectOptions::from_json(br#"{"user":null}"#).unwrap();
    assert_eq!(options, ConnectOptions::default());
    assert_eq!(options.to_json(), "{}");
}

#[test]
fn keeps_what_only_a_session_can_refuse() {
    for (json, protocol) in [("{\"protocol\":-1}", -1), ("{\"protocol\":2}", 2)] {
        let options = ConnectOptions::from_json(json.as_bytes()).unwrap();
        assert_eq!(options.protocol, Some(protocol));
    }
}

#[test]
fn a_key_that_comes_twice_counts_the_second_time() {
    let options = ConnectOptions::from_json(br#"{"user":"a","user":"b"}"#).unwrap();
    assert_eq!(options.user.as_deref(), Some("b"));
}

#[test]
fn refuses_what_is_no_object() {
    for json in ["", "{", "1", "nope", "{} {}", "{\"user\":1}", "{\"echo\":\"yes\"}", "{\"a\"}"] {
        assert!(ConnectOptions::from_json(json.as_bytes()).is_err(), "{json}");
    }
    assert!(ConnectOptions::from_json(b"{\"user\":\"\xff\"}").is_err());
    // All fields in their order, as an array.
    let fields = vec!["null"; 18].join(",");
    assert!(ConnectOptions::from_json(format!("[{fields}]").as_bytes()).is_err());
}

#[test]
fn shows_no_secret() {
    let secret = || Some("s3cret".to_owned());
    let options = ConnectOptions {
        auth_token: secret(),
        pass: secret(),
        jwt: secret(),
        sig: secret(),
        user: Some("visible".to_owned()),
        ..ConnectOptions::default()
    };
    let shown = format!("{options:?}");
    assert!(!shown.contains("s3cret") && shown.contains("visible"), "{shown}");
    assert_eq!(options.to_json().matches("s3cret").count(), 4);
}
