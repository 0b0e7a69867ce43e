//! What goes wrong with clients that chose a policy: stopped, gone, or talking nonsense.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::footprint::wait_until;
use crate::random::Random;
use crate::raw::PATIENCE;
use crate::server::{FLOODWAY, Server};
use crate::told::{
    WITH_HEADERS, ask, assert_conserved, connection, count, keeping, lazy, numbered, publish,
    request, small_sockets, subscribe,
};

/// `floodway sub` in a process of its own, with the lines it prints.
struct Subscriber {
    child: Child,
    lines: Receiver<Value>,
}

impl Subscriber {
    fn start(server: &Server, options: &[&str]) -> Subscriber {
        let server_url = format!("nats://{}", server.addr());
        let mut child = Command::new(FLOODWAY)
            .args(["sub", "load.>", "--json", "--server", &server_url])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (print, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("JSON lines");
                // The test may be over.
                let _ = print.send(line);
            }
        });
        Subscriber { child, lines }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The only connection that listens to `load.>`.
fn subscribed(server: &Server) -> Option<u64> {
    let list = server.get("/connz?subs=1").json();
    let connections = list["connections"].as_array().expect("connections");
    let listens = |entry: &&Value| entry["subscriptions_list"] == json!(["load.>"]);
    connections.iter().find(listens).and_then(|entry| entry["cid"].as_u64())
}

/// A stopped process survives under a policy that loses messages, and goes on with the newest.
// checklist: A1
// spec: OVF-4, TLD-1
#[test]
fn a_stopped_process_goes_on_with_the_newest_and_knows_what_it_missed() {
    const COUNT: u64 = 60_000;
    const KEPT: u64 = 1000;
    let server = Server::start();
    let options = ["--overflow", "drop-oldest", "--limit", "messages=1000"];
    let subscriber = Subscriber::start(&server, &options);
    wait_until("the command has subscribed", || subscribed(&server).is_some());
    let cid = subscribed(&server).unwrap();
    subscriber.signal(Signal::STOP);
    let mut publisher = server.client();
    publish(&mut publisher, "load.0", 0..COUNT as usize, 128);
    let shown = connection(&server, cid);
    assert!(shown["lost"]["dropped_oldest"].as_u64() > Some(COUNT / 3), "{shown}");
    assert_conserved(&shown["subscriptions_list_detail"][0]);
    subscriber.signal(Signal::CONT);
    let (mut next, mut missed) = (0, 0);
    while next < COUNT {
        let line = subscriber.lines.recv_timeout(PATIENCE).expect("a line");
        if let Some(headers) = line.get("headers").filter(|_| line["status"].is_number()) {
            let text = headers.to_string();
            let told = text.split("\"Floodway-Missed\":").nth(1).expect("what was missed");
            let digits: String = told.chars().skip_while(|c| !c.is_ascii_digit()).collect();
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let count: u64 = digits[..end].parse().unwrap();
            (next, missed) = (next + count, missed + count);
            assert!(next <= COUNT - KEPT, "those are kept: {line}");
            continue;
        }
        let payload = line["payload"].as_str().expect("a payload").trim().parse::<u64>();
        assert_eq!(payload.unwrap(), next, "a hole that nobody told of");
        next += 1;
    }
    let shown = connection(&server, cid);
    assert_eq!(shown["lost"]["dropped_oldest"], missed, "{shown}");
}

/// Whoever goes away with messages in its lanes: what it did not get is counted, while others
/// publish on and write to it.
// checklist: A2
// spec: CON-3
#[test]
fn a_client_that_never_reads_and_closes_leaves_an_exact_account() {
    let server = small_sockets();
    let policies = ["drop-oldest", "drop-newest", "conflate", "disconnect"];
    for round in 0..12 {
        let mut client = lazy(&server, WITH_HEADERS);
        let mut wish = keeping(policies[round % 4], 2000, ["header", "status"][round % 2]);
        wish["limits"]["ttl"] = "20ms".into();
        subscribe(&mut client, "load.>", "1", &wish);
        let cid = client.cid();
        let mut publisher = server.client();
        let publishing = thread::spawn(move || publish(&mut publisher, "load.0", 0..20_000, 128));
        wait_until("it has fallen behind", || count(&connection(&server, cid), "matched") > 2000);
        // With bytes unread this is a reset.
        drop(client);
        publishing.join().expect("nobody else is disturbed");
        wait_until("it is over", || connection(&server, cid)["stop"].is_string());
        let last = connection(&server, cid);
        let lost: u64 = last["lost"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let parts = ["out_msgs", "conflated", "expired"].map(|name| count(&last, name));
        let sum = lost + parts.iter().sum::<u64>();
        assert_eq!(count(&last, "matched"), sum, "round {round}: {last}");
    }
    server.client().ping();
}

/// Right requests with wrong bytes in them: granted whole, or refused with a reason and a place.
#[test]
fn garbage_for_a_control_request_is_refused_with_a_reason() {
    let mut random = Random::announced("garbage for a control request");
    let server = Server::start();
    let mut client = server.client();
    let wish = json!({"queue": "g", "report": "status",
        "overflow": {"policy": "conflate", "key": "json:/a/b", "fallback": "drop-newest"},
        "limits": {"messages": 1000, "bytes": "8MiB", "behind": "10s", "ttl": "5s"}});
    let right = request("q.>", "d", &wish).into_bytes();
    assert_eq!(ask(&mut client, &right)["ok"], true);
    for round in 0..300 {
        let mut asked = right.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(asked.len());
            match random.below(5) {
                0 => asked[at] = random.next() as u8,
                1 => asked.truncate(at + 1),
                2 => asked.insert(at, *random.pick(b"{}[]\",:0-.e\\\0\xff")),
                3 => drop(asked.remove(at)),
                _ => asked.extend_from_within(at..),
            }
            if asked.is_empty() {
                asked = random.bytes(20);
            }
        }
        let answer = ask(&mut client, &asked);
        let shown = String::from_utf8_lossy(&asked).into_owned();
        if answer["ok"] == true {
            let granted = &answer["granted"];
            let whole = ["filter", "deliver", "overflow", "limits", "report"];
            assert!(whole.iter().all(|name| !granted[name].is_null()), "{shown}: {answer}");
            continue;
        }
        let texts = ["code", "message", "at"].map(|name| answer["error"][name].as_str());
        assert!(answer["ok"] == false && texts.iter().all(Option::is_some), "{shown}: {answer}");
        assert!(texts[1].is_some_and(|text| text.len() < 400), "round {round}: {answer}");
    }
    for size in [0, 1, 1000, 70_000] {
        assert_eq!(ask(&mut client, &random.bytes(size))["ok"], false);
    }
    client.publish("q.a", &numbered(1, 8));
    client.ping();
}
