//! Routes of the subjects published lately, for all publishers together.
//!
//! In parts with a lock each, chosen by the subject, so that publishers on different subjects do
//! not meet. A look-up holds its lock for a probe of a hash table.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use floodway_queue::Monitor;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::payload::Carried;
use crate::route::Route;
use crate::topic::Topic;

/// Parts: more than the threads that publish at once.
const PARTS: usize = 32;
/// Subjects known to one part; forgotten together when there are more.
const SUBJECTS: usize = 512;

/// Where a message goes.
pub(crate) struct Known<P: Carried + ?Sized> {
    pub(crate) topic: Arc<Topic>,
    pub(crate) route: Arc<Route<P>>,
    /// Which message of its part of the table this is.
    pub(crate) nth: u64,
}

/// A subject, and where its messages go; no route if that is nowhere.
struct Entry<P: Carried + ?Sized> {
    topic: Arc<Topic>,
    route: Option<Arc<Route<P>>>,
}

struct Part<P: Carried + ?Sized> {
    /// The generation of the table of subscriptions that the routes are of.
    generation: u64,
    known: HashTable<Entry<P>>,
    /// Messages published.
    published: u64,
    /// Those that matched nothing.
    unmatched: u64,
}

/// On lines of its own, so that the locks of two parts do not meet in a cache.
#[repr(align(128))]
struct Padded<T>(T);

/// See the [module header](self).
pub(crate) struct Routes<P: Carried + ?Sized> {
    parts: Box<[Padded<Monitor<Part<P>>>]>,
    hasher: RandomState,
    /// Whether there may be a route that names a consumer.
    filled: AtomicBool,
}

impl<P: Carried + ?Sized> Default for Routes<P> {
    fn default() -> Self {
        let part = || Part { generation: 0, known: HashTable::new(), published: 0, unmatched: 0 };
        Self {
            parts: (0..PARTS).map(|_| Padded(Monitor::new(part()))).collect(),
            hasher: RandomState::default(),
            filled: AtomicBool::new(false),
        }
    }
}

impl<P: Carried + ?Sized> Routes<P> {
    /// Where a message on that subject goes, none if nowhere, as far as that is known of this
    /// generation. Counts a message published.
    #[inline]
    pub(crate) fn find(&self, subject: &[u8], generation: u64) -> Option<Option<Known<P>>> {
        let hash = self.hasher.hash_one(subject);
        self.part(hash).with(|part| {
            if part.generation != generation {
                return None;
            }
            let found = part.known.find(hash, |known| known.topic.subject() == subject)?;
            part.published += 1;
            let Some(route) = &found.route else {
                part.unmatched += 1;
                return Some(None);
            };
            let (topic, route) = (found.topic.clone(), route.clone());
            Some(Some(Known { topic, route, nth: part.published }))
        })
    }

    /// Remembers a route that was looked up when the table was of `generation`.
    pub(crate) fn insert(&self, topic: Arc<Topic>, route: Option<Arc<Route<P>>>, generation: u64) {
        let hash = self.hasher.hash_one(topic.subject());
        let names_consumers = route.is_some();
        // Freed without the lock.
        let _old = self.part(hash).with(|part| {
            if part.generation > generation {
                return None;
            }
            let full = part.known.len() >= SUBJECTS;
            let stale = part.generation != generation;
            let old = (full || stale).then(|| std::mem::take(&mut part.known));
            part.generation = generation;
            let is_it = |known: &Entry<P>| known.topic.subject() == topic.subject();
            if part.known.find(hash, is_it).is_none() {
                let rehash = |known: &Entry<P>| self.hasher.hash_one(known.topic.subject());
                part.known.insert_unique(hash, Entry { topic, route }, rehash);
            }
            if names_consumers {
                // With the route already there: whoever empties the table next has to look, and
                // whoever looked before has not seen it. An exchange, not a store: if somebody has
                // just found nothing to empty, this reads what they wrote, and so sees afterwards
                // that the table of subscriptions has changed. See tests/loom.
                self.filled.swap(true, Ordering::AcqRel);
            }
            old
        });
    }

    /// Forgets all routes, because the table has changed: no consumer is kept alive by them.
    pub(crate) fn forget(&self) {
        if self.filled.swap(false, Ordering::AcqRel) {
            for Padded(part) in &self.parts {
                let _old = part.with(|part| std::mem::take(&mut part.known));
            }
        }
    }

    /// Messages published, and those of them that matched nothing.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let sum = |(all, none), Padded(part): &Padded<Monitor<Part<P>>>| {
            part.with(|part| (all + part.published, none + part.unmatched))
        };
        self.parts.iter().fold((0, 0), sum)
    }

    fn part(&self, hash: u64) -> &Monitor<Part<P>> {
        // The table takes its places from the low bits and its tags from the high ones.
        &self.parts[(hash >> 40) as usize % PARTS].0
    }
}
