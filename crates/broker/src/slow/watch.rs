//! The watch over the subscriptions of one session.

use std::time::{Duration, Instant, SystemTime};

use floodway::{EndReason, Limit, LossReason};

use super::seen::{Counts, Seen, find, sorted};
use super::{EPISODES_PER_SESSION, RECOVERED_AFTER, SLOW_AFTER, SlowEpisode, SlowOutcome};
use crate::snapshot::{SessionSnapshot, SubscriptionSnapshot};

/// The least time between two looks at the same session. A look takes the outbox's lock and
/// a snapshot of each subscription.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Ends of single subscriptions show as losses for one of these.
const ENDS: [LossReason; 2] = [LossReason::OutOfCapacity, LossReason::TooFarBehind];

/// An episode that is not over.
#[derive(Debug, Clone)]
struct Ongoing {
    /// The subscription at the last look.
    seen: Seen,
    /// What its account had when the episode began.
    base: Counts,
    since: SystemTime,
    /// When anything was wrong last.
    last_slow: Option<Instant>,
    behind_max: Duration,
    queued_max: u64,
    announced: bool,
}

impl Ongoing {
    fn update(&mut self, seen: &Seen) {
        self.behind_max = self.behind_max.max(seen.age);
        self.queued_max = self.queued_max.max(seen.queued);
        self.seen = seen.clone();
    }

    fn episode(
        &self,
        client: &SessionSnapshot,
        outcome: SlowOutcome,
        until: Option<SystemTime>,
    ) -> SlowEpisode {
        let (seen, counts) = (&self.seen, self.seen.counts.since(&self.base));
        SlowEpisode {
            cid: client.id,
            peer: client.peer,
            name: client.identity.name.clone(),
            user: client.identity.user.clone(),
            sid: seen.sid.clone(),
            subject: seen.subject.clone(),
            query: seen.query.clone(),
            policy: seen.policy,
            limits: seen.limits,
            since: self.since,
            until,
            outcome,
            behind: seen.age,
            behind_max: self.behind_max,
            queued: seen.queued,
            queued_bytes: seen.queued_bytes,
            queued_max: self.queued_max,
            matched: counts.total() + seen.queued,
            delivered: counts.delivered,
            losses: counts.losses,
            conflated: counts.conflated,
            expired: counts.expired,
        }
    }

    /// How it ended, if the subscription is not there any more.
    fn gone(&self) -> SlowOutcome {
        let lost = self.seen.counts.since(&self.base).losses;
        let Some(reason) = ENDS.into_iter().find(|&reason| lost.of(reason) > 0) else {
            return SlowOutcome::Unsubscribed;
        };
        let (messages, bytes) = (self.queued_max, self.seen.queued_bytes);
        let full = self.seen.limits.messages.is_some_and(|limit| messages >= limit);
        SlowOutcome::Ended(match reason {
            LossReason::TooFarBehind => {
                EndReason::TooFarBehind { behind: self.behind_max, messages, bytes }
            }
            _ => {
                let limit = if full { Limit::Messages } else { Limit::Bytes };
                EndReason::OutOfCapacity { limit, messages, bytes }
            }
        })
    }
}

/// An episode that began or is over.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) episode: SlowEpisode,
    /// The whole account of the subscription, but for what is queued.
    pub(crate) counts: Counts,
    /// Whether operators are to be told, if there is room for it.
    pub(crate) announce: bool,
}

/// See the [module header](self).
#[derive(Debug, Default)]
pub(super) struct SlowWatch {
    /// By name and filter; at most [`EPISODES_PER_SESSION`].
    ongoing: Vec<Ongoing>,
    /// Subscriptions that ever lost something, as of the last look, to tell new losses from old
    /// ones; bounded in the same way.
    troubled: Vec<Seen>,
    /// There are more of those.
    troubled_cut: bool,
    /// Slow at the last look and without an episode, because there are too many.
    unlisted: u64,
    /// The session's count of troubles at the last look.
    troubles: u64,
    looked: Option<Instant>,
    /// Before this nothing queued can be too old.
    next_look: Option<Instant>,
    /// Since when something was queued at every tick.
    queued_since: Option<Instant>,
    /// An advisory is a message for those who listen to advisories; if that made them slow, it
    /// would be one more advisory, and so on. So each session is told about itself only once.
    told_itself: bool,
}

impl SlowWatch {
    /// Memory it holds, about.
    pub(super) fn held_bytes(&self) -> usize {
        let ongoing = self.ongoing.iter().map(|one| one.seen.text_bytes()).sum::<usize>();
        let troubled = self.troubled.iter().map(Seen::text_bytes).sum::<usize>();
        let tables = self.ongoing.capacity() * size_of::<Ongoing>()
            + self.troubled.capacity() * size_of::<Seen>();
        size_of::<Self>() + tables + ongoing + troubled
    }

    /// Whether a look may bring anything new.
    pub(super) fn is_due(&mut self, queued: bool, troubles: u64, now: Instant) -> bool {
        self.queued_since = queued.then(|| self.queued_since.unwrap_or(now));
        if self.looked.is_some_and(|looked| now < looked + LOOK_EVERY) {
            return false;
        }
        // What waits since a second was there at every tick of that second. Half of it, for a
        // message is older than the tick that sees it first.
        let long = self.queued_since.is_some_and(|since| now >= since + SLOW_AFTER / 2);
        let may_be_old = long && self.next_look.is_none_or(|next| now >= next);
        may_be_old || troubles != self.troubles || self.slow_count() > 0
    }

    /// Whether nothing is slow, and nothing has happened since the last look.
    pub(super) fn is_calm_at(&self, troubles: u64) -> bool {
        self.troubles == troubles && self.slow_count() == 0
    }

    /// Whether a new watch would do as well.
    pub(super) fn is_forgettable(&self) -> bool {
        self.troubles == 0
            && self.slow_count() == 0
            && self.troubled.is_empty()
            && !self.told_itself
    }

    /// Subscriptions slow at the last look.
    pub(super) fn slow_count(&self) -> u64 {
        self.ongoing.len() as u64 + self.unlisted
    }

    /// Ongoing episodes.
    pub(super) fn episode_count(&self) -> usize {
        self.ongoing.len()
    }

    /// Looks at the session as of `now`; `at` is the same moment for display. `troubles` was read
    /// before `client`, so that nothing between the two is overlooked.
    pub(super) fn look(
        &mut self,
        client: &SessionSnapshot,
        troubles: u64,
        now: Instant,
        at: SystemTime,
    ) -> Vec<Change> {
        let mut seen = self.of_interest(&client.subscriptions);
        let mut changes = self.take_gone(&seen, client, at);
        self.unlisted = 0;
        for one in &seen {
            let change = match self.find(one.key()) {
                Ok(place) => self.go_on(place, one, client, now, at),
                Err(place) => self.begin(place, one, client, now, at),
            };
            changes.extend(change);
        }
        seen.retain(|one| one.counts.troubles() > 0);
        self.troubled_cut = seen.len() > EPISODES_PER_SESSION;
        seen.truncate(EPISODES_PER_SESSION);
        seen.shrink_to_fit();
        self.troubled = seen;
        let oldest = client.subscriptions.iter().filter_map(|one| one.oldest_age).max();
        self.next_look = Some(now + SLOW_AFTER.saturating_sub(oldest.unwrap_or_default()));
        (self.looked, self.troubles) = (Some(now), troubles);
        changes
    }

    /// The ongoing episodes with the numbers of `client`; nothing is decided.
    pub(super) fn as_of(&self, client: &SessionSnapshot) -> Vec<SlowEpisode> {
        let seen = self.of_interest(&client.subscriptions);
        let with_news = |one: &Ongoing| {
            let mut one = one.clone();
            if let Some(news) = find(&seen, one.seen.key())
                && news.counts.continues(&one.seen.counts)
            {
                one.update(news);
            }
            one.episode(client, SlowOutcome::Ongoing, None)
        };
        self.ongoing.iter().map(with_news).collect()
    }

    /// The episodes that are over because the session is; those that were ongoing come first.
    pub(super) fn ended(&self, last: &SessionSnapshot) -> Vec<SlowEpisode> {
        let Some(reason) = &last.end else { return Vec::new() };
        let (until, outcome) = (last.stopped, SlowOutcome::Ended(reason.clone()));
        let seen = self.with_losses_of(reason, &last.subscriptions);
        let mut episodes = Vec::new();
        for one in &self.ongoing {
            let mut one = one.clone();
            if let Some(news) = find(&seen, one.seen.key())
                && news.counts.continues(&one.seen.counts)
            {
                // The age is taken from the last look: what is lost has none.
                one.update(&Seen { age: one.seen.age, ..news.clone() });
            }
            episodes.push(one.episode(last, outcome.clone(), until));
        }
        if !reason.is_slow_consumer() {
            return episodes;
        }
        let new = seen.iter().filter(|one| self.find(one.key()).is_err());
        let new = new.filter_map(|one| self.ended_at_once(one, last, reason));
        let room = EPISODES_PER_SESSION - episodes.len();
        episodes.extend(new.take(room));
        episodes
    }

    /// The episode of a subscription that took part in the end of its session, and that nobody saw
    /// slow before.
    fn ended_at_once(
        &self,
        one: &Seen,
        last: &SessionSnapshot,
        reason: &EndReason,
    ) -> Option<SlowEpisode> {
        let base = self.base_of(one);
        let lost = one.counts.since(&base).losses.of(LossReason::of_end(reason));
        if lost == 0 && one.queued == 0 {
            return None;
        }
        let behind_max = match reason {
            EndReason::TooFarBehind { behind, .. } => one.age.max(*behind),
            _ => one.age,
        };
        let ended_at = last.stopped.unwrap_or(last.started);
        let new = Ongoing {
            seen: one.clone(),
            base,
            since: ended_at.checked_sub(behind_max).unwrap_or(ended_at),
            last_slow: None,
            behind_max,
            queued_max: one.queued.max(lost),
            announced: false,
        };
        Some(new.episode(last, SlowOutcome::Ended(reason.clone()), last.stopped))
    }

    fn find(&self, key: (&str, &str)) -> Result<usize, usize> {
        self.ongoing.binary_search_by(|one| one.seen.key().cmp(&key))
    }

    /// Subscriptions that are slow, or were, or lost something at any time.
    fn of_interest(&self, all: &[SubscriptionSnapshot]) -> Vec<Seen> {
        let is_old = |one: &SubscriptionSnapshot| one.oldest_age >= Some(SLOW_AFTER);
        let is_known = |one: &SubscriptionSnapshot| self.find((&one.sid, &one.subject)).is_ok();
        let has_troubles = |one: &SubscriptionSnapshot| {
            let account = &one.account;
            account.matched() > account.delivered() + account.queued()
        };
        sorted(all.iter().filter(|one| is_old(one) || has_troubles(one) || is_known(one)))
    }

    fn with_losses_of(&self, reason: &EndReason, all: &[SubscriptionSnapshot]) -> Vec<Seen> {
        let lost = LossReason::of_end(reason);
        let is_known = |one: &SubscriptionSnapshot| self.find((&one.sid, &one.subject)).is_ok();
        let has_lost = |one: &SubscriptionSnapshot| {
            one.account.queued() > 0 || one.account.losses().of(lost) > 0
        };
        sorted(all.iter().filter(|one| has_lost(one) || is_known(one)))
    }

    /// What the account of a subscription that was not slow had at the last look.
    fn base_of(&self, one: &Seen) -> Counts {
        let delivered = one.counts.delivered;
        match find(&self.troubled, one.key()) {
            Some(before) if one.counts.continues(&before.counts) => {
                Counts { delivered, ..before.counts.clone() }
            }
            // What it had is not known: take it as nothing new.
            None if self.troubled_cut => one.counts.clone(),
            _ => Counts { delivered, ..Counts::default() },
        }
    }

    fn take_gone(
        &mut self,
        seen: &[Seen],
        client: &SessionSnapshot,
        at: SystemTime,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        self.ongoing.retain(|one| {
            let there = find(seen, one.seen.key())
                .is_some_and(|news| news.counts.continues(&one.seen.counts));
            if !there {
                let episode = one.episode(client, one.gone(), Some(at));
                let counts = one.seen.counts.clone();
                changes.push(Change { episode, counts, announce: false });
            }
            there
        });
        changes
    }

    fn begin(
        &mut self,
        place: usize,
        one: &Seen,
        client: &SessionSnapshot,
        now: Instant,
        at: SystemTime,
    ) -> Option<Change> {
        let base = self.base_of(one);
        let is_old = one.age >= SLOW_AFTER;
        if !is_old && one.counts.troubles() <= base.troubles() {
            return None;
        }
        if self.ongoing.len() == EPISODES_PER_SESSION {
            self.unlisted += 1;
            return None;
        }
        let announced = !one.gets_advisories() || !std::mem::replace(&mut self.told_itself, true);
        let began = if is_old { at.checked_sub(one.age) } else { None };
        let new = Ongoing {
            seen: one.clone(),
            base,
            since: began.unwrap_or(at),
            last_slow: Some(now),
            behind_max: one.age,
            queued_max: one.queued,
            announced,
        };
        if let Some(reason) = &one.end {
            let episode = new.episode(client, SlowOutcome::Ended(reason.clone()), Some(at));
            return Some(Change { episode, counts: one.counts.clone(), announce: false });
        }
        let episode = new.episode(client, SlowOutcome::Ongoing, None);
        if self.ongoing.is_empty() {
            // Mostly there is one; the usual first allocation is for four, of half a kilobyte.
            self.ongoing.reserve_exact(1);
        }
        self.ongoing.insert(place, new);
        Some(Change { episode, counts: one.counts.clone(), announce: announced })
    }

    fn go_on(
        &mut self,
        place: usize,
        one: &Seen,
        client: &SessionSnapshot,
        now: Instant,
        at: SystemTime,
    ) -> Option<Change> {
        let ongoing = &mut self.ongoing[place];
        let grown = one.counts.troubles() > ongoing.seen.counts.troubles();
        ongoing.update(one);
        if grown || one.age >= SLOW_AFTER {
            ongoing.last_slow = Some(now);
        }
        if let Some(reason) = &one.end {
            let over = self.ongoing.remove(place);
            let episode = over.episode(client, SlowOutcome::Ended(reason.clone()), Some(at));
            return Some(Change { episode, counts: over.seen.counts, announce: false });
        }
        if ongoing.last_slow.is_some_and(|last| now < last + RECOVERED_AFTER) {
            return None;
        }
        let over = self.ongoing.remove(place);
        let episode = over.episode(client, SlowOutcome::Recovered, Some(at));
        Some(Change { episode, counts: over.seen.counts, announce: over.announced })
    }
}
