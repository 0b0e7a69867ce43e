//! Tests of the encoders. That they are undone by the parsers is tested from outside.

use super::*;

#[test]
fn appends_behind_what_is_there() {
    let mut out = b"+OK\r\n".to_vec();
    encode_pub(&mut out, b"a", None, b"");
    encode_msg(&mut out, b"a", b"1", Some(b"r"), b"x\r\n");
    encode_sub(&mut out, b"a", None, b"1");
    let expected = "+OK\r\nPUB a 0\r\n\r\nMSG a 1 r 3\r\nx\r\n\r\nSUB a 1\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn total_counts_headers_and_payload() {
    let mut out = Vec::new();
    encode_hpub(&mut out, b"a", Some(b"r"), b"0123456789", b"abc");
    encode_hmsg(&mut out, b"a", b"1", Some(b"r"), b"", b"");
    let expected = "HPUB a r 10 13\r\n0123456789abc\r\nHMSG a 1 r 0 0\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_error_text_cannot_begin_a_line_of_its_own() {
    let mut out = Vec::new();
    encode_err(&mut out, "a\r\nPING\n");
    assert_eq!(out, b"-ERR 'a  PING '\r\n");
}

#[test]
fn arguments_hold_no_blanks() {
    assert!(is_argument(b"a.b") && is_argument(b"\x01\xff"));
    for bad in [&b""[..], b"a b", b"a\t", b"\ra", b"a\n"] {
        assert!(!is_argument(bad), "'{}'", bad.escape_ascii());
    }
}
