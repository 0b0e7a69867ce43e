//! The keyed queue against a `VecDeque` that is searched.
// checklist: E9

use std::collections::VecDeque;

use floodway_queue::keyed::{Entry, Put, PutError, queue};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Put(u8, u64),
    Fold(u8, u64),
    Take,
    TakeMany(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        4 => (0..12_u8, 0..100_u64).prop_map(|(key, value)| Op::Put(key, value)),
        2 => (0..12_u8, 0..100_u64).prop_map(|(key, value)| Op::Fold(key, value)),
        2 => Just(Op::Take),
        1 => (0..6_usize).prop_map(Op::TakeMany),
    ];
    prop::collection::vec(one, 0..200)
}

proptest! {
    #[test]
    fn agrees_with_a_deque_that_is_searched(ops in ops(), max_keys in 1..10_usize) {
        let (sender, mut receiver) = queue(max_keys as u32).unwrap();
        let mut oracle: VecDeque<Entry<u8, u64>> = VecDeque::new();
        let (mut put, mut refused) = (0, 0);
        for op in ops {
            match op {
                Op::Put(key, value) | Op::Fold(key, value) => {
                    let folds = matches!(op, Op::Fold(..));
                    let (sent, old) = if folds {
                        (sender.fold(key, value, |sum, n| *sum += n), 0)
                    } else {
                        let sent = sender.put(key, value);
                        let old = if let Ok(Put::Replaced(old)) = sent { old } else { 0 };
                        (sent.map(|put| match put {
                            Put::Inserted => Put::Inserted,
                            Put::Replaced(_) => Put::Replaced(()),
                        }), old)
                    };
                    put += u64::from(sent.is_ok());
                    if let Some(entry) = oracle.iter_mut().find(|entry| entry.key == key) {
                        prop_assert_eq!(sent, Ok(Put::Replaced(())));
                        prop_assert!(folds || old == entry.value);
                        entry.value = if folds { entry.value + value } else { value };
                        entry.replaced += 1;
                    } else if oracle.len() < max_keys {
                        prop_assert_eq!(sent, Ok(Put::Inserted));
                        oracle.push_back(Entry { key, value, replaced: 0 });
                    } else {
                        prop_assert_eq!(sent, Err(PutError::Full(key, value)));
                        refused += 1;
                    }
                }
                Op::Take => prop_assert_eq!(receiver.try_recv().ok(), oracle.pop_front()),
                Op::TakeMany(limit) => {
                    let mut entries = Vec::new();
                    receiver.recv_many(&mut entries, limit);
                    let expected: Vec<_> = oracle.drain(..limit.min(oracle.len())).collect();
                    prop_assert_eq!(entries, expected);
                }
            }
            let account = sender.account();
            prop_assert_eq!((account.put, account.refused), (put, refused));
            prop_assert_eq!(account.queued as usize, oracle.len());
            prop_assert_eq!(put, account.received + account.replaced + account.queued);
        }
    }
}
