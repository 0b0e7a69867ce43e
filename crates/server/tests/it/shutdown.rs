//! How a server ends: what it accepted is delivered, and clients are told to move when asked so.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::raw::{Client, Event, PATIENCE, connect_with_receive_buffer, publish_bytes};
use crate::server::{Launch, Server};

/// Publishes batches of numbered messages, each with a PING behind it, until the server is gone.
/// Returns how many were sent before the last PING that was answered: those are accepted.
fn publish_until_closed(addr: SocketAddr, subject: &str, progress: &Sender<u64>) -> u64 {
    const BATCH: u64 = 200;
    let mut client = Client::ready(addr);
    client.allow_cut();
    let (mut sent, mut accepted) = (0, 0);
    loop {
        let mut batch = Vec::new();
        for number in sent..sent + BATCH {
            batch.extend(publish_bytes(subject, format!("{number:0>64}").as_bytes()));
        }
        sent += BATCH;
        batch.extend_from_slice(b"PING\r\n");
        if !client.send_if_open(&batch) {
            return accepted;
        }
        loop {
            match client.event() {
                Event::Pong => break,
                Event::Ping | Event::Info(_) => {}
                Event::Closed => return accepted,
                other => panic!("{other:?}"),
            }
        }
        accepted = sent;
        // The test may have what it wanted already; publishing goes on until the close.
        let _ = progress.send(accepted);
    }
}

/// Reads numbered messages to the end of the stream; they must come without a hole. Rests for
/// `rest` now and then, to be slow.
fn count_to_end(client: &mut Client, rest: Duration) -> u64 {
    let mut next = 0;
    while let Some(message) = client.next_message() {
        let number: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
        assert_eq!(number, next, "a hole in the stream");
        next += 1;
        if next % 500 == 0 && !rest.is_zero() {
            thread::sleep(rest);
        }
    }
    next
}

// checklist: F5
#[test]
fn what_was_accepted_is_delivered_when_stopped_under_load() {
    let mut server = Server::start();
    let addr = server.addr();
    let (progress, reached) = channel();
    let readers: Vec<_> = ["load.0", "load.1"]
        .map(|filter| {
            let mut client = server.client();
            client.subscribe(filter, "1");
            thread::spawn(move || count_to_end(&mut client, Duration::ZERO))
        })
        .into_iter()
        .collect();
    let publishers: Vec<_> = ["load.0", "load.1"]
        .map(|subject| {
            let progress = progress.clone();
            thread::spawn(move || publish_until_closed(addr, subject, &progress))
        })
        .into_iter()
        .collect();
    while reached.recv_timeout(PATIENCE).expect("publishing goes on") < 10_000 {}
    server.signal(Signal::TERM);
    let accepted: Vec<u64> = publishers.into_iter().map(|p| p.join().unwrap()).collect();
    let received: Vec<u64> = readers.into_iter().map(|r| r.join().unwrap()).collect();
    assert_eq!(server.wait_exit().code(), Some(0));
    for (accepted, received) in accepted.iter().zip(&received) {
        assert!(*accepted > 0, "nothing was published under load");
        assert!(received >= accepted, "accepted {accepted}, delivered {received}");
    }
}

// checklist: F5
#[test]
fn a_backlog_in_the_server_is_flushed_when_stopped() {
    const COUNT: u64 = 60_000;
    let config = "[pushback]\nmode = \"none\"\n[overflow.connection]\nbytes = \"64MiB\"\n";
    let mut server = Launch::new().config(config).start();
    // With a small receive buffer most of it has to wait in the server.
    let mut reader = Client::over(connect_with_receive_buffer(server.addr(), 16 * 1024));
    reader.send(b"CONNECT {\"verbose\":false}\r\n");
    reader.subscribe("load", "1");
    let mut publisher = server.client();
    for start in (0..COUNT).step_by(1000) {
        let batch: Vec<u8> = (start..start + 1000)
            .flat_map(|number| publish_bytes("load", format!("{number:0>200}").as_bytes()))
            .collect();
        publisher.send(&batch);
    }
    publisher.ping();
    server.signal(Signal::TERM);
    server.log().wait_for("Stopping").expect("the server says that it stops");
    // Some 1.5 s for all: the server has to wait for it, and may, up to its deadline of 10 s.
    assert_eq!(count_to_end(&mut reader, Duration::from_millis(12)), COUNT);
    assert_eq!(server.wait_exit().code(), Some(0));
}

/// A consumer that does not read cannot hold the server beyond its deadline.
// checklist: B7
#[test]
fn a_stuck_reader_does_not_hold_the_shutdown() {
    let config = concat!(
        "[shutdown]\ndeadline = \"1s\"\n[pushback]\nmode = \"none\"\n",
        "[overflow.connection]\nbytes = \"64MiB\"\n"
    );
    let mut server = Launch::new().config(config).start();
    let stuck: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = Client::over(connect_with_receive_buffer(server.addr(), 4096));
            client.send(b"CONNECT {\"verbose\":false}\r\n");
            client.subscribe("load", "1");
            client
        })
        .collect();
    let mut publisher = server.client();
    let payload = vec![b'x'; 100_000];
    for _ in 0..100 {
        publisher.publish("load", &payload);
    }
    publisher.ping();
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit().code(), Some(0));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(500), "it tried: {took:?}");
    assert!(took < Duration::from_secs(5), "the deadline is 1 s, it took {took:?}");
    drop(stuck);
}

#[test]
fn lame_duck_tells_clients_and_closes_them_in_time() {
    let config = "[shutdown]\nlame_duck_duration = \"3s\"\nlame_duck_grace = \"1s\"\n";
    let mut server = Launch::new().config(config).start();
    let mut told = server.client();
    let mut old = Client::hello(server.addr(), "{\"verbose\":false,\"protocol\":0}");
    told.subscribe("a", "1");
    old.subscribe("a", "2");
    let start = Instant::now();
    server.signal(Signal::USR2);
    let info = loop {
        match told.event() {
            Event::Info(json) => break json,
            Event::Ping => {}
            other => panic!("expected INFO, got {other:?}"),
        }
    };
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["ldm"], true, "{info}");
    assert!(is_refused(server.addr()), "a new client got in");
    // Within the grace period everything works as before, and older clients hear nothing of it.
    told.publish("a", b"x");
    told.expect(b"MSG a 1 1\r\nx\r\n");
    old.expect(b"MSG a 2 1\r\nx\r\n");
    old.ping();
    assert!(start.elapsed() < Duration::from_secs(1), "the machine is too slow for this test");
    told.expect_closed();
    old.expect_closed();
    let closed = start.elapsed();
    assert!(closed > Duration::from_millis(900), "closed in the grace period: {closed:?}");
    assert_eq!(server.wait_exit().code(), Some(0));
    let ended = start.elapsed();
    assert!(ended < Duration::from_millis(4500), "lame duck lasts 3 s, it took {ended:?}");
}

/// Lame duck without clients does not wait for what cannot come.
#[test]
fn term_ends_lame_duck_early() {
    let config = "[shutdown]\nlame_duck_duration = \"60s\"\nlame_duck_grace = \"50s\"\n";
    let mut server = Launch::new().config(config).start();
    let mut client = server.client();
    server.signal(Signal::USR2);
    while !matches!(client.event(), Event::Info(_)) {}
    server.signal(Signal::TERM);
    client.expect_closed();
    assert_eq!(server.wait_exit().code(), Some(0));
}

/// Neither a listening socket nor a greeting: refused, or closed without a word.
fn is_refused(addr: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(addr) else { return true };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A reset may come before or after this write; what counts is what can be read.
    let _ = stream.write_all(b"PING\r\n");
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}
