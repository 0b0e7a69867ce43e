//! The outbox of one client: the ordered stream of bytes that its socket is still to take.
//!
//! Every message for the client, of whichever subscription, and every answer is encoded straight
//! into one [`ByteQueue`], so order needs no further thought and a write takes many messages with
//! one system call. A ledger beside it knows whose messages they are, so each subscription has
//! an exact account even after a partial write. Policies that may still drop or replace a message
//! need entries instead of bytes; their queues will stand beside the stream and feed it while it
//! is short (docs/adr/0003).
//!
//! Any thread may add to an outbox and any thread may write it out: the one that finds no writer
//! takes the queued bytes with [`Outbox::begin_write`], writes without holding the lock, and puts
//! the rest back with [`Outbox::end_write`].

mod ledger;
mod slots;
mod stream;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use floodway::{
    Account, Charge, Credit, Depth, EndReason, Filter, LossReason, Message, Overflow, Policy,
    SubscriptionKey, Taken, Verdict,
};
use floodway_queue::ByteQueue;

use crate::broker::OutboxSettings;
use crate::framing::Framing;
use crate::sid::Sid;
use crate::snapshot::SubscriptionSnapshot;
use ledger::{CONTROL, Ledger};
use slots::{Slot, Slots, Special};

/// What a client asks for with a subscription.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionSpec {
    /// Shares its messages with the other members of this group.
    pub queue_group: Option<Box<[u8]>>,
    /// Its own policy and limits; the default for subscriptions if absent.
    pub overflow: Option<Arc<Overflow>>,
    /// How the client is told of losses and of the end.
    pub report: Report,
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
        blocks.max(self.depth.bytes as usize) + self.ledger.held_bytes()
    }

    // ----- subscriptions

    /// Enters a subscription; `None` if the client uses the name already.
    pub(crate) fn subscribe(
        &mut self,
        sid: Sid,
        filter: Filter,
        spec: SubscriptionSpec,
    ) -> Option<SubscriptionKey> {
        if self.slots.find(&sid).is_some() {
            return None;
        }
        let plain = spec.queue_group.is_none()
            && spec.overflow.is_none()
            && spec.report == Report::default();
        let special = (!plain).then(|| {
            let SubscriptionSpec { queue_group, overflow, report } = spec;
            Box::new(Special { queue_group, overflow, max: None, report })
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
        if let Some(max) = max.filter(|&max| max > slot.account.matched()) {
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
        let closed = self.slots.close(at);
        self.retire_if_drained(at);
        closed
    }

    fn retire_if_drained(&mut self, at: u32) {
        if let Some(account) = self.slots.vacate_if_drained(at) {
            self.retired.add(&account);
        }
    }

    /// The client's name for a subscription, while it is open.
    pub fn sid_of(&mut self, key: SubscriptionKey) -> Option<&Sid> {
        self.slots.open_mut(key).map(|slot| &slot.sid)
    }

    /// Subscriptions that ended by themselves and have to leave the index.
    pub(crate) fn reap(&mut self) -> Vec<(SubscriptionKey, Filter)> {
        std::mem::take(&mut self.to_reap)
    }

    // ----- in: messages and answers

    /// Takes a run of messages of one subject for one subscription. The second value says why the
    /// whole session ended over it, if it did.
    pub(crate) fn deliver(
        &mut self,
        key: SubscriptionKey,
        run: &[Message<'_>],
        framing: &impl Framing,
        now: Instant,
    ) -> (Taken, Option<EndReason>) {
        let mut taken = Taken::default();
        if self.ended.is_some() {
            return (taken, None);
        }
        let Some(slot) = self.slots.open_mut(key) else { return (taken, None) };
        let left = slot.max().map_or(u64::MAX, |max| max - slot.account.matched());
        let run = &run[..run.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let Some(first) = run.first() else { return (taken, None) };

        let mut head = std::mem::take(&mut self.head);
        head.clear();
        framing.head(first.subject, &slot.sid, &mut head);
        let refused = self.append_within_limits(key.slot, &head, run, framing, now, &mut taken);
        self.head = head;

        let ended = refused.and_then(|refusal| self.refuse(key.slot, first, refusal, framing));
        if left == taken.queued {
            let closed = self.close_slot(key.slot);
            self.to_reap.push(closed);
        }
        self.settle_charge();
        taken.finished = !self.to_reap.is_empty();
        taken.over_mark = self.is_over_mark(false);
        taken.wake = !std::mem::replace(&mut self.wake_pending, true);
        (taken, ended)
    }

    fn append_within_limits(
        &mut self,
        at: u32,
        head: &[u8],
        run: &[Message<'_>],
        framing: &impl Framing,
        now: Instant,
        taken: &mut Taken,
    ) -> Option<Refusal> {
        let bytes: usize = run.iter().map(|message| framing.frame_len(head, message)).sum();
        if self.admit(at, run.len() as u64, bytes as u64).is_none() {
            self.append(at, head, run, framing, now);
            taken.queued += run.len() as u64;
            return None;
        }
        for message in run {
            let refusal = self.admit(at, 1, framing.frame_len(head, message) as u64);
            if refusal.is_some() {
                return refusal;
            }
            self.append(at, head, std::slice::from_ref(message), framing, now);
            taken.queued += 1;
        }
        None
    }

    /// Asks the policies of the connection and of the subscription.
    fn admit(&mut self, at: u32, messages: u64, bytes: u64) -> Option<Refusal> {
        let settings = self.settings.clone();
        let verdict =
            settings.connection.admit_on_credit(self.depth, messages, bytes, &mut self.credit);
        if let Verdict::End(reason) = verdict {
            return Some(Refusal { reason, whole_session: true });
        }
        let slot = self.slots.at_mut(at)?;
        let special = slot.special.as_ref();
        let own = special.and_then(|special| special.overflow.as_ref());
        let overflow = own.map_or(&settings.subscription, |own| own);
        // A client that did not ask to be told about one subscription would wait on it for ever;
        // a lost connection is what every client notices and recovers from.
        let whole_session = special.is_none_or(|special| special.report != Report::Status);
        let depth = Depth { messages: slot.account.queued(), bytes: slot.account.queued_bytes() };
        match overflow.admit(depth, messages, bytes) {
            Verdict::End(reason) => Some(Refusal { reason, whole_session }),
            _ => None,
        }
    }

    fn append(
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
        message: &Message<'_>,
        refusal: Refusal,
        framing: &impl Framing,
    ) -> Option<EndReason> {
        let Refusal { reason, whole_session } = refusal;
        let slot = self.slots.at_mut(at)?;
        slot.account.refuse(LossReason::of_end(&reason), 1);
        if whole_session {
            self.end(reason.clone());
            return Some(reason);
        }
        let notice = framing.ended(message.subject, &slot.sid, &reason);
        let closed = self.close_slot(at);
        self.to_reap.push(closed);
        // The notice may be what the connection has no room for.
        self.push_control(&notice, self.progress)
    }

    /// Appends an answer to the client. Says why the session ended over it, if it did: answers
    /// that nobody reads pile up like messages.
    pub(crate) fn push_control(&mut self, answer: &[u8], now: Instant) -> Option<EndReason> {
        if self.ended.is_some() || answer.is_empty() {
            return None;
        }
        let size = answer.len() as u64;
        if let Verdict::End(reason) = self.settings.connection.admit(self.depth, 0, size) {
            self.end(reason.clone());
            return Some(reason);
        }
        self.push_last_words(answer, now);
        None
    }

    /// Appends the last thing the client gets to read, whatever the limits and even after the end.
    pub(crate) fn push_last_words(&mut self, answer: &[u8], now: Instant) {
        // After what was queued has been given up, the stream may end within a message.
        if self.discarded {
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

    /// The account of each subscription that is open, or still has something queued.
    pub(crate) fn subscriptions(&self, now: Instant) -> Vec<SubscriptionSnapshot> {
        let now_ms = self.millis(now);
        let oldest = self.ledger.oldest_by_slot();
        let one = |(at, slot): (u32, &Slot)| {
            let special = slot.special.as_deref();
            let own = special.and_then(|special| special.overflow.as_deref());
            let overflow = own.unwrap_or(&self.settings.subscription);
            SubscriptionSnapshot {
                sid: slot.sid.to_string(),
                subject: slot.filter.to_string(),
                queue_group: special.and_then(|special| special.queue_group.clone()),
                policy: overflow.policy.name(),
                key: match &overflow.policy {
                    Policy::Conflate(conflation) => Some(conflation.key.to_string()),
                    _ => None,
                },
                limits: overflow.limits,
                replaced: 0,
                account: slot.account.clone(),
                high_water: slot.high_water.into(),
                oldest_age: oldest
                    .get(&at)
                    .map(|&at_ms| Duration::from_millis(u64::from(now_ms.saturating_sub(at_ms)))),
            }
        };
        self.slots.iter().map(one).collect()
    }

    /// The sums over all subscriptions, those that are gone included.
    pub(crate) fn totals(&self) -> Retired {
        let mut totals = self.retired.clone();
        self.slots.iter().for_each(|(_, slot)| totals.add(&slot.account));
        totals
    }

    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.born).as_millis() as u32
    }

    fn settle_charge(&mut self) {
        let stream = match self.discarded {
            // Free, or about to be: whoever makes room must not look for a further victim.
            true => 0,
            false => self.bytes.block_bytes() + self.in_hand + self.ledger.held_bytes(),
        };
        self.charge.set(stream + self.slots.held_bytes());
    }
}

/// A policy's answer to a message it does not take.
#[derive(Debug)]
struct Refusal {
    reason: EndReason,
    whole_session: bool,
}

#[cfg(test)]
mod tests;
