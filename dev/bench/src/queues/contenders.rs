//! Everybody who takes part but ours: one file per crate, and one line per row here.
//!
//! Bounded ones have 1024 slots unless a case says otherwise. "spin" is what has no way of
//! waiting: it is asked again 64 times, and then after a yield to other threads each time.

mod article;
mod crossbeam;
mod crossfire;
mod disruptor;
mod flume;
mod kanal;
mod locked;
mod rtrb;
mod smol;
pub(super) mod spin;
mod standard;
mod thingbuf;
mod tokio;

use bytes::Bytes;

use super::contender::Contender;
use super::shape::Batched;

/// All peers, in the order in which they take turns.
pub(crate) fn peers() -> Vec<Contender> {
    // crossfire asks its users to call this once.
    ::crossfire::detect_backoff_cfg();
    [of_threads(), of_tasks(), of_one_producer(), by_hand()].into_iter().flatten().collect()
}

/// Made for threads.
fn of_threads() -> Vec<Contender> {
    use crossbeam::{Array, Bounded, Forced, OneEach, Segments, Unbounded};
    let peer = Contender::peer;
    vec![
        peer("crossbeam bounded")
            .queue::<Bounded>()
            .shared::<Bounded>()
            .broadcast_of_many::<OneEach>(),
        peer("crossbeam unbounded").queue::<Unbounded>().shared::<Unbounded>(),
        peer("ArrayQueue, spin").queue::<Array>().shared::<Array>().also_ring::<Array>(),
        peer("ArrayQueue force_push").overwriting::<Forced>(),
        peer("SegQueue, spin").queue::<Segments>().shared::<Segments>(),
        peer("std sync_channel")
            .queue::<standard::Bounded>()
            .broadcast_of_many::<standard::OneEach>(),
        peer("std channel").queue::<standard::Unbounded>(),
        peer("crossfire mpmc bounded").queue::<crossfire::Mpmc>().shared::<crossfire::Mpmc>(),
        peer("crossfire mpsc unbounded").queue::<crossfire::Unbounded>(),
    ]
}

/// Made for tasks, or for threads and tasks.
fn of_tasks() -> Vec<Contender> {
    let peer = Contender::peer;
    vec![
        both::<flume::Bounded>("flume bounded").fan_out::<flume::Bounded>(),
        both::<flume::Unbounded>("flume unbounded"),
        both::<kanal::Bounded>("kanal bounded").fan_out::<kanal::Bounded>(),
        both::<kanal::Unbounded>("kanal unbounded"),
        peer("tokio mpsc bounded")
            .queue::<tokio::Bounded>()
            .batched::<tokio::Bounded>()
            .fan_out::<tokio::Bounded>(),
        peer("tokio mpsc unbounded")
            .queue::<tokio::Unbounded>()
            .batched::<tokio::Unbounded>()
            .fan_out::<tokio::Unbounded>(),
        peer("tokio broadcast")
            .overwriting::<tokio::Broadcasting>()
            .broadcast::<tokio::Broadcasting>()
            .fan_out::<tokio::Broadcasting>(),
        peer("async-channel bounded")
            .queue::<smol::Bounded>()
            .shared::<smol::Bounded>()
            .fan_out::<smol::Bounded>(),
        peer("async-channel unbounded").queue::<smol::Unbounded>().shared::<smol::Unbounded>(),
        peer("async-broadcast")
            .queue::<smol::Broadcasting>()
            .overwriting::<smol::Broadcasting>()
            .broadcast_of_many::<smol::Broadcasting>()
            .fan_out::<smol::Broadcasting>(),
        peer("crossfire mpsc bounded")
            .queue::<crossfire::Bounded>()
            .fan_out::<crossfire::Bounded>(),
        peer("thingbuf mpsc").queue::<thingbuf::Bounded>().fan_out::<thingbuf::Bounded>(),
    ]
}

/// One that also gives batches, and shares them.
fn both<Q>(name: &'static str) -> Contender
where
    Q: Batched<u64, Producer: Clone, Consumer: Clone>,
    Q: Batched<Bytes, Producer: Clone, Consumer: Clone>,
{
    Contender::peer(name).queue::<Q>().batched::<Q>().shared::<Q>()
}

/// Rings for one writing thread, and the disruptor, which can be for more.
fn of_one_producer() -> Vec<Contender> {
    let peer = Contender::peer;
    vec![
        peer("crossfire spsc bounded").ring::<crossfire::Spsc>(),
        peer("rtrb, spin")
            .ring::<rtrb::Ring>()
            .batched::<rtrb::Ring>()
            .broadcast::<rtrb::OneEach>(),
        peer("disruptor, spin").broadcast_of_many::<disruptor::Spinning>(),
        peer("disruptor, yield").broadcast_of_many::<disruptor::Yielding>(),
    ]
}

/// What one would write oneself, and what the article did.
fn by_hand() -> Vec<Contender> {
    let peer = Contender::peer;
    vec![
        both::<locked::OneByOne>("Mutex<VecDeque>"),
        peer("Mutex<Vec>, swapped")
            .queue::<locked::Swapped>()
            .batched::<locked::Swapped>()
            .fan_out::<locked::Swapped>(),
        peer("article: mutex + array").queue::<article::Array>().shared::<article::Array>(),
        peer("article: channel").queue::<article::Channel>(),
        peer("article: mutex ring").overwriting::<article::MutexRing>(),
        peer("article: atomic ring").overwriting::<article::AtomicRing>(),
    ]
}
