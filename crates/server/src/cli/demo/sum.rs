//! What became of every quote that matched a consumer's subscription.

use floodway_broker::SessionSnapshot;

/// The terms of the law: `matched = delivered + lost + conflated + expired + queued`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) matched: u64,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) conflated: u64,
    pub(super) expired: u64,
    pub(super) queued: u64,
}

impl Sum {
    /// As the server counted for a connection, with each of its subscriptions.
    pub(super) fn of(session: &SessionSnapshot) -> Sum {
        // Counted from the queues themselves: as a difference it would hold whatever is counted.
        let queued = session.subscriptions.iter().map(|one| one.account.queued());
        Sum {
            matched: session.matched,
            delivered: session.out_messages,
            lost: session.losses.total(),
            conflated: session.conflated,
            expired: session.expired,
            queued: queued.sum(),
        }
    }

    /// Quotes that are in one of the places.
    pub(super) fn accounted(&self) -> u64 {
        self.delivered + self.lost + self.conflated + self.expired + self.queued
    }

    /// Whether every quote is.
    pub(super) fn holds(&self) -> bool {
        self.matched == self.accounted()
    }
}
