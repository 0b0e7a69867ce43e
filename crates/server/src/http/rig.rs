//! For the tests: a broker with clients that do exactly what they are told, and its pages.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use floodway::{
    Consumer, EndReason, Extract, Extraction, Filter, Limits, Message, Missed, Overflow,
    PushbackMode, Query, Runs, SubscriptionKey, Taken, Tally,
};
use floodway_broker::{
    Access, Broker, BrokerConfig, Framing, Identity, Notes, Report, Rules, Session, Sid,
    SubscriptionSpec, WriteEnd,
};
use floodway_queue::{BlockPool, ByteQueue};
use serde_json::Value;

use super::door::Patience;
use super::{HttpServer, StatusSource, start_with};

/// Subscriptions end when so many messages are queued.
pub(super) const QUEUE_LIMIT: u64 = 6;
/// What everything queued may hold.
pub(super) const MEMORY: u64 = 1 << 30;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    pub(super) broker: Arc<Broker>,
    pub(super) http: HttpServer,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_patience(Patience::default())
    }

    pub(super) fn with_patience(patience: Patience) -> Self {
        let limits = Limits { messages: Some(QUEUE_LIMIT), ..Limits::default() };
        let broker = Arc::new(Broker::new(BrokerConfig {
            memory_budget: MEMORY,
            connection: Overflow::default(),
            burst: 0,
            subscription: Overflow::disconnect(limits),
            rules: Rules::default(),
            extract: vec![extract()],
            mark: 1 << 20,
            pushback: PushbackMode::Most,
            max_subscriptions: None,
            access: Access::default(),
        }));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let http = start_with(any, source(broker.clone()), patience).unwrap();
        Self { broker, http }
    }

    /// A client from `127.0.0.1:port`.
    pub(super) fn client(&self, port: u16) -> Client {
        let session = self.broker.open(([127, 0, 0, 1], port).into(), Instant::now());
        self.broker.attach(&session, Arc::new(Receiver(session.clone())));
        Client { broker: self.broker.clone(), session }
    }

    /// Publishes messages of 10 bytes.
    pub(super) fn publish(&self, subject: &str, messages: u64) {
        for _ in 0..messages {
            self.broker.bus().publish(subject, b"0123456789").unwrap();
        }
    }

    pub(super) fn get(&self, path: &str) -> Response {
        get(self.http.addr(), path)
    }

    /// The samples of `/metrics` by name and labels, as written.
    pub(super) fn metrics(&self) -> BTreeMap<String, f64> {
        let text = self.get("/metrics").body;
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        let list: Vec<(String, f64)> = samples.map(sample).collect();
        let count = list.len();
        let map: BTreeMap<_, _> = list.into_iter().collect();
        assert_eq!(map.len(), count, "a series appears twice:\n{text}");
        map
    }
}

/// The prices of `prices.*`.
fn extract() -> Extract {
    let extraction = Extraction::json([("price", "/price")]).unwrap();
    Extract { filter: Filter::new("prices.*").unwrap(), extraction }
}

pub(super) fn source(broker: Arc<Broker>) -> StatusSource {
    StatusSource {
        broker,
        server_id: "NTEST".into(),
        server_name: "a test".into(),
        version: "1.2.3",
        client_addr: ([127, 0, 0, 1], 4222).into(),
        max_payload: 1_048_576,
        max_connections: 65_536,
        ping_interval: Duration::from_secs(120),
        ping_max: 2,
        auth_required: true,
        threads: 3,
        started: SystemTime::now() - Duration::from_secs(63),
        config_load_time: SystemTime::UNIX_EPOCH,
    }
}

pub(super) struct Client {
    broker: Arc<Broker>,
    pub(super) session: Arc<Session>,
}

impl Client {
    pub(super) fn id(&self) -> u64 {
        self.session.id()
    }

    pub(super) fn named(self, name: &str) -> Self {
        self.session.identify(Identity {
            name: Some(name.into()),
            lang: Some("rust".into()),
            version: Some("0.1".into()),
            user: Some(format!("{name}'s user")),
        });
        self
    }

    pub(super) fn subscribe(&self, sid: &str, filter: &str, queue_group: Option<&str>) {
        let queue_group = queue_group.map(|name| name.as_bytes().into());
        self.enter(sid, filter, SubscriptionSpec { queue_group, ..SubscriptionSpec::default() });
    }

    /// The end of this subscription will not end the connection.
    pub(super) fn subscribe_alone(&self, sid: &str, filter: &str) {
        let report = Report::Status;
        self.enter(sid, filter, SubscriptionSpec { report, ..SubscriptionSpec::default() });
    }

    /// It gets what the query matches.
    pub(super) fn subscribe_by_query(&self, sid: &str, filter: &str, query: Query) {
        let query = Some(query);
        self.enter(sid, filter, SubscriptionSpec { query, ..SubscriptionSpec::default() });
    }

    fn enter(&self, sid: &str, filter: &str, spec: SubscriptionSpec) {
        let filter = Filter::new(filter).unwrap();
        self.broker.subscribe(&self.session, Sid::new(sid.as_bytes()), filter, spec).unwrap();
    }

    pub(super) fn unsubscribe(&self, sid: &str) {
        self.broker.unsubscribe(&self.session, &Sid::new(sid.as_bytes()), None);
    }

    /// Its socket takes the next `messages`, of 10 bytes each, and then no more.
    pub(super) fn take(&self, messages: usize) {
        let bytes = messages * 10;
        self.session.with_outbox(|outbox| {
            outbox.on_writable();
            let mut queue = outbox.begin_write(&Bare, Instant::now()).expect("something is queued");
            queue.advance(bytes, self.broker.pool());
            outbox.end_write(queue, bytes, WriteEnd::Blocked, Instant::now());
        });
        self.session.count_out(bytes as u64);
    }

    /// What time brings, once so much of it has passed.
    pub(super) fn sweep(&self, after: Duration) {
        assert_eq!(self.session.sweep(&Bare, Instant::now() + after), None);
    }

    pub(super) fn close(&self) {
        self.broker.close(&self.session, Instant::now());
    }
}

struct Receiver(Arc<Session>);

impl Consumer for Receiver {
    fn deliver(&self, runs: Runs<'_>, now: Instant, tally: &mut Tally) -> Taken {
        self.0.deliver(runs, &Bare, now, || (), tally).taken
    }

    fn wake(&self, _now: Instant) {}

    fn is_behind(&self) -> bool {
        self.0.is_behind()
    }

    fn sets_pace(&self, key: SubscriptionKey) -> bool {
        self.0.sets_pace(key)
    }

    fn has_ended(&self) -> bool {
        self.0.end_reason().is_some()
    }

    fn is_over_mark(&self, resume: bool) -> bool {
        self.0.is_over_mark(resume)
    }

    fn on_below_mark(&self, waker: Waker) {
        self.0.on_below_mark(waker);
    }

    fn held_bytes(&self) -> u64 {
        self.0.with_outbox(|outbox| outbox.held_bytes()) as u64
    }

    fn evict(&self, reason: EndReason) {
        self.0.evict(reason);
    }

    fn sweep(&self, _now: Instant) -> bool {
        false
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        self.0.reap()
    }

    fn label(&self) -> String {
        String::new()
    }
}

/// Payloads and nothing else, so that what a socket took is easy to count.
struct Bare;

impl Framing for Bare {
    fn head(&self, _subject: &[u8], _sid: &Sid, _head: &mut Vec<u8>) {}

    fn frame(
        &self,
        _head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    ) {
        let payload = message.payload;
        out.append(payload.len(), waiting, pool, |block| block.extend_from_slice(payload));
    }

    fn frame_len(&self, _head: &[u8], message: &Message<'_>) -> usize {
        message.payload.len()
    }

    fn tells(&self) -> bool {
        true
    }

    fn annotate(&self, _headers: &[u8], _notes: &Notes<'_>, _annotated: &mut Vec<u8>) -> bool {
        true
    }

    fn missed(&self, _subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8> {
        format!("{sid} missed {}", missed.total()).into_bytes()
    }

    fn ended(&self, _subject: &[u8], _sid: &Sid, _reason: &EndReason) -> Vec<u8> {
        Vec::new()
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Response {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(super) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits for the server's next move; true if it was to give up the connection.
pub(super) fn is_cut_off(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        // What of the request was not read yet makes a reset of the close.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

pub(super) fn get(addr: SocketAddr, path: &str) -> Response {
    ask(addr, "GET", path)
}

pub(super) fn ask(addr: SocketAddr, method: &str, path: &str) -> Response {
    let mut stream = connect(addr);
    let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
