//! A whole query answered in one sweep over a message's tags.
//!
//! Looking at one condition after the other is quick for the usual message, and short of what can
//! happen: seventy conditions about a thousand values of one key, or twenty `SAME EVENT`s about a
//! thousand events. A sweep looks at each tag once. It finds the tag's key among those of the
//! query, reads the value once, and notes which [cells](plan) it is in. The events of a message
//! are noted side by side, each as a bit of a word: 64 of them are decided at a time.
//!
//! A sweep pays for all tags before it knows anything. So the usual way is tried first, with a
//! little [`Patience`].

mod judge;
mod patience;
mod plan;

use std::ops::Range;

use memchr::memmem;

use crate::affixes::Affixes;
use crate::calendar;
use crate::needles::Search;
use crate::number::{self, Arithmetic, Ladder};
use crate::options::Dialect;
use crate::parser::Relation;
use crate::pattern::SEEN_MAX;
use crate::program::{Condition, Extra, Program, Span, View};
use crate::tags::{Source, Tags, Value, equal};

use judge::Verdict;
pub(crate) use patience::Patience;

/// More cells than any query of 512 bytes has: an `IN` of 250 numbers has 501.
const CELLS_MAX: usize = 640;
/// More conditions than those have, which take five bytes each.
const CONDITIONS_MAX: usize = 256;
/// The `SAME EVENT`s of a query: those of 512 bytes are 30 at most.
const SAME_MAX: usize = 64;

/// What a query looks for in a message, by keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sweep {
    /// From hashes of keys to their numbers, from 1; the next slot is tried if one is taken.
    slots: Box<[u8]>,
    keys: Vec<Key>,
    probes: Vec<Probe>,
    /// With the hash of key and text, which they are ordered by.
    texts: Vec<(u32, Span)>,
    /// What values are compared with, in order for each line.
    points: Vec<i128>,
    /// The same for values of many digits, for each line of numbers.
    ladders: Vec<Ladder>,
    /// The cells of each piece of [`Needles`](crate::needles::Needles).
    needle_cells: Vec<u16>,
    /// Beginnings and ends of the values of a key, and the cell of those that have none of them;
    /// the cells of the pieces are behind it.
    affixes: Vec<(Affixes, u16)>,
    /// The cells of each `IN`.
    lists: Vec<u16>,
    lines: Vec<Range<u16>>,
    /// Of each condition.
    answers: Box<[Answer]>,
    /// The nodes of `SAME EVENT`.
    same: Box<[u16]>,
    cells: u16,
    tests: u16,
    arithmetic: Arithmetic,
    /// Whether an event type may meet a condition.
    has_kinds: bool,
}

/// A key of the query, or an event type.
#[derive(Debug, Clone, Default)]
struct Key {
    hash: u32,
    name: Span,
    /// The cell of any value.
    present: u16,
    /// The cell of any tag of this event type.
    kind: u16,
    /// What is asked of its values.
    probes: Range<u16>,
}

/// A question about a value, and the cells of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probe {
    /// Which of some texts it is; their cells are behind that of all `others`.
    Texts {
        others: u16,
        places: Range<u16>,
    },
    /// Where it is among points.
    Ordered {
        line: Line,
        first: u16,
        places: Range<u16>,
    },
    /// Which of some beginnings it has, or of some ends.
    Affixes(u16),
    Contains(Span, u16),
    /// Which pieces it has, of those with these bits.
    Needles(u32),
    /// The cell of a value that does not match is the one before.
    Pattern(u16, u16),
}

/// How values are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// With the ladder for values of many digits.
    Numbers(u8),
    Dates,
    Times,
}

/// What meets a condition: a value of its key, or its event type.
#[derive(Debug, Clone)]
struct Answer {
    key: Met,
    kind: Met,
}

#[derive(Debug, Clone)]
enum Met {
    Never,
    /// The cells of a line that are in this relation to one of them.
    Order(Relation, u16),
    /// Any of these places in the lists.
    Any(Range<u16>),
}

impl Sweep {
    /// The sweep of a query, unless that is too short to need one, or too long.
    pub(crate) fn new(
        conditions: &[Condition],
        extra: &Extra,
        text: &[u8],
        dialect: Dialect,
    ) -> Option<Box<Sweep>> {
        plan::plan(conditions, extra, text, dialect)
    }

    /// How many tests it is for: conditions, and what they list.
    pub(crate) fn tests(&self) -> usize {
        usize::from(self.tests)
    }

    /// Bytes of memory behind it, and its own.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Sweep>()
            + size_of_val(&*self.slots)
            + size_of_val(&*self.keys)
            + size_of_val(&*self.probes)
            + size_of_val(&*self.texts)
            + size_of_val(&*self.points)
            + self.ladders.iter().map(Ladder::held_bytes).sum::<usize>()
            + size_of_val(&*self.ladders)
            + size_of_val(&*self.needle_cells)
            + self.affixes.iter().map(|(it, _)| it.held_bytes()).sum::<usize>()
            + size_of_val(&*self.lists)
            + size_of_val(&*self.lines)
            + size_of_val(&*self.answers)
            + size_of_val(&*self.same)
    }

    /// Whether a message meets the query; nothing if that hangs on what its source has.
    #[inline(never)]
    pub(crate) fn answer(&self, program: &Program, view: View<'_, '_>) -> Option<bool> {
        let mut run = Run {
            sweep: self,
            program,
            source: view.pending,
            may_hold: [0; CONDITIONS_MAX / 64],
            cells: [0; CELLS_MAX],
            before: [0; CELLS_MAX],
            behind: [0; CELLS_MAX],
            search: Search::new(),
            last: None,
            same: Verdict { met: 0, open: 0 },
        };
        run.ask_source();
        if self.same.is_empty() {
            for tags in [Some(view.known), view.supplied].into_iter().flatten() {
                run.visit(tags, 0..tags.len(), 0);
            }
            run.settle();
        } else {
            run.visit_events(view);
            run.settle();
        }
        run.judge()
    }

    #[inline]
    fn key(&self, hash: u32, name: &[u8], text: &[u8]) -> Option<&Key> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let key = &self.keys[usize::from(self.slots[slot]).checked_sub(1)?];
            if key.hash == hash && equal(key.name.of(text), name) {
                return Some(key);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// A sweep under way.
struct Run<'r, 'a> {
    sweep: &'r Sweep,
    program: &'r Program,
    /// Where there may be more tags.
    source: Option<&'a dyn Source>,
    /// A bit for each condition that those may meet.
    may_hold: [u64; CONDITIONS_MAX / 64],
    /// For each cell the events with a value in it.
    cells: [u64; CELLS_MAX],
    /// For each cell those with one in the cells of its line before it, and behind it.
    before: [u64; CELLS_MAX],
    behind: [u64; CELLS_MAX],
    search: Search<'r>,
    /// The key of the last tag with one: tags of one key often stand in a row.
    last: Option<(&'r [u8], &'r Key)>,
    /// A bit for each `SAME EVENT`.
    same: Verdict,
}

impl<'r> Run<'r, '_> {
    fn ask_source(&mut self) {
        let Some(source) = self.source else { return };
        for (at, condition) in self.program.conditions.iter().enumerate() {
            let may = u64::from(self.program.may_hold(condition, source));
            self.may_hold[at / 64] |= may << (at % 64);
        }
    }

    /// Notes the tags of one event after the other, and decides the `SAME EVENT`s of 64 at a time.
    fn visit_events(&mut self, view: View<'r, '_>) {
        let mut sums = [0; CELLS_MAX];
        let count = usize::from(self.sweep.cells);
        let mut sum_up = |run: &mut Self, events: usize| {
            run.settle();
            run.judge_events(u64::MAX >> (64 - events));
            sums.iter_mut().zip(&mut run.cells[..count]).for_each(|(sum, cell)| {
                *sum |= *cell;
                *cell = 0;
            });
        };
        let mut at = 0;
        for event in view.events() {
            self.visit(view.known, event.places(false), at);
            if let Some(tags) = view.supplied {
                self.visit(tags, event.places(true), at);
            }
            at += 1;
            if at == 64 {
                sum_up(self, at);
                at = 0;
            }
        }
        if at > 0 {
            sum_up(self, at);
        }
        self.cells = sums;
    }

    /// Notes these tags as those of one of 64 events.
    fn visit(&mut self, tags: &'r Tags<'_>, places: Range<usize>, event: usize) {
        let (sweep, text) = (self.sweep, self.program.text.as_bytes());
        let bit = 1 << event;
        for at in places {
            let (key, kind) = tags.hashes(at);
            let (name, value) = tags.entry(at);
            if let Some(value) = value
                && let Some(key) = match self.last {
                    Some((last, of)) if of.hash == key && equal(last, name) => Some(of),
                    _ => sweep.key(key, name, text),
                }
            {
                self.last = Some((name, key));
                self.cells[key.present as usize] |= bit;
                for probe in &sweep.probes[key.probes.start as usize..key.probes.end as usize] {
                    self.probe(probe, tags.pair(at), value, event);
                }
            }
            if sweep.has_kinds
                && let Some(name) = tags.kind(at)
                && let Some(key) = sweep.key(kind, name, text)
            {
                self.cells[key.kind as usize] |= bit;
            }
        }
    }

    #[inline]
    fn probe(&mut self, probe: &Probe, pair: u32, value: Value<'r, '_>, event: usize) {
        let text = self.program.text.as_bytes();
        let (met, cell) = match probe {
            Probe::Texts { others, places } => {
                (true, others + self.sweep.text(places, pair, value.bytes, text))
            }
            Probe::Ordered { line, first, places } => {
                let at = self.sweep.place(*line, places, value);
                (at.is_some(), first + at.unwrap_or(0))
            }
            Probe::Affixes(at) => {
                let (affixes, none) = &self.sweep.affixes[*at as usize];
                (true, none + affixes.find(value.bytes))
            }
            Probe::Contains(piece, cell) => {
                (memmem::find(value.bytes, piece.of(text)).is_some(), *cell)
            }
            Probe::Pattern(pattern, cell) => {
                if value.text_end as usize > SEEN_MAX {
                    return;
                }
                let matches = self.program.extra().patterns[*pattern as usize].matches(value.bytes);
                (true, cell - u16::from(!matches))
            }
            Probe::Needles(wanted) => {
                if let Some(needles) = &self.program.extra().needles {
                    self.search.push(needles, event, *wanted, value.bytes);
                }
                return;
            }
        };
        self.cells[cell as usize] |= if met { 1 << event } else { 0 };
    }

    /// Finishes what was noted of beginnings, ends and pieces.
    fn finish(&mut self) {
        for (affixes, none) in &self.sweep.affixes {
            for (piece, within) in affixes.within() {
                let none = usize::from(*none);
                self.cells[none + within] |= self.cells[none + piece];
            }
        }
        if let Some(needles) = &self.program.extra().needles {
            let (cells, of_bits) = (&mut self.cells, &self.sweep.needle_cells);
            self.search.finish(needles, |piece, events| {
                cells[of_bits[piece] as usize] |= events;
            });
        }
    }
}

impl Sweep {
    /// Which of some texts a value is, from 1; or none, 0.
    fn text(&self, places: &Range<u16>, pair: u32, value: &[u8], text: &[u8]) -> u16 {
        let texts = &self.texts[places.start as usize..places.end as usize];
        let first = texts.partition_point(|(hash, _)| *hash < pair);
        let alike = texts[first..].iter().take_while(|(hash, _)| *hash == pair);
        let at = alike.enumerate().find(|(_, (_, it))| equal(it.of(text), value));
        at.map_or(0, |(at, _)| (first + at) as u16 + 1)
    }

    /// Where a value is among what it is compared with: twice the number of those before it, and
    /// one more if it equals the next.
    #[inline]
    fn place(&self, line: Line, places: &Range<u16>, value: Value<'_, '_>) -> Option<u16> {
        let point = match line {
            Line::Numbers(ladder) => match value.long() {
                Some(long) => return self.ladders[usize::from(ladder)].place(long),
                None => number::point_of(value.bytes, self.arithmetic)?,
            },
            Line::Dates => i128::from(calendar::value_date(value.bytes)?),
            Line::Times => calendar::value_time(value.bytes)?.point(),
        };
        let points = &self.points[places.start as usize..places.end as usize];
        let below = number::count_below(points, &point);
        Some(2 * below as u16 + u16::from(points.get(below) == Some(&point)))
    }
}

impl Probe {
    /// The cell of a question that is answered by yes or no.
    fn cell(&self) -> u16 {
        match self {
            Probe::Contains(_, cell) | Probe::Pattern(_, cell) => *cell,
            Probe::Texts { others, .. } => *others,
            Probe::Ordered { first, .. } => *first,
            Probe::Affixes(_) | Probe::Needles(_) => 0,
        }
    }
}
