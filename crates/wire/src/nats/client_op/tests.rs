//! Rule by rule: what a client may send, and how it is refused.

use proptest::prelude::*;

use super::*;

fn parse(input: &[u8]) -> Parsed<ClientOp<'_>> {
    parse_client(input, &ParseLimits::default())
}

/// The operation that `input` is, whole and without a byte too many.
#[track_caller]
fn whole(input: &[u8]) -> ClientOp<'_> {
    match parse(input) {
        Ok(Progress::Op { op, used }) if used == input.len() => op,
        other => panic!("'{}': {other:?}", input.escape_ascii()),
    }
}

#[track_caller]
fn refused(violation: Violation, inputs: &[&[u8]]) {
    for input in inputs {
        assert_eq!(parse(input), Err(violation), "'{}'", input.escape_ascii());
    }
}

#[track_caller]
fn unfinished(inputs: &[(&[u8], usize)]) {
    for &(input, needed) in inputs {
        assert_eq!(parse(input), Ok(Progress::More { needed }), "'{}'", input.escape_ascii());
    }
}

const fn plain_message<'a>(subject: &'a [u8], payload: &'a [u8]) -> Publish<'a> {
    Publish { subject, reply: None, headers: b"", payload, is_hpub: false }
}

#[test]
fn publishes() {
    let hi = plain_message(b"a.b", b"hi");
    let inputs: [&[u8]; 8] = [
        b"PUB a.b 2\r\nhi\r\n",
        b"pub a.b 2\r\nhi\r\n",
        b"PuB\ta.b\t2\r\nhi\r\n",
        b"PUB  \t a.b \t 2 \r\nhi\r\n",
        b"PUB a.b 2\nhi\r\n",
        b"PUB a.b 02\r\nhi\r\n",
        b"PUB a.b\r2\r\nhi\r\n",
        b"PUB a.b 2\r\r\nhi\r\n",
    ];
    for input in inputs {
        assert_eq!(whole(input), ClientOp::Publish(hi), "'{}'", input.escape_ascii());
    }
    let with_reply = Publish { reply: Some(b"r"), ..hi };
    assert_eq!(whole(b"PUB a.b r 2\r\nhi\r\n"), ClientOp::Publish(with_reply));
    assert_eq!(whole(b"PUB a 0\r\n\r\n"), ClientOp::Publish(plain_message(b"a", b"")));
    // Counted, not searched: a payload may hold anything.
    let tricky = plain_message(b"a", b"\r\nPING\r\n");
    assert_eq!(whole(b"PUB a 8\r\n\r\nPING\r\n\r\n"), ClientOp::Publish(tricky));
}

#[test]
fn publishes_with_headers() {
    let message = Publish {
        subject: b"a",
        reply: None,
        headers: b"NATS/1.0\r\n\r\n",
        payload: b"hi",
        is_hpub: true,
    };
    let input = b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
    assert_eq!(whole(input), ClientOp::Publish(message));
    let input = b"hpub\ta r  12 14\nNATS/1.0\r\n\r\nhi\r\n";
    assert_eq!(whole(input), ClientOp::Publish(Publish { reply: Some(b"r"), ..message }));
    // The content of the header is nobody's business here.
    let message = Publish { headers: b"junk", payload: b"", ..message };
    assert_eq!(whole(b"HPUB a 4 4\r\njunk\r\n"), ClientOp::Publish(message));
    let message = Publish { headers: b"", payload: b"junk", ..message };
    assert_eq!(whole(b"HPUB a 0 4\r\njunk\r\n"), ClientOp::Publish(message));
}

#[test]
fn subscribes_and_unsubscribes() {
    let plain = ClientOp::Subscribe { subject: b"a.*", queue: None, sid: b"1" };
    assert_eq!(whole(b"SUB a.* 1\r\n"), plain);
    assert_eq!(whole(b"sub \t a.* \t 1\n"), plain);
    let queued = ClientOp::Subscribe { subject: b"a", queue: Some(b"q"), sid: b"x" };
    assert_eq!(whole(b"SUB a q x\r\n"), queued);
    assert_eq!(whole(b"UNSUB 1\r\n"), ClientOp::Unsubscribe { sid: b"1", max: None });
    assert_eq!(whole(b"unsub 1 5\r\n"), ClientOp::Unsubscribe { sid: b"1", max: Some(5) });
    assert_eq!(whole(b"UNSUB 1 0\r\n"), ClientOp::Unsubscribe { sid: b"1", max: Some(0) });
}

#[test]
fn takes_the_small_ones() {
    assert_eq!(whole(b"PING\r\n"), ClientOp::Ping);
    assert_eq!(whole(b"pInG\n"), ClientOp::Ping);
    assert_eq!(whole(b"PING xyz\r\n"), ClientOp::Ping);
    assert_eq!(whole(b"PINGxyz\r\n"), ClientOp::Ping);
    assert_eq!(whole(b"PONG\r\n"), ClientOp::Pong);
    assert_eq!(whole(b"+OK\r\n"), ClientOp::Ok);
    assert_eq!(whole(b"+ok then\r\n"), ClientOp::Ok);
    assert_eq!(whole(b"INFO {\"a\":1} \r\n"), ClientOp::Info(b"{\"a\":1}"));
    assert_eq!(whole(b"-ERR 'bad luck'\r\n"), ClientOp::Err(b"bad luck"));
    assert_eq!(whole(b"-err bad\r\n"), ClientOp::Err(b"bad"));
}

#[test]
fn connects_with_and_without_a_space() {
    assert_eq!(whole(b"CONNECT {\"a\": 1}\r\n"), ClientOp::Connect(b"{\"a\": 1}"));
    assert_eq!(whole(b"connect\t {} \n"), ClientOp::Connect(b"{}"));
    assert_eq!(whole(b"CONNECT{}\r\n"), ClientOp::Connect(b"{}"));
    assert_eq!(whole(b"CONNECT\r\n"), ClientOp::Connect(b""));
}

#[test]
fn refuses_what_is_no_operation() {
    refused(
        Violation::UnknownOperation,
        &[b"\r\n", b"\n", b" PING\r\n", b"FOO\r\n", b"MSG a 1 0\r\n", b"HMSG a", b"RS+ a\r\n"],
    );
    refused(Violation::UnknownOperation, &[b"LS+ a\r\n", b"A+ a\r\n", b"\x00", b"\x0bOK\r\n"]);
    // Bare verbs, and verbs that go on without a separator.
    refused(Violation::UnknownOperation, &[b"SUB\r\n", b"UNSUB\r\n", b"PUB\r\n", b"HPUB\r\n"]);
    refused(Violation::UnknownOperation, &[b"SUB\n", b"UNSUB\n", b"PUB\n", b"HPUB\n"]);
    refused(Violation::UnknownOperation, &[b"PUBa 0\r\n", b"SUBSUB a 1\r\n", b"-ERR\r\n"]);
}

#[test]
fn refuses_at_the_first_byte_that_fits_no_verb() {
    let inputs: [&[u8]; 18] = [
        b"G", b"R", b"L", b"A", b"M", b"HM", b"PA", b"PUX", b"PINK", b"PONK", b"SX", b"SUBX",
        b"CONNEX", b"UNSUX", b"+K", b"-O", b"INFI", b"HPUBX",
    ];
    for input in inputs {
        let front = &input[..input.len() - 1];
        unfinished(&[(front, input.len())]);
        refused(Violation::UnknownOperation, &[input]);
    }
}

#[test]
fn refuses_wrong_arguments() {
    refused(
        Violation::Arguments,
        &[b"PUB \r\n", b"SUB \r\n", b"UNSUB \r\n", b"HPUB \r\n", b"PUB\t\n", b"SUB \n"],
    );
    refused(Violation::Arguments, &[b"PUB a\r\n", b"PUB a b c 1\r\n", b"PUB a b c d e\r\n"]);
    refused(Violation::Arguments, &[b"HPUB a 1\r\n", b"HPUB a b c 1 1\r\n"]);
    refused(Violation::Arguments, &[b"SUB a\r\n", b"SUB a b c d\r\n"]);
    refused(Violation::Arguments, &[b"UNSUB 1 2 3\r\n", b"UNSUB 1 x\r\n", b"UNSUB 1 -1\r\n"]);
    refused(
        Violation::Arguments,
        &[b"PUB a x\r\n", b"PUB a -1\r\n", b"PUB a 1.5\r\n", b"PUB a 1000000000\r\n"],
    );
    refused(
        Violation::Arguments,
        &[b"HPUB a x 1\r\n", b"HPUB a 1 x\r\n", b"HPUB a 2 1\r\n", b"HPUB a 9999999 9999998\r\n"],
    );
}

#[test]
fn refuses_a_payload_without_its_line_end() {
    refused(
        Violation::UnknownOperation,
        &[b"PUB a 2\r\nabc\r\n", b"PUB a 2\r\nab\n\n", b"PUB a 2\r\nab\rx", b"PUB a 2\r\nabc"],
    );
    refused(Violation::UnknownOperation, &[b"HPUB a 1 2\r\nabc", b"PUB a 0\r\nP"]);
    refused(Violation::UnknownOperation, &[b"PUB a 20\r\n01234567890123456789\n"]);
    unfinished(&[(b"PUB a 2\r\nab\r", 13)]);
}

#[test]
fn a_payload_of_the_limit_passes_and_one_more_byte_does_not() {
    let parse = |input| parse_client(input, &ParseLimits { control_line: 100, payload: 10 });
    assert_eq!(parse(b"PUB a 10\r\n"), Ok(Progress::More { needed: 22 }));
    assert_eq!(parse(b"HPUB a 3 10\r\n"), Ok(Progress::More { needed: 25 }));
    // On the line already, and for the total rather than for the payload proper.
    assert_eq!(parse(b"PUB a 11\r\n"), Err(Violation::PayloadTooLarge));
    assert_eq!(parse(b"PUB a 11\r\n01234567890\r\n"), Err(Violation::PayloadTooLarge));
    assert_eq!(parse(b"HPUB a 3 11\r\n"), Err(Violation::PayloadTooLarge));
    // Headers beyond the total are wrong before they are large.
    assert_eq!(parse(b"HPUB a 12 11\r\n"), Err(Violation::Arguments));
}

#[test]
fn a_line_of_the_limit_passes_and_one_more_byte_does_not() {
    let limits = ParseLimits { control_line: 20, payload: 10 };
    let line = |verb: &str, length: usize, end: &str| {
        let mut line = verb.as_bytes().to_vec();
        line.resize(verb.len() + length - " 1".len(), b'a');
        line.extend_from_slice(b" 1");
        line.extend_from_slice(end.as_bytes());
        line
    };
    for verb in ["PUB ", "SUB ", "UNSUB ", "CONNECT", "PING", "+OK", "-ERR ", "INFO"] {
        // Two bytes of line end or one, or none yet: it is only the line itself that counts.
        for end in ["\r\n", "\n", "\r", ""] {
            let parse = |length| {
                let input = line(verb, length, end);
                match parse_client(&input, &limits) {
                    Ok(_) => Ok(()),
                    Err(violation) => Err(violation),
                }
            };
            assert_eq!(parse(20), Ok(()), "{verb}{end:?}");
            assert_eq!(parse(21), Err(Violation::ControlLineTooLong), "{verb}{end:?}");
        }
    }
    // The short cut for plain publishes counts the same.
    // It reads eight bytes at a time, so it needs something behind.
    let with_body = |length| [line("PUB ", length, "\r\n"), b"x\r\nPING\r\n".to_vec()].concat();
    assert!(matches!(parse_client(&with_body(20), &limits), Ok(Progress::Op { .. })));
    assert_eq!(parse_client(&with_body(21), &limits), Err(Violation::ControlLineTooLong));
}

#[test]
fn says_how_much_it_needs() {
    unfinished(&[(b"", 1), (b"P", 2), (b"PUB", 4), (b"PUB ", 5), (b"PUB a 5", 8)]);
    unfinished(&[(b"PUB a 5\r", 9), (b"PUB a 5\r\n", 16), (b"PUB a 5\r\nhello\r", 16)]);
    unfinished(&[(b"PUB a 5\n", 15), (b"HPUB a 2 5\r\n", 19), (b"-", 2), (b"-ERR", 5)]);
    unfinished(&[(b"PING", 5), (b"CONNECT {\"a", 12), (b"SUB", 4), (b"UNSUB 1", 8)]);
}

#[test]
fn takes_one_operation_at_a_time() {
    let input = b"PING\r\nPUB a 1\r\nx\r\n";
    assert_eq!(parse(input), Ok(Progress::Op { op: ClientOp::Ping, used: 6 }));
    let op = ClientOp::Publish(plain_message(b"a", b"x"));
    assert_eq!(parse(&input[6..]), Ok(Progress::Op { op, used: 12 }));
}

/// Pieces of which a PUB that is plain, or nearly so, is made.
fn nearly_plain() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec!["a", "a.b.c", "orders.eu.4711.x", "\x01", "é", "1", ""]);
    let gap = prop::sample::select(vec![" ", " ", " ", "  ", "\t", "\r", ""]);
    let size = prop::sample::select(vec!["0", "1", "3", "12", "012", "x", "13", "1234567890"]);
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", " \r\n"]);
    let body = prop::sample::select(vec!["", "x", "abc", "0123456789ab", "PING"]);
    let args = prop::collection::vec((word, gap.clone()), 0..4);
    (args, size, end.clone(), body, end, "[A-Z\r\n ]{0,12}").prop_map(
        |(args, size, line_end, body, body_end, more)| {
            let args: String = args.iter().flat_map(|(word, gap)| [*word, *gap]).collect();
            format!("PUB {args}{size}{line_end}{body}{body_end}{more}").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_short_cut_agrees_with_the_careful_parser(input in nearly_plain()) {
        let limits = ParseLimits { control_line: 30, payload: 12 };
        if let Some((message, used)) = plain::publish(&input, &limits) {
            let op = ClientOp::Publish(message);
            prop_assert_eq!(careful_publish(&input, &limits), Ok(Progress::Op { op, used }));
        }
    }
}

#[test]
fn the_short_cut_takes_what_clients_write() {
    // Without this the test above would pass for a short cut that never takes anything.
    let limits = ParseLimits::default();
    let inputs: [&[u8]; 3] = [
        b"PUB orders.eu 16\r\n0123456789abcdef\r\n",
        b"PUB orders.eu _INBOX.abc.1 16\r\n0123456789abcdef\r\n",
        "PUB größe 8\r\n01234567\r\n".as_bytes(),
    ];
    for input in inputs {
        assert!(plain::publish(input, &limits).is_some(), "'{}'", input.escape_ascii());
    }
}
