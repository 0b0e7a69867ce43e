//! What takes part, and which runs it can do.

use bytes::Bytes;

use super::memory;
use super::payload::Kind;
use super::shape::{Batched, Broadcast, FanOut, Overwriting, Queue};
use super::work::{Outcome, Shape, Work};
use super::{alone, broadcast, fan, overwrite, threads};

/// One run of one contender.
pub(crate) type Run = fn(&Work) -> Outcome;

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Peer,
    /// Has to reach the bars.
    Ours,
    /// What ours replaces; judged like ours, but promises nothing.
    StandIn,
}

/// One row of the tables, by everything it can do.
///
/// Capabilities are added one by one, each with the type that implements its shape; what is not
/// added is left out of those tables.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    runs: Vec<(Shape, Run)>,
}

impl Contender {
    pub(crate) fn new(side: Side, name: &'static str) -> Self {
        Contender { name, side, runs: Vec::new() }
    }

    pub(crate) fn peer(name: &'static str) -> Self {
        Contender::new(Side::Peer, name)
    }

    /// The run of this shape, if it can do it.
    pub(crate) fn run(&self, shape: Shape) -> Option<Run> {
        self.runs.iter().find(|(found, _)| *found == shape).map(|(_, run)| *run)
    }

    fn with(mut self, shape: Shape, run: Run) -> Self {
        self.runs.push((shape, run));
        self
    }

    /// A queue of many producers and one consumer.
    pub(crate) fn queue<Q>(self) -> Self
    where
        Q: Queue<u64, Producer: Clone> + Queue<Bytes, Producer: Clone>,
    {
        self.single::<Q>().with(Shape::Same, same::<Q>).with(Shape::Many, many::<Q>)
    }

    /// A queue of one producer and one consumer, with a fixed number of slots.
    pub(crate) fn ring<Q: Queue<u64> + Queue<Bytes>>(self) -> Self {
        self.single::<Q>().also_ring::<Q>()
    }

    /// A queue that is to be seen beside the rings of one producer too.
    pub(crate) fn also_ring<Q: Queue<u64> + Queue<Bytes>>(self) -> Self {
        self.with(Shape::Ring, same::<Q>)
    }

    fn single<Q: Queue<u64> + Queue<Bytes>>(self) -> Self {
        self.with(Shape::Pair, pair::<Q>)
            .with(Shape::Depth, depth::<Q>)
            .with(Shape::Heap, memory::heap::<Q>)
            .with(Shape::Handles, memory::handles::<Q>)
    }

    /// A queue that gives, or takes and gives, many at once.
    pub(crate) fn batched<Q: Batched<u64> + Batched<Bytes>>(self) -> Self {
        self.with(Shape::Batch, batch::<Q>)
    }

    /// A queue whose consumers share what there is.
    pub(crate) fn shared<Q>(self) -> Self
    where
        Q: Queue<u64, Producer: Clone, Consumer: Clone>,
        Q: Queue<Bytes, Producer: Clone, Consumer: Clone>,
    {
        self.with(Shape::Shared, shared::<Q>)
    }

    /// What overwrites its oldest.
    pub(crate) fn overwriting<R: Overwriting<u64> + Overwriting<Bytes>>(self) -> Self {
        self.with(Shape::OverwritePairs, overwriting_pairs::<R>)
            .with(Shape::OverwriteFull, overwriting_full::<R>)
            .with(Shape::OverwriteThreads, overwriting_threads::<R>)
    }

    /// From one publishing thread to listening threads.
    pub(crate) fn broadcast<B: Broadcast>(self) -> Self {
        self.with(Shape::Broadcast, broadcast::run::<B>)
    }

    /// From several publishing threads to listening threads.
    pub(crate) fn broadcast_of_many<B: Broadcast>(self) -> Self {
        self.broadcast::<B>().with(Shape::BroadcastOfMany, broadcast::run::<B>)
    }

    /// From a task to tasks.
    pub(crate) fn fan_out<F: FanOut>(self) -> Self {
        self.with(Shape::FanOut, fan::run::<F>)
    }
}

fn same<Q: Queue<u64> + Queue<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => alone::pairs::<Q, u64>(work),
        Kind::Bytes(_) => alone::pairs::<Q, Bytes>(work),
    }
}

fn depth<Q: Queue<u64> + Queue<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => alone::at_depth::<Q, u64>(work),
        Kind::Bytes(_) => alone::at_depth::<Q, Bytes>(work),
    }
}

fn pair<Q: Queue<u64> + Queue<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => threads::pair::<Q, u64>(work),
        Kind::Bytes(_) => threads::pair::<Q, Bytes>(work),
    }
}

fn batch<Q: Batched<u64> + Batched<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => threads::batches::<Q, u64>(work),
        Kind::Bytes(_) => threads::batches::<Q, Bytes>(work),
    }
}

fn many<Q>(work: &Work) -> Outcome
where
    Q: Queue<u64, Producer: Clone> + Queue<Bytes, Producer: Clone>,
{
    match work.payload {
        Kind::Number => threads::many::<Q, u64>(work),
        Kind::Bytes(_) => threads::many::<Q, Bytes>(work),
    }
}

fn shared<Q>(work: &Work) -> Outcome
where
    Q: Queue<u64, Producer: Clone, Consumer: Clone>,
    Q: Queue<Bytes, Producer: Clone, Consumer: Clone>,
{
    match work.payload {
        Kind::Number => threads::shared::<Q, u64>(work),
        Kind::Bytes(_) => threads::shared::<Q, Bytes>(work),
    }
}

fn overwriting_pairs<R: Overwriting<u64> + Overwriting<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => overwrite::pairs::<R, u64>(work),
        Kind::Bytes(_) => overwrite::pairs::<R, Bytes>(work),
    }
}

fn overwriting_full<R: Overwriting<u64> + Overwriting<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => overwrite::full::<R, u64>(work),
        Kind::Bytes(_) => overwrite::full::<R, Bytes>(work),
    }
}

fn overwriting_threads<R: Overwriting<u64> + Overwriting<Bytes>>(work: &Work) -> Outcome {
    match work.payload {
        Kind::Number => overwrite::across::<R, u64>(work),
        Kind::Bytes(_) => overwrite::across::<R, Bytes>(work),
    }
}
