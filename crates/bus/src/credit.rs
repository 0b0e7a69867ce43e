//! Burst credit: what a consumer that keeps up may queue beyond its limit.

/// Bytes beyond its limit that a consumer may queue, because it has kept up before.
///
/// At a rate of hundreds of megabytes a second, a queue that is large enough for the worst hiccup
/// of a good consumer (TCP itself may stand still for 200 ms) is far larger than a stalled one
/// should cost its neighbours. So the limit is small, and good consumers earn more: a quarter of
/// what they take while they keep up. What is queued beyond the limit uses it up, also for one that
/// is always a little too slow, which thus has to go in the end.
///
/// # Examples
///
/// ```
/// use floodway::{Credit, Depth, Limits, Overflow, Verdict};
/// let overflow = Overflow::disconnect(Limits { bytes: Some(1000), ..Limits::default() });
/// let full = Depth { messages: 10, bytes: 1000 };
/// let mut credit = Credit::default();
/// assert_ne!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// credit.earn(4000, 150);
/// assert_eq!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// assert_ne!(overflow.admit_on_credit(full, 1, 100, &mut credit), Verdict::Accept);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    bytes: u64,
}

impl Credit {
    /// The consumer took `taken` bytes while it kept up; at most `most` is ever earned.
    #[inline]
    pub fn earn(&mut self, taken: u64, most: u64) {
        self.bytes = (self.bytes + taken / 4).min(most);
    }

    /// What is left of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn spend(&mut self, bytes: u64) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}
