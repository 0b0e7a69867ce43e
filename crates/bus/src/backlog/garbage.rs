//! Expired messages whose memory is still to be freed, some at a time.

use std::collections::VecDeque;

use super::{Entry, Held};
use crate::overflow::Depth;

/// Room that is kept when it runs empty.
const RETAINED: usize = 64;

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct Garbage<T> {
    entries: VecDeque<Entry<T>>,
    messages: u64,
    bytes: u64,
    own_bytes: usize,
}

impl<T> Default for Garbage<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), messages: 0, bytes: 0, own_bytes: 0 }
    }
}

impl<T: Held> Garbage<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn depth(&self) -> Depth {
        Depth { messages: self.messages, bytes: self.bytes }
    }

    pub(super) fn push(&mut self, entry: Entry<T>) {
        self.messages += entry.held.count() as u64;
        self.bytes += entry.held.size();
        self.own_bytes += entry.held.own_bytes();
        self.entries.push_back(entry);
    }

    /// Takes many at once; the caller knows what they weigh. Order does not matter here.
    pub(super) fn take(&mut self, mut many: VecDeque<Entry<T>>, depth: Depth, own_bytes: usize) {
        if many.len() > self.entries.len() {
            std::mem::swap(&mut many, &mut self.entries);
        }
        self.entries.append(&mut many);
        self.messages += depth.messages;
        self.bytes += depth.bytes;
        self.own_bytes += own_bytes;
    }

    /// One whose memory the next message can take over.
    #[inline]
    pub(super) fn reuse(&mut self) -> Option<T> {
        if self.entries.back()?.held.own_bytes() == 0 {
            return None;
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<T> {
        let held = self.entries.pop_back()?.held;
        self.messages -= held.count() as u64;
        self.bytes -= held.size();
        self.own_bytes -= held.own_bytes();
        Some(held)
    }

    /// Frees up to `count`.
    pub(super) fn free(&mut self, count: usize) {
        for _ in 0..count {
            if self.pop().is_none() {
                break;
            }
        }
        if self.entries.is_empty() && self.entries.capacity() > RETAINED {
            self.entries = VecDeque::new();
        }
    }

    /// Memory that freeing all of it would give back.
    pub(super) fn held_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<T>>() + self.own_bytes
    }
}
