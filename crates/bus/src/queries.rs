//! Subscriptions that want only some messages of their subjects: those that a query matches.
//!
//! The queried subscriptions of one filter are a [`QuerySet`], an index that evaluates each
//! distinct query at most once for a message, and of those only the ones that may match. A route
//! names the sets of its subject; which subscriptions of them get a message is selected for each,
//! and comes to a route of its own, so that behind it nothing knows of queries. Who routes many
//! messages asks by a [`Selector`], which remembers what it has selected.

mod selector;

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use floodway_query::{Extraction, Index, Payload, Query, Tags};

use crate::headers::Headers;
use crate::message::Message;
use crate::payload::Carried;
use crate::route::{Route, Target};
use crate::subject::Filter;

pub(crate) use selector::Selector;

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

    /// Whether the answer of a query may depend on tags of this key.
    fn asks_for(&self, key: &[u8]) -> bool {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.asks_for(key)
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
    /// Tags that were not looked at, as their messages have too many.
    pub(crate) dropped: AtomicU64,
}

impl QueryMeter {
    /// Counts a payload that was read, if it was not what was declared.
    fn note(&self, payload: Option<&Payload<'_>>) {
        if payload.is_some_and(Payload::is_malformed) {
            self.malformed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where one message goes, for those who keep nothing from one to the next.
pub(crate) fn route_of<P: Carried + ?Sized>(
    base: &Arc<Route<P>>,
    message: &Message<'_, P>,
    meter: &QueryMeter,
) -> Arc<Route<P>> {
    let (mut chosen, payload) = (Vec::new(), payload_of(base, message));
    choose(base, message, payload.as_ref(), &mut chosen, meter);
    meter.note(payload.as_ref());
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

/// What queries may ask for in the payload, if anything is declared of it.
fn payload_of<'m, P: Carried + ?Sized>(
    base: &'m Route<P>,
    message: &'m Message<'_, P>,
) -> Option<Payload<'m>> {
    let extract = base.extract.as_ref()?;
    Some(Payload::new(&extract.extraction, message.payload.payload_bytes()))
}

/// Evaluates the queries of a route.
fn choose<P: Carried + ?Sized>(
    base: &Route<P>,
    message: &Message<'_, P>,
    payload: Option<&Payload<'_>>,
    chosen: &mut Vec<Chosen<P>>,
    meter: &QueryMeter,
) {
    chosen.clear();
    // Taken, and put back: whoever publishes from within a query's evaluation finds none, and
    // makes its own.
    let mut tags = TAGS.take().unwrap_or_default().recycle();
    for (name, value) in Headers::of(message.headers).iter() {
        tags.push(name, value);
    }
    message.payload.tags(&mut tags);
    if let Some(payload) = payload {
        tags.set_source(payload);
    }
    let evaluated: usize = base.queried.iter().map(|set| set.select(&tags, chosen)).sum();
    if tags.dropped() > 0 {
        meter.dropped.fetch_add(tags.dropped(), Ordering::Relaxed);
    }
    TAGS.set(Some(tags.recycle()));
    meter.evaluated.fetch_add(evaluated as u64, Ordering::Relaxed);
}
