//! The broker as a server uses it, with sockets that a test opens and closes.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is tests, also what is outside #[test]")]

mod accounts;
mod client;
mod ends;
mod keeping_up;
mod policies;
mod pressure;
mod queries;
mod sessions;
