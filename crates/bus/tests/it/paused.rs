//! A bus on a clock that only the test moves, and messages that have a key in three places.

use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Filter, Limits, Message, Origin, Policy, PublishReport, Pushback, PushbackMode,
    Router, SharedMessage, SubscribeOptions, Subscription, Wakeups,
};

/// A message to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) subject: String,
    /// Whole header block, or nothing.
    pub(crate) headers: String,
    pub(crate) payload: String,
}

impl Sent {
    /// With `tag` in a header and `name` in the payload, and as much padding as wanted.
    pub(crate) fn new(subject: &str, tag: Option<char>, name: Option<char>, pad: usize) -> Self {
        let headers = tag.map_or_else(String::new, |tag| format!("NATS/1.0\r\nTag: {tag}\r\n\r\n"));
        let name = name.map_or_else(String::new, |name| format!("\"name\": \"{name}\", "));
        let payload = format!("{{{name}\"pad\": \"{}\"}}", "x".repeat(pad));
        Self { subject: subject.to_owned(), headers, payload }
    }

    /// Bytes that count against limits.
    pub(crate) fn size(&self) -> u64 {
        (self.subject.len() + self.headers.len() + self.payload.len()) as u64
    }

    /// What a copy of it takes of the memory budget.
    pub(crate) fn held(&self) -> u64 {
        // Headers, and a subject for answers, are kept apart if there are any.
        let apart = size_of::<Box<[u8]>>() + size_of::<Option<Box<[u8]>>>();
        let apart = if self.headers.is_empty() { 0 } else { apart };
        self.size() + (size_of::<SharedMessage>() + apart) as u64
    }
}

/// See the [module header](self).
pub(crate) struct Paused {
    pub(crate) bus: Bus,
    router: Router,
    pub(crate) start: Instant,
    /// Milliseconds since the start.
    pub(crate) ms: u64,
}

impl Paused {
    pub(crate) fn new(memory_budget: u64) -> Self {
        let bus = Bus::new(&BusConfig { memory_budget, ..BusConfig::default() });
        // Later than any moment at which the bus looks at the clock by itself.
        let start = Instant::now() + Duration::from_secs(3600);
        Self { router: Router::new(bus.clone()), bus, start, ms: 0 }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    pub(crate) fn subscribe(&self, filter: &str, policy: Policy, limits: Limits) -> Subscription {
        let options = SubscribeOptions::default().policy(policy).limits(limits);
        self.bus.subscribe(&Filter::new(filter).unwrap(), options).unwrap()
    }

    /// Publishes all in one batch; the report is that of the last run of one subject.
    pub(crate) fn publish(&mut self, messages: &[Sent]) -> PublishReport {
        let now = self.now();
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let origin = Origin { consumer: None, echo: true };
        let mut batch = self.router.batch(origin, &mut pushback, &mut wakeups, now);
        for Sent { subject, headers, payload } in messages {
            let message = Message::new(subject.as_bytes(), payload.as_bytes());
            batch.push(message.with_headers(headers.as_bytes()));
        }
        let report = batch.commit();
        wakeups.wake_all(now);
        report
    }

    /// Publishes `count` equal messages of `payload` in one run.
    pub(crate) fn publish_run(&mut self, subject: &str, payload: &str, count: usize) {
        let sent = Sent {
            subject: subject.to_owned(),
            headers: String::new(),
            payload: payload.to_owned(),
        };
        self.publish(&vec![sent; count]);
    }

    pub(crate) fn sweep(&self) {
        self.bus.sweep(self.now());
    }
}
