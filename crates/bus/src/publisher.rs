//! Publishing one message: at once, or waiting for those who make their publishers wait.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use floodway_queue::{Wait, block_until};
use futures_timer::Delay;

use crate::bus::Bus;
use crate::consumer::{Consumer, ConsumerId};
use crate::delivery::Delivery;
use crate::envelope::Envelope;
use crate::gate::{Gate, Room};
use crate::inbox::Inbox;
use crate::outgoing::Outgoing;
use crate::payload::Carried;
use crate::publication::{Asked, Full, Grant};
use crate::publish::Origin;
use crate::report::{PublishError, PublishReport, Refusal};
use crate::routes::Known;
use crate::subscription::{RecvError, Subscription};
use crate::waits::{OnWaitCycle, PublisherId};

type Published<B> = Result<PublishReport, PublishError<B>>;

/// Somebody who publishes, by name: a stage of a pipeline, an actor.
///
/// A publisher without a name may do all that one with a name does, but nobody can see that it
/// waits in a circle, nor that it is over its own mark.
///
/// # Examples
///
/// A stage that reads one subject and publishes another:
///
/// ```
/// use std::time::Duration;
/// use floodway::{Bus, Filter, Policy, SubscribeOptions};
/// let bus = Bus::default();
/// let waits = Policy::Block { patience: Some(Duration::from_secs(1)) };
/// let raw = bus.subscribe(&Filter::new("raw")?, SubscribeOptions::default().policy(waits))?;
/// let stage = bus.publisher("cleaner").reads(&raw);
///
/// bus.publish("raw", " 17.05 ")?;
/// let line = raw.recv()?;
/// stage.publish_wait("clean", line.payload().trim_ascii(), None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Publisher<P: Carried + ?Sized = [u8]> {
    bus: Bus<P>,
    who: Who<P>,
}

/// Who publishes, as far as that is known.
pub(crate) struct Who<P: Carried + ?Sized> {
    id: PublisherId,
    name: Arc<str>,
    reads: Vec<ConsumerId>,
    inboxes: Vec<Weak<Inbox<P>>>,
}

impl<P: Carried + ?Sized> Who<P> {
    /// Whether its own mailbox is over its mark: it is slow because others are.
    fn is_over_mark(&self) -> bool {
        let over =
            |inbox: &Weak<Inbox<P>>| inbox.upgrade().is_some_and(|inbox| inbox.is_over_mark(false));
        self.inboxes.iter().any(over)
    }
}

/// What [`Publisher::publish_or_recv`] came to.
#[derive(Debug)]
pub enum Progress<P: Carried + ?Sized, T> {
    /// The message was published.
    Published(PublishReport),
    /// There was no room, but this came in; the payload is handed back, to be published later.
    Received(Result<Delivery<P>, RecvError>, T),
}

/// Who publishes through the bus itself: to itself as well, if it subscribed.
const ANYBODY: Origin = Origin { consumer: None, echo: true };

impl<P: Carried + ?Sized> Bus<P> {
    /// Publishes a message to all who want it. Never waits.
    ///
    /// Many messages at once are published faster by a [`crate::Router`] of one's own.
    ///
    /// # Errors
    ///
    /// Nobody has got the message, and it is handed back: see [`Refusal`]. Among others,
    /// [`Refusal::Full`] if it would have to wait for a subscription whose policy is that
    /// publishers do.
    pub fn publish<'e, T>(&self, to: impl Into<Envelope<'e>>, payload: T) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.publish_at(to, payload, Instant::now())
    }

    /// As [`Bus::publish`], at a time that the caller says it is: for simulations, and for those
    /// who know the time already.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`].
    pub fn publish_at<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        now: Instant,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        match self.attempt(to.into(), payload, None, now) {
            Attempt::Done(published) => published,
            Attempt::Full(full, _, payload) => {
                let names = full.targets.iter().filter_map(|target| target.consumer.gate());
                let names = names.map(Gate::name).collect();
                Err(PublishError::new(payload.into_back(), Refusal::Full(names)))
            }
        }
    }

    /// Publishes a message to all who want it, when all of those that make publishers wait have
    /// room for it.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`], and [`Refusal::DeadlinePassed`] when there was no room in time, by
    /// `deadline` or by what the subscription allows.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until there is room, or the deadline; after it, for the delay that
    /// subscriptions ask for that throttle.
    pub fn publish_wait<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.publish_as(None, to.into(), payload, deadline)
    }

    /// As [`Bus::publish_wait`], in a task of any executor.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish_wait`].
    ///
    /// # Cancel safety
    ///
    /// While it waits for room nobody has the message: dropping the future drops it. While it
    /// waits out a delay, everybody has it.
    pub async fn publish_wait_async<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.publish_as_async(None, to.into(), payload, deadline).await
    }

    /// A publisher of this name.
    pub fn publisher(&self, name: &str) -> Publisher<P> {
        let id = self.shared().waits.new_publisher();
        let who = Who { id, name: name.into(), reads: Vec::new(), inboxes: Vec::new() };
        Publisher { bus: self.clone(), who }
    }
}

impl<P: Carried + ?Sized> Publisher<P> {
    /// It is the one, or one of those, who read that subscription. So it is known who waits for
    /// whom; and while that mailbox is over its mark, it is not slowed by others.
    #[must_use]
    pub fn reads(mut self, subscription: &Subscription<P>) -> Self {
        let (id, inbox) = subscription.seat();
        self.bus.shared().waits.reads(self.who.id, id);
        self.who.reads.push(id);
        self.who.inboxes.push(Arc::downgrade(inbox));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.who.name
    }

    /// The bus it publishes on.
    pub fn bus(&self) -> &Bus<P> {
        &self.bus
    }

    /// As [`Bus::publish`].
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`].
    pub fn publish<'e, T>(&self, to: impl Into<Envelope<'e>>, payload: T) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.bus.publish(to, payload)
    }

    /// As [`Bus::publish_wait`].
    ///
    /// # Errors
    ///
    /// As [`Bus::publish_wait`], and [`Refusal::WaitCycle`] if whoever it waits for waits for it.
    ///
    /// # Blocking
    ///
    /// As [`Bus::publish_wait`].
    pub fn publish_wait<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.bus.publish_as(Some(&self.who), to.into(), payload, deadline)
    }

    /// As [`Publisher::publish_wait`], in a task of any executor.
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish_wait`].
    ///
    /// # Cancel safety
    ///
    /// As [`Bus::publish_wait_async`].
    pub async fn publish_wait_async<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.bus.publish_as_async(Some(&self.who), to.into(), payload, deadline).await
    }

    /// Publishes a message, or receives the next one of `own` if there is no room meanwhile: so a
    /// stage of a circle can go on working while the next one is full.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish_wait`]. It is no part of a wait cycle.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until there is room, or something to receive, or the deadline.
    pub fn publish_or_recv<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        own: &Subscription<P>,
        deadline: Option<Instant>,
    ) -> Result<Progress<P, T>, PublishError<T::Back>>
    where
        T: Outgoing<P>,
    {
        let mut publishing = pin!(self.publish_or_recv_async(to, payload, own, deadline));
        block(|cx| publishing.as_mut().poll(cx))
    }

    /// As [`Publisher::publish_or_recv`], in a task of any executor.
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish_or_recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the message, which nobody has; of what can be received nothing is
    /// lost.
    pub async fn publish_or_recv_async<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        mut payload: T,
        own: &Subscription<P>,
        deadline: Option<Instant>,
    ) -> Result<Progress<P, T>, PublishError<T::Back>>
    where
        T: Outgoing<P>,
    {
        let started = Instant::now();
        let mut envelope = to.into();
        let mut held = None;
        loop {
            let now = Instant::now();
            let tried = self.bus.attempt_with(envelope, payload, held.take(), Some(&self.who), now);
            let full = match tried {
                Attempt::Done(published) => return published.map(Progress::Published),
                Attempt::Full(full, back, given) => {
                    (envelope, payload) = (back, given);
                    full
                }
            };
            let size = size_of_message(&envelope, &payload);
            let mut incoming = pin!(own.recv_async());
            let mut room = pin!(self.bus.room_in(&full, size, started, deadline));
            let first = poll_fn(|cx| {
                if let Poll::Ready(next) = incoming.as_mut().poll(cx) {
                    return Poll::Ready(Err(next));
                }
                room.as_mut().poll(cx).map(Ok)
            });
            match first.await {
                Err(next) => return Ok(Progress::Received(next, payload)),
                Ok(Err(refusal)) => return Err(PublishError::new(payload.into_back(), refusal)),
                Ok(Ok(got)) => held = got,
            }
        }
    }
}

impl<P: Carried + ?Sized> Drop for Publisher<P> {
    fn drop(&mut self) {
        self.bus.shared().waits.forget_publisher(self.who.id, &self.who.reads);
    }
}

impl<P: Carried + ?Sized> std::fmt::Debug for Publisher<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("name", &self.who.name).finish_non_exhaustive()
    }
}

/// What a try came to. What did not work out is handed back.
enum Attempt<'e, P: Carried + ?Sized, T: Outgoing<P>> {
    Done(Published<T::Back>),
    Full(Full<P>, Envelope<'e>, T),
}

fn size_of_message<P: Carried + ?Sized>(
    envelope: &Envelope<'_>,
    payload: &impl Outgoing<P>,
) -> u64 {
    (envelope.size() + payload.outgoing_size()) as u64
}

/// Blocks until `poll` is ready, which knows of deadlines itself.
fn block<R>(poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<R>) -> R {
    block_until(None, poll).expect("without a deadline it does not give up")
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Publishes a message if there is room for it.
    fn attempt<'e, T: Outgoing<P>>(
        &self,
        envelope: Envelope<'e>,
        payload: T,
        who: Option<&Who<P>>,
        now: Instant,
    ) -> Attempt<'e, P, T> {
        self.attempt_with(envelope, payload, None, who, now)
    }

    /// The same by somebody who has waited, and holds some of the room.
    fn attempt_with<'e, T: Outgoing<P>>(
        &self,
        envelope: Envelope<'e>,
        payload: T,
        held: Option<Grant<P>>,
        who: Option<&Who<P>>,
        now: Instant,
    ) -> Attempt<'e, P, T> {
        let known = match self.known(&envelope) {
            Ok(known) => known,
            Err(refusal) => {
                return Attempt::Done(Err(PublishError::new(payload.into_back(), refusal)));
            }
        };
        let Known { subject, route: Some(route) } = known else {
            return Attempt::Done(Ok(PublishReport::default()));
        };
        // Subscriptions have come or gone since: the room is given back, and asked for again.
        let held = held.filter(|grant| grant.is_of(&route));
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
                        return Attempt::Done(Err(PublishError::new(payload.into_back(), refusal)));
                    }
                }
            }
        };
        let report = payload.with_message(envelope, subject, self.budget(), |message| {
            self.hand_over(message, grant, ANYBODY, now)
        });
        Attempt::Done(Ok(report))
    }

    fn publish_as<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        match self.attempt(envelope, payload, who, Instant::now()) {
            Attempt::Done(Ok(report)) if !report.delay.is_zero() => {
                // What was published is published, also if the bus is stopped meanwhile.
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

    async fn publish_as_async<T: Outgoing<P>>(
        &self,
        who: Option<&Who<P>>,
        envelope: Envelope<'_>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back> {
        match self.attempt(envelope, payload, who, Instant::now()) {
            Attempt::Done(published) => pay(published).await,
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
                        return Err(PublishError::new(
                            payload.into_back(),
                            Refusal::WaitCycle(cycle),
                        ));
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
                Err(refusal) => return Err(PublishError::new(payload.into_back(), refusal)),
            };
            match self.attempt_with(envelope, payload, held, who, Instant::now()) {
                Attempt::Done(published) => return pay(published).await,
                Attempt::Full(still, back, given) => {
                    (full, envelope, payload) = (still, back, given);
                }
            }
        }
    }

    /// Waits for room in any of the targets, and takes it. Without it, everything has to be asked
    /// for again.
    async fn room_in(
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
                grant.hold(full.places[nth], delay);
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
}

/// Waits out the delay that a message was published with.
async fn pay<B>(published: Published<B>) -> Published<B> {
    if let Ok(report) = &published
        && report.delay > Duration::ZERO
    {
        Delay::new(report.delay).await;
    }
    published
}
