//! The bus against a model that is one plain queue per subscription, compared after every step.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use floodway::{
    Bus, BusConfig, Filter, Limits, LossReason, Message, Origin, Pushback, PushbackMode, RecvError,
    Router, SHARE_FROM_BYTES, SharedMessage, SubscribeOptions, Subscription, Wakeups,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const BUDGET: u64 = 64 << 20;
/// Longer than any test runs: only a sweep that pretends to be late finds anybody behind.
const BEHIND: Duration = Duration::from_secs(3600);
const FILTERS: [&str; 6] = ["a.b", "a.*", "a.>", "*.b", ">", "c"];
const SUBJECTS: [&str; 4] = ["a.b", "a.c", "c", "d"];

#[derive(Debug, Clone)]
enum Op {
    Subscribe {
        filter: &'static str,
        limits: Limits,
    },
    Unsubscribe(Index),
    Drop(Index),
    /// Messages of these subjects and payload sizes, in one batch.
    Publish(Vec<(&'static str, usize)>),
    Receive(Index, usize),
    TakeBacklog(Index),
    /// Time passes; if `late`, so much that whoever has something queued is behind.
    Sweep {
        late: bool,
    },
    /// Somebody needs the whole budget.
    MakeRoom,
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = proptest::option::of(0..12_u64);
    let bytes = proptest::option::of(prop_oneof![0..200_u64, Just(20_000)]);
    let behind = proptest::option::of(Just(BEHIND));
    (messages, bytes, behind).prop_map(|(messages, bytes, behind)| Limits {
        messages,
        bytes,
        behind,
        ..Limits::NONE
    })
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![4 => 8..40_usize, 1 => Just(SHARE_FROM_BYTES)];
    let messages = proptest::collection::vec((select(&SUBJECTS[..]), size), 1..6);
    prop_oneof![
        4 => (select(&FILTERS[..]), limits())
            .prop_map(|(filter, limits)| Op::Subscribe { filter, limits }),
        1 => any::<Index>().prop_map(Op::Unsubscribe),
        1 => any::<Index>().prop_map(Op::Drop),
        8 => messages.prop_map(Op::Publish),
        6 => (any::<Index>(), 1..6_usize).prop_map(|(at, count)| Op::Receive(at, count)),
        2 => any::<Index>().prop_map(Op::TakeBacklog),
        1 => any::<bool>().prop_map(|late| Op::Sweep { late }),
        1 => prop_oneof![3 => Just(Op::Sweep { late: false }), 1 => Just(Op::MakeRoom)],
    ]
}

/// What one subscription should hold: numbers of messages, and their sizes.
struct Queue {
    filter: Filter,
    limits: Limits,
    queued: VecDeque<(u64, u64)>,
    matched: u64,
    delivered: u64,
    lost: [u64; LossReason::ALL.len()],
    ended: Option<&'static str>,
    /// Lost after the end, whose reason does not tell of them.
    untold: u64,
}

impl Queue {
    fn bytes(&self) -> u64 {
        self.queued.iter().map(|(_, size)| size).sum()
    }

    fn offer(&mut self, number: u64, size: u64) {
        if self.ended.is_some() {
            return;
        }
        self.matched += 1;
        let over = |limit: Option<u64>, size| limit.is_some_and(|limit| size > limit);
        if over(self.limits.messages, self.queued.len() as u64 + 1)
            || over(self.limits.bytes, self.bytes() + size)
        {
            self.lost[LossReason::OutOfCapacity as usize] += 1;
            self.ended = Some("out_of_capacity");
        } else {
            self.queued.push_back((number, size));
        }
    }

    fn sweep_late(&mut self) {
        if self.limits.behind.is_some() && !self.queued.is_empty() {
            self.ended.get_or_insert("too_far_behind");
        }
    }

    fn evict(&mut self) {
        let lost = std::mem::take(&mut self.queued).len() as u64;
        self.lost[LossReason::MemoryPressure as usize] += lost;
        if self.ended.is_some() {
            self.untold += lost;
        } else if lost > 0 {
            self.ended = Some("memory_pressure");
        }
    }
}

struct Pair {
    real: Subscription,
    model: Queue,
}

impl Pair {
    fn receive(&mut self) -> Result<(), TestCaseError> {
        match (self.model.queued.pop_front(), self.real.try_recv()) {
            (Some((number, size)), Ok(message)) => {
                self.model.delivered += 1;
                prop_assert_eq!(number_of(&message), number);
                prop_assert_eq!(message.size() as u64, size);
            }
            (None, Err(RecvError::Missed(missed))) => {
                prop_assert_eq!(missed.total(), std::mem::take(&mut self.model.untold));
            }
            (None, Err(RecvError::Empty)) => prop_assert_eq!(self.model.ended, None),
            (None, Err(RecvError::Ended(reason))) => {
                prop_assert_eq!((Some(reason.name()), 0), (self.model.ended, self.model.untold));
            }
            (expected, got) => prop_assert!(false, "{expected:?}, not {got:?}"),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (model, account) = (&self.model, self.real.account());
        prop_assert!(account.is_conserved(), "{:?}", account);
        prop_assert_eq!(account.matched(), model.matched);
        prop_assert_eq!(account.delivered(), model.delivered);
        prop_assert_eq!(account.queued(), model.queued.len() as u64);
        prop_assert_eq!(account.queued_bytes(), model.bytes());
        for reason in LossReason::ALL {
            prop_assert_eq!(account.losses().of(reason), model.lost[reason as usize]);
        }
        let ended = self.real.end_reason();
        prop_assert_eq!(ended.as_ref().map(floodway::EndReason::name), model.ended);
        Ok(())
    }
}

fn number_of(message: &SharedMessage) -> u64 {
    u64::from_le_bytes(message.payload()[..8].try_into().unwrap())
}

struct World {
    bus: Bus,
    router: Router,
    pairs: Vec<Pair>,
    published: u64,
}

impl World {
    fn new() -> Self {
        let bus = Bus::new(&BusConfig { memory_budget: BUDGET, ..BusConfig::default() });
        Self { router: Router::new(bus.clone()), bus, pairs: Vec::new(), published: 0 }
    }

    fn at(&mut self, at: Index) -> Option<&mut Pair> {
        let len = self.pairs.len();
        (len > 0).then(|| &mut self.pairs[at.index(len)])
    }

    fn publish(&mut self, messages: &[(&str, usize)]) -> Result<(), TestCaseError> {
        let mut payloads = Vec::new();
        let mut queued = 0;
        for (subject, size) in messages {
            let number = self.published;
            self.published += 1;
            let mut payload = vec![0; *size];
            payload[..8].copy_from_slice(&number.to_le_bytes());
            payloads.push(payload);
            let size = (subject.len() + size) as u64;
            for Pair { model, .. } in &mut self.pairs {
                if model.filter.matches(subject.as_bytes()) {
                    let before = model.queued.len();
                    model.offer(number, size);
                    queued += (model.queued.len() - before) as u64;
                }
            }
        }
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::Most), Wakeups::new());
        let (now, origin) = (Instant::now(), Origin { consumer: None, echo: true });
        let mut real = 0;
        if let ([(subject, _)], true) = (messages, self.published.is_multiple_of(2)) {
            real = self.bus.publish(*subject, &payloads[0]).unwrap().queued;
        } else {
            let before: u64 = self.pairs.iter().map(|pair| pair.real.account().queued()).sum();
            let mut batch = self.router.batch(origin, &mut pushback, &mut wakeups, now);
            for ((subject, _), payload) in messages.iter().zip(&payloads) {
                batch.push(Message::new(subject.as_bytes(), payload));
            }
            batch.commit();
            wakeups.wake_all(now);
            let after: u64 = self.pairs.iter().map(|pair| pair.real.account().queued()).sum();
            real += after - before;
        }
        prop_assert_eq!(real, queued);
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Subscribe { filter, limits } => {
                let filter = Filter::new(filter).unwrap();
                let options = SubscribeOptions::default().limits(limits);
                let real = self.bus.subscribe(&filter, options).unwrap();
                let (queued, lost) = (VecDeque::new(), [0; LossReason::ALL.len()]);
                let (matched, delivered, ended, untold) = (0, 0, None, 0);
                let model =
                    Queue { filter, limits, queued, matched, delivered, lost, ended, untold };
                self.pairs.push(Pair { real, model });
            }
            Op::Unsubscribe(at) => {
                if let Some(Pair { real, model }) = self.at(at) {
                    real.unsubscribe();
                    model.ended.get_or_insert("unsubscribed");
                }
            }
            Op::Drop(at) => {
                if !self.pairs.is_empty() {
                    self.pairs.remove(at.index(self.pairs.len()));
                }
            }
            Op::Publish(messages) => self.publish(&messages)?,
            Op::Receive(at, count) => {
                if let Some(pair) = self.at(at) {
                    (0..count).try_for_each(|_| pair.receive())?;
                }
            }
            Op::TakeBacklog(at) => {
                if let Some(Pair { real, model }) = self.at(at) {
                    let taken = real.take_backlog();
                    let expected = std::mem::take(&mut model.queued);
                    model.delivered += expected.len() as u64;
                    let numbers = taken.iter().map(|message| number_of(message));
                    prop_assert!(numbers.eq(expected.iter().map(|(number, _)| *number)));
                }
            }
            Op::Sweep { late } => {
                // When somebody last moved is known to a tick of the system's clock.
                let too_late = BEHIND + Duration::from_millis(10);
                self.bus.sweep(Instant::now() + if late { too_late } else { Duration::ZERO });
                if late {
                    self.pairs.iter_mut().for_each(|pair| pair.model.sweep_late());
                }
            }
            Op::MakeRoom => {
                self.bus.make_room(BUDGET);
                self.pairs.iter_mut().for_each(|pair| pair.model.evict());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        self.pairs.iter().try_for_each(Pair::check)?;
        let open = self.pairs.iter().filter(|pair| pair.model.ended.is_none()).count();
        prop_assert_eq!(self.bus.subscription_count(), open);
        prop_assert_eq!(self.bus.consumer_count(), self.pairs.len());
        // One copy of each message that is queued anywhere.
        let queued: HashSet<_> = self.pairs.iter().flat_map(|pair| &pair.model.queued).collect();
        let overhead = size_of::<SharedMessage>() as u64;
        let held: u64 = queued.iter().map(|(_, size)| size + overhead).sum();
        prop_assert_eq!(self.bus.budget().used(), held);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    // checklist: A2 A5 A13 B1 B2
    // spec: CON-1, CON-2, OVF-1, OVF-2
    #[test]
    fn agrees_with_a_plain_queue_per_subscription(
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let mut world = World::new();
        for op in ops {
            world.apply(op)?;
            world.check()?;
        }
        world.pairs.clear();
        world.check()?;
    }
}
