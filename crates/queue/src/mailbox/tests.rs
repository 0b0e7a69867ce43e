//! What a message costs, in operations that threads have to agree on.

use super::*;
use crate::sync::counted::uses;

const OFTEN: u64 = if cfg!(miri) { 100 } else { 10_000 };

fn filled(count: u32) -> (Sender<u64>, Receiver<u64>) {
    let (sender, receiver) = mailbox(Limits::messages(2_000_000).unwrap());
    (0..u64::from(count)).for_each(|n| sender.try_send(n).unwrap());
    (sender, receiver)
}

fn cost(f: impl FnOnce()) -> u64 {
    let before = uses();
    f();
    uses() - before
}

/// checklist: A3
#[test]
fn the_whole_backlog_is_one_operation() {
    for count in [100, 1_000, if cfg!(miri) { 2_000 } else { 100_000 }] {
        let (_sender, mut receiver) = filled(count);
        let mut taken = Vec::new();
        let spent = cost(|| {
            assert_eq!(receiver.drain_into(&mut taken, usize::MAX), count as usize);
        });
        assert!(taken.into_iter().eq(0..u64::from(count)));
        // Two for each segment, one look, and the report with its fence.
        assert!(spent * 10 < u64::from(count), "{spent} operations for {count} items");
    }
}

#[test]
fn a_batch_is_sent_by_one_lock() {
    let (sender, _receiver) = filled(1);
    let mut batch: Vec<u64> = (0..100).collect();
    let spent = cost(|| assert_eq!(sender.try_send_many(&mut batch), Ok(100)));
    // Load, exchange, store; one look at the receiver; and a segment or two.
    assert!(spent <= 12, "{spent} operations");
}

/// checklist: E6
#[test]
fn the_cost_of_a_message_does_not_depend_on_the_depth() {
    let at = |depth| {
        let (sender, mut receiver) = filled(depth);
        cost(|| {
            for n in 0..OFTEN {
                sender.try_send(n).unwrap();
                receiver.try_recv().unwrap();
            }
        })
    };
    let deepest = if cfg!(miri) { 2_000 } else { 1_000_000 };
    let costs = [at(10), at(1_000), at(deepest)];
    let (least, most) = (costs.iter().min().unwrap(), costs.iter().max().unwrap());
    assert!(most * 4 <= least * 5, "{costs:?} operations for {OFTEN} messages");
    // Load, exchange and store of the state; two looks of the receiver and its report.
    assert!(*most <= 7 * OFTEN, "{costs:?}");
}

#[test]
fn a_mailbox_is_two_cache_lines() {
    assert_eq!(size_of::<Shared<[u64; 100]>>(), 128);
    assert_eq!(align_of::<Shared<u8>>(), 64);
}
