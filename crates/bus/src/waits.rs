//! Who waits for whom, and whether they wait in a circle.
//!
//! A publisher waits for room in a subscription, which is made by whoever reads that; and that may
//! be a publisher that waits itself. A wait is entered once the subscription was found full, and
//! looked at then: from it nobody is reached who could go on, or the wait is no part of a circle.
//!
//! A circle is only seen where nobody can go on for certain; who was just given room, or may yet be
//! given what others were promised, can. Mostly the last wait of a circle finds it. But where
//! somebody else takes such room, nobody would look again; so all look now and then.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};

use crate::consumer::ConsumerId;
use crate::gate::Gate;
use crate::payload::Carried;
use crate::route::Target;

/// What happens to the publisher whose wait would close a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnWaitCycle {
    /// It gets its message back, with the names of all who wait.
    #[default]
    FailNewest,
    /// The subscription that it would wait for loses the message and is told; the others get it.
    DropNewest,
    /// It waits all the same. The circle is counted, and stays until a deadline or somebody else
    /// breaks it.
    Report,
}

/// Publishers that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitCycle {
    /// Who waits for what. What each waits for is read by the next one only, and what the last one
    /// waits for by the first.
    pub edges: Vec<WaitEdge>,
}

/// A publisher that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitEdge {
    /// The name of the publisher.
    pub publisher: String,
    /// The name of the subscription that is full.
    pub subscription: String,
}

impl fmt::Display for WaitCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wait cycle: ")?;
        for (nth, WaitEdge { publisher, subscription }) in self.edges.iter().enumerate() {
            let and = if nth > 0 { ", " } else { "" };
            write!(f, "{and}{publisher} waits for {subscription}")?;
        }
        Ok(())
    }
}

/// A publisher's number; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PublisherId(u64);

/// The wait of one publisher: any of these subscriptions would do.
struct Wait<P: Carried + ?Sized> {
    publisher: Arc<str>,
    on: Vec<Target<P>>,
    bytes: u64,
}

impl<P: Carried + ?Sized> Wait<P> {
    /// Whether it is certain that it does not go on by itself.
    fn is_stuck(&self) -> bool {
        let mut gates = self.on.iter().map(|target| target.consumer.gate());
        gates.all(|gate| gate.is_some_and(|gate| !gate.may_go_on(self.bytes)))
    }
}

struct Table<P: Carried + ?Sized> {
    readers: HashMap<ConsumerId, Vec<PublisherId>>,
    waiting: HashMap<PublisherId, Wait<P>>,
}

/// See the [module header](self).
pub(crate) struct Waits<P: Carried + ?Sized> {
    table: Mutex<Table<P>>,
    issued: AtomicU64,
    found: AtomicU64,
}

impl<P: Carried + ?Sized> Default for Waits<P> {
    fn default() -> Self {
        let table = Table { readers: HashMap::new(), waiting: HashMap::new() };
        Self { table: Mutex::new(table), issued: AtomicU64::new(0), found: AtomicU64::new(0) }
    }
}

impl<P: Carried + ?Sized> Waits<P> {
    pub(crate) fn new_publisher(&self) -> PublisherId {
        PublisherId(self.issued.fetch_add(1, Ordering::Relaxed))
    }

    /// Circles found so far.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// The publisher is the one, or one of those, who read a subscription.
    pub(crate) fn reads(&self, publisher: PublisherId, consumer: ConsumerId) {
        self.lock().readers.entry(consumer).or_default().push(publisher);
    }

    /// A publisher is gone.
    pub(crate) fn forget_publisher(&self, publisher: PublisherId, reads: &[ConsumerId]) {
        let mut table = self.lock();
        for consumer in reads {
            let Some(readers) = table.readers.get_mut(consumer) else { continue };
            readers.retain(|reader| *reader != publisher);
            if readers.is_empty() {
                table.readers.remove(consumer);
            }
        }
    }

    /// A subscription is gone.
    pub(crate) fn forget_consumer(&self, consumer: ConsumerId) {
        self.lock().readers.remove(&consumer);
    }

    /// Enters a wait, until the guard is dropped.
    pub(crate) fn enter(
        &self,
        publisher: (PublisherId, &Arc<str>),
        on: Vec<Target<P>>,
        bytes: u64,
    ) -> Waiting<'_, P> {
        let (id, name) = publisher;
        self.lock().waiting.insert(id, Wait { publisher: name.clone(), on, bytes });
        Waiting { waits: self, publisher: id, is_counted: false }
    }

    fn lock(&self) -> MutexGuard<'_, Table<P>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Carried + ?Sized> Table<P> {
    /// The circle that the wait of `start` is in, if nobody in reach of it could go on.
    fn cycle_of(&self, start: PublisherId) -> Option<WaitCycle> {
        let mut seen = HashSet::new();
        let mut todo = vec![start];
        while let Some(publisher) = todo.pop() {
            if !seen.insert(publisher) {
                continue;
            }
            let wait = self.waiting.get(&publisher)?;
            for target in &wait.on {
                todo.extend(self.readers.get(&target.id)?);
            }
        }
        let path = self.path_back(start)?;
        // One after the other, but as if at one moment: whoever reads one of these queues is among
        // those who wait, and stays so while this table is locked.
        seen.iter().all(|publisher| self.waiting[publisher].is_stuck()).then_some(path)
    }

    /// The way from a publisher to itself.
    fn path_back(&self, start: PublisherId) -> Option<WaitCycle> {
        let mut came_from: HashMap<PublisherId, (PublisherId, String)> = HashMap::new();
        let mut todo = vec![start];
        while let Some(publisher) = todo.pop() {
            for target in &self.waiting.get(&publisher)?.on {
                for &reader in self.readers.get(&target.id).into_iter().flatten() {
                    if came_from.contains_key(&reader) {
                        continue;
                    }
                    let name = target.consumer.gate().map(Gate::name).unwrap_or_default();
                    came_from.insert(reader, (publisher, name));
                    if reader == start {
                        return Some(self.edges(start, &came_from));
                    }
                    todo.push(reader);
                }
            }
        }
        None
    }

    fn edges(
        &self,
        start: PublisherId,
        came_from: &HashMap<PublisherId, (PublisherId, String)>,
    ) -> WaitCycle {
        let mut edges = Vec::new();
        let mut at = start;
        while let Some((publisher, subscription)) = came_from.get(&at) {
            let name = self.waiting.get(publisher).map(|wait| wait.publisher.to_string());
            let publisher_name = name.unwrap_or_default();
            edges.push(WaitEdge { publisher: publisher_name, subscription: subscription.clone() });
            at = *publisher;
            if at == start {
                break;
            }
        }
        edges.reverse();
        WaitCycle { edges }
    }
}

/// A wait that is in the table.
pub(crate) struct Waiting<'a, P: Carried + ?Sized> {
    waits: &'a Waits<P>,
    publisher: PublisherId,
    is_counted: bool,
}

impl<P: Carried + ?Sized> Waiting<'_, P> {
    /// The circle that it is in, if there is one now.
    pub(crate) fn cycle(&mut self) -> Option<WaitCycle> {
        let cycle = self.waits.lock().cycle_of(self.publisher)?;
        if !std::mem::replace(&mut self.is_counted, true) {
            self.waits.found.fetch_add(1, Ordering::Relaxed);
        }
        Some(cycle)
    }
}

impl<P: Carried + ?Sized> Drop for Waiting<'_, P> {
    fn drop(&mut self) {
        self.waits.lock().waiting.remove(&self.publisher);
    }
}
