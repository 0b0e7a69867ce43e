//! How a message is folded into the queued one of its key.

use std::time::Instant;

use floodway_queue::line::{Stamp, time_between};

use super::keys::PlaceKey;
use super::offer::Intake;
use super::{Backlog, Held};
use crate::budget::Budget;
use crate::digest::Digest;
use crate::message::Message;
use crate::overflow::Policy;

/// What a message and the queued one of its key come to, before it is known whether that fits.
pub(super) struct Merged<T> {
    /// Where the queued one stands.
    pub(super) place: u64,
    pub(super) item: T,
}

impl<T: Held> Backlog<T> {
    /// Folds a message, if its key is queued and the fold makes new payloads.
    pub(super) fn merged(
        &self,
        message: &Message<'_, T::Payload>,
        budget: &Budget,
    ) -> Option<Merged<T>> {
        let Policy::Merge(merge) = &self.overflow.policy else { return None };
        if !merge.fold.makes_payloads() {
            return None;
        }
        let at = self.place_of(&PlaceKey::of(&merge.key, message), message)?;
        let item = self.line.get(at)?.merged(message, &merge.fold, budget)?;
        Some(Merged { place: self.first_place() + at as u64, item })
    }

    /// The digest of a message that is going to be queued, if there is to be one.
    pub(super) fn begin_digest(
        &self,
        held: &mut T,
        message: &Message<'_, T::Payload>,
        intake: &Intake<'_>,
    ) {
        if let Policy::Merge(merge) = &self.overflow.policy
            && let Some(digest) = held.digest()
        {
            let number = merge.fold.number_of(message);
            *digest = Some(Box::new(Digest::of(number, intake.now, intake.budget)));
        }
    }

    /// What a further message is for the digest of the entry at `at`, if there is to be one.
    pub(super) fn addition(
        &self,
        at: usize,
        message: &Message<'_, T::Payload>,
        intake: &Intake<'_>,
    ) -> Option<Addition> {
        let Policy::Merge(merge) = &self.overflow.policy else { return None };
        let number = merge.fold.number_of(message);
        Some(Addition {
            number,
            now: intake.now,
            now_ms: intake.now_ms,
            before: self.line.stamp(at)?,
        })
    }
}

/// What a message is for the digest of the one that it is folded into. Made before anything is
/// changed: to find a number is to call what belongs to the user.
pub(super) struct Addition {
    number: Option<f64>,
    now: Instant,
    now_ms: u32,
    /// Of the one it is folded into.
    before: Stamp,
}

impl Addition {
    /// Takes the digest out of what is held, with the message in it.
    pub(super) fn to<T: Held>(self, held: &mut T, budget: &Budget) -> Option<Box<Digest>> {
        let Self { number, now, now_ms, before } = self;
        let mut digest = held.digest()?.take().unwrap_or_else(|| {
            let age = time_between(before.at_ms, now_ms);
            let queued_at = now.checked_sub(age).unwrap_or(now);
            Box::new(Digest::unknown(u64::from(before.replaced) + 1, queued_at, budget))
        });
        digest.add(number, now);
        Some(digest)
    }
}
