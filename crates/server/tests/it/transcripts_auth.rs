//! Authentication with a token and with users: NATS-PROTOCOL.md sections 2, 4, 5 and 12.

use std::time::Instant;

use crate::raw::Client;
use crate::server::{Launch, Server};
use crate::transcript::{Closes, NO_HELLO, Row, Stays, play, row};

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

fn with_token() -> Server {
    Launch::new()
        .config("[auth]\ntoken = \"s3cret\"\ntimeout = \"2s\"\n")
        .nats_conf("authorization { token: s3cret, timeout: 2 }\n")
        .start()
}

fn with_users() -> Server {
    Launch::new()
        .config(concat!(
            "[auth]\n",
            "users = [{ user = \"a\", password = \"b\" }, { user = \"c\", password = \"d\" }]\n"
        ))
        .nats_conf("authorization { users: [{user: a, password: b}, {user: c, password: d}] }\n")
        .start()
}

fn connect_row(fields: &str, reply: &'static str, end: crate::transcript::End) -> Row {
    row(NO_HELLO, format!("CONNECT {{\"verbose\":false{fields}}}\r\n"), reply, end)
}

#[test]
fn token() {
    let server = with_token();
    assert_eq!(server.connect().info["auth_required"], true);
    play(
        &server,
        &[
            connect_row(",\"auth_token\":\"s3cret\"", "", Stays),
            connect_row(",\"auth_token\":\"s3cre\"", VIOLATION, Closes),
            connect_row(",\"auth_token\":\"s3cret2\"", VIOLATION, Closes),
            connect_row(",\"auth_token\":\"\"", VIOLATION, Closes),
            connect_row(",\"user\":\"s3cret\",\"pass\":\"s3cret\"", VIOLATION, Closes),
            connect_row("", VIOLATION, Closes),
            row(
                NO_HELLO,
                "CONNECT {\"verbose\":true,\"auth_token\":\"s3cret\"}\r\n",
                "+OK\r\n",
                Stays,
            ),
        ],
    );
}

#[test]
fn users() {
    let server = with_users();
    assert_eq!(server.connect().info["auth_required"], true);
    play(
        &server,
        &[
            connect_row(",\"user\":\"a\",\"pass\":\"b\"", "", Stays),
            connect_row(",\"user\":\"c\",\"pass\":\"d\"", "", Stays),
            connect_row(",\"user\":\"a\",\"pass\":\"d\"", VIOLATION, Closes),
            connect_row(",\"user\":\"a\",\"pass\":\"\"", VIOLATION, Closes),
            connect_row(",\"user\":\"a\"", VIOLATION, Closes),
            connect_row(",\"user\":\"x\",\"pass\":\"b\"", VIOLATION, Closes),
            connect_row(",\"user\":\"\",\"pass\":\"\"", VIOLATION, Closes),
            connect_row(",\"auth_token\":\"b\"", VIOLATION, Closes),
            connect_row("", VIOLATION, Closes),
        ],
    );
}

#[test]
fn nothing_but_connect_comes_before_authentication() {
    let server = with_token();
    let mut rows: Vec<Row> = [
        "PING\r\n",
        "PONG\r\n",
        "SUB a 1\r\n",
        "PUB a 2\r\nhi\r\n",
        "UNSUB 1\r\n",
        "+OK\r\n",
        "\r\n",
        "INFO {}\r\n",
        "FOO\r\n",
    ]
    .into_iter()
    .map(|first| row(NO_HELLO, first, VIOLATION, Closes))
    .collect();
    // Bad JSON stays silent, with or without authentication.
    rows.push(row(NO_HELLO, "CONNECT {\r\n", "", Closes));
    play(&server, &rows);
}

#[test]
fn a_second_connect_keeps_or_proves_who_it_is() {
    let server = with_token();
    let first = "CONNECT {\"verbose\":false,\"auth_token\":\"s3cret\"}\r\n";
    let again = |fields: &str| format!("{first}CONNECT {{\"verbose\":false{fields}}}\r\n");
    play(
        &server,
        &[
            row(NO_HELLO, again(""), "", Stays),
            row(NO_HELLO, again(",\"auth_token\":\"s3cret\""), "", Stays),
            row(NO_HELLO, again(",\"auth_token\":\"wrong\""), VIOLATION, Closes),
        ],
    );
}

#[test]
fn a_client_that_never_introduces_itself_times_out() {
    let server = with_token();
    let start = Instant::now();
    let mut silent = server.connect();
    let mut slow = Client::connect(server.addr());
    slow.send(b"CONNECT {\"auth_tok");
    for client in [&mut silent, &mut slow] {
        client.expect(b"-ERR 'Authentication Timeout'\r\n");
        client.expect_closed();
    }
    let waited = start.elapsed().as_secs_f64();
    assert!((1.5..6.0).contains(&waited), "the timeout is 2 s, it took {waited:.1} s");
}
