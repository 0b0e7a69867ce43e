//! The outbox against a model that keeps every frame apart, compared after every step.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::slots::Stage;
use super::framing::{answer, decode, ended, message};
use super::*;

#[derive(Debug, Clone)]
enum Op {
    Subscribe {
        sid: u64,
        messages: Option<u64>,
        report: bool,
    },
    Unsubscribe {
        sid: u64,
        max: Option<u64>,
    },
    /// A run of these payload sizes for any subscription there ever was.
    Deliver(Index, Vec<usize>),
    Answer(usize),
    LastWords(usize),
    BeginWrite,
    /// The socket takes a part of what the writer has in hand, in percent.
    Write(usize),
    EndWrite {
        broken: bool,
    },
    Writable,
    Wait(u64),
    End,
    Discard,
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![12 => 0..30_usize, 1 => Just(3000), 1 => Just(SHARE_FROM_BYTES)];
    let run = proptest::collection::vec(size, 1..6);
    prop_oneof![
        40 => (0..4_u64, proptest::option::of(0..6_u64), any::<bool>())
            .prop_map(|(sid, messages, report)| Op::Subscribe { sid, messages, report }),
        20 => (0..4_u64, proptest::option::of(0..8_u64))
            .prop_map(|(sid, max)| Op::Unsubscribe { sid, max }),
        120 => (any::<Index>(), run).prop_map(|(at, sizes)| Op::Deliver(at, sizes)),
        30 => (0..30_usize).prop_map(Op::Answer),
        2 => (0..30_usize).prop_map(Op::LastWords),
        80 => Just(Op::BeginWrite),
        60 => prop_oneof![3 => 0..100_usize, 1 => Just(100)].prop_map(Op::Write),
        70 => prop::bool::weighted(0.1).prop_map(|broken| Op::EndWrite { broken }),
        30 => Just(Op::Writable),
        30 => (0..20_u64).prop_map(Op::Wait),
        1 => Just(Op::End),
        1 => Just(Op::Discard),
    ]
}

/// Limits of the connection.
fn limits() -> impl Strategy<Value = Limits> {
    let messages = proptest::option::weighted(0.3, 0..40_u64);
    let bytes = proptest::option::weighted(0.3, 100..20_000_u64);
    (messages, bytes).prop_map(|(messages, bytes)| Limits { messages, bytes, ..Limits::NONE })
}

/// What one subscription should have in its account.
struct Sub {
    sid: u64,
    key: SubscriptionKey,
    limit: Option<u64>,
    report: bool,
    max: Option<u64>,
    open: bool,
    matched: u64,
    delivered: u64,
    lost: u64,
    queued: u64,
}

/// A frame in the stream.
struct Item {
    sub: Option<usize>,
    len: usize,
    at_ms: u64,
}

struct World {
    client: Client,
    connection: Limits,
    subs: Vec<Sub>,
    stream: VecDeque<Item>,
    /// Bytes of the first of them that are written.
    front_written: usize,
    /// Everything that ever went in, and is not given up.
    expected: Vec<u8>,
    in_hand: Option<(ByteQueue, usize)>,
    /// Bytes that came in since the writer took the others.
    newer: usize,
    blocked: bool,
    writable_again: bool,
    ended: bool,
    discarded: bool,
    reaped: Vec<SubscriptionKey>,
    at_ms: u64,
}

impl World {
    fn new(connection: Limits) -> Self {
        Self {
            client: Client::new(connection, UNLIMITED),
            connection,
            subs: Vec::new(),
            stream: VecDeque::new(),
            front_written: 0,
            expected: Vec::new(),
            in_hand: None,
            newer: 0,
            blocked: false,
            writable_again: false,
            ended: false,
            discarded: false,
            reaped: Vec::new(),
            at_ms: 0,
        }
    }

    fn depth(&self) -> Depth {
        let messages = self.stream.iter().filter(|item| item.sub.is_some()).count() as u64;
        let bytes: usize = self.stream.iter().map(|item| item.len).sum();
        Depth { messages, bytes: (bytes - self.front_written) as u64 }
    }

    fn append(&mut self, sub: Option<usize>, frame: &[u8]) {
        self.expected.extend_from_slice(frame);
        self.newer += frame.len();
        self.stream.push_back(Item { sub, len: frame.len(), at_ms: self.at_ms });
    }

    /// Whether the connection has room.
    fn has_room(&self, messages: u64, bytes: usize) -> bool {
        let fits = |limit: Option<u64>, size| limit.is_none_or(|limit| size <= limit);
        let depth = self.depth();
        fits(self.connection.messages, depth.messages + messages)
            && fits(self.connection.bytes, depth.bytes + bytes as u64)
    }

    fn answer(&mut self, frame: &[u8]) {
        if self.ended {
        } else if self.has_room(0, frame.len()) {
            self.append(None, frame);
        } else {
            self.ended = true;
        }
    }

    /// What should become of a run; how many of it should be queued.
    fn deliver(&mut self, at: usize, payloads: &[Vec<u8>]) -> u64 {
        let mut queued = 0;
        for payload in payloads {
            let sub = &self.subs[at];
            if self.ended || !sub.open {
                break;
            }
            let frame = message(sub.sid, payload);
            let (sid, report) = (sub.sid, sub.report);
            let room = self.has_room(1, frame.len());
            let sub = &mut self.subs[at];
            sub.matched += 1;
            if room && sub.limit.is_none_or(|limit| sub.queued < limit) {
                sub.queued += 1;
                queued += 1;
                if sub.max == Some(sub.matched) {
                    sub.open = false;
                    self.reaped.push(sub.key);
                }
                self.append(Some(at), &frame);
                continue;
            }
            sub.lost += 1;
            if room && report {
                sub.open = false;
                self.reaped.push(sub.key);
                self.answer(&ended(sid));
            } else {
                self.ended = true;
            }
        }
        queued
    }

    fn written(&mut self, count: usize) {
        self.front_written += count;
        while let Some(item) = self.stream.front()
            && self.front_written >= item.len
        {
            self.front_written -= item.len;
            if let Some(at) = item.sub {
                self.subs[at].queued -= 1;
                self.subs[at].delivered += 1;
            }
            self.stream.pop_front();
        }
    }

    fn give_up(&mut self) {
        for sub in &mut self.subs {
            sub.lost += std::mem::take(&mut sub.queued);
        }
        self.stream.clear();
        self.front_written = 0;
        self.newer = 0;
        self.expected.truncate(self.client.read.len());
    }

    fn begin_write(&mut self) -> Result<(), TestCaseError> {
        let may = self.in_hand.is_none() && !self.blocked && self.newer > 0;
        let taken = self.client.outbox.begin_write(&TestFraming, self.client.now);
        prop_assert_eq!(taken.is_some(), may);
        if let Some(taken) = taken {
            prop_assert_eq!(taken.len(), self.newer);
            (self.in_hand, self.newer, self.writable_again) = (Some((taken, 0)), 0, false);
        }
        Ok(())
    }

    fn end_write(&mut self, broken: bool) -> Result<(), TestCaseError> {
        let Some((rest, written)) = self.in_hand.take() else { return Ok(()) };
        let end = match (rest.is_empty(), broken) {
            (_, true) => WriteEnd::Broken,
            (true, _) => WriteEnd::Drained,
            (false, _) => WriteEnd::Blocked,
        };
        self.newer += rest.len();
        let more = self.client.outbox.end_write(rest, written, end, self.client.now);
        self.written(written);
        if self.discarded {
            self.give_up();
            prop_assert!(!more);
            return Ok(());
        }
        self.blocked = end == WriteEnd::Blocked && !self.writable_again;
        prop_assert_eq!(more, !broken && !self.blocked && self.newer > 0);
        Ok(())
    }

    fn subscribe(&mut self, sid: u64, messages: Option<u64>, report: bool) {
        let limits = Limits { messages, ..UNLIMITED };
        let overflow = messages.map(|_| Arc::new(Overflow::disconnect(limits)));
        let how = if report { Report::Status } else { Report::Header };
        let spec = SubscriptionSpec { overflow, report: how, ..Default::default() };
        let key = self.client.subscribe(sid, spec);
        let taken = self.subs.iter().any(|sub| sub.open && sub.sid == sid);
        assert_eq!(key.is_none(), taken);
        let Some(key) = key else { return };
        let (limit, max, open) = (messages, None, true);
        let (matched, delivered, lost, queued) = (0, 0, 0, 0);
        let sub = Sub { sid, key, limit, report, max, open, matched, delivered, lost, queued };
        self.subs.push(sub);
    }

    fn unsubscribe(&mut self, sid: u64, max: Option<u64>) -> Result<(), TestCaseError> {
        let closed = self.client.outbox.unsubscribe(&Sid::Number(sid), max);
        let mut expected = None;
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.open && sub.sid == sid) {
            match max {
                Some(max) if max > sub.delivered + sub.queued => sub.max = Some(max),
                _ => {
                    sub.open = false;
                    expected = Some(sub.key);
                }
            }
        }
        prop_assert_eq!(closed.map(|(key, _)| key), expected);
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Subscribe { sid, messages, report } => self.subscribe(sid, messages, report),
            Op::Unsubscribe { sid, max } => self.unsubscribe(sid, max)?,
            Op::Deliver(at, sizes) => {
                if self.subs.is_empty() {
                    return Ok(());
                }
                let at = at.index(self.subs.len());
                let fill = self.expected.len() as u8;
                let payloads: Vec<_> = sizes.into_iter().map(|size| vec![fill; size]).collect();
                let was_ended = self.ended;
                let expected = self.deliver(at, &payloads);
                let run: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
                let (taken, ended) = self.client.deliver(self.subs[at].key, &run);
                prop_assert_eq!(taken.queued, expected);
                prop_assert_eq!(ended.is_some(), self.ended && !was_ended);
                let reaped = self.client.outbox.reap().into_iter().map(|(key, _)| key);
                prop_assert_eq!(reaped.collect::<Vec<_>>(), std::mem::take(&mut self.reaped));
            }
            Op::Answer(len) => {
                let frame = answer(&vec![b'.'; len]);
                let was_ended = self.ended;
                self.answer(&frame);
                let ended = self.client.outbox.push_control(&frame, self.client.now);
                prop_assert_eq!(ended.is_some(), self.ended && !was_ended);
            }
            Op::LastWords(len) if !self.discarded => {
                let frame = answer(&vec![b'!'; len]);
                self.append(None, &frame);
                self.client.outbox.push_last_words(&frame, self.client.now);
            }
            Op::LastWords(_) => {}
            Op::BeginWrite => self.begin_write()?,
            Op::Write(percent) => {
                if let Some((taken, written)) = &mut self.in_hand {
                    let count = (taken.len() * percent).div_ceil(100);
                    self.client.read.extend_from_slice(&taken.to_vec()[..count]);
                    taken.advance(count, &self.client.outbox.settings.pool);
                    *written += count;
                }
            }
            Op::EndWrite { broken } => self.end_write(broken)?,
            Op::Writable => {
                self.client.outbox.on_writable();
                (self.blocked, self.writable_again) = (false, true);
            }
            Op::Wait(ms) => {
                self.at_ms += ms;
                self.client.now += Duration::from_millis(ms);
            }
            Op::End => self.end(),
            Op::Discard => {
                self.end();
                self.client.outbox.discard();
                self.discarded = true;
                if self.in_hand.is_none() {
                    self.give_up();
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.client.outbox.end(EndReason::Kicked);
        self.ended = true;
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.client.outbox.depth(), self.depth());
        prop_assert_eq!(self.client.outbox.end_reason().is_some(), self.ended);
        let open = self.subs.iter().filter(|sub| sub.open).count();
        prop_assert_eq!(self.client.outbox.open_subscriptions(), open);
        for sub in &self.subs {
            let slot = self.client.outbox.slots.at_mut(sub.key.slot).unwrap();
            if slot.serial != sub.key.serial || slot.stage == Stage::Vacant {
                prop_assert!(!sub.open && sub.queued == 0, "forgotten too early");
                continue;
            }
            let account = &slot.account;
            prop_assert!(account.is_conserved());
            prop_assert_eq!(account.matched(), sub.matched);
            prop_assert_eq!(account.delivered(), sub.delivered);
            prop_assert_eq!(account.losses().total(), sub.lost);
            prop_assert_eq!(account.queued(), sub.queued);
            prop_assert_eq!(slot.stage == Stage::Open, sub.open);
        }
        let totals = self.client.outbox.totals();
        let sum = |field: fn(&Sub) -> u64| self.subs.iter().map(field).sum::<u64>();
        prop_assert_eq!(totals.matched, sum(|sub| sub.matched));
        prop_assert_eq!(totals.delivered, sum(|sub| sub.delivered));
        prop_assert_eq!(totals.losses.total(), sum(|sub| sub.lost));
        let queued = self.client.outbox.depth().messages;
        prop_assert_eq!(totals.matched, totals.delivered + totals.losses.total() + queued);
        self.check_ages()?;
        self.check_memory()
    }

    /// The oldest message of each subscription, as status pages show it.
    fn check_ages(&mut self) -> Result<(), TestCaseError> {
        let outbox = &self.client.outbox;
        let snapshots = outbox.subscriptions(self.client.now);
        for ((at, slot), shown) in outbox.slots.iter().zip(&snapshots) {
            let key = SubscriptionKey { slot: at, serial: slot.serial };
            let is_its = |item: &&Item| item.sub.is_some_and(|at| self.subs[at].key == key);
            let oldest = self.stream.iter().find(is_its);
            let age = oldest.map(|item| Duration::from_millis(self.at_ms - item.at_ms));
            prop_assert_eq!(shown.oldest_age, age);
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), TestCaseError> {
        let outbox = &self.client.outbox;
        prop_assert!(outbox.charge.bytes() >= outbox.slots.held_bytes());
        let charged = outbox.charge.bytes() - outbox.slots.held_bytes();
        let held = outbox.bytes.block_bytes() + outbox.in_hand + outbox.ledger.held_bytes();
        prop_assert_eq!(charged, if self.discarded { 0 } else { held });
        if self.depth().bytes == 0 {
            prop_assert_eq!(outbox.bytes.block_bytes() + outbox.in_hand, 0);
        }
        Ok(())
    }

    fn check_stream(&self) -> Result<(), TestCaseError> {
        let read = &self.client.read;
        prop_assert!(self.expected.starts_with(read), "other bytes, or another order");
        let (frames, unfinished) = decode(read);
        let (all, rest) = decode(&self.expected);
        prop_assert!(all.starts_with(&frames) && (self.discarded || rest == 0));
        prop_assert!(self.discarded || unfinished == self.front_written);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_list_of_frames(
        limits in limits(),
        ops in proptest::collection::vec(op(), 1..100),
    ) {
        let mut world = World::new(limits);
        for op in ops {
            world.apply(op)?;
            world.check()?;
        }
        world.end_write(false)?;
        world.check_stream()?;
        // Whatever is left comes out, and leaves nothing behind.
        while world.depth().bytes > 0 {
            world.apply(Op::Writable)?;
            world.begin_write()?;
            world.apply(Op::Write(100))?;
            world.end_write(false)?;
            world.check()?;
        }
        world.check_stream()?;
        prop_assert_eq!(world.client.read.len(), world.expected.len());
        let World { client: Client { outbox, budget, .. }, .. } = world;
        drop(outbox);
        prop_assert_eq!(budget.used(), 0);
    }
}
