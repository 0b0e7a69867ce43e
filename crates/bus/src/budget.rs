//! One memory budget for a whole process.
//!
//! Limits per queue multiply: a thousand consumers that may each hold 64 MiB are an out-of-memory
//! kill. So whatever is queued anywhere is also charged here. At 80 % new subscriptions are
//! refused; before it would run over, the largest queue is ended ([`crate::Bus::make_room`]).
//!
//! Everybody who publishes counts here, and so does everybody who has read. One number for all of
//! them would be the one place where publishers on different subjects meet. So each thread counts
//! in a part of its own, and a part that has come to much moves it to the sum; whether there is
//! room is seen from the sum alone, except near the limit. Parts and sum together are exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

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

/// Parts: more than the threads that publish or read at once.
const PARTS: usize = 16;
/// What a part keeps to itself, at most, as a share of the limit; with all others it is 1/64.
const PART_SHARE: u64 = 64 * PARTS as u64;
/// The same in bytes: more would not be moved less often in a way that matters.
const PART_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug)]
struct Sum {
    limit: u64,
    /// What a part keeps to itself.
    keeps: i64,
    /// What parts have moved here.
    moved: AtomicI64,
}

/// What some threads have counted, less than nothing where they only give back. On lines of its
/// own, so that two parts do not meet in a cache.
#[derive(Debug)]
#[repr(align(128))]
struct Part {
    kept: AtomicI64,
}

impl Part {
    /// Relaxed: pure counts; nothing is published through them.
    #[inline]
    fn count(&self, bytes: i64, sum: &Sum) {
        let kept = self.kept.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if kept.unsigned_abs() > sum.keeps.unsigned_abs() {
            self.move_to(sum, kept);
        }
    }

    #[cold]
    fn move_to(&self, sum: &Sum, kept: i64) {
        // In the order in which a look between the two sees too much rather than too little.
        if kept > 0 {
            sum.moved.fetch_add(kept, Ordering::SeqCst);
            self.kept.fetch_sub(kept, Ordering::SeqCst);
        } else {
            self.kept.fetch_sub(kept, Ordering::SeqCst);
            sum.moved.fetch_add(kept, Ordering::SeqCst);
        }
    }
}

#[derive(Debug)]
struct State {
    sum: Sum,
    parts: [Part; PARTS],
}

/// The part that this thread counts in.
fn own_part() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PART: usize = THREADS.fetch_add(1, Ordering::Relaxed) % PARTS;
    }
    PART.with(|part| *part)
}

/// A count of bytes in use against a limit; clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget {
    state: Arc<State>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        let keeps = (limit / PART_SHARE).min(PART_BYTES_MAX) as i64;
        let part = |_| Part { kept: AtomicI64::new(0) };
        let sum = Sum { limit, keeps, moved: AtomicI64::new(0) };
        Self { state: Arc::new(State { sum, parts: std::array::from_fn(part) }) }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.state.sum.limit
    }

    /// Bytes in use now. Other threads change it at any time.
    pub fn used(&self) -> u64 {
        let State { sum, parts } = &*self.state;
        let kept: i64 = parts.iter().map(|part| part.kept.load(Ordering::SeqCst)).sum();
        u64::try_from(kept + sum.moved.load(Ordering::SeqCst)).unwrap_or(0)
    }

    /// At most so many bytes are in use, whatever the parts keep; mostly that is all one has to
    /// know.
    #[inline]
    fn used_at_most(&self) -> u64 {
        let sum = &self.state.sum;
        let most = sum.moved.load(Ordering::Relaxed) + sum.keeps * PARTS as i64;
        u64::try_from(most).unwrap_or(0)
    }

    /// How full it is now.
    pub fn pressure(&self) -> Pressure {
        let limit = u128::from(self.limit());
        if u128::from(self.used_at_most()) * 10 < limit * 8 {
            return Pressure::Calm;
        }
        let used = u128::from(self.used());
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
        let exceeds = |used: u64| used.saturating_add(more) > self.limit();
        exceeds(self.used_at_most()) && exceeds(self.used())
    }

    /// Counts `bytes` until the guard is dropped.
    pub fn charge(&self, bytes: usize) -> Charge {
        let mut charge = Charge { budget: self.clone(), bytes: 0 };
        charge.set(bytes);
        charge
    }

    /// Counts bytes, or less than none, in the part of this thread; the caller counts them back.
    #[inline]
    pub(crate) fn count(&self, bytes: i64) {
        let State { sum, parts } = &*self.state;
        parts[own_part()].count(bytes, sum);
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
    /// Changes how much is counted.
    #[inline]
    pub fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.budget.count(bytes as i64 - self.bytes as i64);
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

    #[test]
    fn what_threads_count_for_each_other_comes_out_even() {
        let budget = Budget::new(1 << 20);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for bytes in 0..10_000 {
                    sender.send((budget.charge(bytes % 3000), budget.charge(bytes % 7))).unwrap();
                }
                drop(sender);
            });
            scope.spawn(|| receiver.into_iter().for_each(drop));
        });
        assert_eq!((budget.used(), budget.pressure()), (0, Pressure::Calm));
    }

    #[test]
    fn near_the_limit_every_byte_counts() {
        // Parts keep up to 1 KiB of it to themselves.
        let budget = Budget::new(1 << 20);
        let most = budget.charge((1 << 20) - 500);
        let (first, second) = (budget.charge(300), budget.charge(200));
        assert_eq!(budget.used(), 1 << 20);
        assert_eq!(budget.pressure(), Pressure::Full);
        drop((first, second));
        assert!(!budget.would_exceed(500) && budget.would_exceed(501));
        drop(most);
        assert!(!budget.would_exceed(1 << 20) && budget.would_exceed((1 << 20) + 1));
    }
}
