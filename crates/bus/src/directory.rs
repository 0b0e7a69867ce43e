//! The table of a bus: who is there, what each subscribed to, and how many there may be.
//!
//! All of it changes under one lock, so what is counted, what is found and what is refused always
//! agree.

use std::sync::Arc;

use floodway_query::Query;
use hashbrown::HashMap;
use slab::Slab;

use crate::bus::BusLimits;
use crate::consumer::{Consumer, ConsumerId};
use crate::inbox::Inbox;
use crate::index::{Entry, SubjectIndex};
use crate::observer::Watcher;
use crate::payload::Carried;
use crate::queries::QuerySet;
use crate::route::{SubscriptionKey, Target};
use crate::subject::Filter;
use crate::subscribe::SubscribeError;

/// A subscription's number on its bus; never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId {
    serial: u64,
    seat: u32,
}

impl SubscriptionId {
    /// The number.
    pub fn number(self) -> u64 {
        self.serial
    }

    pub(crate) fn consumer(self) -> ConsumerId {
        ConsumerId(self.seat)
    }
}

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serial.fmt(f)
    }
}

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

/// A consumer's place.
struct Seat<P: Carried + ?Sized> {
    consumer: Arc<dyn Consumer<P>>,
    /// If it is the queue of a subscription handle: that.
    handle: Option<Handle<P>>,
}

/// A subscription handle somebody holds.
struct Handle<P: Carried + ?Sized> {
    id: SubscriptionId,
    inbox: Arc<Inbox<P>>,
    /// Whose it is, while it counts as one of theirs: until it has ended.
    client: Option<Arc<str>>,
}

/// See the [module header](self).
pub(crate) struct Directory<P: Carried + ?Sized> {
    pub(crate) index: SubjectIndex,
    seats: HashMap<u32, Seat<P>>,
    /// Places are not used twice: a thread that still holds a route to a consumer that left must
    /// not reach its successor, nor take the successor's subscriptions out of the index.
    last_seat: u32,
    last_serial: u64,
    groups: QueueGroups,
    /// Queried subscriptions, by filter.
    sets: Slab<Arc<QuerySet<P>>>,
    set_of: HashMap<Arc<[u8]>, usize>,
    /// How many there are in them.
    queried: usize,
    /// Those who see messages first: few, and thus in no index.
    pub(crate) observers: Vec<Arc<Watcher<P>>>,
    /// Subscriptions of each client that has any.
    clients: HashMap<Arc<str>, usize>,
}

impl<P: Carried + ?Sized> Default for Directory<P> {
    fn default() -> Self {
        Self {
            index: SubjectIndex::default(),
            seats: HashMap::new(),
            last_seat: 0,
            last_serial: 0,
            groups: QueueGroups::default(),
            sets: Slab::new(),
            set_of: HashMap::new(),
            queried: 0,
            observers: Vec::new(),
            clients: HashMap::new(),
        }
    }
}

impl<P: Carried + ?Sized> Directory<P> {
    pub(crate) fn attach(&mut self, consumer: Arc<dyn Consumer<P>>) -> ConsumerId {
        self.take_seat(Seat { consumer, handle: None })
    }

    fn take_seat(&mut self, seat: Seat<P>) -> ConsumerId {
        loop {
            self.last_seat = self.last_seat.wrapping_add(1);
            if !self.seats.contains_key(&self.last_seat) {
                break;
            }
        }
        self.seats.insert(self.last_seat, seat);
        ConsumerId(self.last_seat)
    }

    /// Enters a subscription handle with its one subscription, or nothing.
    pub(crate) fn enter(
        &mut self,
        inbox: &Arc<Inbox<P>>,
        client: Option<Arc<str>>,
        queue_group: Option<&[u8]>,
        query: Option<Query>,
        limits: &BusLimits,
    ) -> Result<SubscriptionId, SubscribeError> {
        self.check(client.as_deref(), limits)?;
        if let Some(client) = &client {
            *self.clients.entry_ref(client).or_insert(0) += 1;
        }
        self.last_serial += 1;
        let mut id = SubscriptionId { serial: self.last_serial, seat: 0 };
        let seat = self.take_seat(Seat { consumer: inbox.clone(), handle: None });
        id.seat = seat.0;
        inbox.set_id(id);
        if let Some(taken) = self.seats.get_mut(&seat.0) {
            taken.handle = Some(Handle { id, inbox: inbox.clone(), client });
        }
        self.insert(seat, SubscriptionKey::ONLY, inbox.filter(), queue_group, query);
        Ok(id)
    }

    fn check(&self, client: Option<&str>, limits: &BusLimits) -> Result<(), SubscribeError> {
        if let Some(limit) = limits.subscriptions.filter(|&most| self.len() >= most) {
            return Err(SubscribeError::TooManySubscriptions { limit });
        }
        let Some(client) = client else { return Ok(()) };
        match (self.clients.get(client), limits.clients, limits.subscriptions_per_client) {
            (Some(&count), _, Some(limit)) if count >= limit => {
                Err(SubscribeError::TooManyOfClient { client: client.into(), limit })
            }
            (None, _, Some(0)) => {
                Err(SubscribeError::TooManyOfClient { client: client.into(), limit: 0 })
            }
            // One that is known already is none more.
            (None, Some(limit), _) if self.clients.len() >= limit => {
                Err(SubscribeError::TooManyClients { limit })
            }
            _ => Ok(()),
        }
    }

    /// Enters a subscription of a consumer; false if there is no such consumer (any more).
    pub(crate) fn insert(
        &mut self,
        id: ConsumerId,
        key: SubscriptionKey,
        filter: &Filter,
        queue_group: Option<&[u8]>,
        query: Option<Query>,
    ) -> bool {
        let Some(seat) = self.seats.get(&id.0) else { return false };
        let group = queue_group.map(|name| self.groups.join(name));
        match query {
            Some(query) => {
                let target = Target { consumer: seat.consumer.clone(), id, key };
                self.set_for(filter).insert(target, group, query);
                self.queried += 1;
            }
            None => {
                let group = group.unwrap_or(Entry::NO_GROUP);
                let entry = Entry { consumer: id.0, slot: key.slot, serial: key.serial, group };
                self.index.insert(filter, entry);
            }
        }
        true
    }

    /// The queried subscriptions of a filter.
    fn set_for(&mut self, filter: &Filter) -> &QuerySet<P> {
        let known = self.set_of.get(filter.as_bytes()).copied();
        let at = known.unwrap_or_else(|| {
            let at = self.sets.insert(Arc::new(QuerySet::new()));
            self.set_of.insert(filter.shared_text().clone(), at);
            self.index.insert(filter, Entry::of_set(at));
            at
        });
        &self.sets[at]
    }

    /// The subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len() - self.sets.len() + self.queried
    }

    /// The queried subscriptions that an entry of the index stands for.
    pub(crate) fn set(&self, entry: &Entry) -> Option<&Arc<QuerySet<P>>> {
        self.sets.get(entry.consumer as usize).filter(|_| entry.group == Entry::QUERIED)
    }

    /// Takes a subscription out; false if it was not there (any more).
    pub(crate) fn remove(&mut self, id: ConsumerId, key: SubscriptionKey, filter: &Filter) -> bool {
        let group = match self.index.remove(filter, id.0, key) {
            Some(entry) => Some(entry.group).filter(|&group| group != Entry::NO_GROUP),
            None => match self.remove_queried(id, key, filter) {
                Some(group) => group,
                None => return false,
            },
        };
        if let Some(group) = group {
            self.groups.leave(group);
        }
        let handle = self.seats.get_mut(&id.0).and_then(|seat| seat.handle.as_mut());
        if let Some(client) = handle.and_then(|handle| handle.client.take())
            && let Some(count) = self.clients.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&client);
            }
        }
        true
    }

    /// Takes a queried subscription out; the group it was in, if it was there.
    fn remove_queried(
        &mut self,
        id: ConsumerId,
        key: SubscriptionKey,
        filter: &Filter,
    ) -> Option<Option<u32>> {
        let at = *self.set_of.get(filter.as_bytes())?;
        let consumer = self.seats.get(&id.0)?.consumer.clone();
        let (group, none_left) = self.sets[at].remove(Target { consumer, id, key });
        let group = group?;
        self.queried -= 1;
        if none_left {
            let entry = Entry::of_set(at);
            self.index.remove(filter, entry.consumer, entry.key());
            self.set_of.remove(filter.as_bytes());
            self.sets.remove(at);
        }
        Some(group)
    }

    /// Takes a consumer's place away.
    pub(crate) fn detach(&mut self, id: ConsumerId) {
        self.seats.remove(&id.0);
    }

    pub(crate) fn consumer(&self, id: u32) -> Option<&Arc<dyn Consumer<P>>> {
        self.seats.get(&id).map(|seat| &seat.consumer)
    }

    pub(crate) fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Arc<dyn Consumer<P>>)> {
        self.seats.iter().map(|(id, seat)| (ConsumerId(*id), &seat.consumer))
    }

    pub(crate) fn consumer_count(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// The queue of a subscription handle, if it is still held.
    pub(crate) fn inbox(&self, id: SubscriptionId) -> Option<&Arc<Inbox<P>>> {
        let handle = self.seats.get(&id.seat)?.handle.as_ref()?;
        (handle.id == id).then_some(&handle.inbox)
    }

    /// All subscription handles, and whose each is.
    pub(crate) fn handles(
        &self,
    ) -> impl Iterator<Item = (SubscriptionId, &Arc<Inbox<P>>, Option<&Arc<str>>)> {
        let handles = self.seats.values().filter_map(|seat| seat.handle.as_ref());
        handles.map(|handle| (handle.id, &handle.inbox, handle.client.as_ref()))
    }
}
