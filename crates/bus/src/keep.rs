//! The messages of a batch, held once for all the queues that they wait in.
//!
//! Messages borrow from the memory they were read into. When a good part of a batch has to wait,
//! that memory itself is held on to, and whoever reads goes on with other memory: nothing is
//! copied, and what a queue has of a batch is a number of the first and of the last. A batch that
//! is small beside its memory is copied instead, once, so that little never holds on to much.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::budget::{Budget, Charge};
use crate::message::{Message, SHARE_FROM_BYTES};

/// Memory of a reader that is kept for later use.
const SPARE: usize = 16;
/// A batch takes at least this share of the memory it holds on to, and a queue at least this share
/// of the batch.
const SHARE: usize = 4;
/// Copies from which on keeping messages together is cheaper than copying each.
const FEW: usize = 8;

/// Memory of one size, to be used again.
#[derive(Debug)]
struct Pool {
    spare: Mutex<Vec<Box<[u8]>>>,
    size: usize,
}

#[derive(Debug)]
struct Memory {
    bytes: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Memory {
    fn of(pool: &Arc<Pool>) -> Arc<Self> {
        let spare = pool.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; pool.size].into_boxed_slice());
        Arc::new(Self { bytes, pool: pool.clone() })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut spare = self.pool.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Memory to read messages into, over and over. Queues may hold on to what was read; then it goes
/// on with other memory.
///
/// # Examples
///
/// ```
/// use floodway::ReadBuffer;
/// let mut buffer = ReadBuffer::new(16);
/// buffer.writable()[..5].copy_from_slice(b"hello");
/// assert_eq!(&buffer.filled()[..5], b"hello");
/// ```
#[derive(Debug)]
pub struct ReadBuffer {
    memory: Arc<Memory>,
}

impl ReadBuffer {
    /// Memory of `size` bytes.
    pub fn new(size: usize) -> Self {
        let pool = Arc::new(Pool { spare: Mutex::default(), size });
        Self { memory: Memory::of(&pool) }
    }

    /// The memory, to read into.
    pub fn writable(&mut self) -> &mut [u8] {
        if Arc::get_mut(&mut self.memory).is_none() {
            self.memory = Memory::of(&self.memory.pool);
        }
        match Arc::get_mut(&mut self.memory) {
            Some(memory) => &mut memory.bytes,
            None => &mut [],
        }
    }

    /// The memory, with what was read into it.
    pub fn filled(&self) -> &[u8] {
        &self.memory.bytes
    }
}

/// Where the messages of a batch are kept, once somebody asks for it.
#[derive(Debug, Default)]
pub struct Keeper {
    memory: Option<Arc<Memory>>,
    kept: OnceCell<Arc<KeptBatch>>,
    /// The size of all messages.
    size: usize,
    /// The most consumers that one of them goes to.
    fan_out: usize,
    /// One of them is so large that it is kept by itself.
    has_large: bool,
}

impl Keeper {
    /// For messages that go to so many consumers.
    pub fn of(messages: &[Message<'_>], fan_out: usize) -> Self {
        let mut keeper = Self::default();
        for message in messages {
            keeper.note(message.size(), fan_out, message.payload.len() >= SHARE_FROM_BYTES);
        }
        keeper
    }

    /// For messages that lie in `buffer`.
    pub(crate) fn lying_in(buffer: &ReadBuffer) -> Self {
        Self { memory: Some(buffer.memory.clone()), ..Self::default() }
    }

    /// A further message belongs to the batch.
    #[inline]
    pub(crate) fn note(&mut self, size: usize, fan_out: usize, large: bool) {
        self.size += size;
        self.fan_out = self.fan_out.max(fan_out);
        self.has_large |= large;
    }

    /// Another batch begins.
    #[inline]
    pub(crate) fn restart(&mut self) {
        (self.size, self.fan_out, self.has_large) = (0, 0, false);
        self.kept.take();
    }

    /// Some messages of the batch; `None` if a queue had better copy them.
    pub(crate) fn keep(
        &self,
        batch: &[Message<'_>],
        range: Range<usize>,
        budget: &Budget,
    ) -> Option<KeptPart> {
        let count = range.len();
        let apart = self.has_large || u32::try_from(self.size).is_err();
        if apart || count * self.fan_out < FEW || count * SHARE < batch.len() {
            return None;
        }
        let keep = || Arc::new(KeptBatch::of(batch, self.size, self.memory.as_ref(), budget));
        let batch = self.kept.get_or_init(keep).clone();
        Some(KeptPart { batch, from: range.start as u32, to: range.end as u32 })
    }
}

#[derive(Debug, Clone, Copy)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// What is not there.
    const NONE: Span = Span { at: u32::MAX, len: 0 };

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at as usize..][..self.len as usize]
    }
}

/// One message of a kept batch: 16 bytes, for a table of them is made for most batches that wait.
#[derive(Debug)]
struct Part {
    payload: Span,
    /// Which of the heads it has.
    head: u32,
    /// The size of all messages up to and with this one.
    until: u32,
}

/// What the messages of a row have in common; or one message, if it has a reply or headers.
#[derive(Debug)]
struct Head {
    subject: Span,
    reply: Span,
    headers: Span,
}

/// Where each message lies.
#[derive(Debug)]
struct Table {
    parts: Vec<Part>,
    heads: Vec<Head>,
}

impl Table {
    /// Of messages that `span` finds the parts of.
    fn of<'m>(messages: &[Message<'m>], mut span: impl FnMut(&'m [u8]) -> Span) -> Self {
        let mut table = Self { parts: Vec::with_capacity(messages.len()), heads: Vec::new() };
        let (mut until, mut head, mut row) = (0, 0, 0);
        for message in messages {
            let is_plain = message.reply.is_none() && message.headers.is_empty();
            if !is_plain || row != message.row || row == 0 {
                head = table.heads.len() as u32;
                row = if is_plain { message.row } else { 0 };
                table.heads.push(Head {
                    subject: span(message.subject),
                    reply: message.reply.map_or(Span::NONE, &mut span),
                    headers: span(message.headers),
                });
            }
            until += message.size() as u32;
            table.parts.push(Part { payload: span(message.payload), head, until });
        }
        table.heads.shrink_to_fit();
        table
    }

    /// Of messages that lie in `memory`; `None` if one of them does not.
    fn within(memory: &[u8], messages: &[Message<'_>]) -> Option<Self> {
        let start = memory.as_ptr().addr();
        let mut last = 0;
        let table = Self::of(messages, |part| {
            // What is empty may point anywhere. What lies before the memory wraps round, and so
            // ends far behind it.
            let at = part.as_ptr().addr().wrapping_sub(start);
            let at = if part.is_empty() { 0 } else { at };
            last = last.max(at.saturating_add(part.len()));
            Span { at: at as u32, len: part.len() as u32 }
        });
        (last <= memory.len()).then_some(table)
    }

    fn held_bytes(&self) -> usize {
        self.parts.capacity() * size_of::<Part>() + self.heads.capacity() * size_of::<Head>()
    }
}

#[derive(Debug)]
enum Bytes {
    Held(Arc<Memory>),
    Copied(Box<[u8]>),
}

/// The messages of a batch, held once. Their bytes count against the memory budget until the last
/// queue lets go.
#[derive(Debug)]
pub struct KeptBatch {
    bytes: Bytes,
    table: Table,
    _charge: Charge,
}

impl KeptBatch {
    fn of(
        messages: &[Message<'_>],
        size: usize,
        memory: Option<&Arc<Memory>>,
        budget: &Budget,
    ) -> Self {
        let worth = |memory: &&Arc<Memory>| size * SHARE >= memory.bytes.len();
        let held = memory.filter(worth).and_then(|memory| {
            let table = Table::within(&memory.bytes, messages)?;
            Some((Bytes::Held(memory.clone()), table))
        });
        let (bytes, table) = held.unwrap_or_else(|| copy(messages, size));
        let held = match &bytes {
            Bytes::Held(memory) => memory.bytes.len(),
            Bytes::Copied(copied) => copied.len(),
        };
        let charge = budget.charge(held + table.held_bytes() + size_of::<Self>());
        Self { bytes, table, _charge: charge }
    }

    fn message(&self, at: usize) -> Message<'_> {
        let bytes = match &self.bytes {
            Bytes::Held(memory) => &memory.bytes,
            Bytes::Copied(copied) => copied,
        };
        let part = &self.table.parts[at];
        let head = &self.table.heads[part.head as usize];
        let has_reply = head.reply.at != Span::NONE.at;
        Message::new(head.subject.of(bytes), part.payload.of(bytes))
            .with_reply(has_reply.then(|| head.reply.of(bytes)))
            .with_headers(head.headers.of(bytes))
    }
}

fn copy(messages: &[Message<'_>], size: usize) -> (Bytes, Table) {
    let mut bytes = Vec::with_capacity(size);
    let table = Table::of(messages, |part| {
        let at = bytes.len() as u32;
        bytes.extend_from_slice(part);
        Span { at, len: part.len() as u32 }
    });
    (Bytes::Copied(bytes.into_boxed_slice()), table)
}

/// Messages of a kept batch, in a row: what one queue has of it.
#[derive(Debug, Clone)]
pub struct KeptPart {
    batch: Arc<KeptBatch>,
    from: u32,
    to: u32,
}

impl KeptPart {
    pub(crate) fn count(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// The size of all of them.
    pub(crate) fn size(&self) -> u64 {
        self.size_until(self.to)
    }

    fn size_until(&self, to: u32) -> u64 {
        let until = |count: u32| match count.checked_sub(1) {
            Some(last) => self.batch.table.parts[last as usize].until,
            None => 0,
        };
        (until(to) - until(self.from)).into()
    }

    /// Takes the first `count` off.
    pub(crate) fn split(&mut self, count: usize) -> Self {
        let middle = self.from + count as u32;
        let first = Self { to: middle, ..self.clone() };
        self.from = middle;
        first
    }

    /// The first message.
    pub(crate) fn first(&self) -> Message<'_> {
        self.batch.message(self.from as usize)
    }
}

#[cfg(test)]
mod tests;
