//! What a message has beside its stamp: nothing, headers that queries can ask for, or JSON.

use super::payload::{self, Stamp};

/// The block that a message with headers has, between its version and its end.
const HEADERS: &str = "Symbol: S0000\r\nKind: quote\r\nPrice: 17.05\r\n";
/// The same as JSON; the stamp follows.
const JSON: &str = r#"{"symbol":"S0000","kind":"quote","price":17.05,"text":""#;
/// What is between the text and the stamp.
const JSON_STAMP: &str = r#"","stamp":""#;
const JSON_END: &str = r#""}"#;

/// Where the tags are that [`Form::Json`] has, for the server's configuration.
pub(crate) const EXTRACT: &str = "[[extract]]\nsubject = \"bench.flow.*\"\n\
    json = { Symbol = \"/symbol\", Kind = \"/kind\", Price = \"/price\" }\n";

/// The stamp as text, in hexadecimal digits.
const STAMP_DIGITS: usize = 2 * payload::MIN_SIZE;
const NUMBER_DIGITS: usize = 16;

/// How a message looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// A payload and nothing else.
    #[default]
    Bare,
    /// With the same header block in every message.
    Headers,
    /// With a number of its own in the header block of every message.
    Numbered,
    /// A payload of JSON, and no headers.
    Json,
}

impl Form {
    /// The header block; empty if there is none.
    pub(crate) fn header(self) -> String {
        match self {
            Form::Bare | Form::Json => String::new(),
            Form::Headers => format!("NATS/1.0\r\n{HEADERS}\r\n"),
            Form::Numbered => {
                format!("NATS/1.0\r\nId: {:0NUMBER_DIGITS$}\r\n{HEADERS}\r\n", 0)
            }
        }
    }

    /// A payload of at least `size` bytes without a stamp.
    pub(crate) fn blank(self, size: usize) -> Vec<u8> {
        if self != Form::Json {
            return payload::blank(size);
        }
        let rest = JSON.len() + JSON_STAMP.len() + STAMP_DIGITS + JSON_END.len();
        let text = "x".repeat(size.saturating_sub(rest));
        format!("{JSON}{text}{JSON_STAMP}{:0STAMP_DIGITS$}{JSON_END}", 0).into_bytes()
    }

    /// Writes `stamp` over what [`Form::header`] and [`Form::blank`] made.
    #[inline]
    pub(crate) fn stamp(self, stamp: Stamp, header: &mut [u8], payload: &mut [u8]) {
        match self {
            Form::Json => {
                let mut bytes = [0; payload::MIN_SIZE];
                stamp.write(&mut bytes);
                let end = payload.len() - JSON_END.len();
                let digits = &mut payload[end - STAMP_DIGITS..end];
                for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                    pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
                }
            }
            Form::Numbered => {
                let start = "NATS/1.0\r\nId: ".len();
                let digits = header[start..start + NUMBER_DIGITS].iter_mut().rev();
                for (place, to) in digits.enumerate() {
                    *to = digit((stamp.sequence >> (4 * place)) as u8 & 15);
                }
                stamp.write(payload);
            }
            Form::Bare | Form::Headers => stamp.write(payload),
        }
    }

    /// Reads a stamp back; `None` if this is no payload of ours, or not as it was sent.
    #[inline]
    pub(crate) fn read(self, payload: &[u8], size: usize) -> Option<Stamp> {
        if self != Form::Json {
            return Stamp::read(payload, size);
        }
        if payload.len() != size || !payload.starts_with(JSON.as_bytes()) {
            return None;
        }
        let rest = payload.strip_suffix(JSON_END.as_bytes())?;
        let (before, digits) = rest.split_last_chunk::<STAMP_DIGITS>()?;
        if !before.ends_with(JSON_STAMP.as_bytes()) {
            return None;
        }
        let mut bytes = [0; payload::MIN_SIZE];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Stamp::read(&bytes, payload::MIN_SIZE)
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form; 4] = [Form::Bare, Form::Headers, Form::Numbered, Form::Json];

    #[test]
    fn a_stamp_comes_back_as_it_was_written() {
        for form in FORMS {
            let (mut header, mut payload) = (form.header().into_bytes(), form.blank(128));
            let stamp = Stamp { publisher: 7, sequence: 0x1234_5678_9abc, sent_at: u64::MAX };
            form.stamp(stamp, &mut header, &mut payload);
            assert_eq!(payload.len(), 128);
            assert_eq!(form.read(&payload, 128), Some(stamp), "{form:?}");
            assert_eq!(form.read(&payload[1..], 128), None, "{form:?}");
        }
    }

    #[test]
    fn only_what_has_a_number_differs_in_its_headers() {
        for form in FORMS {
            let header_of = |sequence| {
                let mut header = form.header().into_bytes();
                let stamp = Stamp { publisher: 0, sequence, sent_at: 0 };
                form.stamp(stamp, &mut header, &mut form.blank(128));
                String::from_utf8(header).unwrap()
            };
            assert_eq!(header_of(1) != header_of(2), form == Form::Numbered, "{form:?}");
        }
        let form = Form::Numbered;
        let mut header = form.header().into_bytes();
        let stamp = Stamp { publisher: 0, sequence: 0x1f, sent_at: 0 };
        form.stamp(stamp, &mut header, &mut form.blank(16));
        assert!(header.starts_with(b"NATS/1.0\r\nId: 000000000000001f\r\nSymbol: S0000\r\n"));
        assert!(header.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn json_is_json_and_a_damaged_one_has_no_stamp() {
        let mut payload = Form::Json.blank(128);
        let stamp = Stamp { publisher: 1, sequence: 2, sent_at: 3 };
        Form::Json.stamp(stamp, &mut [], &mut payload);
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((&value["symbol"], &value["price"]), (&"S0000".into(), &17.05.into()));
        for at in [0, 40, 128 - 3, 128 - 40, 127] {
            let mut damaged = payload.clone();
            damaged[at] = b'~';
            assert_eq!(Form::Json.read(&damaged, 128), None, "{at}");
        }
        assert_eq!(Form::Json.read(&payload, 129), None, "another size");
    }
}
