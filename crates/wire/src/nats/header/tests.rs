//! Tests of header blocks.

use proptest::prelude::*;

use super::*;

fn pairs(block: &[u8]) -> Vec<(&str, &str)> {
    HeaderView::new(block).collect()
}

#[test]
fn reads_what_is_well_formed() {
    let block = b"NATS/1.0 408 Request  Timeout\r\nA: 1\r\na:2\r\nA:\t 3 \r\nEmpty:\r\n\r\n";
    assert_eq!(pairs(block), [("A", "1"), ("a", "2"), ("A", "3"), ("Empty", "")]);
    let view = HeaderView::new(block);
    assert_eq!(view.status(), Some((408, "Request  Timeout")));
    assert_eq!((view.get("a"), view.get("A"), view.get("b")), (Some("2"), Some("1"), None));
}

#[test]
fn a_value_may_hold_colons() {
    assert_eq!(pairs(b"NATS/1.0\r\nUrl: http://a:1/\r\n\r\n"), [("Url", "http://a:1/")]);
}

#[test]
fn skips_what_is_malformed() {
    let block = b"NATS/1.0\r\nnocolon\r\n: nokey\r\nB\xff: 1\r\nA: \xff\r\nC: 3\r\n\r\n";
    assert_eq!(pairs(block), [("C", "3")]);
    // Cut short, bare line ends, and more behind the end of the block.
    assert_eq!(pairs(b"NATS/1.0\r\nA: 1"), [("A", "1")]);
    assert_eq!(pairs(b"NATS/1.0\nA: 1\nB: 2\n\n"), [("A", "1"), ("B", "2")]);
    assert_eq!(pairs(b"NATS/1.0\r\nA: 1\r\n\r\nB: 2\r\n"), [("A", "1")]);
    for block in [&b""[..], b"\r\n", b"A: 1\r\n\r\n", b"NATS/2.0\r\nA: 1\r\n\r\n"] {
        assert_eq!(pairs(block), [], "'{}'", block.escape_ascii());
        assert_eq!(HeaderView::new(block).status(), None);
    }
}

#[test]
fn an_exhausted_view_stays_so() {
    let mut view = HeaderView::new(b"NATS/1.0\r\n\r\nA: 1\r\n");
    assert_eq!((view.next(), view.next()), (None, None));
}

#[test]
fn a_status_has_three_digits() {
    let status = |line: &'static str| HeaderView::new(line.as_bytes()).status();
    assert_eq!(status("NATS/1.0 503\r\n\r\n"), Some((503, "")));
    assert_eq!(status("NATS/1.0\t503 \r\n\r\n"), Some((503, "")));
    assert_eq!(status("NATS/1.0 100 Idle Heartbeat"), Some((100, "Idle Heartbeat")));
    for line in ["NATS/1.0", "NATS/1.0 ", "NATS/1.0 50", "NATS/1.0 5030", "NATS/1.0 +50 x"] {
        assert_eq!(status(line), None, "{line}");
    }
}

#[test]
fn framing_survives_any_input() {
    let block = HeaderBlock::new()
        .with_status(7, "a\r\nB: 1")
        .append("K:\r\n y", "v\r\n\r\nB: 2")
        .append("", "nobody")
        .encode();
    assert!(!block.escape_ascii().to_string().contains("nobody"));
    assert_eq!(HeaderView::new(&block).status(), Some((7, "a  B: 1")));
    assert_eq!(pairs(&block), [("K----y", "v    B: 2")]);
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        status in prop::option::of((100..1000_u16, "([!-~]([ -~]{0,8}[!-~])?)?")),
        headers in prop::collection::vec(("[!-9;-~ü]{1,8}", "([!-~é]([ -~]{0,8}[!-~])?)?"), 0..6),
    ) {
        let mut block = HeaderBlock::new();
        if let Some((code, description)) = &status {
            block = block.with_status(*code, description);
        }
        for (key, value) in &headers {
            block = block.append(key, value);
        }
        let raw = block.encode();
        let view = HeaderView::new(&raw);
        prop_assert_eq!(view.status(), status.as_ref().map(|(code, text)| (*code, text.as_str())));
        let back: Vec<_> = view.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(back, headers);
    }

    #[test]
    fn random_bytes_never_panic(mut block in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = HeaderView::new(&block).count();
        block.splice(0..0, *b"NATS/1.0 503\r\nA: 1\r\n");
        let view = HeaderView::new(&block);
        prop_assert_eq!(view.status(), Some((503, "")));
        prop_assert_eq!(view.clone().next(), Some(("A", "1")));
        prop_assert!(view.count() <= block.len());
    }
}
