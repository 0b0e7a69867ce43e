//! NATS-PROTOCOL.md section 1: lines, op words, separators, payload ends, foreign operations.

use crate::server::{Launch, Server, is_aimed_at_nats};
use crate::transcript::{
    Closes, HEADERS, NO_HELLO, PLAIN, Row, Stays, UNKNOWN, VERBOSE, play, row,
};

#[test]
fn op_words_and_separators() {
    let server = Server::start();
    play(
        &server,
        &[
            row(PLAIN, "sUb foo 1\r\npUb foo 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\n", Stays),
            row(PLAIN, "SUB  \t foo \t  1  \r\nPUB \t foo \t 2 \r\nhi\r\n", FOO_HI, Stays),
            row(PLAIN, "sub\tfoo\t1\r\npub\tfoo\t2\r\nhi\r\n", FOO_HI, Stays),
            row(HEADERS, "SUB foo 1\r\nhpub  foo\t12  14\r\nNATS/1.0\r\n\r\nhi\r\n", FOO_H, Stays),
            row(PLAIN, "unsub\t1\r\nping\r\nPiNg\r\npong\r\n", "PONG\r\nPONG\r\n", Stays),
            // A bare LF ends a control line; the payload's end stays CRLF.
            row(PLAIN, "SUB foo 1\nPUB foo 2\nhi\r\nPING\n", [FOO_HI, "PONG\r\n"].concat(), Stays),
            row(PLAIN, "PING xyz\r\n", "PONG\r\n", Stays),
            row(PLAIN, "PING \t\r\n", "PONG\r\n", Stays),
            row(NO_HELLO, "connect\t{\"verbose\":false}\r\nSUB foo 1\r\n", "", Stays),
            row(PLAIN, "SUB foo 1\r\nPUB foo 0\r\n\r\n", "MSG foo 1 0\r\n\r\n", Stays),
            // Payload bytes are counted, whatever they are.
            row(
                PLAIN,
                "SUB foo 1\r\nPUB foo 10\r\nPING\r\n\r\n\0\n\r\n",
                "MSG foo 1 10\r\nPING\r\n\r\n\0\n\r\n",
                Stays,
            ),
        ],
    );
}

const FOO_HI: &str = "MSG foo 1 2\r\nhi\r\n";
const FOO_H: &str = "HMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";

#[test]
fn payload_must_end_where_its_size_says() {
    let server = Server::start();
    play(
        &server,
        &[
            row(PLAIN, "PUB foo 2\r\nhiX\r\n", UNKNOWN, Closes),
            row(PLAIN, "PUB foo 2\r\nhi\rX", UNKNOWN, Closes),
            row(PLAIN, "PUB foo 2\r\nhi\n\n", UNKNOWN, Closes),
            row(PLAIN, "PUB foo 0\r\nhi\r\n", UNKNOWN, Closes),
            row(HEADERS, "HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhiX\r\n", UNKNOWN, Closes),
        ],
    );
}

#[test]
fn lines_that_are_no_operation() {
    let server = Server::start();
    let mut rows: Vec<Row> = [
        "\r\n",
        "\n",
        " PING\r\n",
        "XPING\r\n",
        "FOO\r\n",
        "PI\r\n",
        "PINX\r\n",
        "PUBX foo 0\r\n",
        "MSG foo 1 2\r\nhi\r\n",
        "HMSG foo 1 12 12\r\n",
        "RS+ foo\r\n",
        "RS- foo\r\n",
        "RMSG foo 1\r\n",
        "LS+ foo\r\n",
        "LS- foo\r\n",
        "LMSG foo 1\r\n",
        "A+ foo\r\n",
        "A- foo\r\n",
        "\0\r\n",
        "\u{feff}PING\r\n",
        "{\"a\":1}\r\n",
        "GET / HTTP/1.1\r\n",
    ]
    .into_iter()
    .map(|line| row(PLAIN, line, UNKNOWN, Closes))
    .collect();
    // What only servers say is let pass from a client, except an error.
    rows.push(row(PLAIN, "+OK\r\n", "", Stays));
    rows.push(row(PLAIN, "INFO {\"a\":1}\r\n", "", Stays));
    rows.push(row(VERBOSE, "+OK\r\nINFO {}\r\n", "", Stays));
    rows.push(row(PLAIN, "-ERR 'no'\r\n", "", Closes));
    play(&server, &rows);
}

#[test]
fn control_lines_have_a_limit() {
    let server = Server::start();
    let too_long = "-ERR 'maximum control line exceeded'\r\n";
    // The limit counts the argument part: 4096 is the last that works.
    let subject = |len: usize| "s".repeat(len);
    play(
        &server,
        &[
            row(PLAIN, format!("SUB {} 1\r\n", subject(4094)), "", Stays),
            row(PLAIN, format!("PUB {} 2\r\nhi\r\n", subject(4094)), "", Stays),
            row(PLAIN, format!("SUB {} 1\r\n", subject(4100)), too_long, Closes),
            row(PLAIN, format!("PUB {} 2\r\n", subject(4100)), too_long, Closes),
            row(PLAIN, format!("UNSUB {}\r\n", subject(4100)), too_long, Closes),
            // Decided without the line's end: a client cannot make the server buffer for ever.
            row(PLAIN, format!("SUB {}", subject(5000)), too_long, Closes),
            row(HEADERS, format!("HPUB {} 12 12\r\n", subject(4100)), too_long, Closes),
            row(
                NO_HELLO,
                format!("CONNECT {{\"name\":\"{}\"}}\r\n", subject(4100)),
                too_long,
                Closes,
            ),
        ],
    );
}

/// The shape of INFO is checked by every connect (`INFO {json} \r\n`); these are its fields.
#[test]
fn info_says_what_clients_need() {
    let server = Server::start();
    let client = server.connect();
    let info = &client.info;
    for key in ["server_id", "server_name", "version", "go", "host"] {
        assert!(info[key].is_string(), "{key}: {info}");
    }
    assert_eq!(info["proto"], 1);
    assert_eq!(info["headers"], true);
    assert_eq!(info["max_payload"], 1 << 20);
    assert_eq!(info["port"], server.addr().port());
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert!(info["client_id"].as_u64() > Some(0), "{info}");
    assert!(server.connect().cid() > client.cid(), "client ids rise");
    let version = info["version"].as_str().unwrap();
    let numbers: Vec<Result<u32, _>> = version.splitn(3, '.').map(str::parse).collect();
    // Clients parse it as semver and gate features on it: headers need 2.2.
    assert!(numbers.len() == 3 && numbers[0].is_ok() && numbers[1].is_ok(), "{version}");
    assert!(info.get("auth_required").is_none_or(|required| required == false), "{info}");
    assert!(info.get("tls_required").is_none_or(|required| required == false), "{info}");
}

#[test]
fn control_line_limit_is_configurable() {
    let server = Launch::new()
        .config("[limits]\ncontrol_line = 1024\n")
        .nats_conf("max_control_line: 1024\n")
        .start();
    let subject = |len: usize| "s".repeat(len);
    // nats-server refuses neither more nor less than our limit here; both ends of it are checked.
    let end = if is_aimed_at_nats() { 1100 } else { 1024 };
    let too_long = "-ERR 'maximum control line exceeded'\r\n";
    play(
        &server,
        &[
            row(PLAIN, format!("SUB {} 1\r\n", subject(1022)), "", Stays),
            row(PLAIN, format!("SUB {} 1\r\n", subject(end + 1)), too_long, Closes),
        ],
    );
}
