//! The outbox of one client: the ordered stream of bytes that its socket is still to take.
//!
//! Every message for the client, of whichever subscription, and every answer is encoded straight
//! into one [`ByteQueue`], so order needs no further thought and a write takes many messages with
//! one system call. A ledger beside it knows whose messages they are, so each subscription has
//! an exact account even after a partial write (docs/adr/0003). Policies that may still drop or
//! replace a message need entries instead of bytes: their lanes stand beside the stream and feed
//! it while it is short (docs/adr/0006).
//!
//! Any thread may add to an outbox and any thread may write it out: the one that finds no writer
//! takes the queued bytes with [`Outbox::begin_write`], writes without holding the lock, and puts
//! the rest back with [`Outbox::end_write`].

mod answers;
mod deliver;
mod ends;
mod lanes;
mod ledger;
mod relief;
mod slots;
mod stream;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use floodway::{
    Account, Backlog, Charge, Credit, Depth, EndReason, Filter, Overflow, Policy, Query,
    SubscriptionKey,
};
use floodway_queue::ByteQueue;

use crate::broker::OutboxSettings;
use crate::sid::Sid;
use crate::snapshot::{QuerySnapshot, SubscriptionSnapshot};
pub(crate) use deliver::Outcome;
use ends::Ends;
use lanes::{Lane, Lanes};
use ledger::Ledger;
use slots::{Asked, Slot, Slots, Special};

/// What a client asks for with a subscription.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionSpec {
    /// Shares its messages with the other members of this group.
    pub queue_group: Option<Box<[u8]>>,
    /// Its own policy and limits; the default for subscriptions if absent.
    pub overflow: Option<Arc<Overflow>>,
    /// How the client is told of losses and of the end.
    pub report: Report,
    /// Gets only the messages that it matches.
    pub query: Option<Query>,
}

/// How a client is told, within a subscription, of what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Report {
    /// Losses: as a header of the next message. The end: the connection is closed.
    #[default]
    Header,
    /// Losses and the end: as messages of their own with a status, at their place in the stream.
    Status,
    /// Not at all; the messages stay as they were sent. The end: the connection is closed.
    None,
}

impl Report {
    /// The names in control requests.
    pub const NAMES: [(&str, Report); 3] =
        [("header", Self::Header), ("status", Self::Status), ("none", Self::None)];

    /// The name in control requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Status => "status",
            Self::None => "none",
        }
    }
}

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteEnd {
    /// Everything that was taken was written.
    Drained,
    /// The socket takes no more for now.
    Blocked,
    /// The socket is gone.
    Broken,
}

/// The ordered outgoing stream of one client, with an exact account of each subscription in it.
#[derive(Debug)]
pub struct Outbox {
    settings: Arc<OutboxSettings>,
    bytes: ByteQueue,
    /// Memory of the blocks that a writer has in hand.
    in_hand: usize,
    ledger: Ledger,
    slots: Slots,
    /// Everything not yet taken by the socket, what a writer has in hand included.
    depth: Depth,
    /// What the connection may queue beyond its limit of bytes.
    credit: Credit,
    charge: Charge,
    /// The messages of subscriptions that may still drop, replace or skip them; the others have
    /// none.
    lanes: Option<Box<Lanes>>,
    /// Subscriptions that were ended while the session goes on.
    ends: Option<Box<Ends>>,
    /// Accounts of subscriptions that are gone.
    retired: Retired,
    ended: Option<EndReason>,
    to_reap: Vec<(SubscriptionKey, Filter)>,
    below_mark: Vec<Waker>,
    /// The part of a frame that is the same for a whole run; kept for its allocation only.
    head: Vec<u8>,
    born: Instant,
    /// When the socket last took something, or the queue last became non-empty.
    progress: Instant,
    writing: bool,
    blocked: bool,
    /// The socket became writable while a writer was about to report that it is not.
    writable_again: bool,
    wake_pending: bool,
    /// What is queued was given up.
    discarded: bool,
}

/// Sums over the subscriptions of a session that are no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retired {
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) losses: floodway::Losses,
    pub(crate) conflated: u64,
    pub(crate) expired: u64,
}

impl Retired {
    pub(crate) fn add(&mut self, account: &Account) {
        self.matched += account.matched();
        self.delivered += account.delivered();
        self.losses.add(&account.losses());
        self.conflated += account.conflated();
        self.expired += account.expired();
    }
}

impl Outbox {
    pub(crate) fn new(settings: Arc<OutboxSettings>, charge: Charge, now: Instant) -> Self {
        Self {
            settings,
            bytes: ByteQueue::new(),
            in_hand: 0,
            ledger: Ledger::default(),
            slots: Slots::default(),
            depth: Depth::default(),
            credit: Credit::default(),
            charge,
            lanes: None,
            ends: None,
            retired: Retired::default(),
            ended: None,
            to_reap: Vec::new(),
            below_mark: Vec::new(),
            head: Vec::new(),
            born: now,
            progress: now,
            writing: false,
            blocked: false,
            writable_again: false,
            wake_pending: false,
            discarded: false,
        }
    }

    /// Everything not yet taken by the socket.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Whether the socket took no more at the last try.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Why the session ended, if it did.
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.ended.as_ref()
    }

    pub(crate) fn open_subscriptions(&self) -> usize {
        self.slots.open_count()
    }

    /// Memory it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        if self.discarded {
            return 0;
        }
        // Shared payloads count too: ending the session may free them. What a writer has in hand
        // counts as well: a stalled client is not a small one while its socket is tried again.
        let blocks = self.bytes.block_bytes() + self.in_hand;
        let answers = self.lanes.as_ref().map_or(0, |lanes| lanes.answers_held);
        let waiting = self.lane_bytes() + answers;
        blocks.max(self.depth.bytes as usize) + self.ledger.held_bytes() + waiting
    }

    // ----- subscriptions

    /// Enters a subscription, for whose query the index is to hold so many bytes; `None` if the
    /// client uses the name already.
    pub(crate) fn subscribe(
        &mut self,
        sid: Sid,
        filter: Filter,
        spec: &SubscriptionSpec,
        query_bytes: usize,
    ) -> Option<SubscriptionKey> {
        if self.slots.find(&sid).is_some() {
            return None;
        }
        let overflow = spec.overflow.as_ref().unwrap_or(&self.settings.subscription);
        let lane =
            overflow.is_changeable().then(|| Box::new(Lane::new(Backlog::new(overflow.clone()))));
        if lane.is_some() {
            self.lanes.get_or_insert_default();
        }
        let plain = lane.is_none()
            && spec.queue_group.is_none()
            && spec.overflow.is_none()
            && spec.query.is_none()
            && spec.report == Report::default();
        let special = (!plain).then(|| {
            let SubscriptionSpec { queue_group, overflow, report, query } = spec;
            let asked =
                |query| Box::new(Asked { shown: QuerySnapshot::of(query), bytes: query_bytes });
            Box::new(Special {
                queue_group: queue_group.clone(),
                overflow: overflow.clone(),
                max: None,
                report: *report,
                query: query.as_ref().map(asked),
                end: None,
                lane,
            })
        });
        let key = self.slots.insert(sid, filter, special);
        self.settle_charge();
        Some(key)
    }

    /// Ends a subscription, now or after `max` messages in all; what has to leave the index.
    pub(crate) fn unsubscribe(
        &mut self,
        sid: &Sid,
        max: Option<u64>,
    ) -> Option<(SubscriptionKey, Filter)> {
        let at = self.slots.find(sid)?;
        let slot = self.slots.at_mut(at)?;
        if let Some(max) = max.filter(|&max| max > slot.taken()) {
            slot.special.get_or_insert_default().max = Some(max);
            return None;
        }
        Some(self.close_slot(at))
    }

    /// Undoes [`Outbox::subscribe`] when the index refused it.
    pub(crate) fn retract(&mut self, key: SubscriptionKey) {
        if self.slots.open_mut(key).is_some() {
            self.close_slot(key.slot);
        }
    }

    fn close_slot(&mut self, at: u32) -> (SubscriptionKey, Filter) {
        let asked = self.slots.at(at).is_some_and(|slot| slot.query().is_some());
        let closed = self.slots.close(at);
        self.retire_if_drained(at);
        if asked {
            self.settle_charge();
        }
        closed
    }

    fn retire_if_drained(&mut self, at: u32) {
        // After the end nobody needs the place, and the last account shows every subscription.
        if self.ended.is_some() {
            return self.empty_lane(at);
        }
        if let Some(vacated) = self.slots.vacate_if_drained(at) {
            if let Some(lanes) = &mut self.lanes {
                lanes.forget(vacated.lane_bytes);
                self.settle_charge();
            }
            Ends::book(&mut self.ends, &mut self.retired, vacated);
        }
    }

    /// The client's name for a subscription, while it is open.
    pub fn sid_of(&mut self, key: SubscriptionKey) -> Option<&Sid> {
        self.slots.open_mut(key).map(|slot| &slot.sid)
    }

    /// Whether a subscription says something about the pace of its publishers.
    pub(crate) fn sets_pace(&mut self, key: SubscriptionKey) -> bool {
        self.slots.open_mut(key).is_none_or(|slot| !slot.lane().is_some_and(Lane::may_lose))
    }

    /// Subscriptions that ended by themselves and have to leave the index.
    pub(crate) fn reap(&mut self) -> Vec<(SubscriptionKey, Filter)> {
        std::mem::take(&mut self.to_reap)
    }

    /// The account of each subscription that is open, or still has something queued, or was ended
    /// lately while the session went on.
    pub(crate) fn subscriptions(&self, now: Instant) -> Vec<SubscriptionSnapshot> {
        let oldest = self.ledger.oldest_by_slot();
        let one = |(at, slot): (u32, &Slot)| self.snapshot_of(slot, oldest.get(&at).copied(), now);
        let gone = self.ends.iter().flat_map(|ends| &ends.gone);
        let gone = gone.map(|slot| self.snapshot_of(slot, None, now));
        self.slots.iter().map(one).chain(gone).collect()
    }

    /// `in_stream` is when its oldest message in the stream was queued.
    fn snapshot_of(
        &self,
        slot: &Slot,
        in_stream: Option<u32>,
        now: Instant,
    ) -> SubscriptionSnapshot {
        let now_ms = self.millis(now);
        let special = slot.special.as_deref();
        let overflow = slot.overflow().unwrap_or(&self.settings.subscription);
        let backlog = slot.lane().map(|lane| &lane.backlog);
        // What has left its lane is older than what is still in it.
        let in_stream =
            in_stream.map(|at_ms| Duration::from_millis(now_ms.saturating_sub(at_ms).into()));
        SubscriptionSnapshot {
            sid: slot.sid.to_string(),
            subject: slot.filter.to_string(),
            queue_group: special.and_then(|special| special.queue_group.clone()),
            policy: overflow.policy.name(),
            key: match &overflow.policy {
                Policy::Conflate(conflation) => Some(conflation.key.to_string()),
                _ => None,
            },
            query: slot.query().map(|asked| asked.shown.clone()),
            limits: overflow.limits,
            replaced: backlog.map_or(0, Backlog::replacers),
            account: slot.account.clone(),
            high_water: slot.high_water.into(),
            oldest_age: in_stream.or_else(|| backlog.and_then(|backlog| backlog.oldest(now_ms))),
            end: special.and_then(|special| special.end.clone()),
        }
    }

    /// The sums over all subscriptions, those that are gone included.
    pub(crate) fn totals(&self) -> Retired {
        let mut totals = self.retired.clone();
        self.slots.iter().for_each(|(_, slot)| totals.add(&slot.account));
        totals
    }

    /// Everything not yet taken by the socket, what waits in lanes and answers included.
    pub(crate) fn pending(&self) -> Depth {
        let lanes = self.slots.iter().filter_map(|(_, slot)| Some(slot.lane()?.backlog.depth()));
        let stream = Depth { bytes: self.depth.bytes + self.waiting_answer_bytes(), ..self.depth };
        lanes.fold(stream, |sum, lane| Depth {
            messages: sum.messages + lane.messages,
            bytes: sum.bytes + lane.bytes,
        })
    }

    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.born).as_millis() as u32
    }

    fn settle_charge(&mut self) {
        let stream = match self.discarded {
            // Free, or about to be: whoever makes room must not look for a further victim.
            true => 0,
            false => {
                let lanes = self.lanes.as_ref().map_or(0, |lanes| lanes.held_bytes());
                self.bytes.block_bytes() + self.in_hand + self.ledger.held_bytes() + lanes
            }
        };
        self.charge.set(stream + self.slots.held_bytes());
    }
}

#[cfg(test)]
mod tests;
