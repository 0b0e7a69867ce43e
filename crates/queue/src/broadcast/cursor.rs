//! How far each consumer has come, and whom it comes after.

use crate::barrier::Arc;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use std::sync::PoisonError;

/// What others see of a consumer. A line of its own: it is written for every batch.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Cursor {
    /// All entries below have been released. Written by the consumer alone.
    position: AtomicU64,
    gone: AtomicBool,
    /// Once it is gone: those it came after, which is whom its followers come after from now on.
    before: Mutex<Vec<Arc<Cursor>>>,
}

impl Cursor {
    pub(super) fn new(position: u64) -> Self {
        Self {
            position: AtomicU64::new(position),
            gone: AtomicBool::new(false),
            before: Mutex::new(Vec::new()),
        }
    }

    /// Acquire: what the consumer did with the entries below comes before.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Release: see there.
    #[inline]
    pub(super) fn release(&self, position: u64) {
        self.position.store(position, Ordering::Release);
    }

    /// The consumer leaves; its followers come after those it came after itself.
    pub(super) fn leave(&self, before: Vec<Arc<Cursor>>) {
        *self.before() = before;
        // Release: pairs with the Acquire in `settle`.
        self.gone.store(true, Ordering::Release);
    }

    fn before(&self) -> MutexGuard<'_, Vec<Arc<Cursor>>> {
        // Nothing is left half done in there.
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts in the place of consumers that are gone those they came after. Called for every look, so
/// that chains of the gone do not grow.
pub(super) fn settle(before: &mut Vec<Arc<Cursor>>) {
    while let Some(at) = before.iter().position(|cursor| cursor.gone.load(Ordering::Acquire)) {
        let gone = before.swap_remove(at);
        before.extend(gone.before().iter().cloned());
    }
}
