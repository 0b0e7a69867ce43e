//! A ring of atomic cells for one writer and one reader that overwrites its oldest.
//!
//! The writer puts a box with a running number into the next cell and takes out what was left
//! there, which is then lost. The reader takes the box out of the cell of the number it is due.
//! If the box has a later number, the writer has been round since: the due one is lost, and the
//! oldest that can still be there is one round behind what was found. The talk's ring gave out
//! what it had found at once, and so went from the newest back to older ones. Here it is laid
//! aside until it is its turn.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_utils::atomic::AtomicCell;

use super::super::super::payload::Payload;
use super::super::super::shape::{Overwriting, Reader, Writer};

#[derive(Debug)]
pub(in super::super) enum AtomicRing {}

struct Numbered<T> {
    number: u64,
    item: T,
}

/// A pointer or nothing, so a cell is a machine word and takes no lock.
type Cells<T> = Arc<[AtomicCell<Option<Box<Numbered<T>>>>]>;

pub(in super::super) struct Setting<T> {
    cells: Cells<T>,
    next: u64,
}

pub(in super::super) struct Getting<T> {
    cells: Cells<T>,
    due: u64,
    /// Found before their turn, with rising numbers.
    aside: VecDeque<Box<Numbered<T>>>,
}

impl<T: Payload> Overwriting<T> for AtomicRing {
    type Writer = Setting<T>;
    type Reader = Getting<T>;

    fn open(capacity: usize) -> (Setting<T>, Getting<T>) {
        let cells: Cells<T> = (0..capacity).map(|_| AtomicCell::new(None)).collect();
        (
            Setting { cells: Arc::clone(&cells), next: 0 },
            Getting { cells, due: 0, aside: VecDeque::new() },
        )
    }
}

impl<T: Payload> Writer<T> for Setting<T> {
    #[inline(always)]
    fn push(&mut self, item: T) -> u64 {
        let number = self.next;
        self.next += 1;
        let cell = &self.cells[(number % self.cells.len() as u64) as usize];
        let lost = cell.swap(Some(Box::new(Numbered { number, item })));
        u64::from(lost.is_some())
    }
}

impl<T: Payload> Reader<T> for Getting<T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        let round = self.cells.len() as u64;
        loop {
            // Before the due one, if the writer went round more than once since it was laid aside.
            if let Some(found) = self.aside.pop_front_if(|it| it.number <= self.due) {
                self.due = self.due.max(found.number + 1);
                return Some(found.item);
            }
            let cell = &self.cells[(self.due % round) as usize];
            let found = cell.take()?;
            if found.number == self.due {
                self.due += 1;
                return Some(found.item);
            }
            // Everything a round before it is overwritten, or about to be counted as such by the
            // writer; the one after that may still be there.
            self.due = found.number + 1 - round;
            self.aside.push_back(found);
        }
    }
}
