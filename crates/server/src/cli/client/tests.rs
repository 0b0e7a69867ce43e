use std::io::BufReader;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use floodway_wire::nats::{ClientOp, Delivered, ServerOp};

use super::address::{Address, AddressError, Credentials};
use super::failure::{Failure, counted};
use super::fake::{Fake, INFO, Then};
use super::pace::{Pace, parse_rate};
use super::payload::{Header, header_block, parse_header, read_line};
use super::print::{self, Format};
use super::subject::{check_filter, check_literal, check_queue};
use super::{Client, ClientError, Polled, TICK, new_inbox};

const LONG: Duration = Duration::from_secs(10);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn addresses_parse() {
    for (text, host, port) in [
        ("nats://127.0.0.1:4333", "127.0.0.1", 4333),
        ("nats://host", "host", 4222),
        ("host:1", "host", 1),
        ("host:65535/", "host", 65535),
        ("nats://[::1]:7", "::1", 7),
        ("[::1]", "::1", 4222),
    ] {
        let parsed = address(text);
        assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
        assert!(parsed.credentials == Credentials::None, "{text}");
    }
    let user_pass = Credentials::UserPass { user: "u@x".to_owned(), pass: "p:/s@".to_owned() };
    assert!(address("nats://u%40x:p:%2Fs@@host").credentials == user_pass);
    assert!(address("nats://t0k@host").credentials == Credentials::Token("t0k".to_owned()));
    assert_eq!(address("nats://user:secret@host:9").to_string(), "host:9");
    assert!(!format!("{:?}", address("nats://user:secret@host:9")).contains("secret"));
}

#[test]
fn bad_addresses_say_why_and_hide_passwords() {
    for (text, error) in [
        ("tls://host", AddressError::Tls),
        ("http://host", AddressError::Scheme("http".to_owned())),
        ("nats://", AddressError::NoHost),
        ("nats://:4222", AddressError::NoHost),
        ("host:0", AddressError::Port("0".to_owned())),
        ("host:65536", AddressError::Port("65536".to_owned())),
        ("host:x", AddressError::Port("x".to_owned())),
        ("nats://a:1,nats://b:2", AddressError::Several),
        ("nats://u:p@a:1,u:p@b:2", AddressError::Several),
        ("nats://host/path", AddressError::Path),
        ("nats://u:secret%4@host", AddressError::Escape),
        ("nats://u:secret%ff@host", AddressError::Escape),
        ("::1", AddressError::Ipv6),
        ("[::1", AddressError::Ipv6),
    ] {
        let refused = Address::parse(text).unwrap_err();
        assert_eq!(refused, error, "{text}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}

#[test]
fn connecting_introduces_itself() {
    let fake = Fake::quiet();
    let mut place = fake.address.clone();
    place.credentials = Credentials::UserPass { user: "me".to_owned(), pass: "pw".to_owned() };
    let client = Client::connect(&place, LONG).unwrap();
    assert_eq!(client.info().max_payload, 1000);
    drop(client);
    let said = fake.said();
    let json = said[0].strip_prefix("CONNECT ").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["name"], "floodway-cli");
    assert_eq!(json["lang"], "rust");
    assert_eq!((&json["user"], &json["pass"]), (&"me".into(), &"pw".into()));
    for (field, value) in
        [("verbose", false), ("echo", true), ("headers", true), ("no_responders", true)]
    {
        assert_eq!(json[field], value, "{field}");
    }
    assert_eq!(said[1..], ["PING"]);
}

#[test]
fn a_refusal_is_told() {
    let fake = Fake::start(INFO, |op, out| match op {
        ClientOp::Ping => {
            out.extend_from_slice(b"-ERR 'Authorization Violation'\r\n");
            Then::Close
        }
        _ => Then::Continue,
    });
    let error = Client::connect(&fake.address, LONG).err().unwrap().to_string();
    assert!(error.contains("refused us: Authorization Violation"), "{error}");
    assert!(error.contains("nats://user:pass@"), "{error}");
}

#[test]
fn strangers_are_recognised() {
    let connect = |greeting: &str| {
        let fake = Fake::start(greeting, |_, _| Then::Continue);
        Client::connect(&fake.address, LONG).err().unwrap()
    };
    assert!(matches!(connect("SSH-2.0-OpenSSH\r\n"), ClientError::NotNats { .. }));
    assert!(matches!(connect("PING\r\n"), ClientError::NotNats { .. }));
    let tls = INFO.replace("\"proto\"", "\"tls_required\":true,\"proto\"");
    assert!(matches!(connect(&tls), ClientError::TlsRequired { .. }));
    assert!(matches!(connect("-ERR 'full'\r\n"), ClientError::Refused { .. }));
}

#[test]
fn a_payload_larger_than_the_buffer_arrives() {
    let payload = vec![b'x'; 3 * super::READ_BUFFER + 17];
    let sent = payload.clone();
    let fake = Fake::start(INFO, move |op, out| {
        if let ClientOp::Subscribe { .. } = op {
            out.extend_from_slice(format!("MSG a 1 {}\r\n", sent.len()).as_bytes());
            out.extend_from_slice(&sent);
            out.extend_from_slice(b"\r\nMSG b 1 1\r\ny\r\n");
        }
        Then::Continue
    });
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB a 1\r\n");
    let mut sizes = Vec::new();
    while sizes.len() < 2 {
        client
            .poll(LONG, |_, op| {
                if let ServerOp::Message(message) = op {
                    assert!(message.subject != b"a" || message.payload == payload);
                    sizes.push(message.payload.len());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    assert_eq!(sizes, [payload.len(), 1]);
}

#[test]
fn breaking_off_keeps_the_rest_and_ping_is_answered() {
    let fake = Fake::start(INFO, |op, out| {
        if let ClientOp::Subscribe { .. } = op {
            out.extend_from_slice(b"MSG a 1 1\r\n1\r\nPING\r\nMSG a 1 1\r\n2\r\n");
        }
        Then::Continue
    });
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB a 1\r\n");
    let mut payloads = Vec::new();
    while payloads.len() < 2 {
        let polled = client.poll(LONG, |_, op| match op {
            ServerOp::Message(message) => {
                payloads.push(message.payload.to_owned());
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(polled.unwrap(), Polled::Stopped);
    }
    assert_eq!(payloads, [b"1", b"2"]);
    assert_eq!(
        client.poll(Duration::ZERO, |_, _| ControlFlow::Continue(())).unwrap(),
        Polled::Idle
    );
    drop(client);
    assert!(fake.said().contains(&"PONG".to_owned()));
}

#[test]
fn an_error_about_what_was_sent_fails_the_confirmation() {
    let fake = Fake::start(INFO, |op, out| {
        if let ClientOp::Publish(_) = op {
            out.extend_from_slice(b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n");
        }
        Then::Continue
    });
    let mut client = fake.connect();
    client.confirm(LONG).unwrap();
    client.out.extend_from_slice(b"PUB a 1\r\nx\r\n");
    let error = client.confirm(LONG).unwrap_err().to_string();
    assert_eq!(error, "the server answered -ERR 'Permissions Violation for Publish to \"a\"'");
}

#[test]
fn the_end_of_the_connection_is_an_error() {
    let fake = Fake::start(INFO, |op, _| match op {
        ClientOp::Subscribe { .. } => Then::Close,
        _ => Then::Continue,
    });
    let mut client = fake.connect();
    client.out.extend_from_slice(b"SUB a 1\r\n");
    let error = client.poll(LONG, |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, ClientError::Closed), "{error}");
}

#[test]
fn inboxes_differ() {
    assert!(new_inbox().starts_with("_INBOX."));
    assert_ne!(new_inbox(), new_inbox());
}

#[test]
fn pace_spreads_messages_evenly() {
    let start = Instant::now();
    let pace = Pace::new(start, Some(10.0));
    assert_eq!(pace.due(start - TICK), 0);
    assert_eq!(pace.due(start), 1);
    assert_eq!(pace.due(start + Duration::from_millis(99)), 1);
    assert_eq!(pace.due(start + Duration::from_millis(101)), 2);
    assert_eq!(pace.due(start + Duration::from_millis(1001)), 11);
    assert_eq!(pace.time_of(10), start + Duration::from_secs(1));
    assert!(pace.time_of(u64::MAX) > start);
    assert_eq!(Pace::new(start, None).due(start), u64::MAX);
    assert_eq!(parse_rate("1_000"), Ok(1000.0));
    assert!(parse_rate("0").is_err() && parse_rate("-1").is_err() && parse_rate("nan").is_err());
}

#[test]
fn headers_are_checked() {
    let parsed = parse_header(" Key : a: b ").unwrap();
    assert_eq!(parsed, Header { key: "Key".to_owned(), value: "a: b".to_owned() });
    assert_eq!(header_block(&[parsed]), b"NATS/1.0\r\nKey: a: b\r\n\r\n");
    assert!(header_block(&[]).is_empty());
    for bad in ["nocolon", ":v", "two words:v", "k:a\r\nX: y"] {
        assert!(parse_header(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn lines_lose_their_line_ends_only() {
    let mut input = BufReader::new(&b"one\r\n\n two \nlast"[..]);
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    while read_line(&mut input, &mut line).unwrap() {
        lines.push(String::from_utf8(line.clone()).unwrap());
    }
    assert_eq!(lines, ["one", "", " two ", "last"]);
}

#[test]
fn subjects_are_checked() {
    for good in ["a", "a.b", "$SYS.x", "foo*"] {
        assert_eq!(check_literal("subject", good), Ok(()), "{good}");
        assert_eq!(check_filter("subject", good), Ok(()), "{good}");
    }
    for wild in ["*", "a.*", "a.>", "*.b.>"] {
        assert!(matches!(check_literal("subject", wild), Err(Failure::Usage(_))), "{wild}");
        assert_eq!(check_filter("subject", wild), Ok(()), "{wild}");
    }
    for bad in ["", ".", "a..b", "a.", "a b", "a\tb", "a\r\nPUB", "a.>.b"] {
        assert!(matches!(check_filter("subject", bad), Err(Failure::Usage(_))), "{bad:?}");
    }
    assert!(check_queue(Some("two words")).is_err() && check_queue(Some("")).is_err());
    assert_eq!(check_queue(Some("one")), Ok(()));
}

fn printed(format: Format, payload: &[u8], headers: &[u8]) -> String {
    let message = Delivered { subject: b"a.b", sid: b"1", reply: Some(b"r"), headers, payload };
    let mut out = Vec::new();
    print::message(&mut out, format, 7, &message).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn messages_print_for_people_and_programs() {
    let human = Format::Human { headers: true };
    let headers = b"NATS/1.0\r\nK: v\r\nK: w\r\n\r\n";
    assert_eq!(
        printed(human, "grüße\u{1b}[2J".as_bytes(), headers),
        "#7 [a.b] grüße\\u{1b}[2J (reply to r)\n    K: v\n    K: w\n"
    );
    assert_eq!(printed(human, b"\xff\x00", b""), "#7 [a.b] \\xff\\x00 (reply to r)\n");
    assert_eq!(printed(Format::Raw, b"raw\x1b", headers), "raw\u{1b}\n");
    assert_eq!(
        printed(Format::Json, b"say \"hi\"", headers),
        "{\"seq\":7,\"subject\":\"a.b\",\"reply\":\"r\",\"headers\":{\"K\":[\"v\",\"w\"]},\
         \"payload\":\"say \\\"hi\\\"\"}\n"
    );
    for (payload, base64) in [
        (&b"\xff"[..], "/w=="),
        (b"\xff\xfe", "//4="),
        (b"\xff\xfe\xfd", "//79"),
        (b"\xff\x00\x01\x02", "/wABAg=="),
    ] {
        let line = printed(Format::Json, payload, b"");
        assert!(line.contains(&format!("\"payload_base64\":\"{base64}\"")), "{line}");
    }
}

#[test]
fn counts_read_well() {
    assert_eq!(counted(1, "message"), "1 message");
    assert_eq!(counted(0, "message"), "0 messages");
    assert_eq!(counted(2, "reply"), "2 replies");
}
