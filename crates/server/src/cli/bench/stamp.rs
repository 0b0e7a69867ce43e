//! What each payload begins with: which run, which publisher, which message, and when.

/// Bytes of a stamp without a time.
pub(super) const STAMP: usize = 16;
/// Bytes of a stamp with one.
pub(super) const STAMP_WITH_TIME: usize = 24;

/// The front of a payload: little-endian run, publisher, sequence, and nanoseconds if there is
/// room (a run either stamps the time into all its messages or into none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) run: u32,
    pub(super) publisher: u32,
    /// From 0 for each publisher.
    pub(super) seq: u64,
    /// Since the start of the run.
    pub(super) nanos: u64,
}

impl Stamp {
    /// Writes to the front of a payload that has at least [`STAMP`] bytes.
    pub(super) fn write(&self, payload: &mut [u8]) {
        payload[0..4].copy_from_slice(&self.run.to_le_bytes());
        payload[4..8].copy_from_slice(&self.publisher.to_le_bytes());
        payload[8..16].copy_from_slice(&self.seq.to_le_bytes());
        if let Some(time) = payload.get_mut(STAMP..STAMP_WITH_TIME) {
            time.copy_from_slice(&self.nanos.to_le_bytes());
        }
    }

    /// Reads the stamp of a payload; `None` if it is too short to be ours.
    pub(super) fn read(payload: &[u8]) -> Option<Stamp> {
        let (run, rest) = payload.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        Some(Stamp {
            run: u32::from_le_bytes(*run),
            publisher: u32::from_le_bytes(*publisher),
            seq: u64::from_le_bytes(*seq),
            nanos: rest.first_chunk().map_or(0, |nanos| u64::from_le_bytes(*nanos)),
        })
    }
}
