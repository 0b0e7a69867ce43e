//! What goes through the queues: a number, or a handle of bytes.
//!
//! Every message has an identity the receiver can read back for next to nothing, so that every
//! run is checked in full without the check being most of what is measured. A number is its own
//! identity. A handle shows into one large buffer, and where it shows to is its identity: nothing
//! touches the bytes themselves, because a queue moves handles, whatever their size. The buffer is
//! never freed, so no traffic of reference counts is measured either.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use bytes::Bytes;

use super::tally::{IDENTITIES, UNKNOWN};

/// The largest payload there is, in bytes.
const LARGEST: usize = 1 << 20;

/// All handles show into this one. Zeroed by the system on first touch, and never touched.
static BUFFER: LazyLock<&'static [u8]> =
    LazyLock::new(|| vec![0; IDENTITIES as usize + LARGEST].leak());

/// Which payload a run moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `u64`.
    Number,
    /// A handle of so many bytes.
    Bytes(usize),
}

impl Kind {
    /// The sizes of the article's messages.
    pub(crate) const ALL: [Kind; 5] = [
        Kind::Number,
        Kind::Bytes(18),
        Kind::Bytes(4_266),
        Kind::Bytes(6_786),
        Kind::Bytes(79_435),
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Number => f.write_str("u64"),
            Kind::Bytes(size) => write!(f, "{size} B"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "u64" {
            return Ok(Kind::Number);
        }
        match text.parse() {
            Ok(size) if (1..=LARGEST).contains(&size) => Ok(Kind::Bytes(size)),
            _ => Err(format!("neither u64 nor a number of bytes from 1 to {LARGEST}")),
        }
    }
}

/// What can be sent. `Default` is for queues that fill their slots beforehand.
pub(crate) trait Payload:
    Clone + Default + fmt::Debug + Send + Sync + Unpin + 'static
{
    /// What it takes to make one and to read it back.
    type Mint: Copy + Send + Sync;

    fn mint(kind: Kind) -> Self::Mint;

    /// The message of this identity.
    fn make(mint: Self::Mint, identity: u64) -> Self;

    /// Which message it is; [`UNKNOWN`] for what was never made.
    fn identity(&self, mint: Self::Mint) -> u64;
}

impl Payload for u64 {
    type Mint = ();

    fn mint(_: Kind) {}

    fn make((): (), identity: u64) -> Self {
        identity
    }

    fn identity(&self, (): ()) -> u64 {
        *self
    }
}

/// Where handles show to, and how much they show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Press {
    buffer: &'static [u8],
    size: usize,
}

impl Payload for Bytes {
    type Mint = Press;

    fn mint(kind: Kind) -> Press {
        let size = match kind {
            Kind::Bytes(size) => size,
            Kind::Number => size_of::<u64>(),
        };
        Press { buffer: &BUFFER, size }
    }

    fn make(press: Press, identity: u64) -> Self {
        let start = identity as usize;
        Bytes::from_static(&press.buffer[start..start + press.size])
    }

    fn identity(&self, press: Press) -> u64 {
        if self.len() != press.size {
            return UNKNOWN;
        }
        let offset = self.as_ptr().addr().wrapping_sub(press.buffer.as_ptr().addr());
        offset as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_gives_its_identity_back() {
        for kind in Kind::ALL {
            let press = <Bytes as Payload>::mint(kind);
            for identity in [0, 1, 77, IDENTITIES - 1] {
                assert_eq!(<u64 as Payload>::make((), identity).identity(()), identity);
                let bytes = <Bytes as Payload>::make(press, identity);
                assert_eq!(bytes.len(), press.size);
                assert_eq!(bytes.clone().identity(press), identity);
            }
            assert_eq!(Bytes::new().identity(press), UNKNOWN);
            let elsewhere = Bytes::from(vec![0; press.size]);
            assert!(elsewhere.identity(press) >= IDENTITIES, "not one of ours");
        }
    }

    #[test]
    fn kinds_are_read_as_they_are_typed() {
        assert_eq!("u64".parse(), Ok(Kind::Number));
        assert_eq!("18".parse(), Ok(Kind::Bytes(18)));
        for wrong in ["", "0", "u32", "18 B", "9999999"] {
            assert!(wrong.parse::<Kind>().is_err(), "{wrong}");
        }
    }
}
