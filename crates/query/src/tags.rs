//! How a query sees a message: a map from keys to any number of values, in events.
//!
//! A key is split at its last dot into an event type and an attribute. Tags are kept in columns,
//! hashes apart from the text, so that looking for a key reads four bytes a tag and most of the
//! text is never touched.

mod equal;
mod events;

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use crate::hash;
use crate::number::Long;

pub(crate) use equal::equal;
pub(crate) use events::{Event, Events};

/// The tags of one message, which borrow their text from it.
///
/// It takes [`Tags::MOST`] of them; more are not seen, and [counted](Tags::dropped).
///
/// # Examples
///
/// ```
/// use floodway_query::{Query, Tags};
///
/// let mut tags = Tags::new();
/// tags.push("transfer.sender", "ann");
/// tags.push("transfer.amount", "5");
/// tags.next_event();
/// tags.push("transfer.sender", "bob");
/// tags.push("transfer.amount", "7");
///
/// let any: Query = "transfer.sender = 'ann' AND transfer.amount = 7".parse()?;
/// assert!(any.matches(&tags), "conditions may be met by different events");
/// let same: Query = "SAME EVENT (transfer.sender = 'ann' AND transfer.amount = 7)".parse()?;
/// assert!(!same.matches(&tags));
/// # Ok::<(), floodway_query::ParseError>(())
/// ```
#[derive(Default)]
pub struct Tags<'a> {
    /// The hash of each tag's key; of what cannot be asked for by key, zero.
    keys: Vec<u32>,
    /// The hash of each tag's event type; zero without a dot.
    types: Vec<u32>,
    /// The hash of each tag's key and value; zero without a value.
    pairs: Vec<u32>,
    entries: Vec<Entry<'a>>,
    events: Events,
    /// The long numbers that values begin with.
    numbers: Vec<Long<'a>>,
    /// Bytes of all values.
    text: u32,
    /// How many tags the message has before these.
    before: usize,
    /// How many were not taken in.
    dropped: u64,
    source: Option<&'a dyn Source>,
    supplied: OnceCell<Box<Tags<'a>>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    key: &'a [u8],
    /// A key may be there with an empty list of values.
    value: Option<&'a [u8]>,
    /// Where the last dot of the key is, if it has one.
    dot: Option<u32>,
    /// Bytes of all values up to this one and with it.
    text_end: u32,
    /// Where its long number is among those of the message; behind them if it has none.
    number: u32,
}

/// Of a value that has no long number.
const NO_NUMBER: u32 = u32::MAX;

/// Tags that cost something to have, such as those inside a payload.
///
/// It is asked for them at most once per message, and only if the answer depends on them.
pub trait Source {
    /// The keys its tags may have, all of them. A query about none of them, nor about the event
    /// type of one, never asks for more.
    fn keys(&self) -> &[Box<str>];

    /// Adds its tags. Those of its first event join the first event of the message.
    fn supply<'s>(&'s self, tags: &mut Tags<'s>);
}

impl<'a> Tags<'a> {
    /// The tags of a message that queries look at, those of a source behind its own: 512. What
    /// any of them costs is bounded by that, and a hundred are many for a message.
    pub const MOST: usize = 512;

    /// No tags.
    #[must_use]
    pub fn new() -> Tags<'a> {
        Tags::default()
    }

    /// Adds a value of a key to the current event. A key may have any number of them.
    #[inline]
    pub fn push<K, V>(&mut self, key: &'a K, value: &'a V)
    where
        K: AsRef<[u8]> + ?Sized,
        V: AsRef<[u8]> + ?Sized,
    {
        self.add(key.as_ref(), Some(value.as_ref()));
    }

    /// Adds a key without a value to the current event: its event type is there, and no condition
    /// on the key itself is met.
    pub fn push_empty<K: AsRef<[u8]> + ?Sized>(&mut self, key: &'a K) {
        self.add(key.as_ref(), None);
    }

    fn add(&mut self, key: &'a [u8], value: Option<&'a [u8]>) {
        if self.before + self.entries.len() >= Tags::MOST {
            self.dropped += 1;
            return;
        }
        let dot = memchr::memrchr(b'.', key).map(|at| at as u32);
        let key_hash = hash::of_key(key);
        self.keys.push(if value.is_some() { key_hash } else { 0 });
        self.types.push(dot.map_or(0, |dot| hash::of_key(&key[..dot as usize])));
        self.pairs.push(value.map_or(0, |value| hash::of_pair(key_hash, value)));
        let mut number = NO_NUMBER;
        if let Some(long) = value.and_then(Long::read) {
            number = self.numbers.len() as u32;
            self.numbers.push(long);
        }
        let text_end = self.text.saturating_add(value.map_or(0, <[u8]>::len) as u32);
        self.text = text_end;
        self.entries.push(Entry { key, value, dot, text_end, number });
        self.events.grow(self.entries.len() as u32);
    }

    /// What is added from here on belongs to another event.
    pub fn next_event(&mut self) {
        self.events.next();
    }

    /// Where there are more tags, for who needs them.
    pub fn set_source(&mut self, source: &'a dyn Source) {
        self.source = Some(source);
        self.supplied = OnceCell::new();
    }

    /// The number of tags, without those of a source.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none, without those of a source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many tags were beyond [`Tags::MOST`], and so are not seen; those of a source with them
    /// if it was asked.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.supplied().map_or(0, |tags| tags.dropped)
    }

    /// No tags, in the memory of these.
    #[must_use]
    pub fn recycle<'b>(mut self) -> Tags<'b> {
        for column in [&mut self.keys, &mut self.types, &mut self.pairs] {
            column.clear();
        }
        self.entries.clear();
        // An empty vector has nothing that lives too short; collecting in place keeps its memory.
        let nothing = Entry { key: &[], value: None, dot: None, text_end: 0, number: NO_NUMBER };
        let entries = self.entries.into_iter().map(|_| nothing).collect();
        Tags {
            keys: self.keys,
            types: self.types,
            pairs: self.pairs,
            entries,
            events: self.events.cleared(),
            numbers: Vec::new(),
            text: 0,
            before: 0,
            dropped: 0,
            source: None,
            supplied: OnceCell::new(),
        }
    }

    /// The source, if it has not been asked yet.
    #[inline]
    pub(crate) fn pending(&self) -> Option<&'a dyn Source> {
        match self.supplied.get() {
            None => self.source,
            Some(_) => None,
        }
    }

    /// What the source has supplied, if it was asked.
    #[inline]
    pub(crate) fn supplied(&self) -> Option<&Tags<'a>> {
        // A message without a source is the usual case, and need not look at the cell.
        self.source?;
        self.supplied.get().map(|tags| &**tags)
    }

    /// Asks the source, unless it has been asked before.
    pub(crate) fn demand(&self) {
        if let Some(source) = self.source {
            self.supplied.get_or_init(|| {
                let (text, before) = (self.text, self.len());
                let mut tags = Tags { text, before, ..Tags::new() };
                source.supply(&mut tags);
                Box::new(tags)
            });
        }
    }

    /// Whether a value begins with a long number.
    #[inline]
    pub(crate) fn has_long_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Whether it has a source, asked or not.
    #[inline]
    pub(crate) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// All of them.
    #[inline]
    pub(crate) fn whole(&self) -> Part<'_, 'a> {
        let Tags { keys, types, pairs, entries, numbers, .. } = self;
        Part { keys, types, pairs, entries, numbers }
    }

    #[inline]
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Those at these places.
    pub(crate) fn part(&self, places: Range<usize>) -> Part<'_, 'a> {
        Part {
            keys: &self.keys[places.clone()],
            types: &self.types[places.clone()],
            pairs: &self.pairs[places.clone()],
            entries: &self.entries[places],
            numbers: &self.numbers,
        }
    }

    /// The hashes of a tag's key, if it has a value, and of its event type, if it has one; else
    /// they are zero.
    #[inline]
    pub(crate) fn hashes(&self, at: usize) -> (u32, u32) {
        (self.keys[at], self.types[at])
    }

    /// The key of a tag, and its value.
    #[inline]
    pub(crate) fn entry(&self, at: usize) -> (&'a [u8], Option<Value<'_, 'a>>) {
        let Entry { key, value, text_end, number, .. } = self.entries[at];
        (key, value.map(|bytes| Value { bytes, text_end, number, numbers: &self.numbers }))
    }

    /// The event type of a tag.
    pub(crate) fn kind(&self, at: usize) -> Option<&'a [u8]> {
        self.entries[at].kind()
    }

    /// Each tag's key and its hash, if it has a value, and its event type and its hash, if it has.
    pub(crate) fn keys_and_types(&self) -> impl Iterator<Item = (Named<'a>, Named<'a>)> {
        self.entries.iter().zip(&self.keys).zip(&self.types).map(|((entry, key), kind)| {
            let name = entry.value.is_some().then_some((*key, entry.key));
            (name, entry.kind().map(|name| (*kind, name)))
        })
    }

    /// The hash of key and value of a tag.
    #[inline]
    pub(crate) fn pair(&self, at: usize) -> u32 {
        self.pairs[at]
    }

    /// The value of a tag.
    #[inline]
    pub(crate) fn value(&self, at: usize) -> Option<&'a [u8]> {
        self.entries[at].value
    }
}

/// Tags of a message that stand in a row: all of them, or those of an event.
#[derive(Clone, Copy)]
pub(crate) struct Part<'t, 'a> {
    keys: &'t [u32],
    types: &'t [u32],
    pairs: &'t [u32],
    entries: &'t [Entry<'a>],
    /// Those of the whole message.
    numbers: &'t [Long<'a>],
}

impl<'a> Part<'_, 'a> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a value of this key begins with a long number.
    #[inline]
    pub(crate) fn any_long_number(&self, named: (u32, &[u8])) -> bool {
        // Most messages have none at all.
        !self.numbers.is_empty() && self.any_value(named, |value| value.long().is_some())
    }

    /// Bytes of all values.
    #[inline]
    pub(crate) fn text(&self) -> usize {
        match self.entries {
            [] => 0,
            [first, .., last] => (last.text_end - first.text_end) as usize + first.length(),
            [only] => only.length(),
        }
    }

    /// Whether a tag has this key and a value of which `test` is true.
    #[inline]
    pub(crate) fn any_value(
        &self,
        (hash, key): (u32, &[u8]),
        mut test: impl FnMut(Value<'_, 'a>) -> bool,
    ) -> bool {
        let mut from = 0;
        while let Some(at) = position(self.keys, from, hash) {
            if let Some(entry) = self.entries.get(at)
                && let Some(bytes) = entry.value
                && equal(entry.key, key)
                && test(Value {
                    bytes,
                    text_end: entry.text_end,
                    number: entry.number,
                    numbers: self.numbers,
                })
            {
                return true;
            }
            from = at + 1;
        }
        false
    }

    /// Whether a tag has this key and this value.
    #[inline]
    pub(crate) fn has(&self, pair: u32, key: &[u8], value: &[u8]) -> bool {
        let mut from = 0;
        while let Some(at) = position(self.pairs, from, pair) {
            if let Some(entry) = self.entries.get(at)
                && entry.value.is_some_and(|it| equal(it, value))
                && equal(entry.key, key)
            {
                return true;
            }
            from = at + 1;
        }
        false
    }

    /// Whether a tag has this event type.
    #[inline]
    pub(crate) fn has_type(&self, (hash, kind): (u32, &[u8])) -> bool {
        let mut from = 0;
        while let Some(at) = position(self.types, from, hash) {
            if self.entries.get(at).is_some_and(|entry| entry.kind() == Some(kind)) {
                return true;
            }
            from = at + 1;
        }
        false
    }
}

/// A value of a tag.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t, 'a> {
    pub(crate) bytes: &'a [u8],
    /// How many bytes of values there are up to this one and with it.
    pub(crate) text_end: u32,
    number: u32,
    /// Those of the whole message.
    numbers: &'t [Long<'a>],
}

impl<'a> Value<'_, 'a> {
    /// The number it begins with, if it is long.
    #[inline]
    pub(crate) fn long(&self) -> Option<&Long<'a>> {
        self.numbers.get(self.number as usize)
    }
}

/// A name and its hash.
pub(crate) type Named<'a> = Option<(u32, &'a [u8])>;

impl<'a> Entry<'a> {
    /// Bytes of the value.
    fn length(&self) -> usize {
        self.value.map_or(0, <[u8]>::len)
    }

    /// The event type.
    #[inline]
    fn kind(&self) -> Option<&'a [u8]> {
        self.dot.map(|dot| &self.key[..dot as usize])
    }
}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |entry: &Entry<'_>| {
            let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (lossy(entry.key), entry.value.map(lossy))
        };
        let events = self.events.joined(None).map(|event| event.places(false));
        let events = events.map(|places| self.entries[places].iter().map(text).collect::<Vec<_>>());
        f.debug_list().entries(events).finish()
    }
}

/// As many hashes are compared at a time, in a few instructions: a message of 64 KiB may have
/// thousands of tags.
const BLOCK: usize = 16;

/// Where `wanted` is, from `from` on.
#[inline]
fn position(hashes: &[u32], from: usize, wanted: u32) -> Option<usize> {
    // Of a key with many values the next one is most often where the last one was.
    if hashes.get(from) == Some(&wanted) {
        return Some(from);
    }
    if hashes.len() < BLOCK {
        let mut at = from;
        while at < hashes.len() {
            if hashes[at] == wanted {
                return Some(at);
            }
            at += 1;
        }
        return None;
    }
    position_in_many(hashes, from, wanted)
}

#[inline(never)]
fn position_in_many(hashes: &[u32], from: usize, wanted: u32) -> Option<usize> {
    let mut at = from;
    for block in hashes.get(from..)?.chunks_exact(BLOCK) {
        if block.iter().fold(false, |any, hash| any | (*hash == wanted)) {
            break;
        }
        at += BLOCK;
    }
    hashes[at..].iter().position(|hash| *hash == wanted).map(|found| at + found)
}
