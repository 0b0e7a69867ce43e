//! A protocol for tests: frames that say how long they are.

use std::fmt;

use floodway::{EndReason, Message, Missed};
use floodway_queue::{BlockPool, ByteQueue};

use crate::framing::{Framing, Notes};
use crate::sid::Sid;

/// Bytes of a frame besides its content: a kind, the number of a subscription, the length.
pub(super) const FRAME_HEAD: usize = 1 + 8 + 4;

const MESSAGE: u8 = b'M';
/// A message with notes on it: what was missed before it, and how many it replaced.
const NOTED: u8 = b'N';
/// A message whose headers cannot be added to.
const SEALED: u8 = b'S';
const MISSED: u8 = b'X';
const ENDED: u8 = b'E';
const ANSWER: u8 = b'A';

/// Headers that cannot be added to, as a publisher may send them.
pub(super) const SEALED_HEADERS: &[u8] = b"not headers";

/// See the [module header](self).
#[derive(Debug)]
pub(super) struct TestFraming;

/// The same for a client that cannot be told anything.
#[derive(Debug)]
pub(super) struct MuteFraming;

/// What a client was told: of messages it missed, and how many one message stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) missed: u64,
    /// From the first missed one to the last.
    pub(super) range: (u64, u64),
    pub(super) reasons: String,
    pub(super) replaced: u64,
}

/// What was in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Message { sid: u64, payload: Vec<u8> },
    Noted { sid: u64, told: Told, payload: Vec<u8> },
    Missed { sid: u64, told: Told },
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

/// In few words, for lists of what a client got.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |told: &Told| {
            let Told { missed, range: (first, last), reasons, .. } = told;
            format!("missed {missed} in {first}-{last} {reasons}")
        };
        match self {
            Self::Message { sid, payload } => write!(f, "{sid}:{}", payload.escape_ascii()),
            Self::Noted { sid, told, payload } => {
                write!(f, "{sid}:{}", payload.escape_ascii())?;
                if told.missed > 0 {
                    write!(f, ", {}", of(told))?;
                }
                if told.replaced > 0 {
                    write!(f, ", replaced {}", told.replaced)?;
                }
                Ok(())
            }
            Self::Missed { sid, told } => write!(f, "{sid} {}", of(told)),
            Self::Ended { sid } => write!(f, "{sid} ended"),
            Self::Answer(content) => write!(f, "{}", content.escape_ascii()),
        }
    }
}

impl Told {
    fn of(missed: Option<&Missed>, replaced: u32) -> Self {
        let replaced = replaced.into();
        let Some(missed) = missed else { return Self { replaced, ..Self::default() } };
        let reasons: Vec<_> = missed.by_reason().map(|(name, n)| format!("{name}={n}")).collect();
        let range = (missed.first(), missed.last());
        Self { missed: missed.total(), range, reasons: reasons.join(" "), replaced }
    }

    fn encode(&self) -> Vec<u8> {
        let numbers = [self.missed, self.range.0, self.range.1, self.replaced];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.push(self.reasons.len() as u8);
        bytes.extend_from_slice(self.reasons.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> (Self, &[u8]) {
        let number = |n: usize| u64::from_le_bytes(bytes[n * 8..n * 8 + 8].try_into().unwrap());
        let (reasons, rest) = bytes[33..].split_at(bytes[32] as usize);
        let reasons = String::from_utf8(reasons.to_vec()).unwrap();
        let range = (number(1), number(2));
        (Self { missed: number(0), range, reasons, replaced: number(3) }, rest)
    }
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
            SEALED => Frame::Message { sid, payload: content[SEALED_HEADERS.len()..].to_vec() },
            NOTED => {
                let (told, payload) = Told::decode(&content);
                Frame::Noted { sid, told, payload: payload.to_vec() }
            }
            MISSED => Frame::Missed { sid, told: Told::decode(&content).0 },
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
        let kind = match message.headers {
            [] => MESSAGE,
            SEALED_HEADERS => SEALED,
            _ => NOTED,
        };
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

    fn annotate(&self, headers: &[u8], notes: &Notes<'_>, annotated: &mut Vec<u8>) -> bool {
        annotated.extend_from_slice(&Told::of(notes.missed, notes.replaced).encode());
        headers != SEALED_HEADERS
    }

    fn missed(&self, _subject: &[u8], sid: &Sid, missed: &Missed) -> Vec<u8> {
        frame(MISSED, number(sid), &Told::of(Some(missed), 0).encode())
    }

    fn ended(&self, _subject: &[u8], sid: &Sid, _reason: &EndReason) -> Vec<u8> {
        ended(number(sid))
    }
}

impl Framing for MuteFraming {
    fn head(&self, subject: &[u8], sid: &Sid, head: &mut Vec<u8>) {
        TestFraming.head(subject, sid, head);
    }

    fn frame(
        &self,
        head: &[u8],
        message: &Message<'_>,
        waiting: bool,
        out: &mut ByteQueue,
        pool: &BlockPool,
    ) {
        TestFraming.frame(head, message, waiting, out, pool);
    }

    fn frame_len(&self, head: &[u8], message: &Message<'_>) -> usize {
        TestFraming.frame_len(head, message)
    }

    fn tells(&self) -> bool {
        false
    }

    fn annotate(&self, _headers: &[u8], _notes: &Notes<'_>, _annotated: &mut Vec<u8>) -> bool {
        false
    }

    fn missed(&self, _subject: &[u8], _sid: &Sid, _missed: &Missed) -> Vec<u8> {
        Vec::new()
    }

    fn ended(&self, _subject: &[u8], _sid: &Sid, _reason: &EndReason) -> Vec<u8> {
        Vec::new()
    }
}
