//! One client: who it is, what it sent and received, and its outbox.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use floodway::{
    Charge, ConsumerId, EndReason, EndState, Filter, Runs, SubscriptionKey, Taken, Tally,
};

use crate::advisory::Advisory;
use crate::control::Grants;
use crate::framing::Framing;
use crate::outbox::{Outbox, Outcome};
use crate::slow::SlowState;
use crate::snapshot::SessionSnapshot;

/// About what an idle session takes, its connection and its place on the bus included.
const OVERHEAD_BYTES: usize = 2 * 1024;
/// See [`Delivered::write_now`]: most of a block.
const WRITE_NOW_BYTES: u64 = 48 * 1024;

/// Who a client says it is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Its own name for the connection.
    pub name: Option<String>,
    /// The language of its library.
    pub lang: Option<String>,
    /// The version of its library.
    pub version: Option<String>,
    /// The user it authenticated as.
    pub user: Option<String>,
}

/// What [`Session::deliver`] did.
#[derive(Debug, Default)]
pub struct Delivered {
    /// For the bus.
    pub taken: Taken,
    /// The session ended over it; whoever owns the socket has to be told.
    pub ended: bool,
    /// A subscription has ended while the session goes on: [`Session::take_announcements`].
    pub ended_alone: bool,
    /// So much is queued that writing it now, while it is in the cache, beats waiting for the end
    /// of the batch.
    pub write_now: bool,
}

/// One client. Shared between the thread that reads its socket, those that deliver to it, and the
/// status pages.
#[derive(Debug)]
pub struct Session {
    id: u64,
    peer: SocketAddr,
    started: SystemTime,
    born: Instant,
    consumer: OnceLock<ConsumerId>,
    outbox: Mutex<Outbox>,
    /// A copy of what the outbox has queued, to look at without its lock.
    queued_bytes: AtomicU64,
    /// A copy of the messages lost, replaced or expired so far, likewise.
    troubles: AtomicU64,
    /// Whether lanes of the outbox wait for its socket, likewise.
    lanes_wait: AtomicBool,
    mark: u64,
    /// Which of its subscriptions are slow.
    slow: SlowState,
    end: EndState,
    stopped: OnceLock<SystemTime>,
    in_messages: AtomicU64,
    in_bytes: AtomicU64,
    out_bytes: AtomicU64,
    last_heard_ms: AtomicU64,
    /// Rarely used; boxed so that an idle session stays small.
    about: Mutex<Box<About>>,
}

#[derive(Debug)]
struct About {
    identity: Identity,
    paced_by: Vec<String>,
    grants: Grants,
    /// What the session takes besides its outbox.
    overhead: Charge,
}

impl Session {
    pub(crate) fn new(
        id: u64,
        peer: SocketAddr,
        outbox: Outbox,
        mut overhead: Charge,
        mark: u64,
        now: Instant,
    ) -> Self {
        overhead.set(OVERHEAD_BYTES);
        let (identity, paced_by, grants) = Default::default();
        Self {
            id,
            peer,
            started: SystemTime::now(),
            born: now,
            consumer: OnceLock::new(),
            outbox: Mutex::new(outbox),
            queued_bytes: AtomicU64::new(0),
            troubles: AtomicU64::new(0),
            lanes_wait: AtomicBool::new(false),
            mark,
            slow: SlowState::default(),
            end: EndState::default(),
            stopped: OnceLock::new(),
            in_messages: AtomicU64::new(0),
            in_bytes: AtomicU64::new(0),
            out_bytes: AtomicU64::new(0),
            last_heard_ms: AtomicU64::new(0),
            about: Mutex::new(Box::new(About { identity, paced_by, grants, overhead })),
        }
    }

    /// The number of the connection, unique in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the client is.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Its place on the bus, once it has one.
    pub fn consumer(&self) -> Option<ConsumerId> {
        self.consumer.get().copied()
    }

    pub(crate) fn set_consumer(&self, id: ConsumerId) {
        let first = self.consumer.set(id).is_ok();
        debug_assert!(first, "a session was attached twice");
    }

    /// Why it ended, if it did.
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.end.get()
    }

    /// Ends it: nothing more is queued for it. What is queued may still be written. False if it had
    /// ended already; the first reason stays.
    pub fn end(&self, reason: EndReason) -> bool {
        // Under the lock of the outbox, so that both agree on which reason was the first.
        self.with_outbox(|outbox| {
            outbox.end(reason.clone());
            self.set_end(reason)
        })
    }

    fn set_end(&self, reason: EndReason) -> bool {
        let first = self.end.set(reason);
        if first {
            let _ = self.stopped.set(SystemTime::now());
        }
        first
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn about(&self) -> MutexGuard<'_, Box<About>> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the outbox, and lets those go on who waited for it to shrink.
    pub fn with_outbox<R>(&self, f: impl FnOnce(&mut Outbox) -> R) -> R {
        let mut outbox = self.lock();
        let result = f(&mut outbox);
        // Relaxed: estimates for push-back and for those who look after slow clients.
        self.queued_bytes.store(outbox.depth().bytes, Ordering::Relaxed);
        self.lanes_wait.store(outbox.has_waiting() && outbox.is_blocked(), Ordering::Relaxed);
        self.troubles.store(outbox.troubles(), Ordering::Relaxed);
        let wakers = outbox.below_mark_wakers();
        drop(outbox);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Takes what a batch has for the client, and notes in `tally` what became of it. `write` is to
    /// write out what is queued, if the socket takes it: it is asked for between two parts of a
    /// large batch.
    pub fn deliver(
        &self,
        runs: Runs<'_>,
        framing: &impl Framing,
        now: Instant,
        write: impl Fn(),
        tally: &mut Tally,
    ) -> Delivered {
        let mut delivered = Delivered::default();
        let (mut todo, mut patient) = (Some(runs), true);
        while let Some(runs) = todo {
            todo = self.deliver_part(runs, patient, framing, now, (&mut delivered, tally));
            if todo.is_some() {
                let before = self.queued_bytes.load(Ordering::Relaxed);
                write();
                patient = self.queued_bytes.load(Ordering::Relaxed) < before;
            }
        }
        delivered
    }

    /// Returns what is to be delivered later.
    fn deliver_part<'r>(
        &self,
        runs: Runs<'r>,
        patient: bool,
        framing: &impl Framing,
        now: Instant,
        (delivered, tally): (&mut Delivered, &mut Tally),
    ) -> Option<Runs<'r>> {
        self.with_outbox(|outbox| {
            let outcome = outbox.deliver(runs, patient, framing, now, tally);
            let Outcome { taken, ended, rest } = outcome;
            delivered.taken.add(taken);
            delivered.ended |= ended.is_some_and(|reason| self.set_end(reason));
            delivered.ended_alone |= taken.finished && outbox.has_announcements();
            let much = outbox.depth().bytes >= WRITE_NOW_BYTES || outbox.has_waiting();
            delivered.write_now = much && !outbox.is_blocked();
            rest
        })
    }

    /// Queues an answer to the client; false if the session has ended over it.
    pub fn answer(&self, bytes: &[u8], now: Instant) -> bool {
        self.with_outbox(|outbox| {
            let ended = outbox.push_control(bytes, now);
            !ended.is_some_and(|reason| self.set_end(reason))
        })
    }

    /// Queues the last thing the client gets to read, behind all that is queued already.
    pub fn last_words(&self, bytes: &[u8], now: Instant) {
        self.with_outbox(|outbox| outbox.push_last_words(bytes, now));
    }

    /// Whether a subscription of it may drop, replace or skip messages.
    pub fn has_lanes(&self) -> bool {
        self.with_outbox(|outbox| outbox.has_lanes())
    }

    /// Whether anything is queued. Other threads change it at any time; what this thread queued is
    /// seen.
    pub fn has_queued(&self) -> bool {
        self.queued_bytes.load(Ordering::Relaxed) > 0
    }

    /// Whether more is queued than the mark; with `resume`, than half of it.
    pub fn is_over_mark(&self, resume: bool) -> bool {
        let mark = if resume { self.mark / 2 } else { self.mark };
        self.queued_bytes.load(Ordering::Relaxed) > mark && self.end.get().is_none()
    }

    /// Whether messages wait because the client takes no more.
    pub fn is_behind(&self) -> bool {
        self.is_over_mark(false) || self.lanes_wait.load(Ordering::Relaxed)
    }

    /// Wakes `waker` once the queue is at half the mark or the session has ended.
    pub fn on_below_mark(&self, waker: Waker) {
        let at_once = self.with_outbox(|outbox| outbox.on_below_mark(waker));
        at_once.into_iter().for_each(Waker::wake);
    }

    /// What time brings: messages expire, and subscriptions whose client took nothing for too long
    /// end ([`Session::reap`]). Says why the session itself is to end now, if it is.
    pub fn sweep(&self, framing: &impl Framing, now: Instant) -> Option<EndReason> {
        // Most sessions have nothing queued; they need no lock.
        if !self.has_queued() {
            return None;
        }
        self.with_outbox(|outbox| outbox.sweep(framing, now))
    }

    /// Whether a subscription says something about the pace of its publishers.
    pub fn sets_pace(&self, key: SubscriptionKey) -> bool {
        self.with_outbox(|outbox| outbox.sets_pace(key))
    }

    /// Gives up messages that may be lost, or else ends and gives up all, to free memory. True if
    /// it has ended.
    pub fn evict(&self, reason: EndReason) -> bool {
        if self.with_outbox(Outbox::relieve) {
            return false;
        }
        let first = self.end(reason);
        self.with_outbox(Outbox::discard);
        first
    }

    /// Subscriptions that ended by themselves and have to leave the index.
    pub fn reap(&self) -> Vec<(SubscriptionKey, Filter)> {
        self.with_outbox(Outbox::reap)
    }

    /// Why subscriptions of slow consumers have ended while the session goes on, each once, and the
    /// advisories about that.
    pub fn take_announcements(&self, now: Instant) -> Vec<(EndReason, Advisory)> {
        let ended = self.with_outbox(Outbox::take_announcements);
        if ended.is_empty() {
            return Vec::new();
        }
        let session = self.snapshot(now, false);
        let advisory = |one| Advisory::of_subscription_end(&session, one);
        ended.into_iter().filter_map(advisory).collect()
    }

    /// Counts what a read brought.
    pub fn count_in(&self, messages: u64, bytes: u64, now: Instant) {
        let heard = now.saturating_duration_since(self.born).as_millis() as u64;
        self.last_heard_ms.store(heard, Ordering::Relaxed);
        if messages > 0 {
            self.in_messages.fetch_add(messages, Ordering::Relaxed);
            self.in_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Counts bytes written to the socket.
    pub fn count_out(&self, bytes: u64) {
        self.out_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says who the client is.
    pub fn identify(&self, identity: Identity) {
        self.about().identity = identity;
    }

    /// Who the client is.
    pub fn identity(&self) -> Identity {
        self.about().identity.clone()
    }

    /// Shows on the status page who keeps the client from publishing; empty when nobody does.
    pub fn set_paced_by(&self, consumers: Vec<String>) {
        self.about().paced_by = consumers;
    }

    /// What the watch over its slow subscriptions takes.
    pub(crate) fn charge_watch(&self, bytes: usize) {
        self.about().overhead.set(OVERHEAD_BYTES + bytes);
    }

    pub(crate) fn slow(&self) -> &SlowState {
        &self.slow
    }

    /// Messages lost, replaced or expired so far.
    pub(crate) fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::Relaxed)
    }

    pub(crate) fn with_grants<R>(&self, f: impl FnOnce(&mut Grants) -> R) -> R {
        f(&mut self.about().grants)
    }

    /// All of it at one moment; with each subscription if `detail`.
    pub fn snapshot(&self, now: Instant, detail: bool) -> SessionSnapshot {
        let (identity, paced_by) = {
            let about = self.about();
            (about.identity.clone(), about.paced_by.clone())
        };
        let outbox = self.lock();
        let (totals, pending) = (outbox.totals(), outbox.pending());
        let heard = Duration::from_millis(self.last_heard_ms.load(Ordering::Relaxed));
        SessionSnapshot {
            id: self.id,
            peer: self.peer,
            started: self.started,
            stopped: self.stopped.get().copied(),
            idle: now.saturating_duration_since(self.born).saturating_sub(heard),
            end: self.end.get().cloned(),
            identity,
            in_messages: self.in_messages.load(Ordering::Relaxed),
            in_bytes: self.in_bytes.load(Ordering::Relaxed),
            out_messages: totals.delivered,
            out_bytes: self.out_bytes.load(Ordering::Relaxed),
            matched: totals.matched,
            losses: totals.losses,
            conflated: totals.conflated,
            expired: totals.expired,
            pending_messages: pending.messages,
            pending_bytes: pending.bytes,
            held_bytes: outbox.held_bytes() as u64,
            paced_by,
            subscription_count: outbox.open_subscriptions(),
            subscriptions: if detail { outbox.subscriptions(now) } else { Vec::new() },
        }
    }
}
