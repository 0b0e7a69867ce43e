//! Publish/subscribe inside one program. A consumer that cannot keep up floods only itself.
//!
//! A [`Bus`] hands messages to subscriptions by *subject*: dot-separated tokens, where in a filter
//! `*` stands for one token and `>` for the rest; a [`Query`] chooses further, by content. Each has
//! a queue with [`Limits`] and a [`Policy`] of its own, its consumer is told exactly what it missed
//! and why it ended, and who publishes is told exactly what became of the message. There are no
//! sockets in it, and no runtime is needed: threads and the tasks of any executor use one bus
//! together.
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
//! # When a consumer is slow
//!
//! | policy | at the limits | publishers | the consumer |
//! | --- | --- | --- | --- |
//! | [`Disconnect`] (default) | the subscription ends | go on | reads what is queued, then why |
//! | [`DropNewest`] | what comes is not taken | go on | is told what it missed, at its place |
//! | [`DropOldest`] | what waits longest goes | go on | is told what it missed, at its place |
//! | [`Conflate`] | always: the latest of each key waits | go on | sees how many it replaced |
//! | [`Merge`] | always: a digest of each key waits | go on | sees count, time and numbers |
//! | [`Custom`](Policy::Custom) | what your function says | go on | is told what it missed |
//! | [`Block`] | publishers get room, or their message back | wait | misses nothing |
//! | [`Throttle`] | as `Block`, and slows publishers before | are slowed | misses nothing |
//!
//! [`Disconnect`]: Policy::Disconnect
//! [`DropNewest`]: Policy::DropNewest
//! [`DropOldest`]: Policy::DropOldest
//! [`Conflate`]: Policy::Conflate
//! [`Merge`]: Policy::Merge
//! [`Block`]: Policy::Block
//! [`Throttle`]: Policy::Throttle
//!
//! A time to live goes with any of them, and a subscription whose consumer takes nothing at all for
//! [`Limits::behind`] ends under any of them. [`Subscription::set_overflow`] changes it live. The
//! guide *Choosing a policy* (`docs/guide/choosing-a-policy.md`) has more about each.
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
//! # Publishing
//!
//! [`Bus::publish`] never waits. It answers with a [`PublishReport`] of exact counts, or with a
//! [`PublishError`]: nobody got the message then, it is in the error, and [`Refusal`] says why. An
//! [`Envelope`] adds headers, or a subject for answers.
//!
//! [`Bus::publish_wait`] and [`Bus::publish_wait_async`] wait for those who block, up to a
//! deadline, and pay the delay of those who throttle. Actors that read and publish do that as a
//! [`Publisher`] with a name: publishers that wait for each other in a circle are found at once and
//! told by name, and [`Publisher::publish_or_recv`] goes on receiving while there is no room.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use floodway::{Bus, Envelope, Filter, Policy, Refusal, SubscribeOptions};
//!
//! let bus = Bus::default();
//! let waits = SubscribeOptions::default().policy(Policy::Block { patience: None });
//! let orders = bus.subscribe(&Filter::new("orders.*")?, waits.max_messages(1).name("desk"))?;
//!
//! let report = bus.publish(Envelope::to("orders.eu").header("urgent", "yes"), "one")?;
//! assert_eq!((report.matched, report.queued, report.lost()), (1, 1, 0));
//!
//! let deadline = Instant::now() + Duration::from_millis(5);
//! let error = bus.publish_wait("orders.eu", "two", Some(deadline)).expect_err("it is full");
//! assert_eq!(&error.payload[..], b"two");
//! assert!(error.to_string().starts_with("not published: no room in desk for"));
//!
//! orders.recv()?;
//! bus.publish("orders.eu", error.payload)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Bytes, or values of a type
//!
//! [`Bus::new`] carries bytes. [`Bus::typed`] carries values of one type, which has to be a
//! [`Payload`]: one line for a type of yours. A value is made once and shared by all who get it;
//! nothing is cloned.
//!
//! # Threads, tokio, other executors
//!
//! [`Subscription::recv`] blocks a thread; [`Subscription::recv_async`] is a future that loses
//! nothing when it is dropped, and a subscription is a [`Stream`](futures_core::Stream) as well.
//! [`Subscription::recv_many`] takes several messages in one operation. None of them needs a
//! runtime, a reactor or a feature of this crate. [`Bus::observe`] shows messages to a handler
//! before any subscription gets them.
//!
//! # The end
//!
//! Dropping a [`Subscription`] unsubscribes. One that ends otherwise stays readable until its queue
//! is empty, and then says why, always the same: [`EndReason`]. [`Bus::stop`] ends them all, gives
//! those who wait to publish their messages back, and says after at most the given time who has
//! not read what.
//!
//! # Metrics
//!
//! [`Bus::metrics`], [`Bus::subscriptions`] and [`Subscription::metrics`] are plain values; the
//! [`Debug`](std::fmt::Debug) form of a bus names who is slow. For each subscription
//! `matched = delivered + lost + conflated + expired + queued` at any moment: [`Account`].
//!
//! # For authors of servers
//!
//! How a message travels: [`Router::batch`] collects what one read of a socket (or one call)
//! brought, [`Batch`] looks up a [`Route`] once per row of equal subjects and hands each
//! [`Consumer`] what there is for it in one call, and [`Wakeups`] wakes each touched consumer once.
//! A consumer is an [`Inbox`] (the queue behind a [`Subscription`] handle) or whatever a server
//! puts there, such as a connection.
#![forbid(unsafe_code)]

// Compiles and runs the code in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/choosing-a-policy.md")]
struct ChoosingAPolicy;

mod account;
mod admission;
mod backlog;
mod budget;
mod bus;
mod consumer;
mod credit;
mod delivery;
mod digest;
mod directory;
mod end;
mod envelope;
mod gate;
mod headers;
mod inbox;
mod index;
mod keep;
mod key;
mod merge;
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
mod queued;
mod report;
mod route;
mod routes;
mod run;
mod sequel;
mod stock;
mod stop;
mod subject;
mod subscribe;
mod subscription;
mod topic;
mod turns;
mod victims;
mod waits;

/// What queries are made of: see [`SubscribeOptions::query`].
pub use floodway_query::{Extraction, Options as QueryOptions, ParseError, Query, Tags};

pub use account::{Account, LossReason, Losses};
pub use admission::{Admission, Admit, Custom, Offer};
pub use backlog::{Backlog, Held, Popped};
pub use budget::{Budget, Charge, Pressure};
pub use bus::{Bus, BusConfig, BusLimits};
pub use consumer::{Consumer, ConsumerId, Taken, Wakeups};
pub use credit::Credit;
pub use delivery::Delivery;
pub use digest::{Digest, Numbers};
pub use directory::SubscriptionId;
pub use end::{EndReason, EndState};
pub use envelope::Envelope;
pub use gate::{Gate, Room};
pub use headers::Headers;
pub use inbox::{Inbox, SubscriptionMetrics};
pub use keep::{Keeper, KeptBatch, KeptPart, ReadBuffer};
pub use key::{Key, KeyError, Pointer};
pub use merge::{Fold, FoldBy, Merge, NumberSource};
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
pub use report::{PublishError, PublishReport, Refusal, Tally};
pub use route::{Route, SubscriptionKey, Target};
pub use run::{Run, Runs};
pub use stop::{StopReport, Unread};
pub use subject::{Filter, FilterError, is_literal_subject};
pub use subscribe::{SubscribeError, SubscribeOptions};
pub use subscription::{RecvError, Subscription};
pub use turns::{Ticket, Turns};
pub use waits::{OnWaitCycle, WaitCycle, WaitEdge};
