//! The bus as its users see it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod batches;
mod bucket;
mod cycles;
mod defects;
mod digests;
mod endings;
mod examples;
mod expiry;
mod freed;
mod groups;
mod hammer;
mod hand;
mod hook;
mod isolation;
mod keyed;
mod limits;
mod lossy_model;
mod machine;
mod memory;
mod metrics;
mod mixture;
mod model;
mod numbered;
mod observer;
mod oracle;
mod order;
mod overrun;
mod panics;
mod paused;
mod policies;
mod pushback;
mod queried;
mod refusal;
mod resubscribe;
mod stop;
mod stream;
mod table;
mod task;
mod throttle;
mod told;
mod typed;
mod victims;
mod waiting;
