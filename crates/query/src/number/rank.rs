//! Places in the order of numbers, for the index.

use std::cmp::Ordering;

use super::Digits;

/// Digits that a place is told by. Fewer than the float of 125 bits has, so that rounding moves no
/// number out of its range.
const PLACES: usize = 36;
/// What the first half of them is multiplied by.
const HALF: u128 = 10_u128.pow(PLACES as u32 / 2);
/// The least that has one digit more.
const LONGER: u128 = 10_u128.pow(PLACES as u32);

/// A place in the order of numbers: 36 digits and how large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    negative: bool,
    /// Digits before the point; may be less than zero.
    magnitude: i32,
    /// As many digits as a place has; zero only for zero.
    mantissa: u128,
}

impl Rank {
    /// Below and above all numbers.
    pub(crate) const EVERYTHING: (Rank, Rank) = (
        Rank { negative: true, magnitude: i32::MAX, mantissa: u128::MAX },
        Rank { negative: false, magnitude: i32::MAX, mantissa: u128::MAX },
    );

    /// A range that a number is in, however it is rounded: a point if it has few digits.
    pub(crate) fn of(digits: &Digits<'_>) -> (Rank, Rank) {
        let &Digits { negative, whole, fraction, .. } = digits;
        let skipped = match whole.is_empty() {
            true => super::leading_zeros(fraction),
            false => 0,
        };
        if digits.is_zero() {
            let zero = Rank { negative: false, magnitude: i32::MIN, mantissa: 0 };
            return (zero, zero);
        }
        let magnitude = whole.len() as i32 - skipped as i32;
        let mut first = [b'0'; PLACES];
        let from_whole = whole.len().min(PLACES);
        first[..from_whole].copy_from_slice(&whole[..from_whole]);
        let from_fraction = (fraction.len() - skipped).min(PLACES - from_whole);
        first[from_whole..from_whole + from_fraction]
            .copy_from_slice(&fraction[skipped..skipped + from_fraction]);
        let (high, low) = first.split_at(PLACES / 2);
        let number = |digits: &[u8]| {
            digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        };
        let mantissa = u128::from(number(high)) * HALF + u128::from(number(low));
        let exact = digits.count() - skipped <= PLACES;
        let near = Rank { negative, magnitude, mantissa };
        // One more in the last place, which may be a digit more.
        let far = match mantissa + 1 {
            LONGER => Rank { magnitude: magnitude + 1, mantissa: LONGER / 10, ..near },
            mantissa => Rank { mantissa, ..near },
        };
        let low = Rank { mantissa: mantissa - 1, ..near };
        match (exact, negative) {
            (true, _) => (near, near),
            (false, false) => (low, far),
            (false, true) => (far, low),
        }
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

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        let size = |rank: &Rank| (rank.magnitude, rank.mantissa);
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
