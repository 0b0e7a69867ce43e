//! Which queued message has which key.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::key::Key;
use crate::message::Message;

/// The key of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceKey {
    /// It has none, and is never replaced.
    None,
    /// The subject, which the entry itself holds.
    Subject,
    /// Something else.
    Own(Box<[u8]>),
}

impl PlaceKey {
    pub(super) fn of(key: &Key, message: &Message<'_>) -> Self {
        match key {
            Key::Subject => Self::Subject,
            other => other.of(message).map_or(Self::None, |key| Self::Own(key.into())),
        }
    }
}

/// See the [module header](self). One row for each entry of the backlog, in the same order.
#[derive(Debug)]
pub(super) struct Keys {
    rows: VecDeque<(u64, PlaceKey)>,
    /// The place of the first row.
    first_place: u64,
    /// Places by the hash of their key.
    places: HashTable<u64>,
    hasher: RandomState,
}

impl Keys {
    /// For a backlog that has entries without keys already.
    pub(super) fn after(first_place: u64, entries: usize) -> Self {
        let rows = (0..entries).map(|_| (0, PlaceKey::None)).collect();
        Self { rows, first_place, places: HashTable::new(), hasher: RandomState::default() }
    }

    fn hash(&self, key: &PlaceKey, subject: &[u8]) -> Option<u64> {
        match key {
            PlaceKey::None => None,
            PlaceKey::Subject => Some(self.hasher.hash_one(subject)),
            PlaceKey::Own(key) => Some(self.hasher.hash_one(&key[..])),
        }
    }

    /// The place of the entry with that key; `subject_of` tells the subject of an entry.
    #[inline]
    pub(super) fn find<'e>(
        &self,
        key: &PlaceKey,
        subject: &[u8],
        subject_of: impl Fn(u64) -> &'e [u8],
    ) -> Option<u64> {
        let hash = self.hash(key, subject)?;
        let same = |&place: &u64| {
            let (other_hash, other) = &self.rows[(place - self.first_place) as usize];
            *other_hash == hash
                && other == key
                && (*key != PlaceKey::Subject || subject_of(place) == subject)
        };
        self.places.find(hash, same).copied()
    }

    /// A further entry at the end.
    pub(super) fn push(&mut self, key: PlaceKey, subject: &[u8]) {
        let hash = self.hash(&key, subject);
        if let Some(hash) = hash {
            let place = self.first_place + self.rows.len() as u64;
            let (rows, first) = (&self.rows, self.first_place);
            self.places.insert_unique(hash, place, |&at| rows[(at - first) as usize].0);
        }
        self.rows.push_back((hash.unwrap_or(0), key));
    }

    /// The first entry is gone.
    pub(super) fn pop(&mut self) {
        let Some((hash, key)) = self.rows.pop_front() else { return };
        let place = self.first_place;
        self.first_place += 1;
        if key != PlaceKey::None
            && let Ok(found) = self.places.find_entry(hash, |&other| other == place)
        {
            found.remove();
        }
    }

    /// Memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<(u64, PlaceKey)>() + self.places.capacity() * 9
    }

    /// Rows there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity()
    }

    /// Whether there is a row for each of so many entries, and a place for each row with a key.
    #[cfg(test)]
    pub(super) fn agrees_with(&self, entries: usize) -> bool {
        let keyed = self.rows.iter().filter(|(_, key)| *key != PlaceKey::None).count();
        (self.rows.len(), self.places.len()) == (entries, keyed)
    }
}
