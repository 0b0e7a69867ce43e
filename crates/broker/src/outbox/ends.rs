//! Subscriptions that were ended while their session goes on: announced, and remembered.

use std::collections::VecDeque;
use std::time::Instant;

use floodway::EndReason;

use super::slots::{Slot, Vacated};
use super::{Outbox, Retired};
use crate::snapshot::SubscriptionSnapshot;

/// Ended subscriptions of one session that are shown; the latest ones, half a kilobyte each.
const REMEMBERED: usize = 16;

/// See the [module header](self). Most sessions never need it.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// As they were when they ended; still to be announced.
    announce: Vec<SubscriptionSnapshot>,
    /// How many there were.
    pub(super) count: u64,
    /// Those that are drained by now.
    pub(super) gone: VecDeque<Slot>,
}

impl Ends {
    /// Books a subscription that is gone, and remembers it if it was ended.
    pub(super) fn book(ends: &mut Option<Box<Self>>, retired: &mut Retired, vacated: Vacated) {
        retired.add(&vacated.account);
        let Some(last) = vacated.last else { return };
        let gone = &mut ends.get_or_insert_default().gone;
        if gone.len() == REMEMBERED {
            gone.pop_front();
        }
        gone.push_back(*last);
    }
}

impl Outbox {
    /// A subscription is being ended by itself: the operators are to hear of it.
    pub(super) fn note_end(&mut self, at: u32, reason: &EndReason, now: Instant) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        slot.special.get_or_insert_default().end.get_or_insert_with(|| reason.clone());
        let snapshot = self.slots.at(at).map(|slot| self.snapshot_of(slot, None, now));
        let ends = self.ends.get_or_insert_default();
        ends.announce.extend(snapshot);
        ends.count += 1;
    }

    /// Whether the end of a subscription is to be announced.
    pub(crate) fn has_announcements(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| !ends.announce.is_empty())
    }

    /// Subscriptions whose end has not been announced yet, as they were then.
    pub(crate) fn take_announcements(&mut self) -> Vec<SubscriptionSnapshot> {
        self.ends.as_mut().map_or_else(Vec::new, |ends| std::mem::take(&mut ends.announce))
    }
}
