//! What is published: quotes as JSON, each with the moment it was made.

use std::io::Write;

use floodway_wire::nats::encode_pub;

/// In front of the moment, so that a reader finds it without parsing JSON.
const FRONT: &[u8] = b"{\"at\":\"";
/// Digits of the moment in microseconds: enough for three hundred years.
const DIGITS: usize = 16;

/// The symbols that are quoted, and room to write a quote without allocating.
pub(super) struct Quotes {
    subjects: Vec<String>,
    payload: Vec<u8>,
    /// Quotes made so far.
    made: u64,
}

impl Quotes {
    /// Quotes of so many symbols.
    pub(super) fn of(symbols: usize) -> Quotes {
        let subjects = (0..symbols).map(|at| format!("quotes.{}", symbol(at))).collect();
        Quotes { subjects, payload: Vec::new(), made: 0 }
    }

    /// How many were made.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Appends the publication of the next quote, made at `micros`. Symbols come in turns.
    pub(super) fn publish_next(&mut self, out: &mut Vec<u8>, micros: u64) {
        let subject = &self.subjects[(self.made % self.subjects.len() as u64) as usize];
        let name = &subject["quotes.".len()..];
        let cents = 10_000 + (self.made.wrapping_mul(2_654_435_761) >> 7) % 5_000;
        let (bid, ask) = (cents as f64 / 100.0, (cents + 2) as f64 / 100.0);
        let (bids, asks) = (cents % 900 + 100, cents % 700 + 100);
        self.payload.clear();
        self.payload.extend_from_slice(FRONT);
        let _infallible = write!(
            self.payload,
            "{micros:0DIGITS$}\",\"symbol\":\"{name}\",\"venue\":\"DEMO\",\"currency\":\"EUR\",\
             \"bid\":{bid:.2},\"bid_size\":{bids},\"ask\":{ask:.2},\"ask_size\":{asks}}}"
        );
        encode_pub(out, subject.as_bytes(), None, &self.payload);
        self.made += 1;
    }
}

/// When a quote was made, in microseconds of the demo; `None` if it is no quote.
pub(super) fn made_at(payload: &[u8]) -> Option<u64> {
    let digits = payload.strip_prefix(FRONT)?.get(..DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `AAA`, `AAB` ...: letters only, so that the subject is a plain one.
fn symbol(mut at: usize) -> String {
    let mut letters = [b'A'; 4];
    for letter in letters.iter_mut().rev() {
        *letter = b'A' + (at % 26) as u8;
        at /= 26;
    }
    letters.iter().map(|&letter| char::from(letter)).collect()
}
