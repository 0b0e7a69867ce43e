//! One subscription at one look, and what became of its messages.

use std::time::Duration;

use floodway::{Account, EndReason, Filter, Limits, LossReason, Losses};

use crate::advisory::ADVISORY_SLOW;
use crate::snapshot::{QuerySnapshot, SubscriptionSnapshot};

/// What became of the messages that are no longer queued.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) losses: Losses,
    pub(crate) conflated: u64,
    pub(crate) expired: u64,
}

impl Counts {
    fn of(account: &Account) -> Self {
        Self {
            delivered: account.delivered(),
            losses: account.losses(),
            conflated: account.conflated(),
            expired: account.expired(),
        }
    }

    /// Messages lost, replaced or expired.
    pub(super) fn troubles(&self) -> u64 {
        self.losses.total() + self.conflated + self.expired
    }

    /// All of them together.
    pub(crate) fn total(&self) -> u64 {
        self.delivered + self.troubles()
    }

    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.losses.add(&other.losses);
        self.conflated += other.conflated;
        self.expired += other.expired;
    }

    /// Only what came after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut losses = Losses::default();
        for reason in LossReason::ALL {
            losses.count(reason, self.losses.of(reason).saturating_sub(earlier.losses.of(reason)));
        }
        Self {
            delivered: self.delivered.saturating_sub(earlier.delivered),
            losses,
            conflated: self.conflated.saturating_sub(earlier.conflated),
            expired: self.expired.saturating_sub(earlier.expired),
        }
    }

    /// Counts never go back; where they seem to, another subscription has taken the name over.
    pub(super) fn continues(&self, earlier: &Self) -> bool {
        self.delivered >= earlier.delivered && self.troubles() >= earlier.troubles()
    }
}

/// One subscription at one look.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) sid: String,
    pub(super) subject: String,
    pub(super) query: Option<QuerySnapshot>,
    pub(super) policy: &'static str,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    pub(super) queued: u64,
    pub(super) queued_bytes: u64,
    pub(super) age: Duration,
    /// Why it was ended while its session goes on; once nothing of it is queued any more.
    pub(super) end: Option<EndReason>,
}

impl Seen {
    fn of(one: &SubscriptionSnapshot) -> Self {
        Self {
            sid: one.sid.clone(),
            subject: one.subject.clone(),
            query: one.query.clone(),
            policy: one.policy,
            limits: one.limits,
            counts: Counts::of(&one.account),
            queued: one.account.queued(),
            queued_bytes: one.account.queued_bytes(),
            age: one.oldest_age.unwrap_or_default(),
            end: one.end.clone().filter(|_| one.account.queued() == 0),
        }
    }

    /// Bytes of its texts.
    pub(super) fn text_bytes(&self) -> usize {
        let query = self.query.as_ref().map_or(0, |query| query.text.len());
        self.sid.capacity() + self.subject.capacity() + query
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.sid, &self.subject)
    }

    fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.queued += other.queued;
        self.queued_bytes += other.queued_bytes;
        self.age = self.age.max(other.age);
        // One that has ended, and its successor.
        self.end = self.end.take().filter(|_| other.end.is_some());
    }

    pub(super) fn gets_advisories(&self) -> bool {
        Filter::new(&self.subject).is_ok_and(|filter| filter.matches(ADVISORY_SLOW.as_bytes()))
    }
}

/// The one of a name and filter, among those that [`sorted`] made.
pub(super) fn find<'s>(seen: &'s [Seen], key: (&str, &str)) -> Option<&'s Seen> {
    seen.binary_search_by(|one| one.key().cmp(&key)).ok().map(|at| &seen[at])
}

/// By name and filter, each once: a client may use a name again while messages of its first use
/// are still queued, and from outside the two look alike.
pub(super) fn sorted<'s>(some: impl Iterator<Item = &'s SubscriptionSnapshot>) -> Vec<Seen> {
    let mut seen: Vec<_> = some.map(Seen::of).collect();
    seen.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
    seen.dedup_by(|next, kept| {
        let same = next.key() == kept.key();
        if same {
            kept.merge(next);
        }
        same
    });
    seen
}
