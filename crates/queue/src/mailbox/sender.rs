//! The sending half: safe code only.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error::SendError;
use super::limits::{Limits, Unweighed, Weigh};
use super::owner::Owner;
use super::permit::Permit;
use super::shared::{Refusal, Shared};
use crate::waiters::{Place, block_until};

/// The half that sends. Clone it for every thread or task; when the last clone is dropped, the
/// receiver gets what is queued and then the end.
///
/// Three ways to send, and each for one item, for many at the cost of one, and for a place to be
/// filled later:
///
/// | | now or not at all | a thread, with a deadline | a task |
/// | --- | --- | --- | --- |
/// | one item | [`try_send`] | [`send_blocking`] | [`send`] |
/// | many | [`try_send_many`] | [`send_many_blocking`] | [`send_many`] |
/// | a place | [`try_reserve`] | [`reserve_blocking`] | [`reserve`] |
///
/// Senders that wait are woken in the order they came, but one that comes just then may be faster.
///
/// [`try_send`]: Self::try_send
/// [`send_blocking`]: Self::send_blocking
/// [`send`]: Self::send
/// [`try_send_many`]: Self::try_send_many
/// [`send_many_blocking`]: Self::send_many_blocking
/// [`send_many`]: Self::send_many
/// [`try_reserve`]: Self::try_reserve
/// [`reserve_blocking`]: Self::reserve_blocking
/// [`reserve`]: Self::reserve
pub struct Sender<T, W = Unweighed> {
    pub(super) shared: Owner<T>,
    weigh: PhantomData<fn() -> W>,
}

impl<T, W> Clone for Sender<T, W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone_sender(), weigh: PhantomData }
    }
}

impl<T, W> fmt::Debug for Sender<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T, W: Weigh<T>> Sender<T, W> {
    pub(super) fn new(shared: Owner<T>) -> Self {
        Self { shared, weigh: PhantomData }
    }

    /// Sends an item if there is room for it. Never waits for the receiver.
    ///
    /// # Errors
    ///
    /// All of [`SendError`], with the item.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{Limits, SendError, mailbox};
    /// let (sender, receiver) = mailbox(Limits::messages(1)?);
    /// sender.try_send("first")?;
    /// assert_eq!(sender.try_send("second"), Err(SendError::Full("second")));
    /// drop(receiver);
    /// assert_eq!(sender.try_send("third"), Err(SendError::Closed("third")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_send(&self, item: T) -> Result<(), SendError<T>> {
        self.shared.append::<W>(item)
    }

    /// Sends an item, waiting for room until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// All of [`SendError`], with the item; `Full` means: still full at the deadline.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until there is room, the mailbox is closed, or the deadline.
    pub fn send_blocking(&self, item: T, deadline: Option<Instant>) -> Result<(), SendError<T>> {
        let mut item = Some(item);
        let sent = self.room().block(deadline, || self.attempt(&mut item));
        match (sent, item) {
            (Some(sent), _) => sent,
            (None, Some(item)) => Err(SendError::Full(item)),
            (None, None) => unreachable!("an attempt that takes the item ends the wait"),
        }
    }

    /// Sends an item, waiting for room.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLarge`] and [`SendError::Closed`], with the item.
    ///
    /// # Cancel safety
    ///
    /// A dropped future drops the item, unsent. To keep it, await [`Sender::reserve`] and send it
    /// with the permit.
    pub async fn send(&self, item: T) -> Result<(), SendError<T>> {
        let (mut item, mut room) = (Some(item), self.room());
        poll_fn(|cx| room.poll(cx, || self.attempt(&mut item))).await
    }

    /// Sends as many of the first items as there is room for, and takes them out of `items`:
    /// with one locked instruction and at most one wake-up, however many they are.
    ///
    /// # Errors
    ///
    /// If not even the first can be sent; all are still in `items` then.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{Limits, SendError, mailbox};
    /// let (sender, _receiver) = mailbox(Limits::messages(3)?);
    /// let mut items = vec![1, 2, 3, 4];
    /// assert_eq!(sender.try_send_many(&mut items), Ok(3));
    /// assert_eq!(items, [4]);
    /// assert_eq!(sender.try_send_many(&mut items), Err(SendError::Full(())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_many(&self, items: &mut Vec<T>) -> Result<usize, SendError<()>> {
        self.shared.append_many::<W>(items).map_err(|refusal| refusal.of(()))
    }

    /// Sends all items in their order, waiting for room until `deadline`. Others may send in
    /// between, if there is no room for all at once.
    ///
    /// # Errors
    ///
    /// What was not sent is still in `items`.
    ///
    /// # Blocking
    ///
    /// As [`Sender::send_blocking`].
    pub fn send_many_blocking(
        &self,
        items: &mut Vec<T>,
        deadline: Option<Instant>,
    ) -> Result<(), SendError<()>> {
        let sent = self.room().block(deadline, || self.attempt_many(items));
        sent.unwrap_or(Err(SendError::Full(())))
    }

    /// Sends all items in their order, waiting for room.
    ///
    /// # Errors
    ///
    /// What was not sent is still in `items`.
    ///
    /// # Cancel safety
    ///
    /// What was not sent is still in `items`.
    pub async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SendError<()>> {
        let mut room = self.room();
        poll_fn(|cx| room.poll(cx, || self.attempt_many(items))).await
    }

    /// Reserves a place for one item of up to `bytes` (which do not matter if items are not
    /// weighed). The item is queued where it is when it is sent: a permit that is kept for long,
    /// or dropped, leaves no hole.
    ///
    /// # Errors
    ///
    /// All of [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{Limits, SendError, mailbox};
    /// let (sender, mut receiver) = mailbox(Limits::messages(1)?);
    /// let permit = sender.try_reserve(0)?;
    /// assert_eq!(sender.try_send("in vain"), Err(SendError::Full("in vain")));
    /// permit.send("for sure")?;
    /// assert_eq!(receiver.try_recv(), Ok("for sure"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&self, bytes: u64) -> Result<Permit<'_, T, W>, SendError<()>> {
        match self.shared.reserve(bytes) {
            Ok(()) => Ok(Permit::new(self, bytes)),
            Err(refusal) => Err(refusal.of(())),
        }
    }

    /// Reserves a place, waiting for it until `deadline`.
    ///
    /// # Errors
    ///
    /// All of [`SendError`]; `Full` means: still full at the deadline.
    ///
    /// # Blocking
    ///
    /// As [`Sender::send_blocking`].
    pub fn reserve_blocking(
        &self,
        bytes: u64,
        deadline: Option<Instant>,
    ) -> Result<Permit<'_, T, W>, SendError<()>> {
        let reserved = self.room().block(deadline, || pending_if_full(self.try_reserve(bytes)));
        reserved.unwrap_or(Err(SendError::Full(())))
    }

    /// Reserves a place, waiting for it.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLarge`] and [`SendError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future gives up its place in the line; nobody is stuck behind it.
    pub async fn reserve(&self, bytes: u64) -> Result<Permit<'_, T, W>, SendError<()>> {
        let mut room = self.room();
        poll_fn(|cx| room.poll(cx, || pending_if_full(self.try_reserve(bytes)))).await
    }

    fn attempt(&self, item: &mut Option<T>) -> Poll<Result<(), SendError<T>>> {
        let Some(unsent) = item.take() else {
            unreachable!("an attempt that takes the item ends the wait");
        };
        match self.try_send(unsent) {
            Err(SendError::Full(unsent)) => {
                *item = Some(unsent);
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }

    fn attempt_many(&self, items: &mut Vec<T>) -> Poll<Result<(), SendError<()>>> {
        while !items.is_empty() {
            match self.try_send_many(items) {
                Ok(_) => {}
                Err(SendError::Full(())) => return Poll::Pending,
                Err(other) => return Poll::Ready(Err(other)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn room(&self) -> Room<'_, T> {
        Room { shared: &self.shared, place: Place::default() }
    }
}

impl<T, W> Sender<T, W> {
    /// Ends the mailbox for all senders; what is queued can still be received.
    pub fn close(&self) {
        self.shared.close();
    }

    /// True once either side has closed it. It stays so.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many items are queued, as of some moment; others may have changed it since.
    pub fn len(&self) -> usize {
        usize::try_from(self.shared.len()).unwrap_or(usize::MAX)
    }

    /// Whether none is queued; may be stale like [`Sender::len`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are queued: 0 if items are not weighed.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes_now_and_high().0
    }

    /// The most items that were ever queued.
    pub fn high_water(&self) -> u32 {
        self.shared.high_water()
    }

    /// The most bytes that were ever queued.
    pub fn high_water_bytes(&self) -> u64 {
        self.shared.bytes_now_and_high().1
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.shared.limits()
    }

    /// Changes the limits. Lower ones drop nothing: no more is taken until what is queued is
    /// below them. Higher ones let waiting senders in at once.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.set_limits(limits);
    }
}

/// Full is what one waits to end; all else is an answer.
fn pending_if_full<R>(tried: Result<R, SendError<()>>) -> Poll<Result<R, SendError<()>>> {
    match tried {
        Err(SendError::Full(())) => Poll::Pending,
        other => Poll::Ready(other),
    }
}

/// A sender that waits for room.
struct Room<'a, T> {
    shared: &'a Shared<T>,
    place: Place,
}

impl<T> Room<'_, T> {
    fn poll<R>(&mut self, cx: &mut Context<'_>, mut attempt: impl FnMut() -> Poll<R>) -> Poll<R> {
        self.place.step_out(&self.shared.front.senders);
        let tried = attempt();
        if tried.is_ready() {
            return tried;
        }
        self.place.register(&self.shared.front.senders, cx.waker());
        self.shared.announce_sender();
        let tried = attempt();
        if tried.is_ready() {
            self.place.give_up(&self.shared.front.senders);
        }
        tried
    }

    fn block<R>(
        mut self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Poll<R>,
    ) -> Option<R> {
        if let Poll::Ready(done) = attempt() {
            return Some(done);
        }
        block_until(deadline, |cx| self.poll(cx, &mut attempt))
    }
}

impl<T> Drop for Room<'_, T> {
    fn drop(&mut self) {
        self.place.give_up(&self.shared.front.senders);
    }
}

impl Refusal {
    pub(super) fn of<T>(self, item: T) -> SendError<T> {
        match self {
            Self::Full => SendError::Full(item),
            Self::TooLarge => SendError::TooLarge(item),
            Self::Closed => SendError::Closed(item),
        }
    }
}
