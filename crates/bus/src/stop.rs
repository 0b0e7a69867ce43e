//! Stopping a bus, in bounded time, whoever is stuck.

use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::directory::SubscriptionId;
use crate::end::EndReason;
use crate::payload::Carried;

/// What was left when a bus was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Subscriptions that had not read all by then. It stays readable.
    pub unread: Vec<Unread>,
    /// Filters of observers that had not handled all by then.
    pub busy_observers: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// A subscription that had not read all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its number.
    pub id: SubscriptionId,
    /// Its name.
    pub name: String,
    /// Messages queued.
    pub messages: u64,
}

impl StopReport {
    /// Whether everything published was received and handled.
    pub fn is_clean(&self) -> bool {
        self.unread.is_empty() && self.busy_observers.is_empty()
    }
}

impl<P: Carried + ?Sized> Bus<P> {
    /// Stops it: nothing is published any more, publishers that wait get their messages back, and
    /// every subscription ends with [`EndReason::ServerStopped`] behind what is queued. Then waits
    /// until that has been read, and says what has not.
    ///
    /// A message whose publish has returned before is in every queue it goes to. A second call
    /// waits as well.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until everything has been read and handled, at most for `within`.
    pub fn stop(&self, within: Duration) -> StopReport {
        let started = Instant::now();
        let deadline = started + within;
        self.begin_stop();
        let (inboxes, observers) = (self.inboxes(), self.observers());
        for inbox in &inboxes {
            self.end_subscription(inbox.id(), EndReason::ServerStopped);
        }
        for observer in &observers {
            observer.end(EndReason::ServerStopped);
        }
        let mut report = StopReport::default();
        for inbox in inboxes {
            if let Some(messages) = inbox.wait_drained(deadline) {
                report.unread.push(Unread { id: inbox.id(), name: inbox.name(), messages });
            }
        }
        for observer in observers {
            if !observer.wait_over(deadline) {
                report.busy_observers.push(observer.filter().to_string());
            }
        }
        report.took = started.elapsed();
        report
    }
}
