//! The story: one consumer stops reading, is ended, wakes up and reads why.

use std::sync::atomic::Ordering;
use std::time::Duration;

use floodway_broker::{ADVISORY_ENDED, SessionSnapshot};
use floodway_wire::nats::Delivered;
use serde_json::Value;

use super::consumer::{Cues, Seen};
use super::watch::Act;

/// When things happen; all of it scales with how long the demo is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The whole of it.
    pub(super) length: Duration,
    /// `stalled` stops reading.
    pub(super) stall_at: Duration,
    /// How long it may take nothing before the server ends it.
    pub(super) behind: Duration,
    /// From its end until it reads again.
    pub(super) sleep: Duration,
}

impl Times {
    /// Of a demo of this length: for 15 s 3 s, 3 s and 1.5 s.
    pub(super) fn of(length: Duration) -> Times {
        let fifth = (length / 5).min(Duration::from_secs(3));
        Times { length, stall_at: fifth, behind: fifth, sleep: fifth / 2 }
    }
}

/// What has happened to `stalled`.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) times: Times,
    /// Its number.
    id: u64,
    /// When the server ended it, and why in the server's words.
    pub(super) end: Option<(Duration, String)>,
    /// When it was woken, and how much it had read by then.
    woken: Option<(Duration, u64)>,
}

/// What `stalled` is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Reads,
    /// Nothing, for so long.
    Sleeps(Duration),
    /// Nothing yet; the server has ended it.
    Ended,
    /// So many quotes that were queued for it.
    ReadsOn(u64),
    /// The same, and it has come to the end of them.
    HasRead(u64),
}

impl Plot {
    /// Nothing has happened to the consumer `id`.
    pub(super) fn new(times: Times, id: u64) -> Plot {
        Plot { times, id, end: None, woken: None }
    }

    /// Takes a message that the server publishes for operators.
    pub(super) fn hear(&mut self, message: &Delivered<'_>, now: Duration) {
        if message.subject != ADVISORY_ENDED.as_bytes() || self.end.is_some() {
            return;
        }
        let Ok(advisory) = serde_json::from_slice::<Value>(message.payload) else { return };
        if advisory["client"]["cid"] == self.id {
            let reason = advisory["message"].as_str().unwrap_or_default();
            self.end = Some((now, reason.to_owned()));
        }
    }

    /// Takes the server's account of the consumer: if no operator is told of an end, it shows here.
    pub(super) fn see(&mut self, account: &SessionSnapshot, now: Duration) {
        if account.id == self.id && self.end.is_none() && account.subscription_count == 0 {
            let reason = account.end.as_ref().map(ToString::to_string);
            self.end = Some((now, reason.unwrap_or_default()));
        }
    }

    /// Moves the story on.
    pub(super) fn turn(&mut self, now: Duration, cues: &Cues, stalled: &Seen) {
        let Some((ended, reason)) = &mut self.end else { return };
        if let (true, Some(told)) = (reason.is_empty(), stalled.end.get()) {
            reason.clone_from(told);
        }
        let ended = *ended;
        if self.woken.is_none() && now >= ended + self.times.sleep {
            self.woken = Some((now, stalled.quotes.load(Ordering::Relaxed)));
            Cues::give(&cues.wake);
        }
    }

    /// Which part of the story this is.
    pub(super) fn act(&self, now: Duration) -> Act {
        match self.end {
            Some(_) => Act::After,
            None if now >= self.times.stall_at => Act::Stall,
            None => Act::Before,
        }
    }

    /// The server's reason in short, once it is known.
    pub(super) fn reason(&self) -> &str {
        self.end.as_ref().map_or("", |(_, reason)| short(reason))
    }

    /// What `stalled` is doing.
    pub(super) fn doing(&self, now: Duration, stalled: &Seen) -> Doing {
        match (&self.end, self.woken) {
            (_, Some((_, before))) => {
                let quotes = stalled.quotes.load(Ordering::Relaxed) - before;
                let is_over = stalled.end.get().is_some() || stalled.closed.get().is_some();
                if is_over { Doing::HasRead(quotes) } else { Doing::ReadsOn(quotes) }
            }
            (Some(_), None) => Doing::Ended,
            (None, None) if now < self.times.stall_at => Doing::Reads,
            (None, None) => Doing::Sleeps(now - self.times.stall_at),
        }
    }
}

/// A reason of the server without what everybody can see in the table anyway.
pub(super) fn short(reason: &str) -> &str {
    let reason = reason.strip_prefix("slow consumer: ").unwrap_or(reason);
    reason.split(" (").next().unwrap_or(reason)
}
