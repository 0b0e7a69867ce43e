//! When to stop looking at one condition after the other.

use std::cell::Cell;

/// How much work the usual way of evaluating a query may take, before a sweep is the better way.
#[derive(Debug)]
pub(crate) struct Patience(Cell<usize>);

impl Patience {
    /// About as much as an eighth of the worst sweep.
    pub(crate) const MOST: usize = 512;

    pub(crate) fn new() -> Patience {
        Patience(Cell::new(Patience::MOST))
    }

    /// Whether there is so much left, or more. It is gone then, in any case.
    #[inline]
    pub(crate) fn bears(&self, work: usize) -> bool {
        let left = self.0.get().saturating_sub(work);
        self.0.set(left);
        left > 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.get() == 0
    }
}
