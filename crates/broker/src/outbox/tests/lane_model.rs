//! Subscriptions with lanes against what their client can check: from what it reads, and from the
//! accounts.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::framing::{SEALED_HEADERS, Told};
use super::lane_ops::{Op, op};
use super::*;

/// A subscription, as its client sees it.
struct Sub {
    key: SubscriptionKey,
    report: Report,
    keyed: bool,
    open: bool,
    /// Ended over a message or for time, with a notice to come.
    farewell: bool,
    matched: u64,
    received: HashSet<u64>,
    /// The highest number received; the highest of each subject.
    last: u64,
    latest: HashMap<u8, u64>,
    missed: u64,
    replaced: u64,
    /// Told since the last message.
    gap: u64,
    /// Something of it could not be told with the message behind it.
    late: bool,
    /// An answer that was read says that everything up to this number came before it.
    answered: u64,
}

struct World {
    client: Client,
    pressed: Option<Charge>,
    subs: Vec<Sub>,
    in_hand: Option<(ByteQueue, usize)>,
    /// Answers to come: for each subscription, what matched before them.
    answers: VecDeque<(u64, Vec<u64>)>,
    answers_made: u64,
    ended: bool,
    discarded: bool,
    /// How much of what was read is checked.
    checked: usize,
}

fn payload(seq: u64, subject: usize, size: usize) -> Vec<u8> {
    let mut payload = seq.to_le_bytes().to_vec();
    payload.push(subject as u8);
    payload.resize(size, 0);
    payload
}

impl World {
    fn new() -> Self {
        Self {
            client: Client::unlimited(),
            pressed: None,
            subs: Vec::new(),
            in_hand: None,
            answers: VecDeque::new(),
            answers_made: 0,
            ended: false,
            discarded: false,
            checked: 0,
        }
    }

    fn subscribe(&mut self, policy: Policy, limits: Limits, report: Report) {
        let keyed = matches!(policy, Policy::Conflate(_));
        let key = self.client.lossy(self.subs.len() as u64, policy, limits, report);
        self.subs.push(Sub {
            key,
            report,
            keyed,
            open: true,
            farewell: false,
            matched: 0,
            received: HashSet::new(),
            last: 0,
            latest: HashMap::new(),
            missed: 0,
            replaced: 0,
            gap: 0,
            late: false,
            answered: 0,
        });
    }

    fn deliver(
        &mut self,
        at: usize,
        subject: usize,
        sizes: &[usize],
        sealed: bool,
    ) -> Result<(), TestCaseError> {
        let sub = &mut self.subs[at];
        let numbered = (sub.matched + 1..).zip(sizes);
        let payloads: Vec<_> = numbered.map(|(seq, &size)| payload(seq, subject, size)).collect();
        let run: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        let headers = if sealed { SEALED_HEADERS } else { &[] };
        sub.late |= sealed;
        let before = self.client.outbox.totals();
        let name = format!("s.{subject}");
        let (taken, ended) = self.client.publish(sub.key, &name, headers, &run);
        let after = self.client.outbox.totals();
        let matched = after.matched - before.matched;
        prop_assert!(taken.queued + taken.lost <= matched);
        prop_assert!(sub.open || matched == 0);
        prop_assert!(matched <= run.len() as u64);
        sub.matched += matched;
        self.ended |= ended.is_some();
        // Only the end of it, or of the session, leaves messages out.
        let out = |totals: &Retired| totals.losses.of(LossReason::OutOfCapacity);
        let closed = self.reap(out(&after) > out(&before));
        prop_assert!(matched == run.len() as u64 || self.ended || !self.subs[at].open);
        prop_assert!(closed <= 1);
        Ok(())
    }

    /// Notes which subscriptions are over, at a limit or at their maximum; how many.
    fn reap(&mut self, over_a_limit: bool) -> usize {
        let reaped = self.client.outbox.reap();
        for (key, _) in &reaped {
            let sub = self.subs.iter_mut().find(|sub| sub.key == *key).unwrap();
            assert!(sub.open, "reaped twice");
            sub.open = false;
            sub.farewell = over_a_limit;
        }
        reaped.len()
    }

    fn sweep(&mut self) {
        if let Some(reason) = self.client.outbox.sweep(&TestFraming, self.client.now) {
            self.client.outbox.end(reason);
            self.ended = true;
        }
        self.reap(true);
    }

    fn answer(&mut self) {
        let number = self.answers_made;
        let frame = answer(&number.to_le_bytes());
        if self.client.outbox.push_control(&frame, self.client.now).is_none() && !self.ended {
            self.answers_made += 1;
            let matched = self.subs.iter().map(|sub| sub.matched).collect();
            self.answers.push_back((number, matched));
        }
    }

    fn end_write(&mut self) {
        let Some((rest, written)) = self.in_hand.take() else { return };
        let end = if rest.is_empty() { WriteEnd::Drained } else { WriteEnd::Blocked };
        self.client.outbox.end_write(rest, written, end, self.client.now);
    }

    fn write(&mut self, percent: usize) {
        if let Some((taken, written)) = &mut self.in_hand {
            let count = (taken.len() * percent).div_ceil(100);
            self.client.read.extend_from_slice(&taken.to_vec()[..count]);
            taken.advance(count, &self.client.outbox.settings.pool);
            *written += count;
        }
    }

    fn begin_write(&mut self) {
        if let Some(taken) = self.client.outbox.begin_write(&TestFraming, self.client.now) {
            assert!(self.in_hand.is_none(), "two writers");
            self.in_hand = Some((taken, 0));
        }
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let count = self.subs.len();
        match op {
            Op::Subscribe { policy, limits, report } if !self.ended => {
                self.subscribe(policy, limits, report);
            }
            Op::Unsubscribe(at, max) if count > 0 => {
                let at = at.index(count);
                let closed = self.client.outbox.unsubscribe(&Sid::Number(at as u64), max);
                prop_assert!(self.subs[at].open || closed.is_none());
                self.subs[at].open &= closed.is_none();
            }
            Op::Deliver { at, subject, sizes, sealed } if count > 0 => {
                self.deliver(at.index(count), subject, &sizes, sealed)?;
            }
            Op::Answer => self.answer(),
            Op::BeginWrite => self.begin_write(),
            Op::Write(percent) => self.write(percent),
            Op::EndWrite => self.end_write(),
            Op::Writable => self.client.outbox.on_writable(),
            Op::Wait(ms) => self.client.now += Duration::from_millis(ms),
            Op::Sweep => self.sweep(),
            Op::Relieve => {
                let lost = self.client.outbox.totals().losses.of(LossReason::MemoryPressure);
                let relieved = self.client.outbox.relieve();
                let more = self.client.outbox.totals().losses.of(LossReason::MemoryPressure);
                prop_assert!(relieved || lost == more);
            }
            Op::Press(high) => {
                let most = (self.client.budget.limit() / 10 * 9) as usize;
                self.pressed = high.then(|| self.client.budget.charge(most));
            }
            Op::End => self.end(),
            Op::Discard => {
                self.end();
                self.client.outbox.discard();
                self.discarded = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        self.client.outbox.end(EndReason::Kicked);
        self.ended = true;
    }

    /// Checks what has been read since the last time.
    fn read(&mut self) -> Result<(), TestCaseError> {
        let (frames, unfinished) = decode(&self.client.read[self.checked..]);
        self.checked = self.client.read.len() - unfinished;
        for frame in frames {
            match frame {
                Frame::Message { sid, payload } => self.message(sid, &payload, None)?,
                Frame::Noted { sid, payload, told } => self.message(sid, &payload, Some(told))?,
                Frame::Missed { sid, told } => {
                    let sub = &mut self.subs[sid as usize];
                    prop_assert!(sub.report == Report::Status && told.missed > 0);
                    sub.missed(&told)?;
                }
                Frame::Ended { sid } => {
                    let sub = &mut self.subs[sid as usize];
                    prop_assert!(sub.report == Report::Status && sub.farewell);
                    // Nothing of it comes behind its end.
                    (sub.farewell, sub.answered) = (false, u64::MAX);
                }
                Frame::Answer(content) => {
                    let number = u64::from_le_bytes(content.try_into().unwrap());
                    let (expected, matched) = self.answers.pop_front().unwrap();
                    prop_assert_eq!(number, expected, "answers out of order");
                    for (sub, matched) in self.subs.iter_mut().zip(matched) {
                        sub.answered = sub.answered.max(matched);
                    }
                }
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        sid: u64,
        payload: &[u8],
        told: Option<Told>,
    ) -> Result<(), TestCaseError> {
        let seq = u64::from_le_bytes(payload[..8].try_into().unwrap());
        let sub = &mut self.subs[sid as usize];
        prop_assert!(seq > sub.answered, "{} of {} comes too late", seq, sid);
        prop_assert!(seq <= sub.matched && sub.received.insert(seq), "twice");
        if let Some(told) = told {
            prop_assert!(sub.report != Report::None && told.missed + told.replaced > 0);
            prop_assert!(sub.report == Report::Header || told.missed == 0);
            prop_assert!(told.replaced == 0 || sub.keyed);
            sub.replaced += told.replaced;
            sub.missed(&told)?;
        }
        let latest = sub.latest.entry(payload[8]).or_default();
        prop_assert!(seq > *latest, "an older value of a key comes behind a newer one");
        *latest = seq;
        if sub.keyed {
            return Ok(());
        }
        prop_assert!(seq > sub.last, "out of order");
        let hole = seq - sub.last - 1;
        match sub.report {
            Report::Status => prop_assert_eq!(sub.gap, hole),
            Report::Header if !sub.late => prop_assert_eq!(sub.gap, hole),
            Report::Header => prop_assert!(sub.missed + sub.received.len() as u64 <= seq),
            Report::None => {}
        }
        (sub.last, sub.gap) = (seq, 0);
        Ok(())
    }

    /// What must hold after every step.
    fn check(&self) -> Result<(), TestCaseError> {
        let outbox = &self.client.outbox;
        let lanes = outbox.lanes.as_ref().unwrap();
        let mut queued = outbox.depth();
        let (mut held, mut waiting) = (0, 0);
        for (at, slot) in outbox.slots.iter() {
            prop_assert!(slot.account.is_conserved());
            let lane = slot.lane();
            let depth = lane.map_or_else(Depth::default, |lane| lane.backlog.depth());
            held += lane.map_or(0, |lane| lane.backlog.held_bytes());
            queued.messages += depth.messages;
            waiting += depth.bytes;
            prop_assert!(slot.account.queued_bytes() >= depth.bytes);
            // Whatever waits is in line, once.
            let in_line = lanes.ready.iter().filter(|&&ready| ready == at).count();
            prop_assert_eq!(in_line == 1, lane.is_some_and(Lane::is_listed));
            prop_assert!(in_line <= 1 && (in_line == 1 || depth.messages == 0));
            let sub = self.subs.iter().find(|sub| sub.key == outbox.slots.key(at)).unwrap();
            prop_assert_eq!(slot.account.matched(), sub.matched);
            // What is in hand was counted by nobody yet.
            let (delivered, received) = (slot.account.delivered(), sub.received.len() as u64);
            prop_assert!(
                delivered <= received && (self.in_hand.is_some() || delivered == received)
            );
        }
        let totals = outbox.totals();
        let gone = totals.losses.total() + totals.conflated + totals.expired;
        prop_assert_eq!(totals.matched, totals.delivered + gone + queued.messages);
        prop_assert_eq!(totals.matched, self.subs.iter().map(|sub| sub.matched).sum::<u64>());
        // Those without a lane lose at most what they end over.
        let ended = outbox.ends.as_ref().map_or(0, |ends| ends.count);
        prop_assert!(outbox.troubles() <= gone + ended);
        prop_assert!(self.discarded || gone <= outbox.troubles() + self.subs.len() as u64);
        prop_assert_eq!((lanes.held_bytes, lanes.queued_bytes), (held, waiting));
        let stream = outbox.bytes.block_bytes() + outbox.in_hand + outbox.ledger.held_bytes();
        let held = if self.discarded { 0 } else { stream + lanes.held_bytes() };
        let charged = held + outbox.slots.held_bytes();
        prop_assert_eq!(outbox.charge.bytes(), charged);
        Ok(())
    }

    /// Lets everything out, whatever it takes.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        self.write(100);
        self.end_write();
        while !self.client.outbox.is_drained() {
            let read = self.client.read.len();
            self.client.outbox.on_writable();
            self.begin_write();
            self.write(100);
            self.end_write();
            self.read()?;
            self.check()?;
            prop_assert!(self.client.read.len() > read || self.client.outbox.is_drained(), "stuck");
        }
        self.read()
    }

    /// Everything is out: now it must come out even.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        self.drain()?;
        prop_assert!(self.answers.is_empty() || self.discarded, "answers are lost");
        prop_assert_eq!(self.client.outbox.lanes.as_ref().unwrap().answer_bytes, 0);
        // A header needs a message to be told with.
        for at in 0..self.subs.len() {
            self.deliver(at, 0, &[16], false)?;
        }
        self.drain()?;
        for (at, sub) in self.subs.iter().enumerate() {
            prop_assert!(!sub.farewell || sub.report != Report::Status || self.ended, "{}", at);
            let slot = self.client.outbox.slots.at(sub.key.slot);
            let Some(slot) = slot.filter(|slot| slot.serial == sub.key.serial && sub.open) else {
                continue;
            };
            let account = &slot.account;
            if let Some(lane) = slot.lane().filter(|lane| lane.backlog.has_gap()) {
                // It is told with the next message that it can take, and took none.
                let could_take = lane.backlog.overflow().could_take(16 + 3);
                prop_assert!(self.ended || sub.report == Report::Header && !could_take);
                continue;
            }
            prop_assert_eq!(account.delivered(), sub.received.len() as u64);
            let gone = account.losses().total() + account.expired();
            if sub.report != Report::None && !self.ended {
                prop_assert_eq!(sub.missed, gone);
                // What was replaced and then dropped is not told.
                prop_assert!(sub.replaced <= account.conflated());
                prop_assert!(gone > 0 || sub.late || sub.replaced == account.conflated());
            }
        }
        Ok(())
    }
}

impl Sub {
    fn missed(&mut self, told: &Told) -> Result<(), TestCaseError> {
        if told.missed == 0 {
            return Ok(());
        }
        let (first, last) = told.range;
        prop_assert!(told.missed <= last - first + 1 && last <= self.matched);
        if !(self.keyed || self.late && self.report == Report::Header) {
            prop_assert_eq!(first, self.last + self.gap + 1, "not at its place");
            prop_assert_eq!(told.missed, last - first + 1);
        }
        self.missed += told.missed;
        self.gap += told.missed;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    // checklist: A8
    // spec: TLD-1, TLD-2, TLD-3, OVF-4, OVF-5, OVF-6, OVF-7, ORD-2, CON-1
    #[test]
    fn a_client_can_account_for_every_message(ops in proptest::collection::vec(op(), 1..200)) {
        let mut world = World::new();
        world.subscribe(Policy::DropOldest, Limits::NONE, Report::Header);
        for op in ops {
            world.apply(op)?;
            world.read()?;
            world.check()?;
        }
        world.settle()?;
        // Nothing is left behind.
        for (key, _) in world.client.outbox.close_all() {
            world.client.outbox.retire_if_drained(key.slot);
        }
        let lanes = world.client.outbox.lanes.as_ref().unwrap();
        prop_assert_eq!((lanes.held_bytes(), lanes.ready.len()), (0, 0));
        let World { client: Client { outbox, budget, .. }, pressed, .. } = world;
        drop((outbox, pressed));
        prop_assert_eq!(budget.used(), 0);
    }
}
