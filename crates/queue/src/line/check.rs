//! Whether the tables of a line agree with what is in them, for the tests of whoever builds on one.

use super::{Entry, Gap, Item, Line};

impl<T: Item, K: Default, G: Gap> Line<T, K, G> {
    /// Panics if its tables do not agree with each other.
    ///
    /// # Panics
    ///
    /// Only if there is a mistake in this module.
    #[doc(hidden)]
    pub fn assert_consistent(&self) {
        let entries = &self.entries;
        let count = |at: usize| entries[at].item.count() as u64;
        let sum = |of: &dyn Fn(usize) -> u64| (0..entries.len()).map(of).sum::<u64>();
        assert_eq!(sum(&count), self.depth().messages);
        assert_eq!(sum(&|at| entries[at].item.size()), self.bytes);
        assert_eq!(sum(&|at| entries[at].item.own_bytes() as u64), self.own_bytes as u64);
        assert_eq!(sum(&|at| u64::from(entries[at].stamp.replaced > 0)), self.replacers);
        let mut next = self.first_place;
        for entry in entries {
            assert_eq!(entry.place, next);
            next += entry.item.count() as u64;
        }
        let mut seqs: Vec<_> = entries.iter().map(Entry::span).collect();
        seqs.sort_unstable_by_key(|span| span.first);
        assert!(seqs.is_sorted_by(|one, other| one.last < other.first), "numbers overlap");
        let places: Vec<_> = self.gaps.places().collect();
        assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
        assert!(places.last().is_none_or(|&at| at <= self.end_place), "{places:?}");
        assert!(places.get(1).is_none_or(|&at| at > self.first_place), "{places:?}");
        assert!(self.keys.as_ref().is_none_or(|keys| keys.agrees_with(entries.len())));
        let garbage = self.garbage.as_ref().map_or(0, |garbage| garbage.held_bytes());
        assert!(self.held_bytes() >= self.own_bytes + garbage);
    }
}
