//! Random policies, limits, rates, stalls, changes and disconnects against a model, on one server.
//!
//! The model knows the order in which everything was published, so it knows the sequence numbers
//! of each subscription. What its client reads has to fit, message by message: nothing doubled,
//! nothing out of order, and no hole that was not told. After every step the accounts of the
//! server have to add up, and those of open subscriptions to agree with what was published.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use crate::footprint::wait_until;
use crate::random::Random;
use crate::raw::{Client, Event, Message, publish_bytes};
use crate::server::Server;
use crate::told::{
    API, Told, WITH_HEADERS, WITHOUT_HEADERS, assert_conserved, barrier, connection, count, hpub,
    lazy, request, small_sockets,
};

const CASES: usize = 24;
const STEPS: usize = 100;
const READERS: usize = 3;
const KEYS: usize = 7;

/// A subscription, and how much of what it matched its client knows about.
#[derive(Debug)]
struct Subscription {
    sid: String,
    /// Only this key; all of them if absent.
    key: Option<usize>,
    wish: Value,
    is_told: bool,
    /// Published while it was open.
    open: Range<usize>,
    is_open: bool,
    has_ended: bool,
    received: u64,
    missed: u64,
    conflated: u64,
    /// Of a queue without keys: the sequence number of the last message received or missed.
    seq: u64,
    latest: BTreeMap<usize, usize>,
}

impl Subscription {
    fn random(random: &mut Random, at: usize, has_headers: bool, published: usize) -> Subscription {
        let policy = *random.pick(&["drop-oldest", "drop-newest", "conflate", "disconnect"]);
        let mut overflow = json!({"policy": policy});
        if policy == "conflate" {
            overflow["key"] = (*random.pick(&["subject", "header:Key", "json:/k"])).into();
            overflow["fallback"] =
                (*random.pick(&["drop-oldest", "drop-newest", "disconnect"])).into();
        }
        let mut limits = json!({"messages": random.pick(&[1, 3, 20, 300])});
        if random.one_in(3) {
            // The largest messages do not fit into the first of these at all.
            limits["bytes"] = (*random.pick(&[1500, 10_000])).into();
        }
        if random.one_in(4) {
            limits["ttl"] = "20ms".into();
        }
        // What may end has to be told so, or it would end the whole connection.
        let may_end = policy == "disconnect" || overflow["fallback"] == "disconnect";
        let report = if may_end { "status" } else { *random.pick(&["header", "status", "none"]) };
        Subscription {
            sid: format!("s{at}"),
            key: random.one_in(3).then(|| random.below(KEYS)),
            wish: json!({"overflow": overflow, "limits": limits, "report": report}),
            is_told: has_headers && report != "none",
            open: published..published,
            is_open: true,
            has_ended: false,
            received: 0,
            missed: 0,
            conflated: 0,
            seq: 0,
            latest: BTreeMap::new(),
        }
    }

    fn is_keyed(&self) -> bool {
        self.wish["overflow"]["policy"] == "conflate"
    }

    fn is_match(&self, key: usize) -> bool {
        self.key.is_none_or(|wanted| wanted == key)
    }

    /// The numbers it matched, in order: the first has sequence number 1.
    fn matching<'a>(&'a self, published: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let until = if self.is_open { published.len() } else { self.open.end };
        (self.open.start..until).filter(|&number| self.is_match(published[number]))
    }

    fn matched(&self, published: &[usize]) -> u64 {
        self.matching(published).count() as u64
    }

    fn has_the_last(&self, published: &[usize]) -> bool {
        self.latest.values().max() == self.matching(published).last().as_ref()
    }

    /// A message came for it, or something about it.
    fn hear(&mut self, message: &Message, published: &[usize]) {
        assert!(!self.has_ended, "{message:?} after the end of {self:#?}");
        let told = Told::of(message);
        let is_lossy = told.missed.is_some() || told.conflated > 0;
        assert!(self.is_told || !is_lossy, "it is not to be told: {message:?} {self:#?}");
        if let Some(missed) = &told.missed {
            self.missed += missed.count;
            if !self.is_keyed() {
                let wanted = (self.seq + 1, self.seq + missed.count);
                assert_eq!((missed.first, missed.last), wanted, "{missed:?} {self:#?}");
                self.seq = missed.last;
            }
        }
        self.conflated += told.conflated;
        match told.status {
            None => self.receive(message, published),
            Some(100) => assert!(message.payload.is_empty() && told.missed.is_some()),
            Some(409) => self.has_ended = true,
            Some(other) => panic!("status {other}: {message:?}"),
        }
    }

    fn receive(&mut self, message: &Message, published: &[usize]) {
        let json: Value = serde_json::from_slice(&message.payload).expect("JSON");
        let number = json["n"].as_u64().expect("a number") as usize;
        let key = published[number];
        assert!(self.is_match(key) && self.open.start <= number, "{message:?} {self:#?}");
        self.received += 1;
        // Whatever the policy, one key's messages stay in their order.
        let before = self.latest.insert(key, number);
        assert!(before.is_none_or(|before| before < number), "{before:?} {message:?} {self:#?}");
        if self.is_keyed() {
            return;
        }
        let seq = self.matching(published).position(|one| one == number);
        let seq = seq.expect("it matched while it was open") as u64 + 1;
        assert!(seq > self.seq, "out of order: {message:?} {self:#?}");
        assert!(!self.is_told || seq == self.seq + 1, "nobody told of the hole: {self:#?}");
        self.seq = seq;
    }
}

/// A client with its subscriptions, open and gone.
struct Reader {
    client: Client,
    has_headers: bool,
    subscriptions: Vec<Subscription>,
    heard: u64,
}

impl Reader {
    fn connect(server: &Server, random: &mut Random) -> Reader {
        let has_headers = !random.one_in(5);
        let client = lazy(server, if has_headers { WITH_HEADERS } else { WITHOUT_HEADERS });
        Reader { client, has_headers, subscriptions: Vec::new(), heard: 0 }
    }

    fn hear(&mut self, event: Event, published: &[usize]) {
        match event {
            Event::Message(message) => {
                let found = self.subscriptions.iter_mut().find(|one| one.sid == message.sid);
                let subscription = found.unwrap_or_else(|| panic!("whose is it: {message:?}"));
                let before = subscription.received;
                subscription.hear(&message, published);
                self.heard += subscription.received - before;
            }
            Event::Ping => self.client.send(b"PONG\r\n"),
            other => panic!("{other:?}"),
        }
    }

    /// Reads up to so many of the messages that were handed to its socket.
    fn read(&mut self, server: &Server, most: usize, published: &[usize]) {
        let written = count(&connection(server, self.client.cid()), "out_msgs");
        let until = written.min(self.heard + most as u64);
        while self.heard < until {
            let event = self.client.event();
            self.hear(event, published);
        }
    }

    /// Reads all that was queued.
    fn drain(&mut self, published: &[usize]) {
        self.client.send(b"PING\r\n");
        loop {
            match self.client.event() {
                Event::Pong => return,
                event => self.hear(event, published),
            }
        }
    }
}

/// One case: its own subjects, publishers and readers.
struct World<'a> {
    server: &'a Server,
    random: &'a mut Random,
    prefix: String,
    monitor: Client,
    publishers: Vec<Client>,
    readers: Vec<Reader>,
    /// The key of each message.
    published: Vec<usize>,
    names: usize,
}

impl World<'_> {
    fn subscribe(&mut self, at: usize) {
        let reader = &mut self.readers[at];
        self.names += 1;
        let mut wished =
            Subscription::random(self.random, self.names, reader.has_headers, self.published.len());
        if !reader.has_headers && wished.wish["report"] == "status" {
            // It could not be told of an end, and so would lose its connection.
            wished.wish["overflow"] = json!({"policy": "drop-oldest"});
        }
        let deliver = format!("_INBOX.{}", wished.sid);
        let filter = match wished.key {
            Some(key) => format!("{}.{key}", self.prefix),
            None => format!("{}.*", self.prefix),
        };
        let request = request(&filter, &deliver, &wished.wish);
        // Without a reply: it would have to wait for what its client does not read.
        reader.client.send(&publish_bytes(API, request.as_bytes()));
        reader.client.send(format!("SUB {deliver} {}\r\n", wished.sid).as_bytes());
        reader.subscriptions.push(wished);
        barrier(&mut reader.client, &mut self.monitor);
    }

    fn unsubscribe(&mut self, at: usize) {
        let reader = &mut self.readers[at];
        let Some(open) = reader.subscriptions.iter_mut().rfind(|one| one.is_open) else { return };
        reader.client.send(format!("UNSUB {}\r\n", open.sid).as_bytes());
        (open.is_open, open.open.end) = (false, self.published.len());
        barrier(&mut reader.client, &mut self.monitor);
    }

    /// Publishes a burst; meanwhile somebody may read.
    fn publish(&mut self) {
        let most = *self.random.pick(&[3, 50, 600]);
        let burst = 1 + self.random.below(most);
        let pad = "x".repeat(*self.random.pick(&[0, 200, 2500]));
        let only = self.random.one_in(3).then(|| self.random.below(KEYS));
        let mut batch = Vec::new();
        for _ in 0..burst {
            let key = only.unwrap_or_else(|| self.random.below(KEYS));
            let number = self.published.len();
            let payload = format!("{{\"k\":\"{key}\",\"n\":{number},\"pad\":\"{pad}\"}}");
            let headers = format!("NATS/1.0\r\nKey: {key}\r\n\r\n");
            let subject = format!("{}.{key}", self.prefix);
            batch.extend(hpub(&subject, &headers, payload.as_bytes()));
            self.published.push(key);
        }
        let publisher = self.random.below(self.publishers.len());
        self.publishers[publisher].send(&batch);
        if self.random.one_in(2) {
            self.read();
        }
        self.publishers[publisher].ping();
    }

    fn read(&mut self) {
        let at = self.random.below(self.readers.len());
        let most = *self.random.pick(&[1, 30, 1000]);
        self.readers[at].read(self.server, most, &self.published);
    }

    /// A reader closes, mostly with messages unread, and another one comes.
    fn replace(&mut self) {
        let at = self.random.below(self.readers.len());
        let gone =
            std::mem::replace(&mut self.readers[at], Reader::connect(self.server, self.random));
        let cid = gone.client.cid();
        drop(gone);
        wait_until("it is over", || connection(self.server, cid)["stop"].is_string());
        assert_whole(&connection(self.server, cid));
        self.subscribe(at);
    }

    fn step(&mut self) {
        let reader = self.random.below(self.readers.len());
        match self.random.below(12) {
            0..6 => self.publish(),
            6..8 => self.read(),
            8 => self.readers[reader].drain(&self.published),
            9 => self.subscribe(reader),
            10 => self.unsubscribe(reader),
            _ => self.replace(),
        }
        self.look();
    }

    /// Everything the server says adds up, and agrees with what was published.
    fn look(&self) {
        for reader in &self.readers {
            let shown = connection(self.server, reader.client.cid());
            assert_whole(&shown);
            let details = shown["subscriptions_list_detail"].as_array().expect("details");
            for one in &reader.subscriptions {
                let Some(detail) = details.iter().find(|detail| detail["sid"] == one.sid) else {
                    let may_be_gone = !one.is_open || one.wish["report"] == "status";
                    assert!(may_be_gone, "{shown} {one:#?}");
                    continue;
                };
                let matched = one.matched(&self.published);
                // The account of one that ended by itself stands still.
                assert!(count(detail, "matched") <= matched, "{matched}: {detail}");
                let may_end = one.wish.to_string().contains("\"disconnect\"");
                assert!(may_end || count(detail, "matched") == matched, "{matched}: {detail}");
            }
        }
    }

    /// All is read; one more message for everybody tells what is still to be told.
    fn finish(&mut self) {
        self.drain();
        // On a busy machine such a message may itself wait too long and expire.
        for _ in 0..10 {
            self.publish_last();
            let all = self.readers.iter().flat_map(|reader| &reader.subscriptions);
            let mut open = all.filter(|one| one.is_open && !one.has_ended);
            if open.all(|one| one.has_the_last(&self.published)) {
                break;
            }
        }
        self.look();
        for reader in &self.readers {
            // What is written is counted right after it, so a client may know first.
            wait_until("all is counted as delivered", || {
                count(&connection(self.server, reader.client.cid()), "pending_msgs") == 0
            });
            self.check_end(reader);
        }
    }

    fn drain(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.drain(&self.published));
    }

    /// A message of each key, one at a time: two of them could be too many for a limit of one, and
    /// of the second nobody would be told before the next message.
    fn publish_last(&mut self) {
        for key in 0..KEYS {
            let payload = format!("{{\"k\":\"{key}\",\"n\":{}}}", self.published.len());
            let headers = format!("NATS/1.0\r\nKey: {key}\r\n\r\n");
            let subject = format!("{}.{key}", self.prefix);
            self.publishers[0].send(&hpub(&subject, &headers, payload.as_bytes()));
            self.published.push(key);
            self.publishers[0].ping();
            self.drain();
        }
    }

    fn check_end(&self, reader: &Reader) {
        let shown = connection(self.server, reader.client.cid());
        let details = shown["subscriptions_list_detail"].as_array().expect("details");
        for one in &reader.subscriptions {
            let known = one.received + one.missed + one.conflated;
            let matched = one.matched(&self.published);
            assert!(known <= matched, "{known} of {matched}: {one:#?}");
            let detail = details.iter().find(|detail| detail["sid"] == one.sid);
            let Some(detail) = detail.filter(|_| one.is_open) else {
                assert!(one.has_ended || !one.is_open, "it is gone and was not told: {one:#?}");
                continue;
            };
            assert_eq!(detail["reason_code"].is_string(), one.has_ended, "{detail} {one:#?}");
            if one.has_ended {
                assert_eq!(count(detail, "delivered"), one.received, "{detail} {one:#?}");
                continue;
            }
            assert_eq!(count(detail, "matched"), matched, "{detail}");
            assert_eq!(count(detail, "delivered"), one.received, "{detail} {one:#?}");
            if !one.is_told {
                continue;
            }
            let conflated = count(detail, "conflated");
            assert_eq!(one.missed, count(detail, "lost") + count(detail, "expired"), "{detail}");
            assert!(one.conflated <= conflated, "{detail} {one:#?}");
            // What a message had replaced that was lost itself is in the account, and not told.
            if one.missed == 0 || !one.is_keyed() {
                assert_eq!((one.conflated, known), (conflated, matched), "{detail} {one:#?}");
            }
        }
    }
}

/// Law 1 for a connection and each of its subscriptions; no lane holds more than it may.
fn assert_whole(connection: &Value) {
    let details = connection["subscriptions_list_detail"].as_array().expect("details");
    details.iter().for_each(assert_conserved);
    let queued: u64 = details.iter().map(|detail| count(detail, "queued")).sum();
    let lost = connection["lost"].as_object().expect("losses");
    let lost: u64 = lost.values().map(|lost| lost.as_u64().expect("a count")).sum();
    let parts = ["out_msgs", "conflated", "expired"].map(|name| count(connection, name));
    let sum = lost + queued + parts.iter().sum::<u64>();
    assert_eq!(count(connection, "matched"), sum, "{connection}");
    for detail in details {
        // What is in the stream comes on top of what lanes may hold: up to 64 KiB.
        let most = detail["limits"]["messages"].as_u64().unwrap_or(0) + 64 * 1024 / 50;
        assert!(count(detail, "queued") <= most, "{detail}");
    }
}

fn play(server: &Server, random: &mut Random, case: usize, sums: &mut BTreeMap<&'static str, u64>) {
    let monitor = server.client();
    let publishers = (0..2).map(|_| server.client()).collect();
    let readers = (0..READERS).map(|_| Reader::connect(server, random)).collect();
    let prefix = format!("m{case}");
    let published = Vec::new();
    let mut world =
        World { server, random, prefix, monitor, publishers, readers, published, names: 0 };
    (0..READERS).for_each(|at| world.subscribe(at));
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
    for reader in &world.readers {
        let shown = connection(server, reader.client.cid());
        let names = ["out_msgs", "conflated", "expired"];
        names.iter().for_each(|name| *sums.entry(name).or_default() += count(&shown, name));
        for one in &reader.subscriptions {
            *sums.entry("told as missed").or_default() += one.missed;
            *sums.entry("told as conflated").or_default() += one.conflated;
            *sums.entry("told of the end").or_default() += u64::from(one.has_ended);
        }
    }
}

// checklist: A7, A8, B13
// spec: CON-1, CON-2, CON-3, ORD-1, TLD-1, TLD-2, TLD-3
#[test]
fn whatever_happens_everything_is_accounted_for_and_told() {
    let mut random = Random::announced("policy model");
    let server = small_sockets();
    let mut sums = BTreeMap::new();
    for case in 0..CASES {
        println!("case {case}");
        play(&server, &mut random, case, &mut sums);
    }
    println!("{sums:?}");
    // Otherwise nobody was slow, and it proves nothing.
    let enough = [("told as missed", 100), ("told as conflated", 10), ("told of the end", 1)];
    assert!(enough.iter().all(|(name, least)| sums[name] >= *least), "{sums:?}");
}
