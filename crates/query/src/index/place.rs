//! Where a query is put in the index: what of a message makes it worth evaluating.

use smallvec::{SmallVec, smallvec};

use crate::hash;
use crate::number::{self, Arithmetic, Rank};
use crate::options::Dialect;
use crate::parser::Relation;
use crate::program::{Bound, Condition, Joint, List, Program, Test};

/// Equalities of one query that are hashed together. More would not tell queries apart any better,
/// and each key with several values multiplies the look-ups.
const HASHED_MAX: usize = 4;
/// Places one query may have, for its alternatives.
const WAYS_MAX: usize = 16;

/// One of the ways in which a message may come to meet a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Way {
    /// It has these values: conditions, by the names of their keys, with hashes of key and value;
    /// and, if the query says so, a number in a range.
    Equal(SmallVec<[(u16, u32); HASHED_MAX]>, Option<Range>),
    /// It has a value of a key in a range.
    Range(Range),
    /// It has the key or the event type of a condition.
    Present(u16),
    /// Any message may.
    Always,
}

/// What the values of a key must have in common with a range: one is at least its lower end, one
/// at most its upper end, not necessarily the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Range {
    /// A condition on the key.
    pub(crate) condition: u16,
    pub(crate) order: Order,
    pub(crate) ends: (Rank, Rank),
}

/// How the values of a key are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Number(Arithmetic),
    Date,
    Time,
}

impl Order {
    /// Where a value is.
    pub(crate) fn rank(self, value: &[u8]) -> Option<(Rank, Rank)> {
        let point = |number: i64| (Rank::whole(number), Rank::whole(number));
        match self {
            Order::Number(arithmetic) => number::rank(value, arithmetic),
            Order::Date => crate::calendar::value_date(value).map(point),
            Order::Time => {
                let second = crate::calendar::value_time(value)?.second;
                Some((Rank::whole(second), Rank::whole(second + 1)))
            }
        }
    }
}

/// All ways to meet a query; none if no message does.
pub(crate) fn ways(program: &Program) -> SmallVec<[Way; 1]> {
    let planner = Planner { program };
    match program.is_flat() {
        true => planner.conjunction(&planner.all()),
        false => planner.node(0),
    }
}

struct Planner<'p> {
    program: &'p Program,
}

/// A part of a conjunction.
#[derive(Clone, Copy)]
enum Part {
    Leaf(u16),
    /// A disjunction, by its node.
    Or(usize),
}

type Parts = SmallVec<[Part; 8]>;

impl Planner<'_> {
    fn all(&self) -> Parts {
        (0..self.program.conditions.len() as u16).map(Part::Leaf).collect()
    }

    fn node(&self, at: usize) -> SmallVec<[Way; 1]> {
        let node = self.program.extra().nodes[at];
        match node.joint {
            Joint::Not => smallvec![Way::Always],
            Joint::Or => self.alternatives(at),
            Joint::Leaf(_) | Joint::And | Joint::Same => {
                let mut parts = Parts::new();
                self.collect(at, &mut parts);
                self.conjunction(&parts)
            }
        }
    }

    /// The parts that all must hold. What must hold for one event must hold for the message.
    fn collect(&self, at: usize, parts: &mut Parts) {
        let node = self.program.extra().nodes[at];
        match node.joint {
            Joint::Leaf(condition) => parts.push(Part::Leaf(condition)),
            Joint::Or => parts.push(Part::Or(at)),
            // That something does not hold makes no message worth a look.
            Joint::Not => {}
            Joint::And | Joint::Same => {
                for part in self.parts(at) {
                    self.collect(part, parts);
                }
            }
        }
    }

    /// The nodes directly below one.
    fn parts(&self, at: usize) -> impl Iterator<Item = usize> {
        let nodes = &self.program.extra().nodes;
        let end = nodes[at].end as usize;
        let first = (at + 1 < end).then_some(at + 1);
        std::iter::successors(first, move |part| {
            Some(nodes[*part].end as usize).filter(|next| *next < end)
        })
    }

    fn alternatives(&self, at: usize) -> SmallVec<[Way; 1]> {
        let mut all: SmallVec<[Way; 1]> = SmallVec::new();
        for part in self.parts(at) {
            all.extend(self.node(part));
        }
        if all.len() > WAYS_MAX || all.contains(&Way::Always) {
            return smallvec![Way::Always];
        }
        all
    }

    fn conjunction(&self, parts: &Parts) -> SmallVec<[Way; 1]> {
        let condition = |leaf: u16| &self.program.conditions[leaf as usize];
        let leaves = || {
            parts.iter().filter_map(|part| match part {
                Part::Leaf(leaf) => Some(*leaf),
                Part::Or(_) => None,
            })
        };
        if leaves().any(|leaf| !condition(leaf).by_key && !condition(leaf).by_type) {
            return SmallVec::new();
        }
        let equal = self.equalities(leaves());
        let range = self.range(leaves());
        if !equal.is_empty() {
            return smallvec![Way::Equal(equal, range)];
        }
        if let Some(range) = range {
            return smallvec![Way::Range(range)];
        }
        if let Some(ways) = leaves().find_map(|leaf| self.list(leaf)) {
            return ways;
        }
        if let Some(leaf) = leaves().next() {
            return smallvec![Way::Present(leaf)];
        }
        let alternatives = parts.iter().find_map(|part| match part {
            Part::Or(at) => {
                Some(self.alternatives(*at)).filter(|ways| !ways.contains(&Way::Always))
            }
            Part::Leaf(_) => None,
        });
        alternatives.unwrap_or_else(|| smallvec![Way::Always])
    }

    /// Equalities with strings, of different keys, by the names of the keys.
    fn equalities(&self, leaves: impl Iterator<Item = u16>) -> SmallVec<[(u16, u32); HASHED_MAX]> {
        let mut equal: SmallVec<[(u16, u32); HASHED_MAX]> = SmallVec::new();
        for leaf in leaves {
            let condition = &self.program.conditions[leaf as usize];
            let is_equality = matches!(condition.test, Test::Equal(_));
            // An event type alone meets a comparison with the empty string.
            if !is_equality || condition.by_type || equal.len() == HASHED_MAX {
                continue;
            }
            if !equal.iter().any(|(other, _)| self.key(*other) == self.key(leaf)) {
                equal.push((leaf, condition.pair));
            }
        }
        equal.sort_by(|a, b| self.key(a.0).cmp(self.key(b.0)));
        equal
    }

    fn key(&self, condition: u16) -> &[u8] {
        self.program.conditions[condition as usize].key.of(self.program.text.as_bytes())
    }

    /// What all ordered comparisons of the first key that has any come to.
    fn range(&self, leaves: impl Iterator<Item = u16>) -> Option<Range> {
        let mut range: Option<Range> = None;
        for leaf in leaves {
            let condition = &self.program.conditions[leaf as usize];
            let Some((order, (low, high))) = self.ends(condition) else { continue };
            match &mut range {
                None => range = Some(Range { condition: leaf, order, ends: (low, high) }),
                Some(known)
                    if known.order == order && self.key(known.condition) == self.key(leaf) =>
                {
                    known.ends = (known.ends.0.max(low), known.ends.1.min(high));
                }
                Some(_) => {}
            }
        }
        range
    }

    /// The range that an ordered comparison stands for, ends included, whether it includes them
    /// or not.
    fn ends(&self, condition: &Condition) -> Option<(Order, (Rank, Rank))> {
        let Test::Compare(relation, bound) = condition.test else { return None };
        let bound = &self.program.extra().bounds[bound as usize];
        let order = match (bound, self.program.dialect) {
            (Bound::Number(_), Dialect::Strict) => Order::Number(Arithmetic::Rounded),
            (Bound::Number(_), Dialect::Extended) => Order::Number(Arithmetic::Exact),
            (Bound::Date(_), _) => Order::Date,
            (Bound::Time(_), _) => Order::Time,
        };
        let ((lowest, highest), (low, high)) = (Rank::EVERYTHING, bound.rank());
        let ends = match relation {
            Relation::Equal => (low, high),
            Relation::Less | Relation::AtMost => (lowest, high),
            Relation::Greater | Relation::AtLeast => (low, highest),
            Relation::Differs => return None,
        };
        Some((order, ends))
    }

    /// A way for each string of an `IN`.
    fn list(&self, leaf: u16) -> Option<SmallVec<[Way; 1]>> {
        let condition = &self.program.conditions[leaf as usize];
        let Test::In(list) = condition.test else { return None };
        let List { texts, bounds } = &self.program.extra().lists[list as usize];
        if condition.by_type || !bounds.is_empty() || texts.len() > WAYS_MAX {
            return None;
        }
        let way = |text: &crate::program::Span| {
            let value = text.of(self.program.text.as_bytes());
            Way::Equal(smallvec![(leaf, hash::of_pair(condition.key_hash, value))], None)
        };
        Some(texts.iter().map(way).collect())
    }
}
