//! From cells to conditions, and from those to the answer: for 64 events at a time.

use super::{Answer, Met, Run};
use crate::parser::Relation;
use crate::program::Joint;

/// Events that meet something for certain, and those of which it is not certain that they do not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) met: u64,
    pub(super) open: u64,
}

impl Run<'_, '_> {
    /// Sums up the cells of each line from both ends.
    pub(super) fn settle(&mut self) {
        self.finish();
        for line in &self.sweep.lines {
            let (mut before, mut behind) = (0, 0);
            for at in line.start as usize..line.end as usize {
                self.before[at] = before;
                before |= self.cells[at];
            }
            for at in (line.start as usize..line.end as usize).rev() {
                self.behind[at] = behind;
                behind |= self.cells[at];
            }
        }
    }

    /// Decides the `SAME EVENT`s for the events at hand.
    pub(super) fn judge_events(&mut self, there: u64) {
        for (number, node) in self.sweep.same.iter().enumerate() {
            if self.same.met >> number & 1 == 1 {
                continue;
            }
            let verdict = self.node(*node as usize + 1, true);
            self.same.met |= u64::from(verdict.met & there != 0) << number;
            self.same.open |= u64::from(verdict.open & there != 0) << number;
        }
    }

    pub(super) fn judge(&self) -> Option<bool> {
        let verdict = match self.program.is_flat() {
            false => self.node(0, false),
            true => {
                let conditions = 0..self.program.conditions.len();
                let verdicts = conditions.map(|at| self.leaf(at, false));
                verdicts.fold(Verdict::EVERY, Verdict::and)
            }
        };
        match verdict {
            Verdict { met, .. } if met & 1 == 1 => Some(true),
            Verdict { open, .. } if open & 1 == 1 => None,
            _ => Some(false),
        }
    }

    /// What the node says of each of 64 events, or of all tags together in the lowest bit.
    fn node(&self, at: usize, of_events: bool) -> Verdict {
        let nodes = &self.program.extra().nodes;
        let node = nodes[at];
        let parts = || {
            let first = Some(at + 1).filter(|part| *part < node.end as usize);
            std::iter::successors(first, |part| {
                Some(nodes[*part].end as usize).filter(|next| *next < node.end as usize)
            })
        };
        let parts = || parts().map(|part| self.node(part, of_events));
        match node.joint {
            Joint::Leaf(condition) => self.leaf(condition as usize, of_events),
            Joint::Not => self.node(at + 1, of_events).not(),
            Joint::And => parts().fold(Verdict::EVERY, Verdict::and),
            Joint::Or => parts().fold(Verdict::NONE, Verdict::or),
            Joint::Same => {
                let number = self.sweep.same.iter().position(|it| *it as usize == at);
                let of = |bits: u64| bits >> number.unwrap_or(0) & 1;
                let met = of(self.same.met);
                let hangs = self.source.is_some_and(|source| self.program.may_come(at, source));
                Verdict { met, open: met | of(self.same.open) | u64::from(hangs) }
            }
        }
    }

    fn leaf(&self, condition: usize, of_events: bool) -> Verdict {
        let Answer { key, kind } = &self.sweep.answers[condition];
        let met = self.met(key) | self.met(kind);
        // Of all tags together it does not matter which of them it is.
        let met = if of_events { met } else { u64::from(met != 0) };
        let may = self.may_hold[condition / 64] >> (condition % 64) & 1 == 1;
        Verdict { met, open: if may { u64::MAX } else { met } }
    }

    fn met(&self, met: &Met) -> u64 {
        match met {
            Met::Never => 0,
            Met::Order(relation, cell) => {
                let at = *cell as usize;
                let of = |part: Relation, events: u64| match *relation as u8 & part as u8 {
                    0 => 0,
                    _ => events,
                };
                of(Relation::Less, self.before[at])
                    | of(Relation::Equal, self.cells[at])
                    | of(Relation::Greater, self.behind[at])
            }
            Met::Any(places) => {
                let cells = &self.sweep.lists[places.start as usize..places.end as usize];
                cells.iter().fold(0, |all, cell| all | self.cells[*cell as usize])
            }
        }
    }
}

impl Verdict {
    const EVERY: Verdict = Verdict { met: u64::MAX, open: u64::MAX };
    const NONE: Verdict = Verdict { met: 0, open: 0 };

    fn and(self, other: Verdict) -> Verdict {
        Verdict { met: self.met & other.met, open: self.open & other.open }
    }

    fn or(self, other: Verdict) -> Verdict {
        Verdict { met: self.met | other.met, open: self.open | other.open }
    }

    fn not(self) -> Verdict {
        Verdict { met: !self.open, open: !self.met }
    }
}
