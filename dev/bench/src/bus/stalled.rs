//! One of the subscribers never reads: what the others and the publisher notice of it.

use hdrhistogram::Histogram;

use super::audience::{Audience, Seats, Turn};
use super::case::{Case, Contender, Scale, Step};
use super::contenders::{AsyncBroadcast, Mpsc, OneByOne, OnlyLatest, TokioBroadcast};
use super::drive::runtime;
use super::fan::Fan;
use super::report::{Bar, Head, Outcome, Side};
use crate::table::Spread;

/// Readers of the columns.
const READERS: [usize; 3] = [10, 100, 1_000];

/// Deliveries of a turn, at least: some milliseconds of them.
const TURN: u64 = 16_000;

/// Rounds of a pair, of two turns with the stalled one and two without.
const ROUNDS: u64 = 5;

/// Pairs of a run, half of them with the stalled one opened first: where the memory of the two lies
/// makes them differ by about 7 % for as long as they live, whoever stalls. So the mean of a run is
/// off by 2 %, and the median of five runs by 1 %.
const PAIRS: u64 = 12;

const NOTE: &str = "tasks; what the others read in a second, and in a second of CPU time, and the \
    99th percentile of a call that publishes, as a share of the same when all read; both are open \
    at once and have turns of milliseconds, in the order without, with, with, without; a run is \
    the mean of a dozen such pairs, of each the median of its rounds; in the first row nobody \
    stalls: what it is off by, all are; each may leave two windows unread, then mpsc drops the \
    newest, floodway as it says, the others the oldest";

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let heads = READERS.iter().flat_map(|readers| {
        let head = |text: &str| Head::new(format!("1 of {readers}: {text}"));
        [
            head("rate, %").with(Bar::AtLeast(97.0)),
            head("rate by CPU, %").with(Bar::AtLeast(97.0)),
            head("p99 of publish").with(Bar::AtMost(2.0)),
            head("p99, ns"),
        ]
    });
    vec![Case {
        title: "one of the readers stalls, u64".to_owned(),
        note: NOTE,
        heads: heads.collect(),
        contenders: vec![
            contender::<OnlyLatest<u64>>(Side::Variant, "floodway, nobody stalls", 0, scale),
            contender::<OnlyLatest<u64>>(Side::Ours, "floodway, drop oldest", 1, scale),
            contender::<OneByOne<u64>>(Side::Ours, "floodway, disconnect", 1, scale),
            contender::<TokioBroadcast<u64>>(Side::Peer, "tokio broadcast", 1, scale),
            contender::<Mpsc<u64>>(Side::Peer, "tokio mpsc each", 1, scale),
            contender::<AsyncBroadcast<u64>>(Side::Peer, "async-broadcast", 1, scale),
        ],
    }]
}

fn contender<F: Fan>(side: Side, name: &'static str, stalled: usize, scale: Scale) -> Contender {
    let step = |readers: usize| -> Option<Step> {
        // The publisher is ahead in all windows but the first, so a turn has several; they are
        // shorter than where a run is one turn.
        let window = (8_192 / readers).clamp(8, 128) as u64;
        let seats = Seats { readers, stalled, window };
        Some(Box::new(move || beside::<F>(seats, scale.messages(PAIRS).max(2))))
    };
    Contender { side, name, steps: READERS.map(step).into() }
}

/// The shares of the figures with the stalled ones, and how long a publish took then.
fn beside<F: Fan>(seats: Seats, pairs: u64) -> Outcome {
    let all = (0..pairs).map(|nth| pair::<F>(seats, nth % 2 == 0));
    let mut all = all.collect::<Result<Vec<Pair>, String>>()?.into_iter();
    let mut product = all.next().ok_or("no pairs")?;
    for pair in all {
        product.rate *= pair.rate;
        product.by_cpu *= pair.by_cpu;
        for (calls, more) in product.calls.iter_mut().zip(pair.calls) {
            calls.add(more).map_err(|error| error.to_string())?;
        }
    }
    // Of ratios: the geometric one.
    let mean = |product: f64| 100.0 * product.powf(1.0 / pairs as f64);
    let [without, with] = product.calls.map(|calls| calls.value_at_quantile(0.99) as f64);
    Ok(vec![mean(product.rate), mean(product.by_cpu), with / without, with])
}

/// What came of one that has stalled readers beside one that has none.
struct Pair {
    /// What is left of the rate with them.
    rate: f64,
    /// The same by CPU time.
    by_cpu: f64,
    /// Nanoseconds of each call that published, without them and with them.
    calls: [Histogram<u64>; 2],
}

fn pair<F: Fan>(seats: Seats, with_first: bool) -> Result<Pair, String> {
    let runtime = runtime()?;
    let window = seats.window;
    let turn = (TURN / seats.readers as u64).max(2 * window).next_multiple_of(window);
    let messages = turn * (1 + 2 * ROUNDS);
    let open = |stalled| Audience::<F>::open(&runtime, Seats { stalled, ..seats }, messages);
    let (mut without, mut with);
    if with_first {
        with = open(seats.stalled)?;
        without = open(0)?;
    } else {
        without = open(0)?;
        with = open(seats.stalled)?;
    }
    // A warm-up, in which the stalled one comes to its limit.
    for audience in [&mut without, &mut with] {
        audience.publish(turn)?;
        audience.calls.reset();
    }
    let (mut rates, mut by_cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Whatever gets faster or slower during a round does so for both.
        let first = without.publish(turn)?;
        let beside = [with.publish(turn)?, with.publish(turn)?];
        let alone = [first, without.publish(turn)?];
        rates.push(share(alone, beside, |turn| turn.wall.as_secs_f64()));
        by_cpu.push(share(alone, beside, |turn| turn.cpu.as_secs_f64()));
    }
    let calls = [without.check(&runtime)?, with.check(&runtime)?];
    Ok(Pair { rate: median(rates)?, by_cpu: median(by_cpu)?, calls })
}

/// The share of a rate that is left, by what the same messages took.
fn share(alone: [Turn; 2], beside: [Turn; 2], took: impl Fn(&Turn) -> f64) -> f64 {
    let [alone, beside] = [alone, beside].map(|turns| turns.iter().map(&took).sum::<f64>());
    alone / beside
}

fn median(values: Vec<f64>) -> Result<f64, String> {
    Spread::of(values).map(|spread| spread.median).ok_or_else(|| "no rounds".to_owned())
}
