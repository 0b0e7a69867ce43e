//! One message on its way: room where its publisher has to wait for it, then everybody at once.
//!
//! Asking for room is all or nothing. A [`Grant`] holds what was granted; dropping it gives that
//! back, so a publisher that gives up, or a task that is cancelled, leaves nothing behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::LossReason;
use crate::bus::Bus;
use crate::consumer::{ConsumerId, Taken};
use crate::envelope::Envelope;
use crate::gate::{Gate, Room};
use crate::message::{Message, SharedMessage};
use crate::observer;
use crate::payload::Carried;
use crate::publish::Origin;
use crate::report::{Refusal, Tally};
use crate::route::{Group, Route, Target};
use crate::routes::Known;
use crate::run::{Run, Runs};
use crate::sequel::Sequel;
use crate::subject::is_literal_subject;
use crate::topic::Topic;

/// A subscription that matches a message: of the plain ones, or one of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Plain(usize),
    /// A member of a group.
    Member(usize, usize),
}

impl Place {
    fn target_on<P: Carried + ?Sized>(self, route: &Route<P>) -> &Target<P> {
        match self {
            Self::Plain(nth) => &route.plain[nth],
            Self::Member(group, nth) => &route.groups[group].members[nth],
        }
    }
}

/// Room for one message, wherever its publisher had to ask for it.
pub(crate) struct Grant<P: Carried + ?Sized> {
    route: Arc<Route<P>>,
    /// In the order of the route, which is the order in which it is spent.
    held: VecDeque<Place>,
    /// What somebody got while it waited, and has not come to in that order.
    prior: Option<Place>,
    /// Where the message is lost instead, because waiting would never end.
    lost_at: Option<Place>,
    bytes: u64,
    delay: Duration,
}

/// Where there was no room: any of these would do.
pub(crate) struct Full<P: Carried + ?Sized> {
    pub(crate) route: Arc<Route<P>>,
    pub(crate) targets: Vec<Target<P>>,
    pub(crate) places: Vec<Place>,
    /// When to ask again, whoever takes something or not.
    pub(crate) again: Option<Instant>,
}

/// What came of asking for room.
pub(crate) enum Asked<P: Carried + ?Sized> {
    Granted(Grant<P>),
    Full(Full<P>),
    Refused(Refusal),
}

impl<P: Carried + ?Sized> Grant<P> {
    /// Nothing asked for yet.
    pub(crate) fn new(route: Arc<Route<P>>, bytes: u64) -> Self {
        let (held, prior, lost_at) = (VecDeque::new(), None, None);
        Self { route, held, prior, lost_at, bytes, delay: Duration::ZERO }
    }

    /// Room for a message that is lost at the first of the full places.
    pub(crate) fn losing_at(full: &Full<P>, bytes: u64) -> Self {
        let mut grant = Self::new(full.route.clone(), bytes);
        grant.lost_at = full.places.first().copied();
        grant
    }

    /// Where the message goes.
    pub(crate) fn route(&self) -> &Arc<Route<P>> {
        &self.route
    }

    /// Whether it is for messages on that route.
    pub(crate) fn is_of(&self, route: &Arc<Route<P>>) -> bool {
        Arc::ptr_eq(&self.route, route)
            // What queries have selected for the message: as good, if nobody came or went.
            || !route.queried.is_empty() && self.route.generation == route.generation
    }

    /// The same on a route that was looked up since: subscriptions have come or gone meanwhile, and
    /// whoever waited for one that is still there does not wait again.
    pub(crate) fn moved_to(mut self, route: &Arc<Route<P>>) -> Self {
        if Arc::ptr_eq(&self.route, route) {
            return self;
        }
        let mut moved = Self::new(route.clone(), self.bytes);
        moved.delay = self.delay;
        let to = |place: Place| route.place_of(place.target_on(&self.route).id);
        (moved.prior, moved.lost_at) = (self.prior.and_then(to), self.lost_at.and_then(to));
        // Otherwise it is given back when this one is dropped.
        self.prior = self.prior.filter(|_| moved.prior.is_none());
        moved
    }

    /// For how long the publisher is to go on later.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Room that somebody got while it waited.
    pub(crate) fn hold_first(&mut self, place: Place, delay: Duration) {
        self.prior = Some(place);
        self.delay = self.delay.max(delay);
    }

    fn hold(&mut self, place: Place, delay: Duration) {
        self.held.push_back(place);
        self.delay = self.delay.max(delay);
    }

    /// Whether nothing has to be asked for there.
    fn is_settled(&mut self, place: Place) -> bool {
        if self.prior == Some(place) {
            self.prior = None;
            self.held.push_back(place);
            return true;
        }
        self.lost_at == Some(place)
    }

    /// The delay that came with it, which nobody is charged for.
    pub(crate) fn waive_delay(&mut self) {
        self.delay = Duration::ZERO;
    }

    /// Asks for all the room that is still missing.
    pub(crate) fn complete(mut self, bus: &Bus<P>, now: Instant) -> Asked<P> {
        let route = self.route.clone();
        for (nth, target) in route.plain.iter().enumerate() {
            let place = Place::Plain(nth);
            let Some(gate) = target.consumer.gate() else { continue };
            if self.is_settled(place) {
                continue;
            }
            match gate.reserve(self.bytes, None, now) {
                Room::Granted(delay) => self.hold(place, delay),
                Room::Full(again) => {
                    let (targets, places) = (vec![target.clone()], vec![place]);
                    return Asked::Full(Full { route, targets, places, again });
                }
                Room::Ended => bus.reap(&*target.consumer, target.id),
                Room::Open => {}
                Room::TooLarge => return Asked::Refused(Refusal::TooLarge(gate.name())),
            }
        }
        for nth in 0..route.groups.len() {
            if let Err(asked) = self.ask_group(bus, nth, now) {
                return asked;
            }
        }
        Asked::Granted(self)
    }

    /// Room in one member of a group, from a random one on; a member without a gate needs none.
    fn ask_group(&mut self, bus: &Bus<P>, nth: usize, now: Instant) -> Result<(), Asked<P>> {
        let route = self.route.clone();
        let members = &route.groups[nth].members;
        let is_of_it = |place: &Place| matches!(place, Place::Member(group, _) if *group == nth);
        let settled = self.prior.into_iter().chain(self.lost_at).find(is_of_it);
        if settled.is_some_and(|place| self.is_settled(place))
            || members.iter().all(|member| member.consumer.gate().is_none())
        {
            return Ok(());
        }
        let (start, count) = (bus.random() as usize % members.len(), members.len());
        let (targets, places, mut too_small) = (Vec::new(), Vec::new(), None);
        let mut full = Full { route: route.clone(), targets, places, again: None };
        // Whether there is one that takes it in its own way, if it has to.
        let mut has_other = false;
        for at in (0..count).map(|step| (start + step) % count) {
            let (member, place) = (&members[at], Place::Member(nth, at));
            let room = match member.consumer.gate() {
                Some(gate) => gate.reserve(self.bytes, None, now),
                None if member.consumer.is_behind() => {
                    has_other = true;
                    continue;
                }
                None => return Ok(()),
            };
            match room {
                Room::Granted(delay) => {
                    self.hold(place, delay);
                    return Ok(());
                }
                Room::Full(again) => {
                    full.targets.push(member.clone());
                    full.places.push(place);
                    full.again = full.again.into_iter().chain(again).min();
                }
                Room::Ended => bus.reap(&*member.consumer, member.id),
                Room::Open => return Ok(()),
                Room::TooLarge => too_small = member.consumer.gate().map(Gate::name),
            }
        }
        match too_small {
            _ if !full.targets.is_empty() => Err(Asked::Full(full)),
            Some(name) if !has_other => Err(Asked::Refused(Refusal::TooLarge(name))),
            _ => Ok(()),
        }
    }

    /// Hands a message to a consumer that was asked for room before.
    fn deliver(
        &mut self,
        place: Place,
        target: &Target<P>,
        message: &Message<'_, P>,
        now: Instant,
        tally: &mut Tally,
    ) -> Taken {
        let reserved = self.held.pop_front_if(|held| *held == place).is_some();
        match target.consumer.gate() {
            Some(gate) if self.lost_at == Some(place) => gate.lose(LossReason::WaitCycle, tally),
            Some(gate) if reserved => {
                gate.deliver_reserved(Run::new(std::slice::from_ref(message)), now, tally)
            }
            // Its policy may have changed since it granted room.
            _ => deliver(target, message, now, tally),
        }
    }

    /// The member of a group that room was granted in.
    fn member_of(&self, group: usize) -> Option<usize> {
        self.held.front().into_iter().chain(&self.lost_at).find_map(|place| match *place {
            Place::Member(of, nth) if of == group => Some(nth),
            _ => None,
        })
    }
}

impl<P: Carried + ?Sized> Drop for Grant<P> {
    fn drop(&mut self) {
        for place in self.held.drain(..).chain(self.prior) {
            if let Some(gate) = place.target_on(&self.route).consumer.gate() {
                gate.give_back(self.bytes);
            }
        }
    }
}

impl<P: Carried + ?Sized> Route<P> {
    /// Where a consumer that makes publishers wait stands: it has one subscription.
    fn place_of(&self, id: ConsumerId) -> Option<Place> {
        let is_it = |target: &Target<P>| target.id == id;
        let member = |(nth, group): (usize, &Group<P>)| {
            group.members.iter().position(is_it).map(|at| Place::Member(nth, at))
        };
        let plain = self.plain.iter().position(is_it).map(Place::Plain);
        plain.or_else(|| self.groups.iter().enumerate().find_map(member))
    }
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Where a message goes; none if nowhere.
    #[inline]
    pub(crate) fn known(&self, envelope: &Envelope<'_>) -> Result<Option<Known<P>>, Refusal> {
        if self.is_stopped() {
            return Err(Refusal::Stopped);
        }
        if let Some(header) = envelope.bad_header() {
            return Err(Refusal::InvalidHeader(header.to_owned()));
        }
        let generation = self.generation();
        match self.shared().routes.find(&envelope.subject, generation) {
            Some(known) => Ok(known),
            None => self.look_up(&envelope.subject, generation),
        }
    }

    #[cold]
    fn look_up(&self, subject: &[u8], generation: u64) -> Result<Option<Known<P>>, Refusal> {
        if !is_literal_subject(subject) {
            return Err(Refusal::InvalidSubject);
        }
        let mut route = Route::default();
        self.matching(subject, &mut route);
        let route = (!route.is_empty()).then(|| Arc::new(route));
        let topic = Topic::new(subject, self.budget());
        let routes = &self.shared().routes;
        routes.insert(topic.clone(), route.clone(), generation);
        if self.generation() != generation {
            // Whoever changed the table may have emptied this one before the route came into it.
            routes.forget();
        }
        // Counts it.
        let known = routes.find(subject, generation);
        Ok(known.unwrap_or_else(|| route.map(|route| Known { topic, route, nth: 0 })))
    }

    /// Hands a message to all whom its route names; where they have to be asked for room, that has
    /// been done.
    #[inline]
    pub(crate) fn hand_over(
        &self,
        message: &Message<'_, P>,
        route: &Route<P>,
        mut grant: Option<Grant<P>>,
        now: Instant,
        tally: &mut Tally,
    ) {
        let copied = message.size() - P::charged(message) + SharedMessage::<P>::OVERHEAD_BYTES;
        if self.budget().would_exceed(copied as u64) {
            self.make_room_for(copied as u64, route.targets());
        }
        let one = std::slice::from_ref(message);
        observer::show(&route.observers, |key| Runs::one(key, one), now);
        let mut sequel = Sequel::new(self, now);
        for (nth, target) in route.plain.iter().enumerate() {
            if let Some(next) = route.plain.get(nth + 1) {
                next.consumer.approach();
            }
            let taken = match &mut grant {
                None => deliver(target, message, now, tally),
                Some(grant) => grant.deliver(Place::Plain(nth), target, message, now, tally),
            };
            sequel.add(target, taken);
        }
        for (nth, group) in route.groups.iter().enumerate() {
            let granted = grant.as_mut().and_then(|grant| Some((grant.member_of(nth)?, grant)));
            if let Some((at, grant)) = granted {
                let (target, place) = (&group.members[at], Place::Member(nth, at));
                sequel.add(target, grant.deliver(place, target, message, now, tally));
                continue;
            }
            group.hand_to_one(self.random(), Origin::ANYBODY, tally, |target, tally| {
                let taken = deliver(target, message, now, tally);
                sequel.add(target, taken);
                taken
            });
        }
    }
}

#[inline]
fn deliver<P: Carried + ?Sized>(
    target: &Target<P>,
    message: &Message<'_, P>,
    now: Instant,
    tally: &mut Tally,
) -> Taken {
    target.consumer.deliver(Runs::one(target.key, std::slice::from_ref(message)), now, tally)
}
