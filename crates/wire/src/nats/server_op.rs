//! What a server may send, and the parser for it: for the command line client and for tests.

use super::line::{self, Found, Parsed};
use super::{ParseLimits, Progress, Violation};

/// One operation from a server. All slices borrow from the input.
///
/// Exhaustive on purpose: the client protocol is complete.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Progress, ServerOp, parse_server};
///
/// let found = parse_server(b"-ERR 'Stale Connection'\r\n", &ParseLimits::default());
/// assert_eq!(found, Ok(Progress::Op { op: ServerOp::Err(b"Stale Connection"), used: 25 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerOp<'a> {
    /// `INFO {json}`: the JSON text, for [`ServerInfo`](super::ServerInfo).
    Info(&'a [u8]),
    /// `MSG` or `HMSG`.
    Message(Delivered<'a>),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR 'text'`, without the quotes.
    Err(&'a [u8]),
}

/// A message as it is delivered to one subscription.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Progress, ServerOp, parse_server};
///
/// let found = parse_server(b"MSG a.b 9 2\r\nhi\r\n", &ParseLimits::default())?;
/// let Progress::Op { op: ServerOp::Message(message), .. } = found else { panic!() };
/// assert_eq!((message.sid, message.payload), (&b"9"[..], &b"hi"[..]));
/// # Ok::<(), floodway_wire::nats::Violation>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// The subject it was published to.
    pub subject: &'a [u8],
    /// The client's own name for the subscription.
    pub sid: &'a [u8],
    /// Where an answer should go.
    pub reply: Option<&'a [u8]>,
    /// The raw header block, for [`HeaderView`](super::header::HeaderView); empty for MSG.
    pub headers: &'a [u8],
    /// The payload without the headers.
    pub payload: &'a [u8],
}

/// Parses the operation at the front of what a server sent.
///
/// Stateless, by the same rules as [`parse_client`](super::parse_client).
///
/// # Errors
///
/// The [`Violation`] if the front of `input` cannot become an operation within `limits`, however it
/// goes on.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ParseLimits, Progress, ServerOp, Violation, parse_server};
///
/// let limits = ParseLimits::default();
/// let found = parse_server(b"PONG\r\n", &limits);
/// assert_eq!(found, Ok(Progress::Op { op: ServerOp::Pong, used: 6 }));
/// assert_eq!(parse_server(b"PUB a 0\r\n\r\n", &limits), Err(Violation::UnknownOperation));
/// ```
pub fn parse_server<'a>(input: &'a [u8], limits: &ParseLimits) -> Parsed<ServerOp<'a>> {
    let (verb, mut from) = match line::verb(input, VERBS)? {
        Found::Whole(found) => found,
        Found::Partial(needed) => return Ok(Progress::More { needed }),
    };
    if matches!(verb, Verb::Message | Verb::MessageWithHeaders | Verb::Err) {
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
        Verb::Message => return message(input, head(line.args)?, line.end, limits),
        Verb::MessageWithHeaders => {
            return message(input, head_with_headers(line.args)?, line.end, limits);
        }
        Verb::Info => ServerOp::Info(line::trim(line.args)),
        Verb::Ping => ServerOp::Ping,
        Verb::Pong => ServerOp::Pong,
        Verb::Ok => ServerOp::Ok,
        Verb::Err => ServerOp::Err(line::unquote(line.args)),
    };
    Ok(Progress::Op { op, used: line.end })
}

#[derive(Clone, Copy)]
enum Verb {
    Message,
    MessageWithHeaders,
    Ping,
    Pong,
    Ok,
    Info,
    Err,
}

const VERBS: &[(&[u8], Verb)] = &[
    (b"MSG", Verb::Message),
    (b"HMSG", Verb::MessageWithHeaders),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
    (b"+OK", Verb::Ok),
    (b"INFO", Verb::Info),
    (b"-ERR", Verb::Err),
];

/// The line of a message: everything but its bytes.
#[derive(Clone, Copy)]
struct Head<'a> {
    subject: &'a [u8],
    sid: &'a [u8],
    reply: Option<&'a [u8]>,
    header_size: usize,
    total: usize,
}

/// `subject sid [reply] size`
fn head(args: &[u8]) -> Result<Head<'_>, Violation> {
    let (subject, sid, reply, size) = match line::split::<4>(args)? {
        ([subject, sid, size, _], 3) => (subject, sid, None, size),
        ([subject, sid, reply, size], 4) => (subject, sid, Some(reply), size),
        _ => return Err(Violation::Arguments),
    };
    Ok(Head { subject, sid, reply, header_size: 0, total: line::size(size)? })
}

/// `subject sid [reply] header-size total-size`
fn head_with_headers(args: &[u8]) -> Result<Head<'_>, Violation> {
    let (subject, sid, reply, header, total) = match line::split::<5>(args)? {
        ([subject, sid, header, total, _], 4) => (subject, sid, None, header, total),
        ([subject, sid, reply, header, total], 5) => (subject, sid, Some(reply), header, total),
        _ => return Err(Violation::Arguments),
    };
    let (header_size, total) = (line::size(header)?, line::size(total)?);
    if header_size > total {
        return Err(Violation::Arguments);
    }
    Ok(Head { subject, sid, reply, header_size, total })
}

fn message<'a>(
    input: &'a [u8],
    head: Head<'a>,
    from: usize,
    limits: &ParseLimits,
) -> Parsed<ServerOp<'a>> {
    if head.total > limits.payload {
        return Err(Violation::PayloadTooLarge);
    }
    Ok(match line::body(input, from, head.total)? {
        Found::Whole((body, used)) => {
            let (headers, payload) = body.split_at(head.header_size);
            let Head { subject, sid, reply, .. } = head;
            let message = Delivered { subject, sid, reply, headers, payload };
            Progress::Op { op: ServerOp::Message(message), used }
        }
        Found::Partial(needed) => Progress::More { needed },
    })
}

#[cfg(test)]
mod tests;
