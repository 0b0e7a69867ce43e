//! What can go wrong between this client and a server, said for people.

use std::fmt;
use std::io;
use std::time::Duration;

use super::WRITE_PATIENCE;
use super::address::{Address, Credentials};

/// Why the conversation with the server ended.
#[derive(Debug)]
pub(crate) enum ClientError {
    Connect { address: String, error: io::Error },
    NotNats { address: String },
    TlsRequired { address: String },
    Refused { address: Address, text: String },
    Server(String),
    NoPong(Duration),
    Closed,
    Stuck,
    Nonsense,
    Io(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect { address, error } => {
                write!(f, "cannot connect to {address}: {error}")
            }
            ClientError::NotNats { address } => {
                write!(f, "{address} did not greet like a NATS server (no INFO line)")
            }
            ClientError::TlsRequired { address } => {
                write!(f, "{address} requires TLS, which this client does not support yet")
            }
            ClientError::Refused { address, text } => {
                write!(f, "{address} refused us: {text}")?;
                if text.contains("Authorization") && address.credentials == Credentials::None {
                    write!(f, " (give nats://user:pass@{address} or nats://token@{address})")?;
                }
                Ok(())
            }
            ClientError::Server(text) => write!(f, "the server answered -ERR '{text}'"),
            ClientError::NoPong(wait) => {
                write!(f, "the server did not answer a PING within {wait:?}")
            }
            ClientError::Closed => write!(f, "connection closed by the server"),
            ClientError::Stuck => {
                let wait = WRITE_PATIENCE.as_secs();
                write!(f, "the server has taken no byte for {wait} s; giving up")
            }
            ClientError::Nonsense => write!(f, "the server sent something that is not NATS"),
            ClientError::Io(error) => write!(f, "connection lost: {error}"),
        }
    }
}
