//! What may happen to an outbox with lanes, at random.

use floodway::{Conflation, Fallback, Key};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const REPORTS: [Report; 3] = [Report::Header, Report::Status, Report::None];

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Subscribe {
        policy: Policy,
        limits: Limits,
        report: Report,
    },
    Unsubscribe(Index, Option<u64>),
    /// A run of one subject and of these payload sizes.
    Deliver {
        at: Index,
        subject: usize,
        sizes: Vec<usize>,
        sealed: bool,
    },
    Answer,
    BeginWrite,
    /// The socket takes a part of what the writer has in hand, in percent.
    Write(usize),
    EndWrite,
    Writable,
    Wait(u64),
    Sweep,
    Relieve,
    /// The process is short of memory from now on, or not any more.
    Press(bool),
    Nothing,
    End,
    /// What is queued is given up.
    Discard,
}

fn policy() -> impl Strategy<Value = Policy> {
    let conflate = |fallback| Policy::Conflate(Conflation { key: Key::Subject, fallback });
    prop_oneof![
        Just(Policy::Disconnect),
        Just(Policy::DropNewest),
        Just(Policy::DropOldest),
        select(&Fallback::ALL[..]).prop_map(conflate),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = proptest::option::of(0..20_u64);
    let bytes = proptest::option::weighted(0.3, 10..20_000_u64);
    let ms = |most| (1..most).prop_map(Duration::from_millis);
    let ttl = proptest::option::weighted(0.3, ms(60_u64));
    let behind = proptest::option::weighted(0.1, ms(200));
    (messages, bytes, behind, ttl).prop_map(|(messages, bytes, behind, ttl)| Limits {
        messages,
        bytes,
        behind,
        ttl,
    })
}

fn subscribe() -> impl Strategy<Value = Op> {
    let all = (policy(), limits(), select(&REPORTS[..]), prop::bool::weighted(0.1));
    all.prop_map(|(policy, limits, report, fatal)| {
        // Most of those that may end do so alone, or few sessions would live for long.
        let ends = limits.behind.is_some() || !Overflow::new(policy.clone(), limits).may_lose();
        let report = if ends && !fatal { Report::Status } else { report };
        Op::Subscribe { policy, limits, report }
    })
}

/// Any of them.
pub(super) fn op() -> impl Strategy<Value = Op> {
    let large = prop_oneof![3 => Just(3000), 1 => Just(SHARE_FROM_BYTES), 1 => Just(40_000)];
    let size = prop_oneof![4 => 16..60_usize, 1 => large];
    let sizes = proptest::collection::vec(size, 1..9);
    let sealed = prop::bool::weighted(0.05);
    prop_oneof![
        20 => subscribe(),
        5 => (any::<Index>(), proptest::option::of(0..20_u64))
            .prop_map(|(at, max)| Op::Unsubscribe(at, max)),
        150 => (any::<Index>(), 0..4_usize, sizes, sealed)
            .prop_map(|(at, subject, sizes, sealed)| Op::Deliver { at, subject, sizes, sealed }),
        20 => Just(Op::Answer),
        40 => Just(Op::BeginWrite),
        40 => prop_oneof![3 => 0..100_usize, 1 => Just(100)].prop_map(Op::Write),
        40 => Just(Op::EndWrite),
        20 => Just(Op::Writable),
        15 => (0..30_u64).prop_map(Op::Wait),
        15 => Just(Op::Sweep),
        3 => Just(Op::Relieve),
        5 => any::<bool>().prop_map(Op::Press),
        1 => prop::bool::weighted(0.3).prop_map(|end| if end { Op::End } else { Op::Nothing }),
        1 => prop::bool::weighted(0.1).prop_map(|end| if end { Op::Discard } else { Op::Nothing }),
    ]
}
