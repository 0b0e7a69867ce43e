//! One publisher, and all subscribers awake and draining: what a delivery costs.

use super::case::{Case, Contender, Scale, Step};
use super::contenders::{AsyncBroadcast, Blocking, Many, Mpsc, MpscMany, OneByOne, TokioBroadcast};
use super::content::{Bytes128, Content};
use super::drive::{Load, On, drive};
use super::fan::Fan;
use super::report::{Head, Side};

/// Deliveries of one run.
const DELIVERIES: u64 = 1_000_000;

const NOTE: &str = "the publisher has a thread of its own and is held back in windows, for all in \
    the same way, so that nobody is overrun; every reader got every message; wall time and CPU \
    time of the process; the bus routes by subject and counts, the others do not";

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let (tasks, threads) = ([1, 10, 100, 1_000, 10_000], [1, 10]);
    vec![
        case::<u64>(On::Tasks, &tasks, scale),
        case::<Bytes128>(On::Tasks, &tasks, scale),
        case::<u64>(On::Threads, &threads, scale),
    ]
}

fn case<C: Content>(on: On, readers: &[usize], scale: Scale) -> Case {
    let (readers, whom) = match on {
        // Tasks that wait are cheap, but not in a short run.
        On::Tasks if scale.divisor > 100 => (&readers[..3], "tasks on 2 workers"),
        On::Tasks => (readers, "tasks on 2 workers"),
        On::Threads => (readers, "threads"),
    };
    let loads = readers.iter().map(|readers| {
        let messages = scale.messages(DELIVERIES) / *readers as u64;
        Load { on, readers: *readers, messages }
    });
    let loads: Vec<Load> = loads.collect();
    let heads = readers.iter().flat_map(|readers| {
        [Head::new(format!("to {readers}, ns")), Head::new(format!("to {readers}, CPU ns"))]
    });
    Case {
        title: format!("one publisher to {whom}, {}, ns a delivery", C::NAME),
        note: NOTE,
        heads: heads.collect(),
        contenders: vec![
            contender::<OneByOne<C>>(Side::Ours, "floodway", &loads),
            contender::<Many<C>>(Side::Ours, "floodway, recv_many", &loads),
            contender::<Blocking<C>>(Side::Variant, "floodway, block", &loads),
            contender::<TokioBroadcast<C>>(Side::Peer, "tokio broadcast", &loads),
            contender::<Mpsc<C>>(Side::Peer, "tokio mpsc each", &loads),
            contender::<MpscMany<C>>(Side::Peer, "the same, recv_many", &loads),
            contender::<AsyncBroadcast<C>>(Side::Peer, "async-broadcast", &loads),
        ],
    }
}

fn contender<F: Fan>(side: Side, name: &'static str, loads: &[Load]) -> Contender {
    let step = |load: &Load| -> Option<Step> {
        let load = *load;
        Some(Box::new(move || {
            let taken = drive::<F>(&load)?;
            let deliveries = taken.messages as f64 * load.readers as f64;
            let nanos = [taken.wall, taken.cpu].map(|time| time.as_nanos() as f64 / deliveries);
            Ok(nanos.to_vec())
        }))
    };
    Contender { side, name, steps: loads.iter().map(step).collect() }
}
