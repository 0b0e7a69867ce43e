//! NATS-PROTOCOL.md section 5: limits, what they say, and whether the connection lives on.

use crate::server::{Launch, Server};
use crate::transcript::{Closes, HEADERS, PLAIN, Stays, VERBOSE, play, row};

#[test]
fn payload_limit_is_decided_on_the_line() {
    let server = Launch::new()
        .config("[limits]\npayload = \"1KiB\"\n")
        .nats_conf("max_payload: 1024\n")
        .start();
    assert_eq!(server.connect().info["max_payload"], 1024);
    let violation = "-ERR 'Maximum Payload Violation'\r\n";
    let full = "x".repeat(1024);
    play(
        &server,
        &[
            row(
                PLAIN,
                format!("SUB a 1\r\nPUB a 1024\r\n{full}\r\n"),
                format!("MSG a 1 1024\r\n{full}\r\n"),
                Stays,
            ),
            row(PLAIN, "PUB a 1025\r\n", violation, Closes),
            row(PLAIN, "PUB a 999999999\r\n", violation, Closes),
            row(PLAIN, format!("PUB a 1025\r\n{full}x\r\n"), violation, Closes),
            // With headers the total counts.
            row(HEADERS, "HPUB a 12 1025\r\n", violation, Closes),
            row(
                HEADERS,
                format!("SUB a 1\r\nHPUB a 12 1024\r\nNATS/1.0\r\n\r\n{}\r\n", &full[12..]),
                format!("HMSG a 1 12 1024\r\nNATS/1.0\r\n\r\n{}\r\n", &full[12..]),
                Stays,
            ),
        ],
    );
}

#[test]
fn subscription_limit_refuses_and_stays() {
    let server = Launch::new()
        .config("[limits]\nsubscriptions = 3\n")
        .nats_conf("max_subscriptions: 3\n")
        .start();
    let refused = "-ERR 'maximum subscriptions exceeded'\r\n";
    let three = "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n";
    play(
        &server,
        &[
            row(PLAIN, three, "", Stays),
            row(PLAIN, format!("{three}SUB d 4\r\nPUB d 1\r\nx\r\n"), refused, Stays),
            row(
                VERBOSE,
                format!("{three}SUB d 4\r\n"),
                ["+OK\r\n+OK\r\n+OK\r\n", refused].concat(),
                Stays,
            ),
            // One gone makes room for one.
            row(
                PLAIN,
                format!("{three}UNSUB 2\r\nSUB d 4\r\nPUB d 1\r\nx\r\n"),
                "MSG d 4 1\r\nx\r\n",
                Stays,
            ),
        ],
    );
}

#[test]
fn connection_limit_is_said_after_info() {
    let server = Launch::new()
        .config("[limits]\nconnections = 2\n")
        .nats_conf("max_connections: 2\n")
        .start();
    let (mut first, mut second) = (server.client(), server.client());
    let mut third = server.connect();
    third.expect(b"-ERR 'maximum connections exceeded'\r\n");
    third.expect_closed();
    first.ping();
    second.ping();
    // A place that is given back can be taken; closing is seen by the server in its own time.
    second.finish_sending();
    second.expect_closed();
    server.client();
}

#[test]
fn a_bad_client_harms_only_itself() {
    let server = Server::start();
    let mut bystander = server.client();
    bystander.subscribe("a", "1");
    for bad in ["FOO\r\n", "PUB a\r\n", "PUB a 2\r\nhiX", "CONNECT {\r\n", "PUB a 99999999\r\n"] {
        let mut client = server.client();
        client.subscribe("a", "7");
        client.send(b"PUB a 2\r\nhi\r\n");
        client.expect(b"MSG a 7 2\r\nhi\r\n");
        client.send(bad.as_bytes());
        // What it had published before is delivered.
        bystander.expect(b"MSG a 1 2\r\nhi\r\n");
        while client.read_line().is_some() {}
    }
    bystander.ping();
}
