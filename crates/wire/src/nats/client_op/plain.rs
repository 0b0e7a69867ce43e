//! A short cut for the plain PUB: the one that client libraries write, whole in the input.
//!
//! Looks at eight bytes at a time and at each byte once, where the careful parser looks for the
//! line end first and at the arguments after. It knows no errors: whatever is not plain is left to
//! the careful parser, which alone says what the protocol is. Both must agree on what this one
//! takes; a property test holds them to it.

use super::{ParseLimits, Publish};
use crate::nats::line;

const EACH: u64 = u64::from_ne_bytes([1; 8]);
const TOP_BITS: u64 = EACH << 7;
/// One above the space, in each byte: the first that may stand in a word.
const FIRST_OF_WORDS: u64 = EACH * (b' ' as u64 + 1);

/// Takes a `PUB ` whose verb and separator were seen, or leaves it alone.
#[inline]
pub(super) fn publish<'a>(input: &'a [u8], limits: &ParseLimits) -> Option<(Publish<'a>, usize)> {
    let from = "PUB ".len();
    let (subject, at) = word(input, from)?;
    let (second, mut at) = word(input, blank(input, at)?)?;
    let (mut reply, mut digits) = (None, second);
    if input[at] == b' ' {
        let (third, after) = word(input, at + 1)?;
        (reply, digits, at) = (Some(second), third, after);
    }
    let start = match input.get(at..at + 2) {
        Some(b"\r\n") => at + 2,
        _ => return None,
    };
    let size = line::size(digits).ok()?;
    if at - from > limits.control_line || size > limits.payload {
        return None;
    }
    let end = start + size;
    if input.get(end..end + 2)? != b"\r\n" {
        return None;
    }
    let payload = &input[start..end];
    Some((Publish { subject, reply, headers: &[], payload, is_hpub: false }, end + 2))
}

/// Where the word behind a single space at `at` begins.
#[inline]
fn blank(input: &[u8], at: usize) -> Option<usize> {
    (input[at] == b' ').then_some(at + 1)
}

/// Takes the word that begins at `from`, and returns it with where it ends: at a byte that is
/// there, and is a space or below. Needs seven bytes more than that, which a PUB with a few bytes
/// of payload has.
#[inline]
fn word(input: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let mut at = from;
    loop {
        let eight = u64::from_le_bytes(*input.get(at..)?.first_chunk()?);
        // The top bit of each byte below the bound, and of none that has its own top bit set. A
        // borrow can only spoil bytes above the lowest hit, and the lowest is all that is used.
        let ends = eight.wrapping_sub(FIRST_OF_WORDS) & !eight & TOP_BITS;
        if ends != 0 {
            at += ends.trailing_zeros() as usize / 8;
            return (at > from).then(|| (&input[from..at], at));
        }
        at += 8;
    }
}
