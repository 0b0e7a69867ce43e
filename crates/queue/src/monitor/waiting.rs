//! Those who wait for a change, under the lock of what changes.

use std::num::NonZeroU64;
use std::task::Waker;

/// What [`super::Monitor::poll`] knows a waiter by.
#[derive(Debug, Default)]
pub struct Registration {
    /// None as well once what it waited for was found.
    key: Option<Key>,
}

impl Registration {
    pub(super) fn is_some(&self) -> bool {
        self.key.is_some()
    }
}

/// Rising with time, never used twice: a registration that was woken finds none of its own.
type Key = NonZeroU64;

/// Those who came before the last, in this order.
type Earlier = Vec<(Key, Waker)>;

/// Mostly there is one, who needs no memory beside the state.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The one who came last.
    last: Option<Waker>,
    /// The key of the last who came, whether it still waits or not.
    issued: u64,
    /// Mostly none: a word in each state, instead of three.
    earlier: Option<Box<Earlier>>,
}

/// Who waited, to be woken once no lock is held.
#[derive(Debug)]
#[must_use = "those who waited sleep on"]
pub struct Woken {
    last: Option<Waker>,
    earlier: Option<Box<Earlier>>,
}

impl Woken {
    /// Wakes them, in the order they came.
    #[inline]
    pub fn wake(self) {
        if let Some(earlier) = self.earlier {
            earlier.into_iter().for_each(|(_, waker)| waker.wake());
        }
        if let Some(waker) = self.last {
            waker.wake();
        }
    }
}

impl Waiting {
    /// Whether somebody waits.
    #[inline]
    pub(super) fn is_some(&self) -> bool {
        self.last.is_some() || self.earlier.is_some()
    }

    /// All who wait; none of them does any more.
    #[inline]
    pub(super) fn take_all(&mut self) -> Woken {
        Woken { last: self.last.take(), earlier: self.earlier.take() }
    }

    /// Whether it is registered, and with that waker.
    #[inline]
    pub(super) fn has(&mut self, registration: &Registration, waker: &Waker) -> bool {
        self.find(registration).is_some_and(|registered| registered.will_wake(waker))
    }

    /// Registers, or gives the registration another waker. The caller drops the old one.
    #[inline]
    pub(super) fn register(
        &mut self,
        registration: &mut Registration,
        waker: Waker,
    ) -> Option<Waker> {
        if let Some(registered) = self.find(registration) {
            return Some(std::mem::replace(registered, waker));
        }
        if let (Some(earlier), Some(key)) = (self.last.take(), Key::new(self.issued)) {
            self.earlier.get_or_insert_default().push((key, earlier));
        }
        self.issued += 1;
        self.last = Some(waker);
        registration.key = Key::new(self.issued);
        None
    }

    /// Takes a registration back, if it was not woken. The caller drops the waker.
    #[inline]
    pub(super) fn remove(&mut self, registration: &mut Registration) -> Option<Waker> {
        let key = registration.key.take()?;
        if key.get() == self.issued {
            return self.last.take();
        }
        let earlier = self.earlier.as_deref_mut()?;
        let at = earlier.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(earlier.remove(at).1)
    }

    #[inline]
    fn find(&mut self, registration: &Registration) -> Option<&mut Waker> {
        let key = registration.key?;
        if key.get() == self.issued {
            return self.last.as_mut();
        }
        let earlier = self.earlier.as_deref_mut()?;
        let at = earlier.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&mut earlier[at].1)
    }
}
