use super::parse;

#[test]
fn addresses_are_read_generously() {
    let cases = [
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        (" 127.0.0.1:0 ", "127.0.0.1:0"),
        ("[::1]:4222", "[::1]:4222"),
        ("localhost:4222", "127.0.0.1:4222"),
        (":4222", "0.0.0.0:4222"),
        ("*:4222", "0.0.0.0:4222"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
    ];
    for (text, address) in cases {
        assert_eq!(parse(text).unwrap().to_string(), address, "{text}");
    }
}

#[test]
fn what_is_no_address_says_what_would_be() {
    let cases = [
        ("4222", "write \"127.0.0.1:4222\" for this machine only, or \":4222\""),
        ("localhost", "has no port"),
        ("", "has no port"),
        ("127.0.0.1:65536", "`65536` is not a port"),
        ("127.0.0.1:", "`` is not a port"),
        ("nats://127.0.0.1:4222", "leave out the `nats://`: write \"127.0.0.1:4222\""),
        ("::1:4222", "write \"[::1]:4222\""),
        ("no host:4222", "cannot be resolved"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
