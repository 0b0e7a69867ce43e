//! The half that puts.

use std::fmt;
use std::hash::Hash;
use std::mem;
use std::sync::Arc;

use super::error::PutError;
use super::slots::{Account, Outcome, Slots};
use crate::meeting::{Meeting, Sending};

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put<V> {
    /// Its key was not queued, and now is, at the end.
    Inserted,
    /// It took the place of this one.
    Replaced(V),
}

/// The half that puts: clones of it do so from any number of threads. The queue closes when the
/// last one is gone.
pub struct Sender<K, V> {
    hold: Sending<Slots<K, V>>,
}

impl<K: Hash + Eq, V> Sender<K, V> {
    pub(super) fn new(meeting: Arc<Meeting<Slots<K, V>>>) -> Self {
        Self { hold: Sending::new(meeting) }
    }

    /// Puts the latest value of a key. Never waits for the receiver.
    ///
    /// # Errors
    ///
    /// All of [`PutError`], with key and value.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::keyed::{self, Put, PutError};
    /// let (sender, _receiver) = keyed::queue(1)?;
    /// assert_eq!(sender.put('a', 1)?, Put::Inserted);
    /// assert_eq!(sender.put('b', 1), Err(PutError::Full('b', 1)));
    /// assert_eq!(sender.put('a', 2)?, Put::Replaced(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn put(&self, key: K, value: V) -> Result<Put<V>, PutError<K, V>> {
        let outcome = self.hold.lock().put(key, value, mem::replace);
        self.told(outcome)
    }

    /// Puts a value that becomes one with the queued one of its key, by `fold`. That runs under the
    /// queue's lock: it should be quick, and must not use the queue.
    ///
    /// # Errors
    ///
    /// All of [`PutError`], with key and value.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::keyed;
    /// let (sender, mut receiver) = keyed::queue(100)?;
    /// for path in ["/", "/about", "/"] {
    ///     sender.fold(path, 1, |hits, more| *hits += more)?;
    /// }
    /// let entry = receiver.try_recv()?;
    /// assert_eq!((entry.key, entry.value, entry.replaced), ("/", 2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn fold(
        &self,
        key: K,
        value: V,
        fold: impl FnOnce(&mut V, V),
    ) -> Result<Put<()>, PutError<K, V>> {
        let outcome = self.hold.lock().put(key, value, fold);
        self.told(outcome)
    }

    /// Wakes the receiver if there is something new for it.
    #[inline]
    fn told<R>(&self, outcome: Outcome<K, V, R>) -> Result<Put<R>, PutError<K, V>> {
        match outcome {
            Outcome::Inserted => {
                if self.hold.receiver.waiting() > 0 {
                    self.hold.receiver.wake(1);
                }
                Ok(Put::Inserted)
            }
            Outcome::Met(old) => Ok(Put::Replaced(old)),
            Outcome::Full(key, value) => Err(PutError::Full(key, value)),
            Outcome::Closed(key, value) => Err(PutError::Closed(key, value)),
        }
    }

    /// How many keys are queued, as of some moment.
    pub fn len(&self) -> usize {
        self.hold.lock().len()
    }

    /// Whether none is queued, as of some moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of all values so far.
    pub fn account(&self) -> Account {
        self.hold.lock().account()
    }

    /// Ends the queue for all senders; what is queued can still be received.
    pub fn close(&self) {
        self.hold.close();
    }

    /// True once either side has closed it. It stays so.
    pub fn is_closed(&self) -> bool {
        self.hold.lock().closed
    }
}

impl<K, V> Clone for Sender<K, V> {
    fn clone(&self) -> Self {
        Self { hold: self.hold.clone() }
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Sender<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}
