//! Keys in line, and the value of each: for one owner.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::meeting::Ends;

/// Rows that are kept room for when the queue runs empty.
const RETAINED: usize = 64;

/// A key, its value, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<K, V> {
    /// What the value is about.
    pub key: K,
    /// The latest value, or the fold of all.
    pub value: V,
    /// How many earlier values it stands for.
    pub replaced: u64,
}

/// What became of all values that were put, exactly and at one moment: `put` is always the sum of
/// the four below it. What came back because of too many keys is counted beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// All that were taken in.
    pub put: u64,
    /// Taken by the receiver.
    pub received: u64,
    /// Replaced by a later one of the key, or folded with it.
    pub replaced: u64,
    /// Dropped, because the receiver went.
    pub dropped: u64,
    /// Still queued.
    pub queued: u64,
    /// Not taken in, because of too many keys.
    pub refused: u64,
    /// The most keys that were ever queued.
    pub high_water: u64,
}

#[derive(Debug)]
struct Row<K, V> {
    hash: u64,
    entry: Entry<K, V>,
}

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct Slots<K, V> {
    rows: VecDeque<Row<K, V>>,
    /// The number of the first row. The next has the next number.
    first: u64,
    /// Row numbers by the hash of their key.
    numbers: HashTable<u64>,
    hasher: DefaultHashBuilder,
    max_keys: usize,
    account: Account,
    pub(super) closed: bool,
}

/// What became of a value.
pub(super) enum Outcome<K, V, R> {
    Inserted,
    Met(R),
    Full(K, V),
    Closed(K, V),
}

impl<K: Hash + Eq, V> Slots<K, V> {
    pub(super) fn new(max_keys: u32) -> Self {
        Self {
            rows: VecDeque::new(),
            first: 0,
            numbers: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            max_keys: max_keys as usize,
            account: Account::default(),
            closed: false,
        }
    }

    /// Puts a value at the end, or lets it `meet` the queued one of its key.
    #[inline]
    pub(super) fn put<R>(
        &mut self,
        key: K,
        value: V,
        meet: impl FnOnce(&mut V, V) -> R,
    ) -> Outcome<K, V, R> {
        if self.closed {
            return Outcome::Closed(key, value);
        }
        let hash = self.hasher.hash_one(&key);
        let (rows, first) = (&self.rows, self.first);
        let same = |number: &u64| {
            let row = &rows[(number - first) as usize];
            row.entry.key == key
        };
        if let Some(number) = self.numbers.find(hash, same) {
            let entry = &mut self.rows[(number - first) as usize].entry;
            let met = meet(&mut entry.value, value);
            entry.replaced += 1;
            self.account.replaced += 1;
            return Outcome::Met(met);
        }
        self.insert(hash, key, value)
    }

    fn insert<R>(&mut self, hash: u64, key: K, value: V) -> Outcome<K, V, R> {
        if self.rows.len() >= self.max_keys {
            self.account.refused += 1;
            return Outcome::Full(key, value);
        }
        let (rows, first) = (&self.rows, self.first);
        let number = first + rows.len() as u64;
        self.numbers.insert_unique(hash, number, |at| rows[(at - first) as usize].hash);
        self.rows.push_back(Row { hash, entry: Entry { key, value, replaced: 0 } });
        self.account.high_water = self.account.high_water.max(self.rows.len() as u64);
        Outcome::Inserted
    }

    /// Takes the key that came first.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Entry<K, V>> {
        let row = self.rows.pop_front()?;
        let number = self.first;
        self.first += 1;
        if let Ok(found) = self.numbers.find_entry(row.hash, |at| *at == number) {
            found.remove();
        }
        self.account.received += 1;
        if self.rows.is_empty() && self.rows.capacity() > RETAINED {
            // The memory of a burst goes back.
            (self.rows, self.numbers) = (VecDeque::new(), HashTable::new());
        }
        Some(row.entry)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn account(&self) -> Account {
        let queued = self.rows.len() as u64;
        let Account { received, replaced, dropped, .. } = self.account;
        let put = received + replaced + dropped + queued;
        Account { put, queued, ..self.account }
    }

    /// All that is queued, for nobody will take it.
    pub(super) fn abandon(&mut self) -> impl Sized + use<K, V> {
        self.closed = true;
        self.account.dropped += self.rows.len() as u64;
        self.numbers.clear();
        std::mem::take(&mut self.rows)
    }
}

impl<K, V> Ends for Slots<K, V> {
    fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_proportion_to_the_keys_and_goes_back() {
        let mut slots = Slots::new(u32::MAX);
        for n in 0..100_000_u64 {
            slots.put(n % 100, n, |old, new| *old = new);
        }
        assert!(slots.rows.capacity() <= 256 && slots.numbers.capacity() <= 512);
        for n in 0..100_000_u64 {
            slots.put(n, n, |old, new| *old = new);
        }
        assert!(slots.rows.capacity() >= 100_000);
        while slots.take().is_some() {}
        assert_eq!((slots.rows.capacity(), slots.numbers.capacity()), (0, 0));
    }
}
