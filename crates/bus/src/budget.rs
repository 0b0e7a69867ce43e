//! One memory budget for a whole process.
//!
//! Limits per queue multiply: a thousand consumers that may each hold 64 MiB are an out-of-memory
//! kill. So whatever is queued anywhere is also charged here. At 80 % new subscriptions are
//! refused; before it would run over, the largest queue is ended ([`crate::Bus::make_room`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// How full the budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// Below 80 %.
    Calm,
    /// From 80 %: no new subscriptions.
    High,
    /// At or over 100 %: somebody has to go.
    Full,
}

#[derive(Debug)]
struct State {
    limit: u64,
    used: AtomicU64,
}

/// A count of bytes in use against a limit; clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget {
    state: Arc<State>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { state: Arc::new(State { limit, used: AtomicU64::new(0) }) }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.state.limit
    }

    /// Bytes in use now. Other threads change it at any time.
    pub fn used(&self) -> u64 {
        self.state.used.load(Ordering::Relaxed)
    }

    /// How full it is now.
    pub fn pressure(&self) -> Pressure {
        let (used, limit) = (u128::from(self.used()), u128::from(self.limit()));
        if used >= limit {
            Pressure::Full
        } else if used * 10 >= limit * 8 {
            Pressure::High
        } else {
            Pressure::Calm
        }
    }

    /// Whether `more` bytes would run over the limit.
    #[inline]
    pub fn would_exceed(&self, more: u64) -> bool {
        self.used().saturating_add(more) > self.limit()
    }

    /// Counts `bytes` until the guard is dropped.
    pub fn charge(&self, bytes: usize) -> Charge {
        let mut charge = Charge::none(self);
        charge.set(bytes);
        charge
    }

    /// Makes a payload that queues may share. It is charged once, until its last holder drops it.
    pub fn share(&self, payload: Vec<u8>) -> Bytes {
        struct Charged {
            payload: Vec<u8>,
            _charge: Charge,
        }
        impl AsRef<[u8]> for Charged {
            fn as_ref(&self) -> &[u8] {
                &self.payload
            }
        }
        let charge = self.charge(payload.capacity());
        Bytes::from_owner(Charged { payload, _charge: charge })
    }
}

/// Bytes counted against a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Charge {
    /// Counts nothing yet.
    pub(crate) fn none(budget: &Budget) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Changes how much is counted.
    #[inline]
    pub fn set(&mut self, bytes: usize) {
        // Relaxed: a pure count; nothing is published through it.
        let used = &self.budget.state.used;
        if bytes > self.bytes {
            used.fetch_add((bytes - self.bytes) as u64, Ordering::Relaxed);
        } else if bytes < self.bytes {
            used.fetch_sub((self.bytes - bytes) as u64, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// What it counts against.
    #[inline]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What is counted now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_are_exact_and_pressure_turns_at_80_and_100_percent() {
        let budget = Budget::new(1000);
        let mut charge = budget.charge(799);
        assert_eq!(budget.pressure(), Pressure::Calm);
        charge.set(800);
        assert_eq!(budget.pressure(), Pressure::High);
        assert!(!budget.would_exceed(200) && budget.would_exceed(201));
        charge.set(1000);
        assert_eq!(budget.pressure(), Pressure::Full);
        charge.set(10);
        assert_eq!(budget.used(), 10);
        drop(charge);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_shared_payload_counts_once_until_its_last_holder() {
        let budget = Budget::new(1000);
        let first = budget.share(vec![0; 100]);
        let second = first.slice(50..);
        drop(first);
        assert_eq!(budget.used(), 100);
        drop(second);
        assert_eq!(budget.used(), 0);
    }
}
