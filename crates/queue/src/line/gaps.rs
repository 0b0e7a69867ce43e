//! What was missed where.

use std::collections::VecDeque;

use super::{Item, Line, RETAINED};

/// What is remembered of items that were missed at one place.
pub trait Gap: Default {
    /// Adds what was missed next to it.
    fn merge(&mut self, other: &Self);
}

impl Gap for () {
    fn merge(&mut self, (): &Self) {}
}

/// Gaps in front of places, in the order of the places.
#[derive(Debug)]
pub(super) struct Gaps<G> {
    before: VecDeque<(u64, G)>,
}

impl<G> Default for Gaps<G> {
    fn default() -> Self {
        Self { before: VecDeque::new() }
    }
}

impl<G: Gap> Gaps<G> {
    fn reserve_one(&mut self) {
        if self.before.capacity() == 0 {
            // Mostly there is one; the usual first allocation is for four.
            self.before.reserve_exact(1);
        }
    }

    /// The gap in front of the first place, which all gaps up to there become a part of.
    #[inline]
    pub(super) fn at_front(&mut self, place: u64) -> &mut G {
        // Mostly there is one already, and none behind it that would have to be merged.
        let merges = self.before.get(1).is_some_and(|(at, _)| *at <= place);
        if merges || self.before.front().is_none_or(|(at, _)| *at > place) {
            self.make_front(place);
        }
        let front = &mut self.before[0];
        front.0 = place;
        &mut front.1
    }

    fn make_front(&mut self, place: u64) {
        self.reserve_one();
        while self.before.get(1).is_some_and(|(at, _)| *at <= place)
            && let Some((_, earlier)) = self.before.pop_front()
        {
            let (_, later) = &mut self.before[0];
            later.merge(&earlier);
        }
        if self.before.front().is_none_or(|(at, _)| *at > place) {
            self.before.push_front((place, G::default()));
        }
    }

    /// The gap in front of the next place to come.
    pub(super) fn at_back(&mut self, place: u64) -> &mut G {
        self.reserve_one();
        if self.before.back().is_none_or(|(at, _)| *at != place) {
            self.before.push_back((place, G::default()));
        }
        let last = self.before.len() - 1;
        &mut self.before[last].1
    }

    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.before.iter().map(|(place, _)| *place)
    }

    /// Gaps there is room for.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.before.capacity()
    }

    pub(super) fn settle(&mut self) {
        if self.before.capacity() > RETAINED {
            self.before.shrink_to_fit();
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.before.capacity() * size_of::<(u64, G)>()
    }
}

impl<T: Item, K: Default, G: Gap> Line<T, K, G> {
    /// Whether the consumer is still to be told of something it missed.
    #[inline]
    pub fn has_gap(&self) -> bool {
        !self.gaps.before.is_empty()
    }

    /// What was missed right before the first item in line; behind the last one if there is none.
    #[inline]
    pub fn take_gap(&mut self) -> Option<G> {
        let (place, _) = self.gaps.before.front()?;
        if *place > self.first_place {
            return None;
        }
        self.gaps.before.pop_front().map(|(_, gap)| gap)
    }

    /// The gap right before the first item in line, empty if there was none.
    #[inline]
    pub fn gap_at_front(&mut self) -> &mut G {
        self.gaps.at_front(self.first_place)
    }

    /// The gap behind the last item in line, empty if there was none.
    pub fn gap_at_back(&mut self) -> &mut G {
        self.gaps.at_back(self.end_place)
    }

    /// Everything the consumer is still to be told of, wherever it was missed.
    pub fn take_all_gaps(&mut self) -> Option<G> {
        self.gaps.before.drain(..).map(|(_, gap)| gap).reduce(|mut all, gap| {
            all.merge(&gap);
            all
        })
    }
}
