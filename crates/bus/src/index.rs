//! The subject index: which subscriptions match a subject.
//!
//! Filters without wildcards are in a hash table, so the usual case is one probe however many there
//! are. Filters with wildcards are in a tree of tokens; a look-up walks only the branches that can
//! match, each at most once.

mod tree;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::route::SubscriptionKey;
use crate::subject::{Filter, tokens};
use tree::Tree;

/// One subscription in the index: 16 bytes, for there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) consumer: u32,
    pub(crate) slot: u32,
    pub(crate) serial: u32,
    /// The queue group, or [`Entry::NO_GROUP`].
    pub(crate) group: u32,
}

impl Entry {
    pub(crate) const NO_GROUP: u32 = u32::MAX;
    /// In place of a group: it is no subscription but a set of queried ones.
    pub(crate) const QUERIED: u32 = u32::MAX - 1;

    /// The entry of a set of queried subscriptions.
    pub(crate) fn of_set(at: usize) -> Self {
        let slot = u32::MAX;
        Self { consumer: at as u32, slot, serial: u32::MAX, group: Self::QUERIED }
    }

    pub(crate) fn key(&self) -> SubscriptionKey {
        SubscriptionKey { slot: self.slot, serial: self.serial }
    }
}

/// The subscriptions of one filter. Most filters have one, which then needs no allocation.
#[derive(Debug)]
pub(crate) enum Entries {
    One(Entry),
    Many(Vec<Entry>),
}

impl Entries {
    fn as_slice(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn push(&mut self, entry: Entry) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, entry]),
            Self::Many(entries) => entries.push(entry),
        }
    }

    /// Removes the entry of `consumer` and `key`; also says whether none is left.
    fn remove(&mut self, consumer: u32, key: SubscriptionKey) -> (Option<Entry>, bool) {
        let is_it = |entry: &Entry| entry.consumer == consumer && entry.key() == key;
        match self {
            Self::One(entry) => (is_it(entry).then_some(*entry), is_it(entry)),
            Self::Many(entries) => {
                let at = entries.iter().position(is_it);
                // Order within a filter means nothing, so the gap is filled from the end.
                let removed = at.map(|at| entries.swap_remove(at));
                if entries.len() * 4 < entries.capacity() {
                    entries.shrink_to(entries.len() * 2);
                }
                (removed, entries.is_empty())
            }
        }
    }
}

#[derive(Debug)]
struct Literal {
    subject: Arc<[u8]>,
    entries: Entries,
}

/// See the [module header](self).
#[derive(Debug, Default)]
pub(crate) struct SubjectIndex {
    literals: HashTable<Literal>,
    hasher: RandomState,
    wild: Tree,
    len: usize,
}

impl SubjectIndex {
    /// Subscriptions in the index.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, filter: &Filter, entry: Entry) {
        self.len += 1;
        if !filter.is_literal() {
            return self.wild.insert(filter.as_bytes(), entry);
        }
        let hash = self.hasher.hash_one(filter.as_bytes());
        let found = self.literals.find_mut(hash, |l| *l.subject == *filter.as_bytes());
        if let Some(literal) = found {
            return literal.entries.push(entry);
        }
        let subject = filter.shared_text().clone();
        let literal = Literal { subject, entries: Entries::One(entry) };
        let hasher = &self.hasher;
        self.literals.insert_unique(hash, literal, |l| hasher.hash_one(&*l.subject));
    }

    pub(crate) fn remove(
        &mut self,
        filter: &Filter,
        consumer: u32,
        key: SubscriptionKey,
    ) -> Option<Entry> {
        let removed = if filter.is_literal() {
            self.remove_literal(filter, consumer, key)
        } else {
            self.wild.remove(filter.as_bytes(), consumer, key)
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    fn remove_literal(
        &mut self,
        filter: &Filter,
        consumer: u32,
        key: SubscriptionKey,
    ) -> Option<Entry> {
        let hash = self.hasher.hash_one(filter.as_bytes());
        let mut found =
            self.literals.find_entry(hash, |l| *l.subject == *filter.as_bytes()).ok()?;
        let (removed, none_left) = found.get_mut().entries.remove(consumer, key);
        if none_left {
            found.remove();
            if self.literals.len() * 8 < self.literals.capacity() {
                let hasher = &self.hasher;
                self.literals.shrink_to(self.literals.len() * 2, |l| hasher.hash_one(&*l.subject));
            }
        }
        removed
    }

    /// Calls `found` for each subscription that `subject` matches.
    pub(crate) fn matches(&self, subject: &[u8], mut found: impl FnMut(&Entry)) {
        let hash = self.hasher.hash_one(subject);
        if let Some(literal) = self.literals.find(hash, |l| *l.subject == *subject) {
            literal.entries.as_slice().iter().for_each(&mut found);
        }
        // An empty token matches no wildcard; checked once here rather than at every branch.
        if !self.wild.is_empty() && tokens(subject).all(|token| !token.is_empty()) {
            self.wild.matches(subject, &mut found);
        }
    }
}

#[cfg(test)]
mod tests;
