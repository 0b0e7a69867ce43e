//! Tests of INFO's JSON.

use super::*;

#[test]
fn a_small_server_says_only_what_clients_look_for() {
    let info = ServerInfo {
        server_id: "ID".to_owned(),
        server_name: "left".to_owned(),
        version: "2.12.0".to_owned(),
        proto: 1,
        go: "none".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 4222,
        headers: true,
        max_payload: 1_048_576,
        ..ServerInfo::default()
    };
    let expected = concat!(
        r#"INFO {"server_id":"ID","server_name":"left","version":"2.12.0","proto":1,"go":"none","#,
        r#""host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576} "#,
        "\r\n"
    );
    assert_eq!(String::from_utf8(info.to_line()).unwrap(), expected);
}

#[test]
fn optional_fields_come_back() {
    let info = ServerInfo {
        auth_required: true,
        tls_required: true,
        jetstream: true,
        client_id: Some(u64::MAX),
        client_ip: Some("::1".to_owned()),
        nonce: Some("abc".to_owned()),
        connect_urls: vec!["a:1".to_owned(), "b:2".to_owned()],
        ldm: true,
        ..ServerInfo::default()
    };
    let line = info.to_line();
    let json = &line[b"INFO ".len()..];
    assert_eq!(ServerInfo::from_json(json).unwrap(), info);
    let text = str::from_utf8(json).unwrap();
    assert!(text.contains(r#""connect_urls":["a:1","b:2"],"ldm":true"#), "{text}");
    assert!(!text.contains("ws_connect_urls") && !text.contains("tls_verify"), "{text}");
}

#[test]
fn reads_a_server_that_says_more_or_less() {
    let info = ServerInfo::from_json(br#"{"port":1,"from_the_future":{"x":[]}}"#).unwrap();
    assert_eq!(info, ServerInfo { port: 1, ..ServerInfo::default() });
    for json in ["", "[]", "{\"port\":65536}", "{\"headers\":1}"] {
        assert!(ServerInfo::from_json(json.as_bytes()).is_err(), "{json}");
    }
}
