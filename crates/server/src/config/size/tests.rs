use super::{about, exact, parse};

#[test]
fn sizes_are_read_with_binary_and_decimal_units() {
    let cases = [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("8k", 8000),
        ("8K", 8000),
        ("8kb", 8000),
        ("64KiB", 65_536),
        ("64 kib", 65_536),
        ("1MB", 1_000_000),
        ("1MiB", 1_048_576),
        (" 2Gi ", 2_147_483_648),
        ("2g", 2_000_000_000),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in ["", "MiB", "-1", "1.5MiB", "1XB", "1 2", "one", "1MiBs", "0x10"] {
        let error = parse(text).unwrap_err();
        assert!(error.contains("is not a size; write"), "{text}: {error}");
    }
    // The first number of each unit that no longer fits.
    for text in ["18446744073709551616", "17179869184GiB"] {
        assert!(parse(text).unwrap_err().contains("too large"), "{text}");
    }
    assert!(parse("17179869183GiB").is_ok());
}

#[test]
fn exact_sizes_come_back_the_same() {
    let sizes = [0, 1, 1023, 1024, 1025, 1 << 20, (1 << 20) + 1024, 3 << 30, u64::MAX];
    for bytes in sizes {
        assert_eq!(parse(&exact(bytes)), Ok(bytes), "{}", exact(bytes));
    }
    assert_eq!(exact(64 << 20), "64MiB");
}

#[test]
fn sizes_for_people_have_one_decimal_at_most() {
    assert_eq!(about(512), "512 B");
    assert_eq!(about(12 << 30), "12 GiB");
    assert_eq!(about((12 << 30) - 1), "11.9 GiB");
    assert_eq!(about(1536), "1.5 KiB");
}
