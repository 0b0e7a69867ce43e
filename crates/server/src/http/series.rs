//! The subscriptions that get time series of their own.
//!
//! A series costs the scraper memory for as long as it keeps history, and a broker may have
//! a million subscriptions. So only some are shown one by one: those that are slow, because what
//! they have queued is old, and then those with the most messages queued.

use std::cmp::Reverse;
use std::time::Duration;

use floodway::Losses;
use floodway_broker::{SLOW_AFTER, SessionSnapshot, SubscriptionSnapshot};

/// One subscription. What it is known by is unique in a scrape.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) cid: String,
    pub(super) sid: String,
    pub(super) subject: String,
    pub(super) matched: u64,
    pub(super) delivered: u64,
    pub(super) losses: Losses,
    pub(super) conflated: u64,
    pub(super) expired: u64,
    pub(super) queued: u64,
    pub(super) queued_bytes: u64,
    pub(super) replaced: u64,
    pub(super) high_water: u64,
    pub(super) oldest_age: Option<Duration>,
}

impl Series {
    fn of(cid: u64, seen: SubscriptionSnapshot) -> Self {
        let account = &seen.account;
        Self {
            cid: cid.to_string(),
            matched: account.matched(),
            delivered: account.delivered(),
            losses: account.losses(),
            conflated: account.conflated(),
            expired: account.expired(),
            queued: account.queued(),
            queued_bytes: account.queued_bytes(),
            replaced: seen.replaced,
            high_water: seen.high_water,
            oldest_age: seen.oldest_age,
            sid: seen.sid,
            subject: seen.subject,
        }
    }

    fn add(&mut self, other: &Self) {
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.losses.add(&other.losses);
        self.conflated += other.conflated;
        self.expired += other.expired;
        self.queued += other.queued;
        self.queued_bytes += other.queued_bytes;
        self.replaced += other.replaced;
        self.high_water = self.high_water.max(other.high_water);
        self.oldest_age = self.oldest_age.max(other.oldest_age);
    }
}

/// The slow subscriptions and those with the most queued, out of all that are added.
#[derive(Debug)]
pub(super) struct Busiest {
    most: usize,
    kept: Vec<Series>,
    left_out: usize,
}

impl Busiest {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), left_out: 0 }
    }

    /// Adds the subscriptions of an open session.
    pub(super) fn add(&mut self, session: SessionSnapshot) {
        let cid = session.id;
        let mut series: Vec<_> =
            session.subscriptions.into_iter().map(|seen| Series::of(cid, seen)).collect();
        // A client may use a name again while messages of its first use are still queued. The two
        // look alike from outside, and a series must not appear twice.
        series.sort_unstable_by(|a, b| (&a.sid, &a.subject).cmp(&(&b.sid, &b.subject)));
        series.dedup_by(|next, kept| {
            let same = next.sid == kept.sid && next.subject == kept.subject;
            if same {
                kept.add(next);
            }
            same
        });
        self.kept.append(&mut series);
        // Some slack, so that a thousand sessions are not a thousand sorts.
        if self.kept.len() > self.most * 4 {
            self.cut();
        }
    }

    /// The slow ones first, among each the most queued; and how many others there are.
    pub(super) fn finish(mut self) -> (Vec<Series>, usize) {
        self.cut();
        (self.kept, self.left_out)
    }

    fn cut(&mut self) {
        // Stable: among equals the oldest sessions stay, in every scrape the same.
        let is_slow = |series: &Series| series.oldest_age >= Some(SLOW_AFTER);
        self.kept.sort_by_key(|series| Reverse((is_slow(series), series.queued)));
        self.left_out += self.kept.len().saturating_sub(self.most);
        self.kept.truncate(self.most);
    }
}
