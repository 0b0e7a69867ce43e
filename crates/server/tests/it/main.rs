//! Black-box acceptance tests: a real server process, real sockets, nothing of ours linked in.
//!
//! Everything here speaks to the server through its sockets, signals, files and exit codes, and
//! reads the wire with its own small parser ([`raw`]), so a mistake in our codec cannot hide
//! itself. The transcript tests can be aimed at a stock nats-server to check the tests
//! themselves: `FLOODWAY_TEST_SERVER=nats cargo test -p floodway-server --test it transcripts`.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod burst;
mod clients;
mod clients_slow;
mod clients_subscribe;
mod conservation;
mod demo;
mod faults;
mod footprint;
mod http;
mod policies;
mod policies_faults;
mod policies_isolation;
mod policies_losses;
mod policy_model;
mod queries;
mod random;
mod raw;
mod server;
mod shutdown;
mod slow_consumers;
mod startup;
mod status;
mod told;
mod transcript;
mod transcripts_auth;
mod transcripts_delivery;
mod transcripts_errors;
mod transcripts_framing;
mod transcripts_garbage;
mod transcripts_liveness;
mod transcripts_verbs;
