//! An elastic queue of bytes, in order: blocks that are filled here, and slices shared with others.
//!
//! Small messages are copied into blocks, many to a block. A large payload is queued as a
//! reference ([`ByteQueue::push_shared`]), so that it is held once however many queues wait for it.
//! The whole is written with vectored writes and dropped from the front by [`ByteQueue::advance`].

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::block_pool::{BLOCK_BYTES, BlockPool};

/// The smallest block a waiting queue allocates; small, for there may be ten thousand of them.
const SMALL_BLOCK: usize = 1024;
/// A block behind a shared slice mostly holds one header line before the next shared slice.
const BLOCK_AFTER_SHARED: usize = 512;

#[derive(Debug)]
enum Segment {
    Block(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Segment::Block(block) => block,
            Segment::Shared(bytes) => bytes,
        }
    }
}

/// Bytes in the order they were appended, in blocks that are recycled and slices that are shared.
#[derive(Debug, Default)]
pub struct ByteQueue {
    segments: VecDeque<Segment>,
    /// How much of the first segment is gone already.
    front_used: usize,
    len: usize,
    /// Sum of the capacities of all blocks; shared slices are counted by their owner.
    block_bytes: usize,
}

impl ByteQueue {
    /// An empty queue; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes queued.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory held in blocks, in bytes. Shared slices count where they were made.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Appends up to `size` bytes by letting `fill` write them to the end of a block.
    ///
    /// `waiting` says that the queue will not be written out at once: then blocks start small and
    /// grow with the backlog, instead of one full block each.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{BlockPool, ByteQueue};
    /// let pool = BlockPool::new(4);
    /// let mut queue = ByteQueue::new();
    /// queue.append(5, false, &pool, |block| block.extend_from_slice(b"hello"));
    /// assert_eq!(queue.len(), 5);
    /// queue.advance(4, &pool);
    /// assert_eq!(queue.to_vec(), b"o");
    /// ```
    #[inline]
    pub fn append(
        &mut self,
        size: usize,
        waiting: bool,
        pool: &BlockPool,
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        let fits = match self.segments.back() {
            Some(Segment::Block(block)) => block.capacity() - block.len() >= size,
            _ => false,
        };
        if !fits {
            self.add_block(size, waiting, pool);
        }
        if let Some(Segment::Block(block)) = self.segments.back_mut() {
            let (len, capacity) = (block.len(), block.capacity());
            fill(block);
            self.len += block.len() - len;
            // Zero unless the caller wrote more than it said.
            self.block_bytes += block.capacity() - capacity;
        }
    }

    #[cold]
    fn add_block(&mut self, size: usize, waiting: bool, pool: &BlockPool) {
        let wanted = match self.segments.back() {
            Some(Segment::Shared(_)) => BLOCK_AFTER_SHARED,
            // A quarter of the backlog: few blocks for a long queue, little slack for a short one.
            _ if waiting => (self.len / 4).next_power_of_two().clamp(SMALL_BLOCK, BLOCK_BYTES),
            _ => BLOCK_BYTES,
        };
        let wanted = if waiting { wanted.max(size.next_power_of_two()) } else { wanted };
        let block = if size > BLOCK_BYTES {
            Vec::with_capacity(size)
        } else if wanted >= BLOCK_BYTES || size > wanted {
            pool.take()
        } else {
            Vec::with_capacity(wanted)
        };
        self.block_bytes += block.capacity();
        self.segments.push_back(Segment::Block(block));
    }

    /// Appends a slice that others hold too. Nothing is copied.
    pub fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.segments.push_back(Segment::Shared(bytes));
        }
    }

    /// The first segments as slices for a vectored write; returns how many of `slices` were set.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        for (slot, segment) in slices.iter_mut().zip(&self.segments) {
            let skip = if used == 0 { self.front_used } else { 0 };
            *slot = IoSlice::new(&segment.bytes()[skip..]);
            used += 1;
        }
        used
    }

    /// Drops the first `count` bytes: they were written. Whole blocks go back to the pool.
    pub fn advance(&mut self, count: usize, pool: &BlockPool) {
        debug_assert!(count <= self.len, "{count} bytes of {}", self.len);
        self.len -= count;
        self.front_used += count;
        while let Some(front) = self.segments.front() {
            let size = front.bytes().len();
            if self.front_used < size {
                break;
            }
            self.front_used -= size;
            if let Some(Segment::Block(block)) = self.segments.pop_front() {
                self.block_bytes -= block.capacity();
                pool.give(block);
            }
        }
        if self.segments.is_empty() && self.segments.capacity() > 64 {
            self.segments = VecDeque::new();
        }
    }

    /// Moves everything in `newer` to the end of this queue.
    pub fn append_queue(&mut self, mut newer: ByteQueue) {
        debug_assert_eq!(newer.front_used, 0, "a queue that was read from cannot go behind");
        self.len += newer.len;
        self.block_bytes += newer.block_bytes;
        self.segments.append(&mut newer.segments);
    }

    /// Fits a queue that will wait to its contents: a nearly empty full block is exchanged for a
    /// small one, so that a reader who is slow by one message does not hold 64 KiB.
    pub fn settle(&mut self, pool: &BlockPool) {
        if self.segments.len() != 1 {
            return;
        }
        let Some(Segment::Block(block)) = self.segments.front_mut() else { return };
        let rest = block.len() - self.front_used;
        if block.capacity() < BLOCK_BYTES || rest > BLOCK_BYTES / 2 {
            return;
        }
        let mut small = Vec::with_capacity(rest.next_power_of_two().max(SMALL_BLOCK));
        small.extend_from_slice(&block[self.front_used..]);
        self.block_bytes = self.block_bytes - block.capacity() + small.capacity();
        pool.give(std::mem::replace(block, small));
        self.front_used = 0;
    }

    /// Drops everything.
    pub fn clear(&mut self, pool: &BlockPool) {
        let len = self.len;
        self.advance(len, pool);
        self.segments = VecDeque::new();
    }

    /// A copy of everything queued, for tests and small queues.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::with_capacity(self.len + self.front_used);
        self.segments.iter().for_each(|segment| all.extend_from_slice(segment.bytes()));
        all.split_off(self.front_used)
    }
}

#[cfg(test)]
mod tests;
