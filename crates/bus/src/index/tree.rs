//! Filters with wildcards, as a tree of tokens.

use hashbrown::HashMap;

use super::{Entries, Entry};
use crate::route::SubscriptionKey;
use crate::subject::tokens;

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<[u8]>, Node>,
    /// The branch of `*`.
    any: Option<Box<Node>>,
    /// Filters that end here.
    ends: Option<Entries>,
    /// Filters that end with `>` after this node.
    rest: Option<Entries>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.ends.is_none() && self.rest.is_none()
    }
}

/// See the [module header](self).
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

impl Tree {
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    pub(super) fn insert(&mut self, filter: &[u8], entry: Entry) {
        let mut node = &mut self.root;
        for token in tokens(filter) {
            match token {
                b">" => return add(&mut node.rest, entry),
                b"*" => node = node.any.get_or_insert_default(),
                _ => node = node.literal.entry(token.into()).or_default(),
            }
        }
        add(&mut node.ends, entry);
    }

    pub(super) fn remove(
        &mut self,
        filter: &[u8],
        consumer: u32,
        key: SubscriptionKey,
    ) -> Option<Entry> {
        remove_below(&mut self.root, &mut tokens(filter), consumer, key)
    }

    pub(super) fn matches(&self, subject: &[u8], found: &mut impl FnMut(&Entry)) {
        matches_below(&self.root, Some(subject), found);
    }
}

fn add(entries: &mut Option<Entries>, entry: Entry) {
    match entries {
        Some(entries) => entries.push(entry),
        None => *entries = Some(Entries::One(entry)),
    }
}

fn take(entries: &mut Option<Entries>, consumer: u32, key: SubscriptionKey) -> Option<Entry> {
    let (removed, none_left) = entries.as_mut()?.remove(consumer, key);
    if none_left {
        *entries = None;
    }
    removed
}

/// Removes the entry and prunes the branches that are empty after it. As deep as the filter has
/// tokens, which the limit on a control line bounds.
fn remove_below<'t>(
    node: &mut Node,
    rest: &mut impl Iterator<Item = &'t [u8]>,
    consumer: u32,
    key: SubscriptionKey,
) -> Option<Entry> {
    let Some(token) = rest.next() else { return take(&mut node.ends, consumer, key) };
    match token {
        b">" => take(&mut node.rest, consumer, key),
        b"*" => {
            let below = node.any.as_mut()?;
            let removed = remove_below(below, rest, consumer, key);
            if below.is_empty() {
                node.any = None;
            }
            removed
        }
        _ => {
            let below = node.literal.get_mut(token)?;
            let removed = remove_below(below, rest, consumer, key);
            if below.is_empty() {
                node.literal.remove(token);
            }
            removed
        }
    }
}

fn matches_below(node: &Node, subject: Option<&[u8]>, found: &mut impl FnMut(&Entry)) {
    let mut each = |entries: &Option<Entries>| {
        entries.iter().flat_map(Entries::as_slice).for_each(&mut *found);
    };
    let Some(subject) = subject else { return each(&node.ends) };
    each(&node.rest);
    let (token, rest) = match memchr::memchr(b'.', subject) {
        Some(dot) => (&subject[..dot], Some(&subject[dot + 1..])),
        None => (subject, None),
    };
    if let Some(below) = node.literal.get(token) {
        matches_below(below, rest, found);
    }
    if let Some(below) = &node.any {
        matches_below(below, rest, found);
    }
}
