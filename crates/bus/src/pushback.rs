//! Back-pressure towards one publisher: whether reading from it should pause.
//!
//! A publisher flat out would overrun consumers that are perfectly healthy. So it is read as fast
//! as *most* of the consumers it fed lately can drain: while more than half of them are over their
//! mark, reading pauses. A minority never slows it and is dealt with by its own policy.
//! Subscriptions that drop or replace messages have no say: they take any pace.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::consumer::{Consumer, ConsumerId};
use crate::payload::Carried;
use crate::route::{Route, Target};

/// Consumers fed within this time count.
const LATELY: Duration = Duration::from_secs(1);
/// Routes remembered for a publisher that uses many subjects; the latest ones count.
pub(crate) const ROUTES_REMEMBERED: usize = 32;
/// How many of the latest are looked at before a route is remembered anew.
const LOOKED_AT: usize = 4;

/// When a publisher is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PushbackMode {
    /// While more than half of its consumers are over their mark.
    #[default]
    Most,
    /// While any of them is: nothing may be lost, and the slowest sets the pace.
    Any,
    /// Never.
    None,
}

/// Whether to read on.
pub enum Pace<P: Carried + ?Sized = [u8]> {
    /// Read on.
    Free,
    /// Pause; these consumers are over their mark, of a queue group all members. Any of them
    /// falling below may change it.
    Paused(Vec<Arc<dyn Consumer<P>>>),
}

/// What one publisher fed lately.
#[derive(Debug)]
pub struct Pushback<P: Carried + ?Sized = [u8]> {
    mode: PushbackMode,
    recent: Vec<(Arc<Route<P>>, Instant)>,
    /// The one to be replaced next, once there are as many as are remembered.
    oldest: usize,
    over_mark_seen: bool,
}

/// Consumers that could take a message, and whether all of them are over their mark: a plain
/// subscription stands for itself, a queue group is fine while one of its members is.
struct Fed<P: Carried + ?Sized> {
    consumers_over: Vec<Arc<dyn Consumer<P>>>,
    over: usize,
    fine: usize,
}

impl<P: Carried + ?Sized> Pushback<P> {
    /// A publisher that fed nobody yet.
    pub fn new(mode: PushbackMode) -> Self {
        Self { mode, recent: Vec::new(), oldest: 0, over_mark_seen: false }
    }

    /// Remembers whether a consumer was seen over its mark.
    pub(crate) fn saw_over_mark(&mut self, over_mark: bool) {
        self.over_mark_seen |= over_mark;
    }

    /// Remembers that a message took `route`.
    pub(crate) fn note(&mut self, route: &Arc<Route<P>>, now: Instant) {
        if self.mode == PushbackMode::None {
            return;
        }
        // The one before the oldest is the latest, all the way round.
        let latest = self.recent.len() + self.oldest;
        for back in 1..=LOOKED_AT.min(self.recent.len()) {
            let at = (latest - back) % self.recent.len();
            if Arc::ptr_eq(&self.recent[at].0, route) {
                self.recent[at].1 = now;
                return;
            }
        }
        if self.recent.len() < ROUTES_REMEMBERED {
            return self.recent.push((route.clone(), now));
        }
        // Round and round: with many subjects in turn this is done for most messages.
        self.recent[self.oldest] = (route.clone(), now);
        self.oldest = (self.oldest + 1) % ROUTES_REMEMBERED;
    }

    /// Forgets what it fed before, so that an idle publisher keeps no ended consumer in memory.
    pub fn forget_older(&mut self, now: Instant) {
        let before = self.recent.len();
        self.recent.retain(|(_, at)| now.saturating_duration_since(*at) < LATELY);
        if self.recent.len() < before {
            self.oldest = 0;
        }
        if self.recent.is_empty() {
            self.recent = Vec::new();
        }
    }

    /// Whether to pause after a batch. Costs nothing unless a consumer was seen over its mark.
    pub fn after_batch(&mut self, own: Option<ConsumerId>, now: Instant) -> Pace<P> {
        if !std::mem::take(&mut self.over_mark_seen) || self.mode == PushbackMode::None {
            return Pace::Free;
        }
        self.forget_older(now);
        self.judge(own, false)
    }

    /// Whether a paused publisher stays paused. A consumer counts as over its mark until it has
    /// fallen to half of it, so that a publisher is not paused and resumed for every message.
    pub fn still_paused(&self, own: Option<ConsumerId>) -> Pace<P> {
        self.judge(own, true)
    }

    fn judge(&self, own: Option<ConsumerId>, resume: bool) -> Pace<P> {
        let mut fed = Fed { consumers_over: Vec::new(), over: 0, fine: 0 };
        let (mut seen, mut seen_groups) = (HashSet::new(), HashSet::new());
        for (route, _) in &self.recent {
            // A publisher is never paced by its own subscriptions: it could not read them.
            for target in route.plain.iter().filter(|target| Some(target.id) != own) {
                if target.consumer.sets_pace(target.key) && seen.insert(target.id) {
                    fed.count(std::slice::from_ref(target), resume);
                }
            }
            for group in &route.groups {
                let no_pace = |member: &Target<P>| {
                    Some(member.id) == own || !member.consumer.sets_pace(member.key)
                };
                let counts = !group.members.iter().any(no_pace);
                // Groups of one name over different filters have different members.
                let first = group.members.iter().map(|member| member.id).min();
                if counts && seen_groups.insert((group.id, first)) {
                    fed.count(&group.members, resume);
                }
            }
        }
        let paused = match self.mode {
            PushbackMode::Most => fed.over > fed.fine,
            PushbackMode::Any => fed.over > 0,
            PushbackMode::None => false,
        };
        if paused { Pace::Paused(fed.consumers_over) } else { Pace::Free }
    }
}

impl<P: Carried + ?Sized> Fed<P> {
    fn count(&mut self, targets: &[Target<P>], resume: bool) {
        // One that has ended takes nothing, so it does not count; a route may still name it.
        let mut live = targets.iter().filter(|target| !target.consumer.has_ended()).peekable();
        if live.peek().is_none() {
            return;
        }
        if live.all(|target| target.consumer.is_over_mark(resume)) {
            self.over += 1;
            // All of a group: the first of them that falls below its mark can take messages again.
            self.consumers_over.extend(targets.iter().map(|target| target.consumer.clone()));
        } else {
            self.fine += 1;
        }
    }
}
