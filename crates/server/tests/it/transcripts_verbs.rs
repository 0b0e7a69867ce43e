//! NATS-PROTOCOL.md section 2, verb by verb, with what section 12 adds.

use crate::server::{Server, is_aimed_at_nats};
use crate::transcript::{
    Closes, HEADERS, NO_HELLO, PEDANTIC, PLAIN, Row, Stays, UNKNOWN, VERBOSE, play,
    play_whole_on_nats, row,
};

#[test]
fn connect() {
    let server = Server::start();
    let bad_protocol = "-ERR 'invalid client protocol'\r\n";
    let no_headers = "-ERR 'no responders requires headers support'\r\n";
    play(
        &server,
        &[
            row(NO_HELLO, "CONNECT {\"verbose\":true,\"pedantic\":false}\r\n", "+OK\r\n", Stays),
            row(NO_HELLO, "CONNECT {\"verbose\":false}\r\n", "", Stays),
            // What is not said keeps the defaults, and those are verbose and pedantic.
            row(NO_HELLO, "CONNECT {}\r\n", "+OK\r\n", Stays),
            row(NO_HELLO, "CONNECT {\"what\":[1,{\"is\":null}],\"verbose\":false}\r\n", "", Stays),
            row(NO_HELLO, "CONNECT  {\"verbose\":false} \r\n", "", Stays),
            row(NO_HELLO, "CONNECT {\"verbose\":false,\"protocol\":0}\r\n", "", Stays),
            row(NO_HELLO, "CONNECT {\"verbose\":false,\"protocol\":1}\r\n", "", Stays),
            row(NO_HELLO, "CONNECT {\"verbose\":false,\"protocol\":2}\r\n", bad_protocol, Closes),
            row(NO_HELLO, "CONNECT {\"verbose\":false,\"protocol\":-1}\r\n", bad_protocol, Closes),
            row(
                NO_HELLO,
                "CONNECT {\"verbose\":false,\"no_responders\":true}\r\n",
                no_headers,
                Closes,
            ),
            row(NO_HELLO, "CONNECT {\"verbose\":\r\n", "", Closes),
            row(NO_HELLO, "CONNECT what\r\n", "", Closes),
            row(NO_HELLO, "CONNECT {\"verbose\":\"yes\"}\r\n", "", Closes),
            row(VERBOSE, "CONNECT {\"verbose\":false}\r\nSUB foo 1\r\n", "", Stays),
        ],
    );
}

#[test]
fn without_connect_a_client_is_verbose_and_pedantic() {
    let server = Server::start();
    play(
        &server,
        &[
            row(NO_HELLO, "PING\r\n", "PONG\r\n", Stays),
            row(NO_HELLO, "SUB foo 1\r\n", "+OK\r\n", Stays),
            row(
                NO_HELLO,
                "SUB foo 1\r\nPUB foo 2\r\nhi\r\nUNSUB 1\r\n",
                "+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n+OK\r\n",
                Stays,
            ),
            row(NO_HELLO, "HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n", "", Closes),
        ],
    );
}

#[test]
fn publish() {
    let server = Server::start();
    let mut rows = vec![
        row(PLAIN, "SUB a.b 9\r\nPUB a.b 5\r\nhello\r\n", "MSG a.b 9 5\r\nhello\r\n", Stays),
        row(PLAIN, "SUB a 9\r\nPUB a re.ply 2\r\nhi\r\n", "MSG a 9 re.ply 2\r\nhi\r\n", Stays),
        row(PLAIN, "PUB nobody 2\r\nhi\r\n", "", Stays),
        // +OK comes before the fan-out.
        row(VERBOSE, "SUB a 1\r\nPUB a 2\r\nhi\r\n", "+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n", Stays),
        row(PEDANTIC, "PUB foo.bar 2\r\nhi\r\n", "", Stays),
        // Section 12: nothing after the verb is no operation, a space after it is bad arguments.
        row(PLAIN, "PUB\r\n", UNKNOWN, Closes),
        row(PLAIN, "PUB \r\n", "", Closes),
    ];
    let bad =
        ["foo", "foo x", "foo -1", "foo 1.5", "foo 99999999999999999999", "a b c 2", "a b 2x"];
    rows.extend(bad.map(|arguments| row(PLAIN, format!("PUB {arguments}\r\n"), "", Closes)));
    rows.push(row(PLAIN, "PUB foo..bar 2\r\nhi\r\n", "", Stays));
    rows.push(row(PLAIN, "SUB > 1\r\nPUB foo.* 2\r\nhi\r\n", "MSG foo.* 1 2\r\nhi\r\n", Stays));
    play(&server, &rows);
}

#[test]
fn pedantic_clients_are_told_of_bad_subjects_and_still_served() {
    let server = Server::start();
    let invalid = "-ERR 'Invalid Publish Subject'\r\n";
    let mut rows = Vec::new();
    for subject in ["foo.*", "foo.>", ">", "*"] {
        let send = format!("SUB > 1\r\nPUB {subject} 2\r\nhi\r\n");
        let reply = format!("{invalid}MSG {subject} 1 2\r\nhi\r\n");
        rows.push(row(PEDANTIC, send, reply, Stays));
    }
    rows.push(row(PEDANTIC, "PUB foo..bar 2\r\nhi\r\n", invalid, Stays));
    // Without CONNECT a client is verbose too, and the error comes before the +OK.
    rows.push(row(NO_HELLO, "PUB foo.* 2\r\nhi\r\n", [invalid, "+OK\r\n"].concat(), Stays));
    play_whole_on_nats(&server, &rows);
}

#[test]
fn publish_with_headers() {
    let server = Server::start();
    let rows = [
        (
            "SUB a 1\r\nHPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
            "HMSG a 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
        ),
        (
            "SUB a 1\r\nHPUB a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            "HMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        ),
        // The content of a header block is nobody's business on the way.
        ("SUB a 1\r\nHPUB a 3 5\r\nxyzhi\r\n", "HMSG a 1 3 5\r\nxyzhi\r\n"),
        ("SUB a 1\r\nHPUB a 0 2\r\nhi\r\n", "MSG a 1 2\r\nhi\r\n"),
        ("SUB a 1\r\nHPUB a 5 5\r\nxyzhi\r\n", "HMSG a 1 5 5\r\nxyzhi\r\n"),
    ];
    let mut rows: Vec<Row> =
        rows.into_iter().map(|(send, reply)| row(HEADERS, send, reply, Stays)).collect();
    rows.push(row(PLAIN, "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", "", Closes));
    rows.push(row(HEADERS, "HPUB a 13 12\r\nNATS/1.0\r\n\r\n\r\n", "", Closes));
    rows.push(row(HEADERS, "HPUB\r\n", UNKNOWN, Closes));
    rows.push(row(HEADERS, "HPUB \r\n", "", Closes));
    for arguments in ["a", "a 12", "a b c 12 14", "a x 14", "a 12 x", "a -1 14", "a 12 -14"] {
        rows.push(row(HEADERS, format!("HPUB {arguments}\r\n"), "", Closes));
    }
    play(&server, &rows);
}

#[test]
fn subscribe() {
    let server = Server::start();
    let mut rows = vec![
        row(PLAIN, "SUB a.* x1\r\nPUB a.b 1\r\nz\r\n", "MSG a.b x1 1\r\nz\r\n", Stays),
        row(VERBOSE, "SUB a 1\r\nSUB b q 2\r\n", "+OK\r\n+OK\r\n", Stays),
        row(PLAIN, "SUB a q 1\r\nPUB a 1\r\nz\r\nUNSUB 1\r\n", "MSG a 1 1\r\nz\r\n", Stays),
        // The first of two with one sid stays; the second is dropped without a word.
        row(
            PLAIN,
            "SUB a 1\r\nSUB b 1\r\nPUB b 1\r\nx\r\nPUB a 1\r\ny\r\n",
            "MSG a 1 1\r\ny\r\n",
            Stays,
        ),
        row(VERBOSE, "SUB a 1\r\nSUB b 1\r\n", "+OK\r\n+OK\r\n", Stays),
        row(PLAIN, "SUB\r\n", UNKNOWN, Closes),
        row(PLAIN, "SUB \r\n", "", Closes),
        row(PLAIN, "SUB a\r\n", "", Closes),
        row(PLAIN, "SUB a q 1 x\r\n", "", Closes),
    ];
    for subject in ["a..b", ".a", "a.", ">.a", "a.>.b", "."] {
        let send = format!("SUB {subject} 1\r\n");
        rows.push(row(PLAIN, send.clone(), "-ERR 'Invalid Subject'\r\n", Stays));
        rows.push(row(VERBOSE, send, "-ERR 'Invalid Subject'\r\n", Stays));
    }
    play(&server, &rows);
}

#[test]
fn unsubscribe() {
    let server = Server::start();
    let two = "PUB a 1\r\nx\r\nPUB a 1\r\ny\r\n";
    let mut rows = vec![
        row(PLAIN, "SUB a 1\r\nUNSUB 1\r\nPUB a 1\r\nx\r\n", "", Stays),
        row(VERBOSE, "SUB a 1\r\nUNSUB 1\r\n", "+OK\r\n+OK\r\n", Stays),
        row(PLAIN, "UNSUB 77\r\n", "", Stays),
        row(VERBOSE, "UNSUB 77\r\n", "+OK\r\n", Stays),
        row(PLAIN, format!("SUB a 1\r\nUNSUB 1 1\r\n{two}"), "MSG a 1 1\r\nx\r\n", Stays),
        row(
            PLAIN,
            format!("SUB a 1\r\nUNSUB 1 2\r\n{two}{two}"),
            "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n",
            Stays,
        ),
        // The count starts at SUB: the third of three.
        row(
            PLAIN,
            format!("SUB a 1\r\n{two}UNSUB 1 3\r\n{two}"),
            "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\nMSG a 1 1\r\nx\r\n",
            Stays,
        ),
        // No more than were delivered already: it is over now.
        row(
            PLAIN,
            format!("SUB a 1\r\n{two}UNSUB 1 2\r\n{two}"),
            "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n",
            Stays,
        ),
        row(PLAIN, "UNSUB\r\n", UNKNOWN, Closes),
        row(PLAIN, "UNSUB \r\n", "", Closes),
        row(PLAIN, "UNSUB 1 2 3\r\n", "", Closes),
        // A sid is free again after its end.
        row(
            PLAIN,
            "SUB a 1\r\nUNSUB 1\r\nSUB b 1\r\nPUB b 1\r\nx\r\n",
            "MSG b 1 1\r\nx\r\n",
            Stays,
        ),
        row(
            PLAIN,
            "SUB a 1\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\nSUB a 1\r\nPUB a 1\r\ny\r\n",
            "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n",
            Stays,
        ),
    ];
    if !is_aimed_at_nats() {
        // nats-server 2.9.10 reads a limit that is no number as "none" and unsubscribes at once;
        // ours calls it what it is, a wrong argument.
        rows.push(row(PLAIN, "UNSUB 1 x\r\n", "", Closes));
    }
    play(&server, &rows);
}
