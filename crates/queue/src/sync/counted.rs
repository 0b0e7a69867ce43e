//! Atomics that count how often this thread uses them.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::atomic::{self, Ordering};

thread_local! {
    static USES: Cell<u64> = const { Cell::new(0) };
}

/// How many operations on atomics and fences this thread has made so far.
pub(crate) fn uses() -> u64 {
    USES.get()
}

/// Every method of an atomic is reached through `deref`, which is where it is counted.
#[derive(Debug)]
pub(crate) struct Counted<A>(A);

impl<A> Deref for Counted<A> {
    type Target = A;

    fn deref(&self) -> &A {
        USES.set(USES.get() + 1);
        &self.0
    }
}

pub(crate) type AtomicBool = Counted<atomic::AtomicBool>;
pub(crate) type AtomicU32 = Counted<atomic::AtomicU32>;
pub(crate) type AtomicU64 = Counted<atomic::AtomicU64>;
pub(crate) type AtomicPtr<T> = Counted<atomic::AtomicPtr<T>>;

impl AtomicBool {
    pub(crate) const fn new(value: bool) -> Self {
        Self(atomic::AtomicBool::new(value))
    }
}

impl AtomicU32 {
    pub(crate) const fn new(value: u32) -> Self {
        Self(atomic::AtomicU32::new(value))
    }
}

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(atomic::AtomicU64::new(value))
    }
}

impl<T> AtomicPtr<T> {
    pub(crate) const fn new(value: *mut T) -> Self {
        Self(atomic::AtomicPtr::new(value))
    }
}

pub(crate) fn fence(order: Ordering) {
    USES.set(USES.get() + 1);
    atomic::fence(order);
}
