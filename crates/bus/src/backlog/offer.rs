//! How messages come into a backlog: all of a row in one step where the policy allows it.

use std::time::{Duration, Instant};

use floodway_queue::line::{Item, Stamp, time_between};
use floodway_queue::overflow::Limit;

use super::fold::Merged;
use super::keys::PlaceKey;
use super::{Backlog, Held};
use crate::account::{Account, LossReason};
use crate::admission::{Admit, Custom, Offer};
use crate::budget::Budget;
use crate::end::EndReason;
use crate::key::Key;
use crate::message::Message;
use crate::overflow::{Depth, Policy, Verdict};
use crate::report::Tally;
use crate::run::Run;

/// What taking messages in is done with.
pub(super) struct Intake<'a> {
    pub(super) account: &'a mut Account,
    pub(super) budget: &'a Budget,
    pub(super) now: Instant,
    pub(super) now_ms: u32,
    pub(super) tally: &'a mut Tally,
    /// Why the subscription is to end, if it is.
    pub(super) end: Option<EndReason>,
}

/// What is to happen with a message.
enum Judged {
    Take(Place),
    Refuse,
    DropOldest,
    Expire(Duration),
    End(EndReason),
}

/// Where a message belongs.
enum Place {
    /// In the place of that entry, which has its key.
    Of(usize),
    /// Behind the last.
    End(PlaceKey),
}

impl<T: Held> Backlog<T> {
    /// Takes a run under a policy that looks at each message.
    pub(super) fn offer_keyed(&mut self, run: Run<'_, T::Payload>, intake: &mut Intake<'_>) {
        let by_subject = match &self.overflow.policy {
            Policy::Conflate(conflation) => conflation.key == Key::Subject,
            _ => false,
        };
        for row in run.rows() {
            if intake.end.is_some() {
                return;
            }
            // What has expired further back may be at the front by now.
            self.expire_now(intake.account, intake.now_ms);
            match row.split_last() {
                // One subject is one key: the last stands for all, if it could be queued at all.
                Some((last, passed))
                    if by_subject && self.overflow.could_take(last.size() as u64) =>
                {
                    self.offer_one(last, passed.len() as u64, intake);
                }
                _ => self.offer_each(row, intake),
            }
        }
    }

    fn offer_each(&mut self, run: Run<'_, T::Payload>, intake: &mut Intake<'_>) {
        for message in run.iter() {
            self.offer_one(message, 0, intake);
            if intake.end.is_some() {
                return;
            }
        }
    }

    /// Takes a run under a policy that only counts messages and bytes.
    pub(super) fn offer_all(&mut self, run: Run<'_, T::Payload>, intake: &mut Intake<'_>) {
        let mut rest = match self.overflow.policy {
            Policy::DropOldest => self.make_way(run, intake),
            _ => run,
        };
        while !rest.is_empty() && intake.end.is_none() {
            let fitting = self.fitting(rest);
            if fitting > 0 {
                self.take_row(rest.first_of(fitting), intake);
                rest = rest.after(fitting);
            } else if self.refuses_all() {
                let reason = self.overflow.loss_reason();
                return self.refuse(rest.len() as u64, reason, intake);
            } else {
                self.offer_one(&rest[0], 0, intake);
                rest = rest.after(1);
            }
        }
    }

    /// Drops as many of the first in line as have to go before all of a run is queued, and then of
    /// the run itself; what is left of that. It is what dropping for each message of its own would
    /// come to: the longest end of the line that is within the limits.
    fn make_way<'r>(
        &mut self,
        run: Run<'r, T::Payload>,
        intake: &mut Intake<'_>,
    ) -> Run<'r, T::Payload> {
        let limits = self.overflow.limits;
        let most = limits.messages.unwrap_or(u64::MAX);
        let size = if limits.bytes.is_some() { run.size() } else { 0 };
        let most_bytes = limits.bytes.unwrap_or(u64::MAX);
        if most == 0 || size > most_bytes {
            // Some of them may not fit at all; they are looked at one by one.
            return run;
        }
        let depth = self.depth();
        let over = (depth.messages + run.len() as u64).saturating_sub(most);
        self.drop_front(over.min(depth.messages), LossReason::DroppedOldest, intake.account);
        while self.depth().bytes + size > most_bytes {
            self.drop_front(1, LossReason::DroppedOldest, intake.account);
        }
        let passed = (run.len() as u64).saturating_sub(most);
        if passed > 0 {
            self.lose_incoming(passed, LossReason::DroppedOldest, intake.account);
            intake.tally.queue(passed);
        }
        run.after(passed as usize)
    }

    /// How many of the first of a run fit the limits together.
    fn fitting(&self, run: Run<'_, T::Payload>) -> usize {
        let (limits, depth) = (self.overflow.limits, self.claimed());
        let room = limits.messages.map_or(u64::MAX, |most| most.saturating_sub(depth.messages));
        let count = run.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let Some(most_bytes) = limits.bytes else { return count };
        let mut bytes = depth.bytes;
        let fits = |message: &&Message<'_, T::Payload>| {
            bytes += message.size() as u64;
            bytes <= most_bytes
        };
        run[..count].iter().take_while(fits).count()
    }

    /// Whether no message is taken, however small.
    fn refuses_all(&self) -> bool {
        let full = |most| self.claimed().messages >= most;
        let refuses =
            self.overflow.policy == Policy::DropNewest || self.overflow.policy.makes_wait();
        refuses && self.overflow.limits.messages.is_some_and(full)
    }

    /// Queues all of a row, which fits.
    #[inline]
    pub(super) fn take_row(&mut self, row: Run<'_, T::Payload>, intake: &mut Intake<'_>) {
        intake.tally.queue(row.len() as u64);
        if let Some(held) = T::hold_all(row, intake.budget) {
            return self.append(held, PlaceKey::None, 0, intake);
        }
        for message in row.iter() {
            let held = self.hold(message, intake.budget);
            self.append(held, PlaceKey::None, 0, intake);
        }
    }

    /// Takes a message that stands for `passed` others of its key that came with it.
    fn offer_one(
        &mut self,
        message: &Message<'_, T::Payload>,
        passed: u64,
        intake: &mut Intake<'_>,
    ) {
        let reason = self.overflow.loss_reason();
        let mut merged = self.merged(message, intake.budget);
        loop {
            let size = merged.as_ref().map_or(message.size() as u64, |merged| merged.item.size());
            // What could not be queued even alone must not push out everything else first.
            let hopeless = !self.overflow.could_take(size);
            match self.judge(message, size, intake.now_ms) {
                Judged::Take(place) => {
                    if passed > 0 {
                        intake.account.skip_conflated(passed);
                    }
                    self.take(message, merged, place, passed as u32, intake);
                    intake.tally.queue(passed + 1);
                    intake.tally.conflate(passed);
                    return;
                }
                Judged::DropOldest if !self.is_empty() && !hopeless => {
                    self.drop_front(1, reason, intake.account);
                    // It may have been the one that the message was to be folded into.
                    merged = merged.filter(|merged| merged.place >= self.first_place());
                }
                // A policy that asks for it again although nothing is as old would ask for ever.
                Judged::Expire(ttl) if self.oldest(intake.now_ms) > Some(ttl) => {
                    self.expire_older(ttl, intake.account, intake.now_ms);
                }
                Judged::Refuse | Judged::DropOldest | Judged::Expire(_) => {
                    return self.refuse(passed + 1, reason, intake);
                }
                Judged::End(end) => {
                    let reason = LossReason::of_end(&end);
                    intake.account.refuse(reason, passed + 1);
                    intake.tally.end_over(reason, passed + 1);
                    intake.end = Some(end);
                    return;
                }
            }
        }
    }

    /// What the policy says of a message, and where it belongs.
    fn judge(&self, message: &Message<'_, T::Payload>, size: u64, now_ms: u32) -> Judged {
        let key = match &self.overflow.policy {
            Policy::Custom(custom) => match self.ask(custom, message, size, now_ms) {
                None => return Judged::End(EndReason::PolicyFailed),
                Some(Admit::Accept) => PlaceKey::None,
                Some(Admit::Replace(key)) => PlaceKey::Own(key),
                Some(Admit::DropOldest) => return Judged::DropOldest,
                Some(Admit::Expire(ttl)) => return Judged::Expire(ttl),
                Some(Admit::End(limit)) => return Judged::End(self.end_at(limit, now_ms)),
                // Publishers have not waited for it, and a message that is here cannot go back.
                _ => return Judged::Refuse,
            },
            policy => policy.key().map_or(PlaceKey::None, |key| PlaceKey::of(key, message)),
        };
        let depth = self.claimed();
        let (verdict, place) = match self.place_of(&key, message) {
            Some(at) => {
                let bytes = depth.bytes - self.line.get(at).map_or(0, Item::size);
                (self.overflow.admit(Depth { bytes, ..depth }, 0, size), Place::Of(at))
            }
            None => (self.overflow.admit(depth, 1, size), Place::End(key)),
        };
        match verdict {
            Verdict::Accept => Judged::Take(place),
            Verdict::Refuse => Judged::Refuse,
            Verdict::DropOldest => Judged::DropOldest,
            Verdict::End(reason) => Judged::End(reason),
        }
    }

    /// What a policy of one's own says.
    fn ask(
        &self,
        custom: &Custom,
        message: &Message<'_, T::Payload>,
        size: u64,
        now_ms: u32,
    ) -> Option<Admit> {
        let size_of_key = |key: &[u8]| {
            let at = self.place_of(&PlaceKey::Own(key.into()), message)?;
            self.line.get(at).map(Item::size)
        };
        custom.admit(&Offer {
            item: &message.view(),
            bytes: size,
            depth: self.depth(),
            most: self.overflow.most(),
            oldest: self.oldest(now_ms),
            stalled: self.stalled(now_ms),
            waited: Duration::ZERO,
            queued: &size_of_key,
        })
    }

    /// For how long its consumer has taken nothing of what is queued.
    fn stalled(&self, now_ms: u32) -> Duration {
        if self.is_empty() { Duration::ZERO } else { time_between(self.progress_ms, now_ms) }
    }

    fn end_at(&self, limit: Limit, now_ms: u32) -> EndReason {
        let Depth { messages, bytes } = self.depth();
        if limit == Limit::Behind {
            return EndReason::TooFarBehind { behind: self.stalled(now_ms), messages, bytes };
        }
        EndReason::OutOfCapacity { limit, messages, bytes }
    }

    fn take(
        &mut self,
        message: &Message<'_, T::Payload>,
        merged: Option<Merged<T>>,
        place: Place,
        passed: u32,
        intake: &mut Intake<'_>,
    ) {
        match place {
            Place::Of(at) => self.replace(at, message, merged, passed, intake),
            Place::End(key) => {
                let mut held = self.hold(message, intake.budget);
                self.begin_digest(&mut held, message, intake);
                self.append(held, key, passed, intake);
            }
        }
    }

    /// Takes a message into memory, if there is some in memory that a message has left.
    #[inline]
    fn hold(&mut self, message: &Message<'_, T::Payload>, budget: &Budget) -> T {
        match self.spare.take().or_else(|| self.line.reuse_expired()) {
            Some(mut spare) => {
                spare.replace(message, budget);
                spare
            }
            None => T::hold(message, budget),
        }
    }

    #[inline]
    fn append(&mut self, held: T, key: PlaceKey, replaced: u32, intake: &mut Intake<'_>) {
        let seq = intake.account.matched() + 1;
        let stamp = Stamp { seq, at_ms: intake.now_ms, replaced };
        intake.account.enqueue(held.count() as u64, held.size());
        match key.hash(held.subject(), &self.hasher) {
            Some(hash) => self.line.push_keyed(hash, key.own(), held, stamp),
            None => self.line.push(held, stamp),
        }
    }

    /// The message takes the place of a queued one.
    fn replace(
        &mut self,
        at: usize,
        message: &Message<'_, T::Payload>,
        merged: Option<Merged<T>>,
        passed: u32,
        intake: &mut Intake<'_>,
    ) {
        let addition = self.addition(at, message, intake);
        let old = self.line.get(at).map_or(0, Item::size);
        let seq = intake.account.matched() + 1;
        let stamp = Stamp { seq, at_ms: intake.now_ms, replaced: passed + 1 };
        self.line.replace(at, stamp, |held| {
            let digest = addition.and_then(|addition| addition.to(held, intake.budget));
            match merged {
                Some(merged) => *held = merged.item,
                None => held.replace(message, intake.budget),
            }
            if let Some(own) = held.digest() {
                *own = digest;
            }
        });
        intake.account.conflate(old, self.line.get(at).map_or(0, Item::size));
        intake.tally.conflate(1);
    }

    /// The index of the entry with that key.
    pub(super) fn place_of(
        &self,
        key: &PlaceKey,
        message: &Message<'_, T::Payload>,
    ) -> Option<usize> {
        let hash = key.hash(message.subject, &self.hasher)?;
        self.line.find(hash, |own, held| match (key, own) {
            (PlaceKey::Own(key), Some(own)) => key == own,
            (PlaceKey::Subject, None) => held.subject() == message.subject,
            _ => false,
        })
    }

    fn refuse(&mut self, count: u64, reason: LossReason, intake: &mut Intake<'_>) {
        self.lose_incoming(count, reason, intake.account);
        intake.tally.lose(reason, count);
    }

    /// Messages that came are lost; they are missed behind what is queued.
    pub(crate) fn lose_incoming(&mut self, count: u64, reason: LossReason, account: &mut Account) {
        let first = account.matched() + 1;
        account.refuse(reason, count);
        self.line.gap_at_back().add_lost(reason, count, first, account.matched());
    }
}
