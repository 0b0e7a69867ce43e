//! The bus: the table of subscriptions, shared by all who publish and subscribe.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use floodway_query::Query;

use crate::budget::{Budget, Pressure};
use crate::consumer::{Consumer, ConsumerId};
use crate::directory::{Directory, SubscriptionId};
use crate::end::EndReason;
use crate::inbox::{Inbox, SubscriptionMetrics};
use crate::index::Entry;
use crate::meter::Meter;
use crate::observer::Watcher;
use crate::payload::{Carried, Payload};
use crate::queries::{Extract, QueryMeter};
use crate::route::{Route, SubscriptionKey, Target};
use crate::routes::Routes;
use crate::subject::Filter;
use crate::subscribe::SubscribeError;
use crate::victims::Victims;
use crate::waits::{OnWaitCycle, Waits};

/// Settings of a bus.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Bytes that everything queued may hold together. Default 256 MiB. Worst case: this much
    /// memory, and a little for the tables.
    pub memory_budget: u64,
    /// How many subscriptions there may be.
    pub limits: BusLimits,
    /// What happens to the publisher whose wait would close a circle of publishers that wait for
    /// each other.
    pub on_wait_cycle: OnWaitCycle,
    /// What is taken out of payloads for queries to ask for; of those whose filter matches a
    /// subject, the first counts.
    pub extract: Vec<Extract>,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            memory_budget: 256 << 20,
            limits: BusLimits::default(),
            on_wait_cycle: OnWaitCycle::default(),
            extract: Vec::new(),
        }
    }
}

/// A consumer that is about to hold more.
pub(crate) type Growing<'c, P> = (ConsumerId, &'c Arc<dyn Consumer<P>>);

/// How many subscriptions a bus may have. Absent limits do not limit, which is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BusLimits {
    /// Subscriptions in all.
    pub subscriptions: Option<usize>,
    /// Clients with a subscription: see [`crate::SubscribeOptions::client`].
    pub clients: Option<usize>,
    /// Subscriptions of one client.
    pub subscriptions_per_client: Option<usize>,
}

pub(crate) struct Shared<P: Carried + ?Sized> {
    directory: RwLock<Directory<P>>,
    /// Rises whenever a subscription comes or goes, which makes cached routes stale.
    generation: AtomicU64,
    lookups: AtomicU64,
    pub(crate) budget: Budget,
    /// Held while somebody is being evicted; the memory is given back when it is free again.
    victims: Mutex<Victims<P>>,
    routers: AtomicU64,
    pub(crate) routes: Routes<P>,
    pub(crate) waits: Waits<P>,
    limits: BusLimits,
    on_wait_cycle: OnWaitCycle,
    extract: Vec<Arc<Extract>>,
    pub(crate) query_meter: QueryMeter,
    stopped: AtomicBool,
    pub(crate) meter: Meter,
}

/// See the [crate documentation](crate). Clones are the same bus.
///
/// It carries bytes, or with [`Bus::typed`] values of one type.
pub struct Bus<P: Carried + ?Sized = [u8]> {
    shared: Arc<Shared<P>>,
}

impl<P: Carried + ?Sized> Clone for Bus<P> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(&BusConfig::default())
    }
}

impl Bus {
    /// A bus that carries bytes, without subscriptions.
    pub fn new(config: &BusConfig) -> Self {
        Self::of_any(config)
    }
}

impl<P: Payload> Bus<P> {
    /// A bus that carries values of one type, without subscriptions.
    pub fn typed(config: &BusConfig) -> Self {
        Self::of_any(config)
    }
}

impl<P: Carried + ?Sized> Bus<P> {
    fn of_any(config: &BusConfig) -> Self {
        let shared = Shared {
            directory: RwLock::default(),
            // A router starts at 0, which is thus never current.
            generation: AtomicU64::new(1),
            lookups: AtomicU64::new(0),
            budget: Budget::new(config.memory_budget),
            victims: Mutex::default(),
            routers: AtomicU64::new(0),
            routes: Routes::default(),
            waits: Waits::default(),
            limits: config.limits,
            on_wait_cycle: config.on_wait_cycle,
            extract: config.extract.iter().cloned().map(Arc::new).collect(),
            query_meter: QueryMeter::default(),
            stopped: AtomicBool::new(false),
            meter: Meter::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Shared<P> {
        &self.shared
    }

    /// The memory budget that everything queued counts against.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Gives a consumer its place. It has no subscriptions yet.
    pub fn attach(&self, consumer: Arc<dyn Consumer<P>>) -> ConsumerId {
        self.change(|directory| directory.attach(consumer))
    }

    /// Takes a consumer's place away. Its subscriptions must have been unregistered.
    pub fn detach(&self, id: ConsumerId) {
        self.change(|directory| directory.detach(id));
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
        query: Option<Query>,
    ) -> Result<(), SubscribeError> {
        if self.budget().pressure() != Pressure::Calm {
            return Err(SubscribeError::MemoryPressure);
        }
        let is_there =
            self.change(|directory| directory.insert(id, key, filter, queue_group, query));
        if is_there { Ok(()) } else { Err(SubscribeError::Detached) }
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
            let there =
                |(key, filter): &(SubscriptionKey, &Filter)| directory.remove(id, *key, filter);
            subscriptions.into_iter().filter(there).count()
        })
    }

    /// Takes the subscriptions out that have ended by themselves.
    #[cold]
    pub(crate) fn reap(&self, consumer: &dyn Consumer<P>, id: ConsumerId) {
        let ended = consumer.reap();
        self.unregister_all(id, ended.iter().map(|(key, filter)| (*key, filter)));
    }

    /// Enters a subscription handle.
    pub(crate) fn enter(
        &self,
        inbox: &Arc<Inbox<P>>,
        client: Option<Arc<str>>,
        queue_group: Option<&[u8]>,
        query: Option<Query>,
    ) -> Result<SubscriptionId, SubscribeError> {
        let limits = &self.shared.limits;
        self.change(|directory| {
            // Under the lock: whoever stops the bus finds all that came before.
            if self.is_stopped() {
                return Err(SubscribeError::Stopped);
            }
            directory.enter(inbox, client, queue_group, query, limits)
        })
    }

    pub(crate) fn add_observer(&self, watcher: &Arc<Watcher<P>>) -> Result<(), SubscribeError> {
        self.change(|directory| {
            if self.is_stopped() {
                return Err(SubscribeError::Stopped);
            }
            directory.observers.push(watcher.clone());
            Ok(())
        })
    }

    pub(crate) fn remove_observer(&self, watcher: &Arc<Watcher<P>>) {
        self.change(|directory| {
            directory.observers.retain(|other| !Arc::ptr_eq(other, watcher));
        });
    }

    /// From here on nothing is published and nobody subscribes.
    pub(crate) fn begin_stop(&self) {
        // Under the lock of the table: whoever came before is found in it afterwards.
        self.change(|_| self.shared.stopped.store(true, Ordering::Release));
    }

    pub(crate) fn observers(&self) -> Vec<Arc<Watcher<P>>> {
        self.read(|directory| directory.observers.clone())
    }

    /// A subscription handle is dropped.
    pub(crate) fn leave(&self, id: SubscriptionId, inbox: &Inbox<P>) {
        self.shared.meter.close(&inbox.account(), inbox.end_reason().as_ref());
        self.detach(id.consumer());
        self.shared.waits.forget_consumer(id.consumer());
    }

    /// Ends a subscription, whoever holds its handle: what is queued stays readable. False if there
    /// is none of that number, or it had ended; then nothing else ends either.
    pub fn unsubscribe(&self, id: SubscriptionId) -> bool {
        self.end_subscription(id, EndReason::Unsubscribed)
    }

    /// As [`Bus::unsubscribe`], by an operator.
    pub fn kick(&self, id: SubscriptionId) -> bool {
        self.end_subscription(id, EndReason::Kicked)
    }

    /// Ends all subscriptions of a client; how many that were.
    pub fn unsubscribe_client(&self, client: &str) -> usize {
        let of_client: Vec<_> = self.read(|directory| {
            let all = directory.handles().filter(|(_, _, of)| of.is_some_and(|of| **of == *client));
            all.map(|(id, _, _)| id).collect()
        });
        of_client.into_iter().filter(|id| self.unsubscribe(*id)).count()
    }

    pub(crate) fn end_subscription(&self, id: SubscriptionId, reason: EndReason) -> bool {
        let Some(inbox) = self.read(|directory| directory.inbox(id).cloned()) else {
            return false;
        };
        // The first reason stays; of several who end it at once, one is told that it did.
        let is_first = inbox.end(reason);
        self.change(|directory| {
            directory.remove(id.consumer(), SubscriptionKey::ONLY, inbox.filter())
        });
        is_first
    }

    /// Subscriptions in the index now.
    pub fn subscription_count(&self) -> usize {
        self.read(Directory::len)
    }

    /// Consumers attached now.
    pub fn consumer_count(&self) -> usize {
        self.read(Directory::consumer_count)
    }

    /// Clients with a subscription now.
    pub fn client_count(&self) -> usize {
        self.read(Directory::client_count)
    }

    /// Whether it has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn on_wait_cycle(&self) -> OnWaitCycle {
        self.shared.on_wait_cycle
    }

    /// Routes have to be looked up again.
    pub(crate) fn outdate_routes(&self) {
        self.change(|_| ());
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
                self.reap(&*consumer, id);
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
    pub(crate) fn make_room_for<'c>(
        &self,
        bytes: u64,
        growing: impl IntoIterator<Item = Growing<'c, P>>,
    ) {
        if self.budget().would_exceed(bytes) {
            self.evict_largest(bytes, growing);
        }
    }

    #[cold]
    fn evict_largest<'c>(&self, bytes: u64, growing: impl IntoIterator<Item = Growing<'c, P>>) {
        // Two threads at a time would evict two where one is enough: the second would look before
        // the memory of the first victim is back.
        let mut victims = self.shared.victims.lock().unwrap_or_else(PoisonError::into_inner);
        // What can never fit is not made to fit by ending everybody; it will be the largest then.
        let bytes = if bytes > self.budget().limit() { 0 } else { bytes };
        for (id, consumer) in growing {
            victims.look_at(id, consumer);
        }
        while self.budget().would_exceed(bytes) {
            let Some((id, largest)) = victims.next(|| self.consumers()) else { return };
            let budget = self.budget().limit();
            largest.evict(EndReason::MemoryPressure { bytes: largest.held_bytes(), budget });
            self.reap(&*largest, id);
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

    /// A number to spread the work of queue groups with.
    pub(crate) fn random(&self) -> u64 {
        // The lowest bit of a seed is always set.
        self.seed() >> 1
    }

    pub(crate) fn generation(&self) -> u64 {
        // Acquire: pairs with the Release in `change`, so that a route looked up after seeing a
        // generation is at least as new as that.
        self.shared.generation.load(Ordering::Acquire)
    }

    pub(crate) fn matching(&self, subject: &[u8], route: &mut Route<P>) {
        self.shared.lookups.fetch_add(1, Ordering::Relaxed);
        route.generation = self.generation();
        self.read(|directory| {
            let observers = directory.observers.iter();
            let watching = observers.filter(|observer| observer.filter().matches(subject));
            route.observers.extend(watching.cloned());
            directory.index.matches(subject, |entry| {
                if let Some(set) = directory.set(entry) {
                    return route.queried.push(set.clone());
                }
                let Some(consumer) = directory.consumer(entry.consumer) else {
                    return;
                };
                let id = ConsumerId(entry.consumer);
                let target = Target { consumer: consumer.clone(), id, key: entry.key() };
                let group = (entry.group != Entry::NO_GROUP).then_some(entry.group);
                route.add(target, group);
            });
        });
        if !route.queried.is_empty() {
            let mut all = self.shared.extract.iter();
            route.extract = all.find(|extract| extract.filter.matches(subject)).cloned();
        }
    }

    /// The queues of all subscription handles.
    pub(crate) fn inboxes(&self) -> Vec<Arc<Inbox<P>>> {
        self.read(|directory| directory.handles().map(|(_, inbox, _)| inbox.clone()).collect())
    }

    fn consumers(&self) -> Vec<(ConsumerId, Arc<dyn Consumer<P>>)> {
        self.read(|directory| {
            directory.consumers().map(|(id, consumer)| (id, consumer.clone())).collect()
        })
    }

    fn read<R>(&self, f: impl FnOnce(&Directory<P>) -> R) -> R {
        f(&self.shared.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, f: impl FnOnce(&mut Directory<P>) -> R) -> R {
        let mut directory = self.shared.directory.write().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut directory);
        self.shared.generation.fetch_add(1, Ordering::Release);
        drop(directory);
        self.shared.routes.forget();
        result
    }
}

/// So many slow subscriptions are named.
const SLOW_NAMED: usize = 5;

/// How full it is, and who is slow: the subscriptions over their mark, those with the most queued
/// first.
impl<P: Carried + ?Sized> fmt::Debug for Bus<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subscriptions, consumers) =
            self.read(|directory| (directory.len(), directory.consumer_count()));
        let mut slow = self.subscriptions();
        slow.retain(|subscription| subscription.is_over_mark);
        slow.sort_by_key(|subscription| std::cmp::Reverse(subscription.account.queued()));
        let named: Vec<_> = slow.iter().take(SLOW_NAMED).map(Slow).collect();
        f.debug_struct("Bus")
            .field("subscriptions", &subscriptions)
            .field("consumers", &consumers)
            .field("memory_used", &self.budget().used())
            .field("memory_budget", &self.budget().limit())
            .field("slow", &slow.len())
            .field("slowest", &named)
            .finish()
    }
}

/// A slow subscription in one line.
struct Slow<'a>(&'a SubscriptionMetrics);

impl fmt::Debug for Slow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SubscriptionMetrics { id, name, policy, account, stalled, .. } = self.0;
        write!(f, "{name} (number {id}, {policy}): {} queued, ", account.queued())?;
        write!(f, "took nothing for {stalled:.1?}")
    }
}
