//! Who keeps a mailbox alive: any number of senders and one receiver.
//!
//! An `Arc` would do, but its two counters cost a third cache line, and it does not know who the
//! last sender is. Here the senders are counted, and have one share of the memory among them; the
//! receiver has the other.
//!
//! Invariant: a share is given up by the last that holds it, as the last thing it does with the
//! memory; whoever gives up the second share frees it.
#![expect(unsafe_code, reason = "the last owner frees the mailbox")]

use std::ops::Deref;
use std::ptr::NonNull;

use super::shared::Shared;
use crate::sync::{Ordering, fence};

/// The share of the senders and that of the receiver.
pub(super) const SHARES: u32 = 2;

/// A hold on a mailbox.
pub(super) struct Owner<T> {
    shared: NonNull<Shared<T>>,
    sends: bool,
}

// SAFETY: gives access to a `Shared`, which is `Send` and `Sync` if `T` is `Send`. The last owner
// drops the items that are left, on whichever thread it is: `T: Send` again.
unsafe impl<T: Send> Send for Owner<T> {}
// SAFETY: as above; a shared `Owner` hands out only a shared `Shared`.
unsafe impl<T: Send> Sync for Owner<T> {}

impl<T> Owner<T> {
    /// The first sender and the only receiver.
    pub(super) fn pair(shared: Shared<T>) -> (Self, Self) {
        let shared = NonNull::from(Box::leak(Box::new(shared)));
        (Self { shared, sends: true }, Self { shared, sends: false })
    }

    /// Another sender, made from a sender.
    pub(super) fn clone_sender(&self) -> Self {
        assert!(self.sends, "there is one receiver only");
        // Relaxed: whoever is counted may count another; passing it on orders the rest.
        let senders = self.senders.fetch_add(1, Ordering::Relaxed);
        // A count that wraps would free what is in use. Nobody has 2^31 handles but by leaking.
        assert!(senders < u32::MAX / 2, "more than 2^31 senders");
        Self { shared: self.shared, sends: true }
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        if self.sends {
            // Release, and Acquire for the last one: it closes after all that others have sent.
            if self.senders.fetch_sub(1, Ordering::AcqRel) > 1 {
                return;
            }
            // Nobody can be counted again, as no sender is left to be cloned.
            self.close();
        }
        // Release: what this side did comes before the memory is freed.
        if self.shares.fetch_sub(1, Ordering::Release) == 1 {
            // Pairs with the Release of the other side.
            fence(Ordering::Acquire);
            // SAFETY: from `Box::leak`, and by the invariant nobody else uses it.
            drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
        }
    }
}

impl<T> Deref for Owner<T> {
    type Target = Shared<T>;

    #[inline(always)]
    fn deref(&self) -> &Shared<T> {
        // SAFETY: alive, because the share that this owner has, or has a part of, is not given up.
        unsafe { self.shared.as_ref() }
    }
}
