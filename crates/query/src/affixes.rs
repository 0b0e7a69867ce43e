//! Which of many beginnings, or ends, a value has, by one walk along it.
//!
//! The pieces form a tree, of which each node has a heaviest branch: the one with most pieces.
//! Nodes along heaviest branches make a *path*, whose text is compared in words. Where a value
//! leaves it, a table says which pieces it has had so far, and where other paths branch off. Each
//! of those has at most half of the pieces, so there are few on the way of any value: five of
//! thirty pieces.

/// At which side of a value the pieces are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Start,
    End,
}

/// Pieces that values may begin or end with.
#[derive(Debug, Clone)]
pub(crate) struct Affixes {
    side: Side,
    paths: Vec<Path>,
    /// The texts of all paths.
    text: Vec<u8>,
    /// Of each path, by how much of it a value has.
    stops: Vec<Stop>,
    /// The bytes that paths branch off with.
    bytes: Vec<u8>,
    /// And the paths.
    branches: Vec<u16>,
    /// For each piece, from 1, the longest other one that it has itself; or 0.
    within: Vec<u16>,
}

/// A row of nodes.
#[derive(Debug, Clone, Default)]
struct Path {
    /// Where its text is, and behind it.
    start: u32,
    end: u32,
    /// The first of its stops: as many as bytes of the text, and one more.
    stops: u32,
}

/// A node.
#[derive(Debug, Clone)]
struct Stop {
    /// The longest piece that ends here or before.
    piece: u16,
    /// The paths that branch off.
    start: u16,
    end: u16,
}

/// A piece as it is read, and its number.
type Piece = (Vec<u8>, u16);

impl Affixes {
    /// The pieces are numbered from 1 in the order of `pieces`, which must be distinct, and none
    /// before one that it has itself.
    pub(crate) fn new(side: Side, pieces: &[&[u8]]) -> Affixes {
        let mut affixes = Affixes {
            side,
            paths: Vec::new(),
            text: Vec::new(),
            stops: Vec::new(),
            bytes: Vec::new(),
            branches: Vec::new(),
            within: vec![0; pieces.len() + 1],
        };
        let read = |piece: &[u8]| match side {
            Side::Start => piece.to_vec(),
            Side::End => piece.iter().rev().copied().collect(),
        };
        let mut pieces: Vec<Piece> =
            pieces.iter().zip(1..).map(|(piece, number)| (read(piece), number)).collect();
        pieces.sort();
        affixes.path(&pieces, 0, 0);
        affixes
    }

    /// The longest piece that a value has, by its number; 0 if it has none.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> u16 {
        let (mut path, mut rest) = (&self.paths[0], value);
        loop {
            let text = &self.text[path.start as usize..path.end as usize];
            let length = match self.side {
                Side::Start => same_at_start(rest, text),
                Side::End => same_at_end(rest, text),
            };
            let stop = &self.stops[path.stops as usize + length];
            if stop.start == stop.end {
                return stop.piece;
            }
            let next = match self.side {
                Side::Start => rest[length..].split_first(),
                Side::End => rest[..rest.len() - length].split_last(),
            };
            let bytes = &self.bytes[stop.start as usize..stop.end as usize];
            let Some((byte, behind)) = next else { return stop.piece };
            let Some(at) = bytes.iter().position(|it| it == byte) else { return stop.piece };
            path = &self.paths[self.branches[stop.start as usize + at] as usize];
            rest = behind;
        }
    }

    /// For each piece, from the last, the longest other one that it has itself, if there is one.
    pub(crate) fn within(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = self.within.iter().enumerate().rev();
        all.map(|(piece, within)| (piece, usize::from(*within))).filter(|(_, within)| *within > 0)
    }

    /// Bytes of memory it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Affixes>()
            + size_of_val(&*self.paths)
            + size_of_val(&*self.text)
            + size_of_val(&*self.stops)
            + size_of_val(&*self.bytes)
            + size_of_val(&*self.branches)
            + size_of_val(&*self.within)
    }

    /// Adds the path of pieces, in order, that have the same first bytes, and those that branch
    /// off; returns its number. `last` is the longest piece among those bytes.
    fn path(&mut self, mut pieces: &[Piece], mut depth: usize, mut last: u16) -> u16 {
        let number = self.paths.len();
        self.paths.push(Path::default());
        let (mut text, mut stops) = (Vec::new(), Vec::new());
        loop {
            if let Some(((piece, number), rest)) = pieces.split_first()
                && piece.len() == depth
            {
                self.within[usize::from(*number)] = last;
                last = *number;
                pieces = rest;
            }
            let groups = || pieces.chunk_by(|a, b| a.0[depth] == b.0[depth]);
            let heaviest = groups().max_by_key(|group| group.len());
            let byte = |group: &[Piece]| group.first().map(|piece| piece.0[depth]);
            let others = groups().filter(|group| Some(byte(group)) != heaviest.map(byte));
            let others: Vec<(u8, u16)> = others
                .filter_map(|group| Some((byte(group)?, self.path(group, depth + 1, last))))
                .collect();
            let start = self.bytes.len() as u16;
            self.bytes.extend(others.iter().map(|(byte, _)| byte));
            self.branches.extend(others.iter().map(|(_, path)| path));
            stops.push(Stop { piece: last, start, end: self.bytes.len() as u16 });
            let Some(group) = heaviest else { break };
            text.extend(byte(group));
            (pieces, depth) = (group, depth + 1);
        }
        if self.side == Side::End {
            text.reverse();
        }
        let (start, first) = (self.text.len() as u32, self.stops.len() as u32);
        self.text.append(&mut text);
        self.stops.append(&mut stops);
        self.paths[number] = Path { start, end: self.text.len() as u32, stops: first };
        number as u16
    }
}

/// How many bytes two texts have in common at their start.
#[inline]
fn same_at_start(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    for (at, (a, b)) in words.enumerate() {
        let differ = word(a.first_chunk()) ^ word(b.first_chunk());
        if differ != 0 {
            return 8 * at + differ.trailing_zeros() as usize / 8;
        }
    }
    // The last word may overlap the one before, which is the same.
    let (differ, from) = match length {
        8.. => (word(a.last_chunk()) ^ word(b.last_chunk()), length - 8),
        _ => (short(a) ^ short(b), 0),
    };
    if differ == 0 { length } else { from + differ.trailing_zeros() as usize / 8 }
}

/// How many bytes two texts have in common at their end.
#[inline]
fn same_at_end(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    let (a, b) = (&a[a.len() - length..], &b[b.len() - length..]);
    let words = a.rchunks_exact(8).zip(b.rchunks_exact(8));
    for (at, (a, b)) in words.enumerate() {
        let differ = word(a.first_chunk()) ^ word(b.first_chunk());
        if differ != 0 {
            return 8 * at + differ.leading_zeros() as usize / 8;
        }
    }
    let (differ, from) = match length {
        8.. => (word(a.first_chunk()) ^ word(b.first_chunk()), length - 8),
        0 => return 0,
        _ => ((short(a) ^ short(b)) << (8 * (8 - length)), 0),
    };
    if differ == 0 { length } else { from + differ.leading_zeros() as usize / 8 }
}

#[inline]
fn word(text: Option<&[u8; 8]>) -> u64 {
    text.map_or(0, |text| u64::from_le_bytes(*text))
}

/// Less than a word.
#[inline]
fn short(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let half = |text: &[u8; 4]| u64::from(u32::from_le_bytes(*text));
        return half(first) | half(last) << (8 * (length - 4));
    }
    match text {
        [] => 0,
        [first, .., last] => {
            let middle = u64::from(text[length / 2]) << (8 * (length / 2));
            u64::from(*first) | middle | u64::from(*last) << (8 * (length - 1))
        }
        [only] => u64::from(*only),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8192))]

        // checklist: C3
        #[test]
        fn it_finds_the_pieces_of_a_value(
            pieces in btree_set("[ab]{0,6}|a{0,12}[abc]{0,4}|[ab]{0,3}c{8,20}[ab]{0,9}", 1..30),
            values in vec("[abc]{0,9}|a{0,13}[abc]{0,5}|[ab]{0,3}c{7,21}[ab]{0,10}|.{0,3}", 1..20),
        ) {
            // In this order none stands before one that it has.
            let mut pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            pieces.sort_by_key(|piece| piece.len());
            let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            let values = values.iter().map(String::as_str).chain(pieces.iter().copied());
            for value in values {
                for side in [Side::Start, Side::End] {
                    let affixes = Affixes::new(side, &bytes);
                    let mut found = vec![false; pieces.len() + 1];
                    found[usize::from(affixes.find(value.as_bytes()))] = true;
                    affixes.within().for_each(|(piece, within)| found[within] |= found[piece]);
                    for (piece, found) in pieces.iter().zip(&found[1..]) {
                        let has = match side {
                            Side::Start => value.starts_with(piece),
                            Side::End => value.ends_with(piece),
                        };
                        prop_assert_eq!(has, *found, "{} {} {:?}", value, piece, side);
                    }
                }
            }
        }
    }
}
