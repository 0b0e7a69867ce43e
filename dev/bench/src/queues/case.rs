//! The cases: which runs a table has, and what ours must reach.

use clap::ValueEnum;

use super::memory::Counter;
use super::payload::Kind;
use super::work::{Shape, Work};

/// Cases that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// One thread, enqueue and dequeue
    Same,
    /// The same for rings of one producer
    Ring,
    /// One producing and one consuming thread
    Pair,
    /// The same in batches of 64
    Batch,
    /// Four producing threads, one consumer
    Many,
    /// Rings that overwrite their oldest
    Overwrite,
    /// From a tokio task to 1, 8, 64 and 1000 others
    Fan,
    /// From a thread to 1 and 8 that see everything
    Broadcast,
    /// Empty queues with a limit of a million
    Memory,
    /// Cost at depth 10, 1,000 and 1,000,000
    Depth,
    /// More threads than cores: 2+2 against 16+16
    Crowd,
}

impl Group {
    /// As it is typed after `--cases`.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// One table.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) title: String,
    /// What one has to know to read the figures.
    pub(crate) note: &'static str,
    pub(crate) columns: Vec<Column>,
    /// What follows from a row as a whole.
    pub(crate) summary: Option<Summary>,
}

/// One figure of each row.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) head: String,
    pub(crate) shape: Shape,
    pub(crate) work: Work,
    pub(crate) bar: Option<Bar>,
}

/// What ours must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    AtMost(f64),
    /// The median of this contender.
    AtMostOf(&'static str),
    /// One and a half times as fast as the best of the contenders whose names begin like that.
    HalfAgainOf(&'static [&'static str]),
}

/// A figure made of a row's medians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Summary {
    /// The largest over the smallest, in percent above it.
    Swing,
    /// The rate of the last as a share of the first's.
    Kept,
}

impl Summary {
    pub(crate) fn head(self) -> &'static str {
        match self {
            Summary::Swing => "apart %",
            Summary::Kept => "rate kept %",
        }
    }

    pub(crate) fn of(self, medians: &[f64]) -> Option<f64> {
        let (first, last) = (*medians.first()?, *medians.last()?);
        let most = medians.iter().copied().max_by(f64::total_cmp)?;
        let least = medians.iter().copied().min_by(f64::total_cmp)?;
        match self {
            _ if least <= 0.0 => None,
            Summary::Swing => Some((most / least - 1.0) * 100.0),
            Summary::Kept => Some(first / last * 100.0),
        }
    }

    /// The sign and the limit of what ours must reach.
    pub(crate) fn bar(self) -> (&'static str, f64) {
        match self {
            Summary::Swing => ("≤", 25.0),
            Summary::Kept => (">", 50.0),
        }
    }

    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Summary::Swing => value <= 25.0,
            Summary::Kept => value > 50.0,
        }
    }
}

/// How much work there is, and with which payloads.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// All counts are divided by this.
    pub(crate) divisor: u64,
    /// Instead of each case's own.
    pub(crate) payloads: Vec<Kind>,
    /// Counts the heap, in a program that can.
    pub(crate) counter: Option<Counter>,
}

impl Scale {
    fn work(&self, messages: u64) -> Work {
        Work {
            payload: Kind::Number,
            messages: (messages / self.divisor).max(64),
            producers: 1,
            consumers: 1,
            depth: 0,
            counter: self.counter,
        }
    }

    /// The payloads of a case; small ones if no others were asked for.
    fn small(&self) -> &[Kind] {
        if self.payloads.is_empty() { &Kind::ALL[..2] } else { &self.payloads }
    }

    fn all(&self) -> &[Kind] {
        if self.payloads.is_empty() { &Kind::ALL } else { &self.payloads }
    }
}

/// All tables of these groups.
pub(crate) fn cases(groups: &[Group], scale: &Scale) -> Vec<Case> {
    groups.iter().flat_map(|group| tables::of(*group, scale)).collect()
}

mod tables;
