//! Both rings against a `VecDeque` that loses its oldest.

use std::collections::VecDeque;
use std::time::Instant;

use floodway_queue::overwriting::{Entry, ReadError, Reader};
use proptest::prelude::*;

use super::{AnyWriter, both};

#[derive(Debug, Clone)]
enum Op {
    Push(u32),
    Read,
    ReadInVain,
    Drain(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        4 => Just(Op::Push(1)),
        2 => (0..30_u32).prop_map(Op::Push),
        4 => Just(Op::Read),
        1 => Just(Op::ReadInVain),
        1 => (0..12_usize).prop_map(Op::Drain),
    ];
    prop::collection::vec(one, 0..200)
}

/// What a ring is, said plainly. Items are their own sequence numbers.
struct Oracle {
    queue: VecDeque<u64>,
    capacity: usize,
    pushed: u64,
    read: u64,
}

impl Oracle {
    fn push(&mut self) -> Option<u64> {
        self.queue.push_back(self.pushed);
        self.pushed += 1;
        if self.queue.len() > self.capacity { self.queue.pop_front() } else { None }
    }

    fn read(&mut self) -> Result<Entry<u64>, ReadError> {
        let item = self.queue.pop_front().ok_or(ReadError::Empty)?;
        let lost = item - self.read;
        self.read = item + 1;
        Ok(Entry { item, sequence: item, lost })
    }
}

fn run(
    (mut writer, mut reader): (AnyWriter<u64>, Reader<u64>),
    capacity: usize,
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let mut oracle = Oracle { queue: VecDeque::new(), capacity, pushed: 0, read: 0 };
    let mut overwritten = 0;
    for op in ops {
        match op {
            Op::Push(count) => {
                for _ in 0..*count {
                    let pushed = writer.push(oracle.pushed);
                    overwritten += u64::from(pushed.is_some());
                    prop_assert_eq!(pushed, oracle.push());
                }
            }
            Op::Read => prop_assert_eq!(reader.try_read(), oracle.read()),
            Op::ReadInVain => {
                prop_assert_eq!(reader.read_blocking(Some(Instant::now())), oracle.read());
            }
            Op::Drain(limit) => {
                let mut entries = Vec::new();
                prop_assert_eq!(reader.drain(*limit, |entry| entries.push(entry)), entries.len());
                let expected: Vec<_> = (0..*limit).map_while(|_| oracle.read().ok()).collect();
                prop_assert_eq!(entries, expected);
            }
        }
        prop_assert_eq!(reader.len(), oracle.queue.len());
        prop_assert_eq!(reader.next_sequence(), oracle.read);
    }
    let left = reader.drain(usize::MAX, drop);
    prop_assert_eq!(left, oracle.queue.len());
    prop_assert_eq!(reader.lost(), overwritten, "lost is what was overwritten");
    drop(writer);
    prop_assert_eq!(reader.try_read(), Err(ReadError::Closed));
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_deque_that_loses_its_oldest(ops in ops(), capacity in 1..20_usize) {
        for ends in both(capacity) {
            run(ends, capacity, &ops)?;
        }
    }
}
