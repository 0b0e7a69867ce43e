//! The floodway server: listeners, configuration, status pages and the command line.
//!
//! Everything that does I/O lives here; the crates below take time and bytes as arguments.
//! `config` turns text into a checked [`config::Config`], `server` turns that into a running
//! [`server::Server`], and `cli` is what a person types.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
mod http;
mod nats;
pub mod server;
mod shard;
