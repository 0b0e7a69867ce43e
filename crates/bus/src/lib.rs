//! Publish/subscribe in which a consumer that cannot keep up floods only itself.
//!
//! A [`Bus`] routes messages by *subject* (dot-separated tokens; `*` matches one token and `>` the
//! rest) to subscriptions. Each has a queue of its own with [`Limits`]; what happens at a limit is
//! its [`Policy`], and the consumer is told exactly what it lost and why its subscription ended.
//!
//! ```
//! use floodway::{Bus, Filter, RecvError, SubscribeOptions};
//!
//! let bus = Bus::default();
//! let quotes = bus.subscribe(&Filter::new("quotes.*")?, SubscribeOptions::default())?;
//! let slow = bus.subscribe(
//!     &Filter::new("quotes.>")?,
//!     SubscribeOptions::default().max_messages(1),
//! )?;
//!
//! bus.publish("quotes.ACME", b"17.00")?;
//! bus.publish("quotes.ACME", b"17.05")?;
//!
//! assert_eq!(&quotes.recv()?.payload()[..], b"17.00");
//! assert_eq!(&quotes.recv()?.payload()[..], b"17.05");
//!
//! // The other one let a message lie: what was queued is still readable, then comes the reason.
//! assert_eq!(&slow.recv()?.payload()[..], b"17.00");
//! let Err(RecvError::Ended(reason)) = slow.recv() else { panic!("still open") };
//! assert!(reason.to_string().contains("out of capacity"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What happens at a limit is for each subscription to choose: end, as above; refuse what comes
//! ([`Policy::DropNewest`]); drop what waits longest ([`Policy::DropOldest`]); keep the latest of
//! each key ([`Policy::Conflate`]); or what a function of yours says ([`Policy::Custom`]). A time
//! to live goes with any of them. Who loses something is told how many, which and why, at that
//! place:
//!
//! ```
//! use floodway::{Bus, Filter, Policy, SubscribeOptions};
//!
//! let bus = Bus::default();
//! let newest = SubscribeOptions::default().policy(Policy::DropOldest).max_messages(1);
//! let latest = SubscribeOptions::default().policy(Policy::Conflate(Default::default()));
//! let newest = bus.subscribe(&Filter::new("quotes.>")?, newest)?;
//! let latest = bus.subscribe(&Filter::new("quotes.>")?, latest)?;
//!
//! for (subject, bid) in [("quotes.ACME", "1"), ("quotes.INIT", "2"), ("quotes.ACME", "3")] {
//!     bus.publish(subject, bid)?;
//! }
//! let quote = newest.recv()?;
//! let missed = quote.missed().expect("there was room for one");
//! assert_eq!((quote.seq(), missed.total(), missed.first(), missed.last()), (3, 2, 1, 2));
//! // ACME keeps its place before INIT.
//! let quote = latest.recv()?;
//! assert_eq!((&quote.payload()[..], quote.replaced()), (&b"3"[..], 1));
//! assert_eq!(latest.recv()?.subject(), b"quotes.INIT");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How a message travels: [`Router::batch`] collects what one read of a socket (or one call)
//! brought, [`Batch`] looks up a [`Route`] once per row of equal subjects and hands each
//! [`Consumer`] what there is for it in one call, and [`Wakeups`] wakes each touched consumer once.
//! A consumer is an [`Inbox`] (the queue behind a [`Subscription`] handle) or whatever a server
//! puts there, such as a connection.
#![forbid(unsafe_code)]

mod account;
mod admission;
mod backlog;
mod budget;
mod bus;
mod consumer;
mod credit;
mod delivery;
mod directory;
mod end;
mod envelope;
mod gate;
mod headers;
mod inbox;
mod index;
mod keep;
mod key;
mod message;
mod meter;
mod missed;
mod observer;
mod outgoing;
mod overflow;
mod parcel;
mod payload;
mod pending;
mod publication;
mod publish;
mod publisher;
mod pushback;
mod queries;
mod report;
mod route;
mod routes;
mod run;
mod stop;
mod subject;
mod subscribe;
mod subscription;
mod victims;
mod waits;

/// What queries are made of: see [`SubscribeOptions::query`].
pub use floodway_query::{Extraction, Options as QueryOptions, ParseError, Query, Tags};

pub use account::{Account, LossReason, Losses};
pub use admission::{Admission, Admit, Custom, Offer};
pub use backlog::{Backlog, Held, Offered, Popped};
pub use budget::{Budget, Charge, Pressure};
pub use bus::{Bus, BusConfig, BusLimits};
pub use consumer::{Consumer, ConsumerId, Taken, Wakeups};
pub use credit::Credit;
pub use delivery::Delivery;
pub use directory::SubscriptionId;
pub use end::{EndReason, EndState};
pub use envelope::Envelope;
pub use gate::{Gate, Room};
pub use headers::Headers;
pub use inbox::{Inbox, SubscriptionMetrics};
pub use keep::{Keeper, KeptBatch, KeptPart, ReadBuffer};
pub use key::{Key, KeyError, Pointer};
pub use message::{Message, SHARE_FROM_BYTES, SharedMessage};
pub use meter::{BusMetrics, Latency, Totals};
pub use missed::Missed;
pub use observer::{ObserveOptions, Observer, ObserverReport};
pub use outgoing::Outgoing;
pub use overflow::{Conflation, Depth, Fallback, Limit, Limits, Overflow, Policy, Verdict};
pub use parcel::{Copied, Parcel};
pub use payload::{Carried, Payload};
pub use publish::{Batch, Origin, Router};
pub use publisher::{Progress, Publisher};
pub use pushback::{Pace, Pushback, PushbackMode};
pub use queries::Extract;
pub use report::{PublishError, PublishReport, Refusal};
pub use route::{Route, SubscriptionKey, Target};
pub use run::{Run, Runs};
pub use stop::{StopReport, Unread};
pub use subject::{Filter, FilterError, is_literal_subject};
pub use subscribe::{SubscribeError, SubscribeOptions};
pub use subscription::{RecvError, Subscription};
pub use waits::{OnWaitCycle, WaitCycle, WaitEdge};
