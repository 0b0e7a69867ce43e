//! Spare blocks for byte queues.
//!
//! A queue that is written out at once needs a block for some microseconds only. Handing the block
//! used last to whoever asks next keeps it in the CPU's cache: with one block per connection, a
//! fan-out to 64 connections would walk through 4 MiB of cold memory for every batch.

use std::sync::{Mutex, PoisonError};

/// Size of a full block: large enough that a system call per block is cheap, small enough to stay
/// below the allocator's threshold for mapping memory afresh.
pub const BLOCK_BYTES: usize = 64 * 1024;

/// A bounded stack of spare blocks, shared by the byte queues of one process.
#[derive(Debug)]
pub struct BlockPool {
    spare: Mutex<Vec<Vec<u8>>>,
    max_spare: usize,
}

impl BlockPool {
    /// Keeps at most `max_spare` blocks; further ones are freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_queue::{BLOCK_BYTES, BlockPool};
    /// let pool = BlockPool::new(1);
    /// let block = pool.take();
    /// assert!(block.is_empty() && block.capacity() >= BLOCK_BYTES);
    /// pool.give(block);
    /// pool.give(Vec::with_capacity(BLOCK_BYTES)); // one too many: freed
    /// assert_eq!(pool.spare_blocks(), 1);
    /// ```
    pub fn new(max_spare: usize) -> Self {
        Self { spare: Mutex::new(Vec::new()), max_spare }
    }

    /// An empty block of [`BLOCK_BYTES`], the one given back last if there is any.
    pub fn take(&self) -> Vec<u8> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES))
    }

    /// Takes a block back. Blocks of another size are freed: they were made to fit.
    pub fn give(&self, mut block: Vec<u8>) {
        if block.capacity() != BLOCK_BYTES {
            return;
        }
        block.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.max_spare {
            spare.push(block);
        }
    }

    /// How many blocks wait to be used again.
    pub fn spare_blocks(&self) -> usize {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
