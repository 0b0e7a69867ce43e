//! Which queued item has which key.

use std::collections::VecDeque;

use hashbrown::HashTable;

/// What the first item without a key has for a hash.
const NO_KEY: u64 = 0;

/// See the [module header](self). One row for each entry of the line, in the same order.
#[derive(Debug)]
pub(super) struct Keys<K> {
    /// Hashes and keys.
    rows: VecDeque<(u64, K)>,
    /// The place of the first row.
    first_place: u64,
    /// Places by the hash of their key.
    places: HashTable<u64>,
}

/// A hash that is none other's.
fn of_a_key(hash: u64) -> u64 {
    hash.max(NO_KEY + 1)
}

impl<K: Default> Keys<K> {
    /// For a line that has entries without keys already.
    pub(super) fn after(first_place: u64, entries: usize) -> Self {
        let rows = (0..entries).map(|_| (NO_KEY, K::default())).collect();
        Self { rows, first_place, places: HashTable::new() }
    }

    /// The index of the entry with that key; `is_same` compares the key of an entry.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_same: impl Fn(usize, &K) -> bool) -> Option<usize> {
        let hash = of_a_key(hash);
        let same = |&place: &u64| {
            let at = (place - self.first_place) as usize;
            let (other, key) = &self.rows[at];
            *other == hash && is_same(at, key)
        };
        let place = self.places.find(hash, same)?;
        Some((place - self.first_place) as usize)
    }

    /// The key of the entry with that index, if it has one.
    #[inline]
    pub(super) fn key(&self, at: usize) -> Option<&K> {
        let (hash, key) = self.rows.get(at)?;
        (*hash != NO_KEY).then_some(key)
    }

    /// A further entry at the end.
    pub(super) fn push(&mut self, key: Option<(u64, K)>) {
        let Some((hash, key)) = key else { return self.rows.push_back((NO_KEY, K::default())) };
        let hash = of_a_key(hash);
        let place = self.first_place + self.rows.len() as u64;
        let (rows, first) = (&self.rows, self.first_place);
        self.places.insert_unique(hash, place, |&at| rows[(at - first) as usize].0);
        self.rows.push_back((hash, key));
    }

    /// The first entry is gone.
    pub(super) fn pop(&mut self) {
        let Some((hash, _)) = self.rows.pop_front() else { return };
        let place = self.first_place;
        self.first_place += 1;
        if hash != NO_KEY
            && let Ok(found) = self.places.find_entry(hash, |&other| other == place)
        {
            found.remove();
        }
    }

    /// Memory it holds, but for what keys hold.
    pub(super) fn held_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<(u64, K)>() + self.places.capacity() * 9
    }

    /// Rows there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity()
    }

    /// Whether there is a row for each of so many entries, and a place for each row with a key.
    pub(super) fn agrees_with(&self, entries: usize) -> bool {
        let keyed = self.rows.iter().filter(|(hash, _)| *hash != NO_KEY).count();
        (self.rows.len(), self.places.len()) == (entries, keyed)
    }
}
