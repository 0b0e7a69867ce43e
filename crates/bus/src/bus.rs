//! The bus: the table of subscriptions, shared by all who publish and subscribe.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use hashbrown::HashMap;
use slab::Slab;

use crate::budget::{Budget, Pressure};
use crate::consumer::{Consumer, ConsumerId, Wakeups};
use crate::end::EndReason;
use crate::index::{Entry, SubjectIndex};
use crate::message::Message;
use crate::publish::{Origin, PublishReport, Router};
use crate::pushback::{Pushback, PushbackMode};
use crate::route::{Route, SubscriptionKey, Target};
use crate::subject::Filter;
use crate::victims::Victims;

/// Settings of a bus.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Bytes that everything queued may hold together. Default 256 MiB. Worst case: this much
    /// memory, and a little for the tables.
    pub memory_budget: u64,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { memory_budget: 256 << 20 }
    }
}

/// Why a subscription was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// More than 80 % of the memory budget is in use; may succeed later.
    MemoryPressure,
    /// The consumer has been detached; no later call will succeed.
    Detached,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryPressure => {
                write!(f, "over 80 % of the memory budget is in use: no new subscriptions now")
            }
            Self::Detached => write!(f, "the consumer has been detached"),
        }
    }
}

impl std::error::Error for SubscribeError {}

#[derive(Debug, Default)]
struct QueueGroups {
    ids: HashMap<Box<[u8]>, u32>,
    names: Slab<(Box<[u8]>, usize)>,
}

impl QueueGroups {
    fn join(&mut self, name: &[u8]) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            self.names[id as usize].1 += 1;
            return id;
        }
        let id = self.names.insert((name.into(), 1)) as u32;
        self.ids.insert(name.into(), id);
        id
    }

    fn leave(&mut self, id: u32) {
        let (name, members) = &mut self.names[id as usize];
        *members -= 1;
        if *members == 0 {
            self.ids.remove(name);
            self.names.remove(id as usize);
        }
    }
}

#[derive(Default)]
struct Directory {
    index: SubjectIndex,
    consumers: HashMap<u32, Arc<dyn Consumer>>,
    /// Places are not used twice: a thread that still holds a route to a consumer that left must
    /// not reach its successor, nor take the successor's subscriptions out of the index.
    last_consumer: u32,
    groups: QueueGroups,
}

pub(crate) struct Shared {
    directory: RwLock<Directory>,
    /// Rises whenever a subscription comes or goes, which makes cached routes stale.
    generation: AtomicU64,
    lookups: AtomicU64,
    pub(crate) budget: Budget,
    /// Held while somebody is being evicted; the memory is given back when it is free again.
    victims: Mutex<Victims>,
    routers: AtomicU64,
}

impl Directory {
    fn attach(&mut self, consumer: Arc<dyn Consumer>) -> ConsumerId {
        loop {
            self.last_consumer = self.last_consumer.wrapping_add(1);
            if !self.consumers.contains_key(&self.last_consumer) {
                break;
            }
        }
        self.consumers.insert(self.last_consumer, consumer);
        ConsumerId(self.last_consumer)
    }
}

/// See the [crate documentation](crate). Clones are the same bus.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(&BusConfig::default())
    }
}

impl Bus {
    /// A bus without subscriptions.
    pub fn new(config: &BusConfig) -> Self {
        let shared = Shared {
            directory: RwLock::default(),
            // A router starts at 0, which is thus never current.
            generation: AtomicU64::new(1),
            lookups: AtomicU64::new(0),
            budget: Budget::new(config.memory_budget),
            victims: Mutex::default(),
            routers: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The memory budget that everything queued counts against.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Publishes one message to all who want it. Never waits for any of them.
    ///
    /// For many messages a [`Router`] of one's own is faster: it remembers routes.
    pub fn publish(&self, subject: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> PublishReport {
        let message = Message::new(subject.as_ref(), payload.as_ref());
        let mut router = Router::new(self.clone());
        let (mut pushback, mut wakeups) = (Pushback::new(PushbackMode::None), Wakeups::new());
        let now = Instant::now();
        let origin = Origin { consumer: None, echo: true };
        let mut batch = router.batch(origin, &mut pushback, &mut wakeups, now);
        batch.push(message);
        let report = batch.commit();
        wakeups.wake_all(now);
        report
    }

    /// Gives a consumer its place. It has no subscriptions yet.
    pub fn attach(&self, consumer: Arc<dyn Consumer>) -> ConsumerId {
        self.change(|directory| directory.attach(consumer))
    }

    /// Takes a consumer's place away. Its subscriptions must have been unregistered.
    pub fn detach(&self, id: ConsumerId) {
        self.change(|directory| directory.consumers.remove(&id.0));
    }

    /// Enters a subscription of `id` into the index.
    ///
    /// # Errors
    ///
    /// - [`SubscribeError::MemoryPressure`]: retry later.
    /// - [`SubscribeError::Detached`]: no later call will succeed.
    pub fn register(
        &self,
        id: ConsumerId,
        key: SubscriptionKey,
        filter: &Filter,
        queue_group: Option<&[u8]>,
    ) -> Result<(), SubscribeError> {
        if self.budget().pressure() != Pressure::Calm {
            return Err(SubscribeError::MemoryPressure);
        }
        self.change(|directory| {
            if !directory.consumers.contains_key(&id.0) {
                return Err(SubscribeError::Detached);
            }
            let group = queue_group.map_or(Entry::NO_GROUP, |name| directory.groups.join(name));
            let entry = Entry { consumer: id.0, slot: key.slot, serial: key.serial, group };
            directory.index.insert(filter, entry);
            Ok(())
        })
    }

    /// Takes a subscription out of the index; false if it was not there (any more).
    pub fn unregister(&self, id: ConsumerId, key: SubscriptionKey, filter: &Filter) -> bool {
        self.unregister_all(id, [(key, filter)]) == 1
    }

    /// Takes several subscriptions of one consumer out at once; returns how many were there.
    pub fn unregister_all<'f>(
        &self,
        id: ConsumerId,
        subscriptions: impl IntoIterator<Item = (SubscriptionKey, &'f Filter)>,
    ) -> usize {
        self.change(|directory| {
            let mut removed = 0;
            for (key, filter) in subscriptions {
                let Some(entry) = directory.index.remove(filter, id.0, key) else { continue };
                removed += 1;
                if entry.group != Entry::NO_GROUP {
                    directory.groups.leave(entry.group);
                }
            }
            removed
        })
    }

    /// Subscriptions in the index now.
    pub fn subscription_count(&self) -> usize {
        self.read(|directory| directory.index.len())
    }

    /// Consumers attached now.
    pub fn consumer_count(&self) -> usize {
        self.read(|directory| directory.consumers.len())
    }

    /// How often the index was asked for a subject; routes remembered by a router are not counted.
    pub fn lookup_count(&self) -> u64 {
        self.shared.lookups.load(Ordering::Relaxed)
    }

    /// Ends what is overdue at `now`: subscriptions whose consumer took nothing for too long.
    /// Somebody has to call it now and then; messages that arrive do not depend on it.
    pub fn sweep(&self, now: Instant) {
        for (id, consumer) in self.consumers() {
            if consumer.sweep(now) {
                for (key, filter) in consumer.reap() {
                    self.unregister(id, key, &filter);
                }
            }
        }
    }

    /// Makes sure that `bytes` more fit the memory budget, as far as ending the largest queues one
    /// after the other can. An innocent consumer is never ended for a larger one.
    #[inline]
    pub fn make_room(&self, bytes: u64) {
        self.make_room_for(bytes, None);
    }

    /// As [`Bus::make_room`]; says also who is about to grow.
    #[inline]
    pub(crate) fn make_room_for(
        &self,
        bytes: u64,
        growing: Option<(ConsumerId, &Arc<dyn Consumer>)>,
    ) {
        if self.budget().would_exceed(bytes) {
            self.evict_largest(bytes, growing);
        }
    }

    #[cold]
    fn evict_largest(&self, bytes: u64, growing: Option<(ConsumerId, &Arc<dyn Consumer>)>) {
        // Two threads at a time would evict two where one is enough: the second would look before
        // the memory of the first victim is back.
        let mut victims = self.shared.victims.lock().unwrap_or_else(PoisonError::into_inner);
        // What can never fit is not made to fit by ending everybody; it will be the largest then.
        let bytes = if bytes > self.budget().limit() { 0 } else { bytes };
        if let Some((id, consumer)) = growing {
            victims.look_at(id, consumer);
        }
        while self.budget().would_exceed(bytes) {
            let Some((id, largest)) = victims.next(|| self.consumers()) else { return };
            let budget = self.budget().limit();
            largest.evict(EndReason::MemoryPressure { bytes: largest.held_bytes(), budget });
            for (key, filter) in largest.reap() {
                self.unregister(id, key, &filter);
            }
        }
    }

    /// A start for the pseudo-random numbers of a router, different for each.
    pub(crate) fn seed(&self) -> u64 {
        // Steps of the golden ratio, mixed as in splitmix64: neighbours differ in all bits.
        let mut seed = self.shared.routers.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (seed ^ (seed >> 31)) | 1
    }

    pub(crate) fn generation(&self) -> u64 {
        // Acquire: pairs with the Release in `change`, so that a route looked up after seeing a
        // generation is at least as new as that.
        self.shared.generation.load(Ordering::Acquire)
    }

    pub(crate) fn matching(&self, subject: &[u8], route: &mut Route) {
        self.shared.lookups.fetch_add(1, Ordering::Relaxed);
        self.read(|directory| {
            directory.index.matches(subject, |entry| {
                let Some(consumer) = directory.consumers.get(&entry.consumer) else {
                    return;
                };
                let id = ConsumerId(entry.consumer);
                let target = Target { consumer: consumer.clone(), id, key: entry.key() };
                let group = (entry.group != Entry::NO_GROUP).then_some(entry.group);
                route.add(target, group);
            });
        });
    }

    fn consumers(&self) -> Vec<(ConsumerId, Arc<dyn Consumer>)> {
        self.read(|directory| {
            let all = directory.consumers.iter();
            all.map(|(id, consumer)| (ConsumerId(*id), consumer.clone())).collect()
        })
    }

    fn read<R>(&self, f: impl FnOnce(&Directory) -> R) -> R {
        f(&self.shared.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, f: impl FnOnce(&mut Directory) -> R) -> R {
        let mut directory = self.shared.directory.write().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut directory);
        self.shared.generation.fetch_add(1, Ordering::Release);
        result
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subscriptions, consumers) =
            self.read(|directory| (directory.index.len(), directory.consumers.len()));
        f.debug_struct("Bus")
            .field("subscriptions", &subscriptions)
            .field("consumers", &consumers)
            .field("memory_used", &self.budget().used())
            .field("memory_budget", &self.budget().limit())
            .finish()
    }
}
