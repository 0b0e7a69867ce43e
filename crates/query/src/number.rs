//! Numbers of any size, compared exactly or as the strict language rounds them.
//!
//! Nothing here turns digits into a number it can compute with, beyond 18 of them: decimals are
//! compared digit by digit. The strict language reads what is not a pure integer as a binary
//! float of 125 bits. That matters only where more than 37 digits are involved: two decimals of
//! at most 37 digits never round to the same float (10³⁷ < 2¹²⁴), and rounding keeps the order.
//! The rest is in `binary`.

mod binary;
mod ladder;
mod rank;

use std::cmp::Ordering;

use crate::digits::{self, POWERS, WORD};

use binary::{Edges, Turns};
pub(crate) use ladder::Ladder;
use rank::Place;
pub(crate) use rank::Rank;

/// The most digits a number in a query may have: more would need larger arrays in `binary`.
pub(crate) const DIGITS_MAX: usize = 1000;

/// Digits that fit the fast form: any two such numbers can be scaled to the same power of ten.
const SMALL_DIGITS: usize = 18;
/// Digits up to which the float of 125 bits tells all decimals apart.
const FLOAT_DIGITS: usize = 37;

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
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Small(Small),
    Long(Box<LongLiteral>),
}

/// What does not fit the fast form.
#[derive(Debug, Clone)]
struct LongLiteral {
    /// As written.
    text: Box<str>,
    point: i128,
    /// Kept only if finding them takes more than the stack.
    edges: Option<Box<Edges>>,
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

/// A value that begins with a number of more digits than the fast form has. It is read once for
/// each message, whatever the number of queries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Long<'a> {
    place: Place<'a>,
    is_integer: bool,
    has_sign: bool,
}

impl<'a> Long<'a> {
    /// From the text of a value; nothing if its number is not so long, or if it has none.
    #[inline]
    pub(crate) fn read(text: &'a [u8]) -> Option<Long<'a>> {
        // Nearly all values are told by their first byte or their length.
        let may_be = text.len() > SMALL_DIGITS && matches!(text[0], b'0'..=b'9' | b'-');
        if may_be { Long::read_digits(text) } else { None }
    }

    fn read_digits(text: &'a [u8]) -> Option<Long<'a>> {
        match Small::read(text, Arithmetic::Exact) {
            Ok(_) => None,
            Err(TooLarge) => Some(Long::of(text, &Digits::read(text, Arithmetic::Exact)?)),
        }
    }

    /// Of the text of a number that is written out with a point.
    fn from_text(text: &'a str) -> Option<Long<'a>> {
        Some(Long::of(text.as_bytes(), &Digits::read(text.as_bytes(), Arithmetic::Rounded)?))
    }

    fn of(text: &[u8], digits: &Digits<'a>) -> Long<'a> {
        Long {
            place: Place::of(digits),
            is_integer: digits.is_integer,
            has_sign: text.first() == Some(&b'-'),
        }
    }

    /// Whether it is a number as the language reads it.
    #[inline]
    fn counts(&self, arithmetic: Arithmetic) -> bool {
        arithmetic == Arithmetic::Exact || !self.has_sign
    }
}

impl Literal {
    /// From the text of a token.
    pub(crate) fn new(text: &str, arithmetic: Arithmetic) -> Literal {
        if let Ok(Some(small)) = Small::read(text.as_bytes(), arithmetic) {
            return Literal { arithmetic, form: Form::Small(small) };
        }
        let digits = Digits::read(text.as_bytes(), arithmetic).unwrap_or(Digits::ZERO);
        let has_large_edges = arithmetic == Arithmetic::Rounded && text.len() > FLOAT_DIGITS;
        let edges = has_large_edges.then(|| Box::new(Edges::of(&digits)));
        let point = match &edges {
            None => point(&digits),
            Some(edges) => edges.turns().point(&digits),
        };
        let long = LongLiteral { text: text.into(), point, edges };
        Literal { arithmetic, form: Form::Long(Box::new(long)) }
    }

    /// How a value compares with it; nothing if the value does not begin with a number.
    #[inline]
    pub(crate) fn compare(&self, value: &[u8]) -> Option<Ordering> {
        match (Small::read(value, self.arithmetic), &self.form) {
            (Ok(Some(number)), Form::Small(small)) => Some(number.compare(*small)),
            (Ok(Some(number)), Form::Long(long)) => Some(number.point().cmp(&long.point)),
            (Ok(None), _) => None,
            (Err(TooLarge), _) => self.compare_long(value),
        }
    }

    #[cold]
    fn compare_long(&self, value: &[u8]) -> Option<Ordering> {
        let digits = Digits::read(value, self.arithmetic)?;
        let long = Long::of(value, &digits);
        self.with_turns(|turns| turns.compare(&long))
    }

    /// What numbers of many digits are compared with, for any number of them.
    pub(crate) fn with_turns<T>(&self, then: impl FnOnce(&Turns<'_>) -> T) -> T {
        let mut buffer = [0; 24];
        if let Form::Long(long) = &self.form
            && let Some(edges) = &long.edges
        {
            return then(&edges.turns());
        }
        let digits = self.digits(&mut buffer);
        match self.arithmetic {
            Arithmetic::Exact => then(&Turns::exact(&digits)),
            Arithmetic::Rounded => then(&Edges::of(&digits).turns()),
        }
    }

    fn digits<'b>(&'b self, buffer: &'b mut [u8; 24]) -> Digits<'b> {
        let text = match &self.form {
            Form::Small(small) => small.write(buffer),
            Form::Long(long) => long.text.as_bytes(),
        };
        Digits::read(text, self.arithmetic).unwrap_or(Digits::ZERO)
    }

    /// Where it is in the order of numbers, as a range: numbers of many digits have no exact place.
    pub(crate) fn rank(&self) -> (Rank, Rank) {
        Rank::of(&self.digits(&mut [0; 24]))
    }

    /// Its place on the line of numbers, beside values of at most 18 digits.
    pub(crate) fn point(&self) -> i128 {
        match &self.form {
            Form::Small(small) => small.point(),
            Form::Long(long) => long.point,
        }
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        let Form::Long(long) = &self.form else { return 0 };
        let edges = long.edges.as_ref().map_or(0, |edges| edges.held_bytes());
        size_of::<LongLiteral>() + long.text.len() + edges
    }

    /// How it compares with another one, both rounded.
    pub(crate) fn order(&self, other: &Literal) -> Ordering {
        match (&self.form, &other.form) {
            (Form::Small(small), Form::Small(other)) => small.compare(*other),
            _ => {
                let mut buffer = [0; 24];
                let long = Long::of(b"", &self.digits(&mut buffer));
                other.with_turns(|turns| turns.order(&long))
            }
        }
    }
}

/// The place of a number that is not rounded beside those of at most 18 digits, as [`Small`] has
/// it: odd, if it lies between two of them.
fn point(digits: &Digits<'_>) -> i128 {
    let Digits { negative, whole, fraction, .. } = *digits;
    let point = match whole.len() <= SMALL_DIGITS {
        true => {
            let padded = fraction.iter().chain(std::iter::repeat(&b'0')).take(SMALL_DIGITS);
            let all = whole.iter().chain(padded);
            let cut = fraction.len() > SMALL_DIGITS;
            2 * all.fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0')) + i128::from(cut)
        }
        // It is larger than any of those.
        false => 2 * 10_i128.pow(2 * SMALL_DIGITS as u32),
    };
    if negative { -point } else { point }
}

/// How many of those that are in order are less.
///
/// Not by halves: a processor guesses whether to go on in the one half or the other, and half of
/// the time it is wrong. Each step here compares with three at once, and no step is a guess.
#[inline]
pub(crate) fn count_below<T: Ord>(mut ordered: &[T], value: &T) -> usize {
    let mut below = 0;
    while ordered.len() >= 6 {
        let quarter = ordered.len() / 4;
        let is_less = |quarters: usize| usize::from(ordered[quarters * quarter - 1] < *value);
        let step = (is_less(1) + is_less(2) + is_less(3)) * quarter;
        below += step;
        ordered = &ordered[step..][..ordered.len() - 3 * quarter];
    }
    below + ordered.iter().filter(|it| *it < value).count()
}

/// The place of the number that a value begins with, if that is not [`Long`].
#[inline]
pub(crate) fn point_of(value: &[u8], arithmetic: Arithmetic) -> Option<i128> {
    Small::read(value, arithmetic).ok().flatten().map(Small::point)
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
        let (mut mantissa, mut whole) = (0, 0);
        read_digits(text, 0, &mut whole, &mut mantissa)?;
        if whole == 0 {
            return Ok(None);
        }
        let mut count = whole;
        if text.get(whole) == Some(&b'.') {
            read_digits(text, 1, &mut count, &mut mantissa)?;
        }
        let mantissa = if negative { -(mantissa as i64) } else { mantissa as i64 };
        Ok(Some(Small { mantissa, scale: (count - whole) as u8 }))
    }

    #[inline]
    fn compare(self, other: Small) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scaled = |number: Small, by: u8| {
            let power = POWERS[usize::from(by.saturating_sub(number.scale))];
            i128::from(number.mantissa) * i128::from(power as i64)
        };
        scaled(self, other.scale).cmp(&scaled(other, self.scale))
    }

    /// In halves of the eighteenth digit behind the point: at most 37 digits, which fit. Always
    /// even: between two such numbers is a place for those of more digits.
    #[inline]
    fn point(self) -> i128 {
        let left = SMALL_DIGITS - self.scale as usize;
        2 * i128::from(self.mantissa) * i128::from(POWERS[left] as i64)
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

/// Adds to a number the digits that stand where `count` digits and the bytes between them end.
#[inline]
fn read_digits(
    text: &[u8],
    between: usize,
    count: &mut usize,
    mantissa: &mut u64,
) -> Result<(), TooLarge> {
    if text.len() < WORD {
        // Of a short text it is quicker to take each byte, and there are not too many.
        let digit = |at: usize| Some(text.get(at)?.wrapping_sub(b'0')).filter(|digit| *digit < 10);
        while let Some(digit) = digit(*count + between) {
            *mantissa = *mantissa * 10 + u64::from(digit);
            *count += 1;
        }
        return Ok(());
    }
    loop {
        let word = digits::word(text, *count + between);
        let digits = digits::count(word);
        *count += digits;
        if *count > SMALL_DIGITS {
            return Err(TooLarge);
        }
        *mantissa = *mantissa * POWERS[digits] + digits::number(word, digits);
        if digits < WORD {
            return Ok(());
        }
    }
}

impl<'a> Digits<'a> {
    const ZERO: Digits<'static> =
        Digits { negative: false, whole: b"", fraction: b"", is_integer: true };

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

    /// How many zeros are between the point and the first other digit, if none is before it.
    fn skipped(&self) -> usize {
        if self.whole.is_empty() { leading_zeros(self.fraction) } else { 0 }
    }

    /// How large it is: the digits before the point, or less than none.
    fn magnitude(&self, skipped: usize) -> i64 {
        self.whole.len() as i64 - skipped as i64
    }

    /// The digits behind so many.
    fn behind(&self, count: usize) -> [&'a [u8]; 2] {
        let in_whole = count.min(self.whole.len());
        let in_fraction = (count - in_whole).min(self.fraction.len());
        [&self.whole[in_whole..], &self.fraction[in_fraction..]]
    }

    /// Copies the digits behind so many, as far as there are any.
    fn copy_from(&self, count: usize, buffer: &mut [u8]) {
        let [whole, fraction] = self.behind(count);
        let (whole, fraction) = match whole.get(..buffer.len()) {
            Some(whole) => (whole, &fraction[..0]),
            None => (whole, &fraction[..fraction.len().min(buffer.len() - whole.len())]),
        };
        buffer[..whole.len()].copy_from_slice(whole);
        buffer[whole.len()..whole.len() + fraction.len()].copy_from_slice(fraction);
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
