//! References to a message that is about to go to many.
//!
//! A reader lets go of its reference soon after it got it, on another CPU. If the publisher counted
//! one after the other, as it hands them out, that count would go back and forth between the two
//! for every reader. So it takes some ahead, as long as nobody else has one.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::message::SharedMessage;
use crate::payload::Carried;

/// Taken at a time: a few more than the readers that most messages have.
const AT_ONCE: usize = 16;

/// See the [module header](self).
pub(crate) struct Stock<P: Carried + ?Sized> {
    references: RefCell<ArrayVec<Arc<SharedMessage<P>>, AT_ONCE>>,
    /// How many more will be asked for, about.
    wanted: Cell<usize>,
}

impl<P: Carried + ?Sized> Stock<P> {
    /// Of a message that so many will ask for.
    #[inline]
    pub(crate) fn of(wanted: usize) -> Self {
        Self { references: RefCell::default(), wanted: Cell::new(wanted) }
    }

    /// One more reference to the message, which is always the same.
    #[inline]
    pub(crate) fn take(&self, message: &Arc<SharedMessage<P>>) -> Arc<SharedMessage<P>> {
        let mut references = self.references.borrow_mut();
        if let Some(reference) = references.pop() {
            return reference;
        }
        let wanted = self.wanted.get();
        let ahead = wanted.saturating_sub(1).min(AT_ONCE);
        self.wanted.set(wanted.saturating_sub(1 + ahead));
        references.extend((0..ahead).map(|_| message.clone()));
        message.clone()
    }
}
