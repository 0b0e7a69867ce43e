//! How a message gets published: tried, waited for, tried again.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use floodway_queue::block_until;
use futures_timer::Delay;

use super::{Published, Who};
use crate::bus::Bus;
use crate::envelope::Envelope;
use crate::gate::{Gate, Room};
use crate::meter::Meter;
use crate::outgoing::Outgoing;
use crate::payload::Carried;
use crate::publication::{Asked, Full, Grant};
use crate::queries;
use crate::report::{PublishError, PublishReport, Refusal, Tally};
use crate::route::Route;
use crate::routes::Known;
use crate::turns::Turn;
use crate::waits::{OnWaitCycle, WaitCycle, Waiting};

/// Why a message has not been published; what is left of it is handed back.
pub(super) enum Unpublished<P: Carried + ?Sized, T> {
    Refused(Refusal, T),
    Full(Full<P>, T),
}

pub(super) fn size_of_message<P: Carried + ?Sized>(
    envelope: &Envelope<'_>,
    payload: &impl Outgoing<P>,
) -> u64 {
    (envelope.size() + payload.outgoing().size()) as u64
}

/// Blocks until `poll` is ready, which knows of deadlines itself.
pub(super) fn block<R>(poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<R>) -> R {
    block_until(None, poll).expect("without a deadline it does not give up")
}

impl<P: Carried + ?Sized> Bus<P> {
    pub(super) fn publish_now<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: &mut Envelope<'_>,
        payload: T,
        now: Option<Instant>,
    ) -> Published<T::Back> {
        let mut tally = Tally::default();
        match self.attempt(envelope, payload, None, who, now, &mut tally) {
            Ok(()) => Ok(tally.report),
            Err(unpublished) => Err(self.give_up(unpublished)),
        }
    }

    /// The error of somebody who does not wait.
    #[cold]
    fn give_up<T: Outgoing<P>>(&self, unpublished: Unpublished<P, T>) -> PublishError<T::Back> {
        match unpublished {
            Unpublished::Refused(refusal, payload) => self.refuse(payload, refusal),
            Unpublished::Full(full, payload) => {
                let gates = full.targets.iter().filter_map(|target| target.consumer.gate());
                self.refuse(payload, Refusal::Full(gates.map(Gate::name).collect()))
            }
        }
    }

    /// The error that hands a message back.
    #[cold]
    pub(super) fn refuse<T: Outgoing<P>>(
        &self,
        payload: T,
        refusal: Refusal,
    ) -> PublishError<T::Back> {
        self.shared().meter.refused();
        PublishError { payload: payload.into_back(), refusal }
    }

    /// Publishes a message if there is room for it. Who has waited may hold some of that.
    pub(super) fn attempt<T: Outgoing<P>>(
        &self,
        envelope: &mut Envelope<'_>,
        payload: T,
        held: Option<Grant<P>>,
        who: Option<&Who<P>>,
        now: Option<Instant>,
        tally: &mut Tally,
    ) -> Result<(), Unpublished<P, T>> {
        let known = match self.known(envelope) {
            Ok(Some(known)) => known,
            Ok(None) => return Ok(()),
            Err(refusal) => return Err(Unpublished::Refused(refusal, payload)),
        };
        let now = now.unwrap_or_else(Instant::now);
        let started = Meter::measures(known.nth).then(Instant::now);
        let Known { topic, mut route, .. } = known;
        let mut grant = None;
        if held.is_some() || !route.asks_nobody() {
            let mut granted = match self.ask(envelope, payload.outgoing(), route, held, now) {
                Asked::Granted(granted) => granted,
                Asked::Full(full) => return Err(Unpublished::Full(full, payload)),
                Asked::Refused(refusal) => return Err(Unpublished::Refused(refusal, payload)),
            };
            if !granted.delay().is_zero() && who.is_some_and(Who::is_over_mark) {
                granted.waive_delay();
            }
            tally.report.delay = granted.delay();
            route = granted.route().clone();
            grant = Some(granted);
        }
        // A query may want nothing of it.
        if !route.is_empty() {
            let fan_out = route.plain.len() + route.groups.len();
            payload.with_message(envelope, topic, fan_out, |message| {
                self.hand_over(message, &route, grant, now, tally);
            });
        }
        if let Some(started) = started {
            self.shared().meter.took(started);
        }
        Ok(())
    }

    /// Asks those who have a say in it: queries who is to get the message, and gates for room.
    fn ask(
        &self,
        envelope: &Envelope<'_>,
        payload: &P,
        route: Arc<Route<P>>,
        held: Option<Grant<P>>,
        now: Instant,
    ) -> Asked<P> {
        // If subscriptions have come or gone since, what was given is kept where it still counts.
        let route = match &held {
            Some(grant) if grant.is_of(&route) => grant.route().clone(),
            _ if route.queried.is_empty() => route,
            _ => queries::route_of(&route, &envelope.view(payload), &self.shared().query_meter),
        };
        let bytes = (envelope.size() + payload.size()) as u64;
        let grant = match held {
            Some(grant) => grant.moved_to(&route),
            None => Grant::new(route, bytes),
        };
        grant.complete(self, now)
    }

    pub(super) fn publish_as<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: &mut Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        let mut tally = Tally::default();
        match self.attempt(envelope, payload, None, who, None, &mut tally) {
            Ok(()) => {
                let report = tally.report;
                if !report.delay.is_zero() {
                    // What was published is published, also if the bus is stopped meanwhile.
                    self.shared().meter.delayed(report.delay);
                    std::thread::sleep(report.delay);
                }
                Ok(report)
            }
            Err(unpublished) => {
                let mut waiting = pin!(self.wait_and_publish(who, unpublished, envelope, deadline));
                block(|cx| waiting.as_mut().poll(cx))
            }
        }
    }

    pub(super) async fn publish_as_async<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: &mut Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        let mut tally = Tally::default();
        match self.attempt(envelope, payload, None, who, None, &mut tally) {
            Ok(()) => Ok(self.pay(tally.report).await),
            Err(unpublished) => self.wait_and_publish(who, unpublished, envelope, deadline).await,
        }
    }

    async fn wait_and_publish<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        mut unpublished: Unpublished<P, T>,
        envelope: &mut Envelope<'_>,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        let started = Instant::now();
        loop {
            let (full, payload) = match unpublished {
                Unpublished::Full(full, payload) => (full, payload),
                Unpublished::Refused(refusal, payload) => {
                    return Err(self.refuse(payload, refusal));
                }
            };
            let size = size_of_message(envelope, &payload);
            let waits = &self.shared().waits;
            let enter = |who: &Who<P>| waits.enter((who.id, &who.name), full.targets.clone(), size);
            let held = self.room_in(&full, size, started, deadline, who.map(enter)).await;
            let held = match held {
                Ok(held) => held,
                Err(refusal) => return Err(self.refuse(payload, refusal)),
            };
            let mut tally = Tally::default();
            match self.attempt(envelope, payload, held, who, None, &mut tally) {
                Ok(()) => {
                    self.shared().meter.waited(started);
                    return Ok(self.pay(tally.report).await);
                }
                Err(still) => unpublished = still,
            }
        }
    }

    /// Waits for room in any of the targets, and takes it. Without it, everything has to be asked
    /// for again.
    pub(super) async fn room_in(
        &self,
        full: &Full<P>,
        bytes: u64,
        started: Instant,
        deadline: Option<Instant>,
        waiting: Option<Waiting<'_, P>>,
    ) -> Result<Option<Grant<P>>, Refusal> {
        // One that has changed its policy meanwhile takes it without being asked.
        let gates: Option<Vec<_>> =
            full.targets.iter().map(|target| target.consumer.gate()).collect();
        let Some(gates) = gates else { return Ok(None) };
        let patience = gates.iter().filter_map(|gate| gate.patience()).min();
        let last = patience.map(|patience| started + patience).into_iter().chain(deadline).min();
        // It is entered for as long as it waits, and no longer.
        let waiting = waiting.map(|waiting| (waiting, self.on_wait_cycle()));
        match first_room(&gates, bytes, last, waiting).await {
            Found::Room(nth, delay) => {
                let mut grant = Grant::new(full.route.clone(), bytes);
                grant.hold_first(full.places[nth], delay);
                Ok(Some(grant))
            }
            Found::Change => Ok(None),
            Found::Cycle(_) if self.on_wait_cycle() == OnWaitCycle::DropNewest => {
                // It is refused there, and told; for the others it goes its way.
                Ok(Some(Grant::losing_at(full, bytes)))
            }
            Found::Cycle(cycle) => Err(Refusal::WaitCycle(cycle)),
            Found::Deadline => {
                let names: Vec<_> = gates.iter().map(|gate| gate.name()).collect();
                let (subscription, waited) = (names.join(", "), started.elapsed());
                Err(Refusal::DeadlinePassed { subscription, waited })
            }
        }
    }

    /// Waits out the delay that a message was published with.
    async fn pay(&self, report: PublishReport) -> PublishReport {
        if report.delay > Duration::ZERO {
            self.shared().meter.delayed(report.delay);
            Delay::new(report.delay).await;
        }
        report
    }
}

/// What ended a wait.
enum Found {
    /// Room in one of the gates, and the delay that comes with it.
    Room(usize, Duration),
    /// One of them does not make publishers wait any more, in one way or another.
    Change,
    Cycle(WaitCycle),
    Deadline,
}

/// How often somebody who waits looks whether it is in a circle.
const LOOK_FOR_CYCLE: Duration = Duration::from_millis(200);

/// Waits in the lines of some gates, until one of them has room.
async fn first_room<P: Carried + ?Sized>(
    gates: &[&dyn Gate<P>],
    bytes: u64,
    last: Option<Instant>,
    mut waiting: Option<(Waiting<'_, P>, OnWaitCycle)>,
) -> Found {
    let mut turns: Vec<_> = gates.iter().map(|gate| Turn::new(gate.turns(), bytes)).collect();
    let (mut timer, mut look_for_cycle): (Option<(Instant, Delay)>, _) = (None, Instant::now());
    let found = poll_fn(|cx| {
        loop {
            let (now, mut until) = (Instant::now(), last);
            for (nth, turn) in turns.iter_mut().enumerate() {
                let look = |ticket| match gates[nth].reserve(bytes, Some(ticket), now) {
                    Room::Granted(delay) => Some(Found::Room(nth, delay)),
                    Room::Full(again) => {
                        until = until.into_iter().chain(again).min();
                        None
                    }
                    Room::Ended | Room::TooLarge | Room::Open => Some(Found::Change),
                };
                if let Poll::Ready(found) = turn.poll(cx, look) {
                    return Poll::Ready(found);
                }
            }
            if last.is_some_and(|last| now >= last) {
                return Poll::Ready(Found::Deadline);
            }
            if let Some((waiting, on_wait_cycle)) = &mut waiting {
                if now >= look_for_cycle {
                    look_for_cycle = now + LOOK_FOR_CYCLE;
                    let cycle = waiting.cycle();
                    if let Some(cycle) = cycle.filter(|_| *on_wait_cycle != OnWaitCycle::Report) {
                        return Poll::Ready(Found::Cycle(cycle));
                    }
                }
                until = until.into_iter().chain([look_for_cycle]).min();
            }
            let Some(until) = until else { return Poll::Pending };
            // One that rings too early does no harm.
            if timer.as_ref().is_none_or(|(rings, _)| *rings > until) {
                timer = Some((until, Delay::new(until.saturating_duration_since(now))));
            }
            let rung = timer.as_mut().is_some_and(|(_, timer)| pin!(timer).poll(cx).is_ready());
            if !rung {
                return Poll::Pending;
            }
            timer = None;
        }
    });
    found.await
}
