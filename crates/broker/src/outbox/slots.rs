//! The subscriptions of one connection: by the client's name for them, and by their place.

use std::hash::BuildHasher;
use std::sync::Arc;

use floodway::{Account, Depth, EndReason, Filter, Overflow, SubscriptionKey};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Report;
use super::lanes::Lane;
use crate::sid::Sid;
use crate::snapshot::QuerySnapshot;

/// What only some subscriptions have; the others do not pay for it.
#[derive(Debug, Default)]
pub(super) struct Special {
    pub(super) queue_group: Option<Box<[u8]>>,
    /// Its own policy and limits, in place of the default for subscriptions.
    pub(super) overflow: Option<Arc<Overflow>>,
    /// Ends by itself after so many messages.
    pub(super) max: Option<u64>,
    /// How the client is told of losses and of the end.
    pub(super) report: Report,
    /// The query that its messages match.
    pub(super) query: Option<Box<Asked>>,
    /// Why it was ended while its session goes on.
    pub(super) end: Option<EndReason>,
    /// The messages of a subscription that may still drop, replace or skip them.
    pub(super) lane: Option<Box<Lane>>,
}

/// The query of a subscription, which itself is in the index.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) shown: QuerySnapshot,
    /// What the index holds for it.
    pub(super) bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// Out of the index, with messages still in the stream.
    Closing,
    Vacant,
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) sid: Sid,
    pub(super) filter: Filter,
    pub(super) account: Account,
    pub(super) special: Option<Box<Special>>,
    pub(super) high_water: u32,
    pub(super) serial: u32,
    pub(super) stage: Stage,
}

/// What is left of a subscription that is gone.
#[derive(Debug)]
pub(super) struct Vacated {
    pub(super) account: Account,
    /// Memory of its lane.
    pub(super) lane_bytes: usize,
    /// All of it, if it was ended while its session goes on.
    pub(super) last: Option<Box<Slot>>,
}

impl Slot {
    fn clone_without_lane(&mut self) -> Slot {
        let special =
            self.special.take().map(|special| Box::new(Special { lane: None, ..*special }));
        Slot {
            sid: self.sid.clone(),
            filter: self.filter.clone(),
            account: self.account.clone(),
            special,
            high_water: self.high_water,
            serial: self.serial,
            stage: self.stage,
        }
    }

    /// How many more messages it may get before it ends by itself.
    #[inline]
    pub(super) fn left(&self) -> u64 {
        let max = self.special.as_ref().and_then(|special| special.max);
        max.map_or(u64::MAX, |max| max - self.taken())
    }

    /// Messages that its client got or is going to get, as far as it is known.
    pub(super) fn taken(&self) -> u64 {
        self.account.delivered() + self.account.queued()
    }

    #[inline]
    pub(super) fn lane(&self) -> Option<&Lane> {
        self.special.as_ref()?.lane.as_deref()
    }

    pub(super) fn report(&self) -> Report {
        self.special.as_ref().map_or(Report::default(), |special| special.report)
    }

    /// Whether its end is the end of the session: a client that did not ask to be told about one
    /// subscription would wait on it for ever; a lost connection is what every client notices and
    /// recovers from.
    pub(super) fn ends_session(&self) -> bool {
        self.report() != Report::Status
    }

    /// What it does at its limits, if that is not the default.
    pub(super) fn overflow(&self) -> Option<&Arc<Overflow>> {
        self.special.as_ref()?.overflow.as_ref()
    }

    pub(super) fn query(&self) -> Option<&Asked> {
        self.special.as_ref()?.query.as_deref()
    }

    pub(super) fn depth(&self) -> Depth {
        Depth { messages: self.account.queued(), bytes: self.account.queued_bytes() }
    }
}

/// See the [module header](self).
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    /// Open subscriptions by the client's name for them.
    by_sid: HashTable<u32>,
    hasher: RandomState,
    next_serial: u32,
    /// What the index holds for queries of open subscriptions.
    query_bytes: usize,
}

impl Slots {
    pub(super) fn open_count(&self) -> usize {
        self.by_sid.len()
    }

    pub(super) fn find(&self, sid: &Sid) -> Option<u32> {
        let hash = self.hasher.hash_one(sid);
        self.by_sid.find(hash, |&at| self.slots[at as usize].sid == *sid).copied()
    }

    /// Enters a subscription. Its name must not be in use.
    pub(super) fn insert(
        &mut self,
        sid: Sid,
        filter: Filter,
        special: Option<Box<Special>>,
    ) -> SubscriptionKey {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let hash = self.hasher.hash_one(&sid);
        let account = Account::default();
        let stage = Stage::Open;
        let slot = Slot { sid, filter, account, special, high_water: 0, serial, stage };
        self.query_bytes += slot.query().map_or(0, |asked| asked.bytes);
        let at = match self.vacant.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_sid.insert_unique(hash, at, |&at| hasher.hash_one(&slots[at as usize].sid));
        SubscriptionKey { slot: at, serial }
    }

    /// The subscription if it is (still) open.
    #[inline]
    pub(super) fn open_mut(&mut self, key: SubscriptionKey) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        (slot.serial == key.serial && slot.stage == Stage::Open).then_some(slot)
    }

    /// The subscription at a place, open or closing.
    #[inline]
    pub(super) fn at_mut(&mut self, at: u32) -> Option<&mut Slot> {
        self.slots.get_mut(at as usize)
    }

    pub(super) fn at(&self, at: u32) -> Option<&Slot> {
        self.slots.get(at as usize)
    }

    pub(super) fn key(&self, at: u32) -> SubscriptionKey {
        SubscriptionKey { slot: at, serial: self.slots[at as usize].serial }
    }

    /// Takes an open subscription out of service; its place stays while messages are in the stream.
    pub(super) fn close(&mut self, at: u32) -> (SubscriptionKey, Filter) {
        let hash = self.hasher.hash_one(&self.slots[at as usize].sid);
        if let Ok(found) = self.by_sid.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        let key = self.key(at);
        let slot = &mut self.slots[at as usize];
        slot.stage = Stage::Closing;
        self.query_bytes -= slot.query().map_or(0, |asked| asked.bytes);
        (key, slot.filter.clone())
    }

    /// Frees the place of a closing subscription once nothing of it is in the stream; returns its
    /// what was left of it then.
    pub(super) fn vacate_if_drained(&mut self, at: u32) -> Option<Vacated> {
        let slot = &mut self.slots[at as usize];
        // A lane that has run empty may still have something to tell.
        let speaks = slot.lane().is_some_and(Lane::is_listed);
        if slot.stage != Stage::Closing || slot.account.queued() > 0 || speaks {
            return None;
        }
        slot.stage = Stage::Vacant;
        let lane_bytes = slot.lane().map_or(0, |lane| lane.backlog.held_bytes());
        let ended = slot.special.as_ref().is_some_and(|special| special.end.is_some());
        self.vacant.push(at);
        let last = ended.then(|| Box::new(slot.clone_without_lane()));
        slot.special = None;
        Some(Vacated { account: std::mem::take(&mut slot.account), lane_bytes, last })
    }

    /// Everything that is open, or closing with something in the stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Slot)> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| slot.stage != Stage::Vacant).map(|(at, slot)| (at as u32, slot))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(|slot| slot.stage != Stage::Vacant)
    }

    /// Memory it holds, and of what the index holds for it the queries: those may be large.
    pub(super) fn held_bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.query_bytes
    }
}
