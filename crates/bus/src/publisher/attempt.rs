//! How a message gets published: tried, waited for, tried again.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use floodway_queue::{Wait, block_until};
use futures_timer::Delay;

use super::{ANYBODY, Published, Who};
use crate::bus::Bus;
use crate::envelope::Envelope;
use crate::gate::{Gate, Room};
use crate::meter::Meter;
use crate::outgoing::Outgoing;
use crate::payload::Carried;
use crate::publication::{Asked, Full, Grant};
use crate::queries;
use crate::report::{PublishError, PublishReport, Refusal};
use crate::routes::Known;
use crate::waits::OnWaitCycle;

/// What a try came to. What did not work out is handed back.
pub(super) enum Attempt<'e, P: Carried + ?Sized, T: Outgoing<P>> {
    Done(Published<T::Back>),
    Full(Full<P>, Envelope<'e>, T),
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
        envelope: Envelope<'_>,
        payload: T,
        now: Option<Instant>,
    ) -> Published<T::Back> {
        match self.attempt(envelope, payload, who, now) {
            Attempt::Done(published) => published,
            Attempt::Full(full, _, payload) => {
                let gates = full.targets.iter().filter_map(|target| target.consumer.gate());
                Err(self.refuse(payload, Refusal::Full(gates.map(Gate::name).collect())))
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

    /// Publishes a message if there is room for it.
    pub(super) fn attempt<'e, T: Outgoing<P>>(
        &self,
        envelope: Envelope<'e>,
        payload: T,
        who: Option<&Who<P>>,
        now: Option<Instant>,
    ) -> Attempt<'e, P, T> {
        self.attempt_with(envelope, payload, None, who, now)
    }

    /// The same by somebody who has waited, and holds some of the room.
    pub(super) fn attempt_with<'e, T: Outgoing<P>>(
        &self,
        envelope: Envelope<'e>,
        payload: T,
        held: Option<Grant<P>>,
        who: Option<&Who<P>>,
        now: Option<Instant>,
    ) -> Attempt<'e, P, T> {
        let known = match self.known(&envelope) {
            Ok(known) => known,
            Err(refusal) => {
                return Attempt::Done(Err(self.refuse(payload, refusal)));
            }
        };
        let Known { subject, nth, route: Some(route) } = known else {
            return Attempt::Done(Ok(PublishReport::default()));
        };
        let now = now.unwrap_or_else(Instant::now);
        let started = Meter::measures(nth).then(Instant::now);
        // If subscriptions have come or gone since, the room is given back, and asked for again.
        let held = held.filter(|grant| grant.is_of(&route));
        let route = match &held {
            Some(grant) => grant.route().clone(),
            None if route.queried.is_empty() => route,
            None => {
                let view = envelope.view(payload.outgoing());
                queries::route_of(&route, &view, &self.shared().query_meter)
            }
        };
        if route.is_empty() {
            return Attempt::Done(Ok(PublishReport::default()));
        }
        let grant = match held {
            None if !route.has_gates => Grant::new(route, 0),
            held => {
                let size = size_of_message(&envelope, &payload);
                let grant = held.unwrap_or_else(|| Grant::new(route, size));
                match grant.complete(self, ANYBODY, now) {
                    Asked::Granted(mut grant) => {
                        if grant.has_delay() && who.is_some_and(Who::is_over_mark) {
                            grant.waive_delay();
                        }
                        grant
                    }
                    Asked::Full(full) => return Attempt::Full(full, envelope, payload),
                    Asked::Refused(refusal) => {
                        return Attempt::Done(Err(self.refuse(payload, refusal)));
                    }
                }
            }
        };
        let report = payload.with_message(envelope, subject, self.budget(), |message| {
            self.hand_over(message, grant, ANYBODY, now)
        });
        if let Some(started) = started {
            self.shared().meter.took(started);
        }
        Attempt::Done(Ok(report))
    }

    pub(super) fn publish_as<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        match self.attempt(envelope, payload, who, None) {
            Attempt::Done(Ok(report)) if !report.delay.is_zero() => {
                // What was published is published, also if the bus is stopped meanwhile.
                self.shared().meter.delayed(report.delay);
                std::thread::sleep(report.delay);
                Ok(report)
            }
            Attempt::Done(published) => published,
            Attempt::Full(full, envelope, payload) => {
                let mut waiting =
                    pin!(self.wait_and_publish(who, full, envelope, payload, deadline));
                block(|cx| waiting.as_mut().poll(cx))
            }
        }
    }

    pub(super) async fn publish_as_async<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        match self.attempt(envelope, payload, who, None) {
            Attempt::Done(published) => self.pay(published).await,
            Attempt::Full(full, envelope, payload) => {
                self.wait_and_publish(who, full, envelope, payload, deadline).await
            }
        }
    }

    async fn wait_and_publish<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        mut full: Full<P>,
        mut envelope: Envelope<'_>,
        mut payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        let started = Instant::now();
        loop {
            let size = size_of_message(&envelope, &payload);
            let held = {
                let on = || full.targets.clone();
                let waits = &self.shared().waits;
                let entered = who.map(|who| waits.enter((who.id, &who.name), on(), size, started));
                let (_waiting, cycle) = entered.unzip();
                match (cycle.flatten(), self.on_wait_cycle()) {
                    (Some(cycle), OnWaitCycle::FailNewest) => {
                        return Err(self.refuse(payload, Refusal::WaitCycle(cycle)));
                    }
                    (Some(_), OnWaitCycle::DropNewest) => {
                        // It is refused there, and told; for the others it goes its way.
                        Ok(Some(Grant::losing_at(&full, size)))
                    }
                    _ => self.room_in(&full, size, started, deadline).await,
                }
            };
            let held = match held {
                Ok(held) => held,
                Err(refusal) => return Err(self.refuse(payload, refusal)),
            };
            match self.attempt_with(envelope, payload, held, who, None) {
                Attempt::Done(published) => {
                    self.shared().meter.waited(started);
                    return self.pay(published).await;
                }
                Attempt::Full(still, back, given) => {
                    (full, envelope, payload) = (still, back, given);
                }
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
    ) -> Result<Option<Grant<P>>, Refusal> {
        let gates = full.targets.iter().filter_map(|target| target.consumer.gate());
        let gates: Vec<_> = gates.collect();
        let patience = gates.iter().filter_map(|gate| gate.patience()).min();
        let last = patience.map(|patience| started + patience).into_iter().chain(deadline).min();
        let until = full.again.into_iter().chain(last).min();
        let now = Instant::now();
        let mut timer = until.map(|until| Delay::new(until.saturating_duration_since(now)));
        let mut waits: Vec<_> = gates.iter().map(|gate| Wait::new(gate.waiters())).collect();
        let found = poll_fn(|cx| {
            for (nth, wait) in waits.iter_mut().enumerate() {
                let look = || match gates[nth].reserve(bytes, false, Instant::now()) {
                    Room::Granted(delay) => Some(Some((nth, delay))),
                    Room::Full(_) => None,
                    Room::Ended | Room::TooLarge => Some(None),
                };
                if let Poll::Ready(found) = wait.poll(cx, look) {
                    return Poll::Ready(Some(found));
                }
            }
            match &mut timer {
                Some(timer) => pin!(timer).poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        });
        match found.await {
            Some(Some((nth, delay))) => {
                // More than one message may have been taken meanwhile.
                gates[nth].waiters().wake(1);
                let mut grant = Grant::new(full.route.clone(), bytes);
                grant.hold_first(full.places[nth], delay);
                Ok(Some(grant))
            }
            Some(None) => {
                gates.iter().for_each(|gate| gate.waiters().wake_all());
                Ok(None)
            }
            None if last.is_some_and(|last| Instant::now() >= last) => {
                Err(Refusal::DeadlinePassed {
                    subscription: gates
                        .iter()
                        .map(|gate| gate.name())
                        .collect::<Vec<_>>()
                        .join(", "),
                    waited: started.elapsed(),
                })
            }
            None => Ok(None),
        }
    }

    /// Waits out the delay that a message was published with.
    async fn pay<B>(&self, published: Published<B>) -> Published<B> {
        if let Ok(report) = &published
            && report.delay > Duration::ZERO
        {
            self.shared().meter.delayed(report.delay);
            Delay::new(report.delay).await;
        }
        published
    }
}
