//! Ranges in order: which of them have something in common with another range?
//!
//! A search tree by lower ends in which every node knows the highest upper end below it. Its shape
//! is random (a treap), which needs no rules for balance: expected depth is about twice the
//! logarithm of the number of ranges. Nodes are in one vector, and refer to each other by number.

use crate::number::Rank;

const NONE: u32 = u32::MAX;

/// A set of ranges, each with an id.
#[derive(Debug)]
pub(super) struct Intervals {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
}

#[derive(Debug, Clone)]
struct Node {
    low: Rank,
    high: Rank,
    /// The highest upper end here and below.
    highest: Rank,
    id: u32,
    left: u32,
    right: u32,
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals { nodes: Vec::new(), free: Vec::new(), root: NONE }
    }
}

impl Intervals {
    pub(super) fn is_empty(&self) -> bool {
        self.root == NONE
    }

    pub(super) fn insert(&mut self, (low, high): (Rank, Rank), id: u32) {
        let node = Node { low, high, highest: high, id, left: NONE, right: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        let (left, right) = self.split(self.root, (low, id));
        let left = self.merge(left, at);
        self.root = self.merge(left, right);
    }

    pub(super) fn remove(&mut self, low: Rank, id: u32) {
        let (left, rest) = self.split(self.root, (low, id));
        // Ids follow each other, so this is the next key.
        let (one, right) = self.split(rest, (low, id + 1));
        self.release(one);
        self.root = self.merge(left, right);
    }

    /// Calls `each` with the id of every range that has something in common with this one.
    pub(super) fn overlapping(&self, range: &(Rank, Rank), each: &mut impl FnMut(u32)) {
        self.visit(self.root, range, each);
    }

    fn visit(&self, at: u32, range: &(Rank, Rank), each: &mut impl FnMut(u32)) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        if node.highest < range.0 {
            return;
        }
        self.visit(node.left, range, each);
        if node.low > range.1 {
            return;
        }
        if node.high >= range.0 {
            each(node.id);
        }
        self.visit(node.right, range, each);
    }

    /// Gives back the nodes of a tree: several, if a query came to the same range in two ways.
    fn release(&mut self, at: u32) {
        if let Some(node) = self.nodes.get(at as usize) {
            let (left, right) = (node.left, node.right);
            self.free.push(at);
            self.release(left);
            self.release(right);
        }
    }

    /// Those before `key`, and the others.
    fn split(&mut self, at: u32, key: (Rank, u32)) -> (u32, u32) {
        let Some(node) = self.nodes.get(at as usize) else { return (NONE, NONE) };
        if (node.low, node.id) < key {
            let (left, right) = self.split(node.right, key);
            self.nodes[at as usize].right = left;
            self.update(at);
            (at, right)
        } else {
            let (left, right) = self.split(node.left, key);
            self.nodes[at as usize].left = right;
            self.update(at);
            (left, at)
        }
    }

    /// Joins two trees of which all of the first is before all of the second.
    fn merge(&mut self, left: u32, right: u32) -> u32 {
        if left == NONE || right == NONE {
            return left.min(right);
        }
        if priority(left) > priority(right) {
            let below = self.merge(self.nodes[left as usize].right, right);
            self.nodes[left as usize].right = below;
            self.update(left);
            left
        } else {
            let below = self.merge(left, self.nodes[right as usize].left);
            self.nodes[right as usize].left = below;
            self.update(right);
            right
        }
    }

    fn update(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let below = |at: u32| self.nodes.get(at as usize).map_or(node.high, |it| it.highest);
        let highest = node.high.max(below(node.left)).max(below(node.right));
        self.nodes[at as usize].highest = highest;
    }
}

/// What decides which node is above the other: as good as random, and the same again.
fn priority(at: u32) -> u64 {
    crate::hash::spread(u64::from(at) + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_list_finds(
            ranges in proptest::collection::vec((-50_i64..50, 0_i64..20), 0..80),
            gone in proptest::collection::vec(any::<bool>(), 80),
            (from, width) in (-60_i64..60, 0_i64..30),
        ) {
            let rank = |low: i64, width: i64| (Rank::whole(low), Rank::whole(low + width));
            let mut tree = Intervals::default();
            for (id, (low, width)) in (0..).zip(&ranges) {
                tree.insert(rank(*low, *width), id);
            }
            for (id, (low, _)) in (0..).zip(&ranges).filter(|(id, _)| gone[*id as usize]) {
                tree.remove(Rank::whole(*low), id);
            }
            let mut found = Vec::new();
            tree.overlapping(&rank(from, width), &mut |id| found.push(id));
            found.sort_unstable();
            let overlaps = |(id, (low, wide)): &(u32, &(i64, i64))| {
                !gone[*id as usize] && *low <= from + width && low + wide >= from
            };
            let expected: Vec<u32> =
                (0..).zip(&ranges).filter(overlaps).map(|(id, _)| id).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
