//! The bus as its users see it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod batches;
mod bucket;
mod digests;
mod endings;
mod examples;
mod expiry;
mod freed;
mod groups;
mod hammer;
mod hook;
mod isolation;
mod keyed;
mod limits;
mod lossy_model;
mod memory;
mod metrics;
mod model;
mod numbered;
mod observer;
mod oracle;
mod order;
mod overrun;
mod paused;
mod policies;
mod pushback;
mod queried;
mod resubscribe;
mod stop;
mod stream;
mod victims;
