//! The overwriting ring behind its shape.

use floodway_queue::overwriting::{self, Reader, SharedWriter, Writer};

use super::super::payload::Payload;
use super::super::shape;

/// The overwriting ring of one writer.
#[derive(Debug)]
pub(super) enum Alone {}

/// The same for writers that take turns.
#[derive(Debug)]
pub(super) enum InTurns {}

impl<T: Payload> shape::Overwriting<T> for Alone {
    type Writer = Writer<T>;
    type Reader = Reader<T>;

    fn open(capacity: usize) -> (Writer<T>, Reader<T>) {
        overwriting::ring(capacity).expect("a ring of 1024 slots")
    }
}

impl<T: Payload> shape::Overwriting<T> for InTurns {
    type Writer = SharedWriter<T>;
    type Reader = Reader<T>;

    fn open(capacity: usize) -> (SharedWriter<T>, Reader<T>) {
        overwriting::shared_ring(capacity).expect("a ring of 1024 slots")
    }
}

impl<T: Payload> shape::Writer<T> for Writer<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        // What it overwrote comes back, but it is the reader that is told where the gap is.
        let _overwritten = Writer::push(self, item);
        0
    }
}

impl<T: Payload> shape::Writer<T> for SharedWriter<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        let _overwritten = SharedWriter::push(self, item);
        0
    }
}

impl<T: Payload> shape::Reader<T> for Reader<T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        Some(self.try_read().ok()?.item)
    }

    fn missed(&self) -> u64 {
        self.lost()
    }
}
