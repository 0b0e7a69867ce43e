//! Who receives: the queue behind a subscription handle, or a connection of a server.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::end::EndReason;
use crate::gate::Gate;
use crate::payload::Carried;
use crate::report::Tally;
use crate::route::SubscriptionKey;
use crate::run::Runs;
use crate::subject::Filter;

/// A consumer's place in the bus's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub(crate) u32);

/// What has to follow when a consumer was given messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// It has to be woken, once, when the batch ends.
    pub wake: bool,
    /// It has more queued than its mark.
    pub over_mark: bool,
    /// One or more of its subscriptions are over: ask [`Consumer::reap`].
    pub finished: bool,
}

impl Taken {
    /// The same after further messages.
    pub fn add(&mut self, more: Taken) {
        self.wake |= more.wake;
        self.over_mark = more.over_mark;
        self.finished |= more.finished;
    }
}

/// The receiving end of one or more subscriptions.
///
/// Implementations keep these promises: `deliver` never blocks and never waits for the consumer;
/// messages of one call stay in order and behind those of earlier calls; every message offered is
/// queued, or counted as lost with a reason, unless its subscription is unknown or over.
pub trait Consumer<P: Carried + ?Sized = [u8]>: Send + Sync {
    /// Takes what a batch has for it, and notes in `tally` what became of each message.
    fn deliver(&self, runs: Runs<'_, P>, now: Instant, tally: &mut Tally) -> Taken;

    /// It will be given something in a moment: may fetch what it needs then.
    fn approach(&self) {}

    /// Lets the consumer get on with what was queued. Called once per batch, and before it ends if
    /// memory is short.
    fn wake(&self, now: Instant);

    /// Whether more is queued than the mark; with `resume`, than half the mark. Other threads
    /// change it at any time.
    fn is_over_mark(&self, resume: bool) -> bool;

    /// Whether messages wait in it because its client takes no more: whoever may choose gives a
    /// message to another one.
    fn is_behind(&self) -> bool;

    /// Whether the subscription says something about the pace at which its publishers may go on.
    /// One that drops or replaces messages at its limits does not: it takes any pace.
    fn sets_pace(&self, key: SubscriptionKey) -> bool;

    /// Whether it has ended: nothing is queued for it any more, so it says nothing about its pace.
    fn has_ended(&self) -> bool;

    /// Calls `waker` once, when the queue has fallen to half the mark or the consumer has ended.
    fn on_below_mark(&self, waker: Waker);

    /// Memory it holds, in bytes: what the memory budget would get back.
    fn held_bytes(&self) -> u64;

    /// Gives memory back, because the process is short of it and this consumer holds the most: lets
    /// go of messages that their policy may lose, or ends, and lets go of all of them.
    fn evict(&self, reason: EndReason);

    /// Ends what is overdue at `now`; true if [`Consumer::reap`] has something.
    fn sweep(&self, now: Instant) -> bool;

    /// The subscriptions that ended by themselves since the last call, to leave the index.
    fn reap(&self) -> Vec<(SubscriptionKey, Filter)>;

    /// Who it is, for logs and status pages.
    fn label(&self) -> String;

    /// Where publishers wait for it, if its policy is that they do.
    fn gate(&self) -> Option<&dyn Gate<P>> {
        None
    }
}

/// Consumers to wake when a batch, or several, have been routed.
pub struct Wakeups<P: Carried + ?Sized = [u8]> {
    touched: Vec<Arc<dyn Consumer<P>>>,
}

impl<P: Carried + ?Sized> Default for Wakeups<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Carried + ?Sized> Wakeups<P> {
    /// Nobody to wake.
    pub fn new() -> Self {
        Self { touched: Vec::new() }
    }

    /// Remembers `consumer`. It says itself whether it has to be remembered: [`Taken::wake`].
    pub fn add(&mut self, consumer: Arc<dyn Consumer<P>>) {
        self.touched.push(consumer);
    }

    /// Wakes everybody once.
    pub fn wake_all(&mut self, now: Instant) {
        for consumer in self.touched.drain(..) {
            consumer.wake(now);
        }
    }
}

impl<P: Carried + ?Sized> std::fmt::Debug for Wakeups<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wakeups({})", self.touched.len())
    }
}
