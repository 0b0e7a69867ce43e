//! A line of items that may still be dropped, replaced or skipped: what is under every queue with
//! an overflow policy.
//!
//! One owner, no lock, no clock, no opinion: the owner decides what happens to which item, and is
//! told what became of it. All of it is constant work per item, however many there are: the first
//! in line is dropped, the place of a key is found by its hash, and what has expired is cut off at
//! once and freed some at a time.
//!
//! An entry may stand for several items in a row ([`Item::count`]), which then share their stamp.
//! Every item has a *place*, a number that counts on, so that an entry is found in constant time
//! and what the consumer missed stays where it was missed: a *gap* in front of a place. While there
//! are keys, every entry is one item.

mod check;
mod gaps;
mod garbage;
mod keys;
mod lent;
mod trim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use gaps::Gap;
use gaps::Gaps;
use garbage::Garbage;
use keys::Keys;
pub use lent::Lent;

/// Entries kept room for when the line runs empty; one that grew beyond gives its memory back.
const RETAINED: usize = 64;

/// Something that can stand in a line: one item, or some in a row.
pub trait Item: Sized {
    /// How many it is.
    fn count(&self) -> usize {
        1
    }

    /// Takes off the first `count`, which is not all. `None` where they only go together.
    fn split(&mut self, count: usize) -> Option<Self> {
        let _ = count;
        None
    }

    /// Bytes that count against limits, of all of them.
    fn size(&self) -> u64;

    /// Memory of its own that dropping it gives back.
    fn own_bytes(&self) -> usize {
        0
    }
}

/// Shared with others, who have the same claim to its memory.
impl<T: Item> Item for Arc<T> {
    fn count(&self) -> usize {
        T::count(self)
    }

    fn size(&self) -> u64 {
        T::size(self)
    }
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Queued messages.
    pub messages: u64,
    /// Queued bytes.
    pub bytes: u64,
}

impl Depth {
    /// Whether neither of it is more than `most`.
    #[inline]
    pub fn is_within(self, most: Depth) -> bool {
        self.messages <= most.messages && self.bytes <= most.bytes
    }
}

/// What an entry knows about its item besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The sequence number of the (first) item.
    pub seq: u64,
    /// When it was queued, in milliseconds of the owner's clock, which may start again from 0.
    pub at_ms: u32,
    /// How many earlier items of its key it stands for.
    pub replaced: u32,
}

/// Items that left the line together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The sequence number of the first.
    pub first: u64,
    /// The sequence number of the last.
    pub last: u64,
}

#[derive(Debug)]
struct Entry<T> {
    item: T,
    stamp: Stamp,
    /// The place of the first item.
    place: u64,
    /// Bytes of all items that were ever queued before it; not while there are keys.
    before: u64,
}

impl<T: Item> Entry<T> {
    fn last_seq(&self) -> u64 {
        self.stamp.seq + self.item.count() as u64 - 1
    }

    fn span(&self) -> Span {
        let (count, bytes) = (self.item.count() as u64, self.item.size());
        Span { count, bytes, first: self.stamp.seq, last: self.last_seq() }
    }
}

/// See the [module header](self). `K` is what a key needs besides its hash, `G` what is remembered
/// of items that were missed at one place.
///
/// # Examples
///
/// Drop the oldest beyond two, and say how many:
///
/// ```
/// use floodway_queue::line::{Gap, Item, Line, Stamp};
/// struct Word(&'static str);
/// impl Item for Word {
///     fn size(&self) -> u64 {
///         self.0.len() as u64
///     }
/// }
/// #[derive(Default)]
/// struct Missed(u64);
/// impl Gap for Missed {
///     fn merge(&mut self, other: &Self) {
///         self.0 += other.0;
///     }
/// }
/// let mut line = Line::<Word, (), Missed>::default();
/// for (at, word) in ["one", "two", "three"].into_iter().enumerate() {
///     if line.depth().messages == 2 {
///         line.drop_front(1, |missed, span, _item| missed.0 += span.count);
///     }
///     line.push(Word(word), Stamp { seq: at as u64 + 1, at_ms: 0, replaced: 0 });
/// }
/// assert_eq!(line.take_gap().map(|missed| missed.0), Some(1));
/// assert_eq!(line.take_first(1).map(|(word, stamp)| (word.0, stamp.seq)), Some(("two", 2)));
/// ```
#[derive(Debug)]
// In this order: what every item changes comes first, and together, for the sake of caches.
#[repr(C)]
pub struct Line<T, K, G> {
    entries: VecDeque<Entry<T>>,
    first_place: u64,
    end_place: u64,
    bytes: u64,
    /// Bytes ever queued.
    bytes_ever: u64,
    /// Memory of all entries' items.
    own_bytes: usize,
    /// Queued items that stand for others.
    replacers: u64,
    /// From the first item with a key on.
    keys: Option<Box<Keys<K>>>,
    /// From the first item that expired on.
    garbage: Option<Box<Garbage<T>>>,
    gaps: Gaps<G>,
}

impl<T, K, G> Default for Line<T, K, G> {
    /// An empty line; allocates nothing.
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first_place: 0,
            end_place: 0,
            bytes: 0,
            bytes_ever: 0,
            own_bytes: 0,
            replacers: 0,
            keys: None,
            gaps: Gaps::default(),
            garbage: None,
        }
    }
}

/// How old something is, on a clock that starts again after 49 days.
#[inline]
fn age(at_ms: u32, now_ms: u32) -> u32 {
    let age = now_ms.wrapping_sub(at_ms);
    // Queued a moment later than now, by a thread that looked at its clock later.
    if age > u32::MAX / 2 { 0 } else { age }
}

/// The time from one moment to another, both of them on the clock of [`Stamp::at_ms`].
#[inline]
pub fn time_between(from_ms: u32, to_ms: u32) -> Duration {
    Duration::from_millis(age(from_ms, to_ms).into())
}

impl<T: Item, K: Default, G: Gap> Line<T, K, G> {
    /// Whether no item is queued. There may be a gap to tell of: [`Line::has_gap`].
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is queued.
    #[inline]
    pub fn depth(&self) -> Depth {
        Depth { messages: self.end_place - self.first_place, bytes: self.bytes }
    }

    /// Queued items that took the place of earlier ones.
    pub fn replacers(&self) -> u64 {
        self.replacers
    }

    /// The number of the first place in line; places behind it count on, also where a key keeps
    /// its place for a later item.
    pub fn first_place(&self) -> u64 {
        self.first_place
    }

    /// The number of the place behind the last: everything queued now has left once this is the
    /// first place.
    pub fn end_place(&self) -> u64 {
        self.end_place
    }

    /// The age of the first item in line.
    pub fn oldest(&self, now_ms: u32) -> Option<Duration> {
        Some(time_between(self.entries.front()?.stamp.at_ms, now_ms))
    }

    /// Puts an item at the end.
    #[inline]
    pub fn push(&mut self, item: T, stamp: Stamp) {
        if let Some(keys) = &mut self.keys {
            keys.push(None);
        }
        self.append(item, stamp);
    }

    /// Puts an item at the end that can be found again by its key: see [`Line::find`].
    pub fn push_keyed(&mut self, hash: u64, key: K, item: T, stamp: Stamp) {
        let (first_place, entries) = (self.first_place, self.entries.len());
        let keys = self.keys.get_or_insert_with(|| Box::new(Keys::after(first_place, entries)));
        keys.push(Some((hash, key)));
        self.append(item, stamp);
    }

    #[inline]
    fn append(&mut self, item: T, stamp: Stamp) {
        let (count, size) = (item.count() as u64, item.size());
        self.own_bytes += item.own_bytes();
        self.replacers += u64::from(stamp.replaced > 0);
        let (place, before) = (self.end_place, self.bytes_ever);
        self.entries.push_back(Entry { item, stamp, place, before });
        self.end_place += count;
        self.bytes += size;
        self.bytes_ever += size;
    }

    /// Where the entry of a key stands, for [`Line::get`] and [`Line::replace`] until the next
    /// change. `is_same` compares keys with equal hashes.
    #[inline]
    pub fn find(&self, hash: u64, is_same: impl Fn(&K, &T) -> bool) -> Option<usize> {
        let keys = self.keys.as_deref()?;
        keys.find(hash, |at, key| is_same(key, &self.entries[at].item))
    }

    /// The item found there.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.entries.get(at).map(|entry| &entry.item)
    }

    /// The stamp of the item found there.
    #[inline]
    pub fn stamp(&self, at: usize) -> Option<Stamp> {
        self.entries.get(at).map(|entry| entry.stamp)
    }

    /// The key of the item found there, if it has one.
    #[inline]
    pub fn key(&self, at: usize) -> Option<&K> {
        self.keys.as_deref()?.key(at)
    }

    /// Lets `renew` put a later item in the place of a queued one. The stamp's `replaced` counts
    /// those it replaces: with those its predecessor stood for, it stands for so many.
    #[inline]
    pub fn replace(&mut self, at: usize, stamp: Stamp, renew: impl FnOnce(&mut T)) {
        let entry = &mut self.entries[at];
        let (size, own) = (entry.item.size(), entry.item.own_bytes());
        renew(&mut entry.item);
        self.own_bytes = self.own_bytes - own + entry.item.own_bytes();
        self.bytes = self.bytes - size + entry.item.size();
        self.replacers += u64::from(entry.stamp.replaced == 0);
        let replaced = entry.stamp.replaced.saturating_add(stamp.replaced);
        entry.stamp = Stamp { replaced, ..stamp };
    }

    /// Takes the first items out: those of the first entry, at most `most`.
    #[inline]
    pub fn take_first(&mut self, most: usize) -> Option<(T, Stamp)> {
        let first = self.entries.front_mut()?;
        let stamp = first.stamp;
        if first.item.count() > most
            && let Some(item) = first.item.split(most)
        {
            let (count, size) = (most as u64, item.size());
            first.stamp.seq += count;
            first.place += count;
            first.before += size;
            self.first_place += count;
            self.bytes -= size;
            return Some((item, stamp));
        }
        self.take_entry().map(|entry| (entry.item, stamp))
    }

    #[inline]
    fn take_entry(&mut self) -> Option<Entry<T>> {
        let entry = self.entries.pop_front()?;
        self.first_place += entry.item.count() as u64;
        self.bytes -= entry.item.size();
        self.own_bytes -= entry.item.own_bytes();
        self.replacers -= u64::from(entry.stamp.replaced > 0);
        if let Some(keys) = &mut self.keys {
            keys.pop();
        }
        if self.entries.is_empty() && self.is_spacious() {
            self.settle();
        }
        Some(entry)
    }

    /// Whether it holds more memory than a line that has run empty should.
    #[inline]
    fn is_spacious(&self) -> bool {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.capacity());
        self.entries.capacity().max(self.gaps.capacity()).max(keys) > RETAINED
    }

    /// The line has run empty: the memory of a burst goes back.
    #[cold]
    #[inline(never)]
    fn settle(&mut self) {
        if self.entries.capacity() > RETAINED {
            self.entries = VecDeque::new();
        }
        self.gaps.settle();
        if self.keys.as_ref().is_some_and(|keys| keys.capacity() > RETAINED) {
            self.keys = None;
        }
    }

    /// Memory it holds that dropping it would give back.
    pub fn held_bytes(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry<T>>();
        let keys = self.keys.as_ref().map_or(0, |keys| keys.held_bytes());
        let garbage = self.garbage.as_ref().map_or(0, |garbage| garbage.held_bytes());
        entries + self.gaps.held_bytes() + keys + self.own_bytes + garbage
    }
}

#[cfg(all(test, not(floodway_loom)))]
mod tests;
