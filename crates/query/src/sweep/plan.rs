//! What a sweep looks for, made from a query's conditions.
//!
//! Whatever may be said of a value divides all values of a key into *cells*: those that are a text
//! of the query, each by itself, and all others; those below the least number that a condition
//! compares with, that number, those between it and the next one, and so on. The cells of one kind
//! stand in a *line*, so that what meets a condition is one cell of a line, those before it, those
//! behind it, or some of these.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Answer, CELLS_MAX, CONDITIONS_MAX, Key, Line, Met, Probe, SAME_MAX, Sweep};
use crate::affixes::{Affixes, Side};
use crate::hash;
use crate::number::{Arithmetic, Ladder, Rank};
use crate::options::Dialect;
use crate::parser::Relation;
use crate::program::{Bound, Condition, Extra, Joint, Span, Test};

/// Fewer tests than this take no longer one by one.
const TESTS_MIN: usize = 6;
/// The same for tests that look at each value.
const VALUE_TESTS_MIN: usize = 3;
/// Their numbers have eight bits, and zero stands for none.
const KEYS_MAX: usize = 255;

/// Makes the sweep of a query; nothing if the query is so short that it needs none, or longer than
/// the arrays of one.
pub(super) fn plan(
    conditions: &[Condition],
    extra: &Extra,
    text: &[u8],
    dialect: Dialect,
) -> Option<Box<Sweep>> {
    let has_events = extra.nodes.iter().any(|node| node.joint == Joint::Same);
    let listed = extra.lists.iter().map(|list| list.texts.len() + list.bounds.len());
    let by_hash = |it: &&Condition| matches!(it.test, Test::Exists | Test::Equal(_));
    let of_values = conditions.len() - conditions.iter().filter(by_hash).count();
    let tests = conditions.len() + listed.sum::<usize>();
    let is_short = !has_events
        && extra.needles.is_none()
        && tests < TESTS_MIN
        && of_values.max(extra.bounds.len()) < VALUE_TESTS_MIN;
    if is_short || conditions.len() > CONDITIONS_MAX {
        return None;
    }
    let arithmetic = match dialect {
        Dialect::Strict => Arithmetic::Rounded,
        Dialect::Extended => Arithmetic::Exact,
    };
    let same = extra.nodes.iter().enumerate().filter(|(_, node)| node.joint == Joint::Same);
    let same: Box<[u16]> = same.map(|(at, _)| at as u16).collect();
    let none = Answer { key: Met::Never, kind: Met::Never };
    let mut planner = Planner {
        conditions,
        extra,
        text,
        bound_cells: vec![0; extra.bounds.len()],
        cells: 0,
        sweep: Box::new(Sweep {
            slots: vec![0; (2 * conditions.len()).next_power_of_two()].into(),
            arithmetic,
            tests: tests as u16,
            same,
            answers: vec![none; conditions.len()].into(),
            ..Sweep::default()
        }),
    };
    let keys = planner.keys()?;
    for key in 0..planner.sweep.keys.len() {
        let of_key: Vec<usize> = (0..keys.len()).filter(|at| keys[*at] == key).collect();
        let first = planner.sweep.probes.len() as u16;
        planner.presence(key, &of_key);
        planner.texts(&of_key);
        let ladder = planner.sweep.ladders.len() as u8;
        for line in [Line::Numbers(ladder), Line::Dates, Line::Times] {
            planner.ordered(line, &of_key);
        }
        planner.affixes(&of_key, Side::Start);
        planner.affixes(&of_key, Side::End);
        planner.needles(&of_key);
        planner.others(&of_key);
        planner.sweep.keys[key].probes = first..planner.sweep.probes.len() as u16;
    }
    planner.lists(&keys);
    let fits = planner.cells <= CELLS_MAX && planner.sweep.same.len() <= SAME_MAX;
    planner.sweep.cells = planner.cells as u16;
    fits.then_some(planner.sweep)
}

struct Planner<'p> {
    conditions: &'p [Condition],
    extra: &'p Extra,
    text: &'p [u8],
    /// The cells of what values are compared with.
    bound_cells: Vec<u16>,
    /// How many there are.
    cells: usize,
    sweep: Box<Sweep>,
}

impl Planner<'_> {
    /// The number of each condition's key. Nothing if there are too many.
    fn keys(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::with_capacity(self.conditions.len());
        let Sweep { slots, keys, .. } = &mut *self.sweep;
        for condition in self.conditions {
            let mut slot = condition.key_hash as usize & (slots.len() - 1);
            let number = loop {
                let number = usize::from(slots[slot]);
                if number == 0 {
                    keys.push(Key {
                        hash: condition.key_hash,
                        name: condition.key,
                        ..Key::default()
                    });
                    slots[slot] = u8::try_from(keys.len()).ok()?;
                    break keys.len();
                }
                if keys[number - 1].name.of(self.text) == condition.key.of(self.text) {
                    break number;
                }
                slot = (slot + 1) & (slots.len() - 1);
            };
            numbers.push(number - 1);
        }
        (keys.len() <= KEYS_MAX).then_some(numbers)
    }

    fn cell(&mut self) -> u16 {
        self.cells += 1;
        (self.cells - 1).min(CELLS_MAX) as u16
    }

    /// A line of so many cells.
    fn line(&mut self, length: usize) -> Range<u16> {
        let first = self.cells.min(CELLS_MAX) as u16;
        self.cells += length;
        let line = first..self.cells.min(CELLS_MAX) as u16;
        self.sweep.lines.push(line.clone());
        line
    }

    /// That the key is there, and that the event type is.
    fn presence(&mut self, key: usize, conditions: &[usize]) {
        let (present, kind) = (self.cell(), self.cell());
        let key = &mut self.sweep.keys[key];
        (key.present, key.kind) = (present, kind);
        for at in conditions {
            let (condition, answer) = (&self.conditions[*at], &mut self.sweep.answers[*at]);
            if condition.by_key && condition.test == Test::Exists {
                answer.key = Met::Order(Relation::Equal, present);
            }
            if condition.by_type {
                answer.kind = Met::Order(Relation::Equal, kind);
                self.sweep.has_kinds = true;
            }
        }
    }

    /// Values that are a text of the query, and others.
    fn texts(&mut self, conditions: &[usize]) {
        let mut texts: Vec<(u32, Span)> = Vec::new();
        for at in conditions {
            let condition = &self.conditions[*at];
            match condition.test {
                Test::Equal(text) => texts.push((condition.pair, text)),
                Test::Differs(text) => texts.push(self.hashed(condition, text)),
                Test::In(list) => {
                    let listed = self.extra.lists[list as usize].texts.iter();
                    texts.extend(listed.map(|text| self.hashed(condition, *text)));
                }
                _ => {}
            }
        }
        if texts.is_empty() {
            return;
        }
        texts.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.of(self.text).cmp(b.1.of(self.text))));
        texts.dedup_by(|a, b| a.1.of(self.text) == b.1.of(self.text));
        let line = self.line(1 + texts.len());
        let from = self.sweep.texts.len();
        self.sweep.texts.extend(texts);
        let places = from as u16..self.sweep.texts.len() as u16;
        for at in conditions {
            let condition = &self.conditions[*at];
            let (relation, text) = match condition.test {
                Test::Equal(text) => (Relation::Equal, text),
                Test::Differs(text) => (Relation::Differs, text),
                _ => continue,
            };
            let cell = self.text_cell(&places, &line, text);
            self.answer(*at, Met::Order(relation, cell));
        }
        self.sweep.probes.push(Probe::Texts { others: line.start, places });
    }

    fn hashed(&self, condition: &Condition, text: Span) -> (u32, Span) {
        (hash::of_pair(condition.key_hash, text.of(self.text)), text)
    }

    fn text_cell(&self, places: &Range<u16>, line: &Range<u16>, text: Span) -> u16 {
        let texts = &self.sweep.texts[places.start as usize..places.end as usize];
        let at = texts.iter().position(|(_, it)| it.of(self.text) == text.of(self.text));
        line.start.saturating_add(1 + at.unwrap_or(0) as u16)
    }

    /// Values that are compared in order.
    fn ordered(&mut self, kind: Line, conditions: &[usize]) {
        let mut bounds: Vec<u16> = Vec::new();
        for at in conditions {
            match self.conditions[*at].test {
                Test::Compare(_, bound) => bounds.push(bound),
                Test::In(list) => bounds.extend(&self.extra.lists[list as usize].bounds),
                _ => {}
            }
        }
        bounds.retain(|bound| kind.takes(&self.extra.bounds[*bound as usize]));
        if bounds.is_empty() {
            return;
        }
        bounds.sort_unstable();
        bounds.dedup();
        let mut ranked: Vec<(u16, (Rank, Rank))> =
            bounds.iter().map(|it| (*it, self.extra.bounds[*it as usize].rank())).collect();
        ranked.sort_by(|a, b| self.order(a, b));
        let from = self.sweep.points.len();
        let line = self.line(2 * ranked.len() + 1);
        let mut different: Vec<u16> = Vec::new();
        let mut last: Option<(u16, (Rank, Rank))> = None;
        for next in ranked {
            if last.is_none_or(|last| self.order(&last, &next).is_ne()) {
                self.sweep.points.push(self.extra.bounds[next.0 as usize].point());
                different.push(next.0);
            }
            let number = different.len() as u16;
            self.bound_cells[next.0 as usize] = line.start.saturating_add(2 * number - 1);
            last = Some(next);
        }
        if let Line::Numbers(_) = kind {
            let literals =
                different.iter().filter_map(|bound| self.extra.bounds[*bound as usize].literal());
            self.sweep.ladders.push(Ladder::new(literals, self.sweep.arithmetic));
        }
        let places = from as u16..self.sweep.points.len() as u16;
        self.sweep.probes.push(Probe::Ordered { line: kind, first: line.start, places });
        for at in conditions {
            if let Test::Compare(relation, bound) = self.conditions[*at].test
                && kind.takes(&self.extra.bounds[bound as usize])
            {
                self.answer(*at, Met::Order(relation, self.bound_cells[bound as usize]));
            }
        }
    }

    fn order(&self, a: &(u16, (Rank, Rank)), b: &(u16, (Rank, Rank))) -> Ordering {
        if a.1.1 < b.1.0 || a.1.0 > b.1.1 {
            return a.1.0.cmp(&b.1.0);
        }
        match (&self.extra.bounds[a.0 as usize], &self.extra.bounds[b.0 as usize]) {
            (Bound::Number(a), Bound::Number(b)) => a.order(b),
            _ => Ordering::Equal,
        }
    }

    /// Values with one of some beginnings, or ends.
    fn affixes(&mut self, conditions: &[usize], side: Side) {
        let of = |at: usize| match (self.conditions[at].test, side) {
            (Test::StartsWith(text), Side::Start) | (Test::EndsWith(text), Side::End) => Some(text),
            _ => None,
        };
        let asked: Vec<(usize, &[u8])> =
            conditions.iter().filter_map(|at| Some((*at, of(*at)?.of(self.text)))).collect();
        let mut pieces: Vec<&[u8]> = asked.iter().map(|(_, piece)| *piece).collect();
        // None before one that it has itself.
        pieces.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        pieces.dedup();
        if pieces.is_empty() {
            return;
        }
        let none = self.cell();
        let cells: Vec<u16> = pieces.iter().map(|_| self.cell()).collect();
        for (at, piece) in asked {
            let cell = pieces.iter().position(|it| *it == piece).map_or(none, |at| cells[at]);
            self.answer(at, Met::Order(Relation::Equal, cell));
        }
        self.sweep.probes.push(Probe::Affixes(self.sweep.affixes.len() as u16));
        self.sweep.affixes.push((Affixes::new(side, &pieces), none));
    }

    /// Values that have one of some pieces, of those that are looked for together.
    fn needles(&mut self, conditions: &[usize]) {
        let mut wanted = 0;
        for at in conditions {
            if let Test::Contains(_, bit) = self.conditions[*at].test
                && bit != Test::NO_BIT
            {
                let cell = self.cell();
                wanted |= 1 << bit;
                self.sweep.needle_cells.resize(32, 0);
                self.sweep.needle_cells[usize::from(bit)] = cell;
                self.answer(*at, Met::Order(Relation::Equal, cell));
            }
        }
        if wanted != 0 {
            self.sweep.probes.push(Probe::Needles(wanted));
        }
    }

    /// What is said of other pieces, and of patterns: each has its own cell.
    fn others(&mut self, conditions: &[usize]) {
        for at in conditions {
            let (relation, probe) = match self.conditions[*at].test {
                Test::Contains(text, Test::NO_BIT) => {
                    (Relation::Equal, Probe::Contains(text, self.cell()))
                }
                Test::Pattern(pattern) => (Relation::Equal, self.pattern(pattern)),
                Test::NoPattern(pattern) => (Relation::Less, self.pattern(pattern)),
                _ => continue,
            };
            let cell = probe.cell();
            self.sweep.probes.push(probe);
            self.answer(*at, Met::Order(relation, cell));
        }
    }

    /// A line of two cells: it does not match, it does.
    fn pattern(&mut self, pattern: u16) -> Probe {
        let line = self.line(2);
        Probe::Pattern(pattern, line.end - 1)
    }

    /// What `IN` says: any of several cells.
    fn lists(&mut self, keys: &[usize]) {
        for (at, condition) in self.conditions.iter().enumerate() {
            let Test::In(list) = condition.test else { continue };
            let list = &self.extra.lists[list as usize];
            let from = self.sweep.lists.len() as u16;
            let probes = self.sweep.keys[keys[at]].probes.clone();
            let texts = self.sweep.probes[probes.start as usize..probes.end as usize].iter();
            let cells: Vec<u16> = texts
                .filter_map(|probe| match probe {
                    Probe::Texts { others, places } => Some((*others..*others, places)),
                    _ => None,
                })
                .flat_map(|(line, places)| {
                    list.texts.iter().map(move |text| (line.clone(), places, *text))
                })
                .map(|(line, places, text)| self.text_cell(places, &line, text))
                .collect();
            self.sweep.lists.extend(cells);
            let bounds = list.bounds.iter().map(|bound| self.bound_cells[*bound as usize]);
            self.sweep.lists.extend(bounds);
            self.answer(at, Met::Any(from..self.sweep.lists.len() as u16));
        }
    }

    fn answer(&mut self, at: usize, met: Met) {
        if self.conditions[at].by_key {
            self.sweep.answers[at].key = met;
        }
    }
}

impl Line {
    fn takes(self, bound: &Bound) -> bool {
        match self {
            Line::Numbers(_) => matches!(bound, Bound::Number(_)),
            Line::Dates => matches!(bound, Bound::Date(_)),
            Line::Times => matches!(bound, Bound::Time(_)),
        }
    }
}
