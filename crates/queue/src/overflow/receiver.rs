//! The receiving half.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Entry, Shut};
use super::error::RecvError;
use super::handle::{Clock, Gone};
use super::{Account, Limit, Missed, Policy};
use crate::mailbox::{Limits, Unweighed, Weigh};
use crate::meeting::{Look, Meeting, Receiving};

/// How many [`Receiver::drain`] takes with one lock.
const BATCH: usize = 64;

/// The half that receives. There is one: it cannot be cloned, and all that takes items wants it
/// exclusively. Dropping it closes the queue and drops what is queued.
///
/// The methods that end in `_at` are the same with a time of the caller's; times must not go back.
pub struct Receiver<T, P: Policy<T>, W: Weigh<T> = Unweighed> {
    hold: Receiving<Buffer<T, P, W>>,
    clock: Clock,
}

impl<T, P: Policy<T>, W: Weigh<T>> Receiver<T, P, W> {
    pub(super) fn new(meeting: Arc<Meeting<Buffer<T, P, W>>>, start: Instant) -> Self {
        Self { hold: Receiving::new(meeting), clock: Clock::new(start) }
    }

    /// Takes the first item in line, if there is one.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing is queued at the moment.
    /// - [`RecvError::Closed`], [`RecvError::Ended`]: nothing is queued and nothing will be.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::Limits;
    /// use floodway_queue::overflow::{self, Disconnect, Limit, RecvError};
    /// let (sender, mut receiver) = overflow::queue(Limits::messages(1)?, Disconnect);
    /// assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    /// sender.try_send('a')?;
    /// assert!(sender.try_send('b').is_err());
    /// assert_eq!(receiver.try_recv()?.item, 'a');
    /// assert_eq!(receiver.try_recv(), Err(RecvError::Ended(Limit::Messages)));
    /// assert_eq!(receiver.take_missed().map(|missed| missed.refused()), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<Entry<T>, RecvError> {
        take(&self.hold, self.clock.now::<T, P>()).map_err(RecvError::from)
    }

    /// The same at a time of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Receiver::try_recv`].
    #[inline]
    pub fn try_recv_at(&mut self, now: Instant) -> Result<Entry<T>, RecvError> {
        take(&self.hold, self.clock.at(now)).map_err(RecvError::from)
    }

    /// Takes the first item in line, waiting for one until `deadline`; without one, as long as it
    /// takes.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing came before the deadline.
    /// - [`RecvError::Closed`], [`RecvError::Ended`]: nothing is queued and nothing will be.
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is an item, the end, or the deadline.
    pub fn recv_blocking(&mut self, deadline: Option<Instant>) -> Result<Entry<T>, RecvError> {
        let clock = self.clock;
        let received = self.hold.block(deadline, |meeting| look(meeting, clock.now::<T, P>()));
        received.unwrap_or(Err(RecvError::Empty))
    }

    /// Takes the first item in line, waiting for one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`], [`RecvError::Ended`]: nothing is queued and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken nothing, and its task is not woken any more.
    pub async fn recv(&mut self) -> Result<Entry<T>, RecvError> {
        struct Pending<'a, T, P: Policy<T>, W: Weigh<T>>(&'a mut Receiver<T, P, W>);
        impl<T, P: Policy<T>, W: Weigh<T>> Drop for Pending<'_, T, P, W> {
            fn drop(&mut self) {
                self.0.hold.leave();
            }
        }
        let pending = Pending(self);
        poll_fn(|cx| pending.0.poll_recv(cx)).await
    }

    /// Takes the first item in line, or is pending and registered to be woken.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry<T>, RecvError>> {
        let clock = self.clock;
        self.hold.poll(cx, |meeting| look(meeting, clock.now::<T, P>()))
    }

    /// Takes what is queued, up to `limit` items, into the caller's buffer, behind what is there:
    /// with one lock. Says how many.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::Limits;
    /// use floodway_queue::overflow::{self, DropOldest};
    /// let (sender, mut receiver) = overflow::queue(Limits::messages(2)?, DropOldest);
    /// let _all_are_taken = sender.try_send_many(&mut vec![1, 2, 3]);
    /// let mut entries = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut entries, usize::MAX), 2);
    /// assert_eq!((entries[0].item, entries[1].item), (2, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&mut self, entries: &mut Vec<Entry<T>>, limit: usize) -> usize {
        let now = self.clock.now::<T, P>();
        let (mut gone, before) = (Gone::default(), entries.len());
        let mut buffer = self.hold.lock();
        let queued = usize::try_from(buffer.depth().messages).unwrap_or(usize::MAX);
        entries.reserve(queued.min(limit));
        let change = self.hold.before(&buffer);
        while entries.len() - before < limit
            && let Some(entry) = buffer.take(now, |old| gone.push(old))
        {
            entries.push(entry);
        }
        let change = change.until(&buffer);
        drop(buffer);
        self.hold.tell_senders(change);
        entries.len() - before
    }

    /// Takes what is queued, up to `limit` items, and hands it to `each` in order; says how many.
    ///
    /// It takes up to 64 at a time, and holds no lock while `each` runs. If `each` panics, the rest
    /// of those is gone with it.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(Entry<T>)) -> usize {
        let (mut batch, mut taken) = (Vec::new(), 0);
        loop {
            let count = self.recv_many(&mut batch, (limit - taken).min(BATCH));
            if count == 0 {
                return taken;
            }
            taken += count;
            batch.drain(..).for_each(&mut each);
        }
    }

    /// What was missed behind the last item, once that has been taken; told once. What is not
    /// asked for here comes with the next item: this is for the end, and for who cannot wait.
    pub fn take_missed(&mut self) -> Option<Missed> {
        self.hold.lock().take_missed()
    }

    /// As [`Sender::sweep`](super::Sender::sweep).
    pub fn sweep(&self) {
        self.sweep_at(Instant::now());
    }

    /// The same at a time of the caller's.
    pub fn sweep_at(&self, now: Instant) {
        self.hold.sweep(self.clock.at(now));
    }

    /// Ends the queue: nothing more is taken in, what is queued can still be received.
    pub fn close(&mut self) {
        self.hold.close();
    }

    /// Whether nothing is taken in any more: closed, or ended by the policy. It stays so.
    pub fn is_closed(&self) -> bool {
        self.hold.lock().shut().is_some()
    }

    /// The limit the queue has ended at, if it has. What is queued can still be received.
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

    /// Changes the limits; see [`Sender::set_limits`](super::Sender::set_limits).
    pub fn set_limits(&self, limits: Limits) {
        self.hold.lock().set_limits(limits);
        self.hold.senders.wake_all();
    }
}

/// Why nothing was taken.
enum Nothing {
    /// And nothing is left to tidy up, or something is.
    Empty {
        untidy: bool,
    },
    Shut(Shut),
}

impl From<Nothing> for RecvError {
    fn from(nothing: Nothing) -> Self {
        match nothing {
            Nothing::Empty { .. } => Self::Empty,
            Nothing::Shut(Shut::Closed) => Self::Closed,
            Nothing::Shut(Shut::Ended(limit)) => Self::Ended(limit),
        }
    }
}

/// Takes the first in line.
#[inline(always)]
fn take<T, P: Policy<T>, W: Weigh<T>>(
    meeting: &Meeting<Buffer<T, P, W>>,
    now: Duration,
) -> Result<Entry<T>, Nothing> {
    let mut gone = Gone::default();
    let mut buffer = meeting.lock();
    let change = meeting.before(&buffer);
    let taken = buffer.take(now, |old| gone.push(old));
    let change = change.until(&buffer);
    let taken = taken.ok_or_else(|| why_nothing(&buffer));
    drop(buffer);
    meeting.tell_senders(change);
    taken
}

#[cold]
fn why_nothing<T, P: Policy<T>, W: Weigh<T>>(buffer: &Buffer<T, P, W>) -> Nothing {
    buffer.shut().map_or(Nothing::Empty { untidy: buffer.is_untidy() }, Nothing::Shut)
}

/// The same for one who waits.
fn look<T, P: Policy<T>, W: Weigh<T>>(
    meeting: &Meeting<Buffer<T, P, W>>,
    now: Duration,
) -> Look<Result<Entry<T>, RecvError>> {
    match take(meeting, now) {
        Ok(entry) => Look::Found(Ok(entry)),
        Err(Nothing::Empty { untidy: true }) => Look::Tidying,
        Err(Nothing::Empty { untidy: false }) => Look::Nothing,
        Err(shut) => Look::Found(Err(shut.into())),
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> Drop for Receiver<T, P, W> {
    fn drop(&mut self) {
        self.hold.leave();
        let queued = self.hold.lock().abandon();
        self.hold.wake_everybody();
        drop(queued);
    }
}

impl<T, P: Policy<T>, W: Weigh<T>> fmt::Debug for Receiver<T, P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("account", &self.account()).finish_non_exhaustive()
    }
}
