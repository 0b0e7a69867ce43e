//! Who is slow, since when, and what was done about it.
//!
//! A subscription is slow while its oldest queued message is older than [`SLOW_AFTER`], or while
//! messages of it are lost, replaced or expire. Such a time is a [`SlowEpisode`]. It is over when
//! neither was so for [`RECOVERED_AFTER`], or with the subscription or its session.
//!
//! Whoever owns a session's socket calls [`Registry::watch`](crate::Registry::watch) now and then.
//! That is two loads of an atomic for a session with nothing queued and nothing lost; only for the
//! others the outbox is looked at, at most twice a second.
//!
//! The numbers of an episode are of that time only, and obey the law of conservation as well:
//! what was queued when it began counts as matched in it.

mod log;
mod seen;
mod watch;

use std::cmp;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use floodway::{EndReason, Limits, Losses};

use crate::session::Session;
use crate::snapshot::{QuerySnapshot, SessionSnapshot};
pub(crate) use log::SlowLog;
pub(crate) use watch::Change;
use watch::SlowWatch;

/// A message that waits longer than this makes its subscription slow.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);
/// How long nothing may be wrong before a subscription counts as recovered.
pub const RECOVERED_AFTER: Duration = Duration::from_secs(1);
/// Episodes of one session at once, about half a kilobyte each; the rest is only counted.
pub(crate) const EPISODES_PER_SESSION: usize = 1000;

/// How the slow time of a subscription ended, or that it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlowOutcome {
    /// It is still slow.
    Ongoing,
    /// It has caught up.
    Recovered,
    /// The client gave the subscription up.
    Unsubscribed,
    /// The subscription was ended, or its session was over.
    Ended(EndReason),
}

impl SlowOutcome {
    /// The name in status pages and advisories.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ongoing => "slow",
            Self::Recovered => "recovered",
            Self::Unsubscribed => "unsubscribed",
            Self::Ended(_) => "ended",
        }
    }
}

/// A time during which a subscription was slow.
#[derive(Debug, Clone)]
pub struct SlowEpisode {
    /// The number of the connection.
    pub cid: u64,
    /// Where the client is.
    pub peer: SocketAddr,
    /// The client's own name for the connection.
    pub name: Option<String>,
    /// The user it authenticated as.
    pub user: Option<String>,
    /// The client's name for the subscription.
    pub sid: String,
    /// The filter of the subscription.
    pub subject: String,
    /// What a message must have in it, if it gets only some.
    pub query: Option<QuerySnapshot>,
    /// Its overflow policy.
    pub policy: &'static str,
    /// At which limits the policy acts.
    pub limits: Limits,
    /// When the message came that waited too long, or when the first losses were seen.
    pub since: SystemTime,
    /// When it was over.
    pub until: Option<SystemTime>,
    /// How it ended.
    pub outcome: SlowOutcome,
    /// The age of the oldest queued message at the last look.
    pub behind: Duration,
    /// The highest such age seen.
    pub behind_max: Duration,
    /// Messages queued at the last look.
    pub queued: u64,
    /// Bytes queued at the last look.
    pub queued_bytes: u64,
    /// The most messages seen queued.
    pub queued_max: u64,
    /// Messages that matched, what was queued at the start included.
    pub matched: u64,
    /// Messages handed to the socket.
    pub delivered: u64,
    /// Messages lost, by reason.
    pub losses: Losses,
    /// Messages replaced by a later one of their key.
    pub conflated: u64,
    /// Messages that were too old to be delivered.
    pub expired: u64,
}

impl SlowEpisode {
    /// Messages that did not reach the client as they were published.
    pub fn missed(&self) -> u64 {
        self.losses.total() + self.expired + self.conflated
    }

    /// The worse one comes first; never equal for two subscriptions. By whole seconds behind, so
    /// that the losses count among many that stand still since the same moment.
    pub(crate) fn compare_worse(&self, other: &Self) -> cmp::Ordering {
        let badness = |one: &Self| (one.behind.as_secs(), one.missed(), one.queued);
        let order = badness(other).cmp(&badness(self));
        order.then_with(|| (self.cid, &self.sid).cmp(&(other.cid, &other.sid)))
    }
}

/// Who is slow, and who was.
#[derive(Debug, Clone, Default)]
pub struct SlowReport {
    /// Subscriptions slow now: the furthest behind first, then those that lost the most.
    pub now: Vec<SlowEpisode>,
    /// How many there are, those left out included.
    pub now_total: u64,
    /// Episodes that are over, the latest first.
    pub lately: Vec<SlowEpisode>,
    /// How many of them are remembered and were asked for, those left out included.
    pub lately_total: u64,
    /// Episodes since the start of the process.
    pub episodes: u64,
}

/// What a session keeps for its watch.
#[derive(Debug, Default)]
pub(crate) struct SlowState {
    /// The count of troubles up to which there is nothing to look at unless something is queued;
    /// `u64::MAX` while there is.
    quiet_at: AtomicU64,
    /// Taken before the lock of the outbox, never after it. Absent while there is nothing to
    /// remember, so that an idle session stays small.
    watch: Mutex<Option<Box<SlowWatch>>>,
}

impl SlowState {
    fn lock(&self) -> MutexGuard<'_, Option<Box<SlowWatch>>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_quiet(&self) -> bool {
        // Relaxed: whoever misses a change now sees it at the next tick.
        self.quiet_at.load(Ordering::Relaxed) != u64::MAX
    }

    /// Looks at `session`, whose state this is, if that may bring anything new.
    pub(crate) fn tick(&self, session: &Session, now: Instant) -> Vec<Change> {
        let (troubles, queued) = (session.troubles(), session.has_queued());
        if !queued && self.quiet_at.load(Ordering::Relaxed) == troubles {
            return Vec::new();
        }
        let mut slot = self.lock();
        let watch = slot.get_or_insert_default();
        let mut changes = Vec::new();
        if watch.is_due(queued, troubles, now) {
            let seen = session.snapshot(now, true);
            changes = watch.look(&seen, troubles, now, SystemTime::now());
            session.charge_watch(watch.held_bytes());
        }
        let quiet = !queued && watch.is_calm_at(troubles);
        self.quiet_at.store(if quiet { troubles } else { u64::MAX }, Ordering::Relaxed);
        if quiet && watch.is_forgettable() {
            *slot = None;
            session.charge_watch(0);
        }
        changes
    }

    /// How many subscriptions of the session were slow at the last look.
    pub(crate) fn count(&self) -> u64 {
        if self.is_quiet() {
            return 0;
        }
        self.lock().as_ref().map_or(0, |watch| watch.slow_count())
    }

    /// The ongoing episodes of `session`, whose state this is, with the numbers of now.
    pub(crate) fn ongoing(&self, session: &Session, now: Instant) -> Vec<SlowEpisode> {
        if self.is_quiet() {
            return Vec::new();
        }
        let slot = self.lock();
        let Some(watch) = slot.as_ref().filter(|watch| watch.slow_count() > 0) else {
            return Vec::new();
        };
        watch.as_of(&session.snapshot(now, true))
    }

    /// The episodes that end with the session; also of those that nobody saw slow before, if it
    /// ended for that. The second value says how many of them were known before.
    pub(crate) fn ended(&self, last: &SessionSnapshot) -> (Vec<SlowEpisode>, usize) {
        match self.lock().as_ref() {
            Some(watch) => (watch.ended(last), watch.episode_count()),
            None => (SlowWatch::default().ended(last), 0),
        }
    }
}

#[cfg(test)]
mod tests;
