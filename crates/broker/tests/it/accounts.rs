//! The law of conservation over all sessions, open and closed, whatever happens to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::{Limits, Overflow};
use floodway_broker::{Broker, BrokerConfig, Report, Sid, SubscribeRefused, SubscriptionSpec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::client::{Client, Lines, config, publish_as};

const BEHIND: Duration = Duration::from_secs(10);
const SUBJECTS: [&str; 3] = ["a.b", "a.c", "d"];

#[derive(Debug, Clone)]
enum Op {
    Open,
    Subscribe {
        client: Index,
        sid: u64,
        filter: &'static str,
        report: bool,
        group: bool,
    },
    Unsubscribe {
        client: Index,
        sid: u64,
        max: Option<u64>,
    },
    Publish {
        subject: &'static str,
        sizes: Vec<usize>,
    },
    Read(Index, usize),
    Close(Index),
    /// Time passes; those who took nothing for too long are ended.
    Wait(Duration),
    /// Somebody needs the whole budget.
    MakeRoom,
}

fn op() -> impl Strategy<Value = Op> {
    let client = any::<Index>;
    let filter = select(&["a.b", "a.*", ">", "d"][..]);
    let size = prop_oneof![10 => 0..60_usize, 1 => Just(9000)];
    let publish = (select(&SUBJECTS[..]), proptest::collection::vec(size, 1..5));
    prop_oneof![
        6 => Just(Op::Open),
        20 => (client(), 0..3_u64, filter, any::<bool>(), any::<bool>()).prop_map(
            |(client, sid, filter, report, group)| {
                Op::Subscribe { client, sid, filter, report, group }
            }
        ),
        6 => (client(), 0..3_u64, proptest::option::of(0..9_u64))
            .prop_map(|(client, sid, max)| Op::Unsubscribe { client, sid, max }),
        40 => publish.prop_map(|(subject, sizes)| Op::Publish { subject, sizes }),
        40 => (client(), 0..200_usize).prop_map(|(client, count)| Op::Read(client, count)),
        4 => client().prop_map(Op::Close),
        6 => (0..4_u64).prop_map(|seconds| Op::Wait(Duration::from_secs(seconds))),
        1 => Just(Op::MakeRoom),
    ]
}

struct World {
    broker: Broker,
    clients: Vec<Client>,
    now: Instant,
    queued: u64,
}

impl World {
    fn new() -> Self {
        let (messages, bytes, behind) = (Some(30), Some(40_000), Some(BEHIND));
        let limits = Limits { messages, bytes, behind, ..Limits::NONE };
        let connection = Overflow::disconnect(limits);
        let broker = Broker::new(BrokerConfig { connection, ..config(1 << 20) });
        Self { broker, clients: Vec::new(), now: Instant::now(), queued: 0 }
    }

    fn at(&self, at: Index) -> Option<&Client> {
        (!self.clients.is_empty()).then(|| &self.clients[at.index(self.clients.len())])
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Open => self.clients.push(Client::stalled(&self.broker, self.now)),
            Op::Subscribe { client, sid, filter, report, group } => {
                let Some(client) = self.at(client) else { return Ok(()) };
                let limits = Limits { messages: Some(5), ..Limits::default() };
                let overflow = report.then(|| Arc::new(Overflow::disconnect(limits)));
                let report = if report { Report::Status } else { Report::Header };
                let queue_group = group.then(|| (*b"g").into());
                let spec = SubscriptionSpec { queue_group, overflow, report, query: None };
                let made = client.try_subscribe(&self.broker, sid, filter, spec);
                let ended = client.session.end_reason().is_some();
                prop_assert_eq!(made == Err(SubscribeRefused::Ended), ended, "{:?}", made);
            }
            Op::Unsubscribe { client, sid, max } => {
                if let Some(client) = self.at(client) {
                    self.broker.unsubscribe(&client.session, &Sid::Number(sid), max);
                }
            }
            Op::Publish { subject, sizes } => {
                let payloads: Vec<_> = sizes.into_iter().map(|size| vec![b'x'; size]).collect();
                let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
                self.queued += publish_as(&self.broker, None, subject, &payloads, self.now);
            }
            Op::Read(client, count) => {
                if let Some(client) = self.at(client) {
                    client.read(count, self.now);
                }
            }
            Op::Close(client) => {
                if !self.clients.is_empty() {
                    let client = self.clients.remove(client.index(self.clients.len()));
                    let last = self.broker.close(&client.session, self.now);
                    prop_assert_eq!(last.matched, last.out_messages + last.losses.total());
                    prop_assert!(last.end.is_some());
                }
            }
            Op::Wait(time) => {
                self.now += time;
                for client in &self.clients {
                    if let Some(reason) = client.session.sweep(&Lines, self.now) {
                        client.session.end(reason);
                    }
                }
            }
            Op::MakeRoom => self.broker.bus().make_room(self.broker.bus().budget().limit()),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let totals = self.broker.registry().totals(self.now);
        let lost = totals.losses.total();
        prop_assert_eq!(totals.matched, totals.delivered + lost + totals.pending_messages);
        // What was queued is written, waits, or was lost; what was refused is lost only.
        prop_assert!(self.queued >= totals.delivered + totals.pending_messages);
        prop_assert!(self.queued <= totals.matched);
        let open: usize = self
            .clients
            .iter()
            .map(|client| client.session.snapshot(self.now, false).subscription_count)
            .sum();
        prop_assert_eq!(self.broker.bus().subscription_count(), open);
        prop_assert_eq!(self.broker.bus().consumer_count(), self.clients.len());
        for client in &self.clients {
            let snapshot = client.session.snapshot(self.now, true);
            for one in &snapshot.subscriptions {
                prop_assert!(one.account.is_conserved(), "{:?}", one);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_accounted_for(ops in proptest::collection::vec(op(), 1..100)) {
        let mut world = World::new();
        for op in ops {
            world.apply(op)?;
            world.check()?;
        }
        while !world.clients.is_empty() {
            let client = world.clients.remove(0);
            world.broker.close(&client.session, world.now);
            world.check()?;
        }
        prop_assert_eq!(world.broker.bus().budget().used(), 0);
    }
}
