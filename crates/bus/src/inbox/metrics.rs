//! What is to be known of one subscription.

use std::time::{Duration, Instant};

use super::Inbox;
use super::clock::millis;
use crate::account::Account;
use crate::directory::SubscriptionId;
use crate::end::EndReason;
use crate::overflow::Limits;
use crate::payload::Carried;

/// The state of one subscription, as of one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionMetrics {
    /// Its number.
    pub id: SubscriptionId,
    /// Its name, or its filter if it has none.
    pub name: String,
    /// Its filter.
    pub filter: String,
    /// The name of its policy.
    pub policy: &'static str,
    /// Its limits.
    pub limits: Limits,
    /// What became of every message that matched: queued, delivered, lost by reason.
    pub account: Account,
    /// The most messages that were ever queued.
    pub high_water: u64,
    /// The age of the first message in line.
    pub oldest: Option<Duration>,
    /// For how long its consumer has taken nothing of what is queued.
    pub stalled: Duration,
    /// Whether more is queued than its mark, half its limits.
    pub is_over_mark: bool,
    /// Publishers that wait for room in it.
    pub waiting_publishers: u32,
    /// Why it ended, if it did.
    pub ended: Option<EndReason>,
}

impl<P: Carried + ?Sized> Inbox<P> {
    pub(crate) fn metrics(&self, now: Instant) -> SubscriptionMetrics {
        self.whole(|state| {
            let overflow = state.backlog.overflow();
            let is_empty = state.backlog.is_empty();
            let age = self.clock.age(now);
            let stalled = Duration::from_nanos(age.saturating_sub(state.progress));
            SubscriptionMetrics {
                id: self.id(),
                name: self.name(),
                filter: self.filter.to_string(),
                policy: overflow.policy.name(),
                limits: overflow.limits,
                account: state.account.clone(),
                high_water: state.high_water,
                oldest: state.backlog.oldest(millis(age)),
                stalled: if is_empty { Duration::ZERO } else { stalled },
                is_over_mark: state.ended.is_none() && self.over_mark(state, false),
                waiting_publishers: self.room.waiting(),
                ended: state.ended.as_deref().cloned(),
            }
        })
    }
}
