//! Items that the consumer has out of the line to take one by one, beside those who add to it.

use std::collections::VecDeque;

use super::{Depth, Entry, Gap, Item, Line, RETAINED, Stamp};

/// Items that were in a [`Line`] one behind the other, and may come back to the front of it.
#[derive(Debug)]
pub struct Lent<T> {
    entries: VecDeque<Entry<T>>,
    bytes: u64,
    own_bytes: usize,
    replacers: u64,
}

impl<T> Default for Lent<T> {
    /// None; allocates nothing.
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, own_bytes: 0, replacers: 0 }
    }
}

impl<T: Item> Lent<T> {
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are; entries of several items count as one.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Their bytes.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the first out: the item, or all of a row that share an entry.
    #[inline]
    pub fn take_first(&mut self) -> Option<(T, Stamp)> {
        let Entry { item, stamp, .. } = self.entries.pop_front()?;
        self.bytes -= item.size();
        self.own_bytes -= item.own_bytes();
        self.replacers -= u64::from(stamp.replaced > 0);
        Some((item, stamp))
    }

    /// The memory of a burst goes back.
    #[inline]
    pub fn settle(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > RETAINED {
            self.entries = VecDeque::new();
        }
    }
}

impl<T: Item, K: Default, G: Gap> Line<T, K, G> {
    /// Whether its items may be lent: none is to be found by a key, and no gap is in front of one.
    #[inline]
    pub fn may_lend(&self) -> bool {
        self.keys.is_none() && !self.has_gap()
    }

    /// Moves all items to somebody who has none; what they come to. They are no longer in the line,
    /// which goes on behind them.
    #[inline]
    pub fn lend(&mut self, to: &mut Lent<T>) -> Depth {
        debug_assert!(self.may_lend() && to.is_empty());
        let depth = self.depth();
        std::mem::swap(&mut self.entries, &mut to.entries);
        to.bytes = std::mem::take(&mut self.bytes);
        to.own_bytes = std::mem::take(&mut self.own_bytes);
        to.replacers = std::mem::take(&mut self.replacers);
        self.first_place = self.end_place;
        depth
    }

    /// Moves back to the front what was lent last, as far as it was not taken. Nothing else has
    /// left the line since.
    pub fn take_back(&mut self, from: &mut Lent<T>) {
        let Some(first) = from.entries.front() else { return };
        self.first_place = first.place;
        self.bytes += std::mem::take(&mut from.bytes);
        self.own_bytes += std::mem::take(&mut from.own_bytes);
        self.replacers += std::mem::take(&mut from.replacers);
        // Whichever is fewer moves.
        if self.entries.len() < from.entries.len() {
            from.entries.append(&mut self.entries);
            std::mem::swap(&mut self.entries, &mut from.entries);
        } else {
            while let Some(entry) = from.entries.pop_back() {
                self.entries.push_front(entry);
            }
        }
        from.settle();
    }
}
