//! NATS-PROTOCOL.md section 6 and 12: who gets which message, in which form and order.

use std::collections::HashMap;

use crate::raw::Client;
use crate::server::Server;
use crate::transcript::{HEADERS, NO_ECHO, PLAIN, Row, Stays, play, row};

/// Filter, published subject, whether they match.
const MATCHES: &[(&str, &str, bool)] = &[
    ("foo", "foo", true),
    ("foo", "Foo", false),
    ("foo", "foo.bar", false),
    ("foo.bar", "foo", false),
    ("foo.*", "foo.bar", true),
    ("foo.*", "foo", false),
    ("foo.*", "foo.bar.baz", false),
    ("*", "foo", true),
    ("*.*", "foo.bar", true),
    ("*.bar", "foo.bar", true),
    ("*.bar", "foo.baz", false),
    ("foo.>", "foo.bar", true),
    ("foo.>", "foo.bar.baz", true),
    ("foo.>", "foo", false),
    (">", "foo", true),
    (">", "foo.bar.baz", true),
    ("foo.*.>", "foo.bar", false),
    ("foo.*.>", "foo.bar.baz", true),
    ("*.>", "foo", false),
    // `*` and `>` are wildcards only as a whole token.
    ("foo*", "foo*", true),
    ("foo*", "foobar", false),
    ("f*o", "fxo", false),
    ("f*o", "f*o", true),
    ("foo.>x", "foo.>x", true),
    ("foo.>x", "foo.bar", false),
    // An empty token in a published subject matches nobody.
    (">", "foo..bar", false),
    ("foo.*.bar", "foo..bar", false),
    ("foo.>", "foo.", false),
    ("$X.>", "$X.y", true),
    (">", "_INBOX.a.b", true),
    ("fööbar.*", "fööbar.☃", true),
];

#[test]
fn subjects_match_by_tokens() {
    let server = Server::start();
    let rows: Vec<Row> = MATCHES
        .iter()
        .map(|(filter, subject, is_match)| {
            let send = format!("SUB {filter} 1\r\nPUB {subject} 1\r\nx\r\n");
            let reply =
                if *is_match { format!("MSG {subject} 1 1\r\nx\r\n") } else { String::new() };
            row(PLAIN, send, reply, Stays)
        })
        .collect();
    play(&server, &rows);
}

#[test]
fn own_messages_come_back_unless_echo_is_off() {
    let server = Server::start();
    play(
        &server,
        &[
            row(PLAIN, "SUB a 1\r\nPUB a 1\r\nx\r\n", "MSG a 1 1\r\nx\r\n", Stays),
            row(NO_ECHO, "SUB a 1\r\nSUB a q 2\r\nPUB a 1\r\nx\r\n", "", Stays),
        ],
    );
    // Others get what a client that wants no echo publishes, and it gets what others publish.
    let mut quiet =
        Client::hello(server.addr(), "{\"verbose\":false,\"pedantic\":false,\"echo\":false}");
    quiet.subscribe("a", "1");
    let mut other = server.client();
    other.subscribe("a", "2");
    quiet.publish("a", b"q");
    quiet.ping();
    other.expect(b"MSG a 2 1\r\nq\r\n");
    other.publish("a", b"o");
    other.expect(b"MSG a 2 1\r\no\r\n");
    quiet.expect(b"MSG a 1 1\r\no\r\n");
}

#[test]
fn one_copy_per_sid() {
    let server = Server::start();
    let mut client = server.client();
    client.send(b"SUB a.b 1\r\nSUB a.* 2\r\nSUB a.> 3\r\nSUB > 4\r\nSUB a.b 5\r\nSUB c 6\r\n");
    client.send(b"PUB a.b 1\r\nx\r\n");
    // The order among subscriptions of one message is the server's choice.
    let mut sids: Vec<String> = (0..5).map(|_| client.next_message().unwrap().sid).collect();
    sids.sort();
    assert_eq!(sids, ["1", "2", "3", "4", "5"]);
    client.ping();
}

#[test]
fn headers_are_only_for_those_who_speak_them() {
    let server = Server::start();
    let mut plain = Client::hello(server.addr(), "{\"verbose\":false,\"pedantic\":false}");
    let mut speaks = server.client();
    plain.subscribe("a", "1");
    speaks.subscribe("a", "2");
    let mut publisher = server.client();
    publisher.send(b"HPUB a r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    plain.expect(b"MSG a 1 r 2\r\nhi\r\n");
    speaks.expect(b"HMSG a 2 r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    plain.ping();
    speaks.ping();
}

/// Counts who got how many of `count` messages on `subject`; `clients` are (client, name).
fn deliveries(clients: &mut [Client], subject: &str, count: usize) -> HashMap<String, usize> {
    let mut batch = Vec::new();
    for n in 0..count {
        batch.extend(crate::raw::publish_bytes(subject, n.to_string().as_bytes()));
    }
    clients[0].send(&batch);
    clients[0].send(b"PUB end 0\r\n\r\n");
    let mut got = HashMap::new();
    for client in clients {
        loop {
            let message = client.next_message().expect("the server goes on");
            if message.subject == "end" {
                break;
            }
            *got.entry(message.sid).or_default() += 1;
        }
    }
    got
}

/// Three connections; `subs` says (connection, filter and queue, sid). All hear `end`.
fn connected(server: &Server, subs: &[(usize, &str, &str)]) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for (at, filter, sid) in subs {
        clients[*at].send(format!("SUB {filter} {sid}\r\n").as_bytes());
    }
    for client in &mut clients {
        client.subscribe("end", "end");
    }
    clients
}

#[test]
fn a_queue_group_gets_one_copy_and_plain_ones_theirs() {
    let server = Server::start();
    let mut clients = connected(
        &server,
        &[(0, "a q", "q0"), (1, "a q", "q1"), (2, "a q", "q2"), (2, "a", "p"), (1, "a r", "r1")],
    );
    let got = deliveries(&mut clients, "a", 300);
    assert_eq!((got["p"], got["r1"]), (300, 300), "{got:?}");
    assert_eq!(got["q0"] + got["q1"] + got["q2"], 300, "{got:?}");
    for member in ["q0", "q1", "q2"] {
        assert!(got[member] > 30, "every idle member takes part: {got:?}");
    }
}

#[test]
fn groups_form_by_name_among_everything_that_matches() {
    let server = Server::start();
    let mut clients = connected(&server, &[(0, "foo.* q", "star"), (1, "foo.> q", "rest")]);
    let got = deliveries(&mut clients, "foo.bar", 300);
    assert_eq!(got["star"] + got["rest"], 300, "one group, one copy: {got:?}");
    assert!(got["star"] > 30 && got["rest"] > 30, "{got:?}");
}

#[test]
fn a_member_that_leaves_gives_its_share_to_the_others() {
    let server = Server::start();
    let mut clients = connected(&server, &[(0, "a q", "q0"), (1, "a q", "q1"), (2, "a q", "q2")]);
    clients[1].send(b"UNSUB q1\r\n");
    clients[1].ping();
    let got = deliveries(&mut clients, "a", 100);
    assert_eq!(got["q0"] + got["q2"], 100, "{got:?}");
    assert!(!got.contains_key("q1"), "{got:?}");
}

/// Our form is that of servers up to 2.11: without `Nats-Subject`. Newer ones add it; clients look
/// at the status alone.
const NO_RESPONDERS: &str = "NATS/1.0 503\r\n\r\n\r\n";

#[test]
fn no_responders() {
    let server = Server::start();
    let told = format!("HMSG in.1 1 16 16\r\n{NO_RESPONDERS}");
    play(
        &server,
        &[
            row(HEADERS, "SUB in.* 1\r\nPUB nobody in.1 2\r\nhi\r\n", told.clone(), Stays),
            row(
                HEADERS,
                "SUB in.* 1\r\nHPUB nobody in.1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                told.clone(),
                Stays,
            ),
            // Nobody asked for a reply, or the requester does not hear the reply subject.
            row(HEADERS, "SUB in.* 1\r\nPUB nobody 2\r\nhi\r\n", "", Stays),
            row(HEADERS, "SUB other 1\r\nPUB nobody in.1 2\r\nhi\r\n", "", Stays),
            // It did not say no_responders.
            row(PLAIN, "SUB in.* 1\r\nPUB nobody in.1 2\r\nhi\r\n", "", Stays),
            // Never to a queue subscription, and it does not count towards `UNSUB max`.
            row(HEADERS, "SUB in.* q 1\r\nPUB nobody in.1 2\r\nhi\r\nUNSUB 1\r\n", "", Stays),
            row(
                HEADERS,
                "SUB in.* 1\r\nUNSUB 1 1\r\nPUB nobody in.1 2\r\nhi\r\nPUB in.1 1\r\nx\r\n",
                format!("{told}MSG in.1 1 1\r\nx\r\n"),
                Stays,
            ),
        ],
    );
    // Somebody did get it: no 503.
    let mut responder = server.client();
    responder.subscribe("somebody", "9");
    let mut requester = server.client();
    requester.send(b"SUB in.* 1\r\nPUB somebody in.1 2\r\nhi\r\n");
    responder.expect(b"MSG somebody 9 in.1 2\r\nhi\r\n");
    requester.ping();
}

#[test]
fn no_responders_reaches_one_of_several_subscriptions() {
    let server = Server::start();
    let mut client = server.client();
    client.send(b"SUB in.* 1\r\nSUB in.> 2\r\nSUB in.1 3\r\nPUB nobody in.1 2\r\nhi\r\n");
    let message = client.next_message().expect("the 503");
    assert_eq!(message.headers, b"NATS/1.0 503\r\n\r\n");
    assert_eq!(message.payload, b"");
    client.ping();
}

#[test]
fn one_publisher_is_heard_in_its_order_and_before_its_pong() {
    let server = Server::start();
    let mut client = server.client();
    client.send(b"SUB a.> 1\r\n");
    let mut batch = Vec::new();
    for n in 0..5000_u32 {
        let subject = format!("a.{}", n % 7);
        batch.extend(crate::raw::publish_bytes(&subject, n.to_string().as_bytes()));
    }
    batch.extend_from_slice(b"PING\r\n");
    client.send(&batch);
    for n in 0..5000_u32 {
        assert_eq!(client.next_message().unwrap().payload, n.to_string().as_bytes());
    }
    client.expect(b"PONG\r\n");
}
