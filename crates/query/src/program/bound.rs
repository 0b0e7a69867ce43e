//! What values are compared with in order: numbers, dates and times.

use std::cmp::Ordering;

use crate::calendar::{self, Instant};
use crate::number::{Literal, Rank};
use crate::parser::Relation;
use crate::tags::Part;

/// What a value is compared with in order.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Number(Literal),
    /// A day.
    Date(i64),
    /// A second of universal time.
    Time(i64),
}

impl Bound {
    /// Bytes of memory behind it.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Bound::Number(literal) => literal.held_bytes(),
            Bound::Date(_) | Bound::Time(_) => 0,
        }
    }

    #[inline]
    pub(super) fn compare(&self, value: &[u8]) -> Option<Ordering> {
        match self {
            Bound::Number(literal) => literal.compare(value),
            Bound::Date(day) => Some(calendar::value_date(value)?.cmp(day)),
            Bound::Time(second) => {
                Some(calendar::value_time(value)?.cmp(&Instant { second: *second, nanos: 0 }))
            }
        }
    }

    /// Whether one of these values, of which some are long numbers, is in this relation to it.
    #[cold]
    #[inline(never)]
    pub(super) fn any_value(
        &self,
        relation: Relation,
        named: (u32, &[u8]),
        tags: &Part<'_, '_>,
    ) -> bool {
        let admits = |order: Option<Ordering>| order.is_some_and(|order| relation.admits(order));
        let Bound::Number(literal) = self else {
            return tags.any_value(named, |value| admits(self.compare(value.bytes)));
        };
        literal.with_turns(|turns| {
            tags.any_value(named, |value| match value.long() {
                Some(long) => admits(turns.compare(long)),
                None => admits(literal.compare(value.bytes)),
            })
        })
    }

    /// Its place among values of its kind.
    pub(crate) fn point(&self) -> i128 {
        match self {
            Bound::Number(literal) => literal.point(),
            Bound::Date(day) => i128::from(*day),
            Bound::Time(second) => Instant { second: *second, nanos: 0 }.point(),
        }
    }

    /// The number, if it is one.
    pub(crate) fn literal(&self) -> Option<&Literal> {
        match self {
            Bound::Number(literal) => Some(literal),
            Bound::Date(_) | Bound::Time(_) => None,
        }
    }

    /// Where it is in the order of its kind.
    pub(crate) fn rank(&self) -> (Rank, Rank) {
        match self {
            Bound::Number(literal) => literal.rank(),
            Bound::Date(point) | Bound::Time(point) => (Rank::whole(*point), Rank::whole(*point)),
        }
    }
}
