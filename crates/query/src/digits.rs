//! Decimal digits in text, eight at a time.
//!
//! Eight bytes are one word, the first byte lowest. Looking at them side by side takes a few
//! instructions and no branch that depends on them.

/// Digits that a word has at most.
pub(crate) const WORD: usize = 8;

/// Powers of ten, up to what 18 digits need.
pub(crate) static POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// The eight bytes of a text from `at` on; zeros stand for those behind its end.
#[inline]
pub(crate) fn word(text: &[u8], at: usize) -> u64 {
    if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*bytes);
    }
    match text.last_chunk() {
        // Too many of the last eight, which may be all.
        Some(bytes) => {
            u64::from_le_bytes(*bytes).unbounded_shr(8 * (at + WORD - text.len()) as u32)
        }
        None => {
            let rest = text.iter().skip(at).rev();
            rest.fold(0, |word, byte| (word << 8) | u64::from(*byte))
        }
    }
}

/// How many digits a word begins with.
#[inline]
pub(crate) fn count(word: u64) -> usize {
    let digits = word ^ 0x3030_3030_3030_3030;
    // The highest bit of each byte that is more than nine; one that overflows spoils only those
    // behind it.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    others.trailing_zeros() as usize / 8
}

/// The number that the first digits of a word are.
#[inline]
pub(crate) fn number(word: u64, count: usize) -> u64 {
    eight(word.unbounded_shl(64 - 8 * count as u32))
}

/// The number that eight digits are, or bytes of zero for those in front: pairs of them, pairs of
/// those, and so on.
#[inline]
pub(crate) fn eight(word: u64) -> u64 {
    let pairs = pairs(word) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// In each byte the number that the digit there and the next one are.
#[inline]
pub(crate) fn pairs(word: u64) -> u64 {
    let digits = word & 0x0f0f_0f0f_0f0f_0f0f;
    digits * 10 + (digits >> 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_are_what_their_bytes_are(text in "[-0-9./:a]{0,20}", at in 0..24_usize) {
            let rest = text.get(at..).unwrap_or("");
            let bytes: Vec<u8> = rest.bytes().chain([0; WORD]).take(WORD).collect();
            let word = word(text.as_bytes(), at);
            prop_assert_eq!(word.to_le_bytes().to_vec(), bytes);
            let digits = rest.bytes().take(WORD).take_while(u8::is_ascii_digit).count();
            prop_assert_eq!(count(word), digits);
            for digits in 0..=digits {
                let expected = rest[..digits].parse().unwrap_or(0);
                prop_assert_eq!(number(word, digits), expected);
            }
        }

        #[test]
        fn any_byte_is_a_digit_or_not(bytes: [u8; 8]) {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(count(u64::from_le_bytes(bytes)), digits);
        }
    }
}
