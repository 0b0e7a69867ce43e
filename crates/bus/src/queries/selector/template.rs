//! Headers that messages are compared with before they are taken apart.

use std::ops::Range;
use std::sync::Arc;

use super::TEXT_MAX;
use crate::headers::Headers;
use crate::payload::Carried;
use crate::route::Route;

/// A block of headers with gaps: a block that differs in the gaps only selects the same.
pub(super) struct Template<P: Carried + ?Sized> {
    base: Arc<Route<P>>,
    block: Vec<u8>,
    /// Values that nobody asks for, each up to the end of its line.
    gaps: Vec<Range<usize>>,
    /// The wanted headers, as the key they are found by.
    pub(super) wanted: Vec<u8>,
    /// Whether the headers decide by themselves.
    pub(super) decides: bool,
}

impl<P: Carried + ?Sized> Template<P> {
    /// A template to be filled.
    pub(super) fn new(base: Arc<Route<P>>) -> Self {
        Self { base, block: Vec::new(), gaps: Vec::new(), wanted: Vec::new(), decides: false }
    }

    /// The template of a block, in the memory of this one; `None` if it can have none.
    pub(super) fn of(
        mut self,
        base: &Arc<Route<P>>,
        block: &[u8],
        mut is_wanted: impl FnMut(&[u8]) -> bool,
        wanted: &[u8],
        decides: bool,
    ) -> Option<Self> {
        if !Arc::ptr_eq(&self.base, base) {
            self.base = base.clone();
        }
        self.gaps.clear();
        for (name, value) in Headers::of(block).iter() {
            if !is_wanted(name) {
                let start = value.as_ptr().addr() - block.as_ptr().addr();
                let length = memchr::memchr(b'\n', &block[start..])?;
                self.gaps.push(start..start + length);
            }
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        self.wanted.clear();
        self.wanted.extend_from_slice(wanted);
        self.decides = decides;
        Some(self)
    }

    /// Whether a block selects the same on a route.
    #[inline]
    pub(super) fn fits(&self, base: &Arc<Route<P>>, block: &[u8]) -> bool {
        if !Arc::ptr_eq(&self.base, base) || block.len() > TEXT_MAX {
            return false;
        }
        let (mut from, mut rest) = (0, block);
        for gap in &self.gaps {
            let Some(behind) = rest.strip_prefix(&self.block[from..gap.start]) else {
                return false;
            };
            let Some(length) = memchr::memchr(b'\n', behind) else { return false };
            (from, rest) = (gap.end, &behind[length..]);
        }
        *rest == self.block[from..]
    }
}
