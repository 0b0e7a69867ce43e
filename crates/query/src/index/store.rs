//! The tables of the index, from what a message has to the numbers of queries.

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::hash;
use crate::number::Rank;
use crate::program::Program;
use crate::tags::{Named, Tags};

use super::interval::Intervals;
use super::place::{Order, Range, Way, ways};

/// The bit that tells a bucket from a single query.
const BUCKET: u32 = 1 << 31;

/// Where the queries are put.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// From names to slots.
    names: HashTable<u32>,
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    shapes: Vec<Shape>,
    free_shapes: Vec<u32>,
    buckets: Vec<Bucket>,
    free_buckets: Vec<u32>,
    always: Vec<u32>,
    /// Queries that wait for an event type.
    typed: usize,
}

/// What the index knows of a key (or of an event type).
#[derive(Debug, Default)]
struct Slot {
    name: Box<[u8]>,
    hash: u32,
    /// Shapes that are looked for when a message has this key.
    shapes: Vec<u32>,
    /// Queries for every message that has the key, and ranges of its values.
    bucket: Bucket,
    /// Queries for every message that has it as an event type.
    typed: Vec<u32>,
    /// What refers to it.
    uses: usize,
}

/// The queries that compare the same keys with strings.
#[derive(Debug, Default)]
struct Shape {
    slots: SmallVec<[u32; 4]>,
    /// The slot that names it: the one of which the fewest shapes hung when it was made.
    anchor: u32,
    /// From the hash of all values to a query or, with the bit, a bucket.
    table: HashTable<Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    hash: u32,
    target: u32,
}

/// Several queries at one place.
#[derive(Debug, Default)]
struct Bucket {
    plain: Vec<u32>,
    ranges: Vec<Ordered>,
}

/// The queries with ranges of one key.
#[derive(Debug)]
struct Ordered {
    slot: u32,
    order: Order,
    intervals: Intervals,
}

/// The tags of a message that the index knows, by slots, and its event types.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    tags: SmallVec<[FoundTag<'a>; 24]>,
    types: SmallVec<[u32; 8]>,
}

#[derive(Debug, Clone, Copy)]
struct FoundTag<'a> {
    slot: u32,
    pair: u32,
    value: &'a [u8],
}

impl<'a> Found<'a> {
    /// Whether one key has several values.
    pub(super) fn has_repeated(&self) -> bool {
        self.tags.windows(2).any(|pair| pair[0].slot == pair[1].slot)
    }

    /// The tags of a slot.
    fn of(&self, slot: u32) -> &[FoundTag<'a>] {
        let start = self.tags.partition_point(|tag| tag.slot < slot);
        let length = self.tags[start..].iter().take_while(|tag| tag.slot == slot).count();
        &self.tags[start..start + length]
    }
}

impl Store {
    /// Whether a source with this key has something the index needs to know.
    pub(super) fn looks_at(&self, key: &[u8]) -> bool {
        let kind = memchr::memrchr(b'.', key).map(|dot| &key[..dot]);
        let known = |name| self.slot(Some((hash::of_key(name), name))).is_some();
        known(key) || (self.typed > 0 && kind.is_some_and(known))
    }

    /// Finds the tags of a message that matter.
    pub(super) fn find<'a>(&self, tags: &Tags<'a>, found: &mut Found<'a>) {
        for list in [Some(tags), tags.supplied()].into_iter().flatten() {
            for (at, (key, kind)) in list.keys_and_types().enumerate() {
                if let (Some(slot), Some(value)) = (self.slot(key), list.value(at)) {
                    found.tags.push(FoundTag { slot, pair: list.pair(at), value });
                }
                if self.typed > 0
                    && let Some(slot) = self.slot(kind)
                    && !found.types.contains(&slot)
                {
                    found.types.push(slot);
                }
            }
        }
        found.tags.sort_unstable_by_key(|tag| tag.slot);
    }

    fn slot(&self, named: Named<'_>) -> Option<u32> {
        let (hash, name) = named?;
        let is_it = |slot: &u32| *self.slots[*slot as usize].name == *name;
        self.names.find(hash::spread(u64::from(hash)), is_it).copied()
    }

    /// Calls `each` with every query that the message may meet; with some several times.
    pub(super) fn candidates(&self, found: &Found<'_>, each: &mut impl FnMut(u32)) {
        let mut last = None;
        for tag in &found.tags {
            if last.replace(tag.slot) == Some(tag.slot) {
                continue;
            }
            let slot = &self.slots[tag.slot as usize];
            slot.bucket.candidates(found, each);
            for shape in &slot.shapes {
                self.shape_candidates(&self.shapes[*shape as usize], found, each);
            }
        }
        for slot in &found.types {
            self.slots[*slot as usize].typed.iter().copied().for_each(&mut *each);
        }
        self.always.iter().copied().for_each(each);
    }

    fn shape_candidates(&self, shape: &Shape, found: &Found<'_>, each: &mut impl FnMut(u32)) {
        let values: SmallVec<[&[FoundTag<'_>]; 4]> =
            shape.slots.iter().map(|slot| found.of(*slot)).collect();
        let look_ups = values.iter().fold(1_usize, |all, it| all.saturating_mul(it.len()));
        if look_ups > shape.table.len() {
            // Keys with very many values: what is there is less than what could be asked for.
            for cell in &shape.table {
                self.target(*cell, found, each);
            }
            return;
        }
        for number in 0..look_ups {
            let mut rest = number;
            let pairs = values.iter().map(|values| {
                let pair = values[rest % values.len()].pair;
                rest /= values.len();
                pair
            });
            let hash = hash::of_pairs(pairs) as u32;
            if let Some(cell) = shape.table.find(spread(hash), |cell| cell.hash == hash) {
                self.target(*cell, found, each);
            }
        }
    }

    fn target(&self, cell: Cell, found: &Found<'_>, each: &mut impl FnMut(u32)) {
        match cell.target & BUCKET {
            0 => each(cell.target),
            _ => self.buckets[(cell.target & !BUCKET) as usize].candidates(found, each),
        }
    }

    /// Puts a query where it belongs; true if one message may come upon it more than once.
    pub(super) fn insert(&mut self, id: u32, program: &Program) -> bool {
        let ways = ways(program);
        let mut repeats = ways.len() > 1;
        for way in &ways {
            match way {
                Way::Equal(pairs, range) => self.insert_equal(id, program, pairs, range.as_ref()),
                Way::Range(range) => {
                    let slot = self.use_slot(program, range.condition);
                    self.slots[slot as usize].bucket.insert(id, Some((slot, range)));
                }
                Way::Present(condition) => {
                    let slot = self.use_slot(program, *condition);
                    let condition = &program.conditions[*condition as usize];
                    if condition.by_key {
                        self.slots[slot as usize].bucket.insert(id, None);
                    }
                    if condition.by_type {
                        self.slots[slot as usize].typed.push(id);
                        self.typed += 1;
                        repeats = true;
                    }
                }
                Way::Always => self.always.push(id),
            }
        }
        repeats
    }

    /// Takes a query out of where [`Store::insert`] put it.
    pub(super) fn remove(&mut self, id: u32, program: &Program) {
        for way in &ways(program) {
            match way {
                Way::Equal(pairs, range) => self.remove_equal(id, program, pairs, range.as_ref()),
                Way::Range(range) => {
                    let Some(slot) = self.named_slot(program, range.condition) else { continue };
                    self.slots[slot as usize].bucket.remove(id, Some((slot, range)));
                    self.leave_slot(slot);
                }
                Way::Present(condition) => {
                    let Some(slot) = self.named_slot(program, *condition) else { continue };
                    let condition = &program.conditions[*condition as usize];
                    if condition.by_key {
                        self.slots[slot as usize].bucket.remove(id, None);
                    }
                    if condition.by_type {
                        take(&mut self.slots[slot as usize].typed, id);
                        self.typed -= 1;
                    }
                    self.leave_slot(slot);
                }
                Way::Always => take(&mut self.always, id),
            }
        }
    }

    fn insert_equal(
        &mut self,
        id: u32,
        program: &Program,
        pairs: &[(u16, u32)],
        range: Option<&Range>,
    ) {
        let slots: SmallVec<[u32; 4]> =
            pairs.iter().map(|(condition, _)| self.use_slot(program, *condition)).collect();
        let range = range.map(|range| (self.use_slot(program, range.condition), range));
        let shape = self.shape(&slots).unwrap_or_else(|| self.new_shape(slots));
        let hash = hash::of_pairs(pairs.iter().map(|(_, pair)| *pair)) as u32;
        let table = &mut self.shapes[shape as usize].table;
        let Some(cell) = table.find_mut(spread(hash), |cell| cell.hash == hash) else {
            let target = match range {
                None => id,
                Some(_) => BUCKET | new_bucket(&mut self.buckets, &mut self.free_buckets),
            };
            table.insert_unique(spread(hash), Cell { hash, target }, |cell| spread(cell.hash));
            if target & BUCKET != 0 {
                self.buckets[(target & !BUCKET) as usize].insert(id, range);
            }
            return;
        };
        if cell.target & BUCKET == 0 {
            let bucket = new_bucket(&mut self.buckets, &mut self.free_buckets);
            self.buckets[bucket as usize].plain.push(cell.target);
            cell.target = BUCKET | bucket;
        }
        self.buckets[(cell.target & !BUCKET) as usize].insert(id, range);
    }

    fn remove_equal(
        &mut self,
        id: u32,
        program: &Program,
        pairs: &[(u16, u32)],
        range: Option<&Range>,
    ) {
        let slots: Option<SmallVec<[u32; 4]>> =
            pairs.iter().map(|(condition, _)| self.named_slot(program, *condition)).collect();
        let Some(slots) = slots else { return };
        let range =
            range.and_then(|range| Some((self.named_slot(program, range.condition)?, range)));
        let Some(shape) = self.shape(&slots) else { return };
        let hash = hash::of_pairs(pairs.iter().map(|(_, pair)| *pair)) as u32;
        let table = &mut self.shapes[shape as usize].table;
        if let Ok(cell) = table.find_entry(spread(hash), |cell| cell.hash == hash) {
            let target = cell.get().target;
            let bucket = (target & !BUCKET) as usize;
            if target & BUCKET == 0 {
                cell.remove();
            } else {
                self.buckets[bucket].remove(id, range);
                if self.buckets[bucket].is_empty() {
                    cell.remove();
                    self.free_buckets.push(bucket as u32);
                }
            }
        }
        if self.shapes[shape as usize].table.is_empty() {
            let Shape { anchor, .. } = std::mem::take(&mut self.shapes[shape as usize]);
            take(&mut self.slots[anchor as usize].shapes, shape);
            self.free_shapes.push(shape);
        }
        for slot in slots.into_iter().chain(range.map(|(slot, _)| slot)) {
            self.leave_slot(slot);
        }
    }

    /// The shape of these keys. Whatever order they are in, it is that of their names.
    fn shape(&self, slots: &[u32]) -> Option<u32> {
        let mut shapes = slots.iter().flat_map(|slot| &self.slots[*slot as usize].shapes).copied();
        shapes.find(|shape| *self.shapes[*shape as usize].slots == *slots)
    }

    fn new_shape(&mut self, slots: SmallVec<[u32; 4]>) -> u32 {
        let hanging = |slot: &u32| self.slots[*slot as usize].shapes.len();
        let anchor = slots.iter().copied().min_by_key(hanging).unwrap_or_default();
        let at = self.free_shapes.pop().unwrap_or_else(|| {
            self.shapes.push(Shape::default());
            self.shapes.len() as u32 - 1
        });
        self.shapes[at as usize] = Shape { slots, anchor, ..Shape::default() };
        self.slots[anchor as usize].shapes.push(at);
        at
    }

    fn named_slot(&self, program: &Program, condition: u16) -> Option<u32> {
        let condition = &program.conditions[condition as usize];
        self.slot(Some((condition.key_hash, condition.key.of(program.text.as_bytes()))))
    }

    /// The slot of a condition's key, with one more use.
    fn use_slot(&mut self, program: &Program, condition: u16) -> u32 {
        let at = self.named_slot(program, condition).unwrap_or_else(|| {
            let condition = &program.conditions[condition as usize];
            let name = condition.key.of(program.text.as_bytes()).into();
            let slot = Slot { name, hash: condition.key_hash, ..Slot::default() };
            let at = self.free_slots.pop().unwrap_or_else(|| {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            });
            self.slots[at as usize] = slot;
            let slots = &self.slots;
            let hash = |at: &u32| spread(slots[*at as usize].hash);
            self.names.insert_unique(spread(condition.key_hash), at, hash);
            at
        });
        self.slots[at as usize].uses += 1;
        at
    }

    fn leave_slot(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        slot.uses -= 1;
        if slot.uses > 0 {
            return;
        }
        if let Ok(name) = self.names.find_entry(spread(slot.hash), |it| *it == at) {
            name.remove();
        }
        *slot = Slot::default();
        self.free_slots.push(at);
    }
}

impl Bucket {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.ranges.is_empty()
    }

    fn candidates(&self, found: &Found<'_>, each: &mut impl FnMut(u32)) {
        self.plain.iter().copied().for_each(&mut *each);
        for Ordered { slot, order, intervals } in &self.ranges {
            let ranks = found.of(*slot).iter().filter_map(|tag| order.rank(tag.value));
            let covered = ranks.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
            if let Some(covered) = covered {
                intervals.overlapping(&covered, each);
            }
        }
    }

    fn insert(&mut self, id: u32, range: Option<(u32, &Range)>) {
        let Some((slot, range)) = range else { return self.plain.push(id) };
        let is_it = |it: &Ordered| (it.slot, it.order) == (slot, range.order);
        let at = self.ranges.iter().position(is_it).unwrap_or_else(|| {
            let (order, intervals) = (range.order, Intervals::default());
            self.ranges.push(Ordered { slot, order, intervals });
            self.ranges.len() - 1
        });
        self.ranges[at].intervals.insert(range.ends, id);
    }

    fn remove(&mut self, id: u32, range: Option<(u32, &Range)>) {
        let Some((slot, range)) = range else { return take(&mut self.plain, id) };
        let is_it = |it: &Ordered| (it.slot, it.order) == (slot, range.order);
        if let Some(at) = self.ranges.iter().position(is_it) {
            let low: Rank = range.ends.0;
            self.ranges[at].intervals.remove(low, id);
            if self.ranges[at].intervals.is_empty() {
                self.ranges.swap_remove(at);
            }
        }
    }
}

fn new_bucket(buckets: &mut Vec<Bucket>, free: &mut Vec<u32>) -> u32 {
    free.pop().unwrap_or_else(|| {
        buckets.push(Bucket::default());
        buckets.len() as u32 - 1
    })
}

/// Takes one out of a list that is in no order.
fn take(list: &mut Vec<u32>, one: u32) {
    if let Some(at) = list.iter().position(|it| *it == one) {
        list.swap_remove(at);
    }
}

fn spread(hash: u32) -> u64 {
    hash::spread(u64::from(hash))
}
