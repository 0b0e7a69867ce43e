//! Publishing one message: at once, or waiting for those who make their publishers wait.

mod attempt;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use crate::bus::Bus;
use crate::consumer::{Consumer, ConsumerId};
use crate::delivery::Delivery;
use crate::envelope::Envelope;
use crate::inbox::Inbox;
use crate::outgoing::Outgoing;
use crate::payload::Carried;
use crate::report::{PublishError, PublishReport, Tally};
use crate::subscription::{RecvError, Subscription};
use crate::waits::PublisherId;
use attempt::{Unpublished, block, size_of_message};

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

impl<P: Carried + ?Sized> Bus<P> {
    /// Publishes a message to all who want it. Never waits.
    ///
    /// Many messages at once are published faster by a [`crate::Router`] of one's own.
    ///
    /// # Errors
    ///
    /// Nobody has got the message, and it is handed back: see [`crate::Refusal`]. Among others,
    /// [`crate::Refusal::Full`] if it would have to wait for a subscription whose policy is that
    /// publishers do.
    pub fn publish<'e, T>(&self, to: impl Into<Envelope<'e>>, payload: T) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.publish_now(None, &mut to.into(), payload, None)
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
        self.publish_now(None, &mut to.into(), payload, Some(now))
    }

    /// Publishes a message to all who want it, when all of those that make publishers wait have
    /// room for it.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`], and [`crate::Refusal::DeadlinePassed`] when there was no room in time,
    /// by `deadline` or by what the subscription allows.
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
        self.publish_as(None, &mut to.into(), payload, deadline)
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
    /// waits out a delay, everybody has it. It keeps its place in the line until it is dropped, so
    /// one that is woken and not polled holds up those behind it.
    pub async fn publish_wait_async<'e, T>(
        &self,
        to: impl Into<Envelope<'e>>,
        payload: T,
        deadline: Option<Instant>,
    ) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.publish_as_async(None, &mut to.into(), payload, deadline).await
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
    ///
    /// Nobody is to read it on behalf of this publisher while that waits, on another thread say: a
    /// circle would be seen where there is none.
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

    /// As [`Bus::publish`]; the report asks for no delay while its own mailbox is over its mark.
    ///
    /// # Errors
    ///
    /// As [`Bus::publish`].
    pub fn publish<'e, T>(&self, to: impl Into<Envelope<'e>>, payload: T) -> Published<T::Back>
    where
        T: Outgoing<P>,
    {
        self.bus.publish_now(Some(&self.who), &mut to.into(), payload, None)
    }

    /// As [`Bus::publish_wait`].
    ///
    /// # Errors
    ///
    /// As [`Bus::publish_wait`], and [`crate::Refusal::WaitCycle`] if whoever it waits for waits
    /// for it.
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
        self.bus.publish_as(Some(&self.who), &mut to.into(), payload, deadline)
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
        self.bus.publish_as_async(Some(&self.who), &mut to.into(), payload, deadline).await
    }

    /// Publishes a message, or receives the next one of `own` if there is no room meanwhile: so a
    /// stage of a circle can go on working while the next one is full. A delay is left to the
    /// caller, who may receive meanwhile.
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
            let (given, who, mut tally) = (held.take(), Some(&self.who), Tally::default());
            let full = match self.bus.attempt(&mut envelope, payload, given, who, None, &mut tally)
            {
                Ok(()) => return Ok(Progress::Published(tally.report)),
                Err(Unpublished::Refused(refusal, payload)) => {
                    return Err(self.bus.refuse(payload, refusal));
                }
                Err(Unpublished::Full(full, back)) => {
                    payload = back;
                    full
                }
            };
            let size = size_of_message(&envelope, &payload);
            let mut incoming = pin!(own.recv_async());
            let mut room = pin!(self.bus.room_in(&full, size, started, deadline, None));
            let first = poll_fn(|cx| {
                if let Poll::Ready(next) = incoming.as_mut().poll(cx) {
                    return Poll::Ready(Err(next));
                }
                room.as_mut().poll(cx).map(Ok)
            });
            match first.await {
                Err(next) => return Ok(Progress::Received(next, payload)),
                Ok(Err(refusal)) => return Err(self.bus.refuse(payload, refusal)),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Filter, Policy, SubscribeOptions};

    #[test]
    fn who_is_over_its_own_mark_is_asked_for_no_delay() {
        let bus = Bus::default();
        let throttle = Policy::Throttle { max_delay: Duration::from_secs(1) };
        let options = SubscribeOptions::default().policy(throttle).max_messages(10);
        let subscribe =
            |to: &str| bus.subscribe(&Filter::new(to).unwrap(), options.clone()).unwrap();
        let (own, _next) = (subscribe("own"), subscribe("next"));
        let stage = bus.publisher("stage").reads(&own);
        for _ in 0..6 {
            bus.publish("own", "x").unwrap();
            bus.publish("next", "x").unwrap();
        }
        assert_eq!(stage.publish("next", "x").unwrap().delay, Duration::ZERO);
        own.take_backlog();
        assert!(stage.publish("next", "x").unwrap().delay > Duration::ZERO);
    }
}
