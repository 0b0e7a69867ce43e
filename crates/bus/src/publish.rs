//! Routing: from what a publisher sent to the queues of those who want it.
//!
//! Work is per batch. A batch is what one read of a socket brought; within it, messages of one
//! subject in a row are routed once, and each consumer takes what the batch has for it, of whatever
//! subjects, in one call, under one lock, while its queue is warm in the cache.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;

use crate::bus::{Bus, Growing};
use crate::consumer::{Consumer, ConsumerId, Taken, Wakeups};
use crate::keep::{Keeper, ReadBuffer};
use crate::message::{Message, SharedMessage};
use crate::observer;
use crate::payload::Carried;
use crate::pending::{Pending, Waiting};
use crate::pushback::{Pushback, ROUTES_REMEMBERED};
use crate::queries::Selector;
use crate::report::{PublishReport, Tally};
use crate::route::{Group, Route, SubscriptionKey};
use crate::run::{Item, Runs};

/// Routes remembered by one router; forgotten together when a subscription comes or goes.
const ROUTES_CACHED: usize = 4096;
/// Look-ups that missed a full cache before it is filled anew: a publisher whose subjects change
/// gets a fresh one, and one with too many subjects does not refill it all the time.
const MISSES_UNTIL_NEW: usize = 16 * ROUTES_CACHED;
/// Messages that memory is taken for before the first has come, at most.
const MESSAGES_EXPECTED: usize = 1024;
/// Routes lent out beside a full cache, to be filled again when nobody looks at them any more.
const ROUTES_LENT: usize = 64;

/// Who publishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    /// The publisher's own place as a consumer, if it has one.
    pub consumer: Option<ConsumerId>,
    /// Whether its own subscriptions get what it publishes.
    pub echo: bool,
}

impl Origin {
    /// Who publishes through the bus itself: to itself as well, if it subscribed.
    pub(crate) const ANYBODY: Self = Self { consumer: None, echo: true };
}

/// Looks up routes, with a cache of its own. One per thread that publishes.
pub struct Router<P: Carried + ?Sized = [u8]> {
    bus: Bus<P>,
    generation: u64,
    cache: HashMap<Box<[u8]>, Arc<Route<P>>>,
    misses: usize,
    lent: VecDeque<Arc<Route<P>>>,
    nobody: Arc<Route<P>>,
    random: u64,
    pending: Pending<P>,
    selector: Selector<P>,
    /// How many messages the last batch had: so many are expected of the next.
    last_batch: usize,
}

impl<P: Carried + ?Sized> Router<P> {
    /// A router of `bus`.
    pub fn new(bus: Bus<P>) -> Self {
        // [`Bus::publish`] makes a router for one message: all of them starting alike would give
        // every message to the same member of a queue group.
        let random = bus.seed();
        Self {
            bus,
            generation: 0,
            cache: HashMap::new(),
            misses: 0,
            lent: VecDeque::new(),
            nobody: Arc::default(),
            random,
            pending: Pending::default(),
            selector: Selector::default(),
            last_batch: 0,
        }
    }

    /// The bus it routes on.
    pub fn bus(&self) -> &Bus<P> {
        &self.bus
    }

    /// Where messages of `subject` go, as of now.
    pub fn route(&mut self, subject: &[u8]) -> Arc<Route<P>> {
        let generation = self.bus.generation();
        if generation != self.generation {
            self.cache.clear();
            self.lent.clear();
            self.selector.forget();
            self.generation = generation;
        }
        if let Some(route) = self.cache.get(subject) {
            return route.clone();
        }
        self.look_up(subject)
    }

    fn look_up(&mut self, subject: &[u8]) -> Arc<Route<P>> {
        if self.cache.len() == ROUTES_CACHED {
            self.misses += 1;
            if self.misses < MISSES_UNTIL_NEW {
                return self.lend(subject);
            }
            self.cache = HashMap::new();
        }
        self.misses = 0;
        let mut route = Route::default();
        self.bus.matching(subject, &mut route);
        let route = if route.is_empty() { self.nobody.clone() } else { Arc::new(route) };
        self.cache.insert(subject.into(), route.clone());
        route
    }

    /// Looks up a route without remembering it, in memory used before.
    fn lend(&mut self, subject: &[u8]) -> Arc<Route<P>> {
        let full = self.lent.len() == ROUTES_LENT;
        let mut route = if full { self.lent.pop_front() } else { None }.unwrap_or_default();
        match Arc::get_mut(&mut route) {
            Some(route) => {
                route.clear();
                self.bus.matching(subject, route);
            }
            None => {
                let mut fresh = Route::default();
                self.bus.matching(subject, &mut fresh);
                route = Arc::new(fresh);
            }
        }
        self.lent.push_back(route.clone());
        route
    }

    /// Starts a batch of one publisher. Consumers to wake are added to `wakeups`.
    pub fn batch<'r, 'm>(
        &'r mut self,
        origin: Origin,
        pushback: &'r mut Pushback<P>,
        wakeups: &'r mut Wakeups<P>,
        now: Instant,
    ) -> Batch<'r, 'm, P> {
        // What a batch that was never committed had for anybody is not of this one.
        self.pending.forget();
        let route = self.nobody.clone();
        let messages = Vec::with_capacity(self.last_batch);
        Batch {
            router: self,
            origin,
            pushback,
            wakeups,
            now,
            messages,
            keeper: Keeper::default(),
            row: Row::default(),
            route,
            base: None,
            finished: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// A cheap pseudo-random number (xorshift) to spread the work of queue groups.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl<P: Carried + ?Sized> std::fmt::Debug for Router<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("routes", &self.cache.len()).finish_non_exhaustive()
    }
}

/// The messages of one read, being routed.
///
/// Drop order does not matter: what was pushed is committed by [`Batch::commit`], which must be
/// called before anything else of the same publisher takes effect, such as the answer to a ping.
pub struct Batch<'r, 'm, P: Carried + ?Sized = [u8]> {
    router: &'r mut Router<P>,
    origin: Origin,
    pushback: &'r mut Pushback<P>,
    wakeups: &'r mut Wakeups<P>,
    now: Instant,
    /// Messages that are not handed out yet.
    messages: Vec<Message<'m, P>>,
    keeper: Keeper,
    /// The last of them, which are of one subject and take `route`.
    row: Row,
    route: Arc<Route<P>>,
    /// The route of their subject, if queries have a say in it.
    base: Option<Arc<Route<P>>>,
    /// Consumers with subscriptions to take out of the index.
    finished: Vec<(Arc<dyn Consumer<P>>, ConsumerId)>,
    tally: Tally,
}

/// Messages of one subject at the end of a batch.
#[derive(Debug, Default)]
struct Row {
    /// Which of the batch is the first.
    from: usize,
    /// What one consumer that keeps a copy of its own may need for them.
    bytes: usize,
    number: u32,
}

/// Whether two subjects are the same. Subjects in turn mostly differ at their ends.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.last() == other.last() && one == other
}

impl<'m, P: Carried + ?Sized> Batch<'_, 'm, P> {
    /// The messages lie in `buffer`, so that queues may hold on to it.
    #[must_use]
    pub fn lying_in(self, buffer: &ReadBuffer) -> Self {
        Self { keeper: Keeper::lying_in(buffer), ..self }
    }

    /// Adds a message; returns how many subscriptions it matches, the publisher's own included.
    #[inline]
    pub fn push(&mut self, message: Message<'m, P>) -> usize {
        let first = self.messages[self.row.from..].first();
        let same_subject = first.is_some_and(|first| is_same(first.subject, message.subject));
        if !same_subject || self.router.bus.generation() != self.router.generation {
            self.close_row();
            self.take_route(message.subject);
        }
        if self.base.is_some() {
            self.select(&message);
        }
        let fan_out = self.route.fan_out();
        if self.route.is_empty() {
            return 0;
        }
        let (size, large) = (message.size(), message.payload.is_large());
        if large && fan_out > 1 {
            self.make_room(size);
            message.keep(&self.router.bus.shared().budget);
        }
        self.keeper.note(size, fan_out, large);
        self.row.bytes += size - P::charged(&message) + SharedMessage::<P>::OVERHEAD_BYTES;
        self.messages.push(message.in_row(self.row.number));
        fan_out
    }

    fn take_route(&mut self, subject: &[u8]) {
        let route = self.router.route(subject);
        if route.queried.is_empty() {
            (self.route, self.base) = (route, None);
        } else {
            self.base = Some(route);
        }
    }

    /// Asks the queries who gets a message.
    fn select(&mut self, message: &Message<'_, P>) {
        let Some(base) = &self.base else { return };
        let Router { bus, selector, .. } = &mut *self.router;
        let route = selector.select(base, message, &bus.shared().query_meter);
        if !Arc::ptr_eq(route, &self.route) {
            let route = route.clone();
            self.close_row();
            self.route = route;
        }
    }

    /// The publisher has changed, for instance its wish for an echo. Commit before.
    pub fn set_origin(&mut self, origin: Origin) {
        debug_assert!(self.messages.is_empty(), "messages of the origin before are not committed");
        self.origin = origin;
    }

    /// The publisher's own subscription that `subject` matches, if there is one in no queue group.
    pub fn own_subscription(&mut self, subject: &[u8]) -> Option<SubscriptionKey> {
        let route = self.router.route(subject);
        let mut plain = route.plain.iter();
        plain.find(|target| Some(target.id) == self.origin.consumer).map(|target| target.key)
    }

    /// The next message is of another subject: notes who is to get those before.
    fn close_row(&mut self) {
        let (from, to) = (self.row.from, self.messages.len());
        if from == to {
            self.row = Row { from, bytes: 0, number: self.row.number + 1 };
            return;
        }
        if !self.route.groups.is_empty() || !self.route.observers.is_empty() {
            // Which member is to get a message depends on what the one before took; and observers
            // see it before anybody gets it.
            return self.hand_out_all();
        }
        let own = self.own_place();
        let targets = self.route.plain.iter().filter(|target| Some(target.id) != own);
        self.router.pending.add(targets, from, to, self.row.bytes);
        // As many as are remembered at all.
        if self.row.number as usize <= ROUTES_REMEMBERED {
            self.pushback.note(&self.route, self.now);
        }
        self.row = Row { from: to, bytes: 0, number: self.row.number + 1 };
    }

    /// The publisher's own place, if nothing of what it sends may go there.
    fn own_place(&self) -> Option<ConsumerId> {
        self.origin.consumer.filter(|_| !self.origin.echo)
    }

    /// Hands out what was pushed since the last commit, and tells what became of it.
    pub fn commit(&mut self) -> PublishReport {
        if !self.messages.is_empty() {
            self.hand_out_all();
        }
        std::mem::take(&mut self.tally).report
    }

    fn hand_out_all(&mut self) {
        // Taken, for the time that consumers look at them.
        let messages = std::mem::take(&mut self.messages);
        let keeper = std::mem::take(&mut self.keeper);
        let route = std::mem::replace(&mut self.route, self.router.nobody.clone());
        let mut tally = std::mem::take(&mut self.tally);
        self.hand_out_batch(&messages, &keeper, &route, &mut tally);
        self.tally = tally;
        self.router.last_batch = messages.len().min(MESSAGES_EXPECTED);
        (self.messages, self.keeper) = (messages, keeper);
        self.messages.clear();
        self.keeper.restart();
        self.row = Row { from: 0, bytes: 0, number: 1 };
        if !self.finished.is_empty() {
            self.reap();
        }
    }

    fn hand_out_batch(
        &mut self,
        messages: &[Message<'_, P>],
        keeper: &Keeper,
        route: &Arc<Route<P>>,
        tally: &mut Tally,
    ) {
        let (own, row) = (self.own_place(), std::mem::take(&mut self.row));
        let (from, to) = (row.from, messages.len());
        let targets = route.plain.iter().filter(|target| Some(target.id) != own);
        if !route.observers.is_empty() {
            let of_row = |key| Item { key, from: from as u32, to: to as u32 };
            let runs = |key| Runs::of_batch(messages, keeper, of_row(key), &[]);
            observer::show(&route.observers, runs, self.now);
        }
        let mut over_mark = false;
        if self.router.pending.is_empty() {
            // All of one subject: nothing to collect.
            for target in targets {
                let item = Item { key: target.key, from: from as u32, to: to as u32 };
                let runs = Runs::of_batch(messages, keeper, item, &[]);
                let taken = self.hand_out(&target.consumer, target.id, runs, row.bytes, tally);
                over_mark |= taken.over_mark;
            }
        } else {
            self.router.pending.add(targets, from, to, row.bytes);
            let waiting = self.router.pending.take();
            for Waiting { consumer, id, items, bytes } in &waiting {
                let Some((first, rest)) = items.split_first() else { continue };
                let runs = Runs::of_batch(messages, keeper, *first, rest);
                let taken = self.hand_out(consumer, *id, runs, *bytes, tally);
                over_mark |= taken.over_mark;
            }
            self.router.pending.give_back(waiting);
        }
        let only_own = |group: &Group<P>| group.members.iter().all(|one| Some(one.id) == own);
        for group in route.groups.iter().filter(|group| !only_own(group)) {
            for message in &messages[from..] {
                let (random, origin) = (self.router.random(), self.origin);
                let taken = group.hand_to_one(random, origin, tally, |member, tally| {
                    let runs = Runs::one(member.key, std::slice::from_ref(message));
                    self.hand_out(&member.consumer, member.id, runs, message.size(), tally)
                });
                over_mark |= taken.over_mark;
            }
        }
        if from < to {
            self.pushback.note(route, self.now);
        }
        self.pushback.saw_over_mark(over_mark);
    }

    #[inline]
    fn make_room(&mut self, bytes: usize) {
        self.make_room_for(bytes, None);
    }

    #[inline]
    fn make_room_for(&mut self, bytes: usize, growing: Option<Growing<'_, P>>) {
        let bytes = bytes as u64;
        if self.router.bus.budget().would_exceed(bytes) {
            // What healthy consumers hold only because this batch has not ended yet is no reason
            // to end any of them: they get it off their hands first.
            self.wakeups.wake_all(self.now);
            self.router.bus.make_room_for(bytes, growing);
        }
    }

    fn hand_out(
        &mut self,
        consumer: &Arc<dyn Consumer<P>>,
        id: ConsumerId,
        runs: Runs<'_, P>,
        bytes: usize,
        tally: &mut Tally,
    ) -> Taken {
        // Asked for each consumer: what the one before kept is charged by now.
        self.make_room_for(bytes, Some((id, consumer)));
        let taken = consumer.deliver(runs, self.now, tally);
        if taken.wake {
            self.wakeups.add(consumer.clone());
        }
        if taken.finished {
            self.finished.push((consumer.clone(), id));
        }
        taken
    }

    #[cold]
    fn reap(&mut self) {
        for (consumer, id) in self.finished.drain(..) {
            self.router.bus.reap(&*consumer, id);
        }
    }
}
