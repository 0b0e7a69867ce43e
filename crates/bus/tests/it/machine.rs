//! The whole bus against the oracle, step by step: subscriptions of all policies that change and
//! end, publishers that wait and give up, observers, limits, panics and the stop; what everybody
//! has and was told is compared after every step, and nobody waits who could go on.

use std::time::Duration;

use floodway::{
    Bus, BusConfig, BusLimits, Delivery, EndReason, Envelope, Fallback, Filter, Limits,
    ObserveOptions, Observer, Overflow, PublishError, PublishReport, RecvError, Refusal,
    SubscribeOptions, Subscription,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::oracle::{Next, Outcome, Queue, Rule, is_told};
use crate::paused::Sent;
use crate::task::Task;

const BUDGET: u64 = 64 << 20;
const BUS_LIMITS: BusLimits =
    BusLimits { subscriptions: Some(5), clients: Some(2), subscriptions_per_client: Some(3) };
const FILTERS: [&str; 4] = ["a.*", "*.b", ">", "c"];
const SUBJECTS: [&str; 4] = ["a.b", "a.c", "c", "d"];
const CLIENTS: [&str; 3] = ["x", "y", "z"];
const RULES: [Rule; 9] = [
    Rule::Disconnect,
    Rule::DropNewest,
    Rule::DropOldest,
    Rule::BySubject(Fallback::DropOldest),
    Rule::Whim,
    Rule::Touchy,
    Rule::Block,
    Rule::Block,
    Rule::Throttle,
];

#[derive(Debug, Clone)]
enum Op {
    Subscribe(&'static str, Option<&'static str>, Rule, Limits),
    Change(Index, Rule, Limits),
    Drop(Index),
    Unsubscribe(Index),
    Kick(Index),
    UnsubscribeClient(&'static str),
    Observe(&'static str),
    Publish(Sent),
    PublishWaiting(Sent),
    GiveUp(Index),
    Receive(Index, usize),
    TakeBacklog(Index),
    MakeRoom,
    Stop,
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = proptest::option::weighted(0.9, prop_oneof![9 => 1..4_u64, 1 => Just(0)]);
    let bytes = proptest::option::weighted(0.3, 20..200_u64);
    (messages, bytes).prop_map(|(messages, bytes)| Limits { messages, bytes, ..Limits::NONE })
}

fn sent() -> impl Strategy<Value = Sent> {
    // Not the one for which it matters how much time has passed.
    let tag = proptest::option::weighted(0.5, select(&['a', 'b', 'c', 'd', 'f'][..]));
    let normal = (select(&SUBJECTS[..]), tag, 0..60_usize)
        .prop_map(|(subject, tag, pad)| Sent::new(subject, tag, None, pad));
    let panic = select(&SUBJECTS[..])
        .prop_map(|subject| Sent { payload: "!".into(), ..Sent::new(subject, None, None, 0) });
    prop_oneof![12 => normal, 1 => panic]
}

fn op() -> impl Strategy<Value = Op> {
    let client = || proptest::option::of(select(&CLIENTS[..]));
    prop_oneof![
        60 => (select(&FILTERS[..]), client(), select(&RULES[..]), limits())
            .prop_map(|(filter, client, rule, limits)| Op::Subscribe(filter, client, rule, limits)),
        30 => (any::<Index>(), select(&RULES[..]), limits())
            .prop_map(|(at, rule, limits)| Op::Change(at, rule, limits)),
        15 => any::<Index>().prop_map(Op::Drop),
        15 => any::<Index>().prop_map(Op::Unsubscribe),
        10 => any::<Index>().prop_map(Op::Kick),
        5 => select(&CLIENTS[..]).prop_map(Op::UnsubscribeClient),
        2 => select(&FILTERS[..]).prop_map(Op::Observe),
        80 => sent().prop_map(Op::Publish),
        80 => sent().prop_map(Op::PublishWaiting),
        15 => any::<Index>().prop_map(Op::GiveUp),
        90 => (any::<Index>(), 1..4_usize).prop_map(|(at, count)| Op::Receive(at, count)),
        15 => any::<Index>().prop_map(Op::TakeBacklog),
        4 => Just(Op::MakeRoom),
        2 => Just(Op::Stop),
    ]
}

/// And whether everything is looked at after it. To look at a queue puts back what its reader has
/// in the hand, so not always to look is another test.
fn looked_at() -> impl Strategy<Value = (Op, bool)> {
    (op(), proptest::bool::weighted(0.4))
}

fn envelope(sent: &Sent) -> Envelope<'static> {
    let envelope = Envelope::to(sent.subject.clone());
    match sent.headers.split_once("Tag: ") {
        Some((_, rest)) => envelope.header("Tag", &rest[..1]),
        None => envelope,
    }
}

type Published = Result<PublishReport, PublishError<bytes::Bytes>>;

struct Pair {
    client: Option<&'static str>,
    real: Subscription,
    model: Queue,
}

impl Pair {
    fn is_live(&self) -> bool {
        self.model.ended.is_none()
    }

    /// Whether publishers of the message have to ask it.
    fn is_asked(&self, sent: &Sent) -> bool {
        self.is_live() && self.model.rule.makes_wait() && self.matches(sent)
    }

    fn matches(&self, sent: &Sent) -> bool {
        self.real.filter().matches(sent.subject.as_bytes())
    }

    fn waiting(&self) -> u32 {
        self.real.metrics().waiting_publishers
    }

    fn compare(
        &mut self,
        real: Result<Delivery, RecvError>,
        next: &Next,
    ) -> Result<(), TestCaseError> {
        match (next, real) {
            (Next::Item(item), Ok(delivery)) => {
                prop_assert_eq!(item.message.payload.as_bytes(), &delivery.payload()[..]);
                prop_assert_eq!(item.message.headers.as_bytes(), delivery.headers());
                prop_assert_eq!(item.seq, delivery.seq());
                prop_assert_eq!(item.replaced, delivery.replaced());
                prop_assert_eq!(self.real.id(), delivery.subscription());
                let told = is_told(&item.before, delivery.missed());
                prop_assert!(told, "{:?}, not {:?}", item.before, delivery.missed());
            }
            (Next::Missed(told), Err(RecvError::Missed(missed))) => {
                prop_assert!(is_told(told, Some(&missed)), "{told:?}, not {missed:?}");
            }
            (Next::Ended(name), Err(RecvError::Ended(reason))) => {
                prop_assert_eq!(*name, reason.name());
            }
            (Next::Empty, Err(RecvError::Empty)) => {}
            (next, real) => prop_assert!(false, "{next:?}, not {real:?}"),
        }
        Ok(())
    }
}

struct Watched {
    filter: Filter,
    observer: Observer,
    shown: u64,
    panics: u64,
}

struct World {
    bus: Bus,
    pairs: Vec<Pair>,
    waiting: Vec<(Task<'static, Published>, Sent)>,
    observers: Vec<Watched>,
    published: u64,
    stopped: bool,
}

impl World {
    fn new() -> Self {
        let config =
            BusConfig { memory_budget: BUDGET, limits: BUS_LIMITS, ..BusConfig::default() };
        let (pairs, waiting, observers) = (Vec::new(), Vec::new(), Vec::new());
        let bus = Bus::new(&config);
        Self { bus, pairs, waiting, observers, published: 0, stopped: false }
    }

    fn at(&mut self, at: Index) -> Option<&mut Pair> {
        let len = self.pairs.len();
        (len > 0).then(|| &mut self.pairs[at.index(len)])
    }

    /// A message was published: everybody who matches has got it.
    fn hand_out(&mut self, sent: &Sent, report: &PublishReport) -> Result<(), TestCaseError> {
        self.published += 1;
        let (run, mut all, mut matched) = ([(self.published, sent.clone())], Outcome::default(), 0);
        for pair in self.pairs.iter_mut().filter(|pair| pair.is_live() && pair.matches(sent)) {
            prop_assert!(!pair.is_asked(sent) || pair.model.has_room(sent), "it was not asked");
            let before = pair.model.matched;
            let outcome = pair.model.offer(&run, 0);
            matched += pair.model.matched - before;
            all.queued += outcome.queued;
            all.lost += outcome.lost;
        }
        prop_assert_eq!((report.matched, report.queued), (matched, all.queued));
        prop_assert_eq!(report.lost(), all.lost);
        for watched in &mut self.observers {
            if watched.filter.matches(sent.subject.as_bytes()) {
                watched.shown += 1;
                watched.panics += u64::from(sent.payload == "!");
            }
        }
        Ok(())
    }

    /// What became of a message that was published or refused; nobody else was served meanwhile.
    fn judge(&mut self, sent: &Sent, outcome: Published) -> Result<(), TestCaseError> {
        let error = match outcome {
            Ok(report) => {
                prop_assert!(!self.stopped);
                return self.hand_out(sent, &report);
            }
            Err(error) => error,
        };
        prop_assert_eq!(error.payload.as_ref(), sent.payload.as_bytes(), "handed back");
        let asked = || self.pairs.iter().filter(|pair| pair.is_asked(sent));
        match error.refusal {
            Refusal::Stopped => prop_assert!(self.stopped),
            Refusal::Full(names) => {
                let is_full = |pair: &Pair| !pair.model.has_room(sent) || pair.waiting() > 0;
                let mut full = asked().filter(|pair| is_full(pair));
                prop_assert!(full.any(|pair| names == [pair.real.metrics().name]), "{names:?}");
            }
            Refusal::TooLarge(name) => {
                let mut small = asked().filter(|pair| !pair.model.fits_alone(sent));
                prop_assert!(small.any(|pair| name == pair.real.metrics().name), "{name}");
            }
            other => prop_assert!(false, "{other}"),
        }
        Ok(())
    }

    /// Lets all who were woken go on, as an executor would.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        while let Some(at) = self.waiting.iter().position(|(task, _)| task.is_woken()) {
            if let Some(outcome) = self.waiting[at].0.poll() {
                let (_, sent) = self.waiting.remove(at);
                self.judge(&sent, outcome)?;
            }
        }
        Ok(())
    }

    /// Who still waits has reason to.
    fn check_waiting(&self) -> Result<(), TestCaseError> {
        for (_, sent) in &self.waiting {
            let is_stuck = |pair: &Pair| {
                let mut others = self.waiting.iter().map(|(_, other)| other);
                let blocks = |other: &Sent| pair.is_asked(other) && !pair.model.has_room(other);
                pair.is_asked(sent) && pair.waiting() > 0 && others.any(blocks)
            };
            prop_assert!(!self.stopped && self.pairs.iter().any(is_stuck), "waits for nothing");
        }
        let lines: u32 = self.pairs.iter().map(Pair::waiting).sum();
        prop_assert_eq!(lines as usize, self.waiting.len());
        Ok(())
    }

    fn subscribe(
        &mut self,
        filter: &str,
        client: Option<&'static str>,
        rule: Rule,
        limits: Limits,
    ) -> Result<(), TestCaseError> {
        let options = SubscribeOptions::default().policy(rule.policy()).limits(limits);
        let options = options.name(&format!("number {}", self.pairs.len()));
        let options = client.into_iter().fold(options, SubscribeOptions::client);
        let live = || self.pairs.iter().filter(|pair| pair.is_live());
        let of = |client| live().filter(|pair| pair.client == Some(client)).count();
        let known = CLIENTS.iter().filter(|client| of(client) > 0).count();
        let allowed = !self.stopped
            && live().count() < 5
            && client.is_none_or(|client| of(client) < 3 && (of(client) > 0 || known < 2));
        let made = self.bus.subscribe(&Filter::new(filter).unwrap(), options);
        prop_assert_eq!(made.is_ok(), allowed, "{:?}", made.err());
        if let Ok(real) = made {
            self.pairs.push(Pair { client, real, model: Queue::new(rule, limits) });
        }
        Ok(())
    }

    fn end(&mut self, at: Index, by_kick: bool) -> Result<(), TestCaseError> {
        let bus = self.bus.clone();
        let Some(pair) = self.at(at) else { return Ok(()) };
        let (was_live, id) = (pair.is_live(), pair.real.id());
        let ended = if by_kick { bus.kick(id) } else { bus.unsubscribe(id) };
        prop_assert_eq!(ended, was_live);
        pair.model.ended.get_or_insert(if by_kick { "kicked" } else { "unsubscribed" });
        Ok(())
    }

    fn stop(&mut self) -> Result<(), TestCaseError> {
        let report = self.bus.stop(Duration::ZERO);
        self.stopped = true;
        let unread = report.unread.iter().map(|left| (left.id, left.messages));
        let mut unread: Vec<_> = unread.collect();
        let queued = self.pairs.iter().filter(|pair| !pair.model.items.is_empty());
        let mut queued: Vec<_> =
            queued.map(|pair| (pair.real.id(), pair.model.items.len() as u64)).collect();
        unread.sort();
        queued.sort();
        prop_assert_eq!(unread, queued);
        self.pairs.iter_mut().for_each(|pair| _ = pair.model.ended.get_or_insert("server_stopped"));
        Ok(())
    }

    fn observe(&mut self, filter: &str) -> Result<(), TestCaseError> {
        let deadline = Duration::from_secs(60);
        let options = ObserveOptions { deadline, ..ObserveOptions::default() };
        let filter = Filter::new(filter).unwrap();
        let observer = self.bus.observe(&filter, options, |message| {
            assert!(!message.payload().starts_with(b"!"), "on purpose");
        });
        prop_assert_eq!(observer.is_err(), self.stopped);
        let watched = |observer| Watched { filter, observer, shown: 0, panics: 0 };
        self.observers.extend(observer.map(watched));
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Subscribe(filter, client, rule, limits) => {
                self.subscribe(filter, client, rule, limits)?;
            }
            Op::Change(at, rule, limits) => {
                let Some(pair) = self.at(at) else { return Ok(()) };
                pair.real.set_overflow(Overflow::new(rule.policy(), limits));
                (pair.model.rule, pair.model.limits) = (rule, limits);
            }
            Op::Drop(at) if !self.pairs.is_empty() => {
                self.pairs.remove(at.index(self.pairs.len()));
            }
            Op::Unsubscribe(at) => self.end(at, false)?,
            Op::Kick(at) => self.end(at, true)?,
            Op::UnsubscribeClient(client) => {
                let ended = self.bus.unsubscribe_client(client);
                let of = |pair: &&mut Pair| pair.is_live() && pair.client == Some(client);
                let of: Vec<_> = self.pairs.iter_mut().filter(of).collect();
                prop_assert_eq!(ended, of.len());
                of.into_iter().for_each(|pair| pair.model.ended = Some("unsubscribed"));
            }
            Op::Observe(filter) if self.observers.len() < 2 => self.observe(filter)?,
            Op::Publish(sent) => {
                let outcome = self.bus.publish(envelope(&sent), sent.payload.as_bytes());
                self.judge(&sent, outcome)?;
            }
            Op::PublishWaiting(sent) => {
                let (bus, to, payload) = (self.bus.clone(), envelope(&sent), sent.payload.clone());
                let publish = async move { bus.publish_wait_async(to, payload, None).await };
                let mut task = Task::new(publish);
                match task.poll() {
                    Some(outcome) => self.judge(&sent, outcome)?,
                    None => self.waiting.push((task, sent)),
                }
            }
            Op::GiveUp(at) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(at.index(self.waiting.len())));
            }
            Op::Receive(at, count) => {
                let Some(pair) = self.at(at) else { return Ok(()) };
                for _ in 0..count {
                    let (next, real) = (pair.model.receive(0), pair.real.try_recv());
                    pair.compare(real, &next)?;
                }
            }
            Op::TakeBacklog(at) => {
                let Some(pair) = self.at(at) else { return Ok(()) };
                for delivery in pair.real.take_backlog() {
                    let next = pair.model.receive(0);
                    pair.compare(Ok(delivery), &next)?;
                }
                prop_assert!(pair.model.items.is_empty());
            }
            Op::MakeRoom => {
                self.bus.make_room(BUDGET);
                self.pairs.iter_mut().for_each(|pair| pair.model.evict());
            }
            Op::Stop => self.stop()?,
            Op::Drop(_) | Op::Observe(_) | Op::GiveUp(_) => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for Pair { real, model, .. } in &self.pairs {
            let account = real.account();
            prop_assert!(account.is_conserved());
            prop_assert!(model.agrees_with(&account), "{:#?}\n{:#?}", model, account);
            prop_assert_eq!(real.end_reason().as_ref().map(EndReason::name), model.ended);
        }
        let live = || self.pairs.iter().filter(|pair| pair.is_live());
        let is_there = |client| live().any(|pair| pair.client == Some(client));
        let clients = CLIENTS.into_iter().filter(|client| is_there(client)).count();
        prop_assert_eq!(self.bus.subscription_count(), live().count());
        prop_assert_eq!(self.bus.client_count(), clients);
        prop_assert_eq!(self.bus.consumer_count(), self.pairs.len());
        for watched in &self.observers {
            let report = watched.observer.report();
            prop_assert_eq!((report.handled, report.panics), (watched.shown, watched.panics));
            prop_assert_eq!(report.overruns, 0);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    // checklist: A8 B3 B6 B9 B11 B13 B14
    #[test]
    fn the_bus_agrees_with_the_oracle(ops in proptest::collection::vec(looked_at(), 1..120)) {
        let mut world = World::new();
        for (op, look) in ops {
            world.apply(op)?;
            world.settle()?;
            if look {
                world.check_waiting()?;
                world.check()?;
            }
        }
        // Everybody reads to the end.
        for at in 0..world.pairs.len() {
            loop {
                let pair = &mut world.pairs[at];
                let (next, real) = (pair.model.receive(0), pair.real.try_recv());
                pair.compare(real, &next)?;
                world.settle()?;
                world.check_waiting()?;
                if matches!(next, Next::Empty | Next::Ended(_)) && world.waiting.is_empty() {
                    break;
                }
                if matches!(next, Next::Empty | Next::Ended(_)) {
                    // Those who wait for another one are let go.
                    world.waiting.clear();
                }
            }
        }
        world.check()?;
        world.pairs.clear();
        // An observer lets go of a message right after it has handled it.
        while !world.observers.is_empty() && world.bus.budget().used() > 0 {
            std::thread::yield_now();
        }
        prop_assert_eq!((world.bus.budget().used(), world.bus.consumer_count()), (0, 0));
        prop_assert_eq!(world.bus.metrics().totals.queued, 0);
    }
}
