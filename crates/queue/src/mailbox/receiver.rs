//! The receiving half: safe code only.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::error::RecvError;
use super::limits::{Limits, Unweighed, Weigh};
use super::owner::Owner;
use super::reader::Reader;
use crate::sync::Lull;
use crate::waiters::{Place, block_until};

/// How often in a row one may ask in vain before memory of the last burst is given back. One that
/// asks all the time would else make the senders allocate anew after each of its questions.
const IN_VAIN: u32 = 64;

/// Batches after which a task waits for more before it has itself woken. Measured by fan-out to 8
/// tasks: without, batches of 3 at 180 ns a message; with, 48 ns.
const LINGERS_AFTER: Range<u64> = if cfg!(floodway_loom) { 0..0 } else { 2..256 };
/// A tenth of what it takes to wake a thread.
const LINGER: Duration = Duration::from_micros(5);

/// A receiver that takes fewer items at a time is quicker than its senders.
const SMALL: u64 = 32;

/// Who has less time than this goes to sleep at once.
const NO_HURRY: Duration = Duration::from_millis(10);

/// The half that receives. There is one: it cannot be cloned, and all that takes items wants it
/// exclusively.
///
/// Waiting and taking are separate. Wait with [`ready`](Self::ready) (a task),
/// [`wait`](Self::wait) (a thread) or [`poll_ready`](Self::poll_ready); then take
/// [one](Self::try_recv), [many](Self::drain_into) or [all](Self::drain), which costs one look at
/// the senders however many there are. [`recv`](Self::recv) and
/// [`recv_blocking`](Self::recv_blocking) do both, for one item.
///
/// Dropping it closes the mailbox and drops what is queued.
pub struct Receiver<T, W = Unweighed> {
    reader: Reader<T>,
    place: Place,
    in_vain: u32,
    /// The head when it was last asked in vain.
    asked_at: u64,
    /// The head when there was nothing to do for the last time.
    rested_at: u64,
    lingers_until: Option<Instant>,
    weigh: PhantomData<fn() -> W>,
}

impl<T, W> fmt::Debug for Receiver<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T, W: Weigh<T>> Receiver<T, W> {
    pub(super) fn new(shared: Owner<T>) -> Self {
        Self {
            reader: Reader::new(shared),
            place: Place::default(),
            in_vain: 0,
            asked_at: 0,
            rested_at: 0,
            lingers_until: None,
            weigh: PhantomData,
        }
    }

    /// Takes the oldest item, if there is one.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing is queued at the moment.
    /// - [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{Limits, RecvError, mailbox};
    /// let (sender, mut receiver) = mailbox(Limits::messages(10)?);
    /// sender.try_send(7)?;
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, RecvError> {
        loop {
            if let Some(item) = self.reader.take::<W>() {
                return Ok(item);
            }
            self.none_queued()?;
        }
    }

    /// Fails, unless there is an item after all. Returns none, which would have to go through
    /// memory then; see [`Reader::take`].
    #[cold]
    fn none_queued(&mut self) -> Result<(), RecvError> {
        self.reader.settle_rest();
        if self.reader.shared.is_closed() {
            // Closed after the last item, which may have come since we looked.
            return if self.reader.available() > 0 { Ok(()) } else { Err(RecvError::Closed) };
        }
        let head = self.reader.head();
        self.in_vain = if self.asked_at == head { self.in_vain + 1 } else { 1 };
        self.asked_at = head;
        if self.in_vain == IN_VAIN {
            self.reader.rest();
        }
        Err(RecvError::Empty)
    }

    /// Takes the oldest item, waiting for one until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing came before the deadline.
    /// - [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is an item, the end, or the deadline.
    #[inline]
    pub fn recv_blocking(&mut self, deadline: Option<Instant>) -> Result<T, RecvError> {
        loop {
            if let Some(item) = self.reader.take::<W>() {
                return Ok(item);
            }
            self.wait_for_more(deadline)?;
        }
    }

    /// Takes the oldest item, waiting for one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        self.ready().await?;
        self.try_recv()
    }

    /// Takes the oldest item, or is pending and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`]: nothing is queued and nothing will be.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        ready!(self.poll_ready(cx))?;
        Poll::Ready(self.try_recv())
    }

    /// Takes everything that is queued, up to `limit` items, and hands it to `each` in order; says
    /// how many. Costs one look at the senders, one report to them, and no locked instruction.
    ///
    /// If `each` panics, the items it was given are gone and the rest is still queued.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{Limits, mailbox};
    /// let (sender, mut receiver) = mailbox(Limits::messages(10)?);
    /// sender.try_send_many(&mut vec![1, 2, 3])?;
    /// let mut sum = 0;
    /// assert_eq!(receiver.drain(usize::MAX, |n| sum += n), 3);
    /// assert_eq!(sum, 6);
    /// assert_eq!(receiver.drain(usize::MAX, |_| unreachable!()), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&mut self, limit: usize, each: impl FnMut(T)) -> usize {
        self.reader.refresh();
        self.reader.drain::<W>(limit, each)
    }

    /// The same into the caller's buffer, behind what is there.
    pub fn drain_into(&mut self, items: &mut Vec<T>, limit: usize) -> usize {
        let queued = usize::try_from(self.reader.refresh()).unwrap_or(usize::MAX);
        items.reserve(queued.min(limit));
        self.reader.drain::<W>(limit, |item| items.push(item))
    }

    /// Waits until there is something to take, or `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv_blocking`].
    ///
    /// # Blocking
    ///
    /// As [`Receiver::recv_blocking`].
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<(), RecvError> {
        let taken = self.reader.head() - self.rested_at;
        self.rested_at = self.reader.head();
        // One that is quicker than its senders looks a little later: it then finds a batch.
        if self.reader.known() > 0 || taken >= SMALL && self.reader.available() > 0 {
            return Ok(());
        }
        self.wait_for_more(deadline)
    }

    /// The same after a look in vain, or one that can wait.
    #[cold]
    fn wait_for_more(&mut self, deadline: Option<Instant>) -> Result<(), RecvError> {
        self.reader.settle_rest();
        // Letting others run may take a time slice or two.
        let hurry = deadline.is_some_and(|end| end < Instant::now() + NO_HURRY);
        let mut lull = Lull::default();
        while !hurry && lull.spin() {
            if self.reader.available() > 0 {
                return Ok(());
            }
        }
        block_until(deadline, |cx| self.poll_patiently(cx)).unwrap_or_else(|| {
            self.place.leave(&self.reader.shared.front.receivers);
            Err(RecvError::Empty)
        })
    }

    /// Waits until there is something to take.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has changed nothing, and its task is not woken any more.
    pub async fn ready(&mut self) -> Result<(), RecvError> {
        /// Dropped while pending, it takes the registration back. Else that is gone already: it
        /// was woken.
        struct Pending<'a, T, W>(Option<&'a mut Receiver<T, W>>);
        impl<T, W> Drop for Pending<'_, T, W> {
            fn drop(&mut self) {
                if let Some(receiver) = self.0.take() {
                    receiver.place.leave(&receiver.reader.shared.front.receivers);
                }
            }
        }
        if self.reader.available() > 0 {
            return Ok(());
        }
        let mut pending = Pending(Some(self));
        poll_fn(|cx| {
            let Some(receiver) = &mut pending.0 else { unreachable!("polled after it was ready") };
            let ready = ready!(receiver.poll_ready(cx));
            pending.0 = None;
            Poll::Ready(ready)
        })
        .await
    }

    /// Ready as soon as there is something to take; else pending, and registered to be woken.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`]: nothing is queued and nothing will be.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        if !self.lingers() {
            if self.reader.available() > 0 {
                return Poll::Ready(Ok(()));
            }
            if !self.begins_to_linger() {
                return self.poll_patiently(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The same without lingering.
    fn poll_patiently(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        if self.reader.available() > 0 {
            return Poll::Ready(Ok(()));
        }
        // Who waits may do so for long: what it holds on to matters now.
        self.reader.settle_rest();
        self.reader.rest();
        self.place.register(&self.reader.shared.front.receivers, cx.waker());
        if self.reader.shared.arm_receiver(self.reader.head()) {
            return Poll::Pending;
        }
        Poll::Ready(if self.reader.available() > 0 { Ok(()) } else { Err(RecvError::Closed) })
    }

    /// A task that is quicker than its senders would be woken for every few messages, which costs
    /// the sender more than the messages. So after a small batch it lets other tasks run for a
    /// moment, without a look at the senders' line, and mostly finds the next batch then. A
    /// trickle is not delayed, and a sender that gets far ahead needs no help.
    fn begins_to_linger(&mut self) -> bool {
        let taken = self.reader.head() - self.rested_at;
        self.rested_at = self.reader.head();
        if LINGERS_AFTER.contains(&taken) {
            self.lingers_until = Some(Instant::now() + LINGER);
        }
        self.lingers_until.is_some()
    }

    fn lingers(&mut self) -> bool {
        self.lingers_until = self.lingers_until.filter(|until| Instant::now() < *until);
        self.lingers_until.is_some()
    }

    /// Gives back the memory that is kept for the next messages, if none is queued. Happens by
    /// itself after a burst; by hand it makes sense for a mailbox that will be idle for long.
    pub fn shrink(&mut self) {
        self.reader.release();
    }
}

impl<T, W> Receiver<T, W> {
    /// Ends the mailbox: nothing more is accepted, what is queued can still be received.
    pub fn close(&mut self) {
        self.reader.shared.close();
    }

    /// True once either side has closed it. It stays so.
    pub fn is_closed(&self) -> bool {
        self.reader.shared.is_closed()
    }

    /// How many items are queued: there may be more by now, but not fewer.
    pub fn len(&self) -> usize {
        usize::try_from(self.reader.shared.len()).unwrap_or(usize::MAX)
    }

    /// Whether none is queued; there may be one by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are queued: 0 if items are not weighed.
    pub fn bytes(&self) -> u64 {
        self.reader.shared.bytes_now_and_high().0
    }

    /// The most items that were ever queued.
    pub fn high_water(&self) -> u32 {
        self.reader.shared.high_water()
    }

    /// The most bytes that were ever queued.
    pub fn high_water_bytes(&self) -> u64 {
        self.reader.shared.bytes_now_and_high().1
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.reader.shared.limits()
    }

    /// Changes the limits; see [`Sender::set_limits`](super::Sender::set_limits).
    pub fn set_limits(&self, limits: Limits) {
        self.reader.shared.set_limits(limits);
    }
}

impl<T, W> Drop for Receiver<T, W> {
    fn drop(&mut self) {
        // Before the reader drops what is queued: nothing may come after that.
        self.reader.shared.close();
    }
}
