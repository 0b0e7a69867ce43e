//! What comes into an outbox: messages for its subscriptions, and answers to its client.

use std::time::Instant;

use floodway::{EndReason, LossReason, Message, Run, Runs, SubscriptionKey, Taken, Tally, Verdict};

use super::Outbox;
use super::ledger::CONTROL;
use super::slots::Slot;
use crate::framing::Framing;

/// A policy's answer to a message it does not take.
#[derive(Debug)]
struct Refusal {
    reason: EndReason,
    whole_session: bool,
}

/// What became of what a batch had for a client.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'r> {
    pub(crate) taken: Taken,
    /// Why the whole session ended over it, if it did.
    pub(crate) ended: Option<EndReason>,
    /// To be delivered once the stream has been written out.
    pub(crate) rest: Option<Runs<'r>>,
}

impl Outbox {
    /// Takes what a batch has for the client. If `patient`, a subscription with a lane leaves the
    /// rest of it for when the stream has been written out, as long as the socket may take it: a
    /// client that keeps up is to lose nothing over a batch that is larger than its lane.
    pub(crate) fn deliver<'r>(
        &mut self,
        runs: Runs<'r>,
        patient: bool,
        framing: &impl Framing,
        now: Instant,
        tally: &mut Tally,
    ) -> Outcome<'r> {
        let mut outcome = Outcome::default();
        if self.ended.is_some() {
            return outcome;
        }
        let before = tally.report().matched;
        let mut todo = Some(runs);
        while let Some(runs) = todo
            && outcome.ended.is_none()
        {
            let (key, run, later) = runs.split_first();
            let (done, ended) = self.deliver_run(key, run, patient, framing, now, tally);
            outcome.ended = ended;
            if done < run.len() {
                outcome.rest = Some(runs.after(done));
                break;
            }
            todo = later;
        }
        self.settle_charge();
        let taken = &mut outcome.taken;
        taken.finished = !self.to_reap.is_empty();
        taken.over_mark = self.is_over_mark(false);
        let any_matched = tally.report().matched > before;
        let anything = any_matched || taken.finished || outcome.ended.is_some();
        // A full socket wakes whoever writes to it by itself; ten thousand of them need no look.
        if anything && !self.blocked {
            taken.wake = !std::mem::replace(&mut self.wake_pending, true);
        }
        outcome
    }

    /// Takes a run of messages for one subscription; how many of it need no further look, and why
    /// the session ended over it, if it did.
    fn deliver_run(
        &mut self,
        key: SubscriptionKey,
        run: Run<'_>,
        patient: bool,
        framing: &impl Framing,
        now: Instant,
        tally: &mut Tally,
    ) -> (usize, Option<EndReason>) {
        let (mut rest, mut ended) = (run, None);
        while !rest.is_empty() && ended.is_none() {
            let Some(slot) = self.slots.open_mut(key) else { break };
            let (left, has_lane) = (slot.left(), slot.lane().is_some());
            let part = rest.first_of(rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            let (done, end) = if has_lane {
                let (done, end) =
                    self.deliver_to_lane(key.slot, part, patient, framing, now, tally);
                (done, end.and_then(|reason| self.end_alone(key.slot, reason, framing, now)))
            } else {
                (part.len(), self.deliver_to_stream(key.slot, part, framing, now, tally))
            };
            ended = end;
            rest = rest.after(done);
            if left < u64::MAX
                && let Some(slot) = self.slots.open_mut(key)
                && slot.left() == 0
            {
                let closed = self.close_slot(key.slot);
                self.to_reap.push(closed);
            }
            if done < part.len() {
                return (run.len() - rest.len(), ended);
            }
        }
        // Whoever has ended needs none of the rest.
        (run.len(), ended)
    }

    fn deliver_to_stream(
        &mut self,
        at: u32,
        run: Run<'_>,
        framing: &impl Framing,
        now: Instant,
        tally: &mut Tally,
    ) -> Option<EndReason> {
        for row in run.rows() {
            let head = self.take_head(at, row[0].subject, framing);
            let refused = self.append_within_limits(at, &head, &row, framing, now, tally);
            self.head = head;
            if let Some(refusal) = refused {
                tally.end_over(LossReason::of_end(&refusal.reason), 1);
                return self.refuse(at, refusal, framing, now);
            }
        }
        None
    }

    /// The part of a frame that is the same for all messages of a subject for one subscription. The
    /// caller puts it back, for its memory.
    pub(super) fn take_head(&mut self, at: u32, subject: &[u8], framing: &impl Framing) -> Vec<u8> {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        if let Some(slot) = self.slots.at(at) {
            framing.head(subject, &slot.sid, &mut head);
        }
        head
    }

    fn append_within_limits(
        &mut self,
        at: u32,
        head: &[u8],
        run: &[Message<'_>],
        framing: &impl Framing,
        now: Instant,
        tally: &mut Tally,
    ) -> Option<Refusal> {
        let bytes: usize = run.iter().map(|message| framing.frame_len(head, message)).sum();
        if self.admit(at, run.len() as u64, bytes as u64).is_none() {
            self.append(at, head, run, framing, now);
            tally.queue(run.len() as u64);
            return None;
        }
        for message in run {
            let refusal = self.admit(at, 1, framing.frame_len(head, message) as u64);
            if refusal.is_some() {
                return refusal;
            }
            self.append(at, head, std::slice::from_ref(message), framing, now);
            tally.queue(1);
        }
        None
    }

    /// Asks the policies of the connection and of the subscription.
    fn admit(&mut self, at: u32, messages: u64, bytes: u64) -> Option<Refusal> {
        let Self { settings, slots, depth, credit, .. } = self;
        let verdict = settings.connection.admit_on_credit(*depth, messages, bytes, credit);
        if let Verdict::End(reason) = verdict {
            return Some(Refusal { reason, whole_session: true });
        }
        let slot = slots.at(at)?;
        let overflow = slot.overflow().unwrap_or(&settings.subscription);
        match overflow.admit(slot.depth(), messages, bytes) {
            Verdict::End(reason) => {
                let whole_session = slot.ends_session();
                Some(Refusal { reason, whole_session })
            }
            _ => None,
        }
    }

    pub(super) fn append(
        &mut self,
        at: u32,
        head: &[u8],
        run: &[Message<'_>],
        framing: &impl Framing,
        now: Instant,
    ) {
        if self.depth.bytes == 0 {
            self.progress = now;
        }
        let (at_ms, waiting) = (self.millis(now), self.blocked);
        let before = self.bytes.len();
        let (mut same, mut same_len) = (0, 0);
        for message in run {
            let start = self.bytes.len();
            framing.frame(head, message, waiting, &mut self.bytes, &self.settings.pool);
            let len = self.bytes.len() - start;
            if len != same_len && same > 0 {
                self.ledger.push(at, same, same_len as u32, at_ms);
                same = 0;
            }
            (same, same_len) = (same + 1, len);
        }
        self.ledger.push(at, same, same_len as u32, at_ms);
        let (messages, bytes) = (run.len() as u64, (self.bytes.len() - before) as u64);
        self.depth.messages += messages;
        self.depth.bytes += bytes;
        if let Some(slot) = self.slots.at_mut(at) {
            slot.account.enqueue(messages, bytes);
            slot.high_water = slot.high_water.max(slot.account.queued() as u32);
        }
    }

    /// A message was refused: counts it, and ends the subscription or the session.
    #[cold]
    fn refuse(
        &mut self,
        at: u32,
        refusal: Refusal,
        framing: &impl Framing,
        now: Instant,
    ) -> Option<EndReason> {
        let Refusal { reason, whole_session } = refusal;
        let slot = self.slots.at_mut(at)?;
        slot.account.refuse(LossReason::of_end(&reason), 1);
        if whole_session {
            self.end(reason.clone());
            return Some(reason);
        }
        self.end_alone(at, reason, framing, now)
    }

    /// Ends one subscription whose client is told so on it.
    pub(super) fn end_alone(
        &mut self,
        at: u32,
        reason: EndReason,
        framing: &impl Framing,
        now: Instant,
    ) -> Option<EndReason> {
        let slot = self.slots.at(at)?;
        if !framing.tells() {
            // Nobody would ever know; a lost connection is what every client notices.
            self.end(reason.clone());
            return Some(reason);
        }
        if slot.lane().is_some() {
            return self.end_lane(at, reason, now);
        }
        let notice = framing.ended(slot.filter.as_bytes(), &slot.sid, &reason);
        self.note_end(at, &reason, now);
        let closed = self.close_slot(at);
        self.to_reap.push(closed);
        // The notice may be what the connection has no room for.
        self.answer_within_limits(&notice, now)
    }

    /// A subscription with a lane ends over a message, or all of its session.
    fn end_lane(&mut self, at: u32, reason: EndReason, now: Instant) -> Option<EndReason> {
        if self.slots.at(at).is_none_or(Slot::ends_session) {
            self.end(reason.clone());
            return Some(reason);
        }
        self.note_end(at, &reason, now);
        self.bid_farewell(at, reason);
        let closed = self.close_slot(at);
        self.to_reap.push(closed);
        None
    }

    /// Queues an answer to the client, behind what was routed to it before. Says why the session
    /// ended over it, if it did: answers that nobody reads pile up like messages.
    pub(crate) fn push_control(&mut self, answer: &[u8], now: Instant) -> Option<EndReason> {
        if self.ended.is_some() || answer.is_empty() {
            return None;
        }
        if self.has_waiting() {
            let end = self.no_room_for(answer);
            if end.is_none() {
                self.hold_answer(answer);
            }
            return end;
        }
        self.answer_within_limits(answer, now)
    }

    fn answer_within_limits(&mut self, answer: &[u8], now: Instant) -> Option<EndReason> {
        let end = self.no_room_for(answer);
        if end.is_none() {
            self.append_control(answer, now);
        }
        end
    }

    fn no_room_for(&mut self, answer: &[u8]) -> Option<EndReason> {
        let size = answer.len() as u64 + self.waiting_answer_bytes();
        match self.settings.connection.admit(self.depth, 0, size) {
            Verdict::End(reason) => {
                self.end(reason.clone());
                Some(reason)
            }
            _ => None,
        }
    }

    /// Queues the last thing the client gets to read, whatever the limits and even after the end.
    pub(crate) fn push_last_words(&mut self, answer: &[u8], now: Instant) {
        // After what was queued has been given up, the stream may end within a message.
        if !self.discarded && !self.hold_answer(answer) {
            self.append_control(answer, now);
        }
    }

    pub(super) fn append_control(&mut self, answer: &[u8], now: Instant) {
        if self.discarded || answer.is_empty() {
            return;
        }
        if self.depth.bytes == 0 {
            self.progress = now;
        }
        let waiting = self.blocked;
        self.bytes.append(answer.len(), waiting, &self.settings.pool, |block| {
            block.extend_from_slice(answer);
        });
        self.ledger.push(CONTROL, 1, answer.len() as u32, self.millis(now));
        self.depth.bytes += answer.len() as u64;
        self.settle_charge();
    }
}
