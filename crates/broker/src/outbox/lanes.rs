//! Subscriptions whose messages may still be dropped, replaced or skipped.
//!
//! Each has a *lane*, a backlog beside the stream. While the client keeps up, its messages go
//! straight into the stream like all others. Once the stream is no longer short, they wait in the
//! lane, where the policy can still change them, and the lanes feed the stream in turns while it is
//! short. So what can no longer be changed is bounded by [`WINDOW`] and the socket's own buffer.
//!
//! Answers wait for lanes in `answers.rs`.

use std::collections::VecDeque;
use std::time::Instant;

use floodway::{
    Account, Backlog, Depth, EndReason, Limits, Message, Missed, Parcel, Popped, Pressure, Run,
    Tally,
};

use super::answers::Answer;
use super::slots::{Slot, Slots};
use super::{Outbox, Report};
use crate::framing::{Framing, Notes};

/// Bytes in the stream from which on messages wait in their lanes: enough for one full write.
const WINDOW: u64 = 64 * 1024;
/// The same while the process is short of memory: every stalled client has so much at most.
pub(super) const NARROW_WINDOW: u64 = 1024;
/// Bytes that one lane may feed before it is the next one's turn; also what lanes may feed each
/// time the socket has taken a [`WINDOW`] of a stream that others keep long.
const TURN: u64 = 8 * 1024;

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) backlog: Backlog<Parcel>,
    /// It is in line to feed the stream.
    pub(super) listed: bool,
    /// The place up to which an answer waits, or waited, for it.
    pub(super) answered: u64,
    /// The subscription has ended; told after what is queued.
    farewell: Option<EndReason>,
}

impl Lane {
    pub(super) fn new(backlog: Backlog<Parcel>) -> Self {
        Self { backlog, listed: false, answered: 0, farewell: None }
    }

    /// Whether its policy loses messages rather than ends.
    pub(super) fn may_lose(&self) -> bool {
        self.backlog.overflow().may_lose()
    }

    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Nothing waits, but something is to be told with the next message.
    fn only_owes(&self) -> bool {
        !self.listed && self.backlog.is_empty() && self.backlog.has_gap()
    }

    /// Nothing waits and nothing is to be told, so the next message may pass it by.
    fn is_idle(&self) -> bool {
        !self.listed && !self.backlog.has_gap()
    }
}

/// What an outbox with lanes has besides; the others do not pay for it.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Lanes with something for the stream, in the order of their turns.
    pub(super) ready: VecDeque<u32>,
    pub(super) answers: VecDeque<Answer>,
    pub(super) answer_bytes: u64,
    /// Memory of all answers.
    pub(super) answers_held: usize,
    /// Memory of all lanes.
    pub(super) held_bytes: usize,
    /// Bytes queued in all lanes, shared payloads included.
    pub(super) queued_bytes: u64,
    pub(super) troubles: u64,
    /// Bytes the socket took while lanes waited and fed nothing.
    pub(super) passed: u64,
}

impl Lanes {
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes + self.answers_held
    }

    /// A lane is no more.
    pub(super) fn forget(&mut self, lane_bytes: usize) {
        self.held_bytes -= lane_bytes;
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.ready.is_empty() || !self.answers.is_empty()
    }

    /// See [`Outbox::empty_lane`].
    pub(super) fn empty(&mut self, slot: &mut Slot) {
        let lane = slot.special.as_mut().and_then(|special| special.lane.as_mut());
        if let Some(lane) = lane.filter(|lane| lane.backlog.is_empty() && !lane.listed) {
            self.held_bytes -= lane.backlog.held_bytes();
            lane.backlog.clear();
            self.held_bytes += lane.backlog.held_bytes();
        }
    }

    /// The socket took so many bytes.
    pub(super) fn pass(&mut self, written: u64) {
        self.passed = if self.has_waiting() { self.passed + written } else { 0 };
    }
}

impl Outbox {
    /// Whether a subscription of this client may drop, replace or skip messages.
    pub fn has_lanes(&self) -> bool {
        self.lanes.is_some()
    }

    /// Whether something waits for the stream to become short.
    pub fn has_waiting(&self) -> bool {
        self.lanes.as_ref().is_some_and(|lanes| lanes.has_waiting())
    }

    /// Messages lost, replaced or expired by its lanes so far, and subscriptions ended.
    pub fn troubles(&self) -> u64 {
        let ended = self.ends.as_ref().map_or(0, |ends| ends.count);
        ended + self.lanes.as_ref().map_or(0, |lanes| lanes.troubles)
    }

    /// From where on the stream is not short.
    fn window(&self) -> Depth {
        self.within_limits(match self.charge.budget().pressure() {
            Pressure::Calm => WINDOW,
            Pressure::High | Pressure::Full => NARROW_WINDOW,
        })
    }

    /// Up to where lanes may feed the stream now. Other subscriptions may never let it become
    /// short, so lanes have a share of what the socket takes in any case.
    fn feed_window(&mut self) -> Depth {
        let window = self.window();
        let short = self.is_short(window);
        let share = self.within_limits(self.depth.bytes + TURN);
        match &mut self.lanes {
            Some(lanes) if short || lanes.passed >= WINDOW => lanes.passed = 0,
            _ => return window,
        }
        if short { window } else { share }
    }

    fn within_limits(&self, bytes: u64) -> Depth {
        // What came out of lanes must not use up the limits of the connection for the others.
        let Limits { messages: most, bytes: most_bytes, .. } = self.settings.connection.limits;
        let half = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| (limit / 2).max(1));
        Depth { messages: half(most), bytes: bytes.min(half(most_bytes)) }
    }

    fn is_short(&self, window: Depth) -> bool {
        self.depth.bytes < window.bytes && self.depth.messages < window.messages
    }

    /// Lets `f` work on a lane, and books what that did to the memory and the losses.
    pub(super) fn with_lane<R>(
        &mut self,
        at: u32,
        f: impl FnOnce(&mut Lane, &mut Account) -> R,
    ) -> Option<R> {
        let Self { slots, lanes, .. } = self;
        Self::with_lane_of(slots, lanes.get_or_insert_default(), at, f)
    }

    fn with_lane_of<R>(
        slots: &mut Slots,
        lanes: &mut Lanes,
        at: u32,
        f: impl FnOnce(&mut Lane, &mut Account) -> R,
    ) -> Option<R> {
        let Slot { account, special, .. } = slots.at_mut(at)?;
        let lane = special.as_mut()?.lane.as_mut()?;
        let (troubles, held) = (account.troubles(), lane.backlog.held_bytes());
        let queued = lane.backlog.depth().bytes;
        let result = f(lane, account);
        lanes.troubles += account.troubles() - troubles;
        lanes.held_bytes = lanes.held_bytes + lane.backlog.held_bytes() - held;
        lanes.queued_bytes = lanes.queued_bytes + lane.backlog.depth().bytes - queued;
        Some(result)
    }

    /// Takes a run for a subscription with a lane. Says how many of it need no further look, and
    /// why it ends, if it does.
    pub(super) fn deliver_to_lane(
        &mut self,
        at: u32,
        run: Run<'_>,
        patient: bool,
        framing: &impl Framing,
        now: Instant,
        tally: &mut Tally,
    ) -> (usize, Option<EndReason>) {
        let mut done = self.pass_by(at, run, framing, now);
        tally.queue(done as u64);
        while done < run.len() {
            let rest = run.after(done);
            let writable = !self.blocked && !self.writing;
            if patient && writable && !self.is_short(self.window()) {
                break;
            }
            // What was missed is told with the next message; those behind it may pass by again.
            let owes = self.slots.at(at).and_then(Slot::lane).is_some_and(Lane::only_owes);
            let part = if owes && writable { rest.first_of(1) } else { rest };
            done += part.len();
            let end = self.offer_to_lane(at, part, now, tally);
            if end.is_some() {
                return (run.len(), end);
            }
            if done < run.len() {
                self.feed(framing, now);
                let passed = self.pass_by(at, run.after(done), framing, now);
                tally.queue(passed as u64);
                done += passed;
            }
        }
        (done, None)
    }

    fn offer_to_lane(
        &mut self,
        at: u32,
        run: Run<'_>,
        now: Instant,
        tally: &mut Tally,
    ) -> Option<EndReason> {
        let now_ms = self.millis(now);
        let Self { slots, lanes, charge, .. } = self;
        let lanes = lanes.get_or_insert_default();
        let end = Self::with_lane_of(slots, lanes, at, |lane, account| {
            lane.backlog.offer(run, account, charge.budget(), now, now_ms, tally)
        })?;
        if let Some(slot) = self.slots.at_mut(at) {
            slot.high_water = slot.high_water.max(slot.account.queued() as u32);
        }
        self.list(at);
        end
    }

    /// While the client keeps up, its messages need not wait in the lane; how many went by.
    fn pass_by(&mut self, at: u32, run: Run<'_>, framing: &impl Framing, now: Instant) -> usize {
        let is_idle = self.slots.at(at).and_then(Slot::lane).is_some_and(Lane::is_idle);
        if self.blocked || !is_idle {
            return 0;
        }
        let window = self.window();
        let mut passed = 0;
        for row in run.rows() {
            if !self.is_short(window) {
                break;
            }
            let head = self.take_head(at, row[0].subject, framing);
            let count = self.short_part(at, &row, &head, window, framing);
            if count > 0 {
                self.append(at, &head, &row[..count], framing, now);
            }
            self.head = head;
            passed += count;
            if count < row.len() {
                break;
            }
        }
        passed
    }

    /// How many of the first of some messages may go into the stream before it is no longer short.
    fn short_part(
        &self,
        at: u32,
        row: &[Message<'_>],
        head: &[u8],
        window: Depth,
        framing: &impl Framing,
    ) -> usize {
        // What the empty lane would not take is refused as well while the client keeps up.
        let lane = self.slots.at(at).and_then(Slot::lane);
        let fits = |message: &Message<'_>| {
            lane.is_some_and(|lane| lane.backlog.overflow().could_take(message.size() as u64))
        };
        let (mut bytes, mut count) = (self.depth.bytes, 0);
        let most = window.messages - self.depth.messages;
        while let Some(message) = row.get(count)
            && bytes < window.bytes
            && (count as u64) < most
            && fits(message)
        {
            bytes += framing.frame_len(head, message) as u64;
            count += 1;
        }
        count
    }

    /// Puts a lane in line to feed the stream, if it has something for it.
    pub(super) fn list(&mut self, at: u32) {
        let Self { slots, lanes, .. } = self;
        let Some(slot) = slots.at_mut(at) else { return };
        let report = slot.report();
        let Some(special) = &mut slot.special else { return };
        let Some(lane) = &mut special.lane else { return };
        let backlog = &lane.backlog;
        // A gap behind everything is told with the next message, or at once by a status.
        let speaks = lane.farewell.is_some() || backlog.has_gap() && report != Report::Header;
        if !lane.listed && (!backlog.is_empty() || speaks) {
            lane.listed = true;
            lanes.get_or_insert_default().ready.push_back(at);
        }
    }

    /// The subscription has ended: the client is told after what is queued.
    pub(super) fn bid_farewell(&mut self, at: u32, reason: EndReason) {
        let slot = self.slots.at_mut(at);
        if let Some(lane) = slot.and_then(|slot| slot.special.as_mut()?.lane.as_mut()) {
            lane.farewell = Some(reason);
        }
        self.list(at);
    }

    /// Fills the stream from the lanes while it is short.
    pub(super) fn feed(&mut self, framing: &impl Framing, now: Instant) {
        if !self.has_waiting() {
            return;
        }
        let window = self.feed_window();
        loop {
            self.release_answers(now);
            if !self.is_short(window) {
                break;
            }
            let Some(at) = self.lanes.as_mut().and_then(|lanes| lanes.ready.pop_front()) else {
                break;
            };
            self.feed_turn(at, window, framing, now);
            self.list(at);
            self.retire_if_drained(at);
        }
        self.settle_charge();
    }

    /// One lane's turn.
    fn feed_turn(&mut self, at: u32, window: Depth, framing: &impl Framing, now: Instant) {
        let until = Depth { bytes: window.bytes.min(self.depth.bytes + TURN), ..window };
        let now_ms = self.millis(now);
        let report = match self.slots.at_mut(at) {
            Some(slot) if framing.tells() => slot.report(),
            _ => Report::None,
        };
        while self.is_short(until) {
            let popped = self.with_lane(at, |lane, account| lane.backlog.pop(account, now_ms));
            match popped.flatten() {
                Some(popped) => self.feed_one(at, popped, report, framing, now),
                None => return self.feed_last(at, report, framing, now),
            }
        }
        if let Some(lane) = self.lane_mut(at) {
            lane.listed = false;
        }
    }

    fn lane_mut(&mut self, at: u32) -> Option<&mut Lane> {
        self.slots.at_mut(at)?.special.as_mut()?.lane.as_deref_mut()
    }

    /// The lane has run empty: what is to be told after its last message.
    fn feed_last(&mut self, at: u32, report: Report, framing: &impl Framing, now: Instant) {
        // Nobody waits for this lane now, and perhaps nobody comes to free the rest later.
        self.with_lane(at, |lane, _| lane.backlog.free_expired());
        let Some(lane) = self.lane_mut(at) else { return };
        lane.listed = false;
        let farewell = lane.farewell.take();
        let missed = match report {
            // Told with the next message, if there will be one.
            Report::Header if farewell.is_none() => None,
            _ => lane.backlog.take_last_gap(),
        };
        if report != Report::Status {
            return;
        }
        let Some(slot) = self.slots.at_mut(at) else { return };
        let subject = slot.filter.as_bytes();
        let missed = missed.map(|missed| framing.missed(subject, &slot.sid, &missed));
        let ended = farewell.map(|reason| framing.ended(subject, &slot.sid, &reason));
        for notice in missed.into_iter().chain(ended) {
            self.append_control(&notice, now);
        }
    }

    /// A message goes from its lane into the stream, with what the client has to know about it.
    fn feed_one(
        &mut self,
        at: u32,
        popped: Popped<Parcel>,
        report: Report,
        framing: &impl Framing,
        now: Instant,
    ) {
        let Popped { held, at_ms, replaced, missed, .. } = popped;
        let missed = self.tell_missed(at, missed, report, framing, now);
        let mut message = held.message();
        let old = message.size() as u64;
        let mut annotated = Vec::new();
        let replaced = if report == Report::None { 0 } else { replaced };
        if missed.is_some() || replaced > 0 {
            let notes = Notes { missed: missed.as_deref(), replaced };
            if framing.annotate(message.headers, &notes, &mut annotated) {
                message = message.with_headers(&annotated);
            } else if let Some(missed) = &missed {
                self.with_lane(at, |lane, _| lane.backlog.put_gap_back(missed));
            }
        }
        self.append_fed(at, old, &message, at_ms, framing, now);
    }

    /// Tells of what was missed by a message of its own, if the client asked for that; returns what
    /// is still to be told.
    fn tell_missed(
        &mut self,
        at: u32,
        missed: Option<Box<Missed>>,
        report: Report,
        framing: &impl Framing,
        now: Instant,
    ) -> Option<Box<Missed>> {
        let missed = missed?;
        match report {
            Report::Header => Some(missed),
            Report::None => None,
            Report::Status => {
                let slot = self.slots.at_mut(at)?;
                let notice = framing.missed(slot.filter.as_bytes(), &slot.sid, &missed);
                self.append_control(&notice, now);
                None
            }
        }
    }

    /// Appends a message that was booked as queued already, with `old` bytes.
    fn append_fed(
        &mut self,
        at: u32,
        old: u64,
        message: &Message<'_>,
        at_ms: u32,
        framing: &impl Framing,
        now: Instant,
    ) {
        if self.depth.bytes == 0 {
            self.progress = now;
        }
        let head = self.take_head(at, message.subject, framing);
        let before = self.bytes.len();
        framing.frame(&head, message, self.blocked, &mut self.bytes, &self.settings.pool);
        self.head = head;
        let len = (self.bytes.len() - before) as u64;
        self.ledger.push(at, 1, len as u32, at_ms);
        self.depth.messages += 1;
        self.depth.bytes += len;
        if let Some(slot) = self.slots.at_mut(at) {
            slot.account.resize(old, len);
        }
    }
}
