//! Memory is elastic: what a burst took is given back.

use std::thread;

use crate::footprint::{resident_bytes, wait_until};
use crate::raw::{Client, connect_with_receive_buffer, publish_bytes};
use crate::server::Launch;

const MIB: u64 = 1 << 20;

// spec: BND-3
#[test]
fn the_memory_of_a_burst_goes_back_to_the_system() {
    let server = Launch::new().start();
    let mut publisher = server.client();
    publisher.ping();
    let before = resident_bytes(server.pid());

    // A minority that reads nothing, so that the publisher is not slowed.
    let lazy: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = Client::over(connect_with_receive_buffer(server.addr(), 8 * 1024));
            client.send(b"CONNECT {\"verbose\":false}\r\n");
            client.subscribe("burst", "1");
            client.allow_cut();
            client
        })
        .collect();
    let healthy: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.client();
            client.subscribe("burst", "1");
            thread::spawn(
                move || while client.next_message().is_some_and(|m| m.payload != b"end") {},
            )
        })
        .collect();
    let payload = [b'x'; 1000];
    let batch: Vec<u8> = (0..100).flat_map(|_| publish_bytes("burst", &payload)).collect();
    (0..300).for_each(|_| publisher.send(&batch));
    publisher.publish("burst", b"end");
    publisher.ping();
    healthy.into_iter().for_each(|reader| reader.join().unwrap());
    let during = resident_bytes(server.pid());
    assert!(during > before + 30 * MIB, "no burst: {} MiB", (during - before) / MIB);

    // They leave, and what was queued for them goes.
    drop(lazy);
    wait_until("memory returned", || resident_bytes(server.pid()) < before + 12 * MIB);
}
