//! What is lent to the reader, who receives it from there.

use floodway_queue::line::Lent;

use super::{Backlog, Held};
use crate::overflow::{Depth, Policy};

impl<T: Held> Backlog<T> {
    /// What was lent, and has not been taken back. Some of it may have been received since.
    #[inline]
    pub(crate) fn lent(&self) -> Depth {
        self.lent
    }

    /// What is queued, of what was lent all of it.
    #[inline]
    pub(crate) fn queued_at_most(&self) -> Depth {
        let (Depth { messages, bytes }, lent) = (self.depth(), self.lent);
        Depth { messages: messages + lent.messages, bytes: bytes + lent.bytes }
    }

    /// Whether there is something that may be lent: nobody but the reader has anything to do with
    /// it, and there is room for some more until a limit is reached.
    #[inline]
    pub(crate) fn may_lend(&self) -> bool {
        let is_left_alone = match self.overflow.policy {
            Policy::Disconnect | Policy::DropNewest | Policy::DropOldest => {
                self.overflow.limits.ttl.is_none() && self.line.may_lend()
            }
            Policy::Conflate(_)
            | Policy::Merge(_)
            | Policy::Custom(_)
            | Policy::Block { .. }
            | Policy::Throttle { .. } => false,
        };
        let most = self.overflow.most();
        let all_but_an_eighth = |limit: u64| limit - limit / 8;
        let far_from_limits = Depth {
            messages: all_but_an_eighth(most.messages),
            bytes: all_but_an_eighth(most.bytes),
        };
        is_left_alone && !self.line.is_empty() && self.line.depth().is_within(far_from_limits)
    }

    /// Lends everything queued, of which [`Backlog::may_lend`].
    #[inline]
    pub(crate) fn lend(&mut self, to: &mut Lent<T>) {
        self.lent = self.line.lend(to);
    }

    /// Takes back to the front what has not been received.
    #[inline]
    pub(crate) fn take_back(&mut self, from: &mut Lent<T>) {
        self.line.take_back(from);
        self.lent = Depth::default();
    }
}
