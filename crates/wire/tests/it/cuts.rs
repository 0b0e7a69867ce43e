//! The verdict on a stream, good or bad, does not depend on where the network cut it.

use floodway_wire::nats::{ParseLimits, parse_client, parse_server};
use proptest::prelude::*;

use crate::client::parse;
use crate::stream::feed;

/// Small, so that short inputs run into them.
const LIMITS: ParseLimits = ParseLimits { control_line: 12, payload: 6 };

/// Pieces that are operations, nearly operations, or stop being one at some byte.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "PUB",
        "pub ",
        "HPUB ",
        "SUB ",
        "UNSUB ",
        "PING",
        "PONG\r\n",
        "CONNECT",
        "INFO ",
        "+OK\r\n",
        "-ERR ",
        "MSG ",
        "PUB a 3\r\nabc\r\n",
        "PUB a 3\nabc",
        "HPUB a 2 3\r\nabc\r\n",
        "SUB a 1\n",
        "UNSUB 1 2\r\n",
        " ",
        "  ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\r\n",
        "a",
        "a.b",
        "0",
        "3",
        "7",
        "'",
        "{}",
        "xxxxxxxxxx",
        "xxxxxxxxxxx",
        "abc\r\n",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_verdict_does_not_depend_on_the_cut(input in pieces(), size in 1..8_usize) {
        let parse = parse(LIMITS);
        let whole = feed(&parse, [&input[..]]);
        prop_assert_eq!(&feed(&parse, input.chunks(1)), &whole);
        prop_assert_eq!(&feed(&parse, input.chunks(size)), &whole);
    }

    #[test]
    fn never_waits_for_more_than_the_limits_allow(input in pieces()) {
        if let Ok(floodway_wire::nats::Progress::More { needed }) = parse_client(&input, &LIMITS) {
            // Verb and separator, line, payload, and two line ends.
            prop_assert!(needed <= "CONNECT".len() + 12 + 6 + 4, "{needed}");
        }
    }

    #[test]
    fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = feed(&parse(LIMITS), input.chunks(3));
        for verb in ["PUB ", "HPUB ", "SUB ", "UNSUB ", "MSG ", "HMSG ", "-ERR "] {
            let input = [verb.as_bytes(), &input].concat();
            let _ = parse_client(&input, &LIMITS);
            let _ = parse_server(&input, &LIMITS);
        }
    }
}
