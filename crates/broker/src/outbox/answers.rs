//! Answers to the client that wait for lanes.
//!
//! An answer has to follow what was routed to the client before (ORD-2), so it waits while anything
//! waits in a lane that was there before it.

use std::time::Instant;

use floodway::SubscriptionKey;

use super::Outbox;
use super::slots::Slot;

/// An answer, and what has to go before it: the places in lanes up to which they were filled.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    pub(super) behind: Vec<(SubscriptionKey, u64)>,
}

impl Answer {
    fn held_bytes(&self) -> usize {
        let behind = self.behind.capacity() * size_of::<(SubscriptionKey, u64)>();
        size_of::<Self>() + self.bytes.capacity() + behind
    }
}

impl Outbox {
    /// Lets an answer wait for what is queued in lanes before it; false if nothing is.
    pub(super) fn hold_answer(&mut self, answer: &[u8]) -> bool {
        let Self { slots, lanes: Some(lanes), .. } = self else { return false };
        if !lanes.has_waiting() {
            return false;
        }
        let mut behind = Vec::new();
        for &at in &lanes.ready {
            let key = slots.key(at);
            let special = slots.at_mut(at).and_then(|slot| slot.special.as_mut());
            let Some(lane) = special.and_then(|special| special.lane.as_mut()) else { continue };
            let end = lane.backlog.end_place();
            // What an earlier answer waits for this one need not name again.
            if end > lane.answered.max(lane.backlog.first_place()) {
                lane.answered = end;
                behind.push((key, end));
            }
        }
        behind.shrink_to_fit();
        let answer = Answer { bytes: answer.to_vec(), behind };
        lanes.answer_bytes += answer.bytes.len() as u64;
        lanes.answers_held += answer.held_bytes();
        lanes.answers.push_back(answer);
        self.settle_charge();
        true
    }

    /// Bytes of answers that wait.
    pub(super) fn waiting_answer_bytes(&self) -> u64 {
        self.lanes.as_ref().map_or(0, |lanes| lanes.answer_bytes)
    }

    /// Appends the answers before which nothing waits any more.
    pub(super) fn release_answers(&mut self, now: Instant) {
        while let Some(answer) = self.next_answer() {
            self.append_control(&answer, now);
        }
    }

    /// The first answer, if all that was before it is out of the lanes.
    fn next_answer(&mut self) -> Option<Vec<u8>> {
        let Self { slots, lanes: Some(lanes), .. } = self else { return None };
        let first = lanes.answers.front_mut()?;
        first.behind.retain(|(key, end)| {
            let slot = slots.at(key.slot).filter(|slot| slot.serial == key.serial);
            let lane = slot.and_then(Slot::lane);
            lane.is_some_and(|lane| lane.is_listed() && lane.backlog.first_place() < *end)
        });
        if !first.behind.is_empty() {
            return None;
        }
        let answer = lanes.answers.pop_front()?;
        lanes.answer_bytes -= answer.bytes.len() as u64;
        lanes.answers_held -= answer.held_bytes();
        Some(answer.bytes)
    }
}
