//! Bytes that mean nothing, or nearly something: answered with an error or a close, never with a
//! hang, and never at the cost of others.

use crate::random::Random;
use crate::raw::{Client, Event};
use crate::server::Server;

const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";

/// Good streams to spoil.
const SEEDS: &[&[u8]] = &[
    b"SUB foo.* 1\r\nPUB foo.bar 5\r\nhello\r\nUNSUB 1 3\r\nPING\r\n",
    b"SUB foo.> q 12\r\nHPUB foo.a re 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nPONG\r\n",
    b"CONNECT {\"verbose\":true,\"protocol\":1}\r\nPUB a 0\r\n\r\n+OK\r\nINFO {}\r\n",
    b"PUB g.x 3\r\nabc\r\nPUB g.y 3\r\nabc\r\nSUB > 99\r\nSUB a..b 1\r\n",
];

const WORDS: &[&str] = &[
    "PUB",
    "HPUB",
    "SUB",
    "UNSUB",
    "PING",
    "PONG",
    "CONNECT",
    "INFO",
    "+OK",
    "-ERR",
    "MSG",
    "foo",
    "*",
    ">",
    "foo..bar",
    "0",
    "1",
    "2",
    "12",
    "-1",
    "4294967296",
    "99999999999999999999999",
    "{}",
    "{",
    "\t",
    " ",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "NATS/1.0",
    "$SYS.>",
    "\0",
];

fn garbage(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => {
            let len = 1 + random.below(2000);
            random.bytes(len)
        }
        1 => {
            let mut spoiled = random.pick(SEEDS).to_vec();
            for _ in 0..1 + random.below(4) {
                let at = random.below(spoiled.len());
                spoiled[at] ^= 1 << random.below(8);
            }
            spoiled
        }
        2 => {
            let mut spoiled = random.pick(SEEDS).to_vec();
            let (from, len) = (random.below(spoiled.len()), random.below(12));
            let to = (from + len).min(spoiled.len());
            spoiled.drain(from..to);
            spoiled
        }
        _ => {
            let count = 1 + random.below(30);
            let words = (0..count).map(|_| *random.pick(WORDS)).collect::<Vec<_>>();
            words.join(if random.one_in(2) { " " } else { "" }).into_bytes()
        }
    }
}

// checklist: F2, F3
#[test]
fn garbage_is_survived() {
    let server = Server::start();
    let mut random = Random::announced("garbage");
    let mut bystander = server.client();
    bystander.subscribe("health", "1");
    for round in 0..400_u32 {
        let bytes = garbage(&mut random);
        println!("round {round}: {:?}", String::from_utf8_lossy(&bytes));
        let mut client = server.connect();
        if random.one_in(2) {
            client.send(CONNECT);
        }
        client.send_if_open(&bytes);
        client.finish_sending();
        // Whatever comes back must still be the protocol, and end.
        let mut seen = 0;
        while client.event() != Event::Closed {
            seen += 1;
            assert!(seen < 10_000, "the server never stops talking");
        }
        if round % 20 == 0 {
            bystander.publish("health", round.to_string().as_bytes());
            let message = bystander.next_message().expect("the bystander lives");
            assert_eq!(message.payload, round.to_string().as_bytes());
        }
    }
    bystander.ping();
}

/// Random bytes before a newline can look like an endless line: there is a limit to it.
// checklist: F2
// spec: BND-1
#[test]
fn endless_lines_and_endless_garbage_end() {
    let server = Server::start();
    let mut random = Random::announced("endless");
    let no_newline = |random: &mut Random| {
        let mut bytes = random.bytes(64 * 1024);
        bytes.retain(|byte| *byte != b'\n');
        bytes
    };
    let prefixes: [&[u8]; 4] = [b"", b"SUB ", b"CONNECT {", b"PUB "];
    for prefix in prefixes {
        let mut client: Client = server.connect();
        client.send(prefix);
        client.send_if_open(&no_newline(&mut random));
        // No end of sending is needed: the server must have had enough by itself.
        while client.event() != Event::Closed {}
    }
    server.client().ping();
}
