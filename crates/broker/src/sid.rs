//! The name a client gives one of its subscriptions.

use std::fmt;

/// A subscription id as the client wrote it. Clients use small numbers, which need no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sid {
    /// Decimal digits without leading zeros.
    Number(u64),
    /// Anything else.
    Text(Box<[u8]>),
}

impl Sid {
    /// Takes the bytes of a protocol line.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_broker::Sid;
    /// assert_eq!(Sid::new(b"17"), Sid::Number(17));
    /// assert_eq!(Sid::new(b"017").to_string(), "017");
    /// ```
    pub fn new(text: &[u8]) -> Self {
        Self::number(text).map_or_else(|| Self::Text(text.into()), Self::Number)
    }

    fn number(text: &[u8]) -> Option<u64> {
        // 19 digits always fit; a leading zero would not come back as it was.
        if text.is_empty() || text.len() > 19 || (text[0] == b'0' && text.len() > 1) {
            return None;
        }
        text.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        })
    }

    /// Appends it as the client wrote it.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            }
            Self::Text(text) => out.extend_from_slice(text),
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&String::from_utf8_lossy(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in ["0", "1", "9223372036854775807", "9999999999999999999", "00", "-1", "a", "1a"]
        {
            let mut out = Vec::new();
            Sid::new(text.as_bytes()).write_to(&mut out);
            assert_eq!(out, text.as_bytes());
        }
        // 100,000 subscriptions on one connection are a case we care for.
        assert_eq!(size_of::<Sid>(), 16);
    }
}
