//! Every policy against the oracle, on a paused clock, compared after every step; and what a reader
//! can check by itself: that nothing is missing between what it got and what it was told.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use floodway::{
    Delivery, Digest, EndReason, Fallback, Filter, Limits, Missed, RecvError, SHARE_FROM_BYTES,
    Subscription,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::oracle::{Item, NUMBERS, Next, Outcome, Queue, Rule, is_told};
use crate::paused::{Paused, Sent};

const BUDGET: u64 = 64 << 20;
/// How many expired messages a single call frees.
const FREED_AT_ONCE: u64 = 64;
const FILTERS: [&str; 4] = ["a.*", "*.b", ">", "c"];
const SUBJECTS: [&str; 5] = ["a.b", "a.b", "a.c", "c", "d"];
const RULES: [Rule; 19] = [
    Rule::Disconnect,
    Rule::DropNewest,
    Rule::DropOldest,
    Rule::BySubject(Fallback::DropOldest),
    Rule::BySubject(Fallback::DropNewest),
    Rule::BySubject(Fallback::Disconnect),
    Rule::ByTag(Fallback::DropOldest),
    Rule::ByTag(Fallback::DropNewest),
    Rule::ByTag(Fallback::Disconnect),
    Rule::ByName(Fallback::DropOldest),
    Rule::ByName(Fallback::DropNewest),
    Rule::ByName(Fallback::Disconnect),
    Rule::Sums(Fallback::DropOldest),
    Rule::Sums(Fallback::DropNewest),
    Rule::Sums(Fallback::Disconnect),
    Rule::Joins(Fallback::DropOldest),
    Rule::Joins(Fallback::DropNewest),
    Rule::Joins(Fallback::Disconnect),
    Rule::Whim,
];

#[derive(Debug, Clone)]
enum Op {
    Subscribe(&'static str, Rule, Limits),
    Unsubscribe(Index),
    Drop(Index),
    Publish(Vec<Sent>),
    Receive(Index, usize),
    TakeBacklog(Index),
    Pass(u64),
    Sweep,
    MakeRoom,
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = proptest::option::of(prop_oneof![5 => 1..9_u64, 1 => Just(0)]);
    let bytes = prop_oneof![2 => 80..500_u64, 1 => 0..80_u64, 1 => Just(10_000)];
    let behind = proptest::option::weighted(0.3, (1..40_u64).prop_map(Duration::from_millis));
    let ttl = proptest::option::of((0..20_u64).prop_map(Duration::from_millis));
    (messages, proptest::option::of(bytes), behind, ttl)
        .prop_map(|(messages, bytes, behind, ttl)| Limits { messages, bytes, behind, ttl })
}

/// Messages of a batch, some of one subject in a row.
fn batch() -> impl Strategy<Value = Vec<Sent>> {
    let tag = proptest::option::weighted(0.8, proptest::char::range('a', 'f'));
    let name = proptest::option::weighted(0.8, proptest::char::range('a', 'd'));
    let pad = prop_oneof![9 => 0..60_usize, 1 => Just(SHARE_FROM_BYTES)];
    let number = proptest::option::weighted(0.4, select(&NUMBERS[..]));
    let one = (tag, name, pad, number);
    let run = (select(&SUBJECTS[..]), proptest::collection::vec(one, 1..6)).prop_map(
        |(subject, ones)| {
            let sent = |(tag, name, pad, number): (_, _, _, Option<(&str, _)>)| {
                let mut sent = Sent::new(subject, tag, name, pad);
                let field = number.map(|(written, _)| format!("\"n\": {written}, "));
                sent.payload.insert_str(1, &field.unwrap_or_default());
                sent
            };
            ones.into_iter().map(sent).collect::<Vec<_>>()
        },
    );
    proptest::collection::vec(run, 1..4).prop_map(|runs| runs.concat())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (select(&FILTERS[..]), select(&RULES[..]), limits())
            .prop_map(|(filter, rule, limits)| Op::Subscribe(filter, rule, limits)),
        1 => any::<Index>().prop_map(Op::Unsubscribe),
        1 => any::<Index>().prop_map(Op::Drop),
        9 => batch().prop_map(Op::Publish),
        5 => (any::<Index>(), 1..6_usize).prop_map(|(at, count)| Op::Receive(at, count)),
        1 => any::<Index>().prop_map(Op::TakeBacklog),
        4 => (1..12_u64).prop_map(Op::Pass),
        1 => Just(Op::Sweep),
        1 => prop_oneof![2 => Just(Op::Sweep), 1 => Just(Op::MakeRoom)],
    ]
}

/// What a reader knows from what it was given, and from nothing else.
#[derive(Default)]
struct Reader {
    received: HashSet<u64>,
    last: u64,
    /// Missed messages it was told of, and replaced ones.
    missed: u64,
    replaced: u64,
}

impl Reader {
    fn told(&mut self, missed: &Missed, keyed: bool) -> Result<(), TestCaseError> {
        let (total, first, last) = (missed.total(), missed.first(), missed.last());
        prop_assert!(total > 0 && total == missed.by_reason().map(|(_, count)| count).sum::<u64>());
        prop_assert!(total <= last - first + 1, "{:?}", missed);
        if !keyed {
            prop_assert_eq!((first, last), (self.last + 1, self.last + total), "a hole");
            self.last = last;
        }
        self.missed += total;
        Ok(())
    }

    fn takes(&mut self, delivery: &Delivery, keyed: bool) -> Result<(), TestCaseError> {
        if let Some(missed) = delivery.missed() {
            self.told(missed, keyed)?;
        }
        prop_assert!(self.received.insert(delivery.seq()), "received twice");
        prop_assert!(keyed || delivery.seq() == self.last + 1, "a hole");
        prop_assert!(keyed || delivery.replaced() == 0);
        self.last = delivery.seq();
        self.replaced += delivery.replaced();
        Ok(())
    }
}

fn compare_digests(
    item: &Item,
    digest: Option<&Digest>,
    start: Instant,
) -> Result<(), TestCaseError> {
    let Some(digest) = digest else {
        prop_assert!(item.parts.is_empty());
        return Ok(());
    };
    let parts = item.parts.len() as u64;
    prop_assert_eq!((digest.count(), digest.count()), (parts, item.replaced + 1));
    let at = |ms: Option<u64>| start + Duration::from_millis(ms.unwrap());
    let times = || item.parts.iter().map(|part| part.at_ms);
    prop_assert_eq!((digest.first(), digest.last()), (at(times().min()), at(times().max())));
    let numbers: Vec<_> = item.parts.iter().filter_map(|part| part.value).collect();
    prop_assert_eq!(digest.without_number(), parts - numbers.len() as u64);
    let Some(found) = digest.numbers() else {
        prop_assert!(numbers.is_empty(), "{numbers:?}");
        return Ok(());
    };
    prop_assert_eq!((found.count, found.last), (numbers.len() as u64, *numbers.last().unwrap()));
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    prop_assert_eq!((found.min, found.max), (sorted[0], sorted[sorted.len() - 1]));
    prop_assert_eq!(found.sum, numbers.iter().sum::<f64>());
    Ok(())
}

/// And whether everything is looked at after it. To look at a queue puts back what its reader has
/// in the hand, so not always to look is another test.
fn looked_at() -> impl Strategy<Value = (Op, bool)> {
    (op(), proptest::bool::weighted(0.4))
}

struct Pair {
    filter: Filter,
    keyed: bool,
    limits: Limits,
    real: Subscription,
    model: Queue,
    reader: Reader,
}

impl Pair {
    fn compare(
        &mut self,
        real: &Result<Delivery, RecvError>,
        next: &Next,
        start: Instant,
    ) -> Result<(), TestCaseError> {
        match (next, real) {
            (Next::Item(item), Ok(delivery)) => {
                prop_assert_eq!(item.message.subject.as_bytes(), delivery.subject());
                prop_assert_eq!(item.message.headers.as_bytes(), delivery.headers());
                prop_assert_eq!(item.message.payload.as_bytes(), &delivery.payload()[..]);
                prop_assert_eq!(item.seq, delivery.seq());
                prop_assert_eq!(item.replaced, delivery.replaced());
                compare_digests(item, delivery.digest(), start)?;
                let told = is_told(&item.before, delivery.missed());
                prop_assert!(told, "{:?}, not {:?}", item.before, delivery.missed());
                self.reader.takes(delivery, self.keyed)?;
            }
            (Next::Missed(told), Err(RecvError::Missed(missed))) => {
                prop_assert!(is_told(told, Some(missed)), "{told:?}, not {missed:?}");
                self.reader.told(missed, self.keyed)?;
            }
            (Next::Ended(name), Err(RecvError::Ended(reason))) => {
                prop_assert_eq!(*name, reason.name());
            }
            (Next::Empty, Err(RecvError::Empty)) => {}
            (next, real) => prop_assert!(false, "{next:?}, not {real:?}"),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let account = self.real.account();
        prop_assert!(self.model.agrees_with(&account), "{:#?}\n{:#?}", self.model, account);
        let within = |limit: Option<u64>, size| limit.is_none_or(|limit| size <= limit);
        prop_assert!(within(self.limits.messages, account.queued()));
        prop_assert!(within(self.limits.bytes, account.queued_bytes()));
        let ended = self.real.end_reason();
        prop_assert_eq!(ended.as_ref().map(EndReason::name), self.model.ended);
        prop_assert_eq!(account.delivered(), self.reader.received.len() as u64);
        prop_assert!(self.reader.replaced <= account.conflated());
        prop_assert!(self.reader.missed <= account.losses().total() + account.expired());
        Ok(())
    }
}

struct World {
    clock: Paused,
    pairs: Vec<Pair>,
    published: u64,
}

impl World {
    fn at(&mut self, at: Index) -> Option<&mut Pair> {
        let len = self.pairs.len();
        (len > 0).then(|| &mut self.pairs[at.index(len)])
    }

    fn publish(&mut self, messages: Vec<Sent>) -> Result<(), TestCaseError> {
        let report = self.clock.publish(&messages);
        let first = self.published + 1;
        self.published += messages.len() as u64;
        let (mut all, mut matched) = (Outcome::default(), 0);
        // One that ends over a message is offered nothing of the rest of the batch.
        let open: Vec<_> = self.pairs.iter().map(|pair| pair.model.ended.is_none()).collect();
        let numbered: Vec<_> = (first..).zip(messages).collect();
        for run in numbered.chunk_by(|(_, one), (_, next)| one.subject == next.subject) {
            for (pair, _) in self.pairs.iter_mut().zip(&open).filter(|(_, open)| **open) {
                if !pair.filter.matches(run[0].1.subject.as_bytes()) {
                    continue;
                }
                if pair.model.ended.is_none() {
                    let before = pair.model.matched;
                    let outcome = pair.model.offer(run, self.clock.ms);
                    matched += pair.model.matched - before;
                    all.queued += outcome.queued;
                    all.lost += outcome.lost;
                }
            }
        }
        prop_assert_eq!((report.queued, report.lost()), (all.queued, all.lost));
        prop_assert_eq!(report.matched, matched);
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let (now, now_ms, start) = (self.clock.now(), self.clock.ms, self.clock.start);
        match op {
            Op::Subscribe(filter, rule, limits) => {
                let real = self.clock.subscribe(filter, rule.policy(), limits);
                let (filter, model) = (Filter::new(filter).unwrap(), Queue::new(rule, limits));
                let keyed = !matches!(rule, Rule::Disconnect | Rule::DropNewest | Rule::DropOldest);
                let reader = Reader::default();
                self.pairs.push(Pair { filter, keyed, limits, real, model, reader });
            }
            Op::Unsubscribe(at) => {
                if let Some(pair) = self.at(at) {
                    pair.real.unsubscribe();
                    pair.model.ended.get_or_insert("unsubscribed");
                }
            }
            Op::Drop(at) => {
                if !self.pairs.is_empty() {
                    self.pairs.remove(at.index(self.pairs.len()));
                }
            }
            Op::Publish(messages) => self.publish(messages)?,
            Op::Receive(at, count) => {
                let Some(pair) = self.at(at) else { return Ok(()) };
                for _ in 0..count {
                    let (next, real) = (pair.model.receive(now_ms), pair.real.try_recv_at(now));
                    pair.compare(&real, &next, start)?;
                }
            }
            Op::TakeBacklog(at) => {
                let Some(pair) = self.at(at) else { return Ok(()) };
                for delivery in pair.real.take_backlog_at(now) {
                    let next = pair.model.receive(now_ms);
                    pair.compare(&Ok(delivery), &next, start)?;
                }
                pair.model.expire(now_ms);
                prop_assert!(pair.model.items.is_empty());
            }
            Op::Pass(ms) => self.clock.ms += ms,
            Op::Sweep => {
                self.clock.sweep();
                self.pairs.iter_mut().for_each(|pair| pair.model.sweep(now_ms));
            }
            Op::MakeRoom => {
                self.clock.bus.make_room(BUDGET);
                self.pairs.iter_mut().for_each(|pair| pair.model.evict());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        self.pairs.iter().try_for_each(Pair::check)?;
        let open = self.pairs.iter().filter(|pair| pair.model.ended.is_none()).count();
        prop_assert_eq!(self.clock.bus.subscription_count(), open);
        prop_assert_eq!(self.clock.bus.consumer_count(), self.pairs.len());
        // One copy of each message that is queued anywhere, and of none that is not, and what is
        // made of them; but of many that expire at once only some are freed at once.
        let each = || self.pairs.iter().flat_map(|pair| &pair.model.items);
        let sent = each().filter(|item| !item.is_made());
        let sent: HashSet<_> = sent.map(|item| (item.number, item.message.held())).collect();
        let made = each().filter(|item| item.is_made()).map(|item| item.message.held());
        let messages = sent.iter().map(|(_, held)| *held).chain(made);
        let digests = each().filter(|item| !item.parts.is_empty()).count() * size_of::<Digest>();
        let held = messages.sum::<u64>() + digests as u64;
        let used = self.clock.bus.budget().used();
        let many = self.pairs.iter().any(|pair| pair.real.account().expired() > FREED_AT_ONCE);
        prop_assert!(used == held || many && used > held, "{used} used and {held} queued");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    // checklist: A7 A8 A13 E5
    // spec: CON-1, CON-2, ORD-1, OVF-4, OVF-5, OVF-6, OVF-9, TLD-1, TLD-2, TLD-3
    #[test]
    fn every_policy_agrees_with_the_oracle(ops in proptest::collection::vec(looked_at(), 1..80)) {
        let mut world = World { clock: Paused::new(BUDGET), pairs: Vec::new(), published: 0 };
        for (op, look) in ops {
            world.apply(op)?;
            if look {
                world.check()?;
            }
        }
        // Everything still queued is read to the end, and covers what has matched.
        for pair in &mut world.pairs {
            let (now, now_ms) = (world.clock.now(), world.clock.ms);
            let start = world.clock.start;
            loop {
                let (next, real) = (pair.model.receive(now_ms), pair.real.try_recv_at(now));
                pair.compare(&real, &next, start)?;
                if matches!(next, Next::Empty | Next::Ended(_)) {
                    break;
                }
            }
            let (account, reader) = (pair.real.account(), &pair.reader);
            let untold = account.matched() - account.conflated()
                - reader.received.len() as u64 - reader.missed;
            // Only what an end stands for is not told in numbers.
            prop_assert_eq!(untold, pair.model.told_by_the_end, "vanished");
        }
        world.check()?;
        world.pairs.clear();
        world.check()?;
    }
}
