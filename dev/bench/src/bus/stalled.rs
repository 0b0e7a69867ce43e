//! One of the subscribers never reads: what the others and the publisher notice of it.

use super::case::{Case, Contender, Scale, Step};
use super::contenders::{AsyncBroadcast, Mpsc, OneByOne, OnlyLatest, TokioBroadcast};
use super::drive::{Load, On, drive};
use super::fan::Fan;
use super::report::{Bar, Head, Side};

/// Deliveries of one run.
const DELIVERIES: u64 = 1_000_000;

const NOTE: &str = "tasks; what the others read, and the 99th percentile of a call that publishes, \
    as a share of the same without the stalled one, each the median of three turns; each may leave \
    two windows unread, then mpsc drops the newest, floodway as it says, the others the oldest";

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let readers = [10, 100, 1_000];
    let loads = readers.map(|readers| {
        let messages = scale.messages(DELIVERIES) / readers as u64;
        Load { on: On::Tasks, readers, stalled: 0, messages }
    });
    let heads = readers.iter().flat_map(|readers| {
        [
            Head::new(format!("1 of {readers}: rate of the others")).with(Bar::AtLeast(0.97)),
            Head::new(format!("1 of {readers}: p99 of publish")).with(Bar::AtMost(2.0)),
            Head::new(format!("1 of {readers}: p99, ns")),
        ]
    });
    vec![Case {
        title: "one of the readers stalls, u64".to_owned(),
        note: NOTE,
        heads: heads.collect(),
        contenders: vec![
            contender::<OnlyLatest<u64>>(Side::Ours, "floodway, drop oldest", &loads),
            contender::<OneByOne<u64>>(Side::Ours, "floodway, disconnect", &loads),
            contender::<TokioBroadcast<u64>>(Side::Peer, "tokio broadcast", &loads),
            contender::<Mpsc<u64>>(Side::Peer, "tokio mpsc each", &loads),
            contender::<AsyncBroadcast<u64>>(Side::Peer, "async-broadcast", &loads),
        ],
    }]
}

/// The share of a figure with the stalled one, and how long a publish took then.
fn contender<F: Fan>(side: Side, name: &'static str, loads: &[Load]) -> Contender {
    let step = |load: &Load| -> Option<Step> {
        let load = *load;
        Some(Box::new(move || {
            let (mut rates, mut tails, mut nanos) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..3 {
                let without = drive::<F>(&load, true)?;
                let with = drive::<F>(&Load { stalled: 1, ..load }, true)?;
                let p99 = [&with, &without].map(|it| it.calls.value_at_quantile(0.99) as f64);
                rates.push(without.wall.as_secs_f64() / with.wall.as_secs_f64());
                tails.push(p99[0] / p99[1]);
                nanos.push(p99[0]);
            }
            Ok([rates, tails, nanos].map(median).to_vec())
        }))
    };
    Contender { side, name, steps: loads.iter().map(step).collect() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
