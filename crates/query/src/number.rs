//! Numbers of any size, compared exactly or as the strict language rounds them.
//!
//! Nothing here turns digits into a number it can compute with, beyond 18 of them: decimals are
//! compared digit by digit. The strict language reads what is not a pure integer as a binary
//! float of 125 bits. That matters only where more than 37 digits are involved: two decimals of
//! at most 37 digits never round to the same float (10³⁷ < 2¹²⁴), and rounding keeps the order.
//! The rest is in `binary`.

mod binary;
mod rank;

use std::cmp::Ordering;

pub(crate) use rank::Rank;

/// The most digits a number in a query may have: more would need larger arrays in `binary`.
pub(crate) const DIGITS_MAX: usize = 1000;

/// Digits that fit the fast form: any two such numbers can be scaled to the same power of ten.
const SMALL_DIGITS: usize = 18;
/// Digits up to which the float of 125 bits tells all decimals apart.
const FLOAT_DIGITS: usize = 37;

/// A text that may have more digits than this is long.
const LONG: usize = 64;

/// Powers of ten.
static POWERS: [i64; SMALL_DIGITS + 1] = {
    let mut powers = [1; SMALL_DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// How numbers are read and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Arithmetic {
    /// As CometBFT: no sign, and binary floats of 125 bits for what is not an integer.
    Rounded,
    /// Signs, and exact decimals.
    #[default]
    Exact,
}

/// A number in a query.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    arithmetic: Arithmetic,
    small: Option<Small>,
    /// As written; kept only if it does not fit the fast form.
    text: Box<str>,
}

/// `mantissa / 10^scale`, with at most 18 digits.
#[derive(Debug, Clone, Copy)]
struct Small {
    mantissa: i64,
    scale: u8,
}

/// A number as it is written. Without the zeros that mean nothing, so that the number of digits
/// says how large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// Nothing but digits: no point, and nothing behind.
    is_integer: bool,
}

impl Literal {
    /// From the text of a token.
    pub(crate) fn new(text: &str, arithmetic: Arithmetic) -> Literal {
        let small = Small::read(text.as_bytes(), arithmetic).unwrap_or(None);
        let text = if small.is_some() { "" } else { text };
        Literal { arithmetic, small, text: text.into() }
    }

    /// How a value compares with it; nothing if the value does not begin with a number.
    ///
    /// `digits` says what [`Digits::of_long`] found in it, if somebody asked.
    #[inline]
    pub(crate) fn compare<'v>(
        &self,
        value: &'v [u8],
        digits: impl FnOnce() -> Option<Digits<'v>>,
    ) -> Option<Ordering> {
        match (Small::read(value, self.arithmetic), self.small) {
            (Ok(Some(number)), Some(small)) => Some(number.compare(small)),
            (Ok(None), _) => None,
            _ => self.compare_large(value, digits()),
        }
    }

    #[cold]
    fn compare_large(&self, value: &[u8], known: Option<Digits<'_>>) -> Option<Ordering> {
        Some(self.compare_digits(Digits::known_or_read(value, known, self.arithmetic)?))
    }

    /// How a number that was read compares with it.
    pub(crate) fn compare_digits(&self, value: Digits<'_>) -> Ordering {
        let mut buffer = [0; 24];
        let literal = self.digits(&mut buffer);
        let is_short = |digits: &Digits<'_>| digits.count() <= FLOAT_DIGITS;
        let exact = self.arithmetic == Arithmetic::Exact;
        if exact || (is_short(&value) && is_short(&literal)) {
            return value.compare(&literal);
        }
        // Rounding moves no number out of its range, and takes longer than most values deserve.
        let (here, there) = (Rank::of(&value), Rank::of(&literal));
        if here.1 < there.0 || here.0 > there.1 {
            return here.0.cmp(&there.0);
        }
        binary::compare(&value, &literal)
    }

    fn digits<'b>(&'b self, buffer: &'b mut [u8; 24]) -> Digits<'b> {
        let text = match self.small {
            Some(small) => small.write(buffer),
            None => self.text.as_bytes(),
        };
        let zero = Digits { negative: false, whole: b"", fraction: b"", is_integer: true };
        Digits::read(text, self.arithmetic).unwrap_or(zero)
    }

    /// Where it is in the order of numbers, as a range: numbers of many digits have no exact place.
    pub(crate) fn rank(&self) -> (Rank, Rank) {
        Rank::of(&self.digits(&mut [0; 24]))
    }

    /// Its place on the line of numbers, beside values of at most 18 digits. Nothing if it may be
    /// rounded to one of those.
    pub(crate) fn point(&self) -> Option<i128> {
        if let Some(small) = self.small {
            return Some(small.point());
        }
        let mut buffer = [0; 24];
        let digits = self.digits(&mut buffer);
        if self.arithmetic == Arithmetic::Rounded && digits.count() > FLOAT_DIGITS {
            return None;
        }
        let Digits { negative, whole, fraction, .. } = digits;
        let point = match whole.len() <= SMALL_DIGITS {
            // Odd, because it lies between two numbers of 18 digits behind the point; or it is
            // larger than any number that is compared with it, and then it does not matter.
            true => {
                let padded = fraction.iter().chain(std::iter::repeat(&b'0')).take(SMALL_DIGITS);
                let all = whole.iter().chain(padded);
                let cut = fraction.len() > SMALL_DIGITS;
                2 * all.fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0')) + i128::from(cut)
            }
            false => 2 * 10_i128.pow(2 * SMALL_DIGITS as u32),
        };
        Some(if negative { -point } else { point })
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        self.text.len()
    }

    /// How it compares with another one, both rounded.
    pub(crate) fn order(&self, other: &Literal) -> Ordering {
        match (self.small, other.small) {
            (Some(small), Some(other)) => small.compare(other),
            _ => other.compare_digits(self.digits(&mut [0; 24])),
        }
    }
}

/// Where the number that a value begins with is on the line of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The value begins with no number.
    None,
    At(i128),
    /// It has too many digits for a point.
    TooLong,
}

impl Point {
    /// The place of a value.
    #[inline]
    pub(crate) fn of(value: &[u8], arithmetic: Arithmetic) -> Point {
        match Small::read(value, arithmetic) {
            Ok(Some(small)) => Point::At(small.point()),
            Ok(None) => Point::None,
            Err(TooLarge) => Point::TooLong,
        }
    }
}

/// Where the number a value begins with is in the order of numbers, as a range.
pub(crate) fn rank(value: &[u8], arithmetic: Arithmetic) -> Option<(Rank, Rank)> {
    Some(Rank::of(&Digits::read(value, arithmetic)?))
}

/// A number that has more digits than the fast form.
struct TooLarge;

impl Small {
    /// The number that a text begins with, if any.
    #[inline]
    fn read(text: &[u8], arithmetic: Arithmetic) -> Result<Option<Small>, TooLarge> {
        let negative = arithmetic == Arithmetic::Exact && text.first() == Some(&b'-');
        let text = &text[usize::from(negative)..];
        let (mut mantissa, mut whole) = (0_i64, 0);
        let digit = |at: usize| {
            let digit = text.get(at)?.wrapping_sub(b'0');
            (digit < 10).then_some(i64::from(digit))
        };
        while let Some(digit) = digit(whole) {
            if whole == SMALL_DIGITS {
                return Err(TooLarge);
            }
            mantissa = mantissa * 10 + digit;
            whole += 1;
        }
        if whole == 0 {
            return Ok(None);
        }
        let mut scale = 0;
        if text.get(whole) == Some(&b'.') {
            while let Some(digit) = digit(whole + 1 + scale) {
                if whole + scale == SMALL_DIGITS {
                    return Err(TooLarge);
                }
                mantissa = mantissa * 10 + digit;
                scale += 1;
            }
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Ok(Some(Small { mantissa, scale: scale as u8 }))
    }

    #[inline]
    fn compare(self, other: Small) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scaled = |number: Small, by: u8| {
            i128::from(number.mantissa) * 10_i128.pow(u32::from(by.saturating_sub(number.scale)))
        };
        scaled(self, other.scale).cmp(&scaled(other, self.scale))
    }

    /// In halves of the eighteenth digit behind the point: at most 37 digits, which fit. Always
    /// even: between two such numbers is a place for those of more digits.
    #[inline]
    fn point(self) -> i128 {
        let left = SMALL_DIGITS - self.scale as usize;
        2 * i128::from(self.mantissa) * i128::from(POWERS[left])
    }

    fn write(self, buffer: &mut [u8; 24]) -> &[u8] {
        let (mut rest, mut at) = (self.mantissa.unsigned_abs(), buffer.len());
        for place in 0.. {
            if rest == 0 && place > self.scale {
                break;
            }
            if place == self.scale && self.scale > 0 {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if self.mantissa < 0 {
            at -= 1;
            buffer[at] = b'-';
        }
        &buffer[at..]
    }
}

impl<'a> Digits<'a> {
    /// The number that a long text begins with. A message may be long and a query may have many
    /// comparisons; so the ends of such a number are looked for once for each message.
    #[inline]
    pub(crate) fn of_long(text: &'a [u8]) -> Option<Digits<'a>> {
        let is_long =
            text.len() > LONG && text[1..LONG].iter().all(|it| b".0123456789".contains(it));
        if is_long { Digits::read(text, Arithmetic::Exact) } else { None }
    }

    /// The number that a value begins with, if any; `known` is what [`Digits::of_long`] found.
    pub(crate) fn known_or_read(
        value: &'a [u8],
        known: Option<Digits<'a>>,
        arithmetic: Arithmetic,
    ) -> Option<Digits<'a>> {
        let is_signed = value.first() == Some(&b'-');
        match known {
            Some(_) if is_signed && arithmetic == Arithmetic::Rounded => None,
            Some(digits) => Some(digits),
            None => Digits::read(value, arithmetic),
        }
    }

    /// The number that a text begins with, if any.
    fn read(text: &'a [u8], arithmetic: Arithmetic) -> Option<Digits<'a>> {
        let negative = arithmetic == Arithmetic::Exact && text.first() == Some(&b'-');
        let text = &text[usize::from(negative)..];
        let (whole, rest) = text.split_at(digits(text));
        if whole.is_empty() {
            return None;
        }
        let fraction = rest.strip_prefix(b".").map_or(&rest[..0], |rest| &rest[..digits(rest)]);
        let digits = Digits {
            negative,
            whole: &whole[leading_zeros(whole)..],
            fraction: &fraction[..fraction.len() - trailing_zeros(fraction)],
            is_integer: rest.is_empty(),
        };
        Some(Digits { negative: negative && !digits.is_zero(), ..digits })
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    fn count(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    fn compare(&self, other: &Digits<'_>) -> Ordering {
        let order = || {
            let whole = self.whole.len().cmp(&other.whole.len());
            whole.then_with(|| self.whole.cmp(other.whole)).then(self.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => order(),
            (true, true) => order().reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

/// How many digits a text begins with. A block at a time: a value may be long.
fn digits(text: &[u8]) -> usize {
    prefix(text, |byte| byte.is_ascii_digit())
}

fn leading_zeros(text: &[u8]) -> usize {
    prefix(text, |byte| byte == b'0')
}

fn prefix(text: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    let all = |block: &&[u8]| block.iter().fold(true, |all, byte| all & fits(*byte));
    let blocks = text.chunks_exact(32).take_while(all).count() * 32;
    blocks + text[blocks..].iter().take_while(|byte| fits(**byte)).count()
}

fn trailing_zeros(text: &[u8]) -> usize {
    let all = |block: &&[u8]| block.iter().fold(true, |all, byte| all & (*byte == b'0'));
    let blocks = text.rchunks_exact(32).take_while(all).count() * 32;
    let rest = &text[..text.len() - blocks];
    blocks + rest.iter().rev().take_while(|byte| **byte == b'0').count()
}
