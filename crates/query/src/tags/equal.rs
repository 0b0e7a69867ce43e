//! Whether keys and values are the same.

/// Whether two pieces of text are the same. Keys and values are short, and comparing a few words
/// in place takes half the time of a call.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    let length = a.len();
    if length != b.len() {
        return false;
    }
    // Two words that overlap, or three, unless it is longer or shorter.
    match length {
        8.. if length <= 24 => {
            word(a.first_chunk()) == word(b.first_chunk())
                && word(a.last_chunk()) == word(b.last_chunk())
                && (length <= 16 || word(a[8..].first_chunk()) == word(b[8..].first_chunk()))
        }
        4..8 => {
            half(a.first_chunk()) == half(b.first_chunk())
                && half(a.last_chunk()) == half(b.last_chunk())
        }
        0..4 => a.iter().eq(b),
        _ => a == b,
    }
}

#[inline]
fn word(text: Option<&[u8; 8]>) -> u64 {
    text.map_or(0, |text| u64::from_ne_bytes(*text))
}

#[inline]
fn half(text: Option<&[u8; 4]>) -> u32 {
    text.map_or(0, |text| u32::from_ne_bytes(*text))
}
