//! A subscription as a handle: receive from it, drop it to unsubscribe.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::bus::{Bus, SubscribeError};
use crate::consumer::ConsumerId;
use crate::delivery::Delivery;
use crate::end::EndReason;
use crate::inbox::Inbox;
use crate::missed::Missed;
use crate::overflow::{Limits, Overflow, Policy};
use crate::subject::Filter;

/// How a subscription queues. The default ends it at 65,536 messages, 16 MiB or 30 s without
/// anything taken; until then it costs what is really queued.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    overflow: Overflow,
    queue_group: Option<Box<[u8]>>,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        let limits = Limits {
            messages: Some(65_536),
            bytes: Some(16 << 20),
            behind: Some(Duration::from_secs(30)),
            ttl: None,
        };
        Self { overflow: Overflow::disconnect(limits), queue_group: None }
    }
}

impl SubscribeOptions {
    /// All limits at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.overflow.limits = limits;
        self
    }

    /// At most so many messages queued.
    #[must_use]
    pub fn max_messages(mut self, messages: u64) -> Self {
        self.overflow.limits.messages = Some(messages);
        self
    }

    /// At most so many bytes queued.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.overflow.limits.bytes = Some(bytes);
        self
    }

    /// At most so long without taking anything while something is queued.
    #[must_use]
    pub fn max_behind(mut self, behind: Duration) -> Self {
        self.overflow.limits.behind = Some(behind);
        self
    }

    /// At most so long in the queue, for each message; then it is skipped and counted.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.overflow.limits.ttl = Some(ttl);
        self
    }

    /// What happens at a limit.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.overflow.policy = policy;
        self
    }

    /// Shares the messages with the other members of `group`: each goes to one of them.
    #[must_use]
    pub fn queue_group(mut self, group: impl AsRef<[u8]>) -> Self {
        self.queue_group = Some(group.as_ref().into());
        self
    }
}

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
pub struct Subscription {
    bus: Bus,
    id: ConsumerId,
    inbox: Arc<Inbox>,
}

impl Bus {
    /// Subscribes to what `filter` matches.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::MemoryPressure`] while more than 80 % of the memory budget is in use.
    pub fn subscribe(
        &self,
        filter: &Filter,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let budget = self.budget().clone();
        let inbox = Inbox::new(filter.clone(), options.overflow, budget, Instant::now());
        let inbox = Arc::new(inbox);
        let id = self.attach(inbox.clone());
        let subscription = Subscription { bus: self.clone(), id, inbox };
        self.register(id, Inbox::KEY, filter, options.queue_group.as_deref())?;
        Ok(subscription)
    }
}

impl Subscription {
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
    pub fn recv(&self) -> Result<Delivery, RecvError> {
        self.recv_until(None)
    }

    /// Waits for the next message until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`Subscription::recv`], and [`RecvError::Empty`] when the deadline passed.
    pub fn recv_until(&self, deadline: Option<Instant>) -> Result<Delivery, RecvError> {
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
    pub fn try_recv(&self) -> Result<Delivery, RecvError> {
        self.try_recv_at(self.inbox.clock())
    }

    /// As [`Subscription::try_recv`], at a time that the caller says it is: for simulations, and
    /// for those who know the time already. Limits that depend on time go by it.
    ///
    /// # Errors
    ///
    /// As [`Subscription::try_recv`].
    pub fn try_recv_at(&self, now: Instant) -> Result<Delivery, RecvError> {
        self.inbox.try_next(now).unwrap_or(Err(RecvError::Empty))
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
    pub async fn recv_async(&self) -> Result<Delivery, RecvError> {
        self.inbox.next().await
    }

    /// Takes everything queued, in one operation.
    ///
    /// What was missed behind the last message is told with the next one, or by
    /// [`Subscription::try_recv`].
    pub fn take_backlog(&self) -> VecDeque<Delivery> {
        self.take_backlog_at(self.inbox.clock())
    }

    /// As [`Subscription::take_backlog`], at a time that the caller says it is.
    pub fn take_backlog_at(&self, now: Instant) -> VecDeque<Delivery> {
        self.inbox.take_backlog(now)
    }

    /// What became of every message that matched, as of now.
    pub fn account(&self) -> Account {
        self.inbox.account()
    }

    /// Why it ended, if it did. Messages may still be queued.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.inbox.end_reason()
    }

    /// Ends it without dropping the handle: what is queued stays readable.
    pub fn unsubscribe(&self) {
        self.bus.unregister(self.id, Inbox::KEY, self.inbox.filter());
        self.inbox.end(EndReason::Unsubscribed);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.unsubscribe();
        self.bus.detach(self.id);
        self.inbox.abandon();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account();
        f.debug_struct("Subscription")
            .field("filter", self.inbox.filter())
            .field("queued", &account.queued())
            .field("ended", &self.end_reason())
            .finish()
    }
}
