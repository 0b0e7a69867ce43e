//! Comparison as the strict language rounds numbers, where that differs from comparing decimals.
//!
//! A value is never rounded, for it may be long. Instead the literal, which has at most
//! [`DIGITS_MAX`](super::DIGITS_MAX) digits, is brought into binary form, and the numbers halfway
//! to its neighbours, at which rounding turns, are written out as decimals. The value is then
//! compared with those, digit by digit. All of it is done in arrays on the stack.

use std::cmp::Ordering;

use super::Digits;

/// Bits of a float of the strict language.
const PRECISION: u32 = 125;
/// Words of 64 bits: twice 1000 digits (3322 bits) and some.
const WORDS: usize = 112;
/// Room for a number written out: 1000 digits before the point and about 3450 behind.
const ROOM: usize = 4_700;
/// Digits that are written out at once, and the power of ten.
const GROUP: u32 = 18;
const GROUP_POWER: u64 = 10_u64.pow(GROUP);

/// How a value compares with a literal. Both are at least zero, and one of them has many digits.
pub(super) fn compare(value: &Digits<'_>, literal: &Digits<'_>) -> Ordering {
    if literal.is_zero() || value.is_zero() || (value.is_integer && literal.is_integer) {
        return value.compare(literal);
    }
    let (float, is_exact) = Float::round(literal);
    if value.is_integer {
        return compare_binary(value, float.mantissa, float.exponent);
    }
    if literal.is_integer && !is_exact {
        // The literal lies between two floats, and the value becomes one of those or another.
        let (below, _) = Float::truncate(literal);
        let middle = compare_binary(value, 2 * below.mantissa + 1, below.exponent - 1);
        let tie = if below.is_even() { Ordering::Less } else { Ordering::Greater };
        return middle.then(tie);
    }
    let Float { mantissa, exponent } = float;
    let is_power = mantissa == 1 << (PRECISION - 1);
    let (low, low_exponent) = match is_power {
        // Below a power of two the floats are twice as dense.
        true => (4 * mantissa - 1, exponent - 2),
        false => (2 * mantissa - 1, exponent - 1),
    };
    let is_even = float.is_even();
    match compare_binary(value, low, low_exponent) {
        Ordering::Less => return Ordering::Less,
        Ordering::Equal if !is_even => return Ordering::Less,
        _ => {}
    }
    match compare_binary(value, 2 * mantissa + 1, exponent - 1) {
        Ordering::Greater => Ordering::Greater,
        Ordering::Equal if !is_even => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// `mantissa · 2^exponent`; the mantissa has exactly 125 bits.
#[derive(Debug, Clone, Copy)]
struct Float {
    mantissa: u128,
    exponent: i32,
}

impl Float {
    fn is_even(self) -> bool {
        self.mantissa.is_multiple_of(2)
    }

    /// The nearest float, of two the even one; and whether it is exactly the number.
    fn round(digits: &Digits<'_>) -> (Float, bool) {
        let (below, remainder) = Float::truncate(digits);
        let up = match remainder {
            Remainder::None | Remainder::LessThanHalf => false,
            Remainder::Half => !below.is_even(),
            Remainder::MoreThanHalf => true,
        };
        let is_exact = remainder == Remainder::None;
        let mantissa = below.mantissa + u128::from(up);
        let float = match mantissa >> PRECISION {
            0 => Float { mantissa, ..below },
            _ => Float { mantissa: mantissa / 2, exponent: below.exponent + 1 },
        };
        (float, is_exact)
    }

    /// The next float towards zero, and what is left. The number is not zero.
    fn truncate(digits: &Digits<'_>) -> (Float, Remainder) {
        let mut number = Natural::from_digits(digits.whole.iter().chain(digits.fraction));
        let mut divisor = Natural::one();
        for _ in 0..digits.fraction.len() {
            divisor.multiply_add(10, 0);
        }
        // Shifted so that the quotient has 126 or 127 bits: one more than the mantissa at least.
        let shift = PRECISION as i32 + 2 + divisor.bits() as i32 - number.bits() as i32;
        match u32::try_from(shift) {
            Ok(left) => number.shift_left(left),
            Err(_) => divisor.shift_left(shift.unsigned_abs()),
        }
        let mut quotient = 0_u128;
        divisor.shift_left(PRECISION + 2);
        for _ in 0..PRECISION + 3 {
            quotient *= 2;
            if divisor.compare(&number).is_le() {
                number.subtract(&divisor);
                quotient += 1;
            }
            divisor.shift_right_one();
        }
        let excess = 128 - quotient.leading_zeros() - PRECISION;
        let (cut, half) = (quotient & ((1 << excess) - 1), 1 << (excess - 1));
        let remainder = match (cut.cmp(&half), number.bits() == 0) {
            (Ordering::Less, true) if cut == 0 => Remainder::None,
            (Ordering::Less, _) => Remainder::LessThanHalf,
            (Ordering::Equal, true) => Remainder::Half,
            _ => Remainder::MoreThanHalf,
        };
        let exponent = excess as i32 - shift;
        (Float { mantissa: quotient >> excess, exponent }, remainder)
    }
}

/// What truncation left, in units of the last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remainder {
    None,
    LessThanHalf,
    Half,
    MoreThanHalf,
}

/// How decimal digits compare with `mantissa · 2^exponent`.
fn compare_binary(digits: &Digits<'_>, mantissa: u128, exponent: i32) -> Ordering {
    let mut room = [0; ROOM];
    let (whole, fraction) = write_out(&mut room, mantissa, exponent);
    digits.compare(&Digits { negative: false, whole, fraction, is_integer: false })
}

/// The decimals of `mantissa · 2^exponent`: digits before the point, and behind it.
fn write_out(room: &mut [u8; ROOM], mantissa: u128, exponent: i32) -> (&[u8], &[u8]) {
    let bits = exponent.unsigned_abs();
    let mut whole = Natural::from(mantissa);
    let mut rest = Natural::from(0);
    if exponent >= 0 {
        whole.shift_left(bits);
    } else if bits < 128 {
        whole = Natural::from(mantissa >> bits);
        rest = Natural::from(mantissa & ((1 << bits) - 1));
    } else {
        (whole, rest) = (rest, whole);
    }
    // Before the point: groups of digits from the last to the first.
    let point = 1_260;
    let mut start = point;
    while whole.bits() > 0 {
        let mut group = whole.divide(GROUP_POWER);
        for _ in 0..GROUP {
            start -= 1;
            room[start] = b'0' + (group % 10) as u8;
            group /= 10;
        }
    }
    start += room[start..point].iter().take_while(|digit| **digit == b'0').count();
    // Behind it: multiplied by a power of ten, what passes the point is the next group.
    let mut end = point;
    while rest.bits() > 0 {
        rest.multiply_add(GROUP_POWER, 0);
        let group = rest.take_above(bits);
        let mut power = GROUP_POWER;
        for digit in &mut room[end..end + GROUP as usize] {
            power /= 10;
            *digit = b'0' + (group / power % 10) as u8;
        }
        end += GROUP as usize;
    }
    while end > point && room[end - 1] == b'0' {
        end -= 1;
    }
    (&room[start..point], &room[point..end])
}

/// A natural number, its lowest word first.
#[derive(Clone)]
struct Natural {
    words: [u64; WORDS],
    /// Words in use; those above are zero.
    length: usize,
}

impl Natural {
    fn from(number: u128) -> Natural {
        let mut words = [0; WORDS];
        (words[0], words[1]) = (number as u64, (number >> 64) as u64);
        let mut natural = Natural { words, length: 2 };
        natural.trim();
        natural
    }

    fn one() -> Natural {
        Natural::from(1)
    }

    fn from_digits<'d>(digits: impl Iterator<Item = &'d u8>) -> Natural {
        let mut natural = Natural::from(0);
        for digit in digits {
            natural.multiply_add(10, u64::from(digit - b'0'));
        }
        natural
    }

    fn trim(&mut self) {
        while self.length > 0 && self.words[self.length - 1] == 0 {
            self.length -= 1;
        }
    }

    fn bits(&self) -> u32 {
        match self.length {
            0 => 0,
            length => length as u32 * 64 - self.words[length - 1].leading_zeros(),
        }
    }

    fn compare(&self, other: &Natural) -> Ordering {
        let words = || self.words[..self.length].iter().rev();
        let length = self.length.cmp(&other.length);
        length.then_with(|| words().cmp(other.words[..other.length].iter().rev()))
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = u128::from(summand);
        for word in &mut self.words[..self.length] {
            carry += u128::from(*word) * u128::from(factor);
            *word = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            self.words[self.length] = carry as u64;
            self.length += 1;
        }
    }

    /// Divides, and returns the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0_u128;
        for word in self.words[..self.length].iter_mut().rev() {
            let dividend = (remainder << 64) | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            remainder = dividend % u128::from(divisor);
        }
        self.trim();
        remainder as u64
    }

    /// Subtracts what is not more.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (word, subtrahend) in self.words[..self.length].iter_mut().zip(&other.words) {
            let (difference, under) = word.overflowing_sub(*subtrahend);
            let (difference, under_again) = difference.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (difference, under || under_again);
        }
        self.trim();
    }

    fn shift_left(&mut self, bits: u32) {
        let (words, bits) = ((bits / 64) as usize, bits % 64);
        let length = self.length + words + 1;
        for at in (0..length).rev() {
            let word = |at: usize| match at.checked_sub(words) {
                Some(at) => self.words[at],
                None => 0,
            };
            let carried = if at > 0 && bits > 0 { word(at - 1) >> (64 - bits) } else { 0 };
            self.words[at] = (word(at) << bits) | carried;
        }
        self.length = length;
        self.trim();
    }

    fn shift_right_one(&mut self) {
        let mut carry = 0;
        for word in self.words[..self.length].iter_mut().rev() {
            let low = *word & 1;
            *word = (*word >> 1) | (carry << 63);
            carry = low;
        }
        self.trim();
    }

    /// Takes away the bits from `bits` on, which fit a word.
    fn take_above(&mut self, bits: u32) -> u64 {
        let (at, shift) = ((bits / 64) as usize, bits % 64);
        let low = self.words[at] >> shift;
        let high = if shift > 0 { self.words[at + 1] << (64 - shift) } else { 0 };
        self.words[at] &= (1 << shift) - 1;
        self.words[at + 1] = 0;
        self.length = self.length.min(at + 1);
        self.trim();
        low | high
    }
}
