//! Subscriptions that want only some messages of their subjects: those that a query matches.
//!
//! The queried subscriptions of one filter are a [`QuerySet`], an index that evaluates each
//! distinct query at most once for a message, and of those only the ones that may match. A route
//! names the sets of its subject; which subscriptions of them get a message is selected for each,
//! and comes to a route of its own, so that behind it nothing knows of queries.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use floodway_query::{Extraction, Index, Payload, Query, Tags};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::message::Message;
use crate::payload::Carried;
use crate::route::{Route, Target};
use crate::subject::Filter;

/// What is taken out of the payloads of some subjects, so that queries can ask for it.
#[derive(Debug, Clone)]
pub struct Extract {
    /// The subjects.
    pub filter: Filter,
    /// What is taken out, and which tags it becomes.
    pub extraction: Extraction,
}

/// A queried subscription; equal to another if it is the same one.
struct Member<P: Carried + ?Sized> {
    target: Target<P>,
    group: Option<u32>,
}

impl<P: Carried + ?Sized> PartialEq for Member<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.target.id, self.target.key) == (other.target.id, other.target.key)
    }
}

impl<P: Carried + ?Sized> Eq for Member<P> {}

impl<P: Carried + ?Sized> Hash for Member<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.target.id, self.target.key).hash(state);
    }
}

/// The queried subscriptions of one filter.
pub(crate) struct QuerySet<P: Carried + ?Sized> {
    members: RwLock<Index<Member<P>>>,
}

impl<P: Carried + ?Sized> QuerySet<P> {
    pub(crate) fn new() -> Self {
        Self { members: RwLock::new(Index::new()) }
    }

    pub(crate) fn insert(&self, target: Target<P>, group: Option<u32>, query: Query) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.insert(Member { target, group }, query);
    }

    /// The group of the subscription taken out, if it was there; and whether none is left.
    pub(crate) fn remove(&self, target: Target<P>) -> (Option<Option<u32>>, bool) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let removed = members.take(&Member { target, group: None });
        (removed.map(|(member, _)| member.group), members.is_empty())
    }

    /// Adds those who get a message to `chosen`; how many queries were evaluated.
    fn select(&self, tags: &Tags<'_>, chosen: &mut Vec<Chosen<P>>) -> usize {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.matching(tags, |member| chosen.push((member.target.clone(), member.group)))
    }
}

type Chosen<P> = (Target<P>, Option<u32>);

thread_local! {
    /// Memory for the tags of one message after the other.
    static TAGS: Cell<Option<Tags<'static>>> = const { Cell::new(None) };
}

/// What is counted over all messages.
#[derive(Debug, Default)]
pub(crate) struct QueryMeter {
    /// Queries evaluated.
    pub(crate) evaluated: AtomicU64,
    /// Payloads that were not what was declared of them.
    pub(crate) malformed: AtomicU64,
}

/// Header blocks remembered by one selector.
const BLOCKS: usize = 1024;
/// Messages until blocks are remembered again after so many that each came once.
const PAUSE: usize = 64 * BLOCKS;

/// Selects who gets each of many messages. Remembers what header blocks have selected, as the same
/// few often come again and again.
pub(crate) struct Selector<P: Carried + ?Sized> {
    chosen: Vec<Chosen<P>>,
    last: Option<Last<P>>,
    nobody: Arc<Route<P>>,
    blocks: HashTable<Remembered<P>>,
    hasher: RandomState,
    /// How many messages had a block that was remembered, since the last was forgotten.
    hits: usize,
    /// Messages for which nothing is to be remembered.
    pause: usize,
}

struct Last<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    chosen: Vec<Chosen<P>>,
    route: Arc<Route<P>>,
}

/// What a header block has selected on one route.
struct Remembered<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    headers: Box<[u8]>,
    route: Arc<Route<P>>,
}

impl<P: Carried + ?Sized> Default for Selector<P> {
    fn default() -> Self {
        Self {
            chosen: Vec::new(),
            last: None,
            nobody: Arc::default(),
            blocks: HashTable::new(),
            hasher: RandomState::default(),
            hits: 0,
            pause: 0,
        }
    }
}

impl<P: Carried + ?Sized> Selector<P> {
    /// Where a message of a subject goes that `base` is the route of.
    pub(crate) fn select(
        &mut self,
        base: &Arc<Route<P>>,
        message: &Message<'_, P>,
        meter: &QueryMeter,
    ) -> Arc<Route<P>> {
        // Then the headers are all that queries can ask for.
        let only_headers = !P::HAS_TAGS && base.extract.is_none();
        if self.pause > 0 || !only_headers {
            self.pause = self.pause.saturating_sub(1);
            return self.evaluate(base, message, meter);
        }
        let key = (Arc::as_ptr(base).addr(), message.headers);
        let hash = self.hasher.hash_one(key);
        let is_it = |known: &Remembered<P>| {
            Arc::ptr_eq(&known.base, base) && *known.headers == *message.headers
        };
        if let Some(known) = self.blocks.find(hash, is_it) {
            self.hits += 1;
            return known.route.clone();
        }
        let route = self.evaluate(base, message, meter);
        if self.blocks.len() == BLOCKS {
            self.pause = if self.hits < BLOCKS { PAUSE } else { 0 };
            self.forget_blocks();
        }
        let headers = message.headers.into();
        let known = Remembered { base: base.clone(), headers, route: route.clone() };
        let hasher = &self.hasher;
        self.blocks.insert_unique(hash, known, |known| {
            hasher.hash_one((Arc::as_ptr(&known.base).addr(), &*known.headers))
        });
        route
    }

    fn evaluate(
        &mut self,
        base: &Arc<Route<P>>,
        message: &Message<'_, P>,
        meter: &QueryMeter,
    ) -> Arc<Route<P>> {
        choose(base, message, &mut self.chosen, meter);
        if self.chosen.is_empty() && base.plain.is_empty() && base.groups.is_empty() {
            return if base.observers.is_empty() { self.nobody.clone() } else { derive(base, &[]) };
        }
        if let Some(last) = &self.last
            && Arc::ptr_eq(&last.base, base)
            && is_same(&last.chosen, &self.chosen)
        {
            let route = last.route.clone();
            self.chosen.clear();
            return route;
        }
        let route = derive(base, &self.chosen);
        let chosen = std::mem::take(&mut self.chosen);
        self.last = Some(Last { base: base.clone(), chosen, route: route.clone() });
        route
    }

    fn forget_blocks(&mut self) {
        self.blocks.clear();
        self.hits = 0;
    }

    /// Keeps nobody in memory.
    pub(crate) fn forget(&mut self) {
        self.last = None;
        self.blocks = HashTable::new();
        (self.hits, self.pause) = (0, 0);
    }
}

/// Where one message goes, for those who keep nothing from one to the next.
pub(crate) fn route_of<P: Carried + ?Sized>(
    base: &Arc<Route<P>>,
    message: &Message<'_, P>,
    meter: &QueryMeter,
) -> Arc<Route<P>> {
    let mut chosen = Vec::new();
    choose(base, message, &mut chosen, meter);
    derive(base, &chosen)
}

fn is_same<P: Carried + ?Sized>(one: &[Chosen<P>], other: &[Chosen<P>]) -> bool {
    let key = |chosen: &Chosen<P>| (chosen.0.id, chosen.0.key);
    one.len() == other.len() && one.iter().map(key).eq(other.iter().map(key))
}

/// The route of a message: those who need no query, and those chosen.
fn derive<P: Carried + ?Sized>(base: &Arc<Route<P>>, chosen: &[Chosen<P>]) -> Arc<Route<P>> {
    let mut route = Route::default();
    route.observers.clone_from(&base.observers);
    route.generation = base.generation;
    base.plain.iter().for_each(|target| route.add(target.clone(), None));
    for group in &base.groups {
        group.members.iter().for_each(|member| route.add(member.clone(), Some(group.id)));
    }
    chosen.iter().for_each(|(target, group)| route.add(target.clone(), *group));
    Arc::new(route)
}

/// Evaluates the queries of a route.
fn choose<P: Carried + ?Sized>(
    base: &Route<P>,
    message: &Message<'_, P>,
    chosen: &mut Vec<Chosen<P>>,
    meter: &QueryMeter,
) {
    chosen.clear();
    let payload = base
        .extract
        .as_ref()
        .map(|extract| Payload::new(&extract.extraction, message.payload.payload_bytes()));
    // Taken, and put back: whoever publishes from within a query's evaluation finds none, and
    // makes its own.
    let mut tags = TAGS.take().unwrap_or_default().recycle();
    for (name, value) in crate::headers::Headers::of(message.headers).iter() {
        tags.push(name, value);
    }
    message.payload.tags(&mut tags);
    if let Some(payload) = &payload {
        tags.set_source(payload);
    }
    let evaluated: usize = base.queried.iter().map(|set| set.select(&tags, chosen)).sum();
    TAGS.set(Some(tags.recycle()));
    meter.evaluated.fetch_add(evaluated as u64, Ordering::Relaxed);
    if payload.is_some_and(|payload| payload.is_malformed()) {
        meter.malformed.fetch_add(1, Ordering::Relaxed);
    }
}
