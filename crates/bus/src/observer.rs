//! Observers: handlers that see a message before any subscription gets it.
//!
//! An observer has a queue and a thread of its own. Whoever publishes hands the message there and
//! waits until it has been handled, for as long as the observer may take and no longer. One that
//! took longer is late: publishers wait for it again when it has handled all that it was handed
//! meanwhile. So one that hangs costs one publisher one deadline, and a panic costs nobody more
//! than that message.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use floodway_queue::Monitor;

use crate::account::Account;
use crate::budget::Budget;
use crate::bus::Bus;
use crate::consumer::Consumer;
use crate::delivery::Delivery;
use crate::end::EndReason;
use crate::inbox::Inbox;
use crate::overflow::{Limits, Overflow, Policy};
use crate::payload::Carried;
use crate::report::Tally;
use crate::route::SubscriptionKey;
use crate::run::Runs;
use crate::subject::Filter;
use crate::subscribe::SubscribeError;
use crate::subscription::RecvError;

/// How an observer is waited for.
#[derive(Debug, Clone)]
pub struct ObserveOptions {
    /// For how long a publisher waits for it. Default 100 ms. Worst case: what one publisher is
    /// held up by, until the observer has caught up again.
    pub deadline: Duration,
    /// Messages that wait for it while it is late; the oldest go when there are more, and it is
    /// told. Default 65,536.
    pub max_messages: u64,
    /// Bytes that wait for it while it is late. Default 16 MiB.
    pub max_bytes: u64,
}

impl Default for ObserveOptions {
    fn default() -> Self {
        let deadline = Duration::from_millis(100);
        Self { deadline, max_messages: 65_536, max_bytes: 16 << 20 }
    }
}

/// What became of an observer's work so far.
#[derive(Debug, Clone, Default)]
pub struct ObserverReport {
    /// Messages handled, those it panicked over included.
    pub handled: u64,
    /// How often a publisher went on without it.
    pub overruns: u64,
    /// Messages it panicked over.
    pub panics: u64,
    /// What became of every message that matched.
    pub account: Account,
}

/// An observer as routes know it.
pub(crate) struct Watcher<P: Carried + ?Sized> {
    inbox: Inbox<P>,
    deadline: Duration,
    /// The sequence number of the last message handled.
    handled: Monitor<u64>,
    is_late: AtomicBool,
    overruns: AtomicU64,
    panics: AtomicU64,
    count: AtomicU64,
    thread: OnceLock<ThreadId>,
    is_over: AtomicBool,
}

impl<P: Carried + ?Sized> Watcher<P> {
    pub(crate) fn new(filter: &Filter, options: &ObserveOptions, budget: Budget) -> Self {
        let limits = Limits {
            messages: Some(options.max_messages.max(1)),
            bytes: Some(options.max_bytes),
            ..Limits::NONE
        };
        let overflow = Overflow::new(Policy::DropOldest, limits);
        Self {
            inbox: Inbox::new(filter.clone(), None, overflow, budget, Instant::now()),
            deadline: options.deadline,
            handled: Monitor::new(0),
            is_late: AtomicBool::new(false),
            overruns: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            count: AtomicU64::new(0),
            thread: OnceLock::new(),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn filter(&self) -> &Filter {
        self.inbox.filter()
    }

    /// Shows it messages, and waits until it has seen them, or may be waited for no longer.
    pub(crate) fn show(&self, runs: Runs<'_, P>, now: Instant) {
        let mut tally = Tally::default();
        let taken = self.inbox.deliver(runs, now, &mut tally);
        if taken.wake {
            self.inbox.wake(now);
        }
        // It would wait for itself if it publishes.
        let is_own = self.thread.get() == Some(&std::thread::current().id());
        if tally.report.queued == 0 || is_own || self.is_late.load(Ordering::Acquire) {
            return;
        }
        // Of several publishers each may wait for the last message of all: it is told apart only
        // by its place, and those before it are handled before it.
        let last = self.inbox.matched();
        let gone_on = || self.is_late.load(Ordering::Acquire);
        let seen = |handled: &mut u64| (*handled >= last || gone_on()).then_some(());
        if self.handled.wait(Some(Instant::now() + self.deadline), seen).is_err() {
            self.is_late.store(true, Ordering::Release);
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Handles what it is shown, until it ends.
    fn run(&self, handler: &mut dyn FnMut(&Delivery<P>)) {
        let _first = self.thread.set(std::thread::current().id());
        loop {
            match self.inbox.wait_next(None) {
                Ok(Ok(delivery)) => {
                    // What a handler leaves behind half done is its own affair: nothing of the bus
                    // is in its hands.
                    let outcome = catch_unwind(AssertUnwindSafe(|| handler(&delivery)));
                    self.panics.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
                    self.count.fetch_add(1, Ordering::Relaxed);
                    self.has_handled(delivery.seq());
                }
                Ok(Err(RecvError::Ended(_))) | Err(_) => break,
                // The account says how many.
                Ok(Err(RecvError::Missed(_) | RecvError::Empty)) => {}
            }
        }
        self.is_over.store(true, Ordering::Release);
        self.has_handled(u64::MAX);
    }

    fn has_handled(&self, seq: u64) {
        self.handled.with(|handled| *handled = seq);
        if self.is_late.load(Ordering::Relaxed) && self.inbox.account().queued() == 0 {
            self.is_late.store(false, Ordering::Release);
        }
        self.handled.notify();
    }

    /// Shows it nothing more, and nobody waits for it.
    pub(crate) fn end(&self, reason: EndReason) {
        self.inbox.end(reason);
        self.is_late.store(true, Ordering::Release);
        self.handled.notify();
    }

    /// Whether its thread has handled all and gone, at the latest by `deadline`.
    pub(crate) fn wait_over(&self, deadline: Instant) -> bool {
        let is_over = || self.is_over.load(Ordering::Acquire);
        self.handled.wait(Some(deadline), |_| is_over().then_some(())).is_ok()
    }

    pub(crate) fn report(&self) -> ObserverReport {
        ObserverReport {
            handled: self.count.load(Ordering::Relaxed),
            overruns: self.overruns.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            account: self.inbox.account(),
        }
    }
}

/// A handler that sees messages first. Dropping it ends that; what it was handed before is still
/// handled.
pub struct Observer<P: Carried + ?Sized = [u8]> {
    bus: Bus<P>,
    watcher: Arc<Watcher<P>>,
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Shows every message that `filter` matches to `handler`, on a thread of its own, before any
    /// subscription gets it. Publishers wait for that, up to a deadline.
    ///
    /// # Errors
    ///
    /// - [`SubscribeError::Stopped`]: no later call will succeed.
    /// - [`SubscribeError::NoThread`]: the system gives no thread; may succeed later.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use floodway::{Bus, Filter, SubscribeOptions};
    /// let bus = Bus::default();
    /// let index = Arc::new(Mutex::new(Vec::new()));
    /// let indexer = index.clone();
    /// let _observer = bus.observe(&Filter::new("blocks.>")?, Default::default(), move |block| {
    ///     indexer.lock().unwrap().push(block.payload().clone());
    /// })?;
    /// let blocks = bus.subscribe(&Filter::new("blocks.>")?, SubscribeOptions::default())?;
    /// bus.publish("blocks.1", "genesis")?;
    /// // Whoever hears of a block finds it in the index.
    /// let block = blocks.recv()?;
    /// assert!(index.lock().unwrap().contains(block.payload()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(
        &self,
        filter: &Filter,
        options: ObserveOptions,
        mut handler: impl FnMut(&Delivery<P>) + Send + 'static,
    ) -> Result<Observer<P>, SubscribeError> {
        let watcher = Arc::new(Watcher::new(filter, &options, self.budget().clone()));
        let running = watcher.clone();
        let thread = std::thread::Builder::new().name("floodway-observer".into());
        thread
            .spawn(move || running.run(&mut handler))
            .map_err(|error| SubscribeError::NoThread(error.to_string().into()))?;
        if let Err(error) = self.add_observer(&watcher) {
            watcher.end(EndReason::ServerStopped);
            return Err(error);
        }
        Ok(Observer { bus: self.clone(), watcher })
    }
}

impl<P: Carried + ?Sized> Observer<P> {
    /// What became of its work so far.
    pub fn report(&self) -> ObserverReport {
        self.watcher.report()
    }
}

impl<P: Carried + ?Sized> Drop for Observer<P> {
    fn drop(&mut self) {
        self.bus.remove_observer(&self.watcher);
        self.watcher.end(EndReason::Unsubscribed);
    }
}

impl<P: Carried + ?Sized> fmt::Debug for Observer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        f.debug_struct("Observer")
            .field("filter", self.watcher.filter())
            .field("handled", &report.handled)
            .field("overruns", &report.overruns)
            .field("panics", &report.panics)
            .finish()
    }
}

/// Shows a run of messages to those who see them first.
pub(crate) fn show<'r, P: Carried + ?Sized>(
    observers: &[Arc<Watcher<P>>],
    runs: impl Fn(SubscriptionKey) -> Runs<'r, P>,
    now: Instant,
) {
    for observer in observers {
        observer.show(runs(SubscriptionKey::ONLY), now);
    }
}
