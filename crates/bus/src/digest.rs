//! What a delivered message stands for, under [`crate::Policy::Merge`].

use std::fmt;
use std::time::Instant;

use crate::budget::{Budget, Charge};

/// Messages of one key as one: how many, of which time, and what their numbers come to.
///
/// See [`crate::Merge`] for an example.
pub struct Digest {
    count: u64,
    first: Instant,
    last: Instant,
    numbers: Numbers,
    /// Of its memory.
    charge: Charge,
}

/// Of all messages of a digest that have a number: those numbers, as far as `f64` has them
/// exactly. All of them are finite, but a sum too large for `f64` is infinite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Numbers {
    /// How many there are.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// That of the latest message that has one.
    pub last: f64,
}

impl Digest {
    /// Of a single message.
    pub(crate) fn of(number: Option<f64>, at: Instant, budget: &Budget) -> Self {
        let mut digest = Self::unknown(1, at, budget);
        number.into_iter().for_each(|number| digest.numbers.add(number));
        digest
    }

    /// Of messages that were queued under another policy, which did not look for numbers.
    pub(crate) fn unknown(count: u64, at: Instant, budget: &Budget) -> Self {
        let charge = budget.charge(size_of::<Self>());
        Self { count, first: at, last: at, numbers: Numbers::default(), charge }
    }

    /// Counts one message more.
    pub(crate) fn add(&mut self, number: Option<f64>, at: Instant) {
        self.count += 1;
        // Of two publishers the one that looked at its clock first may come second.
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        number.into_iter().for_each(|number| self.numbers.add(number));
    }

    /// How many messages it stands for, the delivered one included: one more than
    /// [`crate::Delivery::replaced`].
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the first of them was published.
    pub fn first(&self) -> Instant {
        self.first
    }

    /// When the last of them was published; of one message, the same as [`Digest::first`].
    pub fn last(&self) -> Instant {
        self.last
    }

    /// What their numbers come to, if the fold is [`crate::Fold::Numbers`] and one of them has a
    /// number.
    pub fn numbers(&self) -> Option<Numbers> {
        (self.numbers.count > 0).then_some(self.numbers)
    }

    /// How many of them are not in [`Digest::numbers`]: there is no number where it was to be, or
    /// one that is not finite. All of them, if the fold looks for no numbers.
    pub fn without_number(&self) -> u64 {
        self.count - self.numbers.count
    }
}

impl Clone for Digest {
    fn clone(&self) -> Self {
        Self { charge: self.charge.budget().charge(self.charge.bytes()), ..*self }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest")
            .field("count", &self.count)
            .field("over", &self.last.duration_since(self.first))
            .field("numbers", &self.numbers())
            .finish()
    }
}

impl Numbers {
    fn add(&mut self, number: f64) {
        if self.count == 0 {
            *self = Self { count: 1, sum: number, min: number, max: number, last: number };
            return;
        }
        self.count += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.last = number;
    }

    /// The sum over the count.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}
