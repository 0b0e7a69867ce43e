use super::*;

/// Scans all of `bytes` as if it had come in two reads, cut at `cut`.
fn scan_all(protocol: Protocol, bytes: &[u8], cut: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    for end in [cut, bytes.len()] {
        while let Step::Item(item, used) = protocol.scan(&bytes[at..end]) {
            found.push(match item {
                Item::Message { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
                Item::Error(text) => String::from_utf8_lossy(text).into_owned(),
                other => format!("{other:?}"),
            });
            at += used;
        }
    }
    assert_eq!(at, bytes.len(), "cut at {cut}");
    found
}

#[test]
fn nats_is_understood_however_it_is_cut() {
    let bytes = b"INFO {\"a\":1} \r\nMSG a.b 1 3\r\n\r\nx\r\nMSG a 22 reply.to 0\r\n\r\nPING\r\n\
        HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n+OK\r\n-ERR 'bad'\r\nPONG\r\n";
    let right = ["Other", "\r\nx", "", "Ping", "hi", "Other", "-ERR 'bad'", "Pong"];
    for cut in 0..=bytes.len() {
        assert_eq!(scan_all(Protocol::Nats, bytes, cut), right, "cut at {cut}");
    }
}

#[test]
fn redis_is_understood_however_it_is_cut() {
    let bytes =
        b"+PONG\r\n:12\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n\
        $1\r\na\r\n$4\r\n\r\nxy\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n-ERR no\r\n";
    let right = ["Pong", "Other", "Other", "\r\nxy", "Pong", "-ERR no"];
    for cut in 0..=bytes.len() {
        assert_eq!(scan_all(Protocol::Redis, bytes, cut), right, "cut at {cut}");
    }
}

#[test]
fn what_is_not_the_protocol_is_broken() {
    let nats: [&[u8]; 5] =
        [b"HELLO\r\n", b"MSG a 1 x\r\n", b"\r\n", b"MSG a 1 1\r\nabcd", b"HMSG a 1 9 2\r\nab\r\n"];
    for bytes in nats {
        assert_eq!(Protocol::Nats.scan(bytes), Step::Broken, "{bytes:?}");
    }
    for bytes in [&b"hello\r\n"[..], b"*9\r\n", b"*1\r\n!\r\n", b"*1\r\n$-1\r\n"] {
        assert_eq!(Protocol::Redis.scan(bytes), Step::Broken, "{bytes:?}");
    }
}

#[test]
fn the_reply_subject_is_the_word_before_the_size() {
    assert_eq!(reply_subject(b"MSG a.b 1 inbox.7 128"), "inbox.7");
    assert_eq!(reply_subject(b"MSG a.b 1 128"), "");
    assert_eq!(reply_subject(b""), "");
}

#[test]
fn the_numbers_in_headers_are_found_by_their_whole_name() {
    let header = b"NATS/1.0\r\nFloodway-Missed-Range: 1-9\r\nFloodway-Missed: 120\r\n\r\n";
    assert_eq!(header_number(header, "Floodway-Missed"), 120);
    assert_eq!(header_number(header, "Floodway-Conflated"), 0);
    assert_eq!(header_number(b"", "Floodway-Missed"), 0);
    let bytes = b"HMSG a 1 32 34\r\nNATS/1.0\r\nFloodway-Missed: 7\r\n\r\nhi\r\n";
    let Step::Item(Item::Message { header, payload, .. }, _) = Protocol::Nats.scan(bytes) else {
        panic!("not a message");
    };
    assert_eq!((header_number(header, "Floodway-Missed"), payload), (7, &b"hi"[..]));
}

#[test]
fn commands_are_what_the_protocols_ask_for() {
    let mut out = Vec::new();
    Protocol::Nats.subscribe(&mut out, "a", 7);
    Protocol::Nats.publish(&mut out, "a", "", b"xy");
    Protocol::Nats.publish(&mut out, "a", "r", b"");
    assert_eq!(out, b"SUB a 7\r\nPUB a 2\r\nxy\r\nPUB a r 0\r\n\r\n");
    out.clear();
    Protocol::Redis.subscribe(&mut out, "ab", 7);
    Protocol::Redis.publish(&mut out, "a", "", b"xy");
    let right =
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$2\r\nab\r\n*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$2\r\nxy\r\n";
    assert_eq!(out, right);
}
