//! How messages stand on the wire towards a NATS client.

use floodway::{EndReason, Message, Missed};
use floodway_broker::{Framing, Notes, Sid};
use floodway_queue::{BlockPool, ByteQueue};
use floodway_wire::nats::{encode_hmsg, header::HeaderBlock};

/// How many messages were missed before this one.
const MISSED: &str = "Floodway-Missed";
/// Where in the subscription's sequence they lie.
const MISSED_RANGE: &str = "Floodway-Missed-Range";
/// Why they were missed: `reason=count`, separated by commas.
const MISSED_REASON: &str = "Floodway-Missed-Reason";
/// How many earlier messages of its key this one replaced.
const CONFLATED: &str = "Floodway-Conflated";

/// Frames for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NatsFraming {
    /// The client understands headers; otherwise it gets the payload alone.
    pub(crate) headers: bool,
}

/// Decimal digits of a size.
#[inline]
fn digits(size: usize) -> usize {
    match size {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..10_000 => 4,
        _ => size.ilog10() as usize + 1,
    }
}

#[inline]
fn put_size(block: &mut Vec<u8>, size: usize) {
    block.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
}

impl NatsFraming {
    /// An empty message of the server itself, on one subscription.
    fn notice(&self, subject: &[u8], sid: &Sid, block: &HeaderBlock) -> Vec<u8> {
        let (mut notice, mut name) = (Vec::new(), Vec::new());
        if self.headers {
            sid.write_to(&mut name);
            encode_hmsg(&mut notice, subject, &name, None, &block.encode(), &[]);
        }
        notice
    }

    fn headers<'m>(&self, message: &Message<'m>) -> &'m [u8] {
        if self.headers { message.headers } else { &[] }
    }

    /// Length of the line before headers and payload, its line end included.
    #[inline]
    fn line_len(&self, head: &[u8], message: &Message<'_>) -> usize {
        let headers = self.headers(message).len();
        let total = headers + message.payload.len();
        let reply = message.reply.map_or(0, |reply| reply.len() + 1);
        let header_size = if headers == 0 { 0 } else { 1 + digits(headers) + 1 };
        head.len() + reply + header_size + digits(total) + 2
    }

    /// `MSG subject sid [reply] size` or `HMSG subject sid [reply] header-size size`.
    #[inline]
    fn put_line(&self, head: &[u8], message: &Message<'_>, block: &mut Vec<u8>) {
        let headers = self.headers(message).len();
        if headers > 0 {
            block.push(b'H');
        }
        block.extend_from_slice(head);
        if let Some(reply) = message.reply {
            block.extend_from_slice(reply);
            block.push(b' ');
        }
        if headers > 0 {
            put_size(block, headers);
            block.push(b' ');
        }
        put_size(block, headers + message.payload.len());
        block.extend_from_slice(b"\r\n");
    }
}

impl Framing for NatsFraming {
    fn head(&self, subject: &[u8], sid: &Sid, head: &mut Vec<u8>) {
        head.extend_from_slice(b"MSG ");
        head.extend_from_slice(subject);
        head.push(b' ');
        sid.write_to(head);
        head.push(b' ');
    }

    #[inline]
    fn frame(
        &self,
        head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    ) {
        let headers = self.headers(message);
        let line = self.line_len(head, message);
        let Some(shared) = message.shared_payload() else {
            let len = line + headers.len() + message.payload.len() + 2;
            out.append(len, waiting, pool, |block| {
                self.put_line(head, message, block);
                block.extend_from_slice(headers);
                block.extend_from_slice(message.payload);
                block.extend_from_slice(b"\r\n");
            });
            return;
        };
        out.append(line + headers.len(), waiting, pool, |block| {
            self.put_line(head, message, block);
            block.extend_from_slice(headers);
        });
        out.push_shared(shared.clone());
        out.append(2, waiting, pool, |block| block.extend_from_slice(b"\r\n"));
    }

    #[inline]
    fn frame_len(&self, head: &[u8], message: &Message<'_>) -> usize {
        let body = self.headers(message).len() + message.payload.len() + 2;
        self.line_len(head, message) + body
    }

    fn tells(&self) -> bool {
        self.headers
    }

    fn annotate(&self, headers: &[u8], notes: &Notes<'_>, annotated: &mut Vec<u8>) -> bool {
        let block = if headers.is_empty() { b"NATS/1.0\r\n\r\n" } else { headers };
        // The content of headers is the publisher's; the server does not check it.
        let Some(open) = block.strip_suffix(b"\r\n") else { return false };
        if !self.headers || !open.ends_with(b"\r\n") {
            return false;
        }
        annotated.extend_from_slice(open);
        if let Some(missed) = notes.missed {
            missed_lines(missed, |name, value| put_line(annotated, name, &value));
        }
        if notes.replaced > 0 {
            put_line(annotated, CONFLATED, &notes.replaced.to_string());
        }
        annotated.extend_from_slice(b"\r\n");
        true
    }

    fn missed(&self, subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8> {
        let mut block = HeaderBlock::new().with_status(100, "Messages Missed");
        missed_lines(missed, |name, value| block = std::mem::take(&mut block).append(name, &value));
        self.notice(subject, sid, &block)
    }

    fn ended(&self, subject: &[u8], sid: &Sid, reason: &EndReason) -> Vec<u8> {
        let block = HeaderBlock::new()
            .with_status(409, "Subscription Ended")
            .append("Floodway-End-Code", reason.name())
            .append("Floodway-End-Reason", &reason.to_string());
        self.notice(subject, sid, &block)
    }
}

/// Name and value of each header that tells of missed messages.
fn missed_lines(missed: &Missed, mut line: impl FnMut(&str, String)) {
    line(MISSED, missed.total().to_string());
    line(MISSED_RANGE, format!("{}-{}", missed.first(), missed.last()));
    let reasons: Vec<_> =
        missed.by_reason().map(|(reason, count)| format!("{reason}={count}")).collect();
    line(MISSED_REASON, reasons.join(", "));
}

fn put_line(block: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        block.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_beforehand_exactly_how_long_a_frame_will_be() {
        let budget = floodway::Budget::new(1 << 30);
        let pool = BlockPool::new(2);
        let headers = b"NATS/1.0\r\nA: b\r\n\r\n";
        for size in [0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000] {
            for (reply, with_headers, share) in
                [(None, false, false), (Some(&b"r.1"[..]), true, false), (None, true, true)]
            {
                let payload = vec![b'x'; size];
                let mut message = Message::new(b"a.b", &payload).with_reply(reply);
                if with_headers {
                    message = message.with_headers(headers);
                }
                if share {
                    message.keep(&budget);
                }
                for understands in [true, false] {
                    let framing = NatsFraming { headers: understands };
                    let (mut head, mut out) = (Vec::new(), ByteQueue::new());
                    framing.head(message.subject, &Sid::Number(7), &mut head);
                    framing.frame(&head, &message, false, &mut out, &pool);
                    assert_eq!(out.len(), framing.frame_len(&head, &message));
                    let text = out.to_vec();
                    let verb: &[u8] = if with_headers && understands { b"HMSG " } else { b"MSG " };
                    assert!(text.starts_with(verb) && text.ends_with(b"\r\n"));
                }
            }
        }
    }

    // spec: TLD-1, TLD-2
    #[test]
    fn what_is_told_stands_behind_the_headers_of_the_publisher_if_these_can_be_added_to() {
        let missed = Missed::lost(floodway::LossReason::DroppedOldest, 3, 7, 9);
        let lines = "Floodway-Missed: 3\r\nFloodway-Missed-Range: 7-9\r\n\
            Floodway-Missed-Reason: dropped_oldest=3\r\nFloodway-Conflated: 2\r\n";
        let notes = Notes { missed: Some(&missed), replaced: 2 };
        let annotated = |understands, block: &str| {
            let (framing, mut text) = (NatsFraming { headers: understands }, Vec::new());
            let added = framing.annotate(block.as_bytes(), &notes, &mut text);
            assert!(added || text.is_empty());
            added.then(|| String::from_utf8(text).unwrap())
        };
        let blocks = [
            ("", "NATS/1.0\r\n"),
            ("NATS/1.0\r\n\r\n", "NATS/1.0\r\n"),
            ("NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: b\r\n"),
            ("NATS/1.0 503\r\n\r\n", "NATS/1.0 503\r\n"),
        ];
        for (block, front) in blocks {
            assert_eq!(annotated(true, block), Some(format!("{front}{lines}\r\n")), "{block:?}");
            assert_eq!(annotated(false, block), None);
        }
        for cut in ["\r\n", "x", "NATS/1.0\r\n", "NATS/1.0\r\nA: b", "NATS/1.0\n\n"] {
            assert_eq!(annotated(true, cut), None, "{cut:?}");
        }
    }
}
