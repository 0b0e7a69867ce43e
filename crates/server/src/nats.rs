//! The NATS client protocol over TCP.
//!
//! [`Connection`] is the side of a client that any thread may use: it takes messages for it and
//! writes its outbox to the socket. [`Peer`] is the side that only the client's own shard uses: it
//! reads the socket and carries out what the client asks for, through [`Protocol`].

mod connection;
mod framing;
mod handshake;
mod info;
mod peer;
mod protocol;

pub(crate) use connection::Connection;
pub(crate) use info::ServerFacts;
pub(crate) use peer::{Peer, Progress};
pub(crate) use protocol::{Close, Settings};
