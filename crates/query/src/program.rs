//! A query as it is evaluated: conditions in a row, and how they are joined if not by `AND` alone.
//!
//! Evaluation allocates nothing. It has three outcomes: while a message's [`Source`] has not been
//! asked, a condition that only its tags could meet is neither true nor false. Only if the whole
//! query hangs on such conditions is the source asked, and the query evaluated again.
//!
//! [`Source`]: crate::Source

mod bound;
mod view;

use std::cmp::Ordering;

use memchr::memmem;

use crate::needles::Needles;
use crate::options::Dialect;
use crate::parser::Relation;
use crate::pattern::{Pattern, SEEN_MAX};
use crate::sweep::{Patience, Sweep};
use crate::tags::{Part, Source, Tags};

pub(crate) use bound::Bound;
pub(crate) use view::View;

/// A compiled query.
#[derive(Clone)]
pub(crate) struct Program {
    /// The canonical text; conditions refer to it.
    pub(crate) text: Box<str>,
    pub(crate) conditions: Box<[Condition]>,
    /// What a plain conjunction of conditions on strings does not need.
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) dialect: Dialect,
}

/// The rarer parts of a query.
#[derive(Clone, Default)]
pub(crate) struct Extra {
    /// How the conditions are joined, each node before its parts; empty for a conjunction of them.
    pub(crate) nodes: Vec<Node>,
    pub(crate) bounds: Vec<Bound>,
    pub(crate) patterns: Vec<Pattern>,
    /// Of each `IN`.
    pub(crate) lists: Vec<List>,
    /// The pieces of `CONTAINS`, for when searching for them one by one takes long.
    pub(crate) needles: Option<Needles>,
    /// For when looking at one condition after the other takes long; unless there are few.
    pub(crate) sweep: Option<Box<Sweep>>,
}

/// What `IN` looks a value up in.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// Strings, in order.
    pub(crate) texts: Box<[Span]>,
    /// Places in the bounds.
    pub(crate) bounds: Box<[u16]>,
}

/// A condition on the values of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) key_hash: u32,
    /// For an equality the hash of key and value.
    pub(crate) pair: u32,
    pub(crate) key: Span,
    pub(crate) test: Test,
    /// Whether a tag of this key may meet it.
    pub(crate) by_key: bool,
    /// Whether a tag of this event type meets it, because an empty string does.
    pub(crate) by_type: bool,
}

/// What a condition says of a value. Numbers are places in the lists of [`Extra`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Exists,
    Equal(Span),
    Differs(Span),
    /// With its bit in the [`Needles`], or [`Test::NO_BIT`].
    Contains(Span, u8),
    StartsWith(Span),
    EndsWith(Span),
    Compare(Relation, u16),
    Pattern(u16),
    NoPattern(u16),
    In(u16),
}

impl Test {
    /// Of a `CONTAINS` that is looked for by itself.
    pub(crate) const NO_BIT: u8 = u8::MAX;
}

impl Condition {
    /// What it takes, as [`Patience`] counts it, to find out what long numbers are compared with.
    const OF_A_BOUND: usize = 128;

    /// How much work it is among these tags, as [`Patience`] counts it.
    fn work(&self, tags: &Part<'_, '_>, key: &[u8], extra: &Extra) -> usize {
        let (count, text) = (tags.len(), tags.text());
        let of_a_bound = || match tags.any_long_number((self.key_hash, key)) {
            true => Self::OF_A_BOUND,
            false => 0,
        };
        let work = match self.test {
            // Only hashes are looked at, a block of them at a time.
            Test::Exists | Test::Equal(_) => count / 16,
            Test::Differs(_) | Test::StartsWith(_) | Test::EndsWith(_) => count,
            Test::Compare(..) => 2 * count + text / 32 + of_a_bound(),
            // What finds a piece is made anew for each value.
            Test::Contains(..) => 4 * count + text / 4,
            Test::Pattern(_) | Test::NoPattern(_) => 4 * count + text.min(SEEN_MAX) / 4,
            Test::In(list) => {
                let List { texts, bounds } = &extra.lists[list as usize];
                let of_texts = texts.len().checked_ilog2().unwrap_or(0) as usize;
                count * (1 + of_texts) + bounds.len() * (count + of_a_bound())
            }
        };
        2 + work
    }
}

impl List {
    fn has(texts: &[Span], value: &[u8], text: &[u8]) -> bool {
        texts.binary_search_by(|one| one.of(text).cmp(value)).is_ok()
    }
}

/// A piece of the canonical text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

/// A part of a query: a condition, or how the parts behind it are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) joint: Joint,
    /// The node behind the last of its parts.
    pub(crate) end: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joint {
    Leaf(u16),
    Not,
    And,
    Or,
    Same,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Span {
        // Whoever makes the text refuses one that is longer than this.
        Span { start: start as u16, end: end as u16 }
    }

    #[inline]
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(crate) fn str_of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

impl Node {
    pub(crate) const NOT: Node = Node { joint: Joint::Not, end: 0 };
    pub(crate) const AND: Node = Node { joint: Joint::And, end: 0 };
    pub(crate) const OR: Node = Node { joint: Joint::Or, end: 0 };
    pub(crate) const SAME: Node = Node { joint: Joint::Same, end: 0 };

    pub(crate) fn leaf(condition: usize) -> Node {
        Node { joint: Joint::Leaf(condition as u16), end: 0 }
    }
}

impl Extra {
    /// Whether there is nothing of which one test may take long.
    fn has_quick_tests(&self) -> bool {
        self.needles.is_none() && self.patterns.is_empty() && self.lists.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Extra { nodes, bounds, patterns, lists, needles, sweep } = self;
        nodes.is_empty()
            && bounds.is_empty()
            && patterns.is_empty()
            && lists.is_empty()
            && needles.is_none()
            && sweep.is_none()
    }
}

impl Extra {
    /// Bytes of memory it takes, its own with them.
    fn held_bytes(&self) -> usize {
        let Extra { nodes, bounds, patterns, lists, needles, sweep } = self;
        let in_lists = |list: &List| size_of_val(&*list.texts) + size_of_val(&*list.bounds);
        size_of::<Extra>()
            + size_of_val(&**nodes)
            + size_of_val(&**bounds)
            + bounds.iter().map(Bound::held_bytes).sum::<usize>()
            + size_of_val(&**patterns)
            + patterns.iter().map(Pattern::held_bytes).sum::<usize>()
            + size_of_val(&**lists)
            + lists.iter().map(in_lists).sum::<usize>()
            + needles.as_ref().map_or(0, Needles::held_bytes)
            + sweep.as_ref().map_or(0, |sweep| sweep.held_bytes())
    }
}

static NOTHING: Extra = Extra {
    nodes: Vec::new(),
    bounds: Vec::new(),
    patterns: Vec::new(),
    lists: Vec::new(),
    needles: None,
    sweep: None,
};

impl Program {
    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.held_bytes());
        self.text.len() + size_of_val(&*self.conditions) + extra
    }

    #[inline]
    pub(crate) fn extra(&self) -> &Extra {
        self.extra.as_deref().unwrap_or(&NOTHING)
    }

    /// Whether a message has what the query asks for.
    #[inline]
    pub(crate) fn matches(&self, tags: &Tags<'_>) -> bool {
        if self.is_plain(tags) && !tags.has_source() {
            // What most messages and queries are like, and the same as below without detours.
            let whole = tags.whole();
            return self.conditions.iter().all(|it| self.holds_in(it, &whole));
        }
        match self.evaluate(View::of(tags)) {
            Some(answer) => answer,
            None => {
                tags.demand();
                self.evaluate(View::of(tags)) == Some(true)
            }
        }
    }

    /// Whether the conditions are joined by `AND` alone, and it is quick to look at one after the
    /// other.
    #[inline]
    fn is_plain(&self, tags: &Tags<'_>) -> bool {
        self.extra.as_ref().is_none_or(|extra| {
            let is_quick = |sweep: &Sweep| {
                sweep.tests() * tags.len() <= Patience::MOST / 2 && !tags.has_long_numbers()
            };
            extra.nodes.is_empty()
                && extra.sweep.as_ref().is_none_or(|it| extra.has_quick_tests() && is_quick(it))
        })
    }

    /// Whether the conditions are joined by `AND` alone.
    #[inline]
    pub(crate) fn is_flat(&self) -> bool {
        self.extra.as_ref().is_none_or(|extra| extra.nodes.is_empty())
    }

    /// Nothing if the answer hangs on what the source has.
    fn evaluate(&self, view: View<'_, '_>) -> Option<bool> {
        let Some(sweep) = &self.extra().sweep else { return self.conjunction(view) };
        let patience = Patience::new();
        let answer = self.conjunction(View { patience: Some(&patience), ..view });
        // What was found out without patience is no answer.
        if patience.is_over() { sweep.answer(self, view) } else { answer }
    }

    /// The same, one condition after the other.
    fn conjunction(&self, view: View<'_, '_>) -> Option<bool> {
        if !self.is_flat() {
            return self.node(0, view);
        }
        let mut answer = Some(true);
        for condition in &self.conditions {
            match self.holds(condition, view) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => answer = None,
            }
        }
        answer
    }

    fn node(&self, at: usize, view: View<'_, '_>) -> Option<bool> {
        let node = self.extra().nodes[at];
        match node.joint {
            Joint::Leaf(condition) => self.holds(&self.conditions[condition as usize], view),
            Joint::Not => self.node(at + 1, view).map(|answer| !answer),
            Joint::And => self.parts(at, node, view, false),
            Joint::Or => self.parts(at, node, view, true),
            Joint::Same => self.same_event(at, view),
        }
    }

    /// Joins parts of which one that is `decisive` decides.
    fn parts(&self, at: usize, node: Node, view: View<'_, '_>, decisive: bool) -> Option<bool> {
        let mut answer = Some(!decisive);
        let mut part = at + 1;
        while part < node.end as usize {
            match self.node(part, view) {
                Some(one) if one == decisive => return Some(decisive),
                Some(_) => {}
                None => answer = None,
            }
            part = self.extra().nodes[part].end as usize;
        }
        answer
    }

    fn same_event(&self, at: usize, view: View<'_, '_>) -> Option<bool> {
        let mut answer = Some(false);
        for event in view.events() {
            let view = View { event: Some(event), ..view };
            if !view.bears(2) {
                return None;
            }
            match self.node(at + 1, view) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => answer = None,
            }
        }
        let hangs = view.pending.is_some_and(|source| self.may_come(at, source));
        if hangs { None } else { answer }
    }

    /// Whether an event that is still to come may have what `SAME EVENT` asks for, or have not
    /// what all others have.
    pub(crate) fn may_come(&self, at: usize, source: &dyn Source) -> bool {
        let nodes = &self.extra().nodes;
        nodes[at + 1..nodes[at].end as usize].iter().any(|node| match node.joint {
            Joint::Leaf(leaf) => self.may_hold(&self.conditions[leaf as usize], source),
            joint => joint == Joint::Not,
        })
    }

    fn holds(&self, condition: &Condition, view: View<'_, '_>) -> Option<bool> {
        if self.holds_among(condition, view, view.known, false) {
            return Some(true);
        }
        if let Some(tags) = view.supplied {
            return Some(self.holds_among(condition, view, tags, true));
        }
        match view.pending {
            Some(source) if self.may_hold(condition, source) => None,
            _ => Some(false),
        }
    }

    /// Whether one of the tags that are known, or were supplied, meets a condition.
    fn holds_among(
        &self,
        condition: &Condition,
        view: View<'_, '_>,
        tags: &Tags<'_>,
        supplied: bool,
    ) -> bool {
        let part = view.part(tags, supplied);
        let key = condition.key.of(self.text.as_bytes());
        view.bears(condition.work(&part, key, self.extra())) && self.holds_in(condition, &part)
    }

    pub(crate) fn may_hold(&self, condition: &Condition, source: &dyn Source) -> bool {
        let tag = condition.key.of(self.text.as_bytes());
        source.keys().iter().map(|key| key.as_bytes()).any(|key| {
            (condition.by_key && key == tag) || (condition.by_type && kind(key) == Some(tag))
        })
    }

    /// Whether one of these tags meets a condition.
    #[inline]
    fn holds_in(&self, condition: &Condition, tags: &Part<'_, '_>) -> bool {
        let key = condition.key.of(self.text.as_bytes());
        let named = (condition.key_hash, key);
        let by_key = condition.by_key
            && match condition.test {
                Test::Equal(text) => tags.has(condition.pair, key, text.of(self.text.as_bytes())),
                Test::Compare(relation, bound) => {
                    let bound = &self.extra().bounds[bound as usize];
                    match tags.any_long_number(named) {
                        true => bound.any_value(relation, named, tags),
                        false => tags.any_value(named, |value| {
                            bound.compare(value.bytes).is_some_and(|order| relation.admits(order))
                        }),
                    }
                }
                Test::In(list) if tags.any_long_number(named) => self.lists(list, named, tags),
                _ => self.rarer(condition, tags),
            };
        by_key || (condition.by_type && tags.has_type(named))
    }

    /// Whether one of these values, of which some are long numbers, is in a list.
    #[cold]
    fn lists(&self, list: u16, named: (u32, &[u8]), tags: &Part<'_, '_>) -> bool {
        let (extra, text) = (self.extra(), self.text.as_bytes());
        let List { texts, bounds } = &extra.lists[list as usize];
        let mut bounds = bounds.iter().map(|bound| &extra.bounds[*bound as usize]);
        bounds.any(|bound| bound.any_value(Relation::Equal, named, tags))
            || tags.any_value(named, |value| List::has(texts, value.bytes, text))
    }

    /// Whether the value of one of these tags meets a condition. Apart, because searching text
    /// needs a frame on the stack that would slow down the others.
    #[inline(never)]
    fn rarer(&self, condition: &Condition, tags: &Part<'_, '_>) -> bool {
        let is_pattern = matches!(condition.test, Test::Pattern(_) | Test::NoPattern(_));
        let named = (condition.key_hash, condition.key.of(self.text.as_bytes()));
        tags.any_value(named, |value| {
            let seen = !is_pattern || value.text_end as usize <= SEEN_MAX;
            seen && condition.accepts(value.bytes, self.text.as_bytes(), self.extra())
        })
    }
}

impl Condition {
    /// Whether a value meets it.
    pub(crate) fn accepts(&self, value: &[u8], text: &[u8], extra: &Extra) -> bool {
        match self.test {
            Test::Exists => true,
            Test::Equal(wanted) => value == wanted.of(text),
            Test::Differs(unwanted) => value != unwanted.of(text),
            Test::Contains(piece, _) => memmem::find(value, piece.of(text)).is_some(),
            Test::StartsWith(start) => value.starts_with(start.of(text)),
            Test::EndsWith(end) => value.ends_with(end.of(text)),
            Test::Compare(relation, bound) => extra.bounds[bound as usize]
                .compare(value)
                .is_some_and(|order| relation.admits(order)),
            Test::Pattern(pattern) => extra.patterns[pattern as usize].matches(value),
            Test::NoPattern(pattern) => !extra.patterns[pattern as usize].matches(value),
            Test::In(list) => {
                let List { texts, bounds } = &extra.lists[list as usize];
                List::has(texts, value, text)
                    || bounds.iter().any(|bound| {
                        extra.bounds[*bound as usize].compare(value) == Some(Ordering::Equal)
                    })
            }
        }
    }
}

/// The event type of a key: what is before its last dot.
fn kind(key: &[u8]) -> Option<&[u8]> {
    memchr::memrchr(b'.', key).map(|dot| &key[..dot])
}
