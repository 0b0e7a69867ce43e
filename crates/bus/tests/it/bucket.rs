//! A consumer that a test fills and empties by hand.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Instant;

use floodway::{
    Bus, Consumer, ConsumerId, EndReason, Filter, Message, Runs, SubscriptionKey, Taken, Tally,
};

/// How full a bucket is, as push-back sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// At half the mark or below.
    Low,
    /// Between that and the mark.
    Middle,
    /// Over the mark.
    High,
}

/// Which of its subscriptions got messages of which subject.
type Call = Vec<(u32, String)>;

#[derive(Debug)]
struct Queue {
    level: Mutex<Level>,
    wakers: Mutex<Vec<Waker>>,
    received: AtomicU64,
    calls: Mutex<Vec<Call>>,
    ended: AtomicBool,
}

/// Counts what it gets, and is as full as it was told to be.
#[derive(Debug)]
pub(crate) struct Bucket {
    bus: Bus,
    id: ConsumerId,
    queue: Arc<Queue>,
    subscriptions: AtomicU64,
}

impl Bucket {
    pub(crate) fn attach(bus: &Bus) -> Self {
        let queue = Arc::new(Queue {
            level: Mutex::new(Level::Low),
            wakers: Mutex::default(),
            received: AtomicU64::new(0),
            calls: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let id = bus.attach(queue.clone());
        Self { bus: bus.clone(), id, queue, subscriptions: AtomicU64::new(0) }
    }

    pub(crate) fn id(&self) -> ConsumerId {
        self.id
    }

    pub(crate) fn subscribe(&self, filter: &str, group: Option<&str>) {
        let serial = self.subscriptions.fetch_add(1, Ordering::Relaxed) as u32;
        let key = SubscriptionKey { slot: serial, serial };
        let filter = Filter::new(filter).unwrap();
        self.bus.register(self.id, key, &filter, group.map(str::as_bytes), None).unwrap();
    }

    pub(crate) fn received(&self) -> u64 {
        self.queue.received.load(Ordering::Relaxed)
    }

    /// What it was given so far, call by call.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.queue.calls.lock().unwrap().clone()
    }

    /// It ends, and is still in routes that were looked up before.
    pub(crate) fn end(&self) {
        self.queue.ended.store(true, Ordering::Relaxed);
        self.set(Level::Low);
    }

    pub(crate) fn set(&self, level: Level) {
        *self.queue.level.lock().unwrap() = level;
        if level == Level::Low {
            let wakers = std::mem::take(&mut *self.queue.wakers.lock().unwrap());
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl Consumer for Queue {
    fn deliver(&self, runs: Runs<'_>, _now: Instant, tally: &mut Tally) -> Taken {
        let mut call = Vec::new();
        for (key, run) in runs.iter() {
            let subject =
                |message: &Message<'_>| String::from_utf8(message.subject.into()).unwrap();
            call.extend(run.iter().map(|message| (key.slot, subject(message))));
        }
        let queued = call.len() as u64;
        self.calls.lock().unwrap().push(call);
        self.received.fetch_add(queued, Ordering::Relaxed);
        tally.queue(queued);
        Taken { over_mark: self.is_over_mark(false), ..Taken::default() }
    }

    fn wake(&self, _now: Instant) {}

    fn is_behind(&self) -> bool {
        self.is_over_mark(false)
    }

    fn sets_pace(&self, _key: SubscriptionKey) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn is_over_mark(&self, resume: bool) -> bool {
        let level = *self.level.lock().unwrap();
        level > if resume { Level::Low } else { Level::Middle }
    }

    fn on_below_mark(&self, waker: Waker) {
        self.wakers.lock().unwrap().push(waker);
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn evict(&self, _reason: EndReason) {}

    fn sweep(&self, _now: Instant) -> bool {
        false
    }

    fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        Vec::new()
    }

    fn label(&self) -> String {
        String::from("bucket")
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicUsize,
}

impl Bell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    pub(crate) fn rung(&self) -> usize {
        self.rung.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
    }
}
