//! Where numbers turn from less to more than a literal, as the language rounds them.
//!
//! A value is never rounded, for it may be long. Instead the literal, which has at most
//! [`DIGITS_MAX`](super::DIGITS_MAX) digits, is brought into binary form, and the numbers halfway
//! to its neighbours, at which rounding turns, are written out as decimals. Values are then
//! compared with those, digit by digit. Literals of up to 37 digits need no memory for that.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::{Arithmetic, Digits, FLOAT_DIGITS, Long, Place, SMALL_DIGITS, point};

/// Bits of a float of the strict language.
const PRECISION: u32 = 125;
/// Digits that are written out at once, and the power of ten.
const GROUP: u32 = 18;
const GROUP_POWER: u64 = 10_u64.pow(GROUP);

/// A literal in binary arithmetic.
#[derive(Debug, Clone)]
pub(super) struct Edges {
    /// As it is rounded: what pure integers are compared with.
    number: Decimal,
    /// What other numbers are compared with: the least that is rounded to the literal, and the
    /// most.
    around: Option<[Edge; 2]>,
}

/// A number at which rounding turns.
#[derive(Debug, Clone)]
struct Edge {
    number: Decimal,
    /// Whether it is itself rounded to more than what is below it.
    passes: bool,
}

impl Edges {
    pub(super) fn of(literal: &Digits<'_>) -> Edges {
        if literal.is_zero() {
            return Edges { number: Decimal::of(literal), around: None };
        }
        let (below, remainder) = Float::truncate(literal);
        let float = below.rounded(remainder);
        // Two decimals of few digits are never rounded to the same float.
        let number = match literal.is_integer || literal.count() <= FLOAT_DIGITS {
            true => Decimal::of(literal),
            false => Decimal::new(float.mantissa, float.exponent),
        };
        let edge =
            |mantissa, exponent, passes| Edge { number: Decimal::new(mantissa, exponent), passes };
        if literal.is_integer && remainder != Remainder::None {
            // It lies between two floats, and a value becomes one of those or another.
            let middle = edge(2 * below.mantissa + 1, below.exponent - 1, !below.is_even());
            return Edges { number, around: Some([middle.clone(), middle]) };
        }
        let Float { mantissa, exponent } = float;
        let is_even = float.is_even();
        let low = match mantissa == 1 << (PRECISION - 1) {
            // Below a power of two the floats are twice as dense.
            true => edge(4 * mantissa - 1, exponent - 2, is_even),
            false => edge(2 * mantissa - 1, exponent - 1, is_even),
        };
        let high = edge(2 * mantissa + 1, exponent - 1, !is_even);
        Edges { number, around: Some([low, high]) }
    }

    /// For comparisons.
    pub(super) fn turns(&self) -> Turns<'_> {
        Turns {
            number: self.number.place(),
            around: self.around.as_ref().map(|edges| edges.each_ref().map(Edge::turn)),
            arithmetic: Arithmetic::Rounded,
        }
    }

    /// Bytes of memory it takes, its own with them.
    pub(super) fn held_bytes(&self) -> usize {
        let edges = self.around.iter().flatten().map(|edge| &edge.number);
        let held = |number: &Decimal| match number.digits.spilled() {
            true => number.digits.capacity(),
            false => 0,
        };
        size_of::<Edges>() + edges.chain([&self.number]).map(held).sum::<usize>()
    }
}

impl Edge {
    fn turn(&self) -> (Place<'_>, bool) {
        (self.number.place(), self.passes)
    }
}

/// What numbers of many digits are compared with in place of a literal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns<'e> {
    /// What pure integers are compared with, and in exact arithmetic all numbers.
    pub(super) number: Place<'e>,
    /// The least that is rounded to the literal and the most, each with whether it is itself
    /// rounded to more than what is below it.
    pub(super) around: Option<[(Place<'e>, bool); 2]>,
    pub(super) arithmetic: Arithmetic,
}

impl Turns<'_> {
    /// Of a literal in exact arithmetic.
    pub(super) fn exact<'d>(literal: &Digits<'d>) -> Turns<'d> {
        Turns { number: Place::of(literal), around: None, arithmetic: Arithmetic::Exact }
    }

    /// How a value compares with the literal; nothing if it is no number as the language reads it.
    #[inline]
    pub(crate) fn compare(&self, value: &Long<'_>) -> Option<Ordering> {
        value.counts(self.arithmetic).then(|| self.order(value))
    }

    /// How a number compares with the literal.
    pub(super) fn order(&self, value: &Long<'_>) -> Ordering {
        let Some([low, high]) = self.around.as_ref().filter(|_| !value.is_integer) else {
            return value.place.compare(&self.number);
        };
        let is_passed = |(place, passes): &(Place<'_>, bool)| match value.place.compare(place) {
            Ordering::Less => false,
            Ordering::Equal => *passes,
            Ordering::Greater => true,
        };
        match (is_passed(low), is_passed(high)) {
            (false, _) => Ordering::Less,
            (true, false) => Ordering::Equal,
            (true, true) => Ordering::Greater,
        }
    }

    /// The place of the literal beside values of at most 18 digits; these are never rounded to one
    /// another, but a literal of many digits may be rounded to one of them.
    pub(super) fn point(&self, literal: &Digits<'_>) -> i128 {
        let point = point(literal);
        if point % 2 == 0 {
            return point;
        }
        let is_literal = |point: &i128| {
            let unit = 2 * 10_i128.pow(SMALL_DIGITS as u32);
            let (whole, fraction) = (point / unit, point % unit / 2);
            let text = format!("{whole}.{fraction:0SMALL_DIGITS$}");
            Long::from_text(&text).is_some_and(|value| self.order(&value).is_eq())
        };
        [point - 1, point + 1].into_iter().find(is_literal).unwrap_or(point)
    }
}

/// A number written out.
#[derive(Debug, Clone)]
struct Decimal {
    /// Room for what a literal of up to 37 bytes has around it: at most 243 bits behind the point,
    /// each of which is a digit, in groups of 18.
    digits: SmallVec<[u8; 256]>,
    /// How many of them are before the point.
    whole: usize,
}

impl Decimal {
    /// The same digits. The number is at least zero.
    fn of(digits: &Digits<'_>) -> Decimal {
        let mut all = SmallVec::from_slice(digits.whole);
        all.extend_from_slice(digits.fraction);
        Decimal { digits: all, whole: digits.whole.len() }
    }

    /// The decimals of `mantissa · 2^exponent`.
    fn new(mantissa: u128, exponent: i32) -> Decimal {
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
        let mut digits = SmallVec::new();
        while whole.bits() > 0 {
            let group = whole.divide(GROUP_POWER);
            digits.extend(group_digits(group).rev());
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        digits.reverse();
        let whole = digits.len();
        // Behind it: multiplied by a power of ten, what passes the point is the next group.
        while rest.bits() > 0 {
            rest.multiply_add(GROUP_POWER, 0);
            digits.extend(group_digits(rest.take_above(bits)));
        }
        while digits.len() > whole && digits.last() == Some(&b'0') {
            digits.pop();
        }
        Decimal { digits, whole }
    }

    fn place(&self) -> Place<'_> {
        let (whole, fraction) = self.digits.split_at(self.whole);
        Place::of(&Digits { negative: false, whole, fraction, is_integer: false })
    }
}

/// The digits of a group, the first one first.
fn group_digits(group: u64) -> impl DoubleEndedIterator<Item = u8> {
    (0..GROUP).rev().map(move |place| b'0' + (group / 10_u64.pow(place) % 10) as u8)
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

    /// The nearest float to a number that was truncated to this one; of two the even one.
    fn rounded(self, remainder: Remainder) -> Float {
        let up = match remainder {
            Remainder::None | Remainder::LessThanHalf => false,
            Remainder::Half => !self.is_even(),
            Remainder::MoreThanHalf => true,
        };
        let mantissa = self.mantissa + u128::from(up);
        match mantissa >> PRECISION {
            0 => Float { mantissa, ..self },
            _ => Float { mantissa: mantissa / 2, exponent: self.exponent + 1 },
        }
    }

    /// The next float towards zero, and what is left. The number is not zero.
    fn truncate(digits: &Digits<'_>) -> (Float, Remainder) {
        let mut number = Natural::from_digits(digits.whole);
        number.append_digits(digits.fraction);
        // Shifted so that the quotient has two bits more than the mantissa at least. A digit is
        // less than 3.33 bits.
        let divisor_bits = (digits.fraction.len() * 10).div_ceil(3) as u32;
        let shift = (PRECISION + 2 + divisor_bits).saturating_sub(number.bits());
        number.shift_left(shift);
        let mut is_cut = false;
        for group in digits.fraction.chunks(GROUP as usize) {
            is_cut |= number.divide(10_u64.pow(group.len() as u32)) > 0;
        }
        let excess = number.bits() - PRECISION;
        let (mantissa, half, below_half) = number.split(excess);
        let remainder = match (half, below_half || is_cut) {
            (false, false) => Remainder::None,
            (false, true) => Remainder::LessThanHalf,
            (true, false) => Remainder::Half,
            (true, true) => Remainder::MoreThanHalf,
        };
        (Float { mantissa, exponent: excess as i32 - shift as i32 }, remainder)
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

/// A natural number, its lowest word first; the highest is not zero.
#[derive(Clone)]
struct Natural {
    /// Room for what a literal of up to 37 digits needs.
    words: SmallVec<[u64; 8]>,
}

impl Natural {
    fn from(number: u128) -> Natural {
        let mut natural = Natural { words: SmallVec::new() };
        natural.words.extend([number as u64, (number >> 64) as u64]);
        natural.trim();
        natural
    }

    fn from_digits(digits: &[u8]) -> Natural {
        let mut natural = Natural::from(0);
        natural.append_digits(digits);
        natural
    }

    fn append_digits(&mut self, digits: &[u8]) {
        for group in digits.chunks(GROUP as usize) {
            let summand = group.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            self.multiply_add(10_u64.pow(group.len() as u32), summand);
        }
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    fn bits(&self) -> u32 {
        self.words.last().map_or(0, |last| self.words.len() as u32 * 64 - last.leading_zeros())
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = u128::from(summand);
        for word in &mut self.words {
            carry += u128::from(*word) * u128::from(factor);
            *word = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            self.words.push(carry as u64);
        }
    }

    /// Divides, and returns the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0_u128;
        for word in self.words.iter_mut().rev() {
            let dividend = (remainder << 64) | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            remainder = dividend % u128::from(divisor);
        }
        self.trim();
        remainder as u64
    }

    fn shift_left(&mut self, bits: u32) {
        let (words, bits) = ((bits / 64) as usize, bits % 64);
        if bits > 0 {
            self.multiply_add(1 << bits, 0);
        }
        self.words.insert_many(0, std::iter::repeat_n(0, words));
        self.trim();
    }

    /// Takes away the bits from `from` on, which fit a word.
    fn take_above(&mut self, from: u32) -> u64 {
        let (at, shift) = ((from / 64) as usize, from % 64);
        let high = if shift > 0 { self.word(at + 1) << (64 - shift) } else { 0 };
        let above = (self.word(at) >> shift) | high;
        self.words.truncate(at + 1);
        if let Some(word) = self.words.get_mut(at) {
            *word &= (1 << shift) - 1;
        }
        self.trim();
        above
    }

    /// The bits from `from` on, at most 128; the bit below; and whether there are any below that.
    fn split(&self, from: u32) -> (u128, bool, bool) {
        let bits = |from: u32| {
            let (at, shift) = ((from / 64) as usize, from % 64);
            let word = |at: usize| u128::from(self.word(at));
            let low = (word(at) | (word(at + 1) << 64)) >> shift;
            if shift > 0 { low | (word(at + 2) << (128 - shift)) } else { low }
        };
        let Some(half) = from.checked_sub(1) else { return (bits(0), false, false) };
        let (word, above) = ((half / 64) as usize, 64 - half % 64);
        let in_word = if above == 64 { 0 } else { self.words[word] << above };
        let is_below = in_word != 0 || self.words[..word].iter().any(|it| *it != 0);
        (bits(from), bits(half) & 1 == 1, is_below)
    }
}
