//! Every policy against a plain `VecDeque` that does the same.
// checklist: A7 A13

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use floodway_queue::overflow::{
    self, Behind, Block, BurstCredit, Conflate, Disconnect, DropNewest, DropOldest, Fold, Limit,
    Missed, Policy, Receiver, SendError, Sender, TimeToLive,
};
use floodway_queue::{Limits, Weigh};
use proptest::prelude::*;

const TTL: u64 = 5;
const BEHIND: u64 = 20;

/// A key, and a weight that is a value as well.
type Item = (u8, u64);

struct ByValue;

impl Weigh<Item> for ByValue {
    fn bytes(item: &Item) -> u64 {
        item.1
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Disconnect,
    DropNewest,
    DropOldest,
    Block,
    Conflate,
    Fold,
    TimeToLive,
    Behind,
    Credit,
}

#[derive(Debug, Clone)]
enum Op {
    Send(Item),
    SendMany(Vec<Item>),
    Take(usize),
    Pass(u64),
    Sweep,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Queued,
    Received,
    Refused,
    Dropped,
    Replaced,
    Expired,
}

struct Row {
    sequence: usize,
    item: Item,
    at: u64,
    replaced: u32,
}

/// What a queue with a policy is, said plainly.
struct Oracle {
    kind: Kind,
    most: (usize, u64),
    rows: VecDeque<Row>,
    fates: Vec<Fate>,
    now: u64,
    /// Since when the reader has not taken what there was.
    behind_since: Option<u64>,
    ended: Option<Limit>,
    /// Soft quota and credit.
    credit: (usize, f64),
}

impl Oracle {
    fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.item.1).sum()
    }

    fn excess(&self, bytes: u64) -> Option<Limit> {
        if self.rows.len() + 1 > self.most.0 {
            Some(Limit::Messages)
        } else if self.bytes() + bytes > self.most.1 {
            Some(Limit::Bytes)
        } else {
            None
        }
    }

    fn pop(&mut self, fate: Fate) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.fates[row.sequence] = fate;
        Some(row)
    }

    fn expire(&mut self) {
        while self.kind == Kind::TimeToLive
            && self.rows.front().is_some_and(|row| self.now - row.at > TTL)
        {
            self.pop(Fate::Expired);
        }
    }

    fn check_behind(&mut self) {
        let late = self.behind_since.is_some_and(|since| self.now - since > BEHIND);
        if self.kind == Kind::Behind && late && !self.rows.is_empty() {
            self.ended = self.ended.or(Some(Limit::Behind));
        }
    }

    /// A letter for what becomes of it.
    fn send(&mut self, item: Item) -> char {
        self.expire();
        if self.ended.is_some() {
            return 'E';
        }
        self.check_behind();
        if let Some(place) = self.place_of(item) {
            self.fates.push(Fate::Queued);
            let (now, row) = (self.now, &mut self.rows[place]);
            self.fates[row.sequence] = Fate::Replaced;
            let value = if self.kind == Kind::Fold { row.item.1.max(item.1) } else { item.1 };
            let sequence = self.fates.len() - 1;
            let replaced = row.replaced + 1;
            *row = Row { sequence, item: (item.0, value), at: now, replaced };
            return 'r';
        }
        let drops = matches!(self.kind, Kind::DropOldest | Kind::TimeToLive | Kind::Conflate);
        while drops && item.1 <= self.most.1 && self.excess(item.1).is_some() {
            self.pop(Fate::Dropped);
        }
        let alone = item.1 <= self.most.1;
        let excess = self.excess(item.1);
        match self.kind {
            _ if self.ended.is_some() => {}
            Kind::Disconnect | Kind::Fold | Kind::Credit if excess.is_some() => self.ended = excess,
            Kind::Credit => self.spend_credit(),
            Kind::Block if excess.is_some() && alone => return 'w',
            _ => {}
        }
        if self.ended.is_some() || excess.is_some() {
            self.fates.push(Fate::Refused);
            return if self.ended.is_some() { 'E' } else { '-' };
        }
        self.behind_since = self.behind_since.or(Some(self.now));
        let sequence = self.fates.len();
        self.fates.push(Fate::Queued);
        self.rows.push_back(Row { sequence, item, at: self.now, replaced: 0 });
        '+'
    }

    /// Where an item of that key is, if it may be replaced.
    fn place_of(&self, item: Item) -> Option<usize> {
        if !matches!(self.kind, Kind::Conflate | Kind::Fold) {
            return None;
        }
        let place = self.rows.iter().position(|row| row.item.0 == item.0)?;
        let with = self.bytes() - self.rows[place].item.1 + item.1;
        if with <= self.most.1 {
            return Some(place);
        }
        None
    }

    fn spend_credit(&mut self) {
        if self.rows.len() >= self.credit.0 {
            if self.credit.1 < 1.0 {
                self.ended = Some(Limit::Credit);
                return;
            }
            self.credit = (self.rows.len() + 1, self.credit.1 - 1.0);
        }
    }

    fn earn_credit(&mut self) {
        let (soft, left) = (&mut self.credit.0, self.rows.len());
        if left < *soft {
            if *soft > 1 && left < *soft / 2 {
                *soft -= 1;
            }
            let earned = self.credit.1 + (*soft - left) as f64 / *soft as f64;
            self.credit.1 = earned.min((self.most.0 - *soft) as f64);
        }
    }

    fn take(&mut self) -> Option<Row> {
        self.expire();
        self.check_behind();
        let taken = self.pop(Fate::Received);
        self.behind_since = if self.rows.is_empty() { None } else { Some(self.now) };
        if taken.is_some() {
            self.earn_credit();
        }
        taken
    }
}

/// Adds what is told and compares it with what happened to these numbers.
fn check_gap(
    missed: Option<Missed>,
    oracle: &Oracle,
    told: &mut [u64; 3],
    range: std::ops::Range<usize>,
) -> Result<(), TestCaseError> {
    let sum = |gap: Missed| [gap.refused(), gap.dropped(), gap.expired()];
    let counts = missed.map_or([0; 3], sum);
    (0..3).for_each(|at| told[at] += counts[at]);
    prop_assert!(missed.is_none_or(|gap| gap.total() > 0), "an empty gap is none");
    if matches!(oracle.kind, Kind::Conflate | Kind::Fold) {
        return Ok(());
    }
    let of = |fate| oracle.fates[range.clone()].iter().filter(|is| **is == fate).count() as u64;
    prop_assert_eq!(counts, [of(Fate::Refused), of(Fate::Dropped), of(Fate::Expired)]);
    if let Some(gap) = missed {
        let (first, last) = (range.start as u64, range.end as u64 - 1);
        prop_assert_eq!((gap.first(), gap.last()), (first, last));
    }
    Ok(())
}

fn letter<T: Debug>(sent: Result<overflow::Sent, SendError<T>>) -> char {
    match sent {
        Ok(sent) if sent.replaced > 0 => 'r',
        Ok(_) => '+',
        Err(SendError::Refused(_)) => '-',
        Err(SendError::Delayed(..)) => 'w',
        Err(SendError::Ended(..)) => 'E',
        Err(other) => panic!("{other:?}"),
    }
}

/// A queue and its oracle.
struct Bench<P: Policy<Item>> {
    sender: Sender<Item, P, ByValue>,
    receiver: Receiver<Item, P, ByValue>,
    start: Instant,
    oracle: Oracle,
    /// The number behind the last that was received.
    next: usize,
    told: [u64; 3],
}

impl<P: Policy<Item>> Bench<P> {
    fn new(policy: P, kind: Kind, most: (usize, u64)) -> Self {
        let limits = Limits::messages(most.0 as u32).unwrap().and_bytes(most.1).unwrap();
        let (sender, receiver) = overflow::queue_by(limits, policy);
        let oracle = Oracle {
            kind,
            most,
            rows: VecDeque::new(),
            fates: Vec::new(),
            now: 0,
            behind_since: None,
            ended: None,
            credit: (1, 1.0),
        };
        Self { sender, receiver, start: Instant::now(), oracle, next: 0, told: [0; 3] }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.oracle.now)
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let now = self.now();
        match op {
            Op::Send(item) => self.send(*item)?,
            // A batch is sent at the time of the real clock.
            Op::SendMany(items) if matches!(self.oracle.kind, Kind::TimeToLive | Kind::Behind) => {
                items.iter().try_for_each(|item| self.send(*item))?;
            }
            Op::SendMany(items) => self.send_many(items)?,
            Op::Take(count) => {
                for _ in 0..*count {
                    self.take()?;
                }
            }
            Op::Pass(millis) => self.oracle.now += millis,
            Op::Sweep => {
                self.sender.sweep_at(now);
                self.oracle.expire();
                self.oracle.check_behind();
            }
        }
        let (account, oracle) = (self.receiver.account(), &self.oracle);
        prop_assert!(account.is_conserved(), "{account:?}");
        let queued = (account.queued as usize, account.queued_bytes, account.offered as usize);
        prop_assert_eq!(queued, (oracle.rows.len(), oracle.bytes(), oracle.fates.len()));
        prop_assert_eq!(self.sender.ended(), oracle.ended);
        Ok(())
    }

    fn send(&mut self, item: Item) -> Result<(), TestCaseError> {
        let sent = self.sender.try_send_at(item, self.now());
        prop_assert_eq!(letter(sent), self.oracle.send(item));
        Ok(())
    }

    fn send_many(&mut self, items: &[Item]) -> Result<(), TestCaseError> {
        let (mut left, mut back, mut sent) = (items.to_vec(), Vec::new(), 0);
        let done = self.sender.try_send_many(&mut left);
        let mut rest = items.iter();
        for item in rest.by_ref() {
            match self.oracle.send(*item) {
                '-' => back.push(*item),
                'w' | 'E' => {
                    back.push(*item);
                    break;
                }
                _ => sent += 1,
            }
        }
        back.extend(rest);
        prop_assert_eq!((left, done.sent), (back, sent));
        Ok(())
    }

    /// Takes one; whether there was one.
    fn take(&mut self) -> Result<bool, TestCaseError> {
        let entry = self.receiver.try_recv_at(self.now()).ok();
        let row = self.oracle.take();
        prop_assert_eq!(entry.is_some(), row.is_some());
        let (Some(entry), Some(row)) = (entry, row) else { return Ok(false) };
        let got = (entry.item, entry.sequence as usize, entry.replaced);
        prop_assert_eq!(got, (row.item, row.sequence, row.replaced));
        check_gap(entry.missed, &self.oracle, &mut self.told, self.next..row.sequence)?;
        self.next = row.sequence + 1;
        Ok(true)
    }

    fn finish(mut self) -> Result<(), TestCaseError> {
        while self.take()? {}
        let end = self.oracle.fates.len();
        let rest = self.next.min(end)..end;
        check_gap(self.receiver.take_missed(), &self.oracle, &mut self.told, rest)?;
        prop_assert_eq!(self.receiver.take_missed(), None, "told once");
        let account = self.sender.account();
        let of = |fate| self.oracle.fates.iter().filter(|is| **is == fate).count() as u64;
        let lost = [of(Fate::Refused), of(Fate::Dropped), of(Fate::Expired)];
        prop_assert_eq!([account.refused, account.dropped, account.expired], lost);
        prop_assert_eq!(self.told, lost, "all that was lost was told");
        let kept = (of(Fate::Received), of(Fate::Replaced));
        prop_assert_eq!((account.received, account.replaced), kept);
        Ok(())
    }
}

fn run<P: Policy<Item>>(
    policy: P,
    (kind, most): (Kind, (usize, u64)),
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(policy, kind, most);
    ops.iter().try_for_each(|op| bench.step(op))?;
    bench.finish()
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let item = || (0..5_u8, prop_oneof![8 => 1..20_u64, 1 => Just(60_u64)]);
    let one = prop_oneof![
        6 => item().prop_map(Op::Send),
        1 => prop::collection::vec(item(), 0..10).prop_map(Op::SendMany),
        3 => (1..4_usize).prop_map(Op::Take),
        2 => (1..9_u64).prop_map(Op::Pass),
        1 => Just(Op::Sweep),
    ];
    prop::collection::vec(one, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_deque_that_does_the_same(
        ops in ops(),
        messages in 1..9_usize,
        bytes in prop_oneof![Just(1_000_000), 30..80_u64],
    ) {
        let most = (messages, bytes);
        let key = |item: &Item| item.0;
        let fold = |old: &mut Item, new: Item| old.1 = old.1.max(new.1);
        let (ttl, behind) = (Duration::from_millis(TTL), Duration::from_millis(BEHIND));
        // A fold may be larger than both of its parts allow; the oracle leaves that out.
        let unweighed = (messages, 1_000_000);
        let credit = BurstCredit::new(1, messages as u32, 1.0).unwrap();
        run(Disconnect, (Kind::Disconnect, most), &ops)?;
        run(DropNewest, (Kind::DropNewest, most), &ops)?;
        run(DropOldest, (Kind::DropOldest, most), &ops)?;
        run(Block { at_most: ttl }, (Kind::Block, most), &ops)?;
        run(Conflate::by(key).or(DropOldest), (Kind::Conflate, unweighed), &ops)?;
        run(Fold::by(key, fold), (Kind::Fold, unweighed), &ops)?;
        run(TimeToLive::new(ttl, DropOldest), (Kind::TimeToLive, most), &ops)?;
        run(Behind::new(behind, DropNewest), (Kind::Behind, most), &ops)?;
        run(credit, (Kind::Credit, most), &ops)?;
    }
}
