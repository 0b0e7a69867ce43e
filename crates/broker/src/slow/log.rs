//! Episodes that are over, and how often operators are told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Change, SlowEpisode, SlowOutcome};
use crate::advisory::Advisory;

/// Episodes remembered after they are over, the latest ones; about half a kilobyte each, and the
/// text of its query, if it has one.
const REMEMBERED: usize = 1000;
/// Advisories within [`PER`], of the whole process.
const ADVISORIES: usize = 10;
const PER: Duration = Duration::from_secs(1);

/// What is known of slow consumers beyond the sessions that are open.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    over: VecDeque<SlowEpisode>,
    episodes: u64,
    /// When the latest advisories went out.
    announced: VecDeque<Instant>,
    suppressed: u64,
}

impl SlowLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what a watch has seen; returns what operators are to be told.
    pub(crate) fn enter(&self, changes: Vec<Change>, now: Instant) -> Vec<Advisory> {
        if changes.is_empty() {
            return Vec::new();
        }
        let mut state = self.lock();
        let mut advisories = Vec::new();
        for change in changes {
            if change.announce
                && let Some(suppressed) = state.admit_advisory(now)
            {
                advisories.push(Advisory::of_slow(&change, suppressed));
            }
            match change.episode.outcome {
                SlowOutcome::Ongoing => state.episodes += 1,
                _ => state.remember(change.episode),
            }
        }
        advisories
    }

    /// Enters the episodes that ended with their session, of which `known` were counted before.
    pub(crate) fn enter_ended(&self, (ended, known): (Vec<SlowEpisode>, usize)) {
        if ended.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.episodes += ended.len().saturating_sub(known) as u64;
        ended.into_iter().for_each(|episode| state.remember(episode));
    }

    /// Episodes that began since the start.
    pub(crate) fn episodes(&self) -> u64 {
        self.lock().episodes
    }

    /// Those that are over but were not before `since`, the latest first.
    pub(crate) fn over_since(&self, since: Option<SystemTime>) -> Vec<SlowEpisode> {
        let state = self.lock();
        let wanted = state.over.iter().rev().filter(|one| one.until >= since);
        wanted.cloned().collect()
    }
}

impl State {
    fn remember(&mut self, episode: SlowEpisode) {
        if self.over.len() == REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(episode);
    }

    /// Whether one more advisory may go out, and how many before it did not.
    fn admit_advisory(&mut self, now: Instant) -> Option<u64> {
        while self.announced.front().is_some_and(|&first| now >= first + PER) {
            self.announced.pop_front();
        }
        if self.announced.len() == ADVISORIES {
            self.suppressed += 1;
            return None;
        }
        self.announced.push_back(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}
