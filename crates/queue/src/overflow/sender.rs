//! The sending half.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Sent, When};
use super::error::SendError;
use super::handle::{Clock, Gone};
use super::{Account, Limit, Policy};
use crate::mailbox::{Limits, Unweighed, Weigh};
use crate::meeting::{Meeting, Sending};
use crate::waiters::{Place, block_until};

/// The half that sends: clones of it do so from any number of threads. The queue closes when the
/// last one is gone.
///
/// The methods that end in `_at` are the same with a time of the caller's; times must not go back.
pub struct Sender<T, P: Policy<T>, W: Weigh<T> = Unweighed> {
    hold: Sending<Buffer<T, P, W>>,
    clock: Clock,
}

/// What became of many items.
#[must_use = "some may not have been queued"]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SentMany {
    /// How many were queued, or took the place of a queued one.
    pub sent: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many queued ones were dropped to make room.
    pub dropped: u64,
    /// Why it went no further, if some were not looked at.
    pub stopped: Option<SendError<()>>,
}

impl<T, P: Policy<T>, W: Weigh<T>> Sender<T, P, W> {
    pub(super) fn new(meeting: Arc<Meeting<Buffer<T, P, W>>>, start: Instant) -> Self {
        Self { hold: Sending::new(meeting), clock: Clock::new(start) }
    }

    /// Offers an item to the policy. Never waits for the receiver.
    ///
    /// # Errors
    ///
    /// All of [`SendError`], with the item.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::Limits;
    /// use floodway_queue::overflow::{self, DropNewest, SendError};
    /// let (sender, receiver) = overflow::queue(Limits::messages(1)?, DropNewest);
    /// assert_eq!(sender.try_send("first")?.sequence, 0);
    /// assert_eq!(sender.try_send("second"), Err(SendError::Refused("second")));
    /// drop(receiver);
    /// assert_eq!(sender.try_send("third"), Err(SendError::Closed("third")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_send(&self, item: T) -> Result<Sent, SendError<T>> {
        self.offer(item, When { now: self.clock.now::<T, P>(), waited: Duration::ZERO })
    }

    /// The same at a time of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_send_at(&self, item: T, now: Instant) -> Result<Sent, SendError<T>> {
        self.offer(item, When { now: self.clock.at(now), waited: Duration::ZERO })
    }

    #[inline]
    fn offer(&self, item: T, when: When) -> Result<Sent, SendError<T>> {
        let mut gone = Gone::default();
        let mut buffer = self.hold.lock();
        let change = self.hold.before(&buffer);
        let sent = buffer.offer(item, when, |old| gone.push(old));
        let change = change.until(&buffer);
        drop(buffer);
        self.hold.tell_receiver(sent.is_ok() || change.is_end());
        self.hold.tell_senders(change);
        sent
    }

    /// Offers an item, and again as often as the policy says "later", until `deadline`; without
    /// one, as long as it takes.
    ///
    /// # Errors
    ///
    /// All of [`SendError`], with the item; `Delayed` means: still at the deadline.
    ///
    /// # Blocking
    ///
    /// Blocks the thread while the policy delays the item.
    pub fn send_blocking(&self, item: T, deadline: Option<Instant>) -> Result<Sent, SendError<T>> {
        let mut delayed = match self.delayed(item) {
            Ok(delayed) => delayed,
            Err(decided) => return decided,
        };
        loop {
            let until = deadline.map_or(delayed.ask_at, |end| end.min(delayed.ask_at));
            if let Some(decided) = block_until(Some(until), |cx| delayed.poll(cx)) {
                return decided;
            }
            let now = Instant::now();
            if deadline.is_some_and(|end| now >= end)
                && let Some(item) = delayed.item.take()
            {
                return Err(SendError::Delayed(item, delayed.ask_at.duration_since(now)));
            }
        }
    }

    /// Offers an item, and again as often as the policy says "later".
    ///
    /// It is offered again when something was taken, when the future is polled, and at a
    /// [sweep](Sender::sweep). There is no timer in here: where the policy gives a delay an end,
    /// as [`Block`](super::Block) does, sweep now and then, or wrap the future in your runtime's
    /// timeout.
    ///
    /// # Errors
    ///
    /// All of [`SendError`] but `Delayed`, with the item.
    ///
    /// # Cancel safety
    ///
    /// A dropped future drops the item, unsent, and nobody is stuck behind it.
    pub async fn send(&self, item: T) -> Result<Sent, SendError<T>> {
        let mut delayed = match self.delayed(item) {
            Ok(delayed) => delayed,
            Err(decided) => return decided,
        };
        poll_fn(|cx| delayed.poll(cx)).await
    }

    /// The item, if it is delayed, or what was decided.
    fn delayed(&self, item: T) -> Result<Delayed<'_, T, P, W>, Result<Sent, SendError<T>>> {
        match self.try_send(item) {
            Err(SendError::Delayed(item, most)) => {
                let since = Instant::now();
                let (item, place) = (Some(item), Place::default());
                Ok(Delayed { sender: self, item, since, ask_at: since + most, place })
            }
            decided => Err(decided),
        }
    }

    /// Offers all items in their order, with one lock and at most one wake-up. Those that are
    /// refused, and those that were not looked at because one was delayed or the queue has ended,
    /// are in `items` afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::Limits;
    /// use floodway_queue::overflow::{self, DropNewest};
    /// let (sender, _receiver) = overflow::queue(Limits::messages(3)?, DropNewest);
    /// let mut items = vec![1, 2, 3, 4];
    /// let done = sender.try_send_many(&mut items);
    /// assert_eq!((done.sent, done.refused, items), (3, 1, vec![4]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_many(&self, items: &mut Vec<T>) -> SentMany {
        let when = When { now: self.clock.now::<T, P>(), waited: Duration::ZERO };
        let (mut all, mut gone, mut done) =
            (std::mem::take(items), Gone::default(), SentMany::default());
        let mut buffer = self.hold.lock();
        let change = self.hold.before(&buffer);
        let mut rest = all.drain(..);
        for item in rest.by_ref() {
            match buffer.offer(item, when, |old| gone.push(old)) {
                Ok(sent) => {
                    done.sent += 1;
                    done.dropped += sent.dropped;
                }
                Err(SendError::Refused(item)) => {
                    done.refused += 1;
                    items.push(item);
                }
                Err(stopped) => {
                    done.stopped = Some(stopped.map(|item| items.push(item)));
                    break;
                }
            }
        }
        let change = change.until(&buffer);
        drop(buffer);
        items.extend(rest);
        if items.is_empty() {
            // The caller's memory, for the next batch.
            *items = all;
        }
        self.hold.tell_receiver(done.sent > 0 || change.is_end());
        self.hold.tell_senders(change);
        done
    }

    /// Lets the policy do what has to be done because time has passed, and offers delayed items
    /// again. Only a queue whose policy looks at times, or delays, has a use for it: now and then,
    /// as precise as its ends and delays have to be.
    pub fn sweep(&self) {
        self.sweep_at(Instant::now());
    }

    /// The same at a time of the caller's.
    pub fn sweep_at(&self, now: Instant) {
        self.hold.sweep(self.clock.at(now));
    }

    /// Ends the queue for all senders; what is queued can still be received.
    pub fn close(&self) {
        self.hold.close();
    }

    /// Whether nothing is taken any more: closed, or ended by the policy. It stays so.
    pub fn is_closed(&self) -> bool {
        self.hold.lock().shut().is_some()
    }

    /// The limit the queue has ended at, if it has.
    pub fn ended(&self) -> Option<Limit> {
        self.hold.lock().ended()
    }

    /// What became of all items so far.
    pub fn account(&self) -> Account {
        self.hold.lock().account()
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.hold.lock().limits()
    }

    /// Changes the limits. Lower ones drop nothing by themselves; higher ones let delayed senders
    /// try again at once.
    pub fn set_limits(&self, limits: Limits) {
        self.hold.lock().set_limits(limits);
        self.hold.senders.wake_all();
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> Clone for Sender<T, P, W> {
    fn clone(&self) -> Self {
        Self { hold: self.hold.clone(), clock: self.clock }
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> fmt::Debug for Sender<T, P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("account", &self.account()).finish_non_exhaustive()
    }
}

/// A sender whose item has to wait.
struct Delayed<'a, T, P: Policy<T>, W: Weigh<T>> {
    sender: &'a Sender<T, P, W>,
    item: Option<T>,
    since: Instant,
    /// When to ask again, if nothing was taken before.
    ask_at: Instant,
    place: Place,
}

/// The item is moved, never pinned.
impl<T, P: Policy<T>, W: Weigh<T>> Unpin for Delayed<'_, T, P, W> {}

impl<T, P: Policy<T>, W: Weigh<T>> Delayed<'_, T, P, W> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sent, SendError<T>>> {
        let senders = &self.sender.hold.senders;
        self.place.step_out(senders);
        if let Some(decided) = self.ask() {
            return Poll::Ready(decided);
        }
        self.place.register(senders, cx.waker());
        match self.ask() {
            Some(decided) => {
                self.place.give_up(senders);
                Poll::Ready(decided)
            }
            None => Poll::Pending,
        }
    }

    fn ask(&mut self) -> Option<Result<Sent, SendError<T>>> {
        let Some(item) = self.item.take() else { unreachable!("polled after it was ready") };
        let now = Instant::now();
        let waited = now.duration_since(self.since);
        match self.sender.offer(item, When { now: self.sender.clock.at(now), waited }) {
            Err(SendError::Delayed(item, most)) => {
                self.item = Some(item);
                self.ask_at = now + most;
                None
            }
            decided => Some(decided),
        }
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> Drop for Delayed<'_, T, P, W> {
    fn drop(&mut self) {
        self.place.give_up(&self.sender.hold.senders);
    }
}
