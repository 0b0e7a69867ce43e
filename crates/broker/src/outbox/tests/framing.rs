//! A protocol for tests: frames that say how long they are.

use floodway::{EndReason, Message};
use floodway_queue::{BlockPool, ByteQueue};

use crate::framing::Framing;
use crate::sid::Sid;

/// Bytes of a frame besides its content: a kind, the number of a subscription, the length.
pub(super) const FRAME_HEAD: usize = 1 + 8 + 4;

const MESSAGE: u8 = b'M';
const ENDED: u8 = b'E';
const ANSWER: u8 = b'A';

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct TestFraming;

/// What was in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Message { sid: u64, payload: Vec<u8> },
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
        let len = (message.payload.len() as u32).to_le_bytes();
        if let Some(shared) = message.shared_payload() {
            out.append(FRAME_HEAD, waiting, pool, |block| {
                block.extend_from_slice(head);
                block.extend_from_slice(&len);
            });
            return out.push_shared(shared.clone());
        }
        out.append(FRAME_HEAD + message.payload.len(), waiting, pool, |block| {
            block.extend_from_slice(head);
            block.extend_from_slice(&len);
            block.extend_from_slice(message.payload);
        });
    }

    fn frame_len(&self, _head: &[u8], message: &Message<'_>) -> usize {
        FRAME_HEAD + message.payload.len()
    }

    fn ended(&self, _subject: &[u8], sid: &Sid, _reason: &EndReason) -> Vec<u8> {
        ended(number(sid))
    }
}
