//! Consumers that cannot keep up: they lose their place, nobody else loses anything.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::footprint::{resident_bytes, wait_until};
use crate::raw::{Client, Message, PATIENCE, connect_with_receive_buffer, publish_bytes};
use crate::server::{FLOODWAY, Launch, Server};

/// Small limits, so that a stall is over within the test: 4 MiB or 1 s without progress.
const IMPATIENT: &str = concat!(
    "[overflow]\nlinger = \"500ms\"\n",
    "[overflow.connection]\nbytes = \"4MiB\"\nbehind = \"1s\"\n",
    "[pushback]\nmark = \"512KiB\"\n",
);
const ADVISORY: &str = "$FLOODWAY.ADVISORY.ENDED";

fn impatient() -> Server {
    Launch::new().config(IMPATIENT).start()
}

/// Publishes `count` messages as `<publisher> <number>` padded to 128 bytes.
fn publish_numbered(addr: SocketAddr, publisher: usize, count: usize) {
    let mut client = Client::ready(addr);
    for start in (0..count).step_by(500) {
        let batch: Vec<u8> = (start..(start + 500).min(count))
            .flat_map(|number| {
                let payload = format!("{publisher} {number:<126}");
                publish_bytes(&format!("load.{publisher}"), payload.as_bytes())
            })
            .collect();
        client.send(&batch);
    }
    client.ping();
}

fn numbered(message: &Message) -> (usize, usize) {
    let text = std::str::from_utf8(&message.payload).unwrap();
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Reads until `total` messages came from all publishers, each publisher's in its order.
fn read_all(client: &mut Client, publishers: usize, total: usize) {
    let mut next = vec![0; publishers];
    for got in 0..total {
        let message = client.next_message();
        let message = message.unwrap_or_else(|| panic!("cut off after {got} of {total}"));
        let (publisher, number) = numbered(&message);
        assert_eq!(number, next[publisher], "publisher {publisher}");
        next[publisher] += 1;
    }
}

/// Subscribes to everything that is published here and never reads.
fn stalled(server: &Server) -> Client {
    let mut client = Client::over(connect_with_receive_buffer(server.addr(), 8 * 1024));
    client.send(b"CONNECT {\"verbose\":false,\"name\":\"stalled\"}\r\n");
    client.subscribe("load.>", "1");
    client.allow_cut();
    client
}

fn is_overflow_reason(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["slow consumer", "slow_consumer", "capacity", "behind"].iter().any(|word| text.contains(word))
}

/// The reason an ended client has in the list of closed connections.
fn closed_reason(server: &Server, cid: u64) -> Option<String> {
    let list = server.get("/connz?state=closed").json();
    let connections = list["connections"].as_array().expect("a list of connections");
    // Until it has read what it was left, or its time for that is over, it has no end.
    let is_over = |entry: &&serde_json::Value| entry["cid"] == cid && entry["stop"].is_string();
    let entry = connections.iter().find(is_over)?;
    Some(entry["reason"].as_str().expect("a reason").to_owned())
}

fn holds_number(json: &serde_json::Value, number: u64) -> bool {
    match json {
        serde_json::Value::Array(items) => items.iter().any(|item| holds_number(item, number)),
        serde_json::Value::Object(map) => map.values().any(|item| holds_number(item, number)),
        other => other.as_u64() == Some(number),
    }
}

/// Everybody who may want to know why `cid` was ended is told: its entry in the list of closed
/// connections, the log, and the advisory that `operator` hears.
fn assert_told(server: &Server, operator: &mut Client, cid: u64) {
    let advisory = loop {
        let message = operator.next_message().expect("an advisory");
        let json: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        if holds_number(&json, cid) {
            break json;
        }
    };
    assert!(is_overflow_reason(&advisory.to_string()), "{advisory}");
    wait_until("the closed connection is listed", || closed_reason(server, cid).is_some());
    let reason = closed_reason(server, cid).unwrap();
    assert!(is_overflow_reason(&reason), "{reason:?}");
    let lines = server.log().lines();
    let own = format!("cid={cid}");
    let told = |line: &&String| line.split(' ').any(|word| word == own) && is_overflow_reason(line);
    let count = lines.iter().filter(told).count();
    assert!((1..=3).contains(&count), "log lines that tell of {cid}: {count}");
}

// checklist: A1, A2, A5
// spec: END-3, ISO-2
#[test]
fn a_stalled_subscriber_floods_only_itself() {
    const PUBLISHERS: usize = 2;
    const EACH: usize = 40_000;
    let server = impatient();
    let addr = server.addr();
    let mut operator = server.client();
    operator.subscribe(ADVISORY, "1");
    let mut lazy = stalled(&server);
    let healthy: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.client();
            client.subscribe("load.>", "1");
            thread::spawn(move || {
                read_all(&mut client, PUBLISHERS, PUBLISHERS * EACH);
                client.ping();
            })
        })
        .collect();
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|p| thread::spawn(move || publish_numbered(addr, p, EACH))).collect();
    for publisher in publishers {
        publisher.join().unwrap();
    }
    for reader in healthy {
        reader.join().expect("a healthy subscriber gets everything in order");
    }
    assert_told(&server, &mut operator, lazy.cid());
    // What it can still read is the front of the stream, without a hole.
    let mut next = [0; PUBLISHERS];
    while let Some(message) = lazy.next_message() {
        let (publisher, number) = numbered(&message);
        assert_eq!(number, next[publisher]);
        next[publisher] += 1;
    }
    assert!(next.iter().sum::<usize>() < PUBLISHERS * EACH, "it was cut off: {next:?}");
}

/// A process that the operator stopped, next to one that runs: the stopped one is ended and told.
// checklist: A1
#[test]
fn a_stopped_process_is_ended_and_the_others_go_on() {
    const COUNT: usize = 60_000;
    let server = impatient();
    let mut operator = server.client();
    operator.subscribe(ADVISORY, "1");
    let stopped = StoppedSubscriber::start(&server);
    let mut healthy = server.client();
    healthy.subscribe("load.>", "1");
    let addr = server.addr();
    let publisher = thread::spawn(move || publish_numbered(addr, 0, COUNT));
    read_all(&mut healthy, 1, COUNT);
    publisher.join().unwrap();
    assert_told(&server, &mut operator, stopped.cid);
    // Let go on, it reads what is left, finds the connection closed and says so.
    assert_eq!(stopped.resume_to_end(), Some(1));
}

/// `floodway sub` under SIGSTOP.
struct StoppedSubscriber {
    child: Child,
    cid: u64,
}

impl StoppedSubscriber {
    fn start(server: &Server) -> StoppedSubscriber {
        let server_url = format!("nats://{}", server.addr());
        let child = Command::new(FLOODWAY)
            .args(["sub", "load.>", "--raw", "--server", &server_url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut subscriber = StoppedSubscriber { child, cid: 0 };
        wait_until("the command has subscribed", || {
            let list = server.get("/connz?subs=1").json();
            let connections = list["connections"].as_array().cloned().unwrap_or_default();
            let ours = connections.iter().find(|entry| {
                entry["subscriptions_list"]
                    .as_array()
                    .is_some_and(|subs| subs.iter().any(|subject| subject == "load.>"))
            });
            subscriber.cid = ours.and_then(|entry| entry["cid"].as_u64()).unwrap_or(0);
            subscriber.cid != 0
        });
        kill_process(Pid::from_child(&subscriber.child), Signal::STOP).expect("it runs");
        subscriber
    }

    fn resume_to_end(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("it is there");
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for StoppedSubscriber {
    fn drop(&mut self) {
        // Already gone in a test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes all of `bytes`, counting how often nothing could be written for 100 ms.
fn write_counting_stalls(client: &Client, mut bytes: &[u8]) -> usize {
    let mut stalls = 0;
    let mut stream = client.stream();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let start = Instant::now();
    while !bytes.is_empty() {
        assert!(start.elapsed() < PATIENCE, "the publisher is stuck, {} bytes left", bytes.len());
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                stalls += 1;
            }
            Err(error) => panic!("the publisher was cut off: {error}"),
        }
    }
    stalls
}

// checklist: A5, E8
#[test]
fn a_publisher_is_paced_by_its_only_subscriber_until_that_one_is_ended() {
    let server = impatient();
    let mut operator = server.client();
    operator.subscribe(ADVISORY, "1");
    let mut lazy = stalled(&server);
    let before = resident_bytes(server.pid());
    let mut publisher = server.client();
    let payload = vec![b'x'; 1000];
    let batch: Vec<u8> = (0..40_000).flat_map(|_| publish_bytes("load.0", &payload)).collect();
    let start = Instant::now();
    let stalls = write_counting_stalls(&publisher, &batch);
    let took = start.elapsed();
    publisher.ping();
    assert!(stalls >= 5, "40 MB went through while nobody read: {stalls} stalls, {took:?}");
    assert!(took > Duration::from_millis(800), "it is ended after 1 s, not {took:?}");
    let grown = resident_bytes(server.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for a queue that holds 4 MiB at most");
    assert_told(&server, &mut operator, lazy.cid());
    while lazy.next_message().is_some() {}
}

// checklist: E8
#[test]
fn a_slow_subscriber_that_moves_loses_nothing() {
    const COUNT: usize = 100_000;
    let server = impatient();
    let mut slow = stalled(&server);
    let addr = server.addr();
    let publisher = thread::spawn(move || publish_numbered(addr, 0, COUNT));
    for number in 0..COUNT {
        let message = slow.next_message();
        let message = message.unwrap_or_else(|| panic!("cut off after {number} of {COUNT}"));
        assert_eq!(numbered(&message), (0, number));
        if number % 500 == 0 {
            // What makes it slow: some 3 s for all, more than its 1 s limit without progress.
            thread::sleep(Duration::from_millis(15));
        }
    }
    publisher.join().unwrap();
    slow.ping();
}

/// Each floods the other and reads nothing: both are over their mark, so neither may be paced by
/// the other, and both end with the reason that they are slow.
// checklist: B8, E4
// spec: BPR-2
#[test]
fn two_peers_that_only_write_do_not_lock_each_other() {
    let server = impatient();
    let ends: Vec<_> = [("load.a", "load.b"), ("load.b", "load.a")]
        .map(|(hears, says)| {
            let stream = connect_with_receive_buffer(server.addr(), 8 * 1024);
            let mut client = Client::over(stream);
            client.send(b"CONNECT {\"verbose\":false}\r\n");
            client.subscribe(hears, "1");
            (client, says)
        })
        .into_iter()
        .map(|(mut client, says)| {
            thread::spawn(move || {
                let batch: Vec<u8> =
                    (0..1000).flat_map(|_| publish_bytes(says, &[b'x'; 1000])).collect();
                // 40 MB each, or less when it is cut off; a lock-up fails the write's timeout.
                let start = Instant::now();
                let sent = (0..40).take_while(|_| client.send_if_open(&batch)).count();
                (sent, start.elapsed())
            })
        })
        .collect();
    for end in ends {
        let (sent, took) = end.join().unwrap();
        assert!(took < PATIENCE / 2, "{sent} MB in {took:?}");
    }
    server.client().ping();
}

/// While a minority stalls, publishers are not slowed: the same load takes about as long.
// checklist: A1
// spec: BPR-1
#[test]
fn a_minority_does_not_pace_publishers() {
    const COUNT: usize = 40_000;
    let config = IMPATIENT.replace("behind = \"1s\"", "behind = \"60s\"");
    let config = config.replace("bytes = \"4MiB\"", "bytes = \"64MiB\"");
    let server = Launch::new().config(&config).start();
    let lazy = stalled(&server);
    let mut healthy: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut healthy {
        client.subscribe("load.>", "1");
    }
    let readers: Vec<_> = healthy
        .into_iter()
        .map(|mut client| thread::spawn(move || read_all(&mut client, 1, COUNT)))
        .collect();
    let start = Instant::now();
    // With a stalled one that is never ended within the test, pacing by it would never finish.
    publish_numbered(server.addr(), 0, COUNT);
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    drop(lazy);
}
