//! Values of some names in logfmt: `name=value name="a value" name`.

use std::borrow::Cow;

use super::{Malformed, Value};

/// Takes out the values of these names; the number of a name is that of its key.
pub(super) fn run<'p>(
    names: &[Box<str>],
    payload: &'p [u8],
    values: &mut Vec<Value<'p>>,
) -> Result<(), Malformed> {
    let mut rest = payload;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(());
        }
        let (name, after) = split_where(rest, |byte| byte == b'=' || is_blank(byte));
        if name.is_empty() || name.contains(&b'"') {
            return Err(Malformed);
        }
        let text;
        (text, rest) = match after.strip_prefix(b"=") {
            Some(after) => value(after)?,
            // A name by itself is there, without a text.
            None => (Cow::Borrowed(&b""[..]), after),
        };
        for (key, known) in names.iter().enumerate() {
            if known.as_bytes() == name {
                values.push(Value { key, event: 0, text: text.clone() });
            }
        }
    }
}

/// A value, and what follows it.
fn value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Malformed> {
    if !text.starts_with(b"\"") {
        let (value, rest) = split_where(text, is_blank);
        return match value.contains(&b'"') {
            true => Err(Malformed),
            false => Ok((Cow::Borrowed(value), rest)),
        };
    }
    let mut end = 1;
    loop {
        match text.get(end) {
            None => return Err(Malformed),
            Some(b'"') => break,
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
        }
    }
    let (inside, rest) = (&text[1..end], &text[end + 1..]);
    if rest.first().is_some_and(|byte| !is_blank(*byte)) {
        return Err(Malformed);
    }
    let value = match inside.contains(&b'\\') {
        false => Cow::Borrowed(inside),
        // The escapes are those of JSON.
        true => {
            let text: String = serde_json::from_slice(&text[..=end]).map_err(|_| Malformed)?;
            Cow::Owned(text.into_bytes())
        }
    };
    Ok((value, rest))
}

fn split_where(text: &[u8], end: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| end(*byte)).unwrap_or(text.len()))
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}
