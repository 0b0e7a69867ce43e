//! Short values that wait to be searched, several at a time.
//!
//! A look-up in a table waits for the one before it, so a value alone takes three times as long as
//! it must. A long one is cut in parts for that; short ones are read side by side.

use super::{LANES, Needles};

/// Values that wait. The last few of them are searched by themselves, so more is better.
const ROOM: usize = 64;

/// Values to be searched, each with what to look for and a mark to know it by.
pub(crate) struct Queue<'v> {
    values: [Waiting<'v>; ROOM],
    length: usize,
}

#[derive(Clone, Copy)]
struct Waiting<'v> {
    needles: u8,
    value: &'v [u8],
    mark: u64,
}

/// A value that is being read.
#[derive(Clone, Copy)]
struct Lane<'n, 'v> {
    needles: &'n Needles,
    /// What is left of it.
    rest: &'v [u8],
    state: u32,
    mark: u64,
}

impl<'v> Queue<'v> {
    pub(crate) fn new() -> Queue<'v> {
        Queue { values: [Waiting { needles: 0, value: &[], mark: 0 }; ROOM], length: 0 }
    }

    /// Adds a value; says whether the queue is full now, and must be searched.
    #[inline]
    pub(crate) fn push(&mut self, needles: u8, value: &'v [u8], mark: u64) -> bool {
        self.values[self.length] = Waiting { needles, value, mark };
        self.length += 1;
        self.length == ROOM
    }

    /// Calls `each` with the bits of what is in a value, and its mark; as often as something is.
    pub(crate) fn search(&mut self, all: &[Needles], mut each: impl FnMut(u64, u64)) {
        let (mut short, mut shorts) = ([0; ROOM], 0);
        for (at, one) in self.values[..self.length].iter().enumerate() {
            let needles = &all[usize::from(one.needles)];
            if needles.is_long(one.value) {
                each(needles.find(one.value, 0), one.mark);
            } else if !one.value.is_empty() {
                short[shorts] = at;
                shorts += 1;
            }
        }
        self.length = 0;
        let Some(needles) = all.first() else { return };
        let mut next = short[..shorts].iter().map(|at| {
            let Waiting { needles, value, mark } = self.values[*at];
            Lane { needles: &all[usize::from(needles)], rest: value, state: 0, mark }
        });
        let mut lanes = [Lane { needles, rest: &[], state: 0, mark: 0 }; LANES];
        while lanes.iter_mut().filter(|it| it.rest.is_empty()).all(|lane| match next.next() {
            Some(other) => {
                *lane = other;
                true
            }
            None => false,
        }) {
            advance(&mut lanes, &mut each);
        }
        for Lane { needles, rest, mut state, mark } in lanes {
            let mut found = 0;
            needles.run(&mut state, rest, &mut found);
            each(found, mark);
        }
    }
}

/// Reads on until the shortest of the values ends.
#[inline]
fn advance(lanes: &mut [Lane<'_, '_>; LANES], each: &mut impl FnMut(u64, u64)) {
    let length = lanes.iter().map(|lane| lane.rest.len()).min().unwrap_or(0);
    let [a, b, c, d] = lanes.each_mut().map(|lane| {
        let (read, rest) = lane.rest.split_at(length);
        lane.rest = rest;
        read
    });
    let together = a.iter().zip(b).zip(c).zip(d);
    let mut states = lanes.map(|lane| lane.state);
    let of = lanes.map(|lane| lane.needles);
    // Read once, and not for every byte.
    let tables = of.map(|needles| (&*needles.table, &*needles.classes));
    let next = |lane: usize, state: u32, byte: u8| {
        let (table, classes): (&[u32], &[u8; 256]) = tables[lane];
        table[state as usize + classes[byte as usize] as usize]
    };
    for (((a, b), c), d) in together {
        states = [
            next(0, states[0], *a),
            next(1, states[1], *b),
            next(2, states[2], *c),
            next(3, states[3], *d),
        ];
        let loud = states.iter().zip(&of).fold(0, |any, (at, of)| any | at & of.found_from);
        if loud != 0 {
            for (lane, state) in lanes.iter().zip(states) {
                each(lane.needles.ending(state), lane.mark);
            }
        }
    }
    lanes.iter_mut().zip(states).for_each(|(lane, state)| lane.state = state);
}
