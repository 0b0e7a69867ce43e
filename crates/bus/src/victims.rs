//! Who has to give memory back first: the consumers by what they hold.

use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::consumer::{Consumer, ConsumerId};
use crate::payload::Carried;

/// Of so many consumers that were looked at, one may be a victim before all are looked at again:
/// with ten thousand stalled ones, a look at each of them for each victim would take a minute. In
/// between, whoever is about to grow is looked at again, so that one that grows much does not
/// escape.
const VICTIMS_PER_LOOK: usize = 64;
/// After so long everybody is looked at again in any case.
const LOOK_IS_GOOD_FOR: Duration = Duration::from_millis(10);

/// A consumer and what it held when it was looked at; ordered by that. Nobody is kept alive, and no
/// connection open, only because it might be a victim.
struct Candidate<P: Carried + ?Sized> {
    held: u64,
    id: ConsumerId,
    consumer: Weak<dyn Consumer<P>>,
}

/// See the [module header](self).
pub(crate) struct Victims<P: Carried + ?Sized> {
    candidates: BinaryHeap<Candidate<P>>,
    /// Victims until everybody is looked at again.
    left: usize,
    looked: Option<Instant>,
}

impl<P: Carried + ?Sized> Default for Victims<P> {
    fn default() -> Self {
        Self { candidates: BinaryHeap::new(), left: 0, looked: None }
    }
}

impl<P: Carried + ?Sized> Victims<P> {
    /// Looks at one consumer that may have grown since all were looked at.
    pub(crate) fn look_at(&mut self, id: ConsumerId, consumer: &Arc<dyn Consumer<P>>) {
        if self.left > 0 {
            let held = consumer.held_bytes();
            self.candidates.push(Candidate { held, id, consumer: Arc::downgrade(consumer) });
        }
    }

    /// The consumer that holds the most; none if nobody holds anything.
    pub(crate) fn next(
        &mut self,
        all: impl Fn() -> Vec<(ConsumerId, Arc<dyn Consumer<P>>)>,
    ) -> Option<(ConsumerId, Arc<dyn Consumer<P>>)> {
        let fresh = self.looked.is_some_and(|at| at.elapsed() < LOOK_IS_GOOD_FOR);
        if self.left > 0
            && fresh
            && let Some(largest) = self.largest()
        {
            return Some(largest);
        }
        // Also if those who held something then hold nothing now: others may.
        self.look(all());
        self.largest()
    }

    fn look(&mut self, all: Vec<(ConsumerId, Arc<dyn Consumer<P>>)>) {
        self.looked = Some(Instant::now());
        self.left = (all.len() / VICTIMS_PER_LOOK).max(1);
        let held = |(id, consumer): (ConsumerId, Arc<dyn Consumer<P>>)| {
            let held = consumer.held_bytes();
            Candidate { held, id, consumer: Arc::downgrade(&consumer) }
        };
        self.candidates = all.into_iter().map(held).collect();
    }

    fn largest(&mut self) -> Option<(ConsumerId, Arc<dyn Consumer<P>>)> {
        while let Some(mut first) = self.candidates.pop() {
            let Some(consumer) = first.consumer.upgrade() else { continue };
            // What it held a moment ago it may have delivered since.
            first.held = first.held.min(consumer.held_bytes());
            if self.candidates.peek().is_some_and(|next| next.held > first.held) {
                self.candidates.push(first);
                continue;
            }
            self.left -= 1;
            if self.left == 0 {
                self.candidates = BinaryHeap::new();
            }
            return (first.held > 0).then_some((first.id, consumer));
        }
        self.left = 0;
        None
    }
}

impl<P: Carried + ?Sized> PartialEq for Candidate<P> {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

impl<P: Carried + ?Sized> Eq for Candidate<P> {}

impl<P: Carried + ?Sized> PartialOrd for Candidate<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Carried + ?Sized> Ord for Candidate<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.held.cmp(&other.held)
    }
}
