//! The receiving half.

use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error::RecvError;
use super::slots::{Account, Entry, Slots};
use crate::meeting::{Look, Meeting, Receiving};

/// How many [`Receiver::drain`] takes with one lock.
const BATCH: usize = 64;

/// The half that receives. There is one: it cannot be cloned, and all that takes values wants it
/// exclusively. Dropping it closes the queue and drops what is queued.
pub struct Receiver<K: Hash + Eq, V> {
    hold: Receiving<Slots<K, V>>,
}

impl<K: Hash + Eq, V> Receiver<K, V> {
    pub(super) fn new(meeting: Arc<Meeting<Slots<K, V>>>) -> Self {
        Self { hold: Receiving::new(meeting) }
    }

    /// Takes the key that came first, if there is one, with its latest value.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing is queued at the moment.
    /// - [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::keyed::{self, RecvError};
    /// let (sender, mut receiver) = keyed::queue(100)?;
    /// sender.put("a", 1)?;
    /// assert_eq!(receiver.try_recv()?.key, "a");
    /// assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(RecvError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<Entry<K, V>, RecvError> {
        match take(&self.hold) {
            Look::Found(taken) => taken,
            Look::Nothing | Look::Tidying => Err(RecvError::Empty),
        }
    }

    /// Takes the key that came first, waiting for one until `deadline`; without one, as long as it
    /// takes.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Empty`]: nothing came before the deadline.
    /// - [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Blocking
    ///
    /// Spins for some microseconds, then blocks until there is a key, the end, or the deadline.
    pub fn recv_blocking(&mut self, deadline: Option<Instant>) -> Result<Entry<K, V>, RecvError> {
        self.hold.block(deadline, take).unwrap_or(Err(RecvError::Empty))
    }

    /// Takes the key that came first, waiting for one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`]: nothing is queued and nothing will be.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken nothing, and its task is not woken any more.
    pub async fn recv(&mut self) -> Result<Entry<K, V>, RecvError> {
        struct Pending<'a, K: Hash + Eq, V>(&'a mut Receiver<K, V>);
        impl<K: Hash + Eq, V> Drop for Pending<'_, K, V> {
            fn drop(&mut self) {
                self.0.hold.leave();
            }
        }
        let pending = Pending(self);
        poll_fn(|cx| pending.0.poll_recv(cx)).await
    }

    /// Takes the key that came first, or is pending and registered to be woken.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry<K, V>, RecvError>> {
        self.hold.poll(cx, take)
    }

    /// Takes what is queued, up to `limit` keys, into the caller's buffer, behind what is there:
    /// with one lock. Says how many.
    pub fn recv_many(&mut self, entries: &mut Vec<Entry<K, V>>, limit: usize) -> usize {
        let mut slots = self.hold.lock();
        let count = slots.len().min(limit);
        entries.reserve(count);
        entries.extend((0..count).map_while(|_| slots.take()));
        count
    }

    /// Takes what is queued, up to `limit` keys, and hands it to `each` in order; says how many.
    ///
    /// It takes up to 64 at a time, and holds no lock while `each` runs. If `each` panics, the rest
    /// of those is gone with it.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(Entry<K, V>)) -> usize {
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

    /// How many keys are queued: there may be more by now, but not fewer.
    pub fn len(&self) -> usize {
        self.hold.lock().len()
    }

    /// Whether none is queued; there may be one by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of all values so far.
    pub fn account(&self) -> Account {
        self.hold.lock().account()
    }

    /// Ends the queue: nothing more is taken in, what is queued can still be received.
    pub fn close(&mut self) {
        self.hold.close();
    }

    /// True once either side has closed it. It stays so.
    pub fn is_closed(&self) -> bool {
        self.hold.lock().closed
    }
}

/// One look at the queue.
#[inline]
fn take<K: Hash + Eq, V>(meeting: &Meeting<Slots<K, V>>) -> Look<Result<Entry<K, V>, RecvError>> {
    let mut slots = meeting.lock();
    match slots.take() {
        Some(entry) => Look::Found(Ok(entry)),
        None if slots.closed => Look::Found(Err(RecvError::Closed)),
        None => Look::Nothing,
    }
}

impl<K: Hash + Eq, V> Drop for Receiver<K, V> {
    fn drop(&mut self) {
        self.hold.leave();
        let queued = self.hold.lock().abandon();
        drop(queued);
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Receiver<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
