//! The broker: sessions of clients over the bus, with their limits, accounts and ends.
//!
//! A [`Session`] is one client, whatever protocol it speaks: who it is, its subscriptions, and its
//! [`Outbox`], the ordered stream of bytes that its socket is still to take. The [`Broker`] opens
//! and closes sessions, keeps the accounts of those that ended, and knows what a client may do.
//!
//! There is no socket and no clock here: a server reads and writes, and passes the time in.
#![forbid(unsafe_code)]

mod access;
mod advisory;
mod broker;
mod control;
mod framing;
mod meters;
mod outbox;
mod registry;
mod rules;
mod session;
mod sid;
mod slow;
mod snapshot;

pub use access::{Access, AccessDenied, Credentials, User};
pub use advisory::{ADVISORY_ENDED, ADVISORY_SLOW, Advisory, is_reserved};
pub use broker::{Broker, BrokerConfig, SubscribeRefused, Subscribed};
pub use control::{API_SUBSCRIBE, Grant};
pub use framing::{Framing, Notes};
pub use meters::{Durations, DurationsSnapshot, Meters};
pub use outbox::{Outbox, Report, SubscriptionSpec, WriteEnd};
pub use registry::{Registry, Totals};
pub use rules::{Rule, Rules};
pub use session::{Delivered, Identity, Session};
pub use sid::Sid;
pub use slow::{RECOVERED_AFTER, SLOW_AFTER, SlowEpisode, SlowOutcome, SlowReport};
pub use snapshot::{QuerySnapshot, SessionSnapshot, SubscriptionSnapshot};
