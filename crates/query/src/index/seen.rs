//! Which queries a message has come upon already.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

/// How many are looked through one by one.
const FEW: usize = 32;

/// A set that allocates nothing while it is small.
#[derive(Debug, Default)]
pub(super) struct Seen {
    few: SmallVec<[u32; FEW]>,
    many: HashSet<u32, RandomState>,
}

impl Seen {
    /// Notes it; false if it was noted before.
    pub(super) fn is_new(&mut self, id: u32) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(id);
        }
        if self.few.contains(&id) {
            return false;
        }
        if self.few.len() == FEW {
            self.many.extend(self.few.drain(..));
            return self.many.insert(id);
        }
        self.few.push(id);
        true
    }
}
