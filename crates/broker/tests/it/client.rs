//! A client whose socket takes as much as a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

use floodway::{
    Consumer, EndReason, Filter, Limits, Message, Missed, Origin, Overflow, Pushback, PushbackMode,
    Router, Runs, SubscriptionKey, Taken, Tally, Wakeups,
};
use floodway_broker::{
    Access, Broker, BrokerConfig, Framing, Notes, Rules, Session, Sid, SubscribeRefused,
    Subscribed, SubscriptionSpec, WriteEnd,
};
use floodway_queue::{BlockPool, ByteQueue};

pub(crate) const UNLIMITED: Limits = Limits::NONE;

/// A broker without limits, but for `budget` bytes of memory.
pub(crate) fn config(budget: u64) -> BrokerConfig {
    BrokerConfig {
        memory_budget: budget,
        connection: Overflow::disconnect(UNLIMITED),
        burst: 0,
        subscription: Overflow::disconnect(UNLIMITED),
        rules: Rules::default(),
        extract: Vec::new(),
        mark: 1000,
        pushback: PushbackMode::Most,
        max_subscriptions: None,
        access: Access::default(),
    }
}

/// Messages as lines: the client's name for the subscription, then the payload.
pub(crate) struct Lines;

impl Framing for Lines {
    fn head(&self, _subject: &[u8], sid: &Sid, head: &mut Vec<u8>) {
        sid.write_to(head);
        head.push(b' ');
    }

    fn frame(
        &self,
        head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    ) {
        let len = self.frame_len(head, message);
        out.append(len, waiting, pool, |block| {
            block.extend_from_slice(head);
            block.extend_from_slice(message.headers);
            block.extend_from_slice(message.payload);
            block.push(b'\n');
        });
    }

    fn frame_len(&self, head: &[u8], message: &Message<'_>) -> usize {
        head.len() + message.headers.len() + message.payload.len() + 1
    }

    fn tells(&self) -> bool {
        true
    }

    fn annotate(&self, _headers: &[u8], notes: &Notes<'_>, annotated: &mut Vec<u8>) -> bool {
        if let Some(missed) = notes.missed {
            annotated.extend_from_slice(format!("missed {} ", missed.total()).as_bytes());
        }
        true
    }

    fn missed(&self, _subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8> {
        format!("{sid} missed {}\n", missed.total()).into_bytes()
    }

    fn ended(&self, _subject: &[u8], sid: &Sid, reason: &EndReason) -> Vec<u8> {
        format!("{sid} ended: {}\n", reason.name()).into_bytes()
    }
}

#[derive(Debug, Default)]
struct Socket {
    /// How many bytes it takes before it is full.
    room: usize,
    read: Vec<u8>,
}

/// A session and its socket. Clones are the same client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    socket: Arc<Mutex<Socket>>,
    pool: Arc<BlockPool>,
}

impl Client {
    /// A client that reads nothing yet.
    pub(crate) fn stalled(broker: &Broker, now: Instant) -> Self {
        let session = broker.open(SocketAddr::from(([127, 0, 0, 1], 4)), now);
        let client = Self { session, socket: Arc::default(), pool: broker.pool().clone() };
        broker.attach(&client.session, Arc::new(client.clone()));
        client
    }

    /// A client that reads all there is.
    pub(crate) fn reading(broker: &Broker, now: Instant) -> Self {
        let client = Self::stalled(broker, now);
        client.read(usize::MAX, now);
        client
    }

    pub(crate) fn subscribe(&self, broker: &Broker, sid: u64, filter: &str) {
        let made = self.try_subscribe(broker, sid, filter, SubscriptionSpec::default());
        assert_eq!(made, Ok(Subscribed::New));
    }

    pub(crate) fn try_subscribe(
        &self,
        broker: &Broker,
        sid: u64,
        filter: &str,
        spec: SubscriptionSpec,
    ) -> Result<Subscribed, SubscribeRefused> {
        broker.subscribe(&self.session, Sid::Number(sid), Filter::new(filter).unwrap(), spec)
    }

    /// Makes room for `count` more bytes in the socket, and writes what is queued.
    pub(crate) fn read(&self, count: usize, now: Instant) {
        {
            let mut socket = self.socket.lock().unwrap();
            socket.room = socket.room.saturating_add(count);
        }
        self.session.with_outbox(floodway_broker::Outbox::on_writable);
        self.flush(now);
    }

    /// What it has read so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let read = String::from_utf8(self.socket.lock().unwrap().read.clone()).unwrap();
        read.lines().map(str::to_owned).collect()
    }

    fn flush(&self, now: Instant) {
        let begin = || {
            self.session.with_outbox(|outbox| {
                outbox.woken();
                outbox.begin_write(&Lines, now)
            })
        };
        while let Some(mut taken) = begin() {
            let written = {
                let mut socket = self.socket.lock().unwrap();
                let count = socket.room.min(taken.len());
                // A room of usize::MAX stays open for ever.
                if socket.room < usize::MAX {
                    socket.room -= count;
                }
                socket.read.extend_from_slice(&taken.to_vec()[..count]);
                count
            };
            taken.advance(written, &self.pool);
            let end = if taken.is_empty() { WriteEnd::Drained } else { WriteEnd::Blocked };
            self.session.count_out(written as u64);
            if !self.session.with_outbox(|outbox| outbox.end_write(taken, written, end, now)) {
                return;
            }
        }
    }
}

impl Consumer for Client {
    fn deliver(&self, runs: Runs<'_>, now: Instant, tally: &mut Tally) -> Taken {
        self.session.deliver(runs, &Lines, now, || self.flush(now), tally).taken
    }

    fn wake(&self, now: Instant) {
        self.flush(now);
    }

    fn is_behind(&self) -> bool {
        self.session.is_behind()
    }

    fn sets_pace(&self, key: SubscriptionKey) -> bool {
        self.session.sets_pace(key)
    }

    fn has_ended(&self) -> bool {
        self.session.end_reason().is_some()
    }

    fn is_over_mark(&self, resume: bool) -> bool {
        self.session.is_over_mark(resume)
    }

    fn on_below_mark(&self, waker: Waker) {
        self.session.on_below_mark(waker);
    }

    fn held_bytes(&self) -> u64 {
        self.session.with_outbox(|outbox| outbox.held_bytes() as u64)
    }

    fn evict(&self, reason: EndReason) {
        self.session.evict(reason);
    }

    fn sweep(&self, _now: Instant) -> bool {
        false
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        self.session.reap()
    }

    fn label(&self) -> String {
        format!("cid {}", self.session.id())
    }
}

/// Publishes as `publisher`, in one batch; returns how many copies were queued.
pub(crate) fn publish_as(
    broker: &Broker,
    publisher: Option<&Client>,
    subject: &str,
    payloads: &[&[u8]],
    now: Instant,
) -> u64 {
    let mut router = Router::new(broker.bus().clone());
    let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
    let consumer = publisher.and_then(|client| client.session.consumer());
    let origin = Origin { consumer, echo: true };
    let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
    for payload in payloads {
        batch.push(Message::new(subject.as_bytes(), payload));
    }
    let report = batch.commit();
    wakeups.wake_all(now);
    report.queued
}
