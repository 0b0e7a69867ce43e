//! The handles that publish, and the one that lets consumers join: safe code only.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Instant;

use super::consumer::Consumer;
use super::error::{ForeignConsumer, PublishError};
use super::shared::{CLOSED, Shared};
use crate::barrier::Arc;
use crate::waiters::{Place, block_until};

/// Publishes entries. Clones publish into the same ring, from any threads; they take turns.
///
/// Dropping the last one closes the ring: consumers get what is published, and then the end.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Producer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Publishes an item if no consumer is a whole ring behind.
    ///
    /// With no consumer at all it succeeds: whoever joins later does not get it.
    ///
    /// # Errors
    ///
    /// - [`PublishError::Full`]: the slowest consumer has not released the oldest entry.
    /// - [`PublishError::Closed`]: no later call will succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use floodway_queue::broadcast::{self, PublishError, WaitStrategy};
    /// let (producer, ring) = broadcast::ring(1, WaitStrategy::Park)?;
    /// let mut consumer = ring.join();
    /// producer.try_publish("a").unwrap();
    /// assert_eq!(producer.try_publish("b"), Err(PublishError::Full("b")));
    /// assert!(consumer.try_read(10).unwrap().iter().eq(&["a"]));
    /// producer.try_publish("c").unwrap();
    /// ring.close();
    /// assert_eq!(producer.try_publish("d"), Err(PublishError::Closed("d")));
    /// # Ok::<(), broadcast::CapacityError>(())
    /// ```
    #[inline]
    pub fn try_publish(&self, item: T) -> Result<(), PublishError<T>> {
        self.shared.publish(item)
    }

    /// Publishes an item, waiting for room until `deadline`; without one, as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Producer::try_publish`]; [`PublishError::Full`] only if there is a deadline.
    ///
    /// # Blocking
    ///
    /// Waits by the ring's [`WaitStrategy`](super::WaitStrategy) until the slowest consumer has
    /// released an entry or left, the ring is closed, or the deadline.
    #[inline]
    pub fn publish_blocking(
        &self,
        item: T,
        deadline: Option<Instant>,
    ) -> Result<(), PublishError<T>> {
        match self.shared.publish(item) {
            Err(PublishError::Full(item)) => {
                let mut item = Some(item);
                self.wait(deadline, || {
                    let refused = self.shared.publish(item.take()?).err()?;
                    Some(refused.map(|back| item = Some(back)))
                })
                .map_err(|refused| refused.map(|()| item.expect("a refused item comes back")))
            }
            result => result,
        }
    }

    /// Publishes the first of `items` for which there is room, removes them, and says how many:
    /// by one turn, and with one wake-up, however many there are.
    ///
    /// # Errors
    ///
    /// As [`Producer::try_publish`], if there is not room for one.
    pub fn try_publish_many(&self, items: &mut Vec<T>) -> Result<usize, PublishError<()>> {
        self.shared.publish_many(items)
    }

    /// Publishes all `items`, waiting for room; what was published is removed.
    ///
    /// # Errors
    ///
    /// As [`Producer::publish_blocking`]. What is left in `items` was not published.
    ///
    /// # Blocking
    ///
    /// As [`Producer::publish_blocking`].
    pub fn publish_many_blocking(
        &self,
        items: &mut Vec<T>,
        deadline: Option<Instant>,
    ) -> Result<(), PublishError<()>> {
        while !items.is_empty() {
            self.wait(deadline, || self.shared.publish_many(items).err())?;
        }
        Ok(())
    }

    /// Until `attempt` has no objection, or it is closed, or late.
    fn wait(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Option<PublishError<()>>,
    ) -> Result<(), PublishError<()>> {
        let mut attempt = || match attempt() {
            None => Some(Ok(())),
            Some(PublishError::Closed(())) => Some(Err(PublishError::Closed(()))),
            Some(PublishError::Full(())) => None,
        };
        let mut patience = self.shared.strategy().begin();
        loop {
            if let Some(result) = attempt() {
                return result;
            }
            if !patience.wait() {
                break;
            }
        }
        let waiters = self.shared.waiting_producers();
        let mut place = Place::default();
        let result = block_until(deadline, |cx: &mut Context<'_>| {
            if let Some(result) = attempt() {
                place.leave(waiters);
                return Poll::Ready(result);
            }
            place.register(waiters, cx.waker());
            self.shared.arm_producer();
            match attempt() {
                Some(result) => {
                    place.give_up(waiters);
                    Poll::Ready(result)
                }
                None => Poll::Pending,
            }
        });
        place.give_up(waiters);
        result.unwrap_or(Err(PublishError::Full(())))
    }

    /// The ring, for consumers to join.
    pub fn ring(&self) -> Ring<T> {
        Ring::new(self.shared.clone())
    }

    /// True once the ring is closed. It stays so.
    pub fn is_closed(&self) -> bool {
        self.shared.state() & CLOSED != 0
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.shared.add_producer();
        Self { shared: self.shared.clone() }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.leave_producer();
    }
}

/// The ring itself: lets consumers join at any time, and closes it. Keeps nothing open.
pub struct Ring<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Ring<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// A consumer that gets all that is published from now on, and that producers wait for from
    /// now on.
    ///
    /// It leaves when it is dropped, by a panic too. One that is leaked never leaves, and stops
    /// the producers when they are a ring ahead.
    pub fn join(&self) -> Consumer<T> {
        Consumer::new(self.shared.clone(), Vec::new())
    }

    /// The same, but it gets an entry only after all of `others` have released it. When one of
    /// them leaves, it comes after those that one came after.
    ///
    /// # Errors
    ///
    /// [`ForeignConsumer`]: one of `others` reads another ring.
    pub fn join_after(&self, others: &[&Consumer<T>]) -> Result<Consumer<T>, ForeignConsumer> {
        if others.iter().any(|other| !other.reads(&self.shared)) {
            return Err(ForeignConsumer);
        }
        let before = others.iter().map(|other| other.cursor()).collect();
        Ok(Consumer::new(self.shared.clone(), before))
    }

    /// Closes the ring: producers that wait get their items back, further ones are refused, and
    /// consumers come to the end after what is published.
    pub fn close(&self) {
        self.shared.close();
    }

    /// How many consumers there are; it may have changed by now.
    pub fn consumers(&self) -> usize {
        self.shared.consumers()
    }

    /// How many entries it holds at most.
    pub fn capacity(&self) -> usize {
        self.shared.capacity() as usize
    }
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}
