//! What a client may send, and the parser for it: the hottest code of the server's reading side.
//!
//! The two publish verbs are recognised before all others and inlined into the caller; everything
//! else takes a table look-up that nobody sends a million of per second.

mod plain;

use super::line::{self, Found, Parsed};
use super::{ParseLimits, Progress, Violation};

/// One operation from a client. All slices borrow from the input.
///
/// Exhaustive on purpose: the client protocol is complete.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ClientOp, ParseLimits, Progress, parse_client};
///
/// let found = parse_client(b"SUB orders.* workers 7\r\n", &ParseLimits::default());
/// let op = ClientOp::Subscribe { subject: b"orders.*", queue: Some(b"workers"), sid: b"7" };
/// assert_eq!(found, Ok(Progress::Op { op, used: 24 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT {json}`: the JSON text, for [`ConnectOptions`](super::ConnectOptions).
    Connect(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish(Publish<'a>),
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// The subject, not checked.
        subject: &'a [u8],
        /// The queue group to join.
        queue: Option<&'a [u8]>,
        /// The client's own name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// The subscription to end.
        sid: &'a [u8],
        /// End only after this many deliveries, counted since SUB. Zero means now.
        max: Option<u64>,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`, which a server ignores.
    Ok,
    /// `INFO {json}`, which a server ignores.
    Info(&'a [u8]),
    /// `-ERR 'text'`, without the quotes, upon which a server closes the connection.
    Err(&'a [u8]),
}

/// A message as it came from its publisher.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ClientOp, ParseLimits, Progress, parse_client};
///
/// let input = b"HPUB a reply.to 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
/// let found = parse_client(input, &ParseLimits::default())?;
/// let Progress::Op { op: ClientOp::Publish(publish), .. } = found else { panic!() };
/// assert_eq!(publish.reply, Some(&b"reply.to"[..]));
/// assert_eq!(publish.headers, b"NATS/1.0\r\n\r\n");
/// assert_eq!(publish.payload, b"hi");
/// # Ok::<(), floodway_wire::nats::Violation>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The subject, not checked, except that it is not empty and holds no white space.
    pub subject: &'a [u8],
    /// Where an answer should go.
    pub reply: Option<&'a [u8]>,
    /// The raw header block (`NATS/1.0\r\n...\r\n\r\n`), not checked; empty for PUB, and for HPUB
    /// with a header length of zero.
    pub headers: &'a [u8],
    /// The payload without the headers.
    pub payload: &'a [u8],
    /// Whether it came as HPUB, which only a client that said `headers: true` may send.
    pub is_hpub: bool,
}

/// Parses the operation at the front of what a client sent.
///
/// Stateless: keep what was not consumed, and call again with more behind it. Where the stream is
/// cut never changes the outcome.
///
/// # Errors
///
/// The [`Violation`] if the front of `input` cannot become an operation within `limits`, however it
/// goes on. Some are reported before the operation is whole.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Progress, Violation, parse_client};
///
/// let limits = ParseLimits::default();
/// assert_eq!(parse_client(b"PUB a 2\r\n", &limits), Ok(Progress::More { needed: 13 }));
/// assert_eq!(parse_client(b"PUB a 2\r\nabc", &limits), Err(Violation::UnknownOperation));
/// assert_eq!(parse_client(b"PUB a b c 2\r\n", &limits), Err(Violation::Arguments));
/// ```
#[inline]
pub fn parse_client<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ClientOp<'a>> {
    match input {
        [b'P' | b'p', b'U' | b'u', b'B' | b'b', b' ' | b'\t', ..] => publish(input, limits),
        [b'H' | b'h', b'P' | b'p', b'U' | b'u', b'B' | b'b', b' ' | b'\t', ..] => {
            publish_with_headers(input, limits)
        }
        _ => other(input, limits),
    }
}

/// `PUB subject [reply] size`, its verb and one separator already seen.
#[inline]
fn publish<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ClientOp<'a>> {
    match plain::publish(input, limits) {
        Some((message, used)) => Ok(Progress::Op { op: ClientOp::Publish(message), used }),
        None => careful_publish(input, limits),
    }
}

/// [`publish`] without the short cut: the whole truth about PUB.
fn careful_publish<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ClientOp<'a>> {
    let line = match line::rest_of_line(input, "PUB ".len(), limits)? {
        Found::Whole(line) => line,
        Found::Partial(needed) => return Ok(Progress::More { needed }),
    };
    let (subject, reply, digits) = match line::split::<3>(line.args)? {
        ([subject, digits, _], 2) => (subject, None, digits),
        ([subject, reply, digits], 3) => (subject, Some(reply), digits),
        _ => return Err(Violation::Arguments),
    };
    let size = line::size(digits)?;
    if size > limits.payload {
        return Err(Violation::PayloadTooLarge);
    }
    Ok(match line::body(input, line.end, size)? {
        Found::Whole((payload, used)) => {
            let message = Publish { subject, reply, headers: &[], payload, is_hpub: false };
            Progress::Op { op: ClientOp::Publish(message), used }
        }
        Found::Partial(needed) => Progress::More { needed },
    })
}

/// `HPUB subject [reply] header-size total-size`, its verb and one separator already seen.
fn publish_with_headers<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ClientOp<'a>> {
    let line = match line::rest_of_line(input, "HPUB ".len(), limits)? {
        Found::Whole(line) => line,
        Found::Partial(needed) => return Ok(Progress::More { needed }),
    };
    let (subject, reply, header_digits, total_digits) = match line::split::<4>(line.args)? {
        ([subject, header, total, _], 3) => (subject, None, header, total),
        ([subject, reply, header, total], 4) => (subject, Some(reply), header, total),
        _ => return Err(Violation::Arguments),
    };
    let (header_size, total) = (line::size(header_digits)?, line::size(total_digits)?);
    if header_size > total {
        return Err(Violation::Arguments);
    }
    if total > limits.payload {
        return Err(Violation::PayloadTooLarge);
    }
    Ok(match line::body(input, line.end, total)? {
        Found::Whole((body, used)) => {
            let (headers, payload) = body.split_at(header_size);
            let message = Publish { subject, reply, headers, payload, is_hpub: true };
            Progress::Op { op: ClientOp::Publish(message), used }
        }
        Found::Partial(needed) => Progress::More { needed },
    })
}

#[derive(Clone, Copy)]
enum Verb {
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Ping,
    Pong,
    Ok,
    Info,
    Err,
}

const VERBS: &[(&[u8], Verb)] = &[
    (b"SUB", Verb::Subscribe),
    (b"UNSUB", Verb::Unsubscribe),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
    (b"CONNECT", Verb::Connect),
    (b"PUB", Verb::Publish),
    (b"HPUB", Verb::Publish),
    (b"INFO", Verb::Info),
    (b"+OK", Verb::Ok),
    (b"-ERR", Verb::Err),
];

/// Everything but a PUB or HPUB whose separator is there.
fn other<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ClientOp<'a>> {
    let (verb, mut from) = match line::verb(input, VERBS)? {
        Found::Whole(found) => found,
        Found::Partial(needed) => return Ok(Progress::More { needed }),
    };
    if matches!(verb, Verb::Publish | Verb::Subscribe | Verb::Unsubscribe | Verb::Err) {
        from = match line::separator(input, from)? {
            Found::Whole(from) => from,
            Found::Partial(needed) => return Ok(Progress::More { needed }),
        };
    }
    let line = match line::rest_of_line(input, from, limits)? {
        Found::Whole(line) => line,
        Found::Partial(needed) => return Ok(Progress::More { needed }),
    };
    let op = match verb {
        Verb::Connect => ClientOp::Connect(line::trim(line.args)),
        Verb::Subscribe => subscribe(line.args)?,
        Verb::Unsubscribe => unsubscribe(line.args)?,
        Verb::Ping => ClientOp::Ping,
        Verb::Pong => ClientOp::Pong,
        Verb::Ok => ClientOp::Ok,
        Verb::Info => ClientOp::Info(line::trim(line.args)),
        Verb::Err => ClientOp::Err(line::unquote(line.args)),
        // Those with a separator were taken before, those without were refused above.
        Verb::Publish => return Err(Violation::UnknownOperation),
    };
    Ok(Progress::Op { op, used: line.end })
}

fn subscribe(args: &[u8]) -> Result<ClientOp<'_>, Violation> {
    match line::split::<3>(args)? {
        ([subject, sid, _], 2) => Ok(ClientOp::Subscribe { subject, queue: None, sid }),
        ([subject, queue, sid], 3) => Ok(ClientOp::Subscribe { subject, queue: Some(queue), sid }),
        _ => Err(Violation::Arguments),
    }
}

fn unsubscribe(args: &[u8]) -> Result<ClientOp<'_>, Violation> {
    match line::split::<2>(args)? {
        ([sid, _], 1) => Ok(ClientOp::Unsubscribe { sid, max: None }),
        ([sid, max], 2) => Ok(ClientOp::Unsubscribe { sid, max: Some(line::count(max)?) }),
        _ => Err(Violation::Arguments),
    }
}

#[cfg(test)]
mod tests;
