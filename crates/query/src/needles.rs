//! Looking for many pieces of text at once, in time that does not depend on the text.
//!
//! The fastest ways to find a piece of text look for its rarest bytes and check what is round
//! them; a text made of nothing but such places makes them slow, and a query may look for thirty
//! pieces in 64 KiB. So all the pieces that a query looks for are in one automaton (Aho and
//! Corasick), which takes one look-up for each byte, whatever is found: an entry of its table says
//! which state is next, and which pieces end there. Several texts, or several parts of a long one,
//! run through it side by side ([`Search`]), because a look-up waits for the one before it.
//!
//! Short texts do not need it, and neither does a single piece whose rarest byte is rare in the
//! text: that is tried first, and given up in time.

mod search;

use crate::program::{Condition, Test};

pub(crate) use search::Search;

/// Entries of a table, of eight bytes each. A query of 512 bytes has at most 500 states, and fewer
/// than 250 classes of bytes.
const ENTRIES_MAX: usize = 1 << 17;
/// The pieces that an entry has bits for; any others are looked for one by one. A query of 512
/// bytes has 30.
const PIECES_MAX: usize = 32;
/// Where those bits begin in an entry.
const FOUND: u32 = 32;

/// The pieces of text that a query looks for, of all keys.
#[derive(Debug, Clone)]
pub(crate) struct Needles {
    /// What each byte is in a row of the table: 0, if it is in no piece.
    classes: Box<[u8; 256]>,
    /// For each state a row of entries: where the row of the next state begins, and above
    /// [`FOUND`] the bits of the pieces that end there.
    table: Box<[u64]>,
    longest: usize,
    /// The only piece, if there is no other.
    single: Option<Single>,
}

/// A piece that is looked for by its rarest byte.
#[derive(Debug, Clone)]
struct Single {
    piece: Box<[u8]>,
    /// Where that byte is.
    rarest: usize,
}

/// Gives bits to the conditions with `CONTAINS`, and makes what finds them. Nothing if the table
/// would be too large.
pub(crate) fn gather(conditions: &mut [Condition], text: &[u8]) -> Option<Needles> {
    let is_piece = |condition: &&mut Condition| match condition.test {
        Test::Contains(piece, _) => !piece.is_empty(),
        _ => false,
    };
    let mut pieces: Vec<&[u8]> = Vec::new();
    for condition in conditions.iter_mut().filter(is_piece).take(PIECES_MAX) {
        if let Test::Contains(piece, bit) = &mut condition.test {
            *bit = pieces.len() as u8;
            pieces.push(piece.of(text));
        }
    }
    let needles = if pieces.is_empty() { None } else { Needles::new(&pieces) };
    if needles.is_none() {
        for condition in conditions {
            if let Test::Contains(_, bit) = &mut condition.test {
                *bit = Test::NO_BIT;
            }
        }
    }
    needles
}

impl Needles {
    /// Nothing if the table would be too large.
    fn new(pieces: &[&[u8]]) -> Option<Needles> {
        let mut classes = Box::new([0; 256]);
        let mut row = 1_usize;
        for byte in pieces.iter().copied().flatten() {
            if classes[*byte as usize] == 0 {
                // No text has all the 256 bytes, so they do not run out.
                classes[*byte as usize] = row as u8;
                row += 1;
            }
        }
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if (length + 1) * row > ENTRIES_MAX {
            return None;
        }
        let (trie, ending) = trie(pieces, &classes, row);
        let (states, ending) = automaton(trie, ending, row);
        let entry = |state: &u32| {
            let at = *state as usize;
            (at * row) as u64 | u64::from(ending[at]) << FOUND
        };
        let single = |piece: &[u8]| Single { piece: piece.into(), rarest: rarest(piece) };
        Some(Needles {
            classes,
            table: states.iter().map(entry).collect(),
            longest: pieces.iter().map(|piece| piece.len()).max().unwrap_or(0),
            single: if let [piece] = pieces { Some(single(piece)) } else { None },
        })
    }

    /// Bytes of memory it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        let single = self.single.as_ref().map_or(0, |single| single.piece.len());
        size_of::<Needles>() + size_of_val(&*self.classes) + size_of_val(&*self.table) + single
    }

    /// The entry that a byte leads to from another.
    #[inline]
    fn next(&self, entry: u64, byte: u8) -> u64 {
        // In 32 bits, which leave the pieces behind.
        self.table[(entry as u32 + u32::from(self.classes[byte as usize])) as usize]
    }
}

impl Single {
    /// Whether it is in a text. Nothing if its rarest byte is not so rare in this text that it
    /// could be told in time; a place with that byte takes one from `places`.
    fn find(&self, text: &[u8], places: &mut usize) -> Option<bool> {
        let Some(last) = text.len().checked_sub(self.piece.len()) else { return Some(false) };
        let range = &text[self.rarest..=self.rarest + last];
        for start in memchr::memchr_iter(self.piece[self.rarest], range) {
            if text[start..].starts_with(&self.piece) {
                return Some(true);
            }
            *places = places.checked_sub(1 + self.piece.len() / 64)?;
        }
        Some(false)
    }
}

const NONE: u32 = u32::MAX;

/// Rows of states by what follows, as far as the pieces go, and what ends in each.
fn trie(pieces: &[&[u8]], classes: &[u8; 256], row: usize) -> (Vec<u32>, Vec<u32>) {
    let mut table = vec![NONE; row];
    let mut ending = vec![0];
    for (bit, piece) in pieces.iter().enumerate() {
        let mut state = 0;
        for byte in *piece {
            let entry = state * row + classes[*byte as usize] as usize;
            if table[entry] == NONE {
                table[entry] = ending.len() as u32;
                table.resize(table.len() + row, NONE);
                ending.push(0);
            }
            state = table[entry] as usize;
        }
        ending[state] |= 1 << bit;
    }
    (table, ending)
}

/// Fills in what is missing: from there on as from the longest end of it that is a beginning.
fn automaton(mut table: Vec<u32>, mut ending: Vec<u32>, row: usize) -> (Vec<u32>, Vec<u32>) {
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

/// What is frequent in texts, the most frequent first.
const FREQUENT: &[u8] = b" etaonirshldcumfpgwybv0.1,2-k:/\"";

/// Where the byte of a piece is that is probably the rarest in texts.
fn rarest(piece: &[u8]) -> usize {
    let rank = |byte: u8| FREQUENT.iter().rev().position(|it| *it == byte).map_or(0, |at| at + 1);
    (0..piece.len()).min_by_key(|at| rank(piece[*at])).unwrap_or(0)
}

#[cfg(test)]
mod tests;
