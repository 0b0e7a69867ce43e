//! Many queries at once: which of them does a message meet?
//!
//! Each query is put where only messages that may meet it look:
//!
//! - Equalities with strings are hashed. The queries that compare the same keys form a *shape*,
//!   with one table from the values of all those keys to queries; so ten thousand queries
//!   `account = 'v' AND kind = 'w'` cost one look-up, whatever the values have in common.
//! - Ranges of one key, beside equalities or alone, are in an ordered structure.
//! - Anything else about a key waits for a message that has the key.
//! - What no single key decides, such as `NOT a = 'x'`, is evaluated for every message.
//!
//! What is found there is evaluated in full, so the places need only be right in one direction:
//! they never miss a query that matches. Equal queries are one, evaluated once.

mod interval;
mod place;
mod seen;
mod store;

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;

use crate::hash;
use crate::query::Query;
use crate::tags::Tags;

pub(crate) use place::{Way, ways};
use seen::Seen;
use store::{Found, Store};

/// Queries under keys of the caller, such as ids of subscriptions.
///
/// # Examples
///
/// ```
/// use floodway_query::{Index, Tags};
///
/// let mut index = Index::new();
/// for account in 0..10_000 {
///     index.insert(account, format!("account = 'a{account}' AND kind = 'quote'").parse()?);
/// }
/// let mut tags = Tags::new();
/// tags.push("account", "a17");
/// tags.push("kind", "quote");
/// let mut found = Vec::new();
/// let evaluated = index.matching(&tags, |account| found.push(*account));
/// assert_eq!((found, evaluated), (vec![17], 1));
/// # Ok::<(), floodway_query::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Index<K> {
    /// Every distinct query.
    entries: Vec<Option<Box<Entry<K>>>>,
    free: Vec<u32>,
    /// From canonical texts to entries.
    by_text: HashTable<u32>,
    /// From keys of the caller to where they are.
    by_key: HashTable<Seat>,
    /// The keys and event types that queries ask for, each with how often they do.
    asked: HashMap<Box<str>, u32, RandomState>,
    hasher: RandomState,
    store: Store,
}

#[derive(Debug)]
struct Entry<K> {
    query: Query,
    text_hash: u32,
    /// Whether one message may come upon it at two places.
    repeats: bool,
    keys: SmallVec<[K; 1]>,
}

/// Where a key of the caller is: its query, and its place among those of the query.
#[derive(Debug, Clone, Copy)]
struct Seat {
    entry: u32,
    at: u32,
}

impl<K: Hash + Eq> Index<K> {
    /// An index of no queries.
    #[must_use]
    pub fn new() -> Index<K> {
        Index {
            entries: Vec::new(),
            free: Vec::new(),
            by_text: HashTable::new(),
            by_key: HashTable::new(),
            asked: HashMap::default(),
            hasher: RandomState::default(),
            store: Store::default(),
        }
    }

    /// Adds a query; one that was there under this key is replaced, and returned.
    pub fn insert(&mut self, key: K, query: Query) -> Option<Query> {
        let replaced = self.remove(&key);
        let id = self.entry_of(query);
        let hash = self.hasher.hash_one(&key);
        let keys = &mut self.entry_mut(id).keys;
        let seat = Seat { entry: id, at: keys.len() as u32 };
        keys.push(key);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_key.insert_unique(hash, seat, |seat| hash_of(entries, hasher, *seat));
        replaced
    }

    /// Takes out the query under a key.
    pub fn remove(&mut self, key: &K) -> Option<Query> {
        self.take(key).map(|(_, query)| query)
    }

    /// Takes out the query under a key, and the key as it was given.
    pub fn take(&mut self, key: &K) -> Option<(K, Query)> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        let is_it = |seat: &Seat| key_at(entries, *seat) == Some(key);
        let (Seat { entry: id, at }, _) = self.by_key.find_entry(hash, is_it).ok()?.remove();
        let keys = &mut self.entry_mut(id).keys;
        // The last key moves to the free seat.
        let last = keys.len() as u32 - 1;
        if at != last {
            let moved = self.hasher.hash_one(&self.entry(id).keys[last as usize]);
            let is_last = |seat: &Seat| (seat.entry, seat.at) == (id, last);
            if let Some(seat) = self.by_key.find_mut(moved, is_last) {
                seat.at = at;
            }
        }
        let key = self.entry_mut(id).keys.swap_remove(at as usize);
        if last > 0 {
            return Some((key, self.entry(id).query.clone()));
        }
        let entry = self.entries[id as usize].take().expect("its last key was just taken out");
        if let Ok(it) = self.by_text.find_entry(spread(entry.text_hash), |it| *it == id) {
            it.remove();
        }
        self.store.remove(id, entry.query.program());
        self.stop_asking(&entry.query);
        self.free.push(id);
        Some((key, entry.query))
    }

    /// The query under a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&Query> {
        let hash = self.hasher.hash_one(key);
        let is_it = |seat: &Seat| key_at(&self.entries, *seat) == Some(key);
        self.by_key.find(hash, is_it).map(|seat| &self.entry(seat.entry).query)
    }

    /// Calls `each` with the key of every query that the message meets, in no particular order,
    /// and returns how many queries had to be evaluated for that.
    ///
    /// Allocates only for messages in which more than a few dozen tags or queries are found.
    pub fn matching(&self, tags: &Tags<'_>, mut each: impl FnMut(&K)) -> usize {
        if self.by_text.is_empty() {
            return 0;
        }
        if let Some(source) = tags.pending()
            && source.keys().iter().any(|key| self.store.looks_at(key.as_bytes()))
        {
            tags.demand();
        }
        let mut found = Found::default();
        self.store.find(tags, &mut found);
        let (mut seen, mut evaluated) = (Seen::default(), 0);
        let repeated = found.has_repeated();
        let mut evaluate = |id: u32| {
            let entry = self.entry(id);
            if (repeated || entry.repeats) && !seen.is_new(id) {
                return;
            }
            evaluated += 1;
            if entry.query.matches(tags) {
                entry.keys.iter().for_each(&mut each);
            }
        };
        self.store.candidates(&found, &mut evaluate);
        evaluated
    }

    /// Whether the answer of a query may depend on tags of this key; if not, they may as well not
    /// be there, as long as the message has no more than 2 KiB of values: what is beyond that is
    /// hidden from some conditions, whoever's values they are.
    #[must_use]
    pub fn asks_for(&self, key: &[u8]) -> bool {
        let is_asked =
            |name: &[u8]| str::from_utf8(name).is_ok_and(|name| self.asked.contains_key(name));
        is_asked(key) || memchr::memrchr(b'.', key).is_some_and(|dot| is_asked(&key[..dot]))
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The number of distinct queries.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.by_text.len()
    }

    /// The entry of a query, which is made if there is none.
    fn entry_of(&mut self, query: Query) -> u32 {
        let text_hash = hash::of_key(query.as_str().as_bytes());
        let is_it = |id: &u32| self.entry(*id).query == query;
        if let Some(id) = self.by_text.find(spread(text_hash), is_it) {
            return *id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        let repeats = self.store.insert(id, query.program());
        for name in query.tags() {
            match self.asked.get_mut(name) {
                Some(uses) => *uses += 1,
                None => {
                    self.asked.insert(name.into(), 1);
                }
            }
        }
        let entry = Entry { query, text_hash, repeats, keys: SmallVec::new() };
        self.entries[id as usize] = Some(Box::new(entry));
        let entries = &self.entries;
        self.by_text.insert_unique(spread(text_hash), id, |id| {
            spread(entries[*id as usize].as_ref().map_or(0, |entry| entry.text_hash))
        });
        id
    }

    fn stop_asking(&mut self, query: &Query) {
        for name in query.tags() {
            if let Some(uses) = self.asked.get_mut(name) {
                *uses -= 1;
                if *uses == 0 {
                    self.asked.remove(name);
                }
            }
        }
    }

    fn entry(&self, id: u32) -> &Entry<K> {
        self.entries[id as usize].as_deref().expect("tables name entries that are there")
    }

    fn entry_mut(&mut self, id: u32) -> &mut Entry<K> {
        self.entries[id as usize].as_deref_mut().expect("tables name entries that are there")
    }
}

impl<K: Hash + Eq> Default for Index<K> {
    fn default() -> Index<K> {
        Index::new()
    }
}

fn key_at<K>(entries: &[Option<Box<Entry<K>>>], seat: Seat) -> Option<&K> {
    entries[seat.entry as usize].as_ref()?.keys.get(seat.at as usize)
}

fn hash_of<K: Hash>(entries: &[Option<Box<Entry<K>>>], hasher: &RandomState, seat: Seat) -> u64 {
    key_at(entries, seat).map_or(0, |key| hasher.hash_one(key))
}

fn spread(hash: u32) -> u64 {
    hash::spread(u64::from(hash))
}
