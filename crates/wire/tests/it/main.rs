//! What users of the crate rely on, seen from outside.
#![forbid(unsafe_code)]

mod client;
mod cuts;
mod server;
mod stream;
