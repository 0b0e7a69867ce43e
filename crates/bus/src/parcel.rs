//! Messages as a queue of one consumer keeps them.

use std::sync::Arc;

use floodway_queue::line::Item;

use crate::backlog::Held;
use crate::budget::Budget;
use crate::keep::KeptPart;
use crate::message::{Message, SHARE_FROM_BYTES, SharedMessage};
use crate::run::Run;

/// A message in memory of its own, which the next message may take over; a large one in memory that
/// several queues share; or several in a row, as part of a batch that is kept once.
#[derive(Debug, Clone)]
pub enum Parcel {
    /// Copied.
    Copied(Copied),
    /// Shared.
    Shared(Arc<SharedMessage>),
    /// Several.
    Row(KeptPart),
}

/// Three lengths, then subject, reply, headers and payload in a row: one allocation, and a handle
/// that is quickly moved from place to place.
#[derive(Debug, Clone, Default)]
pub struct Copied {
    bytes: Vec<u8>,
}

/// Bytes of the lengths.
const PREFIX: usize = 12;

impl Copied {
    fn fill(&mut self, message: &Message<'_>) {
        // Subject, reply and headers each fit a protocol line or a payload, so they fit 32 bits.
        let subject = message.subject.len() as u32;
        // One more than its length; 0 means that there is none.
        let reply = message.reply.map_or(0, |reply| reply.len() as u32 + 1);
        let headers = message.headers.len() as u32;
        let mut prefix = [0; PREFIX];
        prefix[..4].copy_from_slice(&subject.to_le_bytes());
        prefix[4..8].copy_from_slice(&reply.to_le_bytes());
        prefix[8..].copy_from_slice(&headers.to_le_bytes());
        self.bytes.clear();
        // Exactly what is needed: there may be a million of them.
        self.bytes.reserve_exact(PREFIX + message.size());
        self.bytes.extend_from_slice(&prefix);
        self.bytes.extend_from_slice(message.subject);
        if reply > 1 {
            self.bytes.extend_from_slice(message.reply.unwrap_or_default());
        }
        if headers > 0 {
            self.bytes.extend_from_slice(message.headers);
        }
        self.bytes.extend_from_slice(message.payload);
    }

    /// The number at `at` of the prefix.
    fn length(&self, at: usize) -> usize {
        let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes) as usize
    }

    fn size(&self) -> usize {
        self.bytes.len().saturating_sub(PREFIX)
    }

    fn subject(&self) -> &[u8] {
        &self.bytes[PREFIX..PREFIX + self.length(0)]
    }

    fn message(&self) -> Message<'_> {
        let reply = self.length(4);
        let (subject, rest) = self.bytes[PREFIX..].split_at(self.length(0));
        let (before, rest) = rest.split_at(reply.saturating_sub(1));
        let (headers, payload) = rest.split_at(self.length(8));
        Message::new(subject, payload)
            .with_reply((reply > 0).then_some(before))
            .with_headers(headers)
    }
}

impl Parcel {
    /// The message; of several in a row the first.
    pub fn message(&self) -> Message<'_> {
        match self {
            Self::Copied(copied) => copied.message(),
            Self::Shared(shared) => Message::from(shared),
            Self::Row(row) => row.first(),
        }
    }
}

impl Held for Parcel {
    type Payload = [u8];

    #[inline]
    fn hold(message: &Message<'_>, budget: &Budget) -> Self {
        if message.payload.len() >= SHARE_FROM_BYTES {
            return Self::Shared(message.keep(budget).clone());
        }
        let mut copied = Copied::default();
        copied.fill(message);
        Self::Copied(copied)
    }

    #[inline]
    fn hold_all(run: Run<'_>, budget: &Budget) -> Option<Self> {
        run.keep(budget).map(Self::Row)
    }

    #[inline]
    fn replace(&mut self, message: &Message<'_>, budget: &Budget) {
        match self {
            // Much smaller than what it had: keeping the memory would be waste.
            Self::Copied(copied)
                if message.payload.len() < SHARE_FROM_BYTES
                    && copied.bytes.capacity() <= 4 * message.size() + 64 =>
            {
                copied.fill(message);
            }
            _ => *self = Self::hold(message, budget),
        }
    }

    fn subject(&self) -> &[u8] {
        match self {
            Self::Copied(copied) => copied.subject(),
            Self::Shared(shared) => shared.subject(),
            Self::Row(row) => row.first().subject,
        }
    }
}

impl Item for Parcel {
    #[inline]
    fn count(&self) -> usize {
        match self {
            Self::Copied(_) | Self::Shared(_) => 1,
            Self::Row(row) => row.count(),
        }
    }

    fn split(&mut self, count: usize) -> Option<Self> {
        match self {
            Self::Copied(_) | Self::Shared(_) => None,
            Self::Row(row) => Some(Self::Row(row.split(count))),
        }
    }

    #[inline]
    fn size(&self) -> u64 {
        match self {
            Self::Copied(copied) => copied.size() as u64,
            Self::Shared(shared) => shared.size() as u64,
            Self::Row(row) => row.size(),
        }
    }

    #[inline]
    fn own_bytes(&self) -> usize {
        match self {
            Self::Copied(copied) => copied.bytes.capacity(),
            // Charged where it was made, until its last holder lets go.
            Self::Shared(_) | Self::Row(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_as_it_went_in_also_from_memory_used_before() {
        let budget = Budget::new(1 << 20);
        let large = vec![7; SHARE_FROM_BYTES];
        let messages = [
            Message::new(b"a.b", b"payload").with_reply(Some(b"r")).with_headers(b"NATS/1.0\r\n"),
            Message::new(b"a", b""),
            Message::new(b"a", &large).with_reply(Some(b"")),
            Message::new(b"a.b.c", &large[1..]).with_headers(b"h"),
            Message::new(b"a", b"x").with_reply(Some(b"")),
        ];
        let mut parcel = Parcel::hold(&messages[0], &budget);
        for message in &messages {
            parcel.replace(message, &budget);
            let out = parcel.message();
            assert_eq!((out.subject, out.reply), (message.subject, message.reply));
            assert_eq!((out.headers, out.payload), (message.headers, message.payload));
            assert_eq!((parcel.size(), parcel.subject()), (message.size() as u64, message.subject));
            assert_eq!(out.shared_payload().is_some(), message.payload.len() >= SHARE_FROM_BYTES);
        }
        assert!(parcel.own_bytes() < 64, "a small message does not keep the memory of a large one");
    }
}
