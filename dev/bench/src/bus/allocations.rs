//! What publishing asks of the allocator, whoever many subscribe.

use super::case::{Case, Contender, Scale, Step};
use super::contenders::{AsyncBroadcast, Mpsc, OneByOne, TokioBroadcast};
use super::content::{Bytes128, Content};
use super::fan::{Fan, Opening, Publish, Read};
use super::report::{Bar, Head, Side};
use super::tally::{Pace, Tally};

/// Runs something, and says how often it asked for memory, and for how many bytes.
pub(crate) type Counter = fn(&mut dyn FnMut()) -> (u64, u64);

/// Published between two times of reading.
const WINDOW: u64 = 16;

/// Windows before it is counted.
const WARM_UP: u64 = 8;

/// Messages of one run, for few readers.
const MESSAGES: u64 = 16_000;

const READERS: [usize; 3] = [1, 10, 1_000];

const NOTE: &str = "counted while publishing only; readers read everything after each 16 messages; \
    what queues need once they have before";

pub(super) fn cases(scale: Scale, counter: Option<Counter>) -> Vec<Case> {
    vec![case::<u64>(scale, counter), case::<Bytes128>(scale, counter)]
}

fn case<C: Content>(scale: Scale, counter: Option<Counter>) -> Case {
    let heads = READERS.iter().flat_map(|readers| {
        [Head::new(format!("{readers}: allocations")), Head::new(format!("{readers}: bytes"))]
    });
    let mut heads: Vec<Head> = heads.collect();
    let [least, .., most] = READERS;
    heads.push(Head::new(format!("more at {most} than at {least}")).with(Bar::AtMost(0.05)));
    let measured = (scale, counter);
    Case {
        title: format!("allocations and bytes a publish, {}", C::NAME),
        note: NOTE,
        heads,
        contenders: vec![
            contender::<OneByOne<C>>(Side::Ours, "floodway", measured),
            contender::<TokioBroadcast<C>>(Side::Peer, "tokio broadcast", measured),
            contender::<Mpsc<C>>(Side::Peer, "tokio mpsc each", measured),
            contender::<AsyncBroadcast<C>>(Side::Peer, "async-broadcast", measured),
        ],
    }
}

fn contender<F: Fan>(
    side: Side,
    name: &'static str,
    (scale, counter): (Scale, Option<Counter>),
) -> Contender {
    let step = counter.map(|counter| -> Step {
        Box::new(move || {
            let mut figures = Vec::new();
            for readers in READERS {
                let messages = scale.messages(MESSAGES) / readers.min(100) as u64;
                figures.extend(asked_for::<F>(readers, messages.max(WINDOW), counter)?);
            }
            figures.push(figures[2 * (READERS.len() - 1)] - figures[0]);
            Ok(figures)
        })
    });
    Contender { side, name, steps: vec![step] }
}

/// Allocations and bytes of one publish.
fn asked_for<F: Fan>(readers: usize, messages: u64, count: Counter) -> Result<[f64; 2], String> {
    let windows = messages.div_ceil(WINDOW);
    let messages = windows * WINDOW;
    let pace = Pace::new(readers, WINDOW);
    let capacity = pace.capacity();
    let (mut publisher, readers) = F::open(Opening { readers, capacity, may_lose: false })?;
    let tally = || Tally::new(&pace, (WARM_UP + windows) * WINDOW);
    let mut readers: Vec<_> = readers.into_iter().map(|reader| (reader, tally())).collect();
    let (mut allocations, mut bytes) = (0, 0);
    for window in 0..WARM_UP + windows {
        let first = window * WINDOW;
        let mut published = Ok(());
        let (more, more_bytes) = count(&mut || {
            published = (first..first + WINDOW).try_for_each(|number| publisher.publish(number));
        });
        published?;
        if window >= WARM_UP {
            (allocations, bytes) = (allocations + more, bytes + more_bytes);
        }
        readers.iter_mut().try_for_each(|(reader, tally)| reader.drain(tally))?;
    }
    readers.iter().try_for_each(|(_, tally)| tally.check())?;
    Ok([allocations, bytes].map(|count| count as f64 / messages as f64))
}
