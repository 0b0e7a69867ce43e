//! Whose bytes stand where in an outgoing stream.
//!
//! The stream itself is only bytes. The ledger knows, in the same order, which subscription each
//! message in it belongs to and how long it is, so that a partial write still gives exact accounts.
//! Equal neighbours share an entry: a flat-out stream needs one entry per millisecond.

use std::collections::{HashMap, VecDeque};

/// Bytes that belong to no subscription: answers to the client.
pub(super) const CONTROL: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    slot: u32,
    /// How many messages of `len` bytes each.
    count: u32,
    len: u32,
    /// When they were queued, in milliseconds of the outbox's own clock.
    at_ms: u32,
}

/// See the [module header](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    /// Bytes of the very first message that are written already.
    front_written: u32,
}

/// Messages of one subscription that left the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) slot: u32,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Ledger {
    /// `count` messages of `len` bytes each were appended.
    #[inline]
    pub(super) fn push(&mut self, slot: u32, count: u32, len: u32, at_ms: u32) {
        if let Some(last) = self.entries.back_mut()
            && (last.slot, last.len, last.at_ms) == (slot, len, at_ms)
            && last.count.checked_add(count).is_some()
        {
            last.count += count;
            return;
        }
        self.entries.push_back(Entry { slot, count, len, at_ms });
    }

    /// `bytes` were written from the front; calls `written` for the messages that are out whole.
    pub(super) fn advance(&mut self, mut bytes: usize, mut written: impl FnMut(Written)) {
        while bytes > 0 {
            let Some(front) = self.entries.front_mut() else {
                debug_assert!(false, "{bytes} bytes written that nobody queued");
                return;
            };
            let len = front.len as usize;
            let whole_entry = front.count as usize * len - self.front_written as usize;
            let messages = if bytes >= whole_entry {
                bytes -= whole_entry;
                self.front_written = 0;
                front.count
            } else {
                let done = self.front_written as usize + bytes;
                bytes = 0;
                self.front_written = (done % len) as u32;
                (done / len) as u32
            };
            if messages > 0 {
                let bytes = u64::from(messages) * len as u64;
                written(Written { slot: front.slot, messages: messages.into(), bytes });
            }
            front.count -= messages;
            if front.count == 0 {
                self.entries.pop_front();
            }
        }
        if self.entries.is_empty() && self.entries.capacity() > 64 {
            self.entries = VecDeque::new();
        }
    }

    /// For each subscription with something in the stream, when its oldest message was queued.
    pub(super) fn oldest_by_slot(&self) -> HashMap<u32, u32> {
        let mut oldest = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.slot != CONTROL) {
            oldest.entry(entry.slot).or_insert(entry.at_ms);
        }
        oldest
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        // The smallest allocation is not worth counting for ten thousand idle connections.
        match self.entries.capacity() {
            0..=8 => 0,
            capacity => capacity * size_of::<Entry>(),
        }
    }
}

#[cfg(test)]
mod tests;
