//! Lexing shared by both directions: verbs, control lines, arguments, sizes, payload ends.

use memchr::memchr;

use super::{ParseLimits, Progress, Violation};

/// Longest size in digits, as in nats-server: up to 999 999 999. Nine digits fit a `u32`, so
/// adding them up cannot overflow, nor can line + payload + CRLF overflow a 32-bit `usize`.
const SIZE_DIGITS_MAX: usize = 9;

/// What a parser returns.
pub(super) type Parsed<O> = Result<Progress<O>, Violation>;

/// A whole control line: what follows the verb, and where the next byte after the line is.
pub(super) struct Line<'a> {
    pub(super) args: &'a [u8],
    pub(super) end: usize,
}

/// A piece of input that is there, or is not there yet. The bad case is a [`Violation`].
pub(super) enum Found<T> {
    Whole(T),
    /// Total bytes needed before another look is worth it.
    Partial(usize),
}

/// Finds which of `verbs` the input begins with, and returns what stands beside it and its length.
///
/// Refuses as soon as no verb is left that could still match: a stray HTTP request should be
/// answered at once, and not keep its connection until a newline comes.
pub(super) fn verb<K: Copy>(
    input: &[u8],
    verbs: &[(&[u8], K)],
) -> Result<Found<(K, usize)>, Violation> {
    let mut partial = false;
    for &(word, kind) in verbs {
        let have = word.len().min(input.len());
        if input[..have].eq_ignore_ascii_case(&word[..have]) {
            if have == word.len() {
                return Ok(Found::Whole((kind, have)));
            }
            partial = true;
        }
    }
    if partial { Ok(Found::Partial(input.len() + 1)) } else { Err(Violation::UnknownOperation) }
}

/// Steps over the one space or tab that must follow a verb, and returns where the rest begins.
///
/// A verb with nothing behind it is an unknown operation, not a lack of arguments.
pub(super) fn separator(input: &[u8], at: usize) -> Result<Found<usize>, Violation> {
    match input.get(at) {
        Some(b' ' | b'\t') => Ok(Found::Whole(at + 1)),
        Some(_) => Err(Violation::UnknownOperation),
        None => Ok(Found::Partial(at + 1)),
    }
}

/// Takes the rest of a control line that begins at `from`.
#[inline]
pub(super) fn rest_of_line<'a>(
    input: &'a [u8],
    from: usize,
    limits: &ParseLimits,
) -> Result<Found<Line<'a>>, Violation> {
    let rest = &input[from..];
    let newline = memchr(b'\n', rest);
    let mut args = &rest[..newline.unwrap_or(rest.len())];
    // A last `\r` does not count towards the limit even while the `\n` is missing. Otherwise a
    // line of exactly the limit would pass or fail depending on where the stream was cut.
    if let [front @ .., b'\r'] = args {
        args = front;
    }
    if args.len() > limits.control_line {
        return Err(Violation::ControlLineTooLong);
    }
    Ok(match newline {
        Some(at) => Found::Whole(Line { args, end: from + at + 1 }),
        None => Found::Partial(input.len() + 1),
    })
}

/// Splits into at most `N` arguments, and returns them with their number.
#[inline]
pub(super) fn split<const N: usize>(args: &[u8]) -> Result<([&[u8]; N], usize), Violation> {
    let mut found: [&[u8]; N] = [&[]; N];
    let mut count = 0;
    let mut at = 0;
    loop {
        while at < args.len() && is_blank(args[at]) {
            at += 1;
        }
        if at == args.len() {
            return Ok((found, count));
        }
        let start = at;
        while at < args.len() && !is_blank(args[at]) {
            at += 1;
        }
        *found.get_mut(count).ok_or(Violation::Arguments)? = &args[start..at];
        count += 1;
    }
}

/// Reads a size: one to nine decimal digits and nothing else.
#[inline]
pub(super) fn size(digits: &[u8]) -> Result<usize, Violation> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return Err(Violation::Arguments);
    }
    let mut sum = 0_u32;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Violation::Arguments);
        }
        sum = sum * 10 + u32::from(digit);
    }
    Ok(sum as usize)
}

/// Reads a count that has no limit of its own: decimal digits that fit a `u64`.
pub(super) fn count(digits: &[u8]) -> Result<u64, Violation> {
    if digits.is_empty() {
        return Err(Violation::Arguments);
    }
    let mut sum = 0_u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return Err(Violation::Arguments);
        }
        let next = sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(byte - b'0')));
        sum = next.ok_or(Violation::Arguments)?;
    }
    Ok(sum)
}

/// Takes the `size` bytes at `from` and the CRLF behind them, and returns them with where the next
/// operation begins.
#[inline]
pub(super) fn body(
    input: &[u8],
    from: usize,
    size: usize,
) -> Result<Found<(&[u8], usize)>, Violation> {
    let end = from + size;
    match input.get(end..end + 2) {
        Some(b"\r\n") => Ok(Found::Whole((&input[from..end], end + 2))),
        Some(_) => Err(Violation::UnknownOperation),
        None => partial_body(input, end),
    }
}

/// Strips blanks from both ends, as around a JSON text.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let from = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|&byte| !is_blank(byte)).map_or(from, |last| last + 1);
    &text[from..to]
}

/// The text of an `-ERR` line, without its quotes.
pub(super) fn unquote(text: &[u8]) -> &[u8] {
    let text = trim(text);
    match text {
        [b'\'', inside @ .., b'\''] => inside,
        _ => text,
    }
}

/// Spaces and tabs separate; a stray `\r` does as well, or it would become part of a subject.
#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// The first byte behind a payload decides, even while the second is missing: a peer that sends
/// more than it announced may then wait for an answer for ever.
#[cold]
fn partial_body<T>(input: &[u8], end: usize) -> Result<Found<T>, Violation> {
    match input.get(end) {
        None | Some(b'\r') => Ok(Found::Partial(end + 2)),
        Some(_) => Err(Violation::UnknownOperation),
    }
}

#[cfg(test)]
mod tests;
