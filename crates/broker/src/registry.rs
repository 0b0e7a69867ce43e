//! All sessions: those that are open, and an account of those that ended lately.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use floodway::{EndReason, Losses};

use crate::advisory::Advisory;
use crate::session::Session;
use crate::slow::{SlowEpisode, SlowLog, SlowReport};
use crate::snapshot::SessionSnapshot;

/// Ended sessions remembered, the latest ones; about a kilobyte each.
const CLOSED_REMEMBERED: usize = 10_000;
/// Subscriptions of an ended session remembered, so that one with 100,000 does not stay in memory.
const CLOSED_SUBSCRIPTIONS: usize = 100;

/// Sums over all sessions since the start, open and ended.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Sessions ever opened.
    pub sessions: u64,
    /// Messages received from clients.
    pub in_messages: u64,
    /// Their bytes.
    pub in_bytes: u64,
    /// Messages that matched a subscription, once for each.
    pub matched: u64,
    /// Messages handed to a socket.
    pub delivered: u64,
    /// Bytes written to sockets.
    pub out_bytes: u64,
    /// Messages lost, by reason.
    pub losses: Losses,
    /// Messages replaced by a later one of their key.
    pub conflated: u64,
    /// Messages that were too old to be delivered.
    pub expired: u64,
    /// Messages waiting for a socket.
    pub pending_messages: u64,
    /// Sessions ended because their client was too slow.
    pub slow_consumers: u64,
    /// How often sessions ended, by the name of the reason.
    pub ends: Vec<(&'static str, u64)>,
}

impl Totals {
    fn add(&mut self, session: &SessionSnapshot) {
        self.in_messages += session.in_messages;
        self.in_bytes += session.in_bytes;
        self.matched += session.matched;
        self.delivered += session.out_messages;
        self.out_bytes += session.out_bytes;
        self.losses.add(&session.losses);
        self.conflated += session.conflated;
        self.expired += session.expired;
        self.pending_messages += session.pending_messages;
    }

    fn count_end(&mut self, reason: &EndReason) {
        self.slow_consumers += u64::from(reason.is_slow_consumer());
        match self.ends.iter_mut().find(|(name, _)| *name == reason.name()) {
            Some((_, count)) => *count += 1,
            None => self.ends.push((reason.name(), 1)),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<u64, Arc<Session>>,
    closed: VecDeque<Arc<SessionSnapshot>>,
    /// Sums over the sessions that ended.
    ended: Totals,
}

/// The open sessions, and an account of those that ended lately.
#[derive(Debug, Default)]
pub struct Registry {
    state: Mutex<State>,
    slow: SlowLog,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opened(&self, session: Arc<Session>) {
        let mut state = self.lock();
        state.ended.sessions += 1;
        state.open.insert(session.id(), session);
    }

    pub(crate) fn closed(&self, mut last: SessionSnapshot) {
        let Some(session) = self.find(last.id) else { return };
        let slow = session.slow().ended(&last);
        let mut state = self.lock();
        if state.open.remove(&last.id).is_none() {
            return;
        }
        // Under the same lock, so that a page shows an episode neither twice nor not at all.
        self.slow.enter_ended(slow);
        state.ended.add(&last);
        if let Some(reason) = &last.end {
            state.ended.count_end(reason);
        }
        if state.closed.len() == CLOSED_REMEMBERED {
            state.closed.pop_front();
        }
        last.subscriptions.truncate(CLOSED_SUBSCRIPTIONS);
        state.closed.push_back(Arc::new(last));
    }

    /// Sessions open now.
    pub fn open_count(&self) -> usize {
        self.lock().open.len()
    }

    /// The open session of a number.
    pub fn find(&self, id: u64) -> Option<Arc<Session>> {
        self.lock().open.get(&id).cloned()
    }

    /// The open sessions, oldest first; not those that have ended and are still written to.
    pub fn open(&self) -> Vec<Arc<Session>> {
        let state = self.lock();
        let open = state.open.values().filter(|session| session.end_reason().is_none());
        let mut open: Vec<_> = open.cloned().collect();
        open.sort_by_key(|session| session.id());
        open
    }

    /// The sessions that ended lately, latest first; an end shows here at once, also while the
    /// client may still read what was queued for it.
    pub fn recently_closed(&self, now: Instant) -> Vec<SessionSnapshot> {
        // Copied without the lock: there may be ten thousand.
        let (ending, closed) = {
            let state = self.lock();
            let ending = state.open.values().filter(|session| session.end_reason().is_some());
            (ending.cloned().collect::<Vec<_>>(), state.closed.clone())
        };
        let ending = ending.iter().map(|session| session.snapshot(now, true));
        ending.chain(closed.iter().rev().map(|last| SessionSnapshot::clone(last))).collect()
    }

    /// Sums since the start, as of now.
    pub fn totals(&self, now: Instant) -> Totals {
        let (open, mut totals) = {
            let state = self.lock();
            (state.open.values().cloned().collect::<Vec<_>>(), state.ended.clone())
        };
        open.iter().for_each(|session| totals.add(&session.snapshot(now, false)));
        totals
    }

    // ----- slow consumers

    /// Looks whether subscriptions of `session` have become slow or have recovered; what operators
    /// are to be told of that. To be called for every session at least four times a second; costs
    /// next to nothing for one that has nothing queued and lost nothing.
    pub fn watch(&self, session: &Session, now: Instant) -> Vec<Advisory> {
        self.slow.enter(session.slow().tick(session, now), now)
    }

    /// How many subscriptions of open sessions were slow at the last look.
    pub fn slow_now(&self) -> u64 {
        self.open().iter().map(|session| session.slow().count()).sum()
    }

    /// Slow episodes since the start, those that go on included.
    pub fn slow_episodes(&self) -> u64 {
        self.slow.episodes()
    }

    /// Who is slow, and who was at `since` or later (at any time without it); at most `limit` of
    /// each.
    pub fn slow(&self, now: Instant, limit: usize, since: Option<SystemTime>) -> SlowReport {
        let (sessions, over) = {
            let state = self.lock();
            let sessions = state.open.values().cloned().collect::<Vec<_>>();
            (sessions, self.slow.over_since(since))
        };
        let (open, ending): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|session| session.end_reason().is_none());
        let mut worst = Top::new(limit, SlowEpisode::compare_worse);
        let mut now_total = 0;
        for session in open {
            now_total += session.slow().count();
            worst.add(session.slow().ongoing(&session, now));
        }
        // An end shows at once, also while the client may still read what was queued for it.
        let mut latest = Top::new(limit, |a, b| b.until.cmp(&a.until).then(a.cid.cmp(&b.cid)));
        for session in ending {
            let (mut ended, _) = session.slow().ended(&session.snapshot(now, true));
            ended.retain(|one| one.until >= since);
            latest.add(ended);
        }
        latest.add(over);
        let (now, _) = worst.finish();
        let (lately, lately_total) = latest.finish();
        SlowReport { now, now_total, lately, lately_total, episodes: self.slow.episodes() }
    }
}

/// The first few in an order, out of very many that are added.
struct Top<F> {
    most: usize,
    order: F,
    kept: Vec<SlowEpisode>,
    seen: u64,
}

impl<F: Fn(&SlowEpisode, &SlowEpisode) -> Ordering> Top<F> {
    fn new(most: usize, order: F) -> Self {
        Self { most, order, kept: Vec::new(), seen: 0 }
    }

    fn add(&mut self, mut some: Vec<SlowEpisode>) {
        self.seen += some.len() as u64;
        self.kept.append(&mut some);
        // Some slack, so that a thousand sessions are not a thousand sorts.
        if self.kept.len() > 1000 + self.most * 2 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.kept.sort_by(&self.order);
        self.kept.truncate(self.most);
    }

    fn finish(mut self) -> (Vec<SlowEpisode>, u64) {
        self.cut();
        (self.kept, self.seen)
    }
}
