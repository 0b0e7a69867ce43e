//! NATS-PROTOCOL.md section 7: the server's PINGs and what silence leads to.

use std::time::Instant;

use crate::raw::Event;
use crate::server::{Launch, Server};

fn impatient() -> Server {
    Launch::new()
        .config("[liveness]\nping_interval = \"200ms\"\nping_max = 2\n")
        .nats_conf("ping_interval: \"200ms\"\nping_max: 2\n")
        .start()
}

#[test]
fn silence_is_pinged_then_stale() {
    let server = impatient();
    let mut client = server.client();
    let start = Instant::now();
    client.expect(b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    client.expect_closed();
    let waited = start.elapsed().as_millis();
    // Three intervals; the upper bound only tells a broken timer from a busy machine.
    assert!((350..10_000).contains(&waited), "stale after {waited} ms");
}

#[test]
fn an_answered_ping_keeps_the_connection() {
    let server = impatient();
    let mut client = server.client();
    // Five intervals: more than the three that would have made it stale.
    for _ in 0..5 {
        client.expect(b"PING\r\n");
        client.send(b"PONG\r\n");
    }
    client.ping();
}

#[test]
fn data_counts_as_a_sign_of_life() {
    let server = impatient();
    let mut subscriber = server.client();
    subscriber.subscribe("tick", "1");
    let mut publisher = server.client();
    // The publisher never answers a PING; what keeps it alive is that it publishes.
    let start = Instant::now();
    while start.elapsed().as_millis() < 1500 {
        publisher.publish("tick", b"x");
        loop {
            match subscriber.event() {
                Event::Message(_) => break,
                Event::Ping => subscriber.send(b"PONG\r\n"),
                other => panic!("{other:?}"),
            }
        }
    }
    publisher.ping();
}

/// Clients insist that the first line after their CONNECT and PING is PONG.
#[test]
fn the_first_answer_to_a_new_client_is_pong() {
    let server = impatient();
    let mut others = server.client();
    let mut client = server.connect();
    others.ping();
    client.send(b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    assert_eq!(client.event(), Event::Pong);
}
