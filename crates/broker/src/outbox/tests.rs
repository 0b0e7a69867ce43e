mod framing;
mod lane_answers;
mod lane_ends;
mod lane_memory;
mod lane_model;
mod lane_ops;
mod lanes;
mod model;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use floodway::{Budget, Keeper, Limits, LossReason, Message, Runs, SHARE_FROM_BYTES, Tally};
use floodway_queue::BlockPool;

use super::*;
use framing::{FRAME_HEAD, Frame, TestFraming, answer, decode};

const UNLIMITED: Limits = Limits::NONE;
const MARK: u64 = 1000;

/// What became of messages that were delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    queued: u64,
    /// As a policy has it.
    lost: u64,
    finished: bool,
    over_mark: bool,
}

/// An outbox, and what its client has read of it.
struct Client {
    outbox: Outbox,
    budget: Budget,
    now: Instant,
    read: Vec<u8>,
}

impl Client {
    fn new(connection: Limits, subscription: Limits) -> Self {
        let settings = OutboxSettings {
            connection: Overflow::disconnect(connection),
            subscription: Arc::new(Overflow::disconnect(subscription)),
            burst: 0,
            mark: MARK,
            pool: Arc::new(BlockPool::new(2)),
        };
        let budget = Budget::new(1 << 30);
        let now = Instant::now();
        let outbox = Outbox::new(Arc::new(settings), budget.charge(0), now);
        Self { outbox, budget, now, read: Vec::new() }
    }

    fn unlimited() -> Self {
        Self::new(UNLIMITED, UNLIMITED)
    }

    fn subscribe(&mut self, sid: u64, spec: SubscriptionSpec) -> Option<SubscriptionKey> {
        self.outbox.subscribe(Sid::Number(sid), Filter::new("s").unwrap(), &spec, 0)
    }

    /// Subscribes with its own limits, and with a wish to be told of its end.
    fn subscribe_reported(&mut self, sid: u64, limits: Limits) -> SubscriptionKey {
        let overflow = Some(Arc::new(Overflow::disconnect(limits)));
        let spec = SubscriptionSpec { overflow, report: Report::Status, ..Default::default() };
        self.subscribe(sid, spec).unwrap()
    }

    /// Subscribes with a policy of its own.
    fn lossy(
        &mut self,
        sid: u64,
        policy: Policy,
        limits: Limits,
        report: Report,
    ) -> SubscriptionKey {
        let overflow = Some(Arc::new(Overflow::new(policy, limits)));
        self.subscribe(sid, SubscriptionSpec { overflow, report, ..Default::default() }).unwrap()
    }

    fn deliver(&mut self, key: SubscriptionKey, payloads: &[&[u8]]) -> (Taken, Option<EndReason>) {
        self.publish(key, "s", &[], payloads)
    }

    fn publish(
        &mut self,
        key: SubscriptionKey,
        subject: &str,
        headers: &[u8],
        payloads: &[&[u8]],
    ) -> (Taken, Option<EndReason>) {
        let run: Vec<_> = payloads
            .iter()
            .map(|payload| {
                let message = Message::new(subject.as_bytes(), payload).with_headers(headers);
                if payload.len() >= SHARE_FROM_BYTES {
                    message.keep(&self.budget);
                }
                message
            })
            .collect();
        // Kept together where the lanes of the outbox would rather not copy.
        let keeper = Keeper::of(&run, 1);
        let runs = Runs::one(key, &run).kept_by(&keeper);
        let mut tally = Tally::default();
        let outcome = self.outbox.deliver(runs, false, &TestFraming, self.now, &mut tally);
        let floodway::Taken { finished, over_mark, .. } = outcome.taken;
        let report = tally.report();
        let lost = if tally.is_accepted() { report.lost() } else { 0 };
        (Taken { queued: report.queued, lost, finished, over_mark }, outcome.ended)
    }

    fn deliver_one(&mut self, key: SubscriptionKey, payload: &[u8]) -> u64 {
        self.deliver(key, &[payload]).0.queued
    }

    /// Lets the socket take up to `count` bytes; returns whether the writer is to go on.
    fn write(&mut self, count: usize) -> bool {
        let Some(mut taken) = self.outbox.begin_write(&TestFraming, self.now) else { return false };
        let count = count.min(taken.len());
        self.read.extend_from_slice(&taken.to_vec()[..count]);
        taken.advance(count, &self.outbox.settings.pool.clone());
        let end = if taken.is_empty() { WriteEnd::Drained } else { WriteEnd::Blocked };
        self.outbox.end_write(taken, count, end, self.now)
    }

    /// The socket takes no more: a byte of an answer is in it, and that is all.
    fn block(&mut self) {
        assert!(self.outbox.push_control(&answer(b"-"), self.now).is_none());
        assert!(!self.write(1));
        assert!(self.outbox.is_blocked());
    }

    /// Delivers messages with these numbers in one run.
    fn count(&mut self, key: SubscriptionKey, numbers: RangeInclusive<u64>) -> Taken {
        let payloads: Vec<_> = numbers.map(|number| number.to_string()).collect();
        let run: Vec<_> = payloads.iter().map(String::as_bytes).collect();
        let (taken, ended) = self.deliver(key, &run);
        assert_eq!(ended, None);
        taken
    }

    fn ping(&mut self, answer: &str) {
        let answer = framing::answer(answer.as_bytes());
        assert!(self.outbox.push_control(&answer, self.now).is_none());
    }

    /// All that it got so far in few words, once it takes everything. What made it block is left
    /// out.
    fn said(&mut self) -> Vec<String> {
        let said = self.frames().iter().map(Frame::to_string).collect::<Vec<_>>();
        said.into_iter().filter(|line| line != "-").collect()
    }

    fn backlog(&mut self, key: SubscriptionKey) -> Depth {
        let slot = self.outbox.slots.at_mut(key.slot).unwrap();
        slot.lane().map_or_else(Depth::default, |lane| lane.backlog.depth())
    }

    /// All that it got so far, once it takes everything.
    fn frames(&mut self) -> Vec<Frame> {
        self.outbox.on_writable();
        while self.write(usize::MAX) {}
        let (frames, unfinished) = decode(&self.read);
        assert_eq!(unfinished, 0);
        frames
    }

    fn account(&mut self, key: SubscriptionKey) -> Account {
        let slot = self.outbox.slots.at_mut(key.slot).unwrap();
        assert_eq!(slot.serial, key.serial);
        slot.account.clone()
    }
}

fn message(sid: u64, payload: &[u8]) -> Frame {
    Frame::Message { sid, payload: payload.to_vec() }
}

#[test]
fn a_partial_write_counts_whole_messages_only() {
    let mut client = Client::unlimited();
    let key = client.subscribe(7, SubscriptionSpec::default()).unwrap();
    assert_eq!(client.deliver(key, &[b"one", b"two", b"three"]).0.queued, 3);
    let frame = FRAME_HEAD + 3;
    for (more, delivered) in [(frame - 1, 0), (1, 1), (frame + 5, 2), (FRAME_HEAD - 1, 2), (1, 3)] {
        client.outbox.on_writable();
        client.write(more);
        assert_eq!(client.account(key).delivered(), delivered);
        assert_eq!(client.outbox.depth().bytes + client.read.len() as u64, 3 * frame as u64 + 2);
    }
    assert_eq!(client.frames(), [message(7, b"one"), message(7, b"two"), message(7, b"three")]);
}

#[test]
fn the_last_message_that_fits_and_the_first_that_does_not() {
    let ten = Limits { messages: Some(10), ..UNLIMITED };
    for (connection, subscription) in [(ten, UNLIMITED), (UNLIMITED, ten)] {
        for one_by_one in [true, false] {
            let mut client = Client::new(connection, subscription);
            let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
            assert_eq!(client.deliver(key, &[&b"x"[..]; 10]).0.queued, 10);
            assert_eq!(client.outbox.end_reason(), None);
            client.write(FRAME_HEAD + 1);
            // One was written, so there is room for one.
            let (taken, ended) = if one_by_one {
                assert_eq!(client.deliver_one(key, b"x"), 1);
                client.deliver(key, &[b"y"])
            } else {
                client.deliver(key, &[b"x", b"y", b"z"])
            };
            assert_eq!(taken.queued, u64::from(!one_by_one));
            assert!(matches!(ended, Some(EndReason::OutOfCapacity { messages: 10, .. })));
            assert_eq!(client.outbox.end_reason(), ended.as_ref());
            let account = client.account(key);
            assert_eq!((account.matched(), account.losses().total()), (12, 1));
            assert_eq!(client.deliver_one(key, b"x"), 0);
            assert_eq!(client.account(key).matched(), 12, "nothing matches after the end");
            assert_eq!(client.frames().len(), 11, "what was queued can still be written");
        }
    }
}

#[test]
fn the_last_byte_that_fits_and_the_first_that_does_not() {
    let limits = Limits { bytes: Some(100), ..UNLIMITED };
    for (connection, subscription) in [(limits, UNLIMITED), (UNLIMITED, limits)] {
        for (payload, fits) in [(100 - FRAME_HEAD, true), (101 - FRAME_HEAD, false)] {
            let mut client = Client::new(connection, subscription);
            let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
            assert_eq!(client.deliver_one(key, &vec![0; payload]), u64::from(fits));
            assert_eq!(client.outbox.end_reason().is_none(), fits);
        }
    }
    // Answers count for the connection as well.
    let mut client = Client::new(limits, UNLIMITED);
    let now = client.now;
    assert_eq!(client.outbox.push_control(&[0; 100], now), None);
    assert!(client.outbox.push_control(&[0; 1], now).is_some());
    // The last words always fit.
    client.outbox.push_last_words(&[0; 50], now);
    assert_eq!(client.outbox.depth().bytes, 150);
}

#[test]
fn a_subscription_that_is_to_be_told_ends_alone() {
    let mut client = Client::unlimited();
    let told = client.subscribe_reported(1, Limits { messages: Some(2), ..UNLIMITED });
    let other = client.subscribe(2, SubscriptionSpec::default()).unwrap();
    let (taken, ended) = client.deliver(told, &[b"a", b"b", b"c", b"d"]);
    assert_eq!((taken.queued, taken.finished, ended), (2, true, None));
    let reaped = client.outbox.reap();
    assert_eq!(reaped.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [told]);
    assert!(client.outbox.reap().is_empty(), "once");
    assert_eq!(client.account(told).losses().of(LossReason::OutOfCapacity), 1);
    assert_eq!((client.deliver_one(told, b"e"), client.deliver_one(other, b"f")), (0, 1));
    let expected = [message(1, b"a"), message(1, b"b"), Frame::Ended { sid: 1 }, message(2, b"f")];
    assert_eq!(client.frames(), expected);
    assert_eq!(client.outbox.end_reason(), None);
    // Its name is free for another one.
    assert!(client.subscribe(1, SubscriptionSpec::default()).is_some());
}

#[test]
fn a_notice_the_connection_has_no_room_for_ends_the_session_and_says_so() {
    // The third message would fit the connection, the notice of its refusal does not.
    let room = (3 * FRAME_HEAD + 2) as u64;
    let mut client = Client::new(Limits { bytes: Some(room), ..UNLIMITED }, UNLIMITED);
    let told = client.subscribe_reported(1, Limits { messages: Some(2), ..UNLIMITED });
    let (taken, ended) = client.deliver(told, &[b"a", b"b", b""]);
    assert_eq!((taken.queued, taken.finished), (2, true));
    assert!(ended.is_some(), "whoever owns the socket has to know");
    assert_eq!(client.outbox.end_reason(), ended.as_ref());
    assert_eq!(client.outbox.totals().losses.total(), 1);
}

#[test]
fn a_subscription_ends_by_itself_after_its_maximum() {
    let mut client = Client::unlimited();
    let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    assert_eq!(client.deliver(key, &[b"1", b"2"]).0.queued, 2);
    assert!(client.outbox.unsubscribe(&Sid::Number(1), Some(5)).is_none());
    let (taken, _) = client.deliver(key, &[b"3"]);
    assert!(taken.queued == 1 && !taken.finished);
    // Those before the request count, those over the maximum never match.
    let (taken, _) = client.deliver(key, &[b"4", b"5", b"6"]);
    assert!(taken.queued == 2 && taken.finished);
    assert_eq!(client.outbox.reap().len(), 1);
    assert_eq!(client.deliver_one(key, b"7"), 0);
    assert_eq!(client.account(key).matched(), 5);
    assert_eq!(client.frames().len(), 5);
    assert_eq!(client.outbox.totals().delivered, 5);

    // A maximum that is reached already ends it at once.
    for max in [None, Some(0), Some(1), Some(2)] {
        let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
        client.deliver(key, &[b"1", b"2"]);
        let closed = client.outbox.unsubscribe(&Sid::Number(1), max);
        assert_eq!(closed.map(|(key, _)| key), Some(key), "{max:?}");
    }
}

#[test]
fn an_old_key_delivers_nothing_to_the_successor_in_its_place() {
    let mut client = Client::unlimited();
    let old = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    assert_eq!(client.subscribe(1, SubscriptionSpec::default()), None, "the name is in use");
    client.outbox.unsubscribe(&Sid::Number(1), None).unwrap();
    let new = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    assert!(old.slot == new.slot && old != new);
    assert_eq!((client.deliver_one(old, b"old"), client.deliver_one(new, b"new")), (0, 1));

    // A place is not used again while messages of its subscription are in the stream.
    client.outbox.unsubscribe(&Sid::Number(1), None).unwrap();
    let third = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    assert_ne!(third.slot, new.slot);
    assert_eq!(client.deliver_one(new, b"too late"), 0);
    assert_eq!(client.frames(), [message(1, b"new")]);
    client.outbox.retract(new);
    assert_eq!(client.outbox.open_subscriptions(), 1, "an old key retracts nothing");
    client.outbox.retract(third);
    assert_eq!(client.outbox.open_subscriptions(), 0);
}

#[test]
fn what_a_writer_has_in_hand_counts_until_it_is_given_up() {
    let mut client = Client::unlimited();
    let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    let idle = client.budget.used();
    client.deliver(key, &[&[1; 5000][..]; 100]);
    let full = client.budget.used();
    assert!(full >= idle + 500_000);
    let held = client.outbox.held_bytes();
    let mut taken = client.outbox.begin_write(&TestFraming, client.now).unwrap();
    assert_eq!(client.deliver_one(key, b"x"), 1);
    assert!(client.budget.used() >= full && client.outbox.held_bytes() >= held);

    // Given up while it is being written: whoever needs the memory must not look any further.
    client.outbox.end(EndReason::Kicked);
    client.outbox.discard();
    assert_eq!((client.outbox.held_bytes(), client.budget.used()), (0, idle));
    assert_eq!(client.account(key).losses().total(), 0, "it may still be written");
    let pool = client.outbox.settings.pool.clone();
    taken.advance(2 * (FRAME_HEAD + 5000) + 1, &pool);
    let now = client.now;
    let written = 2 * (FRAME_HEAD + 5000) + 1;
    assert!(!client.outbox.end_write(taken, written, WriteEnd::Blocked, now));
    let account = client.account(key);
    assert_eq!((account.delivered(), account.losses().of(LossReason::Removed)), (2, 99));
    assert!(account.is_conserved() && client.outbox.depth() == Depth::default());
    assert_eq!(client.budget.used(), idle);
}

#[test]
fn a_blocked_queue_holds_memory_in_proportion_to_what_waits() {
    for size in [10, 1500, 5000] {
        let mut client = Client::unlimited();
        let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
        client.deliver(key, &[b"first"]);
        client.write(1);
        assert!(client.outbox.held_bytes() <= 1024, "settled");
        for count in 1..=20 {
            client.deliver(key, &[&vec![0; size]]);
            let queued = client.outbox.depth().bytes as usize;
            let held = client.outbox.held_bytes();
            assert!(held <= 2 * queued + 4096, "{held} for {count} of {size}");
        }
    }
}

#[test]
fn a_blocked_socket_is_not_tried_before_it_is_writable() {
    let mut client = Client::unlimited();
    let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
    client.deliver(key, &[b"one", b"two"]);
    assert!(!client.write(5));
    assert!(
        client.outbox.is_blocked() && client.outbox.begin_write(&TestFraming, client.now).is_none()
    );
    client.deliver(key, &[b"three"]);
    assert!(client.outbox.begin_write(&TestFraming, client.now).is_none());
    client.outbox.on_writable();
    // It becomes writable again just before a writer reports that it is not: go on at once.
    let taken = client.outbox.begin_write(&TestFraming, client.now).unwrap();
    assert!(client.outbox.begin_write(&TestFraming, client.now).is_none(), "one writer at a time");
    client.outbox.on_writable();
    let now = client.now;
    assert!(client.outbox.end_write(taken, 0, WriteEnd::Blocked, now));
    assert!(!client.outbox.is_blocked());
    assert_eq!(client.frames().len(), 3);
}

#[test]
fn answers_and_messages_come_out_in_the_order_they_went_in() {
    let mut client = Client::unlimited();
    let [one, two] = [1, 2].map(|n| client.subscribe(n, SubscriptionSpec::default()).unwrap());
    let large = vec![9; SHARE_FROM_BYTES];
    let now = client.now;
    client.deliver(one, &[b"a", &large]);
    client.outbox.push_control(&answer(b"pong"), now);
    client.deliver(two, &[&large, b"b"]);
    client.deliver(one, &[b"c"]);
    let expected = [
        message(1, b"a"),
        message(1, &large),
        Frame::Answer(b"pong".to_vec()),
        message(2, &large),
        message(2, b"b"),
        message(1, b"c"),
    ];
    assert_eq!(client.frames(), expected);
}

#[test]
fn a_client_that_takes_nothing_is_overdue_and_one_that_moves_is_not() {
    let behind = Some(Duration::from_secs(10));
    let limits = Limits { behind, ..UNLIMITED };
    for (connection, subscription) in [(limits, UNLIMITED), (UNLIMITED, limits)] {
        let mut client = Client::new(connection, subscription);
        let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
        let idle_for = Duration::from_secs(1000);
        client.now += idle_for;
        assert_eq!(client.outbox.sweep(&TestFraming, client.now), None, "nothing to be behind of");
        client.deliver(key, &[&b"x"[..]; 1000]);
        for _ in 0..5 {
            client.now += Duration::from_millis(9999);
            assert_eq!(client.outbox.sweep(&TestFraming, client.now), None);
            client.outbox.on_writable();
            client.write(1);
        }
        client.deliver(key, &[b"y"]);
        client.now += Duration::from_secs(10);
        let reason = client.outbox.sweep(&TestFraming, client.now);
        assert!(matches!(reason, Some(EndReason::TooFarBehind { messages: 1001, .. })));
    }
    // Answers that nobody takes are a backlog too.
    let mut client = Client::new(limits, UNLIMITED);
    client.outbox.push_control(b"pong", client.now);
    assert_eq!(client.outbox.sweep(&TestFraming, client.now + Duration::from_millis(9999)), None);
    assert!(client.outbox.sweep(&TestFraming, client.now + Duration::from_secs(10)).is_some());
}

#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn those_who_wait_are_woken_at_half_the_mark_or_at_the_end() {
    for by_end in [false, true] {
        let mut client = Client::unlimited();
        let key = client.subscribe(1, SubscriptionSpec::default()).unwrap();
        let payload = vec![0; MARK as usize - FRAME_HEAD];
        assert!(!client.deliver(key, &[&payload]).0.over_mark, "at the mark is not over it");
        let bell = Arc::new(Bell::default());
        let (taken, _) = client.deliver(key, &[b""]);
        assert!(taken.over_mark);
        assert!(client.outbox.on_below_mark(bell.clone().into()).is_none());
        // One byte over half the mark.
        client.write(MARK as usize / 2 + FRAME_HEAD - 1);
        assert!(client.outbox.is_over_mark(true) && !client.outbox.is_over_mark(false));
        assert!(client.outbox.below_mark_wakers().is_empty());
        if by_end {
            client.outbox.end(EndReason::Kicked);
        } else {
            client.outbox.on_writable();
            client.write(1);
        }
        client.outbox.below_mark_wakers().into_iter().for_each(Waker::wake);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert!(client.outbox.on_below_mark(bell.into()).is_some(), "too late to wait");
    }
}
