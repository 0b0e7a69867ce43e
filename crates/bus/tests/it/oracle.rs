//! One subscription's queue as its contract has it, written to be plain: everything is a list, and
//! every question looks at all of it.

use std::time::Duration;

use floodway::{
    Account, Admission, Admit, Conflation, Custom, Fallback, Fold, Key, Limit, Limits, LossReason,
    Merge, Missed, NumberSource, Offer, Policy,
};

use crate::panics::Touchy;
use crate::paused::Sent;

/// A policy by name, so that the oracle need not ask the real one anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    Disconnect,
    DropNewest,
    DropOldest,
    BySubject(Fallback),
    ByTag(Fallback),
    ByName(Fallback),
    /// Digests by subject, of the numbers in payloads.
    Sums(Fallback),
    /// Digests by tag, of payloads one behind the other.
    Joins(Fallback),
    Whim,
    /// A function that panics.
    Touchy,
    Block,
    Throttle,
}

impl Rule {
    pub(crate) fn policy(self) -> Policy {
        let by = |key: &str, fallback| {
            Policy::Conflate(Conflation { key: key.parse::<Key>().unwrap(), fallback })
        };
        match self {
            Self::Disconnect => Policy::Disconnect,
            Self::DropNewest => Policy::DropNewest,
            Self::DropOldest => Policy::DropOldest,
            Self::BySubject(fallback) => by("subject", fallback),
            Self::ByTag(fallback) => by("header:tag", fallback),
            Self::ByName(fallback) => by("json:/name", fallback),
            Self::Sums(fallback) => {
                let fold = Fold::Numbers(NumberSource::At("json:/n".parse().unwrap()));
                Policy::Merge(Merge { fold, fallback, ..Merge::default() })
            }
            Self::Joins(fallback) => {
                let fold = Fold::by(|old, new| [old, b"+", new].concat());
                Policy::Merge(Merge { key: "header:tag".parse().unwrap(), fold, fallback })
            }
            Self::Whim => Policy::Custom(Custom::new(Whim)),
            Self::Touchy => Policy::Custom(Custom::new(Touchy)),
            Self::Block => Policy::Block { patience: None },
            Self::Throttle => Policy::Throttle { max_delay: Duration::ZERO },
        }
    }

    fn at_a_limit(self) -> Fallback {
        match self {
            Self::DropNewest | Self::Block | Self::Throttle => Fallback::DropNewest,
            Self::DropOldest => Fallback::DropOldest,
            Self::BySubject(at) | Self::ByTag(at) | Self::ByName(at) => at,
            Self::Sums(at) | Self::Joins(at) => at,
            Self::Disconnect | Self::Whim | Self::Touchy => Fallback::Disconnect,
        }
    }

    pub(crate) fn makes_wait(self) -> bool {
        matches!(self, Self::Block | Self::Throttle)
    }

    fn key(self, message: &Sent) -> Option<String> {
        match self {
            Self::BySubject(_) | Self::Sums(_) => Some(message.subject.clone()),
            Self::ByTag(_) | Self::Joins(_) => tag(message).map(String::from),
            Self::ByName(_) => {
                let (_, rest) = message.payload.split_once("\"name\": \"")?;
                rest.chars().next().map(String::from)
            }
            _ => None,
        }
    }
}

/// Numbers as they are written in payloads, and what each is.
pub(crate) const NUMBERS: [(&str, Option<f64>); 7] = [
    ("5", Some(5.0)),
    ("-2.5", Some(-2.5)),
    ("\" 70e1\"", Some(700.0)),
    ("null", None),
    ("\"five\"", None),
    ("1e999", None),
    ("\"NaN\"", None),
];

fn value(message: &Sent) -> Option<f64> {
    let (_, rest) = message.payload.split_once("\"n\": ")?;
    let (written, _) = rest.split_once(',')?;
    NUMBERS.iter().find(|(text, _)| *text == written)?.1
}

fn tag(message: &Sent) -> Option<char> {
    message.headers.split_once("Tag: ").and_then(|(_, rest)| rest.chars().next())
}

/// A policy that does something else for each tag.
struct Whim;

fn whim(tag: Option<char>, depth: u64, oldest: Option<Duration>) -> Admit {
    match tag {
        Some('a' | 'b') => Admit::Replace(tag.map(|tag| tag as u8).into_iter().collect()),
        Some('c') => Admit::Refuse,
        Some('d') if depth > 1 => Admit::DropOldest,
        Some('e') if oldest > Some(Duration::from_millis(5)) => Admit::Refuse,
        Some('f') if depth > 4 => Admit::End(Limit::Messages),
        _ => Admit::Accept,
    }
}

impl Admission for Whim {
    fn admit(&self, offer: &Offer<'_>) -> Admit {
        let headers = str::from_utf8(offer.item.headers).unwrap();
        let tag = headers.split_once("Tag: ").and_then(|(_, rest)| rest.chars().next());
        whim(tag, offer.depth.messages, offer.oldest)
    }
}

/// Why a message is not delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Why {
    Lost(LossReason),
    Expired,
}

/// What a consumer is to be told at one place: each message by its number, and why.
pub(crate) type Told = Vec<(u64, Why)>;

/// Whether `missed` says what `told` says.
pub(crate) fn is_told(told: &[(u64, Why)], missed: Option<&Missed>) -> bool {
    let Some(missed) = missed else { return told.is_empty() };
    let count = |why: Why| told.iter().filter(|(_, other)| *other == why).count() as u64;
    let reasons = LossReason::ALL.iter().map(|&reason| (reason, count(Why::Lost(reason))));
    missed.total() == told.len() as u64
        && Some(missed.first()) == told.iter().map(|(seq, _)| *seq).min()
        && Some(missed.last()) == told.iter().map(|(seq, _)| *seq).max()
        && reasons.into_iter().all(|(reason, count)| missed.losses().of(reason) == count)
        && missed.expired_count() == count(Why::Expired)
}

/// A message of a digest.
#[derive(Debug)]
pub(crate) struct Part {
    message: Sent,
    pub(crate) at_ms: u64,
    pub(crate) value: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) message: Sent,
    /// Tells equal messages apart.
    pub(crate) number: u64,
    pub(crate) seq: u64,
    pub(crate) replaced: u64,
    /// Everything that it is a digest of; nothing if it is none.
    pub(crate) parts: Vec<Part>,
    /// What was missed right before it.
    pub(crate) before: Told,
    key: Option<String>,
    at_ms: u64,
}

impl Item {
    /// Whether the message is one that nobody has sent.
    pub(crate) fn is_made(&self) -> bool {
        self.parts.last().is_some_and(|last| last.message != self.message)
    }
}

/// What is received next.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Item),
    Missed(Told),
    Ended(&'static str),
    Empty,
}

/// See the [module header](self).
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) rule: Rule,
    pub(crate) limits: Limits,
    pub(crate) items: Vec<Item>,
    /// What was missed behind the last item.
    tail: Told,
    pub(crate) matched: u64,
    delivered: u64,
    conflated: u64,
    expired: u64,
    lost: Vec<(LossReason, u64)>,
    pub(crate) ended: Option<&'static str>,
    /// Lost messages of which only the reason of the end tells.
    pub(crate) told_by_the_end: u64,
    progress_ms: u64,
}

/// What became of the messages of one run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) queued: u64,
    pub(crate) lost: u64,
}

impl Queue {
    pub(crate) fn new(rule: Rule, limits: Limits) -> Self {
        let (items, tail, lost, ended) = (Vec::new(), Told::new(), Vec::new(), None);
        let (matched, delivered, conflated, expired) = (0, 0, 0, 0);
        Self {
            rule,
            limits,
            items,
            tail,
            matched,
            delivered,
            conflated,
            expired,
            lost,
            ended,
            told_by_the_end: 0,
            progress_ms: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.message.size()).sum()
    }

    fn count_lost(&mut self, reason: LossReason, count: u64) {
        self.lost.push((reason, count));
    }

    /// The first in line goes; who reads is told at that place.
    fn lose_first(&mut self, why: Why) {
        let first = self.items.remove(0);
        let mut told = first.before;
        told.push((first.seq, why));
        match why {
            Why::Lost(reason) => self.count_lost(reason, 1),
            Why::Expired => self.expired += 1,
        }
        let place = self.items.first_mut().map_or(&mut self.tail, |item| &mut item.before);
        told.append(place);
        *place = told;
    }

    pub(crate) fn expire(&mut self, now_ms: u64) {
        let Some(ttl) = self.limits.ttl.map(|ttl| ttl.as_millis() as u64) else { return };
        while self.items.first().is_some_and(|first| now_ms - first.at_ms > ttl) {
            self.lose_first(Why::Expired);
        }
    }

    fn is_overdue(&self, now_ms: u64) -> bool {
        let stalled = now_ms.saturating_sub(self.progress_ms);
        let late = |behind: Duration| stalled >= behind.as_millis() as u64;
        !self.items.is_empty() && self.limits.behind.is_some_and(late)
    }

    fn lose_incoming(&mut self, reason: LossReason, count: u64) {
        self.count_lost(reason, count);
        for _ in 0..count {
            self.matched += 1;
            self.tail.push((self.matched, Why::Lost(reason)));
        }
    }

    fn end(&mut self, name: &'static str, reason: LossReason, lost: u64) {
        self.count_lost(reason, lost);
        self.told_by_the_end += lost;
        self.ended = Some(name);
    }

    pub(crate) fn fits_alone(&self, message: &Sent) -> bool {
        self.limits.messages != Some(0)
            && self.limits.bytes.is_none_or(|most| message.size() <= most)
    }

    /// Whether there is room for a message beside what is queued.
    pub(crate) fn has_room(&self, message: &Sent) -> bool {
        let within = |limit: Option<u64>, size| limit.is_none_or(|limit| size <= limit);
        within(self.limits.messages, self.items.len() as u64 + 1)
            && within(self.limits.bytes, self.bytes() + message.size())
    }

    /// Takes messages of one subject that come together.
    pub(crate) fn offer(&mut self, run: &[(u64, Sent)], now_ms: u64) -> Outcome {
        let mut outcome = Outcome::default();
        let [.., (number, last)] = run else { return outcome };
        if self.ended.is_some() {
            return outcome;
        }
        self.expire(now_ms);
        if self.is_overdue(now_ms) {
            self.matched += 1;
            self.end("too_far_behind", LossReason::TooFarBehind, 1);
            outcome.lost += 1;
            return outcome;
        }
        if self.items.is_empty() {
            self.progress_ms = self.progress_ms.max(now_ms);
        }
        if matches!(self.rule, Rule::BySubject(_)) && self.fits_alone(last) {
            // They replace one another before anybody could have seen them.
            self.offer_one(*number, last, run.len() as u64 - 1, now_ms, &mut outcome);
        } else {
            for (number, message) in run {
                self.offer_one(*number, message, 0, now_ms, &mut outcome);
                if self.ended.is_some() {
                    break;
                }
            }
        }
        outcome
    }

    fn offer_one(&mut self, number: u64, sent: &Sent, passed: u64, now_ms: u64, to: &mut Outcome) {
        loop {
            let (mut key, mut at_a_limit) = (self.rule.key(sent), self.rule.at_a_limit());
            let reason = match at_a_limit {
                _ if self.rule.makes_wait() => LossReason::NoRoom,
                Fallback::DropNewest => LossReason::DroppedNewest,
                Fallback::DropOldest => LossReason::DroppedOldest,
                Fallback::Disconnect => LossReason::OutOfCapacity,
            };
            if self.rule == Rule::Touchy && sent.payload.starts_with('!') {
                self.matched += 1;
                to.lost += 1;
                return self.end("policy_failed", LossReason::Removed, 1);
            }
            let mut forced = false;
            if self.rule == Rule::Whim {
                let oldest = self.items.first().map(|item| now_ms - item.at_ms);
                let answer =
                    whim(tag(sent), self.items.len() as u64, oldest.map(Duration::from_millis));
                forced = !matches!(answer, Admit::Accept | Admit::Replace(_));
                match answer {
                    Admit::Replace(own) => key = Some(String::from_utf8(own.into()).unwrap()),
                    Admit::Refuse => at_a_limit = Fallback::DropNewest,
                    Admit::DropOldest => at_a_limit = Fallback::DropOldest,
                    Admit::Accept | Admit::End(_) => {}
                    other => panic!("no whim: {other:?}"),
                }
            }
            let place = self.items.iter().position(|item| key.is_some() && item.key == key);
            let message = &self.folded(place, sent);
            let old = place.map_or(0, |at| self.items[at].message.size());
            let messages = self.items.len() + usize::from(place.is_none());
            let over = |limit: Option<u64>, size: u64| limit.is_some_and(|limit| size > limit);
            let full = over(self.limits.messages, messages as u64)
                || over(self.limits.bytes, self.bytes() - old + message.size());
            if !full && !forced {
                to.queued += passed + 1;
                return self.put(number, sent, passed, key, place, now_ms);
            }
            match at_a_limit {
                Fallback::DropOldest if !self.items.is_empty() && self.fits_alone(message) => {
                    self.lose_first(Why::Lost(reason));
                }
                Fallback::DropNewest | Fallback::DropOldest => {
                    to.lost += passed + 1;
                    return self.lose_incoming(reason, passed + 1);
                }
                Fallback::Disconnect => {
                    // The end itself tells of these.
                    self.matched += passed + 1;
                    to.lost += passed + 1;
                    return self.end("out_of_capacity", reason, passed + 1);
                }
            }
        }
    }

    /// What is to be queued, if `sent` is.
    fn folded(&self, place: Option<usize>, sent: &Sent) -> Sent {
        let mut message = sent.clone();
        if let (Rule::Joins(_), Some(at)) = (self.rule, place) {
            message.payload = format!("{}+{}", self.items[at].message.payload, sent.payload);
        }
        message
    }

    fn put(
        &mut self,
        number: u64,
        sent: &Sent,
        passed: u64,
        key: Option<String>,
        place: Option<usize>,
        at_ms: u64,
    ) {
        self.matched += passed + 1;
        self.conflated += passed;
        let (seq, message) = (self.matched, self.folded(place, sent));
        let mut parts = place.map_or(Vec::new(), |at| std::mem::take(&mut self.items[at].parts));
        if matches!(self.rule, Rule::Sums(_) | Rule::Joins(_)) {
            let value = value(sent).filter(|_| matches!(self.rule, Rule::Sums(_)));
            parts.push(Part { message: sent.clone(), at_ms, value });
        }
        let item = match place {
            Some(at) => {
                self.conflated += 1;
                let before = std::mem::take(&mut self.items[at].before);
                let replaced = self.items[at].replaced + passed + 1;
                Item { message, number, seq, replaced, parts, before, key, at_ms }
            }
            None => {
                let before = std::mem::take(&mut self.tail);
                Item { message, number, seq, replaced: passed, parts, before, key, at_ms }
            }
        };
        match place {
            Some(at) => self.items[at] = item,
            None => self.items.push(item),
        }
    }

    pub(crate) fn receive(&mut self, now_ms: u64) -> Next {
        self.expire(now_ms);
        if !self.items.is_empty() {
            self.delivered += 1;
            self.progress_ms = self.progress_ms.max(now_ms);
            return Next::Item(self.items.remove(0));
        }
        if !self.tail.is_empty() {
            return Next::Missed(std::mem::take(&mut self.tail));
        }
        self.ended.map_or(Next::Empty, Next::Ended)
    }

    pub(crate) fn sweep(&mut self, now_ms: u64) {
        self.expire(now_ms);
        if self.is_overdue(now_ms) {
            self.ended.get_or_insert("too_far_behind");
        }
    }

    /// Somebody needs all the memory there is.
    pub(crate) fn evict(&mut self) {
        let may_lose = self.rule.at_a_limit() != Fallback::Disconnect && !self.rule.makes_wait()
            || self.ended.is_some();
        while may_lose && !self.items.is_empty() {
            self.lose_first(Why::Lost(LossReason::MemoryPressure));
        }
        if !self.items.is_empty() {
            self.end("memory_pressure", LossReason::MemoryPressure, self.items.len() as u64);
            // What was missed earlier is still told; of the rest the end tells.
            let told = self.items.drain(..).flat_map(|item| item.before);
            let told: Told = told.chain(std::mem::take(&mut self.tail)).collect();
            self.tail = told;
        }
    }

    /// Whether `account` is that of this queue.
    pub(crate) fn agrees_with(&self, account: &Account) -> bool {
        let lost = |reason| {
            let of_it = self.lost.iter().filter(|(why, _)| *why == reason);
            of_it.map(|(_, count)| count).sum::<u64>()
        };
        account.is_conserved()
            && account.matched() == self.matched
            && account.delivered() == self.delivered
            && account.conflated() == self.conflated
            && account.expired() == self.expired
            && account.queued() == self.items.len() as u64
            && account.queued_bytes() == self.bytes()
            && LossReason::ALL.iter().all(|&why| account.losses().of(why) == lost(why))
    }
}
