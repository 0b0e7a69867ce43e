//! All numbers that a query compares with the values of a key, in order.
//!
//! A value of many digits is placed among them by halving: over their ranks, then over what is
//! behind these. How many numbers there are hardly matters then, nor how many digits they share.

use super::binary::Turns;
use super::{Arithmetic, Literal, Long, Place, Rank};

/// Places for values of many digits: below the first number, that number, between it and the next
/// one, and so on.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    arithmetic: Arithmetic,
    /// For pure integers, and in exact arithmetic for all numbers.
    numbers: Rungs,
    /// For other numbers in rounded arithmetic.
    around: Rungs,
}

/// Numbers in order.
#[derive(Debug, Clone, Default)]
struct Rungs {
    ranks: Vec<Rank>,
    /// The rest of each.
    rungs: Vec<Rung>,
    /// The digits behind the first 64 of each.
    digits: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Rung {
    more: i128,
    /// Where the digits behind these are.
    rest: (u32, u32),
    /// How many of the same rank are from here on.
    run: u16,
    /// The place of a value that equals it, and of one that is more.
    equal: u16,
    above: u16,
}

impl Ladder {
    /// From literals in order, no two of which are equal.
    pub(crate) fn new<'l>(
        literals: impl Iterator<Item = &'l Literal>,
        arithmetic: Arithmetic,
    ) -> Ladder {
        let (numbers, around) = (Rungs::default(), Rungs::default());
        let mut ladder = Ladder { arithmetic, numbers, around };
        for literal in literals {
            literal.with_turns(|turns| ladder.push(turns));
        }
        ladder.numbers.shrink();
        ladder.around.shrink();
        ladder
    }

    fn push(&mut self, turns: &Turns<'_>) {
        let exact = [(turns.number, true), (turns.number, false)];
        for (place, passes) in exact {
            self.numbers.push(&place, passes);
        }
        if self.arithmetic == Arithmetic::Rounded {
            for (place, passes) in turns.around.unwrap_or(exact) {
                self.around.push(&place, passes);
            }
        }
    }

    /// Where a value is; nothing if it is no number as the language reads it.
    pub(crate) fn place(&self, value: &Long<'_>) -> Option<u16> {
        let is_exact = value.is_integer || self.arithmetic == Arithmetic::Exact;
        let rungs = if is_exact { &self.numbers } else { &self.around };
        value.counts(self.arithmetic).then(|| rungs.place(&value.place))
    }

    /// Bytes of memory behind it.
    pub(crate) fn held_bytes(&self) -> usize {
        let held = |rungs: &Rungs| {
            size_of_val(&*rungs.ranks) + size_of_val(&*rungs.rungs) + rungs.digits.len()
        };
        held(&self.numbers) + held(&self.around)
    }
}

impl Rungs {
    /// Adds a number from which on values are one place higher; those that equal it only if it
    /// `passes`.
    fn push(&mut self, place: &Place<'_>, passes: bool) {
        let last = self.rungs.last();
        let below = last.map_or(0, |rung| rung.above);
        if !(self.ranks.last() == Some(&place.rank) && last.is_some_and(|it| self.is_at(it, place)))
        {
            let same = self.ranks.iter().rev().take_while(|rank| **rank == place.rank).count();
            self.rungs.iter_mut().rev().take(same).for_each(|rung| rung.run += 1);
            let start = self.digits.len() as u32;
            self.digits.extend_from_slice(place.rest[0]);
            self.digits.extend_from_slice(place.rest[1]);
            self.ranks.push(place.rank);
            self.rungs.push(Rung {
                more: place.more,
                rest: (start, self.digits.len() as u32),
                run: 1,
                equal: below,
                above: below,
            });
        }
        if let Some(rung) = self.rungs.last_mut() {
            rung.equal += u16::from(passes);
            rung.above += 1;
        }
    }

    #[inline]
    fn place(&self, value: &Place<'_>) -> u16 {
        let below = |at: usize| at.checked_sub(1).map_or(0, |at| self.rungs[at].above);
        let first = super::count_below(&self.ranks, &value.rank);
        if self.ranks.get(first) != Some(&value.rank) {
            return below(first);
        }
        let run = &self.rungs[first..first + self.rungs[first].run as usize];
        let alike = run.partition_point(|rung| rung.more < value.more);
        let order = |rung: &Rung| {
            let order = rung.more.cmp(&value.more);
            order.then_with(|| value.compare_rest(self.rest(rung)).reverse())
        };
        match run[alike..].binary_search_by(order) {
            Ok(at) => run[alike + at].equal,
            Err(at) => below(first + alike + at),
        }
    }

    /// Whether it is this number, if the ranks are the same.
    fn is_at(&self, rung: &Rung, place: &Place<'_>) -> bool {
        rung.more == place.more && place.compare_rest(self.rest(rung)).is_eq()
    }

    fn rest(&self, rung: &Rung) -> &[u8] {
        &self.digits[rung.rest.0 as usize..rung.rest.1 as usize]
    }

    fn shrink(&mut self) {
        self.ranks.shrink_to_fit();
        self.rungs.shrink_to_fit();
        self.digits.shrink_to_fit();
    }
}
