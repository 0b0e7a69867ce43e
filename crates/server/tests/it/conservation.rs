//! Random clients over real sockets: whatever they do, nothing is lost, doubled or reordered for
//! those who read, and every subscription's account adds up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::footprint::wait_until;
use crate::random::Random;
use crate::raw::{Client, Message, connect_with_receive_buffer, publish_bytes};
use crate::server::{Launch, Server};

const PUBLISHERS: usize = 3;
const EACH: usize = 12_000;
/// Message `n` of publisher `p` goes to `c.<p>.<n % LANES>`.
const LANES: usize = 3;

/// The stalled ones are ended at 1 MiB, or after a second.
const CONFIG: &str = concat!(
    "[limits]\npayload = \"64KiB\"\n",
    "[overflow]\nlinger = \"500ms\"\n",
    "[overflow.connection]\nbytes = \"1MiB\"\nbehind = \"1s\"\n",
    "[pushback]\nmark = \"256KiB\"\n",
);

/// What a subscriber does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Reads,
    /// `UNSUB 1 <max>` right after its SUB.
    Limited(usize),
    /// Unsubscribes after so many, and goes on reading.
    Unsubscribes(usize),
    /// Drops the connection after so many.
    Quits(usize),
    /// Does not read until all is published.
    Stalls,
}

#[derive(Debug, Clone)]
struct Plan {
    filter: String,
    queue: Option<&'static str>,
    behaviour: Behaviour,
}

impl Plan {
    fn random(random: &mut Random) -> Plan {
        let (publisher, lane) = (random.below(PUBLISHERS), random.below(LANES));
        let filter = match random.below(5) {
            0 => format!("c.{publisher}.{lane}"),
            1 => format!("c.{publisher}.*"),
            2 => format!("c.*.{lane}"),
            3 => "c.*.*".to_owned(),
            _ => "c.>".to_owned(),
        };
        let some = 1 + random.below(EACH);
        let behaviour = match random.below(8) {
            0 => Behaviour::Limited(some),
            1 => Behaviour::Unsubscribes(some),
            2 => Behaviour::Quits(some),
            _ => Behaviour::Reads,
        };
        Plan { filter, queue: None, behaviour }
    }

    fn is_match(&self, publisher: usize, number: usize) -> bool {
        let subject = format!("c.{publisher}.{}", number % LANES);
        let mut words = subject.split('.');
        for wanted in self.filter.split('.') {
            match (wanted, words.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(word)) if wanted == word => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }

    /// The numbers of one publisher that match, in their order.
    fn matching(&self, publisher: usize) -> Vec<usize> {
        // Whether a number matches depends on its lane alone.
        let lanes: Vec<bool> = (0..LANES).map(|lane| self.is_match(publisher, lane)).collect();
        (0..EACH).filter(|number| lanes[number % LANES]).collect()
    }
}

/// What a subscriber saw: the numbers of each publisher, in the order they came.
type Seen = Vec<Vec<usize>>;

/// A subscriber at its end; the connection stays open while it is kept.
struct Finished {
    plan: Plan,
    seen: Seen,
    client: Option<Client>,
}

fn numbered(message: &Message) -> (usize, usize) {
    let text = std::str::from_utf8(&message.payload).unwrap();
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn subscribe(addr: SocketAddr, plan: &Plan) -> Client {
    let mut client = match plan.behaviour {
        Behaviour::Stalls => Client::over(connect_with_receive_buffer(addr, 8 * 1024)),
        _ => Client::connect(addr),
    };
    client.send(b"CONNECT {\"verbose\":false}\r\n");
    let queue = plan.queue.map(|queue| format!(" {queue}")).unwrap_or_default();
    client.send(format!("SUB {}{queue} 1\r\nSUB end 2\r\n", plan.filter).as_bytes());
    if let Behaviour::Limited(max) = plan.behaviour {
        client.send(format!("UNSUB 1 {max}\r\n").as_bytes());
    }
    client.ping();
    client
}

fn follow(mut client: Client, plan: Plan, all_published: &AtomicBool) -> Finished {
    let mut seen = vec![Vec::new(); PUBLISHERS];
    let mut count = 0;
    if plan.behaviour == Behaviour::Stalls {
        client.allow_cut();
        wait_until("all is published", || all_published.load(Ordering::Acquire));
    }
    while let Some(message) = client.next_message() {
        if message.sid == "2" {
            return Finished { plan, seen, client: Some(client) };
        }
        let (publisher, number) = numbered(&message);
        seen[publisher].push(number);
        count += 1;
        match plan.behaviour {
            Behaviour::Unsubscribes(after) if after == count => client.send(b"UNSUB 1\r\n"),
            Behaviour::Quits(after) if after == count => break,
            _ => {}
        }
    }
    let is_end_due = matches!(plan.behaviour, Behaviour::Quits(_) | Behaviour::Stalls);
    assert!(is_end_due, "cut off after {count}: {plan:?}");
    Finished { plan, seen, client: None }
}

fn publish(addr: SocketAddr, publisher: usize) {
    let mut client = Client::ready(addr);
    for start in (0..EACH).step_by(200) {
        let batch: Vec<u8> = (start..(start + 200).min(EACH))
            .flat_map(|number| {
                let payload = format!("{publisher} {number:<200}");
                publish_bytes(&format!("c.{publisher}.{}", number % LANES), payload.as_bytes())
            })
            .collect();
        client.send(&batch);
    }
    client.ping();
}

/// Each account that is shown adds up, at any moment.
fn check_accounts(server: &Server) -> Vec<Value> {
    let list = server.get("/connz?subs=detail").json();
    let connections = list["connections"].as_array().expect("connections").clone();
    for connection in &connections {
        for detail in connection["subscriptions_list_detail"].as_array().expect("details") {
            let field = |name: &str| detail[name].as_u64().unwrap_or_else(|| panic!("{detail}"));
            let parts = ["delivered", "lost", "queued", "conflated", "expired"].map(field);
            assert_eq!(field("matched"), parts.iter().sum::<u64>(), "{detail}");
        }
    }
    connections
}

fn check_stream(Finished { plan, seen, .. }: &Finished) {
    let mut total = 0;
    let mut total_matching = 0;
    for (publisher, numbers) in seen.iter().enumerate() {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{plan:?}: not strictly rising");
        let matching = plan.matching(publisher);
        total += numbers.len();
        total_matching += matching.len();
        if plan.queue.is_none() {
            let front = &matching[..numbers.len().min(matching.len())];
            assert!(numbers == front, "{plan:?}: a hole in what came of publisher {publisher}");
        }
    }
    match plan.behaviour {
        Behaviour::Reads if plan.queue.is_none() => assert_eq!(total, total_matching, "{plan:?}"),
        Behaviour::Limited(max) => assert_eq!(total, max.min(total_matching), "{plan:?}"),
        Behaviour::Unsubscribes(after) => assert!(total >= after.min(total_matching), "{plan:?}"),
        _ => assert!(total <= total_matching, "{plan:?}"),
    }
}

/// The members of a queue group share: together they have each message once.
fn check_groups(finished: &[Finished]) {
    let mut groups: BTreeMap<&str, Vec<&Finished>> = BTreeMap::new();
    for one in finished {
        if let Some(queue) = one.plan.queue {
            groups.entry(queue).or_default().push(one);
        }
    }
    for (queue, members) in groups {
        for publisher in 0..PUBLISHERS {
            let mut all: Vec<usize> =
                members.iter().flat_map(|one| one.seen[publisher].iter().copied()).collect();
            all.sort_unstable();
            let wanted: Vec<usize> = (0..EACH)
                .filter(|n| members.iter().any(|one| one.plan.is_match(publisher, *n)))
                .collect();
            assert!(all == wanted, "{queue}: {} of {} shared", all.len(), wanted.len());
        }
    }
}

/// What the server says of a healthy plain subscription is what its client saw.
fn check_against_accounts(connections: &[Value], finished: &[Finished]) {
    for one in finished {
        let Some(client) = &one.client else { continue };
        let entry = connections.iter().find(|entry| entry["cid"] == client.cid());
        let entry = entry.unwrap_or_else(|| panic!("connection {} is not listed", client.cid()));
        let details = entry["subscriptions_list_detail"].as_array().expect("details");
        let detail = details.iter().find(|detail| detail["sid"] == "1");
        // One that is over is no longer listed.
        let Some(detail) = detail else {
            assert_ne!(one.plan.behaviour, Behaviour::Reads, "{entry}");
            continue;
        };
        let seen: usize = one.seen.iter().map(Vec::len).sum();
        assert_eq!(detail["delivered"], seen, "{:?}: {detail}", one.plan);
        assert_eq!((&detail["lost"], &detail["queued"]), (&0.into(), &0.into()), "{detail}");
    }
}

fn plans(random: &mut Random) -> Vec<Plan> {
    let mut plans: Vec<Plan> = (0..6).map(|_| Plan::random(random)).collect();
    let reads = Behaviour::Reads;
    for (queue, filters) in [("q", ["c.>", "c.>", "c.0.*"]), ("r", ["c.*.1", "c.1.1", "c.*.*"])] {
        let member =
            |filter: &str| Plan { filter: filter.to_owned(), queue: Some(queue), behaviour: reads };
        plans.extend(filters.map(member));
    }
    // One that is slow whatever the seed, and one that is not.
    plans.push(Plan { filter: "c.>".to_owned(), queue: None, behaviour: Behaviour::Stalls });
    plans.push(Plan { filter: "c.>".to_owned(), queue: None, behaviour: reads });
    plans
}

// checklist: A2, A8, B13
// spec: CON-1, CON-3, ORD-1
#[test]
fn every_message_is_accounted_for() {
    let mut random = Random::announced("conservation");
    let server = Launch::new().config(CONFIG).start();
    let addr = server.addr();
    let plans = plans(&mut random);
    println!("{plans:#?}");
    let all_published = Arc::new(AtomicBool::new(false));
    let subscribers: Vec<JoinHandle<Finished>> = plans
        .into_iter()
        .map(|plan| {
            let client = subscribe(addr, &plan);
            let all_published = Arc::clone(&all_published);
            thread::spawn(move || follow(client, plan, &all_published))
        })
        .collect();
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|at| thread::spawn(move || publish(addr, at))).collect();
    // The accounts are looked at while everything is on the move.
    while !publishers.iter().all(JoinHandle::is_finished) {
        check_accounts(&server);
    }
    for publisher in publishers {
        publisher.join().expect("a publisher gets everything out");
    }
    all_published.store(true, Ordering::Release);
    server.client().send(b"PUB end 0\r\n\r\n");
    let finished: Vec<Finished> =
        subscribers.into_iter().map(|one| one.join().expect("a subscriber ends well")).collect();
    finished.iter().for_each(check_stream);
    check_groups(&finished);
    let connections = check_accounts(&server);
    check_against_accounts(&connections, &finished);
}
