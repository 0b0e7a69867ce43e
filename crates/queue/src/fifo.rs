//! A first-in first-out queue that gives its memory back.

use std::collections::VecDeque;

/// Slots kept when the queue runs empty; a queue that grew beyond them frees its buffer.
const RETAINED: usize = 256;

/// A `VecDeque` that does not keep the size of the worst burst for ever.
///
/// # Examples
///
/// ```
/// use floodway_queue::Fifo;
/// let mut queue = Fifo::new();
/// (0..100_000).for_each(|i| queue.push(i));
/// assert_eq!(queue.pop(), Some(0));
/// while queue.pop().is_some() {}
/// assert_eq!(queue.capacity(), 0);
/// ```
#[derive(Debug)]
pub struct Fifo<T> {
    items: VecDeque<T>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Fifo<T> {
    /// An empty queue; allocates nothing.
    pub const fn new() -> Self {
        Self { items: VecDeque::new() }
    }

    /// Items queued.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Slots allocated.
    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }

    /// Appends at the back.
    pub fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// The oldest item, still queued.
    pub fn front(&self) -> Option<&T> {
        self.items.front()
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front();
        if self.items.is_empty() && self.items.capacity() > RETAINED {
            self.items = VecDeque::new();
        }
        item
    }

    /// Takes everything at once, in order; this queue is empty and without a buffer afterwards.
    pub fn take_all(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.items)
    }
}
