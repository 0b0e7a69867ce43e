//! A protocol for tests: frames that say how long they are.

use floodway::{EndReason, Message, Missed};
use floodway_queue::{BlockPool, ByteQueue};

use crate::framing::{Framing, Notes};
use crate::sid::Sid;

/// Bytes of a frame besides its content: a kind, the number of a subscription, the length.
pub(super) const FRAME_HEAD: usize = 1 + 8 + 4;

const MESSAGE: u8 = b'M';
/// A message with notes on it: how many were missed before it, and how many it replaced.
const NOTED: u8 = b'N';
const MISSED: u8 = b'X';
const ENDED: u8 = b'E';
const ANSWER: u8 = b'A';

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct TestFraming;

/// What was in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Message { sid: u64, payload: Vec<u8> },
    Noted { sid: u64, missed: u64, replaced: u64, payload: Vec<u8> },
    Missed { sid: u64, missed: u64 },
    Ended { sid: u64 },
    Answer(Vec<u8>),
}

fn frame(kind: u8, sid: u64, content: &[u8]) -> Vec<u8> {
    let len = content.len() as u32;
    [&[kind][..], &sid.to_le_bytes(), &len.to_le_bytes(), content].concat()
}

/// An answer to the client, as bytes.
pub(super) fn answer(content: &[u8]) -> Vec<u8> {
    frame(ANSWER, 0, content)
}

/// The frame of a message, as bytes.
pub(super) fn message(sid: u64, payload: &[u8]) -> Vec<u8> {
    frame(MESSAGE, sid, payload)
}

/// What tells a client that a subscription ended; longer than a small message.
pub(super) fn ended(sid: u64) -> Vec<u8> {
    frame(ENDED, sid, b"out of capacity")
}

/// Takes a stream apart; the second value is how many bytes of an unfinished frame are left.
pub(super) fn decode(mut stream: &[u8]) -> (Vec<Frame>, usize) {
    let mut frames = Vec::new();
    while stream.len() >= FRAME_HEAD {
        let sid = u64::from_le_bytes(stream[1..9].try_into().unwrap());
        let len = u32::from_le_bytes(stream[9..13].try_into().unwrap()) as usize;
        if stream.len() < FRAME_HEAD + len {
            break;
        }
        let content = stream[FRAME_HEAD..FRAME_HEAD + len].to_vec();
        frames.push(match stream[0] {
            MESSAGE => Frame::Message { sid, payload: content },
            NOTED => Frame::Noted {
                sid,
                missed: u64::from_le_bytes(content[..8].try_into().unwrap()),
                replaced: u64::from_le_bytes(content[8..16].try_into().unwrap()),
                payload: content[16..].to_vec(),
            },
            MISSED => {
                Frame::Missed { sid, missed: u64::from_le_bytes(content.try_into().unwrap()) }
            }
            ENDED => Frame::Ended { sid },
            ANSWER => Frame::Answer(content),
            other => panic!("no frame starts with {other}"),
        });
        stream = &stream[FRAME_HEAD + len..];
    }
    (frames, stream.len())
}

fn number(sid: &Sid) -> u64 {
    match sid {
        Sid::Number(number) => *number,
        Sid::Text(_) => panic!("tests use numbers"),
    }
}

impl Framing for TestFraming {
    fn head(&self, _subject: &[u8], sid: &Sid, head: &mut Vec<u8>) {
        assert!(head.is_empty());
        head.push(MESSAGE);
        head.extend_from_slice(&number(sid).to_le_bytes());
    }

    fn frame(
        &self,
        head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    ) {
        let len = ((message.headers.len() + message.payload.len()) as u32).to_le_bytes();
        let kind = if message.headers.is_empty() { MESSAGE } else { NOTED };
        if let Some(shared) = message.shared_payload() {
            out.append(FRAME_HEAD + message.headers.len(), waiting, pool, |block| {
                block.push(kind);
                block.extend_from_slice(&head[1..]);
                block.extend_from_slice(&len);
                block.extend_from_slice(message.headers);
            });
            return out.push_shared(shared.clone());
        }
        out.append(self.frame_len(head, message), waiting, pool, |block| {
            block.push(kind);
            block.extend_from_slice(&head[1..]);
            block.extend_from_slice(&len);
            block.extend_from_slice(message.headers);
            block.extend_from_slice(message.payload);
        });
    }

    fn frame_len(&self, _head: &[u8], message: &Message<'_>) -> usize {
        FRAME_HEAD + message.headers.len() + message.payload.len()
    }

    fn tells(&self) -> bool {
        true
    }

    fn annotate(&self, _headers: &[u8], notes: &Notes<'_>, annotated: &mut Vec<u8>) -> bool {
        let total = notes.missed.map_or(0, Missed::total);
        annotated.extend_from_slice(&total.to_le_bytes());
        annotated.extend_from_slice(&u64::from(notes.replaced).to_le_bytes());
        true
    }

    fn missed(&self, _subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8> {
        frame(MISSED, number(sid), &missed.total().to_le_bytes())
    }

    fn ended(&self, _subject: &[u8], sid: &Sid, _reason: &EndReason) -> Vec<u8> {
        ended(number(sid))
    }
}
