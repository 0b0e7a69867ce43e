//! Who plays: four consumers that differ in how they read and in what they asked for.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::consumer::{Habit, Seen};
use super::link::Link;
use crate::cli::client::failure::Failure;

/// What all of them subscribe to.
const FILTER: &str = "quotes.>";
/// Receive buffer of a slow reader: some thirty quotes.
const SMALL_BUFFER: usize = 4096;
/// A slow reader reads one quote while this many are published.
const SLOWER: f64 = 10.0;
/// Newest quotes that `recorder` keeps.
pub(super) const KEPT: u64 = 1000;
/// What `stalled` may have queued: enough to last until it is behind, at any sensible rate.
const STALLED_BYTES: u64 = 48 << 20;

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Fast,
    Dashboard,
    Recorder,
    Stalled,
}

impl Role {
    /// In the order of the table.
    pub(super) const ALL: [Role; 4] = [Self::Fast, Self::Dashboard, Self::Recorder, Self::Stalled];

    /// The name of the connection, also for the server.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Dashboard => "dashboard",
            Self::Recorder => "recorder",
            Self::Stalled => "stalled",
        }
    }

    /// How it reads while `rate` quotes a second are published.
    pub(super) fn habit(self, rate: f64) -> Habit {
        match self {
            Self::Fast => Habit::Eager,
            Self::Dashboard | Self::Recorder => Habit::Slow(rate / SLOWER),
            Self::Stalled => Habit::Stalls,
        }
    }

    /// The control request it makes; `None` for a plain `SUB`.
    fn request(self, behind: Duration) -> Option<Value> {
        let behind = format!("{}ms", behind.as_millis());
        match self {
            Self::Fast => None,
            Self::Dashboard => Some(json!({
                "filter": FILTER,
                "overflow": {"policy": "conflate", "key": "subject"},
            })),
            Self::Recorder => Some(json!({
                "filter": FILTER,
                "overflow": {"policy": "drop-oldest"},
                "limits": {"messages": KEPT},
            })),
            Self::Stalled => Some(json!({
                "filter": FILTER,
                "overflow": {"policy": "disconnect"},
                "limits": {"bytes": STALLED_BYTES, "behind": behind},
                "report": "status",
            })),
        }
    }

    /// Its policy in the words of the table.
    pub(super) fn policy(self, behind: Duration) -> String {
        match self {
            Self::Fast => "plain SUB".to_owned(),
            Self::Dashboard => "conflate by subject".to_owned(),
            Self::Recorder => format!("drop-oldest over {KEPT} messages"),
            Self::Stalled => format!("disconnect if {behind:?} behind"),
        }
    }
}

/// A consumer that is subscribed and has not begun to read.
pub(super) struct Actor {
    pub(super) role: Role,
    pub(super) link: Link,
    pub(super) seen: Seen,
}

impl Actor {
    /// Connects and subscribes.
    pub(super) fn enter(role: Role, addr: SocketAddr, behind: Duration) -> Result<Actor, Failure> {
        let buffer = (role != Role::Fast).then_some(SMALL_BUFFER);
        let mut link = Link::open(addr, role.name(), buffer)?;
        match role.request(behind) {
            None => link.subscribe(FILTER)?,
            Some(request) => link.subscribe_as(request)?,
        }
        Ok(Actor { role, link, seen: Seen::new()? })
    }
}
