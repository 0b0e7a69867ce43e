//! Tests of the lexing rules that both parsers share.

use super::*;

#[test]
fn splits_at_runs_of_blanks() {
    let cases: [(&[u8], &[&[u8]]); 7] = [
        (b"", &[]),
        (b" \t ", &[]),
        (b"a", &[b"a"]),
        (b"a b", &[b"a", b"b"]),
        (b"\ta \t b  ", &[b"a", b"b"]),
        (b"a\rb", &[b"a", b"b"]),
        (b"a\x01\x80b \xff", &[b"a\x01\x80b", b"\xff"]),
    ];
    for (args, expected) in cases {
        let (found, count) = split::<3>(args).unwrap();
        assert_eq!(&found[..count], expected, "{:?}", args.escape_ascii().to_string());
    }
}

#[test]
fn refuses_one_argument_too_many() {
    assert_eq!(split::<2>(b"a b").unwrap().1, 2);
    assert_eq!(split::<2>(b"a b c"), Err(Violation::Arguments));
}

#[test]
fn sizes_have_one_to_nine_digits() {
    for (digits, expected) in [("0", 0), ("007", 7), ("16", 16), ("999999999", 999_999_999)] {
        assert_eq!(size(digits.as_bytes()), Ok(expected), "{digits}");
    }
    for digits in ["", "-1", "+1", "1.0", "0x10", "1a", "/", ":", "1000000000", "0000000001"] {
        assert_eq!(size(digits.as_bytes()), Err(Violation::Arguments), "{digits}");
    }
}

#[test]
fn counts_go_up_to_the_last_u64() {
    for (digits, expected) in [("0", 0), ("18446744073709551615", u64::MAX)] {
        assert_eq!(count(digits.as_bytes()), Ok(expected));
    }
    for digits in ["", "-1", "x", "18446744073709551616", "99999999999999999999"] {
        assert_eq!(count(digits.as_bytes()), Err(Violation::Arguments), "{digits}");
    }
}

#[test]
fn trims_and_unquotes() {
    assert_eq!(trim(b" \t{} \t"), b"{}");
    assert_eq!(trim(b"  "), b"");
    assert_eq!(trim(b""), b"");
    assert_eq!(unquote(b" 'Stale Connection' "), b"Stale Connection");
    assert_eq!(unquote(b"' a'"), b" a");
    assert_eq!(unquote(b"''"), b"");
    assert_eq!(unquote(b"'"), b"'");
    assert_eq!(unquote(b"bare"), b"bare");
}
