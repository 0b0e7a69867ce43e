//! The ring against a `VecDeque` that refuses what is too much.

use std::collections::VecDeque;
use std::time::Instant;

use floodway_queue::ring::{PopError, PushError, ring};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Push,
    PushInVain,
    PushMany(usize),
    PushManyInVain(usize),
    Pop,
    PopInVain,
    Drain(usize),
    DrainInto(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        6 => Just(Op::Push),
        1 => Just(Op::PushInVain),
        2 => (0..30_usize).prop_map(Op::PushMany),
        1 => (0..30_usize).prop_map(Op::PushManyInVain),
        6 => Just(Op::Pop),
        1 => Just(Op::PopInVain),
        1 => (0..12_usize).prop_map(Op::Drain),
        1 => (0..12_usize).prop_map(Op::DrainInto),
    ];
    prop::collection::vec(one, 0..200)
}

/// What a ring is, said plainly. Items are numbered as they are offered.
struct Oracle {
    queue: VecDeque<u64>,
    capacity: usize,
    offered: u64,
}

impl Oracle {
    fn push(&mut self) -> Result<(), PushError<u64>> {
        let item = self.offered;
        self.offered += 1;
        if self.queue.len() == self.capacity {
            return Err(PushError::Full(item));
        }
        self.queue.push_back(item);
        Ok(())
    }

    fn pop(&mut self) -> Result<u64, PopError> {
        self.queue.pop_front().ok_or(PopError::Empty)
    }

    /// How many of so many are taken.
    fn push_many(&mut self, count: usize) -> usize {
        let fit = count.min(self.capacity - self.queue.len());
        (0..fit).for_each(|_| assert!(self.push().is_ok()));
        fit
    }
}

proptest! {
    #[test]
    fn agrees_with_a_deque(ops in ops(), capacity in 1..20_usize, end_of_producer: bool) {
        let (mut producer, mut consumer) = ring(capacity).unwrap();
        let mut oracle = Oracle { queue: VecDeque::new(), capacity, offered: 0 };
        for op in ops {
            match op {
                Op::Push => prop_assert_eq!(producer.try_push(oracle.offered), oracle.push()),
                Op::PushInVain => {
                    let pushed = producer.push_blocking(oracle.offered, Some(Instant::now()));
                    prop_assert_eq!(pushed, oracle.push());
                }
                Op::PushMany(count) => {
                    let mut items = oracle.offered..oracle.offered + count as u64;
                    let pushed = producer.try_push_many(&mut items);
                    let expected = oracle.push_many(count);
                    prop_assert_eq!(items.start, oracle.offered);
                    prop_assert_eq!(pushed, match expected {
                        0 if count > 0 => Err(PushError::Full(())),
                        some => Ok(some),
                    });
                }
                Op::PushManyInVain(count) => {
                    let mut items = (oracle.offered..).take(count).collect::<Vec<_>>().into_iter();
                    let pushed = producer.push_many_blocking(&mut items, Some(Instant::now()));
                    let all = oracle.push_many(count) == count;
                    prop_assert_eq!(pushed, if all { Ok(()) } else { Err(PushError::Full(())) });
                    prop_assert_eq!(items.next().unwrap_or(oracle.offered), oracle.offered);
                }
                Op::Pop => prop_assert_eq!(consumer.try_pop(), oracle.pop()),
                Op::PopInVain => {
                    prop_assert_eq!(consumer.pop_blocking(Some(Instant::now())), oracle.pop());
                }
                Op::Drain(limit) => {
                    let mut items = Vec::new();
                    prop_assert_eq!(consumer.drain(limit, |n| items.push(n)), items.len());
                    prop_assert_eq!(items, taken(&mut oracle, limit));
                }
                Op::DrainInto(limit) => {
                    let mut items = vec![7];
                    let drained = consumer.drain_into(&mut items, limit);
                    let expected = taken(&mut oracle, limit);
                    prop_assert_eq!((drained, items.remove(0)), (expected.len(), 7));
                    prop_assert_eq!(items, expected);
                }
            }
            prop_assert_eq!(producer.len(), oracle.queue.len());
            prop_assert_eq!(consumer.is_empty(), oracle.queue.is_empty());
        }
        if end_of_producer {
            drop(producer);
            prop_assert_eq!(taken(&mut oracle, usize::MAX), all(&mut consumer));
            prop_assert_eq!(consumer.try_pop(), Err(PopError::Closed));
        } else {
            drop(consumer);
            prop_assert_eq!(producer.try_push(0), Err(PushError::Closed(0)));
            prop_assert!(producer.is_empty());
        }
    }
}

fn taken(oracle: &mut Oracle, limit: usize) -> Vec<u64> {
    (0..limit).map_while(|_| oracle.pop().ok()).collect()
}

fn all(consumer: &mut floodway_queue::ring::Consumer<u64>) -> Vec<u64> {
    std::iter::from_fn(|| consumer.try_pop().ok()).collect()
}
