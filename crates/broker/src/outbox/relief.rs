//! What lanes give up: to time, to whoever is short of memory, and at the end.

use std::time::Instant;

use floodway::{Account, LossReason};

use super::Outbox;
use super::lanes::{Lane, Lanes, NARROW_WINDOW};

impl Outbox {
    /// Skips what has expired.
    pub(super) fn sweep_lanes(&mut self, now: Instant) {
        let now_ms = self.millis(now);
        for at in self.waiting_lanes() {
            self.with_lane(at, |lane, account| lane.backlog.sweep(account, now_ms));
        }
        self.settle_charge();
    }

    /// Gives up the older half of what waits in lanes whose policy may lose messages; true if there
    /// was something. Nothing is given up if the lanes hold less than the stream, and the stream is
    /// longer than every stalled client has it while memory is short.
    pub(crate) fn relieve(&mut self) -> bool {
        let in_lanes = self.lane_bytes();
        let others = self.held_bytes().saturating_sub(in_lanes);
        if others > in_lanes && others > 8 * NARROW_WINDOW as usize {
            return false;
        }
        let give_up = |lane: &mut Lane, account: &mut Account| {
            if !lane.may_lose() {
                return 0;
            }
            lane.backlog.give_up_half(LossReason::MemoryPressure, account)
        };
        let mut given_up = 0;
        for at in self.waiting_lanes() {
            given_up += self.with_lane(at, give_up).unwrap_or(0);
        }
        self.settle_charge();
        given_up > 0
    }

    /// What its lanes hold. Shared payloads count too: giving them up may free them.
    pub(super) fn lane_bytes(&self) -> usize {
        self.lanes.as_ref().map_or(0, |lanes| lanes.held_bytes.max(lanes.queued_bytes as usize))
    }

    /// Gives back what an empty lane has kept for later, for there is no later.
    pub(super) fn empty_lane(&mut self, at: u32) {
        if let (Some(slot), Some(lanes)) = (self.slots.at_mut(at), &mut self.lanes) {
            lanes.empty(slot);
        }
        self.settle_charge();
    }

    fn waiting_lanes(&self) -> Vec<u32> {
        self.lanes.as_ref().map_or_else(Vec::new, |lanes| lanes.ready.iter().copied().collect())
    }

    /// Forgets what waits; the accounts must have been told.
    pub(super) fn discard_lanes(&mut self) {
        let Some(lanes) = &mut self.lanes else { return };
        **lanes = Lanes { troubles: lanes.troubles, ..Lanes::default() };
        for slot in self.slots.iter_mut() {
            if let Some(lane) = slot.special.as_mut().and_then(|special| special.lane.as_mut()) {
                lane.backlog.clear();
                lane.listed = false;
            }
        }
    }
}
