//! A regular expression as a table: for each state and byte the next state.
//!
//! Made by following all ways through the automaton at once, as usual, but with every step counted,
//! so that reading a query takes a bounded time, whatever the pattern. Only whether it matches is
//! asked, so a state in which it has matched needs no row.

use hashbrown::HashTable;
use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

use super::{Room, Shortage};
use crate::hash;

/// Instead of the next state: it has matched.
const MATCHED: u32 = u32::MAX;

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// The column of each byte.
    classes: Box<[u8; 256]>,
    /// Where the row of the next state begins, or [`MATCHED`].
    rows: Box<[u32]>,
    /// Of each state: whether it matches a text that ends there.
    at_end: Box<[bool]>,
    /// Columns of a row.
    width: u32,
}

impl Table {
    /// Makes the table of an automaton, unless that takes too many steps or too much memory.
    pub(super) fn new(nfa: &NFA, room: &mut Room) -> Result<Table, Shortage> {
        let mut classes = Box::new([0; 256]);
        (0..=u8::MAX).for_each(|byte| classes[usize::from(byte)] = nfa.byte_classes().get(byte));
        // The last class is that of the end.
        let mut bytes = vec![0; nfa.byte_classes().alphabet_len() - 1];
        (0..=u8::MAX).rev().for_each(|byte| bytes[usize::from(classes[usize::from(byte)])] = byte);
        let mut builder = Builder {
            nfa,
            bytes,
            looks: !nfa.look_set_any().is_empty(),
            kernels: Vec::new(),
            states: Vec::new(),
            index: HashTable::new(),
            seen: vec![0; nfa.states().len()],
            round: 0,
            closure: Vec::new(),
            stack: Vec::new(),
            room,
        };
        let (rows, at_end) = builder.rows()?;
        let width = builder.bytes.len() as u32;
        Ok(Table { classes, rows: rows.into(), at_end: at_end.into(), width })
    }

    /// Whether it matches anywhere in a text.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut state = 0;
        for byte in text {
            state = self.rows[state as usize + usize::from(self.classes[usize::from(*byte)])];
            if state == MATCHED {
                return true;
            }
        }
        self.at_end[(state / self.width) as usize]
    }

    /// Bytes of memory behind it.
    pub(super) fn held_bytes(&self) -> usize {
        size_of_val(&*self.classes) + size_of_val(&*self.rows) + size_of_val(&*self.at_end)
    }
}

/// What came before a place, as far as `^`, `\b` and their like ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Feed,
    Return,
    Word,
    Other,
}

impl Before {
    fn of(byte: u8) -> Before {
        match byte {
            b'\n' => Before::Feed,
            b'\r' => Before::Return,
            b'_' => Before::Word,
            byte if byte.is_ascii_alphanumeric() => Before::Word,
            _ => Before::Other,
        }
    }

    /// A byte that stands for all of them.
    fn byte(self) -> Option<u8> {
        match self {
            Before::Nothing => None,
            Before::Feed => Some(b'\n'),
            Before::Return => Some(b'\r'),
            Before::Word => Some(b'a'),
            Before::Other => Some(b' '),
        }
    }
}

struct Builder<'b> {
    nfa: &'b NFA,
    /// A byte of each class.
    bytes: Vec<u8>,
    /// Whether anything asks what is round a place.
    looks: bool,
    /// The places in the automaton that states stand for, right behind a byte.
    kernels: Vec<StateID>,
    /// Where in `kernels` each state ends, and what came before it.
    states: Vec<(usize, Before)>,
    index: HashTable<u32>,
    /// The round in which a place was last come upon.
    seen: Vec<u32>,
    round: u32,
    /// The places that are reached without a byte.
    closure: Vec<StateID>,
    stack: Vec<StateID>,
    room: &'b mut Room,
}

impl Builder<'_> {
    fn rows(&mut self) -> Result<(Vec<u32>, Vec<bool>), Shortage> {
        let (mut rows, mut at_end) = (Vec::new(), Vec::new());
        let first = if self.looks { Before::Nothing } else { Before::Other };
        self.state(0, first);
        let mut next = 0;
        while let Some(&(_, before)) = self.states.get(next) {
            self.room.take_memory(4 * self.bytes.len() + 1)?;
            at_end.push(self.close(next, before, None)?);
            let mut matched = at_end[next];
            for class in 0..self.bytes.len() {
                let byte = self.bytes[class];
                if self.looks {
                    matched = self.close(next, before, Some(byte))?;
                }
                rows.push(if matched { MATCHED } else { self.step(byte)? });
            }
            next += 1;
        }
        Ok((rows, at_end))
    }

    /// Follows all ways from a state that take no byte, and says whether one of them leads to a
    /// match.
    fn close(&mut self, state: usize, before: Before, after: Option<u8>) -> Result<bool, Shortage> {
        self.round += 1;
        self.closure.clear();
        let from = if state == 0 { 0 } else { self.states[state - 1].0 };
        // The least first, though the order does not matter: it may begin anywhere.
        self.stack.push(self.nfa.start_anchored());
        self.stack.extend_from_slice(&self.kernels[from..self.states[state].0]);
        let mut matched = false;
        while let Some(at) = self.stack.pop() {
            self.room.take_steps(1)?;
            if std::mem::replace(&mut self.seen[at.as_usize()], self.round) == self.round {
                continue;
            }
            match self.nfa.state(at) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    self.closure.push(at);
                }
                State::Look { look, next } => {
                    let around = [before.byte(), after];
                    let text: Vec<u8> = around.into_iter().flatten().collect();
                    let place = usize::from(before != Before::Nothing);
                    if self.nfa.look_matcher().matches(*look, &text, place) {
                        self.stack.push(*next);
                    }
                }
                State::Union { alternates } => self.stack.extend_from_slice(alternates),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt1, *alt2]),
                State::Capture { next, .. } => self.stack.push(*next),
                State::Fail => {}
                State::Match { .. } => matched = true,
            }
        }
        Ok(matched)
    }

    /// The row of the state behind a byte.
    fn step(&mut self, byte: u8) -> Result<u32, Shortage> {
        // Looking a state up costs about as much as some steps.
        self.room.take_steps(8 + self.closure.len())?;
        let from = self.kernels.len();
        for at in &self.closure {
            let next = match self.nfa.state(*at) {
                State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                State::Sparse(all) => all.matches_byte(byte),
                State::Dense(all) => all.matches_byte(byte),
                _ => None,
            };
            self.kernels.extend(next);
        }
        self.kernels[from..].sort_unstable();
        // As `dedup`, for the end of a vector.
        let mut to = from;
        for at in from..self.kernels.len() {
            if to == from || self.kernels[to - 1] != self.kernels[at] {
                self.kernels[to] = self.kernels[at];
                to += 1;
            }
        }
        self.kernels.truncate(to);
        let before = if self.looks { Before::of(byte) } else { Before::Other };
        Ok(self.state(from, before) * self.bytes.len() as u32)
    }

    /// The number of the state whose kernel begins at `from`, which may be new.
    fn state(&mut self, from: usize, before: Before) -> u32 {
        let Builder { kernels, states, index, .. } = self;
        let kernel = |state: u32| {
            let state = state as usize;
            let from = if state == 0 { 0 } else { states[state - 1].0 };
            &kernels[from..states[state].0]
        };
        let hash = |kernel: &[StateID], before: Before| {
            let ids = kernel.iter().map(StateID::as_u32).chain([before as u32]);
            hash::of_pairs(ids)
        };
        let new = &kernels[from..];
        let is_it = |state: &u32| states[*state as usize].1 == before && kernel(*state) == new;
        let key = hash(new, before);
        if let Some(known) = index.find(key, is_it) {
            let known = *known;
            self.kernels.truncate(from);
            return known;
        }
        let number = states.len() as u32;
        index.insert_unique(key, number, |state| hash(kernel(*state), states[*state as usize].1));
        self.states.push((self.kernels.len(), before));
        number
    }
}
