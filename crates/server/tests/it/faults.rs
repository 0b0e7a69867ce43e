//! Connections that break, crawl, go silent or come in thousands.

use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::footprint::{cpu_time, descriptors, threads, wait_until};
use crate::random::Random;
use crate::raw::{Client, Event, publish_bytes};
use crate::server::{Launch, Server};

/// Closes with a reset instead of an orderly end.
fn reset(client: Client) {
    set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
    drop(client);
}

// checklist: F3
#[test]
fn resets_at_any_moment_leave_nothing_behind() {
    let server = Server::start();
    let mut random = Random::announced("resets");
    let mut bystander = server.client();
    bystander.subscribe("health", "1");
    let baseline = (descriptors(server.pid()), threads(server.pid()));
    for round in 0..300 {
        let mut client = server.client();
        match random.below(5) {
            0 => {}
            1 => client.send(b"SUB a.> 1\r\n"),
            2 => client.send(b"SUB a.> 1\r\nPUB a.b 100\r\nonly a part"),
            3 => client.send(b"SUB a.> 1\r\nUNSUB 1 5\r\nPU"),
            _ => {
                // Cut off while the server writes to it.
                client.send(b"SUB a.> 1\r\n");
                let flood: Vec<u8> =
                    (0..200).flat_map(|_| publish_bytes("a.b", &[b'x'; 1000])).collect();
                client.send(&flood);
            }
        }
        reset(client);
        if round % 30 == 0 {
            bystander.publish("health", b"x");
            bystander.expect(b"MSG health 1 1\r\nx\r\n");
        }
    }
    wait_until("descriptors and threads are back", || {
        descriptors(server.pid()) == baseline.0 && threads(server.pid()) <= baseline.1
    });
    // Nobody is subscribed any more: this would be answered by a left-over.
    bystander.send(b"SUB in 2\r\nPUB a.b in 1\r\nx\r\n");
    bystander.expect(b"HMSG in 2 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
}

// checklist: F3
#[test]
fn a_client_that_says_it_is_done_is_closed() {
    let server = Server::start();
    let baseline = descriptors(server.pid());
    let mut clients: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(b"SUB a 1\r\nPUB b 10\r\nhalf");
        client.finish_sending();
        client.expect_closed();
    }
    wait_until("descriptors are back", || descriptors(server.pid()) == baseline);
}

/// A peer that vanished without a word: its kernel does not answer, here it just never does.
// checklist: F3
#[test]
fn silent_peers_are_cleared_away() {
    let config = "[liveness]\nping_interval = \"100ms\"\nping_max = 2\n";
    let server = Launch::new().config(config).start();
    let baseline = descriptors(server.pid());
    let clients: Vec<Client> = (0..50).map(|_| server.client()).collect();
    for mut client in clients {
        while client.event() == Event::Ping {}
        client.expect_closed();
    }
    wait_until("descriptors are back", || descriptors(server.pid()) == baseline);
}

// checklist: F3
#[test]
fn a_crawling_connect_is_cut_at_the_auth_timeout() {
    let server = Launch::new().config("[auth]\ntoken = \"s3cret\"\ntimeout = \"500ms\"\n").start();
    let mut crawler = server.connect();
    let start = Instant::now();
    let connect = b"CONNECT {\"verbose\":false,\"auth_token\":\"s3cret\",\"name\":\"";
    let mut sent = 0;
    // A byte every 5 ms never lets it be silent, and never lets it finish.
    while start.elapsed() < Duration::from_secs(5) {
        let byte = connect.get(sent).copied().unwrap_or(b'x');
        sent += 1;
        if !crawler.send_if_open(&[byte]) {
            break;
        }
        thread::sleep(Duration::from_millis(5));
        if sent == 20 {
            // The others are served meanwhile.
            let json = "{\"verbose\":false,\"auth_token\":\"s3cret\"}";
            Client::hello(server.addr(), json).ping();
        }
    }
    assert_eq!(crawler.event(), Event::Error("Authentication Timeout".to_owned()));
    assert_eq!(crawler.event(), Event::Closed);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "the timeout is 500 ms, it took {took:?}");
}

// checklist: F3
#[test]
fn a_crawling_client_of_an_open_server_is_served() {
    let server = Server::start();
    let mut crawler = server.connect();
    for byte in b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n" {
        crawler.send(&[*byte]);
        thread::sleep(Duration::from_millis(2));
    }
    crawler.expect(b"MSG a 1 2\r\nhi\r\nPONG\r\n");
}

/// Without authentication silence is no crime, beyond the time to authenticate too.
// checklist: F3
#[test]
fn a_silent_client_of_an_open_server_stays() {
    let config = "[auth]\ntimeout = \"100ms\"\n[liveness]\nping_interval = \"300ms\"\n";
    let server = Launch::new().config(config).start();
    let mut silent = server.connect();
    // The PING is the event that shows that the time has passed.
    assert_eq!(silent.event(), Event::Ping);
    silent.send(b"PONG\r\n");
    silent.ping();
}

/// As many connections as this machine lets the test open, 10,000 at most.
fn many() -> usize {
    const WANTED: u64 = 10_000;
    // The test holds one descriptor a connection, and other tests run beside it.
    const OTHERS: u64 = 1500;
    let limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.map_or(WANTED + OTHERS, |hard| hard.min(WANTED + OTHERS));
    if limit.current.is_some_and(|current| current < raised) {
        let limit = Rlimit { current: Some(raised), maximum: limit.maximum };
        setrlimit(Resource::Nofile, limit).expect("the soft limit may rise to the hard one");
    }
    let count = raised.min(limit.maximum.unwrap_or(u64::MAX)).saturating_sub(OTHERS);
    assert!(count >= 1000, "`ulimit -Hn` allows {count} connections, too few for this test");
    count as usize
}

// checklist: F3
#[test]
fn ten_thousand_connections_come_and_go() {
    let count = many();
    println!("{count} connections");
    let server = Server::start();
    let mut bystander = server.client();
    bystander.subscribe("all", "1");
    let baseline = (descriptors(server.pid()), threads(server.pid()));
    let mut clients: Vec<Client> = (0..count).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"CONNECT {\"verbose\":false}\r\nSUB all 1\r\nPING\r\n");
    }
    for client in &mut clients {
        client.expect(b"PONG\r\n");
    }
    bystander.publish("all", b"hi");
    bystander.expect(b"MSG all 1 2\r\nhi\r\n");
    for client in &mut clients {
        client.expect(b"MSG all 1 2\r\nhi\r\n");
    }
    drop(clients);
    wait_until("descriptors and threads are back", || {
        descriptors(server.pid()) == baseline.0 && threads(server.pid()) <= baseline.1
    });
    bystander.publish("all", b"still");
    bystander.expect(b"MSG all 1 5\r\nstill\r\n");
}

// checklist: F3
#[test]
fn idle_connections_cost_no_cpu() {
    let server = Server::start();
    let clients: Vec<Client> = (0..1000)
        .map(|_| {
            let mut client = server.client();
            client.send(b"SUB idle 1\r\n");
            client
        })
        .collect();
    server.client().ping();
    // Three windows: the first PINGs of the server may fall into one, a spin is in all of them.
    let window = Duration::from_secs(2);
    let mut used = Vec::new();
    for _ in 0..3 {
        let before = cpu_time(server.pid());
        thread::sleep(window);
        used.push(cpu_time(server.pid()).saturating_sub(before));
        if used.last().is_some_and(|used| *used < window / 100) {
            break;
        }
    }
    let least = used.iter().min().expect("at least one window");
    assert!(*least < window / 100, "more than 1 % of a CPU when idle: {used:?} of {window:?} each");
    drop(clients);
}

/// A design that polls would show here: idle for a second, then a message is there at once.
// checklist: F4
#[test]
fn after_idling_a_message_is_delivered_at_once() {
    let server = Server::start();
    let mut subscriber = server.client();
    subscriber.subscribe("wake", "1");
    let mut publisher = server.client();
    let mut delays: Vec<Duration> = (0..5)
        .map(|_| {
            thread::sleep(Duration::from_secs(1));
            let start = Instant::now();
            publisher.publish("wake", b"x");
            assert!(subscriber.next_message().is_some());
            start.elapsed()
        })
        .collect();
    delays.sort();
    println!("idle to delivered: {delays:?}");
    // A poll every 10 ms has a median of 5; the bounds leave room for a busy machine.
    assert!(delays[2] < Duration::from_millis(4), "median of {delays:?}");
    assert!(delays[0] < Duration::from_millis(1), "best of {delays:?}");
}
