//! A subscription as a handle: receive from it, drop it to unsubscribe.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use floodway_queue::Registration;
use futures_core::Stream;

use crate::account::Account;
use crate::bus::Bus;
use crate::consumer::ConsumerId;
use crate::delivery::Delivery;
use crate::directory::SubscriptionId;
use crate::end::EndReason;
use crate::inbox::{Inbox, SubscriptionMetrics};
use crate::missed::Missed;
use crate::overflow::Overflow;
use crate::payload::Carried;
use crate::subject::Filter;

/// Why nothing was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecvError {
    /// The subscription has ended and everything queued was received; final.
    Ended(EndReason),
    /// Messages were missed at this place, and nothing is queued behind them; told once. A later
    /// call may succeed.
    Missed(Box<Missed>),
    /// Nothing came in time (or was there, for `try_recv`); a later call may succeed.
    Empty,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "subscription ended: {reason}"),
            Self::Missed(missed) => write!(f, "missed {} messages", missed.total()),
            Self::Empty => write!(f, "no message"),
        }
    }
}

impl std::error::Error for RecvError {}

/// Messages that match a filter, in order. Dropping it unsubscribes.
///
/// One reader at a time gets the messages in order; several share them.
pub struct Subscription<P: Carried + ?Sized = [u8]> {
    bus: Bus<P>,
    id: SubscriptionId,
    inbox: Arc<Inbox<P>>,
    /// Its wait as a stream, and whether that has told of the end.
    waiting: Registration,
    is_over: bool,
}

impl<P: Carried + ?Sized> Subscription<P> {
    pub(crate) fn new(bus: Bus<P>, id: SubscriptionId, inbox: Arc<Inbox<P>>) -> Self {
        Self { bus, id, inbox, waiting: Registration::default(), is_over: false }
    }

    /// Its place on the bus, and its queue.
    pub(crate) fn seat(&self) -> (ConsumerId, &Arc<Inbox<P>>) {
        (self.id.consumer(), &self.inbox)
    }

    /// Its number on the bus.
    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// What it gets.
    pub fn filter(&self) -> &Filter {
        self.inbox.filter()
    }

    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Missed`]: messages were lost, and nothing is queued behind them.
    /// - [`RecvError::Ended`]: everything queued before the end has been received.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until there is a message or the subscription ends.
    pub fn recv(&self) -> Result<Delivery<P>, RecvError> {
        self.recv_until(None)
    }

    /// Waits for the next message until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv`], and [`RecvError::Empty`] when the deadline passed.
    pub fn recv_until(&self, deadline: Option<Instant>) -> Result<Delivery<P>, RecvError> {
        match self.inbox.wait_next(deadline) {
            Ok(next) => next,
            Err(_timed_out) => Err(RecvError::Empty),
        }
    }

    /// The next message if there is one now.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv`], and [`RecvError::Empty`] when nothing is queued.
    pub fn try_recv(&self) -> Result<Delivery<P>, RecvError> {
        self.inbox.try_next(None).unwrap_or(Err(RecvError::Empty))
    }

    /// As [`Subscription::try_recv`], at a time that the caller says it is: for simulations, and
    /// for those who know the time already. Limits that depend on time go by it.
    ///
    /// # Errors
    ///
    /// As [`Subscription::try_recv`].
    pub fn try_recv_at(&self, now: Instant) -> Result<Delivery<P>, RecvError> {
        self.inbox.try_next(Some(now)).unwrap_or(Err(RecvError::Empty))
    }

    /// Waits for the next message, in a task of any executor.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn recv_async(&self) -> Result<Delivery<P>, RecvError> {
        self.inbox.next().await
    }

    /// Waits for a message, and takes up to `max` of those that are queued then, in one operation;
    /// how many were added to `to`.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv`]; nothing has been added.
    ///
    /// # Blocking
    ///
    /// As [`Subscription::recv`].
    pub fn recv_many(&self, max: usize, to: &mut Vec<Delivery<P>>) -> Result<usize, RecvError> {
        self.inbox.wait_many(max, to)
    }

    /// As [`Subscription::recv_many`], in a task of any executor.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv_many`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn recv_many_async(
        &self,
        max: usize,
        to: &mut Vec<Delivery<P>>,
    ) -> Result<usize, RecvError> {
        self.inbox.next_many(max, to).await
    }

    /// Takes everything queued, in one operation.
    ///
    /// What was missed behind the last message is told with the next one, or by
    /// [`Subscription::try_recv`].
    pub fn take_backlog(&self) -> VecDeque<Delivery<P>> {
        self.inbox.take_backlog(None)
    }

    /// As [`Subscription::take_backlog`], at a time that the caller says it is.
    pub fn take_backlog_at(&self, now: Instant) -> VecDeque<Delivery<P>> {
        self.inbox.take_backlog(Some(now))
    }

    /// What became of every message that matched, as of now.
    pub fn account(&self) -> Account {
        self.inbox.account()
    }

    /// Its state, in numbers.
    pub fn metrics(&self) -> SubscriptionMetrics {
        self.inbox.metrics(Instant::now())
    }

    /// Why it ended, if it did. Messages may still be queued.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.inbox.end_reason()
    }

    /// Ends it without dropping the handle: what is queued stays readable.
    pub fn unsubscribe(&self) {
        self.bus.end_subscription(self.id, EndReason::Unsubscribed);
    }

    /// Its policy and limits.
    pub fn overflow(&self) -> Arc<Overflow> {
        self.inbox.overflow()
    }

    /// Another policy and other limits, from the next message on. What is queued stays, also
    /// beyond the new limits, until they are asked about the next message.
    pub fn set_overflow(&self, overflow: Overflow) {
        self.inbox.set_overflow(overflow);
        // Routes know who makes publishers wait.
        self.bus.outdate_routes();
    }
}

/// The messages in order, what was missed behind the last of them, and at last the end.
impl<P: Carried + ?Sized> Stream for Subscription<P> {
    type Item = Result<Delivery<P>, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { inbox, waiting, is_over, .. } = &mut *self;
        if *is_over {
            return Poll::Ready(None);
        }
        let next = inbox.poll_next(waiting, cx);
        *is_over = matches!(next, Poll::Ready(Err(RecvError::Ended(_))));
        next.map(Some)
    }
}

impl<P: Carried + ?Sized> Drop for Subscription<P> {
    fn drop(&mut self) {
        self.unsubscribe();
        self.inbox.give_up(&mut self.waiting);
        self.inbox.abandon();
        self.bus.leave(self.id, &self.inbox);
    }
}

impl<P: Carried + ?Sized> fmt::Debug for Subscription<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account();
        f.debug_struct("Subscription")
            .field("filter", self.inbox.filter())
            .field("queued", &account.queued())
            .field("ended", &self.end_reason())
            .finish()
    }
}
