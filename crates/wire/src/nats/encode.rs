//! Writing operations: each encoder appends one whole operation to a buffer.
//!
//! Subjects, queues and sids go out as they are. They must not be empty or hold white space, which
//! is for the caller to know: whoever checked a subject once should not pay for it per delivery.
//! Debug builds assert it.

use super::ConnectOptions;

/// `PING`, as either side sends it.
pub const PING_LINE: &[u8] = b"PING\r\n";
/// `PONG`, as either side sends it.
pub const PONG_LINE: &[u8] = b"PONG\r\n";
/// `+OK`, as a server sends it to a verbose client.
pub const OK_LINE: &[u8] = b"+OK\r\n";

/// Appends `PUB subject [reply] size`, and the payload.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_pub;
///
/// let mut out = Vec::new();
/// encode_pub(&mut out, b"a.b", Some(b"r"), b"hello");
/// assert_eq!(out, b"PUB a.b r 5\r\nhello\r\n");
/// ```
#[inline]
pub fn encode_pub(out: &mut Vec<u8>, subject: &[u8], reply: Option<&[u8]>, payload: &[u8]) {
    let mut size = itoa::Buffer::new();
    let size = size.format(payload.len()).as_bytes();
    put(out, b"PUB ", &[Some(subject), reply, Some(size)], &[payload]);
}

/// Appends `HPUB subject [reply] header-size total-size`, the raw header block and the payload.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_hpub;
///
/// let mut out = Vec::new();
/// encode_hpub(&mut out, b"a", None, b"NATS/1.0\r\n\r\n", b"hi");
/// assert_eq!(out, b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
/// ```
pub fn encode_hpub(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: Option<&[u8]>,
    headers: &[u8],
    payload: &[u8],
) {
    let (mut header_size, mut total) = (itoa::Buffer::new(), itoa::Buffer::new());
    let header_size = header_size.format(headers.len()).as_bytes();
    let total = total.format(headers.len() + payload.len()).as_bytes();
    let args = [Some(subject), reply, Some(header_size), Some(total)];
    put(out, b"HPUB ", &args, &[headers, payload]);
}

/// Appends `SUB subject [queue] sid`.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_sub;
///
/// let mut out = Vec::new();
/// encode_sub(&mut out, b"a.>", Some(b"workers"), b"1");
/// assert_eq!(out, b"SUB a.> workers 1\r\n");
/// ```
pub fn encode_sub(out: &mut Vec<u8>, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
    put(out, b"SUB ", &[Some(subject), queue, Some(sid)], &[]);
}

/// Appends `UNSUB sid [max]`.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_unsub;
///
/// let mut out = Vec::new();
/// encode_unsub(&mut out, b"1", None);
/// encode_unsub(&mut out, b"2", Some(5));
/// assert_eq!(out, b"UNSUB 1\r\nUNSUB 2 5\r\n");
/// ```
pub fn encode_unsub(out: &mut Vec<u8>, sid: &[u8], max: Option<u64>) {
    let mut digits = itoa::Buffer::new();
    let max = max.map(|max| digits.format(max).as_bytes());
    put(out, b"UNSUB ", &[Some(sid), max], &[]);
}

/// Appends `CONNECT {json}`.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::{ConnectOptions, encode_connect};
///
/// let mut out = Vec::new();
/// let options = ConnectOptions { verbose: Some(false), ..ConnectOptions::default() };
/// encode_connect(&mut out, &options);
/// assert_eq!(out, b"CONNECT {\"verbose\":false}\r\n");
/// ```
pub fn encode_connect(out: &mut Vec<u8>, options: &ConnectOptions) {
    out.extend_from_slice(b"CONNECT ");
    out.extend_from_slice(options.to_json().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `MSG subject sid [reply] size`, and the payload.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_msg;
///
/// let mut out = Vec::new();
/// encode_msg(&mut out, b"a.b", b"1", None, b"hello");
/// assert_eq!(out, b"MSG a.b 1 5\r\nhello\r\n");
/// ```
#[inline]
pub fn encode_msg(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    payload: &[u8],
) {
    let mut size = itoa::Buffer::new();
    let size = size.format(payload.len()).as_bytes();
    put(out, b"MSG ", &[Some(subject), Some(sid), reply, Some(size)], &[payload]);
}

/// Appends `HMSG subject sid [reply] header-size total-size`, the raw header block and the payload.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_hmsg;
///
/// // What a requester gets when nobody is there to answer.
/// let mut out = Vec::new();
/// encode_hmsg(&mut out, b"inbox", b"1", None, b"NATS/1.0 503\r\n\r\n", b"");
/// assert_eq!(out, b"HMSG inbox 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
/// ```
#[inline]
pub fn encode_hmsg(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    headers: &[u8],
    payload: &[u8],
) {
    let (mut header_size, mut total) = (itoa::Buffer::new(), itoa::Buffer::new());
    let header_size = header_size.format(headers.len()).as_bytes();
    let total = total.format(headers.len() + payload.len()).as_bytes();
    let args = [Some(subject), Some(sid), reply, Some(header_size), Some(total)];
    put(out, b"HMSG ", &args, &[headers, payload]);
}

/// Appends `-ERR 'text'`. A line break in the text becomes a space.
///
/// # Examples
///
/// ```
/// use floodway_wire::nats::encode_err;
///
/// let mut out = Vec::new();
/// encode_err(&mut out, "Authorization Violation");
/// assert_eq!(out, b"-ERR 'Authorization Violation'\r\n");
/// ```
pub fn encode_err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"'\r\n");
}

/// Appends a verb with its separator, the arguments that are there, and a body if the operation
/// has one: its parts and the CRLF behind them.
#[inline]
fn put<const ARGS: usize, const PARTS: usize>(
    out: &mut Vec<u8>,
    verb: &[u8],
    args: &[Option<&[u8]>; ARGS],
    body: &[&[u8]; PARTS],
) {
    // Each argument has one byte behind it: a space, or the `\r` behind the last; then the `\n`.
    let mut line = verb.len() + 1;
    for arg in args.iter().flatten() {
        debug_assert!(is_argument(arg), "'{}' cannot be an argument", arg.escape_ascii());
        line += arg.len() + 1;
    }
    let body_bytes = body.iter().map(|part| part.len()).sum::<usize>() + 2;
    out.reserve(line + body_bytes);
    // A line made of spaces first and then filled in takes three quarters of the time of one that
    // is pushed piece by piece, because each push must ask again whether there is room.
    let start = out.len();
    out.resize(start + line, b' ');
    let mut space = fill(&mut out[start..], verb);
    for arg in args.iter().flatten() {
        space = &mut fill(space, arg)[1..];
    }
    let end = out.len();
    out[end - 2..].copy_from_slice(b"\r\n");
    if PARTS > 0 {
        for part in body {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Copies a piece to the front of the space, and returns the space behind it.
#[inline]
fn fill<'a>(space: &'a mut [u8], piece: &[u8]) -> &'a mut [u8] {
    let (front, behind) = space.split_at_mut(piece.len());
    front.copy_from_slice(piece);
    behind
}

fn is_argument(arg: &[u8]) -> bool {
    !arg.is_empty() && !arg.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
