//! Where many senders meet one receiver: a state behind a short lock, and who waits for it.
//!
//! No wake-up is lost, without a fence or a flag: whoever waits registers first and then looks at
//! the state under the lock, and whoever changes the state does so under the same lock and wakes
//! afterwards. Of the two that had the lock, the later one knows of the other: a changer sees the
//! registration, or a waiter sees the change.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::brief::{Brief, Held};
use crate::sync::{AtomicU32, Lull, Ordering};
use crate::waiters::{Place, Waiters, block_until};

/// A state that either side can end.
pub(crate) trait Ends {
    /// Nothing more is taken in; what is queued stays.
    fn close(&mut self);
}

/// See the [module header](self).
#[derive(Debug)]
pub(crate) struct Meeting<S> {
    state: Brief<S>,
    pub(crate) receiver: Waiters,
    pub(crate) senders: Waiters,
    /// How many handles can send.
    sending: AtomicU32,
}

impl<S> Meeting<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state: Brief::new(state),
            receiver: Waiters::new(),
            senders: Waiters::new(),
            sending: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Held<'_, S> {
        // Code of the user that panics under the lock leaves at most its own item half changed;
        // refusing everybody else for ever would make its defect all of theirs.
        self.state.lock()
    }
}

impl<S: Ends> Meeting<S> {
    /// Ends it for both sides.
    pub(crate) fn close(&self) {
        self.lock().close();
        self.wake_everybody();
    }

    /// It has ended, so that nobody has anything to wait for.
    #[cold]
    pub(crate) fn wake_everybody(&self) {
        self.receiver.wake_all();
        self.senders.wake_all();
    }
}

/// A right to send: the last one that goes closes.
#[derive(Debug)]
pub(crate) struct Sending<S: Ends>(Arc<Meeting<S>>);

impl<S: Ends> Sending<S> {
    pub(crate) fn new(meeting: Arc<Meeting<S>>) -> Self {
        // Relaxed: whoever is counted may count another; passing it on orders the rest.
        let others = meeting.sending.fetch_add(1, Ordering::Relaxed);
        // A count that wraps would close too early. Nobody has 2^31 handles but by leaking.
        assert!(others < u32::MAX / 2, "more than 2^31 senders");
        Self(meeting)
    }
}

impl<S: Ends> Clone for Sending<S> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<S: Ends> std::ops::Deref for Sending<S> {
    type Target = Meeting<S>;

    #[inline]
    fn deref(&self) -> &Meeting<S> {
        &self.0
    }
}

impl<S: Ends> Drop for Sending<S> {
    fn drop(&mut self) {
        // AcqRel: the last one closes after all that others have sent.
        if self.0.sending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close();
        }
    }
}

/// What a receiver found when it looked.
pub(crate) enum Look<R> {
    /// What it waits for, or the end.
    Found(R),
    /// Nothing, and there is nothing else to do.
    Nothing,
    /// Nothing, but it tidied up and is not done with that.
    Tidying,
}

/// The only one that receives.
#[derive(Debug)]
pub(crate) struct Receiving<S: Ends> {
    meeting: Arc<Meeting<S>>,
    place: Place,
}

impl<S: Ends> Receiving<S> {
    pub(crate) fn new(meeting: Arc<Meeting<S>>) -> Self {
        Self { meeting, place: Place::default() }
    }

    /// Ready with what `look` finds, or pending and registered.
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&Meeting<S>) -> Look<R>,
    ) -> Poll<R> {
        let mut seen = look(&self.meeting);
        if matches!(seen, Look::Nothing) {
            self.place.register(&self.meeting.receiver, cx.waker());
            seen = look(&self.meeting);
        }
        match seen {
            Look::Found(found) => {
                self.place.leave(&self.meeting.receiver);
                Poll::Ready(found)
            }
            Look::Nothing => Poll::Pending,
            Look::Tidying => {
                // Bit by bit, so that what comes meanwhile does not wait for all of it.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Blocks until `look` finds something; `None` at the deadline.
    pub(crate) fn block<R>(
        &mut self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&Meeting<S>) -> Look<R>,
    ) -> Option<R> {
        let mut lull = Lull::default();
        loop {
            if let Look::Found(found) = look(&self.meeting) {
                return Some(found);
            }
            if !lull.spin() {
                break;
            }
        }
        let found = block_until(deadline, |cx| self.poll(cx, &mut look));
        if found.is_none() {
            self.leave();
        }
        found
    }

    /// Does not want to be woken any more.
    pub(crate) fn leave(&mut self) {
        self.place.leave(&self.meeting.receiver);
    }
}

impl<S: Ends> std::ops::Deref for Receiving<S> {
    type Target = Meeting<S>;

    #[inline]
    fn deref(&self) -> &Meeting<S> {
        &self.meeting
    }
}
