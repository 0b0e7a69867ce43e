//! Expired items whose memory is still to be freed, some at a time.

use std::collections::VecDeque;

use super::{Depth, Entry, Item, RETAINED};

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct Garbage<T> {
    entries: VecDeque<Entry<T>>,
    depth: Depth,
    own_bytes: usize,
}

impl<T> Default for Garbage<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), depth: Depth::default(), own_bytes: 0 }
    }
}

impl<T: Item> Garbage<T> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn depth(&self) -> Depth {
        self.depth
    }

    pub(super) fn push(&mut self, entry: Entry<T>) {
        self.depth.messages += entry.item.count() as u64;
        self.depth.bytes += entry.item.size();
        self.own_bytes += entry.item.own_bytes();
        self.entries.push_back(entry);
    }

    /// Takes many at once; the caller knows what they weigh. Order does not matter here.
    pub(super) fn take(&mut self, mut many: VecDeque<Entry<T>>, depth: Depth, own_bytes: usize) {
        if many.len() > self.entries.len() {
            std::mem::swap(&mut many, &mut self.entries);
        }
        self.entries.append(&mut many);
        self.depth.messages += depth.messages;
        self.depth.bytes += depth.bytes;
        self.own_bytes += own_bytes;
    }

    /// One whose memory the next item can take over.
    #[inline]
    pub(super) fn reuse(&mut self) -> Option<T> {
        if self.entries.back()?.item.own_bytes() == 0 {
            return None;
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.entries.pop_back()?.item;
        self.depth.messages -= item.count() as u64;
        self.depth.bytes -= item.size();
        self.own_bytes -= item.own_bytes();
        Some(item)
    }

    /// One that is to be freed elsewhere.
    pub(super) fn take_one(&mut self) -> Option<T> {
        let item = self.pop();
        self.settle();
        item
    }

    /// Frees up to `count`.
    pub(super) fn free(&mut self, count: usize) {
        for _ in 0..count {
            if self.pop().is_none() {
                break;
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > RETAINED {
            self.entries = VecDeque::new();
        }
    }

    /// Memory that freeing all of it would give back.
    pub(super) fn held_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<T>>() + self.own_bytes
    }
}
