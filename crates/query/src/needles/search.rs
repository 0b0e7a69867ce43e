//! Values that are searched side by side.
//!
//! A look-up in a table waits for the one before it, so a value alone takes several times as long
//! as it must. Values wait until there are many. Then they are sorted by length, so that those
//! that are read together end together, and need no look at which of them has ended.

use super::{FOUND, Needles};

/// Texts that are read side by side: as many as registers hold what belongs to them.
const LANES: usize = 4;
/// Texts that wait. With those that are left over at the end some lanes are empty, so more is
/// better.
const ROOM: usize = 64;
/// Eight times as much is worth dividing, as others are read beside it.
const LONG: usize = 128;
/// Bytes of each that are read at a time.
const BLOCK: usize = 16;
/// In no piece, as it is in no text in UTF-8.
const FILLER: u8 = 0xFF;

/// The pieces that are looked for in values, and those that were found in each event.
pub(crate) struct Search<'v> {
    texts: [Text<'v>; ROOM],
    length: usize,
    /// By events, as bits of the pieces.
    found: [u32; 64],
    /// Places that may still be looked at for a single piece, before that takes longer than to
    /// read everything.
    places: usize,
}

/// A value that waits, or a part of it.
#[derive(Clone, Copy)]
struct Text<'v> {
    bytes: &'v [u8],
    event: u8,
    /// The bits of the pieces that are looked for.
    wanted: u32,
}

impl<'v> Search<'v> {
    pub(crate) fn new() -> Search<'v> {
        let none = Text { bytes: &[], event: 0, wanted: 0 };
        Search { texts: [none; ROOM], length: 0, found: [0; 64], places: ROOM }
    }

    /// Adds a value of one of 64 events.
    #[inline]
    pub(crate) fn push(&mut self, needles: &Needles, event: usize, wanted: u32, value: &'v [u8]) {
        if self.found[event] & wanted == wanted {
            return;
        }
        if let Some(single) = &needles.single {
            // A place takes about as long as 64 bytes without one.
            self.places += value.len() / 64;
            if let Some(found) = single.find(value, &mut self.places) {
                self.found[event] |= u32::from(found);
                return;
            }
            self.places = 0;
        }
        if value.len() < 16 * LONG {
            self.add(needles, event, wanted, value);
        } else {
            self.divide(needles, event, wanted, value);
        }
    }

    #[inline]
    fn add(&mut self, needles: &Needles, event: usize, wanted: u32, bytes: &'v [u8]) {
        self.texts[self.length] = Text { bytes, event: event as u8, wanted };
        self.length += 1;
        if self.length == ROOM {
            self.run(needles);
        }
    }

    /// Adds a text in so many parts that they can be read side by side. They overlap, so that
    /// nothing is cut; of shorter ones that would be much of the work.
    #[inline(never)]
    fn divide(&mut self, needles: &Needles, event: usize, wanted: u32, text: &'v [u8]) {
        let overlap = needles.longest - 1;
        let parts = (text.len() / (8 * needles.longest.max(LONG))).clamp(1, LANES);
        let part = text.len().div_ceil(parts);
        for start in (0..text.len()).step_by(part) {
            let end = (start + part + overlap).min(text.len());
            self.add(needles, event, wanted, &text[start..end]);
        }
    }

    /// Searches everything that waits. Then `each` gets the pieces that were found, each with the
    /// bits of the events in which it was, and all that is forgotten.
    pub(crate) fn finish(&mut self, needles: &Needles, mut each: impl FnMut(usize, u64)) {
        self.run(needles);
        if self.found.iter().all(|found| *found == 0) {
            return;
        }
        let (low, high) = self.found.split_at(32);
        let [low, high] = [low, high].map(|half| transposed(half.try_into().unwrap_or([0; 32])));
        for (piece, (low, high)) in low.into_iter().zip(high).enumerate() {
            let events = u64::from(low) | u64::from(high) << 32;
            if events != 0 {
                each(piece, events);
            }
        }
        self.found = [0; 64];
    }

    fn run(&mut self, needles: &Needles) {
        let texts = &mut self.texts[..self.length];
        self.length = 0;
        if !texts.is_sorted_by_key(|text| text.bytes.len()) {
            texts.sort_unstable_by_key(|text| text.bytes.len());
        }
        for texts in texts.chunks(LANES) {
            let mut bytes: [&[u8]; LANES] = [&[]; LANES];
            bytes.iter_mut().zip(texts).for_each(|(bytes, text)| *bytes = text.bytes);
            for (text, found) in texts.iter().zip(read(needles, bytes)) {
                self.found[usize::from(text.event)] |= found & text.wanted;
            }
        }
    }
}

/// The pieces that are in each of these texts.
#[inline(never)]
fn read(needles: &Needles, texts: [&[u8]; LANES]) -> [u32; LANES] {
    let lengths = texts.map(<[u8]>::len);
    let longest = lengths.into_iter().max().unwrap_or(0);
    let shortest = lengths.into_iter().min().unwrap_or(0);
    let (mut entries, mut found) = ([0; LANES], [0; LANES]);
    let whole = shortest / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let blocks = texts.map(|text| text[start..].first_chunk().unwrap_or(&[FILLER; BLOCK]));
        advance::<BLOCK>(needles, (&mut entries, &mut found), blocks);
    }
    for start in (whole..longest).step_by(BLOCK) {
        let mut blocks = [[FILLER; BLOCK]; LANES];
        blocks.iter_mut().zip(texts).for_each(|(it, text)| *it = block(text, start));
        let lanes = (&mut entries, &mut found);
        let blocks = blocks.each_ref();
        match longest - start {
            13.. => advance::<BLOCK>(needles, lanes, blocks),
            9.. => advance::<12>(needles, lanes, blocks),
            5.. => advance::<8>(needles, lanes, blocks),
            _ => advance::<4>(needles, lanes, blocks),
        }
    }
    found.map(|found: u64| (found >> FOUND) as u32)
}

/// Reads so many bytes of each block. The number is a constant, as comparing with another would
/// take a tenth of the time.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "each step reads a byte of every block")]
fn advance<const BYTES: usize>(
    needles: &Needles,
    (entries, found): (&mut [u64; LANES], &mut [u64; LANES]),
    blocks: [&[u8; BLOCK]; LANES],
) {
    for at in 0..BYTES {
        for lane in 0..LANES {
            entries[lane] = needles.next(entries[lane], blocks[lane][at]);
            found[lane] |= entries[lane];
        }
    }
}

/// The bytes of a text from a place on, filled up if there are not enough.
#[inline]
fn block(text: &[u8], start: usize) -> [u8; BLOCK] {
    let rest = text.get(start..).unwrap_or_default();
    match (rest.first_chunk(), text.last_chunk()) {
        (Some(block), _) => *block,
        (None, Some(last)) if !rest.is_empty() => {
            let (bits, whole) = (8 * rest.len() as u32, u128::from_le_bytes(*last));
            (whole >> (u128::BITS - bits) | u128::MAX << bits).to_le_bytes()
        }
        _ => filled(rest),
    }
}

/// Of a short text. Apart, so that the usual block is copied in a few instructions.
#[inline(never)]
fn filled(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [FILLER; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Rows and columns of bits, exchanged: halves first, and then halves of those.
fn transposed(mut rows: [u32; 32]) -> [u32; 32] {
    for (log, mask) in
        [(4, 0x0000_FFFF), (3, 0x00FF_00FF), (2, 0x0F0F_0F0F), (1, 0x3333_3333), (0, 0x5555_5555)]
    {
        let apart = 1 << log;
        for at in (0..32).filter(|at| at & apart == 0) {
            let differ = (rows[at] >> apart ^ rows[at + apart]) & mask;
            rows[at] ^= differ << apart;
            rows[at + apart] ^= differ;
        }
    }
    rows
}
