//! Places in the order of numbers.
//!
//! A number is told by its sign, how large it is and its first 32 digits, packed in one integer,
//! so that comparing two is one comparison; then by its next 32 digits; and then by those behind.

use std::cmp::Ordering;

use super::Digits;
use crate::digits;

/// Digits that a rank is told by. Fewer than the float of 125 bits has, so that rounding moves no
/// number out of its range.
const PLACES: usize = 32;
/// The least that has one digit more.
const LONGER: i128 = 10_i128.pow(PLACES as u32);
/// Bits that the digits take.
const DIGIT_BITS: u32 = 108;
/// Added to the number of digits before the point, which may be less than zero. What is larger
/// than any number in a query is all the same.
const MAGNITUDE_MAX: i64 = 1 << 17;

/// A place in the order of numbers: 32 digits and how large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(i128);

impl Rank {
    /// Below and above all numbers.
    pub(crate) const EVERYTHING: (Rank, Rank) = (Rank(i128::MIN), Rank(i128::MAX));

    fn new(negative: bool, magnitude: i64, mantissa: i128) -> Rank {
        let magnitude = magnitude.clamp(1 - MAGNITUDE_MAX, MAGNITUDE_MAX - 1) + MAGNITUDE_MAX;
        let rank = (i128::from(magnitude) << DIGIT_BITS) | mantissa;
        Rank(if negative { -rank } else { rank })
    }

    /// A range that a number is in, however it is rounded: a point if it has few digits.
    pub(crate) fn of(digits: &Digits<'_>) -> (Rank, Rank) {
        if digits.is_zero() {
            return (Rank(0), Rank(0));
        }
        let skipped = digits.skipped();
        let mut first = [b'0'; PLACES];
        digits.copy_from(skipped, &mut first);
        let (mantissa, magnitude) = (number(&first), digits.magnitude(skipped));
        let rank = |magnitude, mantissa| Rank::new(digits.negative, magnitude, mantissa);
        let near = rank(magnitude, mantissa);
        if digits.count() - skipped <= PLACES {
            return (near, near);
        }
        // One more in the last place, which may be a digit more.
        let far = match mantissa + 1 {
            LONGER => rank(magnitude + 1, LONGER / 10),
            more => rank(magnitude, more),
        };
        let low = rank(magnitude, mantissa - 1);
        if digits.negative { (far, low) } else { (low, far) }
    }

    /// A whole number.
    pub(crate) fn whole(number: i64) -> Rank {
        let text = number.unsigned_abs().to_string();
        let digits = Digits {
            negative: number < 0,
            whole: text.trim_start_matches('0').as_bytes(),
            fraction: b"",
            is_integer: true,
        };
        Rank::of(&digits).0
    }
}

/// A number that is to be compared with many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'d> {
    pub(super) rank: Rank,
    /// The digits behind those of the rank, with the sign of the number.
    pub(super) more: i128,
    /// The digits behind these: in one piece, or before and behind the point. Their last one is
    /// no zero.
    pub(super) rest: [&'d [u8]; 2],
}

impl<'d> Place<'d> {
    pub(super) fn of(digits: &Digits<'d>) -> Place<'d> {
        if digits.is_zero() {
            return Place { rank: Rank(0), more: 0, rest: [b"", b""] };
        }
        let skipped = digits.skipped();
        let mut first = [b'0'; 2 * PLACES];
        digits.copy_from(skipped, &mut first);
        let mut halves = first.chunks_exact(PLACES).map(number);
        let mut half = || halves.next().unwrap_or(0);
        let rank = Rank::new(digits.negative, digits.magnitude(skipped), half());
        let more = if digits.negative { -half() } else { half() };
        let [whole, fraction] = digits.behind(skipped + 2 * PLACES);
        let rest = match fraction.is_empty() {
            true => [&whole[..whole.len() - super::trailing_zeros(whole)], fraction],
            false => [whole, fraction],
        };
        Place { rank, more, rest }
    }

    /// How it compares with another one.
    #[inline]
    pub(super) fn compare(&self, other: &Place<'_>) -> Ordering {
        let start = self.rank.cmp(&other.rank).then(self.more.cmp(&other.more));
        start.then_with(|| self.signed(compare_pieces(self.rest, other.rest)))
    }

    /// The same with a number of the same first 64 digits, by what is behind these.
    #[inline]
    pub(super) fn compare_rest(&self, other: &[u8]) -> Ordering {
        self.signed(match self.rest {
            [b"", rest] => rest.cmp(other),
            rest => compare_pieces(rest, [other, b""]),
        })
    }

    /// Of negative numbers that is more whose digits are less.
    #[inline]
    fn signed(&self, order: Ordering) -> Ordering {
        if self.rank < Rank(0) { order.reverse() } else { order }
    }
}

/// Which of two texts is first in order; each is in two pieces.
fn compare_pieces([a, behind_a]: [&[u8]; 2], [b, behind_b]: [&[u8]; 2]) -> Ordering {
    let both = a.len().min(b.len());
    let ((a, rest_a), (b, rest_b)) = (a.split_at(both), b.split_at(both));
    a.cmp(b).then_with(|| {
        // One of the first pieces is used up.
        match (rest_a.is_empty(), rest_b.is_empty()) {
            (true, true) => behind_a.cmp(behind_b),
            (true, false) => compare_to_pieces(behind_a, rest_b, behind_b),
            (false, _) => compare_to_pieces(behind_b, rest_a, behind_a).reverse(),
        }
    })
}

fn compare_to_pieces(a: &[u8], b: &[u8], behind_b: &[u8]) -> Ordering {
    let (start, rest) = a.split_at(a.len().min(b.len()));
    match start.len() < b.len() {
        true => start.cmp(b),
        false => start.cmp(b).then_with(|| rest.cmp(behind_b)),
    }
}

/// The number that 32 digits are.
fn number(digits: &[u8]) -> i128 {
    let sixteen = |from: usize| {
        let eight = |at: usize| digits::eight(digits::word(digits, at));
        eight(from) * 100_000_000 + eight(from + digits::WORD)
    };
    i128::from(sixteen(0)) * 10_i128.pow(16) + i128::from(sixteen(16))
}
