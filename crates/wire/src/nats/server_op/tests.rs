//! Rule by rule: what a server may send.

use super::*;

fn parse(input: &[u8]) -> Parsed<ServerOp<'_>> {
    parse_server(input, &ParseLimits { control_line: 40, payload: 20 })
}

#[track_caller]
fn whole(input: &[u8]) -> ServerOp<'_> {
    match parse(input) {
        Ok(Progress::Op { op, used }) if used == input.len() => op,
        other => panic!("'{}': {other:?}", input.escape_ascii()),
    }
}

#[test]
fn messages() {
    let message =
        Delivered { subject: b"a.b", sid: b"7", reply: None, headers: b"", payload: b"hi" };
    assert_eq!(whole(b"MSG a.b 7 2\r\nhi\r\n"), ServerOp::Message(message));
    assert_eq!(whole(b"msg \t a.b\t7  2\nhi\r\n"), ServerOp::Message(message));
    let replied = Delivered { reply: Some(b"r"), ..message };
    assert_eq!(whole(b"MSG a.b 7 r 2\r\nhi\r\n"), ServerOp::Message(replied));
}

#[test]
fn messages_with_headers() {
    let message = Delivered {
        subject: b"a",
        sid: b"7",
        reply: None,
        headers: b"NATS/1.0 503\r\n\r\n",
        payload: b"",
    };
    let input = b"HMSG a 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    assert_eq!(whole(input), ServerOp::Message(message));
    let message = Delivered { reply: Some(b"r"), payload: b"hi", ..message };
    let input = b"HMSG a 7 r 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n";
    assert_eq!(whole(input), ServerOp::Message(message));
}

#[test]
fn the_small_ones() {
    assert_eq!(whole(b"INFO {\"port\":1} \r\n"), ServerOp::Info(b"{\"port\":1}"));
    assert_eq!(whole(b"PING\r\n"), ServerOp::Ping);
    assert_eq!(whole(b"pong\r\n"), ServerOp::Pong);
    assert_eq!(whole(b"+OK\r\n"), ServerOp::Ok);
    let text = b"-ERR 'Permissions Violation for \"a\"'\r\n";
    assert_eq!(whole(text), ServerOp::Err(b"Permissions Violation for \"a\""));
}

#[test]
fn refusals() {
    let cases: [(&[u8], Violation); 16] = [
        (b"\r\n", Violation::UnknownOperation),
        (b"PUB", Violation::UnknownOperation),
        (b"S", Violation::UnknownOperation),
        (b"C", Violation::UnknownOperation),
        (b"MSG\r\n", Violation::UnknownOperation),
        (b"MSG a 7 2\r\nabc", Violation::UnknownOperation),
        (b"MSG a 2\r\n", Violation::Arguments),
        (b"MSG a 7 r r 2\r\n", Violation::Arguments),
        (b"MSG a 7 x\r\n", Violation::Arguments),
        (b"HMSG a 7 2\r\n", Violation::Arguments),
        (b"HMSG a 7 r r 1 2\r\n", Violation::Arguments),
        (b"HMSG a 7 x 2\r\n", Violation::Arguments),
        (b"HMSG a 7 3 2\r\n", Violation::Arguments),
        (b"MSG a 7 21\r\n", Violation::PayloadTooLarge),
        (b"HMSG a 7 2 21\r\n", Violation::PayloadTooLarge),
        (b"INFO 0123456789012345678901234567890123456789", Violation::ControlLineTooLong),
    ];
    for (input, violation) in cases {
        assert_eq!(parse(input), Err(violation), "'{}'", input.escape_ascii());
    }
    assert_eq!(parse(b"MSG a 7 20\r\n"), Ok(Progress::More { needed: 34 }));
}
