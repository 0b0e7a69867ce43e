//! What every payload carries, so that each delivery can be accounted for.
//!
//! Bytes 0 to 7: publisher (upper 16 bits) and sequence number from 0 (lower 48), little endian.
//! Bytes 8 to 15: when it was sent, in nanoseconds of [`now`]. A payload longer than that ends in a
//! byte made from the sequence number, which a server that mixes up buffers gets wrong.

use std::sync::OnceLock;
use std::time::Instant;

/// The smallest payload there can be.
pub(crate) const MIN_SIZE: usize = 16;

const SEQUENCE_BITS: u32 = 48;
const FILLER: u8 = b'x';

/// What one payload says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) publisher: u16,
    pub(crate) sequence: u64,
    pub(crate) sent_at: u64,
}

impl Stamp {
    /// Writes the stamp over `payload`, which [`blank`] made.
    pub(crate) fn write(self, payload: &mut [u8]) {
        let tag = (u64::from(self.publisher) << SEQUENCE_BITS) | self.sequence;
        payload[..8].copy_from_slice(&tag.to_le_bytes());
        payload[8..16].copy_from_slice(&self.sent_at.to_le_bytes());
        if let [.., last] = &mut payload[MIN_SIZE..] {
            *last = seal(self.sequence);
        }
    }

    /// Reads a stamp back; `None` if this is no payload of ours, or not as it was sent.
    pub(crate) fn read(payload: &[u8], size: usize) -> Option<Stamp> {
        if payload.len() != size {
            return None;
        }
        let tag = u64::from_le_bytes(*payload.first_chunk()?);
        let sent_at = u64::from_le_bytes(*payload.get(8..)?.first_chunk()?);
        let sequence = tag & ((1 << SEQUENCE_BITS) - 1);
        if payload[MIN_SIZE..].last().is_some_and(|last| *last != seal(sequence)) {
            return None;
        }
        // Sixteen bits are left after the shift.
        Some(Stamp { publisher: (tag >> SEQUENCE_BITS) as u16, sequence, sent_at })
    }
}

/// A payload without a stamp.
pub(crate) fn blank(size: usize) -> Vec<u8> {
    vec![FILLER; size.max(MIN_SIZE)]
}

/// Nanoseconds since the first call: one clock for all threads of the load.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    // 584 years fit.
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// The last byte of a long payload; never the filler's for two neighbours in a row.
fn seal(sequence: u64) -> u8 {
    // The low byte is meant.
    (sequence as u8) ^ 0x5a
}

#[cfg(test)]
mod tests;
