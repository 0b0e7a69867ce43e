//! The client's side of the two protocols: commands to write, and a scanner for what comes back.
//!
//! Lean on purpose: the load must cost much less than the server it measures, so a message is
//! looked at once, in place, and nothing is allocated.

use memchr::{memchr, memrchr};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The NATS client protocol.
    Nats,
    /// Redis publish/subscribe, RESP version 2.
    Redis,
}

/// Both protocols understand this as a question and answer with [`Item::Pong`].
pub(crate) const PING: &[u8] = b"PING\r\n";
pub(crate) const PONG: &[u8] = b"PONG\r\n";

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\
    \"lang\":\"floodway-bench\",\"version\":\"0\",\"protocol\":1,\"echo\":true,\
    \"headers\":true,\"no_responders\":true}\r\n";

impl Protocol {
    /// What a client says first, before its first PING.
    pub(crate) fn greeting(self) -> &'static str {
        match self {
            Protocol::Nats => CONNECT,
            Protocol::Redis => "",
        }
    }

    /// Appends a subscription to `subject`; `id` is the connection's own name for it.
    pub(crate) fn subscribe(self, out: &mut Vec<u8>, subject: &str, id: usize) {
        let command = match self {
            Protocol::Nats => format!("SUB {subject} {id}\r\n"),
            Protocol::Redis => {
                format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{subject}\r\n", subject.len())
            }
        };
        out.extend_from_slice(command.as_bytes());
    }

    /// Appends a publish of `payload`; `reply` may be empty, and only NATS can carry one.
    pub(crate) fn publish(self, out: &mut Vec<u8>, subject: &str, reply: &str, payload: &[u8]) {
        let size = payload.len();
        let head = match self {
            Protocol::Nats if reply.is_empty() => format!("PUB {subject} {size}\r\n"),
            Protocol::Nats => format!("PUB {subject} {reply} {size}\r\n"),
            Protocol::Redis => {
                let length = subject.len();
                format!("*3\r\n$7\r\nPUBLISH\r\n${length}\r\n{subject}\r\n${size}\r\n")
            }
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a publish of `payload` behind a header block; only NATS has those.
    pub(crate) fn publish_with(self, out: &mut Vec<u8>, subject: &str, header: &str, body: &[u8]) {
        let (head, total) = (header.len(), header.len() + body.len());
        out.extend_from_slice(format!("HPUB {subject} {head} {total}\r\n{header}").as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
    }

    /// The first whole item of `bytes`.
    pub(crate) fn scan(self, bytes: &[u8]) -> Step<'_> {
        match self {
            Protocol::Nats => scan_nats(bytes),
            Protocol::Redis => scan_redis(bytes),
        }
    }
}

/// One thing a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A delivery; `line` is the NATS control line, for [`reply_subject`], and `header` the block
    /// before the payload, for [`header_number`].
    Message {
        line: &'a [u8],
        header: &'a [u8],
        payload: &'a [u8],
    },
    Ping,
    Pong,
    Error(&'a [u8]),
    /// Greetings, acknowledgements and counts.
    Other,
}

/// What [`Protocol::scan`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// No whole item yet.
    More,
    /// An item and how many bytes it took.
    Item(Item<'a>, usize),
    /// Not the protocol.
    Broken,
}

/// The reply subject in a MSG line (`MSG subject id [reply] size`); empty if there is none.
pub(crate) fn reply_subject(line: &[u8]) -> &str {
    let mut words = line.split(|byte| *byte == b' ').skip(3);
    match (words.next(), words.next()) {
        (Some(reply), Some(_size)) => std::str::from_utf8(reply).unwrap_or_default(),
        _ => "",
    }
}

/// The number in the first header called `name`, 0 if there is none: what the server tells of
/// messages that did not come.
pub(crate) fn header_number(header: &[u8], name: &str) -> u64 {
    let value = |line: &[u8]| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        number(value.trim_ascii()).map(|number| number as u64)
    };
    header.split(|byte| *byte == b'\n').find_map(value).unwrap_or_default()
}

fn scan_nats(bytes: &[u8]) -> Step<'_> {
    let Some(end) = memchr(b'\n', bytes) else { return Step::More };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let item = match line.first() {
        Some(b'M') => return nats_message(line, bytes, end + 1, 0),
        Some(b'H') => {
            let Some(space) = memrchr(b' ', line) else { return Step::Broken };
            let Some(header) = last_number(&line[..space]) else { return Step::Broken };
            return nats_message(line, bytes, end + 1, header);
        }
        Some(b'P') if line.starts_with(b"PING") => Item::Ping,
        Some(b'P') if line.starts_with(b"PONG") => Item::Pong,
        Some(b'-') => Item::Error(line),
        Some(b'+' | b'I') => Item::Other,
        _ => return Step::Broken,
    };
    Step::Item(item, end + 1)
}

/// A delivery whose body begins at `start` with `header` bytes that are not payload.
fn nats_message<'a>(line: &'a [u8], bytes: &'a [u8], start: usize, header: usize) -> Step<'a> {
    let Some(size) = last_number(line) else { return Step::Broken };
    let end = start + size;
    if bytes.len() < end + 2 {
        return Step::More;
    }
    if &bytes[end..end + 2] != b"\r\n" || header > size {
        return Step::Broken;
    }
    let (header, payload) = bytes[start..end].split_at(header);
    Step::Item(Item::Message { line, header, payload }, end + 2)
}

fn scan_redis(bytes: &[u8]) -> Step<'_> {
    let Some((line, body)) = resp_line(bytes, 0) else { return Step::More };
    match line {
        b"+PONG" => Step::Item(Item::Pong, body),
        [b'-', ..] => Step::Item(Item::Error(line), body),
        [b'+' | b':', ..] => Step::Item(Item::Other, body),
        [b'*', count @ ..] => match number(count) {
            Some(count @ 1..=3) => resp_array(bytes, body, count),
            _ => Step::Broken,
        },
        _ => Step::Broken,
    }
}

/// `count` elements from `at`: a delivery, the confirmation of a subscription, or a pong.
fn resp_array(bytes: &[u8], mut at: usize, count: usize) -> Step<'_> {
    let mut elements: [&[u8]; 3] = [&[]; 3];
    for element in &mut elements[..count] {
        let Some((line, body)) = resp_line(bytes, at) else { return Step::More };
        at = match line {
            [b':', ..] => body,
            [b'$', length @ ..] => {
                let Some(length) = number(length) else { return Step::Broken };
                let end = body + length;
                if bytes.len() < end + 2 {
                    return Step::More;
                }
                *element = &bytes[body..end];
                end + 2
            }
            _ => return Step::Broken,
        };
    }
    let item = match elements {
        [b"message", _, payload] => Item::Message { line: b"", header: b"", payload },
        [b"pong", ..] => Item::Pong,
        _ => Item::Other,
    };
    Step::Item(item, at)
}

/// The line that starts at `at`, without its end, and where the next one starts.
fn resp_line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + memchr(b'\n', &bytes[at..])?;
    Some((bytes[at..end].strip_suffix(b"\r").unwrap_or(&bytes[at..end]), end + 1))
}

fn last_number(line: &[u8]) -> Option<usize> {
    number(&line[memrchr(b' ', line)? + 1..])
}

fn number(digits: &[u8]) -> Option<usize> {
    // Nine digits are more than any message has, and cannot overflow.
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + usize::from(byte - b'0')))
}

#[cfg(test)]
mod tests;
