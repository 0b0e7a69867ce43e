//! Looking for many pieces of text at once, in time that does not depend on the text.
//!
//! The fastest ways to find a piece of text look for its rarest bytes and check what is round
//! them; a text made of nothing but such places makes them slow, and a query may look for thirty
//! pieces in 64 KiB. So all the pieces that a query looks for in a key's values are in one
//! automaton (Aho and Corasick), which takes one look-up for each byte, whatever is found. Several
//! parts of the text run through it side by side, because a look-up waits for the one before it.
//!
//! Short texts do not need it, and neither does a single piece whose rarest byte is rare in the
//! text: [`Searched`] tries that first, and gives up in time.

mod queue;

use std::cell::{Cell, OnceCell};

use memchr::memmem;

use crate::program::{Condition, Span, Test};
use crate::tags::Part;

pub(crate) use queue::Queue;

/// Parts of a text that are read side by side.
const LANES: usize = 4;
/// Entries of a table; more than any query of 512 bytes needs.
const ENTRIES_MAX: usize = 1 << 19;
/// The pieces that a query has bits for; any others are looked for one by one.
const NEEDLES_MAX: usize = 64;
/// Bytes of values that an evaluation may search without the automaton: at most three nanoseconds
/// each, and usually a twentieth of one.
const EASY_MAX: usize = 2 * 1024;
/// Events of which it is known what they contain; more are searched again for each `SAME EVENT`.
const SLOTS: usize = 256;

/// The pieces of text that a query looks for in the values of one key.
#[derive(Debug, Clone)]
pub(crate) struct Needles {
    key: Span,
    /// The bits of these pieces.
    bits: u64,
    /// What each byte is in a row of the table: 0, if it is in no piece.
    classes: Box<[u8; 256]>,
    /// For each state a row of entries: where the row of the next state begins.
    table: Box<[u32]>,
    /// A power of two. The rows of states in which pieces end are behind it, so that one bit of
    /// an entry says whether there is more to do, and nothing has to be taken off before the
    /// next look-up.
    found_from: u32,
    /// Entries of a row, as a power of two.
    row_log2: u32,
    /// The bits of the pieces that end in each of the states behind `found_from`.
    ending: Box<[u64]>,
    longest: usize,
    /// Where the rarest byte of the first piece is.
    rarest: usize,
}

/// Gives bits to the conditions with `CONTAINS`, and makes what finds them.
pub(crate) fn gather(conditions: &mut [Condition], text: &[u8]) -> Vec<Needles> {
    let mut all: Vec<Needles> = Vec::new();
    let mut next = 0;
    for at in 0..conditions.len() {
        let key = conditions[at].key;
        if all.iter().any(|done| done.key.of(text) == key.of(text)) {
            continue;
        }
        let mut pieces: Vec<(&[u8], u64)> = Vec::new();
        let first = next;
        for condition in conditions[at..].iter_mut().filter(|it| it.key.of(text) == key.of(text)) {
            if let Test::Contains(piece, bit) = &mut condition.test
                && !piece.is_empty()
                && next < NEEDLES_MAX
            {
                *bit = next as u8;
                pieces.push((piece.of(text), 1 << next));
                next += 1;
            }
        }
        // One of two bytes is found as fast as it can be, whatever the text.
        let is_simple = matches!(pieces[..], [] | [([_] | [_, _], _)]);
        let needles = if is_simple { None } else { Needles::new(key, &pieces) };
        match needles {
            Some(needles) => all.push(needles),
            None => {
                next = first;
                for condition in &mut conditions[at..] {
                    if let Test::Contains(_, bit) = &mut condition.test
                        && condition.key.of(text) == key.of(text)
                    {
                        *bit = Test::NO_BIT;
                    }
                }
            }
        }
    }
    all
}

impl Needles {
    /// Nothing if the table would be too large.
    fn new(key: Span, pieces: &[(&[u8], u64)]) -> Option<Needles> {
        let mut classes = Box::new([0; 256]);
        let mut class_count = 1_usize;
        for byte in pieces.iter().flat_map(|(piece, _)| *piece) {
            if classes[*byte as usize] == 0 {
                // No text has all the 256 bytes, so they do not run out.
                classes[*byte as usize] = class_count as u8;
                class_count += 1;
            }
        }
        let row_log2 = class_count.next_power_of_two().trailing_zeros();
        let lengths = pieces.iter().map(|(piece, _)| piece.len());
        let longest = lengths.clone().max().unwrap_or(0);
        // Of the one kind of rows and of the other, each up to a power of two.
        if (3 * lengths.sum::<usize>() + 3) << row_log2 > ENTRIES_MAX {
            return None;
        }
        let (trie, ending) = trie(pieces, &classes, row_log2);
        let (states, ending) = automaton(trie, ending, row_log2);
        let (table, found_from) = arranged(&states, &ending, row_log2);
        Some(Needles {
            key,
            bits: pieces.iter().fold(0, |bits, (_, bit)| bits | bit),
            classes,
            table: table.into(),
            found_from,
            row_log2,
            ending: ending.into_iter().filter(|bits| *bits != 0).collect(),
            longest,
            rarest: pieces.first().map_or(0, |(piece, _)| rarest(piece)),
        })
    }

    /// Whether one of the pieces has this bit.
    pub(crate) fn has(&self, bit: u8) -> bool {
        bit != Test::NO_BIT && self.bits >> bit & 1 == 1
    }

    /// Whether a value is read in parts. They overlap, so that nothing is cut: for short ones that
    /// would be most of the work.
    fn is_long(&self, value: &[u8]) -> bool {
        value.len().div_ceil(LANES) >= 4 * self.longest.max(8)
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of_val(&*self.classes) + size_of_val(&*self.table) + size_of_val(&*self.ending)
    }

    /// Which of the pieces are in a value, added to those found before.
    fn find(&self, value: &[u8], mut found: u64) -> u64 {
        let part = value.len().div_ceil(LANES);
        if !self.is_long(value) {
            self.run(&mut 0, value, &mut found);
            return found;
        }
        let (a, rest) = value.split_at(part);
        let (b, rest) = rest.split_at(part);
        let (c, d) = rest.split_at(part);
        let mut states = [0; LANES];
        let together = a.iter().zip(b).zip(c).zip(d);
        for (((a, b), c), d) in together {
            let [at_a, at_b, at_c, at_d] = states;
            states = [
                self.next(at_a, *a),
                self.next(at_b, *b),
                self.next(at_c, *c),
                self.next(at_d, *d),
            ];
            if states.iter().fold(0, |any, state| any | state) & self.found_from != 0 {
                found = states.iter().fold(found, |found, state| found | self.ending(*state));
                if found & self.bits == self.bits {
                    return found;
                }
            }
        }
        // The last part may be shorter, and the others end where what begins in them does.
        for (lane, mut state) in states.into_iter().enumerate().take(LANES - 1) {
            let from = lane * part + d.len();
            let to = (lane + 1) * part + self.longest - 1;
            self.run(&mut state, &value[from..to.min(value.len())], &mut found);
        }
        found
    }

    /// Whether the only piece is in a text, by its rarest byte. Nothing if that is not so rare in
    /// this text that it could be told in time.
    fn find_one(&self, text: &[u8], piece: &[u8]) -> Option<bool> {
        if self.bits.count_ones() > 1 {
            return None;
        }
        let Some(last) = text.len().checked_sub(piece.len()) else { return Some(false) };
        let places = &text[self.rarest..=self.rarest + last];
        // A place takes about as long as 64 bytes without one, and longer if the piece is long.
        let mut left = 4 + places.len() / 64;
        for start in memchr::memchr_iter(piece[self.rarest], places) {
            if text[start..].starts_with(piece) {
                return Some(true);
            }
            left = left.checked_sub(1 + piece.len() / 64)?;
        }
        Some(false)
    }

    fn run(&self, state: &mut u32, text: &[u8], found: &mut u64) {
        for byte in text {
            *state = self.next(*state, *byte);
            *found |= self.ending(*state);
        }
    }

    #[inline]
    fn next(&self, state: u32, byte: u8) -> u32 {
        self.table[state as usize + self.classes[byte as usize] as usize]
    }

    /// The bits of the pieces that end here.
    #[inline]
    fn ending(&self, state: u32) -> u64 {
        match state.checked_sub(self.found_from) {
            Some(behind) => self.ending[(behind >> self.row_log2) as usize],
            None => 0,
        }
    }
}

const NONE: u32 = u32::MAX;

/// Rows of states by what follows, as far as the pieces go, and what ends in each.
fn trie(pieces: &[(&[u8], u64)], classes: &[u8; 256], row_log2: u32) -> (Vec<u32>, Vec<u64>) {
    let mut table = vec![NONE; 1 << row_log2];
    let mut ending = vec![0];
    for (piece, bit) in pieces {
        let mut state = 0;
        for byte in *piece {
            let entry = (state << row_log2) + classes[*byte as usize] as usize;
            if table[entry] == NONE {
                table[entry] = ending.len() as u32;
                table.resize(table.len() + (1 << row_log2), NONE);
                ending.push(0);
            }
            state = table[entry] as usize;
        }
        ending[state] |= bit;
    }
    (table, ending)
}

/// Fills in what is missing: from there on as from the longest end of it that is a beginning.
fn automaton(mut table: Vec<u32>, mut ending: Vec<u64>, row_log2: u32) -> (Vec<u32>, Vec<u64>) {
    let row = 1_usize << row_log2;
    let mut falls_to = vec![0_usize; ending.len()];
    let mut queue = vec![0_usize];
    let mut at = 0;
    // In order of length, so that where a state falls to is complete.
    while let Some(&state) = queue.get(at) {
        at += 1;
        for class in 0..row {
            let fallen = if state == 0 { 0 } else { table[falls_to[state] * row + class] };
            let entry = &mut table[state * row + class];
            if *entry == NONE {
                *entry = fallen;
                continue;
            }
            let below = *entry as usize;
            falls_to[below] = fallen as usize;
            ending[below] |= ending[fallen as usize];
            queue.push(below);
        }
    }
    (table, ending)
}

/// The table with the rows in which pieces end behind a power of two, and that power.
fn arranged(states: &[u32], ending: &[u64], row_log2: u32) -> (Vec<u32>, u32) {
    let without = ending.iter().filter(|bits| **bits == 0).count();
    // At least as much as is behind it, too: else the bit would be lost by carrying.
    let most = without.max(ending.len() - without);
    let found_from = (most << row_log2).next_power_of_two();
    let (mut quiet, mut loud) = (0, found_from);
    let places: Vec<u32> = ending
        .iter()
        .map(|bits| {
            let next = if *bits == 0 { &mut quiet } else { &mut loud };
            let place = *next;
            *next += 1 << row_log2;
            place as u32
        })
        .collect();
    let mut table = vec![0; loud];
    for (row, place) in states.chunks(1 << row_log2).zip(&places) {
        for (entry, state) in table[*place as usize..].iter_mut().zip(row) {
            *entry = places[*state as usize];
        }
    }
    (table, found_from as u32)
}

/// What is frequent in texts, the most frequent first.
const FREQUENT: &[u8] = b" etaonirshldcumfpgwybv0.1,2-k:/\"";

/// Where the byte of a piece is that is probably the rarest in texts.
fn rarest(piece: &[u8]) -> usize {
    let rank = |byte: u8| FREQUENT.iter().rev().position(|it| *it == byte).map_or(0, |at| at + 1);
    (0..piece.len()).min_by_key(|at| rank(piece[*at])).unwrap_or(0)
}

/// What one evaluation of a query has found out about a message's values.
pub(crate) struct Searched {
    whole: [Cell<Slot>; 2],
    /// Of single events, for `SAME EVENT`.
    events: OnceCell<[Cell<Slot>; SLOTS]>,
    /// Bytes that may still be searched without the automaton.
    easy: Cell<usize>,
}

/// Which tags of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Those of one event, or all.
    pub(crate) event: Option<usize>,
    /// Those that its source has supplied, or those that were known before.
    pub(crate) supplied: bool,
}

/// What is known of some tags.
#[derive(Clone, Copy)]
struct Slot {
    place: Place,
    /// The bits of the pieces that were looked for.
    known: u64,
    /// The bits of those that are there.
    found: u64,
}

impl Searched {
    pub(crate) fn new() -> Searched {
        let whole = [const { Cell::new(Slot::NONE) }; 2];
        Searched { whole, events: OnceCell::new(), easy: Cell::new(EASY_MAX) }
    }

    /// Whether a value of a key has a piece in it, among the tags of a place.
    pub(crate) fn contains(
        &self,
        (place, tags): (Place, &Part<'_, '_>),
        key: (u32, &[u8]),
        needles: &Needles,
        (piece, bit): (&[u8], u8),
    ) -> bool {
        let slot = self.slot(place);
        let mut known = slot.get();
        if known.place != place {
            known = Slot { place, ..Slot::NONE };
        }
        if known.known & needles.bits == 0 {
            let mut given_up = false;
            let found = tags.any_value(key, |value| {
                let found = match self.is_easy(value.bytes) {
                    true => Some(memmem::find(value.bytes, piece).is_some()),
                    false => needles.find_one(value.bytes, piece),
                };
                given_up = found.is_none();
                found != Some(false)
            });
            if !given_up {
                return found;
            }
            let _all_found = tags.any_value(key, |value| {
                known.found = needles.find(value.bytes, known.found);
                known.found & needles.bits == needles.bits
            });
            known.known |= needles.bits;
            slot.set(known);
        }
        known.found >> bit & 1 == 1
    }

    fn slot(&self, place: Place) -> &Cell<Slot> {
        let number = usize::from(place.supplied);
        match place.event {
            None => &self.whole[number],
            Some(event) => {
                let slots = self.events.get_or_init(|| [const { Cell::new(Slot::NONE) }; SLOTS]);
                &slots[(event + number * (SLOTS / 2)) % SLOTS]
            }
        }
    }

    fn is_easy(&self, value: &[u8]) -> bool {
        // A value costs something even if it is short.
        let left = self.easy.get().checked_sub(value.len() + 4);
        self.easy.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl Slot {
    const NONE: Slot = Slot { place: Place { event: None, supplied: false }, known: 0, found: 0 };
}

#[cfg(test)]
mod tests;
