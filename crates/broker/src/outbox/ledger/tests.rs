use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Push { slot: u32, count: u32, len: u32, at_ms: u32 },
    Advance(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = prop_oneof![3 => 0..3_u32, 1 => Just(CONTROL)];
    let push = (slot, 1..5_u32, 1..4_u32, 0..2_u32)
        .prop_map(|(slot, count, len, at_ms)| Op::Push { slot, count, len, at_ms });
    prop_oneof![2 => push, 1 => any::<prop::sample::Index>().prop_map(Op::Advance)]
}

proptest! {
    #[test]
    fn agrees_with_a_list_of_single_messages(ops in prop::collection::vec(op(), 0..60)) {
        let mut ledger = Ledger::default();
        // Slot, length and time of each message, and the bytes that are left of the first.
        let mut model: VecDeque<(u32, u32, u32)> = VecDeque::new();
        let mut front_written = 0;
        for op in ops {
            match op {
                Op::Push { slot, count, len, at_ms } => {
                    ledger.push(slot, count, len, at_ms);
                    (0..count).for_each(|_| model.push_back((slot, len, at_ms)));
                }
                Op::Advance(index) => {
                    let queued: u32 = model.iter().map(|(_, len, _)| len).sum();
                    let left = queued - front_written;
                    let bytes = index.index(left as usize + 1);
                    let mut real = Vec::new();
                    ledger.advance(bytes, |written| {
                        assert!(written.messages > 0);
                        let len = written.bytes / written.messages;
                        assert_eq!(len * written.messages, written.bytes);
                        (0..written.messages).for_each(|_| real.push((written.slot, len as u32)));
                    });
                    let mut expected = Vec::new();
                    front_written += bytes as u32;
                    while let Some(&(slot, len, _)) = model.front() && front_written >= len {
                        front_written -= len;
                        expected.push((slot, len));
                        model.pop_front();
                    }
                    prop_assert_eq!(real, expected);
                }
            }
            let mut oldest = HashMap::new();
            for &(slot, _, at_ms) in model.iter().filter(|(slot, _, _)| *slot != CONTROL) {
                oldest.entry(slot).or_insert(at_ms);
            }
            prop_assert_eq!(ledger.oldest_by_slot(), oldest);
            prop_assert_eq!(ledger.entries.is_empty(), model.is_empty());
        }
    }
}

#[test]
fn a_flat_out_stream_needs_one_entry_and_a_burst_gives_its_memory_back() {
    let mut ledger = Ledger::default();
    (0..100_000).for_each(|_| ledger.push(1, 10, 128, 7));
    assert_eq!((ledger.entries.len(), ledger.held_bytes()), (1, 0));
    (0..1000).for_each(|n| ledger.push(1, 1, 100 + n % 2, 7));
    assert!(ledger.held_bytes() >= 1000 * size_of::<Entry>());
    ledger.advance(1_000_000 * 128 + 1000 * 100 + 500, |_| {});
    assert_eq!((ledger.entries.len(), ledger.held_bytes()), (0, 0));
}

#[test]
fn counts_do_not_overflow() {
    let mut ledger = Ledger::default();
    ledger.push(1, u32::MAX, 1, 0);
    ledger.push(1, 2, 1, 0);
    let mut messages = 0;
    ledger.advance(u32::MAX as usize + 2, |written| messages += written.messages);
    assert_eq!(messages, u64::from(u32::MAX) + 2);
}
