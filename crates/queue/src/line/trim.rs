//! How items leave a line other than to the consumer: dropped, expired, given up.

use super::{Depth, Entry, Gap, Item, Line, Span, age};

impl<T: Item, K: Default, G: Gap> Line<T, K, G> {
    /// Drops the first `count` items in line. `gone` books each part of them, in the gap where they
    /// were, and may keep it for its memory.
    #[inline]
    pub fn drop_front(&mut self, count: u64, mut gone: impl FnMut(&mut G, Span, T)) {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        while left > 0
            && let Some((item, stamp)) = self.take_first(left)
        {
            let count = item.count();
            left -= count;
            let last = stamp.seq + count as u64 - 1;
            let span = Span { count: count as u64, bytes: item.size(), first: stamp.seq, last };
            gone(self.gaps.at_front(self.first_place), span, item);
        }
    }

    /// Cuts off what has waited for more than `ttl_ms`; `gone` books it, in the gap where it was.
    /// Its memory is freed later: see [`Line::free_expired`].
    #[inline]
    pub fn expire(&mut self, ttl_ms: u32, now_ms: u32, mut gone: impl FnMut(&mut G, Span)) {
        // What was queued exactly the time to live ago is still good.
        let expired = |entry: &Entry<T>| age(entry.stamp.at_ms, now_ms) > ttl_ms;
        if self.keys.is_some() {
            // A replaced item is as young as its successor, so the line is not in the order of
            // time; one that has expired further back is found when it comes to the front.
            while self.entries.front().is_some_and(expired) {
                self.expire_first(&mut gone);
            }
            return;
        }
        // Mostly none or few have; a look at the first few beats a search.
        for _ in 0..4 {
            if !self.entries.front().is_some_and(expired) {
                return;
            }
            self.expire_first(&mut gone);
        }
        let count = self.entries.partition_point(expired);
        if count > 0 {
            let span = self.cut_off(count);
            gone(self.gaps.at_front(self.first_place), span);
        }
    }

    fn expire_first(&mut self, gone: &mut impl FnMut(&mut G, Span)) {
        let Some(entry) = self.take_entry() else { return };
        gone(self.gaps.at_front(self.first_place), entry.span());
        self.garbage.get_or_insert_default().push(entry);
    }

    /// Cuts the first `count` entries off without freeing them.
    fn cut_off(&mut self, count: usize) -> Span {
        let (first, last) = (&self.entries[0], &self.entries[count - 1]);
        let next = self.entries.get(count);
        let (end_place, end) =
            next.map_or((self.end_place, self.bytes_ever), |entry| (entry.place, entry.before));
        let depth = Depth { messages: end_place - first.place, bytes: end - first.before };
        let (first, last) = (first.stamp.seq, last.last_seq());
        self.bytes -= depth.bytes;
        self.first_place = end_place;
        // Either the few that are left move, or the few that go: a deep line that loses a little
        // with each call must not be copied each time.
        if self.entries.len() - count < count {
            let fresh = self.entries.split_off(count);
            let old = std::mem::replace(&mut self.entries, fresh);
            let left = self.entries.iter().map(|entry| entry.item.own_bytes()).sum();
            let own_bytes = std::mem::replace(&mut self.own_bytes, left) - left;
            self.garbage.get_or_insert_default().take(old, depth, own_bytes);
        } else {
            let garbage = self.garbage.get_or_insert_default();
            for entry in self.entries.drain(..count) {
                self.own_bytes -= entry.item.own_bytes();
                garbage.push(entry);
            }
        }
        if self.entries.is_empty() {
            self.settle();
        }
        Span { count: depth.messages, bytes: depth.bytes, first, last }
    }

    /// Expired items that are still in memory.
    pub fn unfreed(&self) -> Depth {
        self.garbage.as_ref().map_or(Depth::default(), |garbage| garbage.depth())
    }

    /// Frees up to `count` expired entries.
    #[inline]
    pub fn free_expired(&mut self, count: usize) {
        if let Some(garbage) = &mut self.garbage
            && !garbage.is_empty()
        {
            garbage.free(count);
        }
    }

    /// Frees all expired items at once, because memory is short; whether there were any.
    pub fn free_all_expired(&mut self) -> bool {
        self.garbage.take().is_some_and(|garbage| !garbage.is_empty())
    }

    /// An expired item whose memory the next one can take over.
    #[inline]
    pub fn reuse_expired(&mut self) -> Option<T> {
        self.garbage.as_mut()?.reuse()
    }

    /// Takes an expired entry that is still in memory, so that it can be freed elsewhere.
    #[inline]
    pub fn take_expired(&mut self) -> Option<T> {
        self.garbage.as_mut().filter(|garbage| !garbage.is_empty())?.take_one()
    }

    /// Gives room back that no entry needs now.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }
}
