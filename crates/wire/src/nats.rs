//! The NATS client protocol: what clients send, what servers send, and how to write either.
//!
//! Both parsers are stateless. They borrow from the input, copy nothing and allocate nothing; an
//! operation that is not whole yet is parsed again from its first byte once more has arrived. That
//! is cheaper than keeping state, because an operation split over two reads is rare, and
//! [`Progress::More`] says how many bytes must be there before another attempt can succeed. The
//! answer never depends on where the stream was cut.
//!
//! The framing rules, as nats-server applies them:
//!
//! - The verb is case-insensitive, arguments are separated by runs of spaces and tabs, a line ends
//!   at `\n` and one `\r` before it is stripped. A `\r` elsewhere in a line separates too: it must
//!   never get into a subject, from where it would break the lines written to subscribers.
//! - A payload is counted, and must be followed by exactly `\r\n`.
//! - Bytes that cannot begin any verb are refused at once, without waiting for a line end.
//! - `PING`, `PONG` and `+OK` may be followed by anything.

mod client_op;
mod connect;
mod encode;
pub mod header;
mod info;
mod json;
mod line;
mod server_op;

use std::fmt;

pub use client_op::{ClientOp, Publish, parse_client};
pub use connect::{ConnectError, ConnectOptions};
pub use encode::{
    OK_LINE, PING_LINE, PONG_LINE, encode_connect, encode_err, encode_hmsg, encode_hpub,
    encode_msg, encode_pub, encode_sub, encode_unsub,
};
pub use info::{InfoError, ServerInfo};
pub use server_op::{Delivered, ServerOp, parse_server};

/// What a parser found at the front of its input.
///
/// Exhaustive on purpose: the third outcome, a broken rule, is the `Err` of the parser.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ClientOp, ParseLimits, Progress, parse_client};
///
/// let limits = ParseLimits::default();
/// let whole = parse_client(b"ping\r\nPONG\r\n", &limits);
/// assert_eq!(whole, Ok(Progress::Op { op: ClientOp::Ping, used: 6 }));
/// let half = parse_client(b"PIN", &limits);
/// assert_eq!(half, Ok(Progress::More { needed: 4 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<O> {
    /// One whole operation.
    Op {
        /// The operation, borrowing from the input.
        op: O,
        /// How many bytes of the input it took.
        used: usize,
    },
    /// No whole operation yet.
    More {
        /// The shortest input, in bytes from its front, that can hold the operation: one more than
        /// there is while the line is not whole; line, payload and CRLF once the line is known.
        needed: usize,
    },
}

/// What a parser refuses to wait for.
///
/// The default suits a server. A client that reads INFO lines should allow for more than 4096 bytes
/// of control line: a large cluster lists its addresses there.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Violation, parse_client};
///
/// let limits = ParseLimits { payload: 4, ..ParseLimits::default() };
/// assert!(parse_client(b"PUB a 4\r\n", &limits).is_ok());
/// assert_eq!(parse_client(b"PUB a 5\r\n", &limits), Err(Violation::PayloadTooLarge));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Longest control line in bytes, counted after the verb and without the line end. Default
    /// 4096. At worst a caller holds this much, plus a verb and a line end, for half a line.
    pub control_line: usize,
    /// Largest payload in bytes, headers included. Default 1 MiB. At worst a caller holds this much
    /// for half a message. Above 999 999 999 it has no effect: sizes have at most nine digits.
    pub payload: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self { control_line: 4096, payload: 1024 * 1024 }
    }
}

/// A rule of the protocol that the peer broke. The connection cannot go on.
///
/// Always the peer's fault, and a retry never helps: where the next operation begins is no longer
/// known. Exhaustive on purpose, so that a session must decide about each.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Violation, encode_err, parse_client};
///
/// let violation = parse_client(b"NOPE\r\n", &ParseLimits::default()).unwrap_err();
/// let mut farewell = Vec::new();
/// if let Some(text) = violation.wire_text() {
///     encode_err(&mut farewell, text);
/// }
/// assert_eq!(farewell, b"-ERR 'Unknown Protocol Operation'\r\n");
/// assert_eq!(Violation::Arguments.wire_text(), None); // closes without a word
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The bytes are no operation, or a payload was not followed by CRLF.
    UnknownOperation,
    /// A control line is longer than [`ParseLimits::control_line`].
    ControlLineTooLong,
    /// A payload is larger than [`ParseLimits::payload`]. Decided on the line, so it comes before
    /// the payload does.
    PayloadTooLarge,
    /// Too few or too many arguments, a size that is no number of up to nine digits, or headers
    /// larger than the whole.
    Arguments,
}

impl Violation {
    /// The text that belongs between the quotes of `-ERR`; `None` means: close without one.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_wire::nats::Violation;
    ///
    /// let text = Violation::PayloadTooLarge.wire_text();
    /// assert_eq!(text, Some("Maximum Payload Violation"));
    /// ```
    #[must_use]
    pub fn wire_text(self) -> Option<&'static str> {
        // Clients compare these texts, so they are nats-server's to the letter.
        match self {
            Self::UnknownOperation => Some("Unknown Protocol Operation"),
            Self::ControlLineTooLong => Some("maximum control line exceeded"),
            Self::PayloadTooLarge => Some("Maximum Payload Violation"),
            Self::Arguments => None,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::UnknownOperation => "the peer sent something that is no protocol operation",
            Self::ControlLineTooLong => "the peer sent a control line over the limit",
            Self::PayloadTooLarge => "the peer announced a payload over the limit",
            Self::Arguments => "the peer sent an operation with wrong arguments",
        })
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests;
